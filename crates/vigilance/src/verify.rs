//! Checking everything that is stored against the log, and the log against everybody who vouches for it.
//!
//! Workers take chunks of the log, hash what they read and compare it. One thread puts their results in
//! order and feeds what has to see every record in its turn: the rollups, the state's continuity, the root.

mod chunk;
mod finish;
mod order;
mod words;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;

use merkle_core::Hash;
use rusqlite::Connection;

use crate::error::{ReadError, StorageError};
use crate::health::Damage;
use crate::trail::Trail;
pub(crate) use chunk::subject_key;
use chunk::{CHUNK, Chunk, Worker};
use order::InOrder;

/// How thoroughly everything is checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Depth {
    /// Every record, text, row and tile is read and hashed, or compared with what the records say.
    #[default]
    Content,
    /// That, and SQLite's own check of every page and every entry of its indexes.
    Pages,
}

/// How far a check is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerifyProgress {
    /// Records that were checked.
    pub checked: u64,
    /// Records that there are.
    pub size: u64,
    /// Damages found so far.
    pub damages: u64,
}

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerifyReport {
    /// How many records the log has.
    pub size: u64,
    /// The root that follows from the records as they lie there.
    pub root: Option<Hash>,
    /// Whether the check went to its end.
    pub is_complete: bool,
    /// What is wrong, the first [`DAMAGES_MAX`] of it.
    pub damage: Vec<Damage>,
    /// How much is wrong.
    pub damages: u64,
    /// Where an execution does not begin at the root at which the one before ended. That is no damage of
    /// the trail: it is what was recorded.
    pub breaks: Vec<ContinuityBreak>,
    /// How many such places there are.
    pub break_count: u64,
    /// Erasable texts that are there, and ones that were erased.
    pub texts: u64,
    /// Erasable texts that a redaction erased.
    pub erased: u64,
}

/// An execution that does not begin where the one before ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ContinuityBreak {
    /// The execution.
    pub index: u64,
    /// The execution before it that said where the state was.
    pub previous: u64,
    /// The root that the state had after that.
    pub expected: Hash,
    /// The root that this one says the state had before it.
    pub found: Hash,
}

/// Most damages, and most breaks, that a report lists.
pub const DAMAGES_MAX: usize = 1_000;

impl Trail {
    /// Checks everything: records against the tree, the chain and what vouches for them outside; texts
    /// against their commitments; tables, field by field, and statistics against the records.
    ///
    /// `progress` is called every few thousand records and may break off. Uses two threads besides the
    /// caller's. Damage puts the trail in panic mode.
    ///
    /// # Errors
    ///
    /// [`ReadError::Storage`], where the disk fails. Damage is no error: it is in the report.
    pub fn verify(
        &self,
        depth: Depth,
        mut progress: impl FnMut(VerifyProgress) -> ControlFlow<()>,
    ) -> Result<VerifyReport, ReadError> {
        let (mut report, mut found) = (VerifyReport::default(), Found::default());
        // What can be said without the rest is still said.
        let step = self.verify_into(depth, &mut progress, &mut report, &mut found);
        found.take(step)?;
        report.damages = found.count;
        report.damage = found.listed;
        if let Some(damage) = report.damage.first() {
            self.panicked(damage);
        }
        Ok(report)
    }

    fn verify_into(
        &self,
        depth: Depth,
        progress: &mut impl FnMut(VerifyProgress) -> ControlFlow<()>,
        report: &mut VerifyReport,
        found: &mut Found,
    ) -> Result<(), ReadError> {
        // Nothing is written in between: what is read is what was published.
        let (conn, workers) = self.run({
            let shared = self.shared().clone();
            move |_| snapshots(&shared)
        })??;
        let mut check = InOrder::new(&conn, self.shared())?;
        let folder = self.shared().folder();
        let workers = workers.into_iter();
        let mut workers: Vec<_> = workers
            .map(|conn| Worker::new(conn, folder, check.words()))
            .collect();
        report.size = check.size();
        let went = match in_chunks(&mut workers, &mut check, found, progress) {
            Ok(went) => went,
            Err(error) => {
                found.take(Err(error))?;
                ControlFlow::Continue(())
            }
        };
        if went.is_continue() {
            finish::finish(self, &conn, depth, &mut check, &mut workers, found)?;
            report.is_complete = true;
            report.root = check.root();
        }
        (report.texts, report.erased) = check.texts();
        (report.breaks, report.break_count) = check.into_breaks();
        // The snapshot ends with its connection. Ending it by words may fail where the file is damaged.
        Ok(())
    }
}

/// What is wrong so far.
#[derive(Debug, Default)]
pub(crate) struct Found {
    listed: Vec<Damage>,
    count: u64,
}

impl Found {
    /// Takes the failure of one step as damage, if the file is to blame; the next steps go on.
    pub(crate) fn take(&mut self, step: Result<(), ReadError>) -> Result<(), ReadError> {
        match step {
            Err(ReadError::Damaged(damage)) => self.add([*damage]),
            Err(ReadError::Storage(error)) => match error.as_damage() {
                Some(damage) => self.add([damage]),
                None => return Err(error.into()),
            },
            other => return other,
        }
        Ok(())
    }

    pub(crate) fn add(&mut self, damage: impl IntoIterator<Item = Damage>) {
        for damage in damage {
            if self.listed.contains(&damage) {
                continue;
            }
            self.count += 1;
            if self.listed.len() < DAMAGES_MAX {
                self.listed.push(damage);
            }
        }
    }
}

/// Connections that all read the same state of the database: the caller's, and the workers'.
fn snapshots(shared: &crate::shared::Shared) -> Result<(Connection, Vec<Connection>), ReadError> {
    let open = || -> rusqlite::Result<Connection> {
        let conn = crate::connection::reader(shared.database(), WORKER_CACHE_BYTES)?;
        // The file is opened to be read; temporary tables may be made to look into it.
        conn.pragma_update(None, "query_only", false)?;
        conn.execute_batch("BEGIN")?;
        // The transaction begins with the first read: of the header, which is there if anything is.
        conn.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0))?;
        Ok(conn)
    };
    let workers = (0..WORKERS).map(|_| open());
    Ok((open()?, workers.collect::<rusqlite::Result<_>>()?))
}

/// Runs the workers over all chunks, and takes their results in order.
fn in_chunks(
    workers: &mut [Worker],
    check: &mut InOrder<'_>,
    found: &mut Found,
    progress: &mut impl FnMut(VerifyProgress) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, ReadError> {
    let size = check.size();
    let (next, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        let (say, hear) = mpsc::sync_channel(2 * WORKERS);
        for worker in workers {
            let (say, next, stop) = (say.clone(), &next, &stop);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let first = next.fetch_add(CHUNK, Ordering::Relaxed);
                    let end = size.min(first.saturating_add(CHUNK));
                    if first >= size || say.send((first, worker.chunk(first, end))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(say);
        let mut waiting: BTreeMap<u64, Result<Chunk, StorageError>> = BTreeMap::new();
        let mut at = 0;
        let take = || -> Result<ControlFlow<()>, ReadError> {
            for (first, chunk) in hear {
                waiting.insert(first, chunk);
                while let Some(chunk) = waiting.remove(&at) {
                    let chunk = chunk?;
                    at += chunk.count;
                    check.take(chunk, found)?;
                    let now = VerifyProgress {
                        checked: at,
                        size,
                        damages: found.count,
                    };
                    if progress(now).is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                }
            }
            Ok(ControlFlow::Continue(()))
        };
        let taken = take();
        stop.store(true, Ordering::Relaxed);
        taken
    })
}

/// Threads that read and hash.
const WORKERS: usize = 2;

/// Each reads what it reads once.
const WORKER_CACHE_BYTES: u64 = 8 << 20;
