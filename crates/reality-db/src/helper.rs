//! A second thread for large work.

use std::sync::OnceLock;

use rayon_core::{ThreadPool, ThreadPoolBuilder};

/// A thread that takes half of large work, and begins with the first of it.
///
/// It is always the same one: what a thread allocates comes from a part of memory that many allocators set
/// aside for it, and what one thread leaves there the next does not find. `docs/decisions/0025` has figures.
#[derive(Default)]
pub(crate) struct Helper {
    /// None if the system gave no thread.
    pool: OnceLock<Option<ThreadPool>>,
}

impl Helper {
    /// Does both at the same time, `left` in the other thread.
    pub(crate) fn both(&self, left: impl FnOnce() + Send, right: impl FnOnce()) {
        let pool = self.pool.get_or_init(|| {
            let name = |_| "reality-db-tree".to_owned();
            let pool = ThreadPoolBuilder::new().num_threads(1).thread_name(name);
            let pool = pool.build();
            if let Err(error) = &pool {
                tracing::warn!(%error, "large commits are made in one thread");
            }
            pool.ok()
        });
        match pool {
            Some(pool) => pool.in_place_scope(|scope| {
                scope.spawn(|_| left());
                right();
            }),
            None => {
                left();
                right();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn does_both_halves_the_left_one_in_the_same_thread_each_time() {
        let helper = Helper::default();
        let mut threads = Vec::new();
        for _ in 0..3 {
            let (mut left, mut right) = (None, None);
            let current = || Some(std::thread::current().id());
            helper.both(|| left = current(), || right = current());
            assert_eq!(right, current());
            assert_ne!(left, right);
            threads.push(left);
        }
        assert!(threads.iter().all(|thread| *thread == threads[0]));
    }
}
