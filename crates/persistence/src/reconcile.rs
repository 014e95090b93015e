//! What the journal carried, read back: the truth that the audit trail is held against.

use std::collections::BTreeSet;

use merkle_core::{CompactRange, Hash};
use reality_db::{CommitInfo, ReadError, RealityDb};
use vigilance::{EncodedRecord, Record};

use crate::audit::{Audit, bundle_of};
use crate::envelope::Envelope;
use crate::queue::Id;
use crate::recent::Outcome;
use crate::shared::Head;
use crate::vault::Code;
use crate::{Cause, Executed, Recorded, Seal, StorageError, Store};

/// A record that a version of the journal carries.
#[derive(Debug)]
pub(crate) struct TakenUp {
    pub(crate) index: u64,
    pub(crate) encoded: EncodedRecord,
    pub(crate) record: Record,
    pub(crate) request: Hash,
}

impl TakenUp {
    /// The records that a version carries, each checked against the version.
    pub(crate) fn of_version(info: &CommitInfo) -> Result<Vec<Self>, Cause> {
        let version = info.version.number;
        let bad = || Cause::Envelope { version };
        let envelope = Envelope::decode(&info.metadata).map_err(|_| bad())?;
        let mut taken = Vec::with_capacity(envelope.records.len());
        for (index, carried) in (envelope.first..).zip(&envelope.records) {
            let encoded = EncodedRecord::from_parts(carried.record.to_vec(), Vec::new());
            let encoded = encoded.map_err(|_| bad())?;
            let record = encoded.decode().map_err(|_| bad())?;
            check_execution(&record, info).ok_or_else(bad)?;
            taken.push(Self {
                index,
                encoded,
                record,
                request: carried.request,
            });
        }
        Ok(taken)
    }

    /// What became of whoever asked for it.
    pub(crate) fn outcome(&self, version: u64) -> Option<(Id, Outcome)> {
        match &self.record {
            Record::Execution(execution) if execution.state_version.is_none() => {
                let recorded = Recorded {
                    index: self.index,
                    version,
                    repeated: false,
                };
                let id = Id::Execution(execution.tx_id.clone());
                Some((id, Outcome::Recorded(recorded)))
            }
            Record::Execution(execution) => {
                let executed = Executed {
                    tx_id: execution.tx_id.clone(),
                    status: execution.status,
                    refusal: None,
                    index: self.index,
                    version,
                    root_before: execution.merkle_root_before?,
                    root_after: execution.merkle_root_after?,
                    repeated: false,
                };
                let id = Id::Execution(execution.tx_id.clone());
                Some((id, Outcome::Executed(executed)))
            }
            Record::Attack(attack) => {
                let recorded = Recorded {
                    index: self.index,
                    version,
                    repeated: false,
                };
                let id = Id::Attack(attack.attack_id.clone());
                Some((id, Outcome::Recorded(recorded)))
            }
            _ => None,
        }
    }
}

/// That an execution says of the state what the version says that carries it.
fn check_execution(record: &Record, info: &CommitInfo) -> Option<()> {
    let Record::Execution(execution) = record else {
        return Some(());
    };
    // What was imported says what another system's state was, and no version of this one.
    let Some(version) = execution.state_version else {
        return Some(());
    };
    let holds = version == info.version.number
        && execution.merkle_root_before == Some(info.root_before)
        && execution.merkle_root_after == Some(info.version.root);
    holds.then_some(())
}

/// Takes up the records of the next version, if it continues `log`.
pub(crate) fn take_up(log: &mut CompactRange, info: &CommitInfo) -> Result<Vec<TakenUp>, Cause> {
    let version = info.version.number;
    let bad = || Cause::Envelope { version };
    let envelope = Envelope::decode(&info.metadata).map_err(|_| bad())?;
    let head = log.head().ok_or_else(bad)?;
    if (envelope.first, envelope.log_root) != (head.size.get(), head.root) {
        return Err(bad());
    }
    let taken = TakenUp::of_version(info)?;
    for taken in &taken {
        log.append(&taken.encoded.leaf()).map_err(|_| bad())?;
    }
    Ok(taken)
}

/// The version that a record says it is of.
pub(crate) fn version_of(record: &Record) -> Option<u64> {
    match record {
        Record::Execution(execution) => execution.state_version,
        _ => None,
    }
}

/// Where everything stands once the stores were held against one another.
pub(crate) struct Reconciled {
    pub(crate) log: CompactRange,
    pub(crate) head: Head,
    /// The time of the newest version.
    pub(crate) time_ns: u64,
    /// Records that the audit trail had not.
    pub(crate) applied: u64,
    /// How many seals there are.
    pub(crate) seals: u64,
}

/// Holds the stores against one another and against what was sealed; makes good what the audit trail
/// lacks. What cannot be explained by a crash is added to `causes`.
pub(crate) fn reconcile(
    db: &RealityDb,
    audit: &Audit,
    code: &Code,
    anchors: &[Seal],
    rebuild: bool,
    causes: &mut Vec<Cause>,
) -> Result<Reconciled, StorageError> {
    let carried = Carried::of(db, causes)?;
    for anchor in anchors {
        check_state(db, anchor, causes)?;
        if !rebuild {
            check_trail(audit, anchor, causes)?;
        }
    }
    let trail = audit.head().size.get();
    if trail > carried.end && !is_blamed(causes, &[Store::State, Store::Audit]) {
        causes.push(too_many(audit, &carried, trail)?);
    }
    let mut applied = 0;
    if !is_blamed(causes, &[Store::State, Store::Audit]) {
        applied = make_good(db, audit, &carried, trail, causes)?;
    }
    if rebuild {
        for anchor in anchors {
            check_trail(audit, anchor, causes)?;
        }
    }
    check_vault(db, audit, code, &carried, causes)?;
    let log = match is_blamed(causes, &[Store::State, Store::Audit]) {
        true => CompactRange::new(),
        false => audit.range()?,
    };
    let version = db.version();
    let head = Head {
        log: audit.head(),
        version: version.number,
        state_root: version.root,
        vault: code.head(),
    };
    Ok(Reconciled {
        log,
        head,
        time_ns: carried.time_ns,
        applied,
        seals: carried.seals,
    })
}

fn is_blamed(causes: &[Cause], stores: &[Store]) -> bool {
    causes.iter().any(|cause| stores.contains(&cause.store()))
}

/// What the newest version of the journal says of the log.
struct Carried {
    version: u64,
    /// How many records all versions carry.
    end: u64,
    state_root: Hash,
    vault_root: Option<Hash>,
    time_ns: u64,
    seals: u64,
}

impl Carried {
    fn of(db: &RealityDb, causes: &mut Vec<Cause>) -> Result<Self, StorageError> {
        let newest = db.version();
        let mut carried = Self {
            version: newest.number,
            end: 0,
            state_root: newest.root,
            vault_root: None,
            time_ns: 0,
            seals: 0,
        };
        if newest.number == 0 {
            return Ok(carried);
        }
        let Some(info) = sound(db.info(newest.number), causes)? else {
            return Ok(carried);
        };
        let records = TakenUp::of_version(&info);
        match (Envelope::decode(&info.metadata), records) {
            (Ok(envelope), Ok(records)) => {
                carried.end = envelope.end();
                carried.vault_root = Some(envelope.vault_root);
                carried.time_ns = info.time_ns;
                let sealed = |taken: &&TakenUp| crate::sealing::note_of(&taken.record).is_some();
                carried.seals = envelope.seals + records.iter().filter(sealed).count() as u64;
            }
            _ => causes.push(Cause::Envelope {
                version: newest.number,
            }),
        }
        Ok(carried)
    }
}

/// What was read of the state, or none if it is damaged.
fn sound<T>(
    read: Result<T, ReadError>,
    causes: &mut Vec<Cause>,
) -> Result<Option<T>, StorageError> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(ReadError::Damaged(damage)) => {
            let cause = Cause::State(damage);
            if !causes.contains(&cause) {
                causes.push(cause);
            }
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// That the state goes on from what was sealed.
fn check_state(db: &RealityDb, anchor: &Seal, causes: &mut Vec<Cause>) -> Result<(), StorageError> {
    let found = db.version().number;
    if found < anchor.version {
        push(
            causes,
            Cause::StateBehind {
                known: anchor.version,
                found,
            },
        );
        return Ok(());
    }
    let oldest = db.oldest()?;
    if anchor.version < oldest {
        return Ok(());
    }
    let Some(info) = sound(db.info(anchor.version), causes)? else {
        return Ok(());
    };
    if info.version.root != anchor.state_root {
        push(
            causes,
            Cause::StateBeside {
                version: anchor.version,
                sealed: anchor.state_root,
                found: info.version.root,
            },
        );
    }
    Ok(())
}

/// That the trail goes on from what was sealed.
fn check_trail(audit: &Audit, anchor: &Seal, causes: &mut Vec<Cause>) -> Result<(), StorageError> {
    let (found, known) = (audit.head().size.get(), anchor.log.size.get());
    if found < known {
        push(causes, Cause::AuditBehind { known, found });
    } else if audit.root_at(known)? != anchor.log.root {
        push(causes, Cause::AuditBeside { size: known });
    }
    Ok(())
}

/// Adds a cause, unless one of the same kind is there that says as much.
fn push(causes: &mut Vec<Cause>, cause: Cause) {
    let same = |known: &Cause| match (known, &cause) {
        (Cause::StateBehind { known: a, .. }, Cause::StateBehind { known: b, .. })
        | (Cause::AuditBehind { known: a, .. }, Cause::AuditBehind { known: b, .. }) => a >= b,
        (known, cause) => known == cause,
    };
    if causes.iter().any(same) {
        return;
    }
    causes.retain(|known| {
        !matches!(
            (known, &cause),
            (Cause::StateBehind { .. }, Cause::StateBehind { .. })
                | (Cause::AuditBehind { .. }, Cause::AuditBehind { .. })
        )
    });
    causes.push(cause);
}

/// The trail has more than the journal. If the first record too many goes on from the state as it is,
/// it is the state that is an older copy; else the record is foreign.
fn too_many(audit: &Audit, carried: &Carried, found: u64) -> Result<Cause, StorageError> {
    let mut known = None;
    for index in carried.end..found.min(carried.end + LOOK_AHEAD) {
        if let Some(Record::Execution(execution)) = audit.record(index)? {
            let goes_on = execution.merkle_root_before == Some(carried.state_root);
            let version = execution.state_version.filter(|at| *at > carried.version);
            known = version.filter(|_| goes_on);
            break;
        }
    }
    Ok(match known {
        Some(known) => Cause::StateBehind {
            known,
            found: carried.version,
        },
        None => Cause::AuditForeign {
            found,
            carried: carried.end,
        },
    })
}

/// Applies what the journal has and the trail has not, and compares the newest records that both
/// have.
fn make_good(
    db: &RealityDb,
    audit: &Audit,
    carried: &Carried,
    trail: u64,
    causes: &mut Vec<Cause>,
) -> Result<u64, StorageError> {
    if carried.version == 0 {
        return Ok(0);
    }
    // Every version carries one record at least: the first one missing is not below this version.
    let missing = carried.end - trail;
    let from = carried.version.saturating_sub(missing).max(1);
    let Some(infos) = sound(db.infos(from..=carried.version), causes)? else {
        return Ok(0);
    };
    let mut records: Vec<EncodedRecord> = Vec::new();
    let mut first = None;
    for info in infos {
        let Some(info) = sound(info, causes)? else {
            return Ok(0);
        };
        let number = info.version.number;
        let Ok(envelope) = Envelope::decode(&info.metadata) else {
            causes.push(Cause::Envelope { version: number });
            return Ok(0);
        };
        if first.is_none() {
            first = Some(envelope.first);
            let known = envelope.first.min(trail);
            if known == envelope.first && audit.root_at(known)? != envelope.log_root {
                causes.push(Cause::AuditDiverged { index: known });
                return Ok(0);
            }
        }
        match TakenUp::of_version(&info) {
            Ok(taken) => records.extend(taken.into_iter().map(|taken| taken.encoded)),
            Err(cause) => {
                causes.push(cause);
                return Ok(0);
            }
        }
        if records.len() >= APPLY_MAX {
            let applied = first.unwrap_or_default();
            apply(audit, applied, &records, causes)?;
            first = Some(applied + records.len() as u64);
            records.clear();
        }
    }
    apply(audit, first.unwrap_or_default(), &records, causes)?;
    if missing > 0 && causes.is_empty() {
        audit.sync()?;
    }
    Ok(missing)
}

fn apply(
    audit: &Audit,
    first: u64,
    records: &[EncodedRecord],
    causes: &mut Vec<Cause>,
) -> Result<(), StorageError> {
    match audit.apply(first, records) {
        Ok(()) => Ok(()),
        Err(error) => match error.cause() {
            Some(cause) => {
                causes.push(cause);
                Ok(())
            }
            None => Err(error.into()),
        },
    }
}

/// That the vault holds what was put into it. If it is not what the newest version says, a bundle may
/// have been put there that was not recorded any more, which is harmless; or it is an older copy.
fn check_vault(
    db: &RealityDb,
    audit: &Audit,
    code: &Code,
    carried: &Carried,
    causes: &mut Vec<Cause>,
) -> Result<(), StorageError> {
    let is_same = (carried.vault_root).is_none_or(|root| root == code.head().root);
    if is_same && causes.is_empty() {
        return Ok(());
    }
    let mut named = BTreeSet::new();
    // Both, since one of them may be the older copy. What is damaged is told elsewhere.
    let versions = db.oldest()?.max(1)..=carried.version;
    let infos = match versions.is_empty() {
        true => None,
        false => sound(db.infos(versions), causes)?,
    };
    for info in infos.into_iter().flatten().map_while(Result::ok) {
        let taken = TakenUp::of_version(&info).unwrap_or_default();
        named.extend(taken.iter().filter_map(|taken| bundle_of(&taken.record)));
    }
    let seen = audit.each_bundle(&mut |address| {
        named.insert(address);
        Ok(())
    });
    if let Err(error) = seen
        && causes.is_empty()
    {
        return Err(error);
    }
    let mut missing = Vec::new();
    for address in named {
        if !code.has(&address)? {
            missing.push(address);
        }
    }
    if let Some(first) = missing.first() {
        causes.push(Cause::VaultMissing {
            address: first.to_string(),
            others: missing.len() as u64 - 1,
        });
    }
    Ok(())
}

/// Records beyond the journal that are looked at for an execution.
const LOOK_AHEAD: u64 = 4096;

/// Records that are applied at a time.
const APPLY_MAX: usize = 8192;
