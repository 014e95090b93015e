//! Importing what the original system wrote.

mod python;

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::Path;

use sha2::{Digest, Sha256};
use truth_vault::{LegacyImport, LegacyVault};
use vigilance::legacy::{self, Leftover};
use vigilance::{EncodedRecord, ExecutionStatus, Text};

use crate::audit::AuditError;
use crate::queue::Id;
use crate::{
    CopyProgress, ExecuteError, Execution, Hash, Persistence, StorageError, Store, VaultError,
};

/// What became of everything that the original system wrote.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct ImportReport {
    /// What the snapshot of the state came to; none if there is no snapshot.
    pub state: Option<StateImport>,
    /// What the vault came to: every file is in one of its lists.
    pub vault: Option<LegacyImport>,
    /// Records that were recorded.
    pub records: u64,
    /// Records that had been before.
    pub repeated: u64,
    /// What was not imported: a file or folder that cannot be read as the original's, or a record; where it
    /// stood, and why.
    pub refused: Vec<(String, String)>,
    /// What of the telemetry has no place here, counted.
    pub leftovers: Vec<Leftover>,
    /// Whether there was a telemetry database.
    pub telemetry: bool,
}

/// What the snapshot of the state came to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StateImport {
    /// The root that the snapshot says.
    pub stated: String,
    /// The root that its content has, by the original's rule.
    pub computed: String,
    /// Entries in it.
    pub entries: u64,
    /// Whether it was taken.
    pub taken: bool,
    /// Whether it had been taken before.
    pub repeated: bool,
}

/// Why an import ended. What was imported before is in; the import can be run again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LegacyImportError {
    /// Something could not be committed.
    #[error(transparent)]
    Execute(#[from] ExecuteError),
    /// A store failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl Persistence {
    /// Imports the folder that the original system kept: `state/snapshot.json`, `vault`,
    /// `sentinel/telemetry.db`, each if it is there.
    ///
    /// Whatever does not match its own hash or root is told and not imported, unless `accept` names
    /// it: `state/snapshot.json`, or the key of a bundle in hexadecimal, its first 16 digits at least. A part
    /// that cannot be read at all is told too, and the others are imported. Running it again, also after it
    /// was interrupted, imports what is missing and nothing twice. `time_ns` is the time of the import.
    ///
    /// # Errors
    ///
    /// [`LegacyImportError`].
    pub fn import_legacy(
        &self,
        folder: &Path,
        accept: &[&str],
        time_ns: u64,
    ) -> Result<ImportReport, LegacyImportError> {
        self.import_legacy_with(folder, accept, time_ns, &mut |_| {})
    }

    /// The same; `told` is told how far it is.
    ///
    /// # Errors
    ///
    /// [`LegacyImportError`].
    pub fn import_legacy_with(
        &self,
        folder: &Path,
        accept: &[&str],
        time_ns: u64,
        told: &mut dyn FnMut(CopyProgress),
    ) -> Result<ImportReport, LegacyImportError> {
        let mut report = ImportReport::default();
        let vault = folder.join("vault");
        if vault.is_dir() {
            match LegacyVault::open(&vault).or_else(|_| LegacyVault::open_without_index(&vault)) {
                Ok(legacy) => {
                    report.vault = Some(self.import_vault(legacy, accept, time_ns, told)?)
                }
                Err(error) => report.refuse("vault", &error),
            }
        }
        let snapshot = folder.join("state").join("snapshot.json");
        if snapshot.is_file() {
            let text = fs::read(&snapshot).map_err(StorageError::file(&snapshot))?;
            match Snapshot::read(&text) {
                Ok(state) => report.state = Some(self.import_state(&state, accept, time_ns)?),
                Err(why) => report.refuse(SNAPSHOT, &why),
            }
        }
        let telemetry = folder.join("sentinel").join("telemetry.db");
        if telemetry.is_file() {
            report.telemetry = true;
            match legacy::read(&telemetry) {
                Ok(records) => self.import_telemetry(records, &mut report, told)?,
                Err(error) => report.refuse("sentinel/telemetry.db", &error),
            }
        }
        Ok(report)
    }

    fn import_vault(
        &self,
        legacy: LegacyVault,
        accept: &[&str],
        time_ns: u64,
        told: &mut dyn FnMut(CopyProgress),
    ) -> Result<LegacyImport, LegacyImportError> {
        let storage = |error: VaultError| LegacyImportError::Storage(error.into());
        let named = |bundle: &truth_vault::LegacyBundle| {
            let key = bundle.key().to_string();
            let is_it = |name: &&str| name.len() >= KEY_DIGITS_MIN && key.starts_with(name);
            accept.iter().any(is_it)
        };
        let mut progress = CopyProgress {
            store: Store::Vault,
            done: 0,
            total: legacy.files_left(),
        };
        let legacy = legacy.inspect(|_| {
            progress.done += 1;
            told(progress);
        });
        let report = self.vault().import_legacy(legacy, named);
        let report = report.map_err(|error| storage(error.into()))?;
        self.shared().code.refresh().map_err(storage)?;
        let mut recorded = BTreeSet::new();
        let size = self.shared().head().log.size.get();
        self.shared().wait_until_applied(size)?;
        self.shared().audit.each_bundle(&mut |address| {
            recorded.insert(address);
            Ok(())
        })?;
        let all = report.imported.iter().zip(std::iter::repeat(false));
        let all = all.chain(report.accepted.iter().zip(std::iter::repeat(true)));
        for (imported, is_accepted) in all {
            if recorded.insert(imported.bundle) {
                let intent = imported.path.to_string_lossy();
                let intent = intent.rsplit(['/', '\\']).next().unwrap_or_default();
                let mut event = crate::bundles::stored_event(imported.bundle, intent, time_ns);
                event.detail = is_accepted.then(|| Text::plain(ACCEPTED));
                self.log_event(event)?;
            }
        }
        Ok(report)
    }

    fn import_state(
        &self,
        snapshot: &Snapshot,
        accept: &[&str],
        time_ns: u64,
    ) -> Result<StateImport, LegacyImportError> {
        let Snapshot { stated, entries } = snapshot;
        let computed = legacy_root(entries);
        let matches = *stated == computed;
        let mut import = StateImport {
            stated: stated.clone(),
            computed,
            entries: entries.len() as u64,
            taken: false,
            repeated: false,
        };
        if !matches && !accept.contains(&SNAPSHOT) {
            return Ok(import);
        }
        let id = format!("legacy:state:{}", import.computed);
        let mut execution = Execution::new(&id, "import_legacy", ExecutionStatus::Proved, time_ns)
            .result(
                &serde_json::json!({
                    "stated_root": import.stated, "computed_root": import.computed,
                })
                .to_string(),
            );
        for (key, value) in entries {
            execution = execution.put(key.as_bytes(), value.as_bytes());
        }
        let done = self.execute(execution)?;
        (import.taken, import.repeated) = (true, done.repeated);
        Ok(import)
    }

    fn import_telemetry(
        &self,
        mut records: legacy::LegacyRecords,
        report: &mut ImportReport,
        told: &mut dyn FnMut(CopyProgress),
    ) -> Result<(), LegacyImportError> {
        let mut known = self.leaves()?;
        let mut progress = CopyProgress {
            store: Store::Audit,
            done: 0,
            total: records.rows_left().unwrap_or_default(), // what cannot be counted is told when read
        };
        let mut refuse = |place: String, why: String| report.refused.push((place, why));
        let mut tickets = Vec::new();
        for next in records.by_ref() {
            progress.done += 1;
            told(progress);
            let next = match next {
                Ok(next) => next,
                Err(error) => {
                    refuse("a table".to_owned(), error.to_string());
                    continue;
                }
            };
            let place = format!("{} {}", next.table, next.row);
            let id = Id::of(&next.record);
            if id.is_none() {
                let leaf = next
                    .record
                    .encode()
                    .map(|encoded: EncodedRecord| encoded.leaf());
                match leaf {
                    Ok(leaf) => {
                        if let Some(count) = known.get_mut(&leaf).filter(|count| **count > 0) {
                            *count -= 1;
                            report.repeated += 1;
                            continue;
                        }
                    }
                    Err(error) => {
                        refuse(place, error.to_string());
                        continue;
                    }
                }
            }
            match self.record(next.record, id) {
                Ok(ticket) => tickets.push((place, ticket)),
                Err(error @ (ExecuteError::Conflict { .. } | ExecuteError::Record(_))) => {
                    refuse(place, error.to_string());
                }
                Err(error) => return Err(error.into()),
            }
        }
        for (place, ticket) in tickets {
            match ticket.wait() {
                Ok(recorded) if recorded.repeated => report.repeated += 1,
                Ok(_) => report.records += 1,
                Err(error @ ExecuteError::Conflict { .. }) => {
                    report.refused.push((place, error.to_string()));
                }
                Err(error) => return Err(error.into()),
            }
        }
        report.leftovers = records.leftovers();
        Ok(())
    }

    /// How often each leaf is in the log.
    fn leaves(&self) -> Result<HashMap<Hash, u64>, StorageError> {
        let size = self.shared().head().log.size.get();
        self.shared().wait_until_applied(size)?;
        let mut leaves = HashMap::new();
        let mut next = 0;
        while next < size {
            let page = self.audit().records(next, 1024).map_err(AuditError::from)?;
            for stored in &page {
                let leaf = merkle_core::log_leaf_hash(&stored.canonical);
                *leaves.entry(leaf).or_insert(0) += 1;
            }
            next += page.len() as u64;
        }
        Ok(leaves)
    }
}

/// The original's snapshot of the state.
struct Snapshot {
    /// The root that it says.
    stated: String,
    /// Keys with their values in Python's form, by key.
    entries: Vec<(String, String)>,
}

impl Snapshot {
    fn read(bytes: &[u8]) -> Result<Self, &'static str> {
        let text = std::str::from_utf8(bytes).map_err(|_| "it is not a text")?;
        let snapshot = python::form(text).ok_or("it is not JSON")?;
        let fields = python::members(&snapshot).ok_or("it is not an object")?;
        let field = |name: &str| fields.iter().find(|(key, _)| key == name);
        let (_, state) = field("state").ok_or("it has no state")?;
        let (_, stated) = field("merkle_root").ok_or("it has no root")?;
        let entries = python::members(state).ok_or("its state is no object")?;
        let entries = entries.into_iter();
        let mut entries: Vec<_> = entries
            .map(|(key, value)| (key, value.to_owned()))
            .collect();
        entries.sort_unstable();
        Ok(Self {
            stated: stated.trim_matches('"').to_owned(),
            entries,
        })
    }
}

impl ImportReport {
    fn refuse(&mut self, place: &str, why: &dyn std::fmt::Display) {
        self.refused.push((place.to_owned(), why.to_string()));
    }
}

/// The root by the original's rule: SHA-256 over the hexadecimal digests of `key:value`, in key order.
fn legacy_root(entries: &[(String, String)]) -> String {
    let mut digests = String::new();
    for (key, value) in entries {
        let digest = Sha256::digest(format!("{key}:{value}").as_bytes());
        digests.push_str(&Hash::from_bytes(digest.into()).to_string());
    }
    Hash::from_bytes(Sha256::digest(digests.as_bytes()).into()).to_string()
}

/// The file that holds the original's state; its name for whoever accepts it.
const SNAPSHOT: &str = "state/snapshot.json";

/// What the record of a bundle says that does not match its own hashes.
const ACCEPTED: &str = "accepted by name: it does not match its own hashes";

/// Digits of a key that name a bundle, at least: its file has as many in its name.
const KEY_DIGITS_MIN: usize = 16;
