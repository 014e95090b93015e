//! Taking times so that ours and its peers can be compared.

use std::any::Any;

use cpu_time::ThreadTime;

/// How often each is run; the best counts, for what disturbs a run only ever slows it.
pub(crate) const ROUNDS: usize = 5;

/// Something to be measured: how many operations one call does, and the call.
///
/// What the call returns is dropped after the clock has stopped.
pub(crate) type Work<'w> = (usize, &'w mut dyn FnMut() -> Box<dyn Any>);

/// Operations a second of each of `works`, which all do `operations` of them a call.
///
/// They take turns, so that a machine that slows down over the run slows all of them.
pub(crate) fn per_second<const N: usize>(
    operations: usize,
    works: [&mut dyn FnMut(); N],
) -> [f64; N] {
    let mut works = works.map(|work| {
        move || -> Box<dyn Any> {
            work();
            Box::new(())
        }
    });
    rates(works.each_mut().map(|work| (operations, work as _)))
}

/// Operations a second of each of `works`, in turns like [`per_second`].
pub(crate) fn rates<const N: usize>(mut works: [Work<'_>; N]) -> [f64; N] {
    let mut best = [f64::INFINITY; N];
    for _ in 0..ROUNDS {
        for ((_, work), best) in works.iter_mut().zip(&mut best) {
            let (seconds, result) = timed(work);
            *best = best.min(seconds);
            drop(result);
        }
    }
    let mut operations = works.iter().map(|(operations, _)| *operations as f64);
    best.map(|seconds| operations.next().unwrap_or(f64::NAN) / seconds)
}

/// Seconds that `work` kept this thread on a processor, and what it returned.
///
/// All works are of one thread and wait for nothing, so on an idle machine that is the time that
/// went by; on a shared one it leaves out the time that others had.
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let start = ThreadTime::now();
    let result = work();
    (start.elapsed().as_secs_f64(), result)
}

/// The one in the middle; not a number if there is none.
pub(crate) fn median(figures: &mut [f64]) -> f64 {
    figures.sort_unstable_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}
