//! Backups: online, incremental, verified; and restoring one to the exact root.

mod objects;
mod part;
mod roots;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::{fs, io};

use reality_db::{Options, RealityDb};
use truth_vault::{CarExportError, CarImportError};

use crate::seal::write_whole;
use crate::{
    Config, Hash, OpenError, OpenReport, Persistence, Seal, SealError, StorageError, Store,
};
use objects::{back_up_vault, check_objects, restore_vault};
use part::{PartWriter, encode, part_path, read_part};
use roots::{back_up_roots, drop_others, read_roots, restore_roots};

/// What a backup added.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BackupReport {
    /// The version that the backup goes to.
    pub version: u64,
    /// The root of that version.
    pub root: Hash,
    /// Versions that were added.
    pub versions: u64,
    /// Objects of the vault that were added.
    pub objects: u64,
}

/// How far a backup, a restore or an import is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CopyProgress {
    /// What is being copied: versions of the state, objects of the vault, or records of the audit trail.
    pub store: Store,
    /// How many are done.
    pub done: u64,
    /// How many there are.
    pub total: u64,
}

/// Tells the caller how far it is, and whether to go on.
type Control<'c> = &'c mut dyn FnMut(CopyProgress) -> ControlFlow<()>;

fn told(control: Control<'_>, store: Store, done: u64, total: u64) -> Result<(), BackupError> {
    match control(CopyProgress { store, done, total }) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(BackupError::Cancelled),
    }
}

/// Why there is no backup, or it was not restored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// A store, or a file of the backup, could not be used.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The stores could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The seal of the backup is none, or nobody signed it who is trusted.
    #[error("the seal of the backup: {0}")]
    Seal(#[from] SealError),
    /// A part of the backup is damaged.
    #[error("{} is damaged: {why}", path.display())]
    Damaged {
        /// The part.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A version of the backup has another root than it says: the last that is proved is the one
    /// before.
    #[error("version {version} leads to {computed}, recorded is {recorded}")]
    OtherRoot {
        /// The version.
        version: u64,
        /// The root that it leads to.
        computed: Hash,
        /// The root that is recorded.
        recorded: Hash,
    },
    /// The backup is of other stores, or of a later state than these have.
    #[error("the backup goes to version {version}, which these stores do not have like that")]
    OtherStores {
        /// The version.
        version: u64,
    },
    /// There is something where the backup is to be restored to.
    #[error("{} is not empty", path.display())]
    NotEmpty {
        /// The folder.
        path: PathBuf,
    },
    /// The caller said to stop. The backup is what it was before; a restore is to be begun anew.
    #[error("cancelled")]
    Cancelled,
    /// Objects could not be written into the backup.
    #[error("the vault could not be backed up")]
    Export(#[from] CarExportError),
    /// Objects could not be taken out of the backup.
    #[error("the vault could not be restored")]
    Import(#[from] CarImportError),
}

impl Persistence {
    /// Brings the backup in `folder` to what is committed now; begins one if there is none. Commits go
    /// on meanwhile.
    ///
    /// The journal since the last time is added, the objects of the vault that are not in it, and the pins,
    /// leases and retired bundles of now. Each part is read again and checked once it is written (the pins are
    /// not), and a signed seal, written last, says how
    /// far the backup goes. Texts that can be erased are not in it, nor is the key of the seals.
    ///
    /// # Errors
    ///
    /// [`BackupError`]; the backup is what it was before then.
    pub fn backup(&self, folder: &Path) -> Result<BackupReport, BackupError> {
        self.backup_with(folder, &mut |_| ControlFlow::Continue(()))
    }

    /// The same; `control` is told how far it is, and may end it.
    ///
    /// # Errors
    ///
    /// [`BackupError`]; the backup is what it was before then.
    pub fn backup_with(
        &self,
        folder: &Path,
        control: &mut dyn FnMut(CopyProgress) -> ControlFlow<()>,
    ) -> Result<BackupReport, BackupError> {
        let shared = self.shared();
        fs::create_dir_all(folder).map_err(StorageError::file(folder))?;
        let last = read_seal(folder, &shared.keys)?;
        let head = shared.wait_until_applied(shared.head().log.size.get())?;
        let from = last.as_ref().map_or(0, |last| last.version) + 1;
        if let Some(last) = &last {
            let info = self.state().info(last.version).map_err(StorageError::from);
            let same = info.is_ok_and(|info| info.version.root == last.state_root);
            if !same {
                let version = last.version;
                return Err(BackupError::OtherStores { version });
            }
        }
        let versions = (head.version + 1).saturating_sub(from);
        if versions > 0 {
            self.write_journal(folder, from, head.version, control)?;
        }
        let (objects, vault) = back_up_vault(self.vault(), folder, last.as_ref(), control)?;
        let previous = self.last_seal().map(|(seal, _)| seal.digest());
        let head = crate::shared::Head { vault, ..head };
        let time_ns = self.last_seal().map_or(0, |(seal, _)| seal.time_ns);
        let roots = back_up_roots(self.vault(), folder)?;
        let mut seal =
            shared.unsigned_seal(&head, None, Some(previous.unwrap_or_default()), time_ns);
        seal.vault_roots = Some(roots);
        let note = seal.sign(&shared.signer)?;
        write_whole(folder, SEAL, &note).map_err(StorageError::file(folder))?;
        drop_others(folder, &roots);
        Ok(BackupReport {
            version: head.version,
            root: head.state_root,
            versions,
            objects,
        })
    }

    /// The seal of the backup in `folder`, which says how far it goes; none if there is no backup.
    ///
    /// Reads that one file, and verifies its signature with the keys of these stores; what else is in the
    /// folder is not looked at: see [`check_backup`](Self::check_backup).
    ///
    /// # Errors
    ///
    /// [`BackupError::Seal`] where nobody signed it who is trusted.
    pub fn backup_seal(&self, folder: &Path) -> Result<Option<Seal>, BackupError> {
        read_seal(folder, &self.shared().keys)
    }

    fn write_journal(
        &self,
        folder: &Path,
        from: u64,
        to: u64,
        control: Control<'_>,
    ) -> Result<(), BackupError> {
        let path = part_path(folder, from);
        let file = StorageError::file(&path);
        let mut part = PartWriter::create(&path).map_err(StorageError::file(&path))?;
        for commit in self
            .state()
            .commits(from..=to)
            .map_err(StorageError::from)?
        {
            let commit = commit.map_err(StorageError::from)?;
            part.write(&encode(&commit))
                .map_err(StorageError::file(&path))?;
            let done = commit.info.version.number + 1 - from;
            told(control, Store::State, done, to + 1 - from)?;
        }
        part.finish().map_err(file)?;
        // What is on the disk is what counts.
        let mut root = None;
        let mut last = from.saturating_sub(1);
        read_part(&path, &mut |commit| {
            root = Some(commit.root);
            last = commit.number;
            Ok(())
        })?;
        if last != to {
            return Err(damaged(&path, "it ends too early"));
        }
        Ok(())
    }

    /// Reads a backup to its end and checks it, without restoring it; its seal says how far it goes.
    ///
    /// Checked are the seal, by the key of `config` or a trusted one; that the journal's parts are whole
    /// and lead to the version and root that it says; that every object is there, each hashed, and
    /// all of them have the root that it says; and that the pins and leases are those it says. That every
    /// version leads to its root is checked by
    /// [`restore`](Self::restore) alone.
    ///
    /// # Errors
    ///
    /// [`BackupError`].
    pub fn check_backup(config: &Config, folder: &Path) -> Result<Seal, BackupError> {
        let seal = seal_of(config, folder)?;
        check_journal(folder, &seal)?;
        check_objects(folder, &seal)?;
        read_roots(folder, &seal)?;
        Ok(seal)
    }

    /// Makes the stores of `config` from the backup in `folder`: the state from the journal alone, every
    /// root compared with the recorded one; the vault from its objects, each hashed; the trail from
    /// the records that the journal carries. Opens them, with the backup's seal as trusted.
    ///
    /// The key of the seals, or a trusted one, must be that of the backup.
    ///
    /// # Errors
    ///
    /// [`BackupError`].
    pub fn restore(config: Config, folder: &Path) -> Result<(Self, OpenReport), BackupError> {
        Self::restore_with(config, folder, &mut |_| ControlFlow::Continue(()))
    }

    /// The same; `control` is told how far it is, and may end it.
    ///
    /// # Errors
    ///
    /// [`BackupError`].
    pub fn restore_with(
        config: Config,
        folder: &Path,
        control: &mut dyn FnMut(CopyProgress) -> ControlFlow<()>,
    ) -> Result<(Self, OpenReport), BackupError> {
        for path in [
            config.state_path(),
            config.vault_path(),
            config.audit_path(),
        ] {
            let is_empty = match fs::read_dir(&path) {
                Ok(mut entries) => entries.next().is_none(),
                Err(error) => error.kind() == io::ErrorKind::NotFound,
            };
            if !is_empty {
                return Err(BackupError::NotEmpty { path });
            }
        }
        let seal = seal_of(&config, folder)?;
        restore_state(&config, folder, &seal, control)?;
        let vault = restore_vault(&config, folder, &seal)?;
        restore_roots(&vault, folder, &seal)?;
        drop(vault);
        let note = fs::read(folder.join(SEAL)).map_err(StorageError::file(folder))?;
        Ok(Self::open(config.rebuilding().trusted_seal(note))?)
    }
}

/// Puts the objects of the backup in `folder` into the vault of `config`.
pub(crate) fn restore_objects(config: &Config, folder: &Path) -> Result<(), BackupError> {
    restore_vault(config, folder, &seal_of(config, folder)?)?;
    Ok(())
}

/// The pins, leases and retired bundles of the backup in `folder`, as the vault exports them; none if it is
/// older than these in backups.
pub(crate) fn roots_of(config: &Config, folder: &Path) -> Result<Option<Vec<u8>>, BackupError> {
    read_roots(folder, &seal_of(config, folder)?)
}

/// The seal of a backup, signed by the key of `config` or a trusted one.
fn seal_of(config: &Config, folder: &Path) -> Result<Seal, BackupError> {
    let mut keys = vec![crate::open::signer(config)?.verifier_key()];
    keys.extend(config.trusted_keys.iter().cloned());
    read_seal(folder, &keys)?.ok_or_else(|| damaged(&folder.join(SEAL), "it is missing"))
}

fn check_journal(folder: &Path, seal: &Seal) -> Result<(), BackupError> {
    let (mut version, mut root) = (0, None);
    while version < seal.version {
        let path = part_path(folder, version + 1);
        let before = version;
        read_part(&path, &mut |commit| {
            version += 1;
            root = Some(commit.root);
            match commit.number == version {
                true => Ok(()),
                false => Err(damaged(&path, "a version is missing")),
            }
        })?;
        if version == before {
            return Err(damaged(&path, "it holds nothing"));
        }
    }
    match (version, root) == (seal.version, Some(seal.state_root)) {
        true => Ok(()),
        false => Err(BackupError::OtherRoot {
            version,
            computed: root.unwrap_or_default(),
            recorded: seal.state_root,
        }),
    }
}

fn restore_state(
    config: &Config,
    folder: &Path,
    seal: &Seal,
    control: Control<'_>,
) -> Result<(), BackupError> {
    let options = Options::new()
        .profile(seal.profile)
        .durability(reality_db::Durability::Buffered)
        .cache_bytes(config.cache_bytes);
    let db = RealityDb::open(config.state_path(), &options).map_err(OpenError::State)?;
    while db.version().number < seal.version {
        let next = db.version().number + 1;
        let path = part_path(folder, next);
        read_part(&path, &mut |commit| {
            commit.make_again(&db)?;
            told(control, Store::State, commit.number, seal.version)
        })?;
        if db.version().number < next {
            return Err(damaged(&path, "it holds nothing"));
        }
    }
    let found = db.version();
    if (found.number, found.root) != (seal.version, seal.state_root) {
        return Err(BackupError::OtherRoot {
            version: found.number,
            computed: found.root,
            recorded: seal.state_root,
        });
    }
    db.sync().map_err(StorageError::from)?;
    Ok(())
}

fn read_seal(folder: &Path, keys: &[crate::VerifierKey]) -> Result<Option<Seal>, BackupError> {
    match fs::read(folder.join(SEAL)) {
        Ok(note) => Ok(Some(Seal::verify(&note, keys)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StorageError::file(&folder.join(SEAL))(error).into()),
    }
}

fn damaged(path: &Path, why: &str) -> BackupError {
    BackupError::Damaged {
        path: path.to_owned(),
        why: why.to_owned(),
    }
}

/// Name of the seal of a backup.
const SEAL: &str = "backup.seal";
