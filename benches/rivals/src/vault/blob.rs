//! Blobs that differ and look like what a vault gets: JSON with a body that nothing compresses to
//! nothing.

use std::fmt::Write;

use crate::random::Random;

/// `count` blobs of exactly `bytes` bytes; other ones for another `seed`.
pub(super) fn blobs(seed: u64, count: usize, bytes: usize) -> Vec<Vec<u8>> {
    let mut random = Random::new(seed);
    (0..count).map(|at| blob(&mut random, at, bytes)).collect()
}

fn blob(random: &mut Random, at: usize, bytes: usize) -> Vec<u8> {
    let mut text = format!("{{\"intent\": \"transfer\", \"number\": {at}, \"body\": \"");
    while text.len() < bytes {
        write!(text, "{:016x}", random.next()).expect("a string takes all");
    }
    text.truncate(bytes - 2);
    text.push_str("\"}");
    text.into_bytes()
}
