//! Every byte of every file of a store changed in turn: it is found, or nothing depends on it.
//!
//! `REALITY_DB_FLIPS` says how many bytes are changed in all, in equal parts of each shape of store;
//! `REALITY_DB_SHAPE` which shape alone gets them; `REALITY_DB_SEED` where the chances begin. Child
//! processes do it, so that neither an abort nor a hang goes unnoticed.
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a failed unwrap is a failed test; numbers are drawn below small bounds"
)]

#[path = "common/backend.rs"]
mod backend;
#[path = "common/child.rs"]
mod child;
#[path = "common/dice.rs"]
mod dice;
#[path = "tamper/shape.rs"]
mod shape;
#[path = "tamper/tally.rs"]
mod tally;
#[path = "tamper/truth.rs"]
mod truth;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use dice::{Dice, number};
use reality_db::{Health, OpenError, RealityDb};
use shape::SHAPES;
use tally::Tally;
use truth::Truth;

/// How long one changed byte may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A bit of a byte of a file.
#[derive(Clone, Debug)]
struct Flip {
    file: PathBuf,
    at: usize,
    bits: u8,
}

impl Flip {
    /// The file or folder of the store that it is in.
    fn part(&self) -> &Path {
        Path::new(self.file.iter().next().unwrap())
    }
}

/// Which bytes to change: all of them if there are no more than `limit`, else some by chance, most
/// of them where there is something written, and as many in the journal as in the log. All that is
/// written comes before the last four fifths of the zeros.
fn flips(folder: &Path, seed: u64, limit: u64) -> Vec<Flip> {
    let mut written = BTreeMap::<_, Vec<_>>::new();
    let mut zeros = Vec::new();
    for file in files(folder) {
        let part = file.iter().next().unwrap().to_owned();
        let written = written.entry(part).or_default();
        for (at, byte) in fs::read(folder.join(&file))
            .unwrap()
            .into_iter()
            .enumerate()
        {
            let flip = Flip {
                file: file.clone(),
                at,
                bits: 1 << (at % 8),
            };
            match byte {
                0 => zeros.push(flip),
                _ => written.push(flip),
            }
        }
    }
    let mut dice = Dice(seed);
    let mut some = |mut all: Vec<Flip>, limit: u64| {
        while all.len() as u64 > limit {
            let at = usize::try_from(dice.below(all.len() as u64)).unwrap();
            all.swap_remove(at);
        }
        all
    };
    let all_written: u64 = written.values().map(|part| part.len() as u64).sum();
    let mut flips = some(zeros, limit.saturating_sub(all_written).max(limit / 5));
    // The longest last: what a short one has no use for is left to it.
    let mut parts: Vec<_> = written.into_values().collect();
    parts.sort_by_key(|part| Reverse(part.len()));
    while let Some(part) = parts.pop() {
        let left = limit - flips.len() as u64;
        flips.extend(some(part, left / (parts.len() as u64 + 1)));
    }
    flips
}

fn files(folder: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(inner) = folders.pop() {
        for entry in fs::read_dir(folder.join(&inner)).unwrap() {
            let entry = entry.unwrap();
            let path = inner.join(entry.file_name());
            match entry.file_type().unwrap().is_dir() {
                true => folders.push(path),
                false => drop(found.insert(path)),
            }
        }
    }
    found
}

fn copy(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    for file in files(from) {
        fs::create_dir_all(to.join(&file).parent().unwrap()).unwrap();
        fs::copy(from.join(&file), to.join(&file)).unwrap();
    }
}

#[test]
fn no_changed_byte_changes_an_answer() {
    let only = std::env::var("REALITY_DB_SHAPE").ok();
    let shapes = SHAPES.iter().enumerate();
    let shapes: Vec<_> = shapes
        .filter(|(_, shape)| only.as_deref().is_none_or(|name| name == shape.name))
        .collect();
    assert!(!shapes.is_empty(), "no shape is named {only:?}");
    let limit = number("REALITY_DB_FLIPS", 500) / shapes.len() as u64;
    let mut wrong = Vec::new();
    let mut all = Tally::default();
    for (shape_at, shape) in shapes {
        let folder = tempfile::tempdir().unwrap();
        let sound = folder.path().join("sound");
        shape.build(&sound);
        let files = files(&sound);
        let lens = files
            .iter()
            .map(|file| sound.join(file).metadata().unwrap().len());
        let bytes: u64 = lens.sum();
        let mut campaign = Campaign {
            folder: folder.path(),
            shape: shape_at,
            limit,
            tally: Tally::default(),
            wrong: Vec::new(),
        };
        let mut next = 0;
        while let Some(ended_at) = campaign.go_on(next) {
            next = ended_at + 1;
        }
        let tally = campaign.tally;
        wrong.append(&mut campaign.wrong);
        println!(
            "{}, {} of {bytes} bytes changed:\n{tally}",
            shape.name,
            tally.flips()
        );
        assert_eq!(tally.flips(), limit.min(bytes), "{}", shape.name);
        all.add(&tally);
    }
    println!("{} bytes changed in all:\n{all}", all.flips());
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// Bytes of one store that are changed one after another, and what came of it.
struct Campaign<'a> {
    /// Where the store is, and its copies.
    folder: &'a Path,
    /// Which of [`SHAPES`] it is.
    shape: usize,
    /// Most bytes to change.
    limit: u64,
    tally: Tally,
    wrong: Vec<String>,
}

impl Campaign<'_> {
    /// Lets a process go through the changes from `first` on. The one at which it ended, if it did not
    /// come to the end.
    fn go_on(&mut self, first: usize) -> Option<usize> {
        let (mut child, lines) = child::start(CHILD, |command| {
            command
                .env("REALITY_DB_TAMPER_FOLDER", self.folder)
                .env("REALITY_DB_TAMPER_SHAPE", self.shape.to_string())
                .env("REALITY_DB_TAMPER_LIMIT", self.limit.to_string())
                .env("REALITY_DB_TAMPER_FIRST", first.to_string())
                .stderr(Stdio::null());
        });
        let mut at = None;
        let name = SHAPES[self.shape].name;
        let ended = loop {
            let line = match lines.hear.recv_timeout(PATIENCE) {
                Ok(line) => line,
                Err(RecvTimeoutError::Timeout) => break Some("hangs"),
                Err(RecvTimeoutError::Disconnected) => break Some("ended the process"),
            };
            let Some((_, words)) = line.split_once("child: ") else {
                continue;
            };
            let (word, rest) = words.split_once(' ').unwrap_or((words, ""));
            match (word, &at) {
                ("trying", _) => {
                    let mut words = rest.splitn(3, ' ');
                    let flip: usize = words.next().unwrap().parse().unwrap();
                    let [part, flip_words] = [(); 2].map(|()| words.next().unwrap().to_owned());
                    at = Some((flip, part, flip_words));
                }
                ("done", _) => break None,
                (outcome, Some((_, part, flip))) => {
                    self.tally.count(part, outcome, 1);
                    if outcome == "wrong" {
                        self.wrong.push(format!("{name}: {flip}: {rest}"));
                    }
                }
                (other, None) => panic!("{name}: {other} before it began"),
            }
        };
        let _ = child.kill();
        child.wait().unwrap();
        lines.rest().for_each(drop);
        let how = ended?;
        let (at, part, flip) =
            at.unwrap_or_else(|| panic!("{name}: the process {how} before it began"));
        self.tally.count(&part, how, 1);
        self.wrong.push(format!("{name}: {flip} {how}"));
        Some(at)
    }
}

/// The name of the test that is the child.
const CHILD: &str = "tampers_with_a_store";

/// Not a test by itself: the process that changes bytes and asks.
#[test]
fn tampers_with_a_store() {
    let Some(folder) = std::env::var_os("REALITY_DB_TAMPER_FOLDER") else {
        return;
    };
    let sound = Path::new(&folder).join("sound");
    let work = Path::new(&folder).join("work");
    let at = usize::try_from(number("REALITY_DB_TAMPER_SHAPE", 0)).unwrap();
    copy(&sound, &work);
    let truth = Truth::new(SHAPES[at], &work);
    let limit = number("REALITY_DB_TAMPER_LIMIT", 0);
    let first = usize::try_from(number("REALITY_DB_TAMPER_FIRST", 0)).unwrap();
    let flips = flips(&sound, number("REALITY_DB_SEED", 1), limit);
    std::panic::set_hook(Box::new(|_| {}));
    for (number, flip) in flips.iter().enumerate().skip(first) {
        let part = flip.part().display();
        say(&format!("trying {number} {part} {flip:?}"));
        // Another folder each time: sled may not have let go of the last one.
        let work = Path::new(&folder).join(format!("work-{}", number % 7));
        copy(&sound, &work);
        let mut bytes = fs::read(work.join(&flip.file)).unwrap();
        bytes[flip.at] ^= flip.bits;
        fs::write(work.join(&flip.file), bytes).unwrap();
        match catch_unwind(AssertUnwindSafe(|| truth.examine(&work, &flip.file))) {
            Ok(Ok(outcome)) => say(&format!("{outcome:?}")),
            Ok(Err(why)) => say(&format!("wrong {why}")),
            Err(panic) => {
                let what = (panic.downcast_ref::<String>().cloned())
                    .or_else(|| panic.downcast_ref::<&str>().map(|what| (*what).to_owned()));
                say(&format!("wrong it panicked: {what:?}"));
            }
        }
    }
    say("done");
}

fn say(words: &str) {
    let line = format!("child: {}\n", words.replace('\n', " "));
    std::io::stdout().write_all(line.as_bytes()).unwrap();
}

#[test]
fn an_older_copy_is_refused_by_whoever_knows_better() {
    let folder = tempfile::tempdir().unwrap();
    let (now, before) = (folder.path().join("now"), folder.path().join("before"));
    for shape in SHAPES {
        let _ = fs::remove_dir_all(&now);
        shape.build(&now);
        copy(&now, &before);
        let db = RealityDb::open(&now, &shape.options()).unwrap();
        let version = db.put(b"key", b"value").unwrap();
        drop(db);
        let expecting = shape.options().expect(version.number, version.root);
        drop(RealityDb::open(&now, &expecting).unwrap());
        let refused = RealityDb::open(&before, &expecting).err().unwrap();
        assert!(matches!(refused, OpenError::Unexpected { .. }), "{refused}");
        // It is a sound store otherwise: only who kept the root can tell.
        let db = RealityDb::open(&before, &shape.options()).unwrap();
        assert_eq!(db.health(), Health::Sound);
    }
}
