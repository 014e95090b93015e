//! The text index, read by all workers at once: it is much of what a check has to read.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use super::chunk::Worker;
use crate::projection::text::{Sum, TextVerifier};

/// Sums up all words of the index, some ranges of them each.
pub(super) fn stored(words: &TextVerifier, workers: &mut [Worker]) -> rusqlite::Result<Sum> {
    // Where ranges begin; whatever is below the first and above the last is in one too.
    let begins: Vec<String> = ('0'..='9')
        .chain('a'..='z')
        .flat_map(|one| SECOND.map(|other| format!("{one}{other}")))
        .collect();
    let next = AtomicUsize::new(0);
    let some_ranges = |worker: &mut Worker| -> rusqlite::Result<Sum> {
        let mut sum = Sum::default();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            if at > begins.len() {
                return Ok(sum);
            }
            let from = at.checked_sub(1).map_or("", |before| &begins[before]);
            let to = begins.get(at).map(String::as_str);
            sum.add(words.stored(worker.conn(), from, to)?);
        }
    };
    let (say, hear) = mpsc::channel();
    thread::scope(|scope| {
        for worker in workers {
            let (say, some_ranges) = (say.clone(), &some_ranges);
            scope.spawn(move || say.send(some_ranges(worker)));
        }
    });
    drop(say);
    hear.into_iter().try_fold(Sum::default(), |mut all, sum| {
        all.add(sum?);
        Ok(all)
    })
}

/// Second characters of words at which ranges begin: small ones, so that none keeps the others waiting.
const SECOND: [&str; 2] = ["", "8"];
