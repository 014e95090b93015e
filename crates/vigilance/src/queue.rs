//! What waits to be written: bounded, and handed to the writer a group at a time.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Something that waits, which counts for a number of records.
pub(crate) trait Weighed {
    /// How many records it brings.
    fn records(&self) -> usize;

    /// Whether it must be done by itself, not in a group.
    fn is_alone(&self) -> bool;
}

/// A queue with room for a number of records. Who finds it full waits.
#[derive(Debug)]
pub(crate) struct Queue<J> {
    waiting: Mutex<Waiting<J>>,
    came: Condvar,
    went: Condvar,
    room: usize,
}

#[derive(Debug)]
struct Waiting<J> {
    jobs: VecDeque<J>,
    records: usize,
    is_closed: bool,
}

impl<J: Weighed> Queue<J> {
    pub(crate) fn new(room: usize) -> Self {
        Self {
            waiting: Mutex::new(Waiting {
                jobs: VecDeque::new(),
                records: 0,
                is_closed: false,
            }),
            came: Condvar::new(),
            went: Condvar::new(),
            room,
        }
    }

    /// Adds a job, once there is room. A job that is larger than the room waits until the queue is empty.
    /// Gives the job back if the queue is closed.
    pub(crate) fn put(&self, job: J) -> Result<(), J> {
        let records = job.records();
        let mut waiting = self.lock();
        while !waiting.is_closed && waiting.records > 0 && waiting.records + records > self.room {
            waiting = self
                .went
                .wait(waiting)
                .unwrap_or_else(PoisonError::into_inner);
        }
        if waiting.is_closed {
            return Err(job);
        }
        waiting.records += records;
        waiting.jobs.push_back(job);
        drop(waiting);
        self.came.notify_one();
        Ok(())
    }

    /// The next group: jobs of `most` records together, at least one; or one that is alone. `None` when
    /// the queue is closed and empty.
    pub(crate) fn take(&self, most: usize) -> Option<Vec<J>> {
        let mut waiting = self.lock();
        while waiting.jobs.is_empty() {
            if waiting.is_closed {
                return None;
            }
            waiting = self
                .came
                .wait(waiting)
                .unwrap_or_else(PoisonError::into_inner);
        }
        let (mut group, mut records) = (Vec::new(), 0);
        while let Some(job) = waiting.jobs.front() {
            let fits = records + job.records() <= most && !job.is_alone();
            if !group.is_empty() && !fits {
                break;
            }
            let is_last = job.is_alone();
            records += job.records();
            group.extend(waiting.jobs.pop_front());
            if is_last {
                break;
            }
        }
        waiting.records -= records;
        drop(waiting);
        self.went.notify_all();
        Some(group)
    }

    /// No more jobs are taken in; those that wait are still handed out.
    pub(crate) fn close(&self) {
        self.lock().is_closed = true;
        self.came.notify_all();
        self.went.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Waiting<J>> {
        // Nothing here panics with the lock held.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;

    use super::*;

    struct Job(usize, bool);

    impl Weighed for Job {
        fn records(&self) -> usize {
            self.0
        }

        fn is_alone(&self) -> bool {
            self.1
        }
    }

    #[test]
    fn groups_by_records_and_leaves_the_lonely_alone() {
        let queue = Queue::new(100);
        for (records, alone) in [(3, false), (3, false), (0, true), (50, false), (1, false)] {
            assert!(queue.put(Job(records, alone)).is_ok());
        }
        queue.close();
        assert!(queue.put(Job(1, false)).is_err());
        let groups: Vec<Vec<usize>> = std::iter::from_fn(|| queue.take(6))
            .map(|group| group.iter().map(|job| job.0).collect())
            .collect();
        assert_eq!(groups, [vec![3, 3], vec![0], vec![50], vec![1]]);
    }

    #[test]
    fn whoever_finds_it_full_waits() {
        let queue = Arc::new(Queue::new(10));
        let producer = Arc::clone(&queue);
        let producer = thread::spawn(move || {
            for _ in 0..500 {
                assert!(producer.put(Job(7, false)).is_ok());
            }
            assert!(producer.put(Job(25, false)).is_ok());
            producer.close();
        });
        let mut records = 0;
        while let Some(group) = queue.take(1) {
            assert_eq!(group.len(), 1);
            records += group[0].0;
        }
        producer.join().unwrap();
        assert_eq!(records, 500 * 7 + 25);
    }
}
