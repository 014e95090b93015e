//! Ways out of panic mode.

use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use vigilance::{Event, EventKind, Text};

use crate::incident::Incident;
use crate::rebuild_vault::{RebuildVaultError, rebuild_vault};
use crate::{
    BackupError, Cause, Config, ExecuteError, Health, OpenError, OpenReport, Panic, Persistence,
    StorageError, Store,
};

/// A way out of panic mode, and what it costs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WayOut {
    /// The files of the seals are written again from the log, which has all of them.
    RewriteSeals,
    /// The trail is made again from the journal of the state, to the exact root. What can be erased
    /// from beside records is lost, unless it is taken out of the folder that is set aside.
    RebuildTrail,
    /// The vault is made again from its sound objects and those of the [backup](Config::backup), if
    /// there is one.
    RebuildVault,
    /// A way out of the state's own, which sets nothing aside.
    State(reality_db::WayOut),
    /// Everything is made again from the [backup](Config::backup), to the exact root that its seal
    /// says: what was committed after it is given up.
    Restore,
    /// The state as it is, an older copy, is believed: everything behind it is given up. The trail is
    /// made again from its journal, and later seals are set aside.
    AcceptState {
        /// The version that becomes the newest.
        version: u64,
    },
}

impl WayOut {
    /// Whether it ends at the newest root that was acknowledged, and gives nothing up that is proved.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        match self {
            Self::RewriteSeals | Self::RebuildTrail | Self::RebuildVault => true,
            Self::State(way) => matches!(way, reality_db::WayOut::Rebuild),
            Self::Restore | Self::AcceptState { .. } => false,
        }
    }
}

/// Why no way out was taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecoverError {
    /// The state could not be opened, or did not take its way out.
    #[error("the state did not take its way out")]
    State(#[from] reality_db::RecoveryError),
    /// The vault could not be made again.
    #[error("the vault could not be made again")]
    Vault(#[source] RebuildVaultError),
    /// The stores could not be opened afterwards: there is more damage, with ways out of its own.
    #[error("the stores could not be opened")]
    Open(#[from] OpenError),
    /// The backup could not be restored.
    #[error("the backup could not be restored")]
    Restore(#[source] Box<BackupError>),
    /// No backup is named: see [`Config::backup`].
    #[error("no backup is named to restore")]
    NoBackup,
    /// That it was taken could not be recorded; it was.
    #[error("the way out was taken and could not be recorded")]
    Record(#[source] Box<ExecuteError>),
    /// A file could not be moved.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl Panic {
    /// The ways out that the causes leave open, the one that costs least first. The state may have
    /// ways of its own: [`Persistence::ways_out`] has them too.
    ///
    /// Those that take a backup are among them; whether there is one, the caller knows.
    #[must_use]
    pub fn ways_out(&self) -> Vec<WayOut> {
        let blames = |store: Store| self.causes.iter().any(|cause| cause.store() == store);
        let mut ways = Vec::new();
        // Whatever is made from the journal needs a journal that is sound.
        if !blames(Store::State) {
            if blames(Store::Seals) && !blames(Store::Audit) {
                ways.push(WayOut::RewriteSeals);
            }
            if blames(Store::Audit) {
                ways.push(WayOut::RebuildTrail);
            }
            if blames(Store::Vault) {
                ways.push(WayOut::RebuildVault);
            }
        }
        ways.push(WayOut::Restore);
        ways
    }
}

impl OpenError {
    /// The ways out of damage that keeps the stores from being opened; none if nothing is damaged.
    ///
    /// With [`Config::accept_damage`] the stores open in panic mode if they can at all, and
    /// [`Persistence::ways_out`] may know more.
    #[must_use]
    pub fn ways_out(&self) -> Vec<WayOut> {
        match (self, self.store()) {
            (Self::Damaged(panic), _) => panic.ways_out(),
            (_, Some(Store::Audit)) => vec![WayOut::RebuildTrail, WayOut::Restore],
            (_, Some(Store::Vault)) => vec![WayOut::RebuildVault, WayOut::Restore],
            (_, Some(Store::State)) => vec![WayOut::Restore],
            _ => Vec::new(),
        }
    }

    /// The store that is to blame, if it is one.
    #[must_use]
    pub fn store(&self) -> Option<Store> {
        if self.is_locked() {
            return None;
        }
        match self {
            Self::State(_) => Some(Store::State),
            Self::Audit(_) => Some(Store::Audit),
            Self::Vault(_) => Some(Store::Vault),
            Self::Damaged(panic) => panic.causes.first().map(Cause::store),
            _ => None,
        }
    }
}

impl Persistence {
    /// The ways out of panic mode, the one that costs least first; none if everything is sound.
    ///
    /// # Errors
    ///
    /// [`StorageError`].
    pub fn ways_out(&self) -> Result<Vec<WayOut>, StorageError> {
        let Health::Panic(panic) = self.health() else {
            return Ok(Vec::new());
        };
        let mut ways = panic.ways_out();
        if panic
            .causes
            .iter()
            .any(|cause| matches!(cause, Cause::State(_)))
        {
            let own = self.state().ways_out()?.into_iter().map(WayOut::State);
            let (exact, lossy): (Vec<_>, Vec<_>) = own.partition(WayOut::is_exact);
            ways.splice(0..0, exact);
            ways.extend(lossy);
        }
        let behind =
            |cause: &Cause| matches!(cause, Cause::StateBehind { .. } | Cause::StateBeside { .. });
        if panic.causes.iter().any(behind) {
            let version = self.state().version().number;
            ways.push(WayOut::AcceptState { version });
        }
        Ok(ways)
    }

    /// Takes a way out while the stores are closed, opens them, and records it with `reason`: in the log,
    /// and among the [incidents](crate::incidents).
    ///
    /// What is replaced is set aside beside it. The state's own ways set nothing aside: they remove from its
    /// journal what they give up, and the names of those versions. A way that led nowhere, or to stores that
    /// are damaged still, is noted too, and recorded once the log takes records again.
    ///
    /// # Errors
    ///
    /// [`RecoverError`].
    pub fn recover(
        config: Config,
        way: &WayOut,
        reason: &str,
    ) -> Result<(Self, OpenReport), RecoverError> {
        let known = config.clone();
        Self::take(config, way, reason).inspect_err(|error| {
            let text = format!("the way out {way:?} led nowhere: {error}; {reason}");
            if let Err(error) = crate::note_act(&known, known.time_ns, SOURCE, &text) {
                tracing::error!(%error, text, "an act was not noted");
            }
        })
    }

    fn take(
        config: Config,
        way: &WayOut,
        reason: &str,
    ) -> Result<(Self, OpenReport), RecoverError> {
        let incident = Incident::recovered(&config, way, reason);
        let time_ns = config.time_ns;
        let opened = match way {
            WayOut::RewriteSeals => {
                set_aside(&config.data_dir.join(crate::open::MARK))?;
                set_aside(&config.seals_path())?;
                Self::open(config)?
            }
            WayOut::RebuildTrail => {
                set_aside(&config.audit_path())?;
                Self::open(config.rebuilding())?
            }
            WayOut::RebuildVault => {
                rebuild_vault(&config).map_err(RecoverError::Vault)?;
                Self::open(config)?
            }
            WayOut::State(way) => {
                let options = reality_db::Options::new().create(false).accept_damage(true);
                let opened = reality_db::RealityDb::open(config.state_path(), &options);
                let db = opened.map_err(OpenError::State)?;
                if db.health() == reality_db::Health::Sound {
                    // What only a check of everything finds has to be found again by this handle.
                    db.verify_integrity(reality_db::Depth::Stored, |_| ControlFlow::Continue(()))
                        .map_err(reality_db::RecoveryError::from)?;
                }
                db.take_way_out(way, reason)?;
                drop(db);
                Self::open(config)?
            }
            WayOut::AcceptState { version } => {
                set_aside(&config.audit_path())?;
                set_aside(&config.data_dir.join(crate::open::MARK))?;
                set_aside_seals(&config, *version)?;
                Self::open(config.rebuilding())?
            }
            WayOut::Restore => {
                let backup = config.backup.clone().ok_or(RecoverError::NoBackup)?;
                let seal = Self::check_backup(&config, &backup);
                seal.map_err(|error| RecoverError::Restore(Box::new(error)))?;
                for path in [
                    config.state_path(),
                    config.vault_path(),
                    config.audit_path(),
                    config.seals_path(),
                    config.data_dir.join(crate::open::MARK),
                ] {
                    set_aside(&path)?;
                }
                let restored = Self::restore(config, &backup);
                restored.map_err(|error| RecoverError::Restore(Box::new(error)))?
            }
        };
        let (persistence, report) = opened;
        persistence.shared().note(&incident);
        let text = format!("{way:?}: {reason}");
        let text = &text[..text.floor_char_boundary(REASON_BYTES_MAX)];
        if persistence.health() == Health::Sound {
            let mut event = Event::new(EventKind::Recovered, time_ns);
            event.source = Some(SOURCE.to_owned());
            event.message = Some(Text::plain(text));
            let recorded = persistence.log_event(event);
            recorded.map_err(|error| RecoverError::Record(Box::new(error)))?;
        } else {
            let text = format!("the way out {text}; there is more damage");
            persistence.log_act(time_ns, SOURCE, &text)?;
        }
        Ok((persistence, report))
    }
}

/// The name beside `path` that it would be moved to.
pub(crate) fn aside(path: &Path) -> Result<PathBuf, StorageError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut free = (1..).map(|nth: u32| path.with_file_name(format!("{name}.aside-{nth}")));
    let free = free.find(|free| !free.exists());
    free.ok_or_else(|| StorageError::file(path)(io::Error::other("no free name")))
}

/// Moves a file or folder out of the way, to a name beside it.
pub(crate) fn set_aside(path: &Path) -> Result<(), StorageError> {
    match path.exists() {
        true => fs::rename(path, aside(path)?).map_err(StorageError::file(path)),
        false => Ok(()),
    }
}

/// Sets the seals aside that are behind `version`.
fn set_aside_seals(config: &Config, version: u64) -> Result<(), StorageError> {
    let path = config.seals_path();
    let entries = fs::read_dir(&path).map_err(StorageError::file(&path))?;
    for entry in entries {
        let entry = entry.map_err(StorageError::file(&path))?.path();
        let text = fs::read_to_string(&entry).unwrap_or_default();
        let sealed = text.lines().find_map(|line| {
            let number = line.strip_prefix("state ")?.split(' ').next()?;
            number.parse::<u64>().ok()
        });
        if sealed.is_some_and(|sealed| sealed >= version) {
            set_aside(&entry)?;
        }
    }
    Ok(())
}

/// Who says in the log that a way out was taken.
const SOURCE: &str = "persistence";

/// Most bytes of the reason that is recorded.
const REASON_BYTES_MAX: usize = 4000;
