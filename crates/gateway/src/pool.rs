//! Calls into the stores block; each gets a thread, and only so many at a time.

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::problem::{Kind, Problem};

/// Bounds how many calls are in the stores, and how many wait for that.
#[derive(Clone, Debug)]
pub(crate) struct Pool {
    permits: Arc<Semaphore>,
}

impl Pool {
    pub(crate) fn new(calls_max: usize) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(calls_max)),
        }
    }

    /// Runs `call` on a thread that may block. Callers wait in order; the limit on requests in work
    /// bounds the queue. A call that has begun runs to its end, even if nobody waits any longer.
    pub(crate) async fn run<T, E>(
        &self,
        call: impl FnOnce() -> Result<T, E> + Send + 'static,
    ) -> Result<T, Problem>
    where
        T: Send + 'static,
        E: Into<Problem>,
    {
        let permit = Arc::clone(&self.permits).acquire_owned().await;
        let Ok(permit) = permit else {
            return Err(Problem::new(Kind::Stopping, ""));
        };
        // The error becomes a problem on the other thread, within this request's span.
        let span = tracing::Span::current();
        let task = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            span.in_scope(|| call().map_err(Into::into))
        });
        match task.await {
            Ok(result) => result,
            Err(error) => Err(Problem::internal(&error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_call_that_panics_is_an_internal_problem_and_frees_its_place() {
        let pool = Pool::new(1);
        for _ in 0..3 {
            let broken = pool
                .run(|| -> Result<(), Problem> { panic!("as asked") })
                .await;
            assert_eq!(broken.unwrap_err().status().as_u16(), 500);
        }
        assert_eq!(pool.run(|| Ok::<_, Problem>(5)).await.unwrap(), 5);
    }
}
