//! Making a version again: a checkpoint, and the records behind it.

use std::ops::ControlFlow;

use merkle_core::Batch;

use crate::Damage;
use crate::error::Fault;
use crate::journal::Journal;
use crate::state::{self, State};

/// A version that was made from the journal.
pub(crate) struct Replayed {
    /// The last version asked for, or the last that can be proved.
    pub(crate) state: State,
    /// Bytes of the records that were applied.
    pub(crate) bytes: u64,
    /// Why it ends before the last version asked for, if it does.
    pub(crate) damage: Option<Damage>,
}

/// Which roots are held against the records.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Roots {
    /// That of the last version: the chain of records says which changes lead to it. Where it is
    /// wrong, all of them are computed to find the first wrong one.
    Last,
    /// That of every version.
    Every,
}

impl Replayed {
    /// The state, if it is the one that was asked for.
    pub(crate) fn sound(self) -> Result<State, Fault> {
        match self.damage {
            None => Ok(self.state),
            Some(damage) => Err(damage.into()),
        }
    }
}

/// Who is told the version that a replay has come to, and may end it.
pub(crate) type Watch<'w> = dyn Fn(u64) -> ControlFlow<()> + 'w;

/// Applies the records up to version `last` to what `begin` gives, checking the chain and the roots.
///
/// # Errors
///
/// What `begin` returns, damage of what it began with, and failures of the storage. A damaged
/// record is none: the version before it is made.
pub(crate) fn replay(
    journal: &Journal,
    begin: &dyn Fn() -> Result<State, Fault>,
    last: u64,
    roots: Roots,
) -> Result<Replayed, Fault> {
    let replayed = replay_watched(journal, begin, last, roots, &|_| ControlFlow::Continue(()))?;
    Ok(replayed.expect("this watch ends nothing"))
}

/// The same; none if `watch` ended it, which is told about every megabyte of records. It may go back
/// to an earlier version, to find the first wrong root.
pub(crate) fn replay_watched(
    journal: &Journal,
    begin: &dyn Fn() -> Result<State, Fault>,
    last: u64,
    roots: Roots,
    watch: &Watch<'_>,
) -> Result<Option<Replayed>, Fault> {
    let (mut state, mut bytes) = (begin()?, 0);
    match apply(journal, &mut state, &mut bytes, last, roots, watch) {
        Ok(ControlFlow::Break(())) => Ok(None),
        Ok(ControlFlow::Continue(())) => Ok(Some(replayed(state, bytes, None))),
        Err(Fault::Damage(Damage::Root { .. })) if roots == Roots::Last => {
            replay_watched(journal, begin, last, Roots::Every, watch)
        }
        Err(Fault::Damage(damage @ Damage::Root { .. })) => {
            // The record's changes are in the tree already: go there again, and stop before it.
            let good = state.link().version;
            (state, bytes) = (begin()?, 0);
            let flow = apply(journal, &mut state, &mut bytes, good, Roots::Last, watch)?;
            Ok((flow.is_continue()).then(|| replayed(state, bytes, Some(damage))))
        }
        Err(Fault::Damage(damage @ (Damage::Record { .. } | Damage::Chain { .. }))) => {
            Ok(Some(replayed(state, bytes, Some(damage))))
        }
        Err(fault) => Err(fault),
    }
}

fn replayed(state: State, bytes: u64, damage: Option<Damage>) -> Replayed {
    Replayed {
        state,
        bytes,
        damage,
    }
}

/// Applies records in groups, each as one batch, and checks the root at the end of each. At an error
/// the state is where the last sound group ends; after a wrong root, its link alone is.
fn apply(
    journal: &Journal,
    state: &mut State,
    bytes: &mut u64,
    last: u64,
    roots: Roots,
    watch: &Watch<'_>,
) -> Result<ControlFlow<()>, Fault> {
    let group_bytes = match roots {
        Roots::Last => GROUP_BYTES,
        Roots::Every => 0,
    };
    let mut records = journal.scan(state.link().version.saturating_add(1), last);
    let mut untold = 0;
    loop {
        let mut group = Vec::new();
        let mut fault = None;
        let mut size = 0;
        while size <= group_bytes && fault.is_none() {
            match records.next() {
                Some(Ok((version, record))) => {
                    size += record.len() as u64;
                    untold += record.len() as u64 + RECORD_WORTH_BYTES;
                    group.push((version, record));
                }
                Some(Err(damaged)) => fault = Some(damaged),
                None => break,
            }
            // What is read is not applied yet: how far it is does not change.
            if untold >= TOLD_BYTES {
                untold = 0;
                if watch(state.link().version).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
        }
        *bytes += apply_group(state, &group)?;
        match fault {
            Some(fault) => return Err(fault),
            None if group.is_empty() => return Ok(watch(state.link().version)),
            None => {}
        }
    }
}

/// Applies the changes of records together, as far as they are links of the chain.
///
/// Returns the bytes of the records.
fn apply_group(state: &mut State, records: &[(u64, Vec<u8>)]) -> Result<u64, Fault> {
    let (before, mut link) = (state.link(), state.link());
    let mut changes = Batch::new();
    let mut outcome = Ok(0);
    for (version, record) in records {
        let decoded = match link.follow(*version, record) {
            Ok(decoded) => decoded,
            Err(damage) => {
                outcome = Err(damage.into());
                break;
            }
        };
        outcome = outcome.map(|bytes| bytes + record.len() as u64);
        for change in decoded.changes.changes() {
            state::add(&mut changes, change);
        }
    }
    state.update(&changes.into_sorted())?;
    let computed = state.link();
    if (computed.root, computed.entries) != (link.root, link.entries) {
        state.set_link(before);
        return Err(Damage::Root {
            version: link.version,
            recorded: link.root,
            computed: computed.root,
        }
        .into());
    }
    state.set_link(link);
    outcome
}

/// Bytes of records that are applied together: many, so that keys come together that lie below one
/// page; they are held meanwhile.
const GROUP_BYTES: u64 = 64 << 20;

/// Bytes of records after which somebody is told how far it is: about ten milliseconds.
const TOLD_BYTES: u64 = 1 << 20;

/// Bytes that a record counts for beside its own: the work that is the same for each.
const RECORD_WORTH_BYTES: u64 = 4 << 10;
