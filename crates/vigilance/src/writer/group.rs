//! One group: one transaction, one sync.

use std::sync::Arc;

use merkle_core::{Hash, log_inner_hash};

use super::plan::{Plan, Planner};
use super::{Appended, Dropped, Job, Prepared, Reply, Writer};
use crate::content;
use crate::edge::Edge;
use crate::error::{AppendError, StorageError};
use crate::options::Durability;
use crate::projection::Entry;
use crate::record::{ErasableContent, Event, EventKind, IndexRange, Record, Text};
use crate::tiles;

/// Whom to answer, and with what, once the group is where it was asked to be.
enum Answer {
    Append(
        Reply<Vec<Appended>>,
        Result<Vec<Appended>, AppendError>,
        usize,
    ),
    Unit(Reply<()>, Result<(), AppendError>),
}

/// What a group has to write.
#[derive(Default)]
struct Work {
    records: Vec<(u64, Prepared)>,
    stage: Vec<ErasableContent>,
    answers: Vec<Answer>,
    is_durable: bool,
    /// The first and the last observed time of what would be dropped.
    times: Option<(u64, u64)>,
}

/// The log with what was written.
struct Grown {
    edge: Edge,
    link: Hash,
}

impl Writer {
    /// Writes jobs, or does the one that is alone.
    pub(super) fn group(&mut self, mut jobs: Vec<Job>) {
        if matches!(jobs.first(), Some(Job::Run(_))) {
            if let Some(Job::Run(run)) = jobs.pop() {
                run(self);
            }
            return;
        }
        let mut work = Work::default();
        let is_given_again = self.is_catching_up()
            && (jobs.iter()).all(|job| matches!(job, Job::Apply { .. } | Job::Stage { .. }));
        let result = match self.refusal().filter(|_| !is_given_again) {
            Some(refusal) => {
                work.answers.extend(jobs.into_iter().filter_map(Answer::of));
                Err(refusal)
            }
            None => match self.transaction(jobs, &mut work) {
                Ok(grown) => self.publish(grown, work.is_durable),
                Err(error) => {
                    if error.is_full() && self.drops() && !self.is_stopped {
                        self.count_dropped(&mut work);
                    }
                    Err(error.into())
                }
            },
        };
        for answer in work.answers {
            answer.send(&result);
        }
    }

    /// One transaction for all jobs: either everything of them that is in order is in, or nothing.
    fn transaction(&mut self, jobs: Vec<Job>, work: &mut Work) -> Result<Grown, StorageError> {
        self.plan(jobs, work);
        let written = self.write(work);
        let written = written.and_then(|grown| {
            self.conn.execute_batch("COMMIT")?;
            Ok(grown)
        });
        if written.is_err() {
            self.roll_back();
        }
        written
    }

    /// Brings everything back to what is committed.
    pub(crate) fn roll_back(&mut self) {
        // SQLite has rolled back by itself after some errors; then there is nothing to do.
        let _ = self.conn.execute_batch("ROLLBACK");
        let mut again = content::Contents::load(&self.conn).map(|it| self.contents = it);
        for projection in &mut self.projections {
            again = again.and(projection.rolled_back(&self.conn));
        }
        if again.is_err() {
            self.is_stopped = true;
            self.shared.stop();
        }
    }

    /// Gives every record its place. Looks up what is committed, and writes nothing.
    fn plan(&self, jobs: Vec<Job>, work: &mut Work) {
        let mut planner = Planner::new(&self.conn, &self.options, self.edge.size());
        if let Some(dropped) = self.dropped.and_then(Dropped::record)
            && let Ok(plan) = planner.append(vec![dropped])
        {
            work.records.extend(plan.records);
        }
        for job in jobs {
            match job {
                Job::Append {
                    records,
                    durability,
                    reply,
                } => {
                    work.is_durable |= durability == Durability::Durable;
                    let count = records.len();
                    work.see_times(&records);
                    let planned = planner.append(records).map(|plan| work.take(plan));
                    work.answers.push(Answer::Append(reply, planned, count));
                }
                Job::Apply {
                    first,
                    records,
                    durability,
                    reply,
                } => {
                    work.is_durable |= durability == Durability::Durable;
                    let planned = planner.apply(first, records);
                    let planned = planned.map(|records| work.records.extend(records));
                    work.answers.push(Answer::Unit(reply, planned));
                }
                Job::Stage { contents, reply } => {
                    work.is_durable = true;
                    work.stage.extend(contents);
                    work.answers.push(Answer::Unit(reply, Ok(())));
                }
                Job::Sync { reply } => {
                    work.is_durable = true;
                    work.answers.push(Answer::Unit(reply, Ok(())));
                }
                Job::Run(_) => {}
            }
        }
    }

    fn write(&mut self, work: &Work) -> Result<Grown, StorageError> {
        self.conn.execute_batch("BEGIN IMMEDIATE")?;
        for content in &work.stage {
            self.contents.stage(&self.conn, content)?;
        }
        let grown = self.grow(&work.records)?;
        let mut redactions: Vec<IndexRange> = Vec::new();
        let mut filled: Vec<Option<Record>> = Vec::with_capacity(work.records.len());
        for (index, prepared) in &work.records {
            let (record, given) = (&prepared.record, &prepared.encoded.erasable);
            self.contents.insert(&self.conn, *index, record, given)?;
            redactions.extend(redacted(*index, record));
            filled.push(self.with_staged(*index, record)?);
        }
        let entries: Vec<Entry<'_>> = (work.records.iter().zip(&filled))
            .map(|((index, prepared), filled)| match filled {
                Some(record) => Entry::new(*index, record),
                None => Entry {
                    words: Some(&prepared.words),
                    ..Entry::new(*index, &prepared.record)
                },
            })
            .collect();
        if !entries.is_empty() {
            for projection in &mut self.projections {
                projection.apply(&self.conn, &entries)?;
            }
        }
        if !redactions.is_empty() {
            for projection in &mut self.projections {
                projection.erase(&self.conn, &redactions)?;
            }
            self.contents.erase(&self.conn, &redactions)?;
        }
        Ok(grown)
    }

    /// A record with the texts that were staged for it, if it came without them.
    fn with_staged(&self, index: u64, record: &Record) -> Result<Option<Record>, StorageError> {
        let mut texts = record.erasable().into_iter();
        if texts.all(|(_, text)| text.text().is_some()) {
            return Ok(None);
        }
        let mut record = record.clone();
        content::fill(&self.conn, index, &mut record)?;
        Ok(Some(record))
    }

    /// Writes the records themselves, and the tiles that they fill.
    fn grow(&self, records: &[(u64, Prepared)]) -> Result<Grown, StorageError> {
        let mut edge = Edge::clone(&self.edge);
        let (mut link, mut full) = (self.link, Vec::new());
        let mut insert = self
            .conn
            .prepare_cached("INSERT INTO records (idx, canonical, link) VALUES (?, ?, ?)")?;
        for (index, prepared) in records {
            edge.push(&prepared.leaf, |tile| full.push(tile))
                .map_err(|_| StorageError::other("the log is full"))?;
            link = log_inner_hash(&link, &prepared.leaf);
            let canonical = &prepared.encoded.canonical;
            insert.execute((index.cast_signed(), canonical, link.as_bytes()))?;
        }
        for tile in &full {
            tiles::insert(&self.conn, tile)?;
        }
        Ok(Grown { edge, link })
    }

    /// After the commit: makes durable what was asked to be, and lets everybody see it.
    fn publish(&mut self, grown: Grown, is_durable: bool) -> Result<(), AppendError> {
        self.link = grown.link;
        self.edge = Arc::new(grown.edge);
        self.wal.is_dirty = true;
        self.dropped = None;
        for projection in &mut self.projections {
            projection.committed();
        }
        if self.is_catching_up() {
            self.shared.publish(Arc::clone(&self.edge));
            self.caught_up()?;
        }
        if is_durable && !self.is_catching_up() {
            self.make_durable()?;
        }
        self.shared.publish(Arc::clone(&self.edge));
        Ok(())
    }

    /// Counts the records that found the disk full, and answers for them that they were dropped.
    fn count_dropped(&mut self, work: &mut Work) {
        let mut count = 0;
        for answer in &mut work.answers {
            if let Answer::Append(reply, Ok(_), records) = answer {
                count += *records as u64;
                let _ = reply.send(Ok(vec![Appended::Dropped; *records]));
            }
        }
        work.answers
            .retain(|answer| !matches!(answer, Answer::Append(_, Ok(_), _)));
        if let Some((first, last)) = work.times {
            let dropped = self.dropped.get_or_insert(Dropped {
                count: 0,
                first_ns: first,
                last_ns: last,
            });
            dropped.count += count;
            dropped.first_ns = dropped.first_ns.min(first);
            dropped.last_ns = dropped.last_ns.max(last);
        }
    }
}

impl Work {
    fn take(&mut self, plan: Plan) -> Vec<Appended> {
        self.records.extend(plan.records);
        plan.outcomes
    }

    fn see_times(&mut self, records: &[Prepared]) {
        for prepared in records {
            let at = prepared.record.observed_ns();
            let (first, last) = self.times.unwrap_or((at, at));
            self.times = Some((first.min(at), last.max(at)));
        }
    }
}

impl Answer {
    /// For a job that was not looked at.
    fn of(job: Job) -> Option<Self> {
        Some(match job {
            Job::Append { records, reply, .. } => {
                Self::Append(reply, Ok(Vec::new()), records.len())
            }
            Job::Apply { reply, .. } | Job::Stage { reply, .. } | Job::Sync { reply } => {
                Self::Unit(reply, Ok(()))
            }
            Job::Run(_) => return None,
        })
    }

    /// Answers, unless nobody waits any more.
    fn send(self, group: &Result<(), AppendError>) {
        match self {
            Self::Append(reply, own, _) => {
                let _ = reply.send(group.clone().and(own));
            }
            Self::Unit(reply, own) => {
                let _ = reply.send(group.clone().and(own));
            }
        }
    }
}

impl Dropped {
    /// The event that says so.
    fn record(self) -> Option<Prepared> {
        let mut event = Event::new(EventKind::Dropped, self.first_ns);
        event.observed_ns = self.last_ns;
        event.source = Some("vigilance".to_owned());
        event.count = Some(self.count);
        event.message = Some(Text::plain(
            "the disk was full: records observed between the two times were dropped",
        ));
        let record = Record::from(event);
        let encoded = record.encode().ok()?;
        Some(Prepared::new(record, encoded))
    }
}

/// Which records a redaction names; none that come after it.
fn redacted(index: u64, record: &Record) -> Vec<IndexRange> {
    let Record::Event(event) = record else {
        return Vec::new();
    };
    if event.kind != EventKind::Redacted {
        return Vec::new();
    }
    (event.ranges.iter())
        .filter(|range| range.first < index)
        .map(|range| IndexRange {
            first: range.first,
            count: range.count.min(index - range.first),
        })
        .collect()
}
