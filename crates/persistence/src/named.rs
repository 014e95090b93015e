//! Named snapshots: moments that are kept, and can be gone back to.

use reality_db::{NameError, NamedSnapshot};
use vigilance::{Event, EventKind, Text};

use crate::{ExecuteError, Executed, Persistence, StorageError};

/// Why a snapshot was not named, or not restored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// The name was not given.
    #[error(transparent)]
    Name(#[from] NameError),
    /// No snapshot has that name.
    #[error("no snapshot is named {name:?}")]
    Unknown {
        /// The name.
        name: String,
    },
    /// That it was taken, or restored, could not be committed.
    #[error(transparent)]
    Execute(#[from] ExecuteError),
    /// A store failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl Persistence {
    /// Gives the newest version a name and records that: it stays readable, with all after it, whatever is
    /// pruned. Nothing is recorded if it has the name already.
    ///
    /// ```
    /// use persistence::{Config, Execution, ExecutionStatus, Persistence};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// let (persistence, _) = Persistence::open(Config::new(folder.path()))?;
    /// let open = Execution::new("tx_1", "open", ExecutionStatus::Proved, 1).put(b"alice", b"900");
    /// let opened = persistence.execute(open)?;
    /// persistence.snapshot("opened", 2)?;
    /// let pay = Execution::new("tx_2", "pay", ExecutionStatus::Proved, 3).put(b"alice", b"800");
    /// persistence.execute(pay)?;
    /// let back = persistence.restore_snapshot("opened", "tx_3", 4)?;
    /// assert_eq!(back.root_after, opened.root_after);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`SnapshotError`].
    pub fn snapshot(&self, name: &str, time_ns: u64) -> Result<NamedSnapshot, SnapshotError> {
        self.shared().check_health()?;
        let version = self.heads().version;
        let known = self.snapshots()?;
        let named = self.state().name_snapshot(name, version)?;
        if !known.contains(&named) {
            let mut event = Event::new(EventKind::Note, time_ns);
            event.source = Some(SNAPSHOT_SOURCE.to_owned());
            event.count = Some(named.version.number);
            event.hash = Some(named.version.root);
            event.message = Some(Text::plain(name));
            self.log_event(event)?;
        }
        Ok(named)
    }

    /// All named snapshots, by name.
    ///
    /// # Errors
    ///
    /// [`StorageError`].
    pub fn snapshots(&self) -> Result<Vec<NamedSnapshot>, StorageError> {
        Ok(self.state().named_snapshots()?)
    }

    /// Brings the state back to a named snapshot, by an execution on the record, as
    /// [`roll_back`](Self::roll_back) does: to the exact root, or not at all.
    ///
    /// # Errors
    ///
    /// [`SnapshotError`].
    pub fn restore_snapshot(
        &self,
        name: &str,
        tx_id: &str,
        time_ns: u64,
    ) -> Result<Executed, SnapshotError> {
        let named = (self.snapshots()?.into_iter()).find(|named| named.name == name);
        let named = named.ok_or_else(|| SnapshotError::Unknown {
            name: name.to_owned(),
        })?;
        Ok(self.roll_back(named.version.number, tx_id, time_ns)?)
    }
}

/// Who says so in the record of a snapshot that was taken.
const SNAPSHOT_SOURCE: &str = "persistence.snapshot";
