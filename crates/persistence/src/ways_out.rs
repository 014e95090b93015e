//! Ways out of panic mode.

use std::fs;
use std::io;
use std::path::Path;

use vigilance::{Event, EventKind, Text};

use crate::{
    Cause, Config, ExecuteError, Health, OpenError, OpenReport, Persistence, StorageError, Store,
};

/// A way out of panic mode, and what it costs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WayOut {
    /// The trail is made again from the journal of the state, to the exact root. What can be erased
    /// from beside records is lost, unless it is taken out of the folder that is set aside.
    RebuildTrail,
    /// A way out of the state's own: it is taken there.
    State(reality_db::WayOut),
    /// The state as it is, an older copy, is believed: everything behind it is given up. The trail is
    /// made again from its journal, and later seals are set aside.
    AcceptState {
        /// The version that becomes the newest.
        version: u64,
    },
    /// A backup is restored, or what is missing is taken from one: see
    /// [`Persistence::restore`].
    Restore,
}

/// Why no way out was taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecoverError {
    /// The state could not be opened, or did not take its way out.
    #[error("the state did not take its way out")]
    State(#[from] reality_db::RecoveryError),
    /// The stores could not be opened afterwards.
    #[error("the stores could not be opened")]
    Open(#[from] OpenError),
    /// That it was taken could not be recorded; it was.
    #[error("the way out was taken and could not be recorded")]
    Record(#[source] Box<ExecuteError>),
    /// A file could not be moved.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// Nothing to take here: see [`WayOut::Restore`].
    #[error("restore a backup instead")]
    Restore,
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
        let mut ways = Vec::new();
        let blames = |store: Store| panic.causes.iter().any(|cause| cause.store() == store);
        for cause in &panic.causes {
            if matches!(cause, Cause::State(_)) {
                ways.extend(self.state().ways_out()?.into_iter().map(WayOut::State));
                break;
            }
        }
        if blames(Store::Audit) && !blames(Store::State) {
            ways.push(WayOut::RebuildTrail);
        }
        ways.push(WayOut::Restore);
        let behind =
            |cause: &Cause| matches!(cause, Cause::StateBehind { .. } | Cause::StateBeside { .. });
        if panic.causes.iter().any(behind) {
            let version = self.state().version().number;
            ways.push(WayOut::AcceptState { version });
        }
        Ok(ways)
    }

    /// Takes a way out while the stores are closed, opens them, and records it with `reason`.
    ///
    /// Nothing is deleted: what is replaced is set aside beside it.
    ///
    /// # Errors
    ///
    /// [`RecoverError`].
    pub fn recover(
        config: Config,
        way: &WayOut,
        reason: &str,
    ) -> Result<(Self, OpenReport), RecoverError> {
        match way {
            WayOut::RebuildTrail => set_aside(&config.audit_path())?,
            WayOut::State(way) => {
                let options = reality_db::Options::new().create(false).accept_damage(true);
                let opened = reality_db::RealityDb::open(config.state_path(), &options);
                let db = opened.map_err(OpenError::State)?;
                db.take_way_out(way, reason)?;
            }
            WayOut::AcceptState { version } => {
                set_aside(&config.audit_path())?;
                set_aside(&config.data_dir.join(crate::open::MARK))?;
                set_aside_seals(&config, *version)?;
            }
            WayOut::Restore => return Err(RecoverError::Restore),
        }
        let time_ns = config.time_ns;
        let (persistence, report) = Self::open(config.rebuilding())?;
        let mut event = Event::new(EventKind::Recovered, time_ns);
        event.source = Some("persistence".to_owned());
        let text = format!("{way:?}: {reason}");
        let text = &text[..text.floor_char_boundary(REASON_BYTES_MAX)];
        event.message = Some(Text::plain(text));
        let recorded = persistence.log_event(event);
        recorded.map_err(|error| RecoverError::Record(Box::new(error)))?;
        Ok((persistence, report))
    }
}

/// Moves a file or folder out of the way, to a name beside it.
pub(crate) fn set_aside(path: &Path) -> Result<(), StorageError> {
    let file = StorageError::file(path);
    if !path.exists() {
        return Ok(());
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut free = (1..).map(|nth: u32| path.with_file_name(format!("{name}.aside-{nth}")));
    let free = free.find(|free| !free.exists());
    let free = free.ok_or_else(|| StorageError::file(path)(io::Error::other("no free name")))?;
    fs::rename(path, free).map_err(file)
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

/// Most bytes of the reason that is recorded.
const REASON_BYTES_MAX: usize = 4000;
