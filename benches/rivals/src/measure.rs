//! Taking times so that ours and its peers can be compared.

use std::time::Instant;

/// How often each is run; the best counts, for what disturbs a run only ever slows it.
const ROUNDS: usize = 5;

/// Operations a second of each of `works`, which all do `operations` of them a call.
///
/// They take turns, so that a machine that slows down over the run slows all of them.
pub(crate) fn per_second<const N: usize>(
    operations: usize,
    mut works: [&mut dyn FnMut(); N],
) -> [f64; N] {
    let mut best = [f64::INFINITY; N];
    for _ in 0..ROUNDS {
        for (work, best) in works.iter_mut().zip(&mut best) {
            let start = Instant::now();
            work();
            *best = best.min(start.elapsed().as_secs_f64());
        }
    }
    best.map(|seconds| operations as f64 / seconds)
}
