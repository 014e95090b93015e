//! Checking everything: each store by itself, and all of them against one another.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use merkle_core::CompactRange;
use truth_vault::{BundleAddress, GetError};

use crate::audit::{AuditError, bundle_of};
use crate::reconcile::take_up;
use crate::shared::Shared;
use crate::{Cause, Persistence, Seal, StorageError, Store, VaultError};

/// How far a check of everything is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckProgress {
    /// What is being checked: one of the stores, or, for [`Store::Seals`], what ties them together.
    pub store: Store,
    /// How much of it was checked.
    pub checked: u64,
    /// How much there is.
    pub total: u64,
}

/// What a check of everything found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckReport {
    /// Versions of the state that were checked, each carrying the records that it should.
    pub versions: u64,
    /// Records that were checked, each the same in the journal and in the trail.
    pub records: u64,
    /// Objects of the vault that were read and hashed.
    pub objects: u64,
    /// Bundles that records name, all of which were found.
    pub bundles: u64,
    /// Seals that were checked, each against the one before.
    pub seals: u64,
    /// What is not as it was proved. Empty: everything is.
    pub causes: Vec<Cause>,
    /// Whether it went to its end.
    pub complete: bool,
}

/// Tells the caller how far a check is, and whether to go on.
type Control<'c> = &'c (dyn Fn(CheckProgress) -> ControlFlow<()> + Sync);

impl Persistence {
    /// Checks everything: the state, the trail and the vault by themselves and at the same time, then
    /// that every version carries the records which the trail has, that every bundle that a record
    /// names is in the vault, and that the chain of seals holds.
    ///
    /// `control` is told how far it is, from several threads, and may end it. Commits go on
    /// meanwhile. If there is damage, everything enters panic mode.
    ///
    /// # Errors
    ///
    /// [`StorageError`], if a store fails; damage is not an error but in the report.
    pub fn verify_all(
        &self,
        control: impl Fn(CheckProgress) -> ControlFlow<()> + Sync,
    ) -> Result<CheckReport, StorageError> {
        let shared = self.shared();
        let newest = shared.head();
        shared.wait_until_applied(newest.log.size.get())?;
        let stopped = AtomicBool::new(false);
        let control = |progress: CheckProgress| {
            let flow = control(progress);
            if flow.is_break() {
                stopped.store(true, Ordering::Relaxed);
            }
            match stopped.load(Ordering::Relaxed) {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        };
        let control: Control<'_> = &control;
        let (state, trail, ties) = thread::scope(|threads| {
            let state = threads.spawn(|| shared.check_state(control));
            let trail = threads.spawn(|| shared.check_trail(control));
            let vault = shared.check_vault(control);
            let ties = vault.and_then(|report| shared.check_ties(newest.version, report, control));
            (state.join(), trail.join(), ties)
        });
        let broken = |_| StorageError::File {
            path: shared.config.data_dir.clone(),
            source: std::io::Error::other("a thread that checked a store panicked"),
        };
        let mut report = ties?;
        report.causes.extend(state.map_err(broken)??);
        report.causes.extend(trail.map_err(broken)??);
        report.complete = !stopped.load(Ordering::Relaxed);
        for cause in &report.causes {
            shared.panic(cause.clone());
        }
        Ok(report)
    }
}

impl Shared {
    fn check_state(&self, control: Control<'_>) -> Result<Vec<Cause>, StorageError> {
        let told = |progress: reality_db::IntegrityProgress| {
            control(CheckProgress {
                store: Store::State,
                checked: progress.versions,
                total: progress.versions_total,
            })
        };
        let report = self.db.verify_integrity(reality_db::Depth::Stored, told)?;
        Ok(report.damage.into_iter().map(Cause::State).collect())
    }

    fn check_trail(&self, control: Control<'_>) -> Result<Vec<Cause>, StorageError> {
        let told = |progress: vigilance::VerifyProgress| {
            control(CheckProgress {
                store: Store::Audit,
                checked: progress.checked,
                total: progress.size,
            })
        };
        let report = self.audit.trail().verify(vigilance::Depth::Content, told);
        let report = report.map_err(AuditError::from)?;
        Ok(report.damage.iter().map(Cause::of_trail).collect())
    }

    /// Reads every object of the vault, on all cores.
    fn check_vault(&self, control: Control<'_>) -> Result<CheckReport, StorageError> {
        let mut report = CheckReport::default();
        let vault = self.code.vault();
        let total = vault.len();
        let mut chunks = 0;
        let verified = vault.verify(&mut |_| {
            chunks += 1;
            control(CheckProgress {
                store: Store::Vault,
                checked: total.min(chunks * CHUNK),
                total,
            })
        });
        let verified = match verified {
            Err(GetError::Cancelled) => return Ok(report),
            verified => verified.map_err(VaultError::from)?,
        };
        report.objects = verified.blobs;
        let bad = verified.bad.iter().map(|bad| {
            let (address, file, at, damage) = (bad.address, &bad.file, bad.at, &bad.damage);
            format!("object {address} at byte {at} of {file}: {damage}")
        });
        let missing = (verified.missing.iter()).map(|it| {
            format!(
                "object {}, a part of bundle {}, is missing",
                it.address, it.bundle
            )
        });
        let gaps = (verified.gaps.iter())
            .map(|(file, at)| format!("byte {at} of {file} should begin a record and does not"));
        let mut all = bad.chain(missing).chain(gaps);
        let told = all
            .by_ref()
            .take(TOLD_MAX)
            .map(|message| Cause::Vault { message });
        report.causes.extend(told);
        let others = all.count();
        if others > 0 {
            let message = format!("{others} more objects or places are damaged");
            report.causes.push(Cause::Vault { message });
        }
        Ok(report)
    }

    /// What ties the stores together, up to version `newest`.
    fn check_ties(
        &self,
        newest: u64,
        mut report: CheckReport,
        control: Control<'_>,
    ) -> Result<CheckReport, StorageError> {
        let mut log = CompactRange::new();
        let mut named: HashSet<BundleAddress> = HashSet::new();
        let mut sealed: Option<Seal> = None;
        let oldest = self.db.oldest()?;
        if oldest > 0 || newest == 0 {
            return Ok(report);
        }
        for info in self.db.infos(1..=newest)? {
            let info = match info {
                Ok(info) => info,
                // What is wrong with the state is told by its own check.
                Err(reality_db::ReadError::Damaged(_)) => return Ok(report),
                Err(error) => return Err(error.into()),
            };
            let taken = match take_up(&mut log, &info) {
                Ok(taken) => taken,
                Err(cause) => {
                    report.causes.push(cause);
                    return Ok(report);
                }
            };
            report.versions += 1;
            for taken in &taken {
                report.records += 1;
                named.extend(bundle_of(&taken.record));
                if let Some((number, note)) = crate::sealing::note_of(&taken.record) {
                    self.check_seal(number, note, &info, &mut sealed, &mut report);
                }
            }
            let told = || {
                control(CheckProgress {
                    store: Store::Seals,
                    checked: info.version.number,
                    total: newest,
                })
            };
            if report.versions.is_multiple_of(256) && told().is_break() {
                return Ok(report);
            }
        }
        let size = log.end();
        let root = log.head().map(|head| head.root);
        if self.audit.root_at(size).ok() != root {
            report.causes.push(Cause::AuditDiverged { index: size });
        }
        self.check_bundles(named, &mut report)?;
        Ok(report)
    }

    fn check_bundles(
        &self,
        named: HashSet<BundleAddress>,
        report: &mut CheckReport,
    ) -> Result<(), StorageError> {
        let mut missing = Vec::new();
        for address in named {
            report.bundles += 1;
            if !self.code.has(&address)? {
                missing.push(address);
            }
        }
        missing.sort_unstable();
        if let Some(first) = missing.first() {
            report.causes.push(Cause::VaultMissing {
                address: first.to_string(),
                others: missing.len() as u64 - 1,
            });
        }
        Ok(())
    }

    /// That a seal of the log is signed, follows the one before, says what was so, and lies in its
    /// file.
    fn check_seal(
        &self,
        number: u64,
        note: &str,
        info: &reality_db::CommitInfo,
        last: &mut Option<Seal>,
        report: &mut CheckReport,
    ) {
        let holds = |seal: &Seal| {
            let next = (last.as_ref()).map_or(0, |last| last.number.map_or(0, |last| last + 1));
            seal.number == Some(number)
                && number == next
                && seal.previous == last.as_ref().map(Seal::digest)
                && seal.state_root == info.root_before
                && seal.version == info.previous
        };
        let seal = Seal::verify(note.as_bytes(), &self.keys);
        match seal.ok().filter(holds) {
            Some(seal) => {
                report.seals += 1;
                *last = Some(seal);
            }
            None => report.causes.push(Cause::Seal { number }),
        }
        // It is in its file once it was made; the newest one may not be there yet.
        let is_newest = number + 1 >= self.seal_count();
        let file = self.seals.read(number).ok();
        if !is_newest && file.as_deref() != Some(note.as_bytes()) {
            report.causes.push(Cause::Seal { number });
        }
    }
}

/// Objects of the vault behind which it tells how far it is.
const CHUNK: u64 = 1024;

/// Damaged places of the vault that are told one by one: its own check tells all.
const TOLD_MAX: usize = 16;
