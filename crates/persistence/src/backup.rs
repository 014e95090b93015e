//! Backups: online, incremental, verified; and restoring one to the exact root.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use merkle_core::Batch;
use reality_db::{Commit, CommitOptions, Options, RealityDb};
use sha2::{Digest, Sha256};
use truth_vault::{Address, CarExportError, CarImportError, Vault};

use crate::seal::write_whole;
use crate::wire::{Reader, put_bytes, put_number};
use crate::{
    Config, Hash, OpenError, OpenReport, Persistence, Seal, SealError, StorageError, VaultError,
    WireError,
};

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
    /// The journal since the last time is added, and the objects of the vault that are not in it; each
    /// part is read again and checked once it is written, and a signed seal, written last, says how
    /// far the backup goes. Texts that can be erased are not in it, nor is the key of the seals.
    ///
    /// # Errors
    ///
    /// [`BackupError`]; the backup is what it was before then.
    pub fn backup(&self, folder: &Path) -> Result<BackupReport, BackupError> {
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
            self.write_journal(folder, from, head.version)?;
        }
        let objects = back_up_vault(self.vault(), folder)?;
        let previous = self.last_seal().map(|(seal, _)| seal.digest());
        let head = crate::shared::Head {
            vault: shared.code.refresh().map_err(StorageError::from)?,
            ..head
        };
        let time_ns = self.last_seal().map_or(0, |(seal, _)| seal.time_ns);
        let sealed = shared.seal_at(&head, None, Some(previous.unwrap_or_default()), time_ns)?;
        write_whole(folder, SEAL, &sealed.note).map_err(StorageError::file(folder))?;
        Ok(BackupReport {
            version: head.version,
            root: head.state_root,
            versions,
            objects,
        })
    }

    fn write_journal(&self, folder: &Path, from: u64, to: u64) -> Result<(), BackupError> {
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
        let mut keys = vec![crate::open::signer(&config)?.verifier_key()];
        keys.extend(config.trusted_keys.iter().cloned());
        let Some(seal) = read_seal(folder, &keys)? else {
            return Err(damaged(&folder.join(SEAL), "it is missing"));
        };
        restore_state(&config, folder, &seal)?;
        restore_vault(&config, folder)?;
        let note = fs::read(folder.join(SEAL)).map_err(StorageError::file(folder))?;
        Ok(Self::open(config.rebuilding().trusted_seal(note))?)
    }
}

fn restore_state(config: &Config, folder: &Path, seal: &Seal) -> Result<(), BackupError> {
    let options = Options::new()
        .profile(seal.profile)
        .durability(reality_db::Durability::Buffered)
        .cache_bytes(config.cache_bytes);
    let db = RealityDb::open(config.state_path(), &options).map_err(OpenError::State)?;
    while db.version().number < seal.version {
        let next = db.version().number + 1;
        let path = part_path(folder, next);
        read_part(&path, &mut |commit| commit.make_again(&db))?;
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

fn restore_vault(config: &Config, folder: &Path) -> Result<(), BackupError> {
    let options = truth_vault::Options::new();
    let vault = Vault::open(config.vault_path(), &options).map_err(VaultError::from);
    let vault = vault.map_err(StorageError::from)?;
    for nth in 0.. {
        let path = folder.join(car_name(nth));
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => break,
            Err(error) => return Err(StorageError::file(&path)(error).into()),
        };
        vault.import_car(BufReader::new(file), truth_vault::Durability::Batch)?;
    }
    let synced = vault.sync().map_err(VaultError::from);
    synced.map_err(StorageError::from)?;
    Ok(())
}

/// Adds the objects that the backup does not have. How many they are.
fn back_up_vault(vault: &Vault, folder: &Path) -> Result<u64, BackupError> {
    let mut known: BTreeSet<Address> = BTreeSet::new();
    let mut nth = 0;
    while let Ok(list) = fs::read_to_string(folder.join(list_name(nth))) {
        known.extend(list.lines().filter_map(|line| line.parse::<Address>().ok()));
        nth += 1;
    }
    let mut added = Vec::new();
    let mut after = None;
    loop {
        let page = vault.list(after.as_ref(), 4096).map_err(VaultError::from);
        let page = page.map_err(StorageError::from)?;
        let Some(last) = page.last() else { break };
        after = Some(*last);
        added.extend(page.into_iter().filter(|address| !known.contains(address)));
    }
    if added.is_empty() {
        return Ok(0);
    }
    let path = folder.join(car_name(nth));
    let file = File::create(&path).map_err(StorageError::file(&path))?;
    let mut out = BufWriter::new(file);
    vault.export_car(&mut out, &[], added.iter().copied())?;
    let file = out.into_inner().map_err(|error| error.into_error());
    let synced = file.and_then(|file| file.sync_all());
    synced.map_err(StorageError::file(&path))?;
    // The list is written last: without it the file is written again.
    let list: String = added.iter().map(|address| format!("{address}\n")).collect();
    let written = write_whole(folder, &list_name(nth), list.as_bytes());
    written.map_err(StorageError::file(folder))?;
    Ok(added.len() as u64)
}

fn read_seal(folder: &Path, keys: &[crate::VerifierKey]) -> Result<Option<Seal>, BackupError> {
    match fs::read(folder.join(SEAL)) {
        Ok(note) => Ok(Some(Seal::verify(&note, keys)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StorageError::file(&folder.join(SEAL))(error).into()),
    }
}

/// A commit as a part of a backup holds it.
struct Stored<'b> {
    number: u64,
    time_ns: u64,
    root: Hash,
    metadata: &'b [u8],
    changes: Vec<(&'b [u8], Option<&'b [u8]>)>,
}

impl Stored<'_> {
    fn make_again(&self, db: &RealityDb) -> Result<(), BackupError> {
        let mut batch = Batch::with_capacity(self.changes.len());
        for (key, value) in &self.changes {
            let change = match value {
                Some(value) => batch.put(key, value),
                None => batch.delete(key),
            };
            change.map_err(|error| StorageError::from(reality_db::CommitError::Key(error)))?;
        }
        let options = CommitOptions::new()
            .number(self.number)
            .time_ns(self.time_ns)
            .metadata(self.metadata);
        let made = db
            .commit_with(&batch, &options)
            .map_err(StorageError::from)?;
        if made.root != self.root {
            return Err(BackupError::OtherRoot {
                version: self.number,
                computed: made.root,
                recorded: self.root,
            });
        }
        Ok(())
    }
}

fn encode(commit: &Commit) -> Vec<u8> {
    let mut bytes = Vec::new();
    put_number(&mut bytes, commit.info.version.number);
    put_number(&mut bytes, commit.info.time_ns);
    bytes.extend_from_slice(commit.info.version.root.as_bytes());
    put_bytes(&mut bytes, &commit.info.metadata);
    put_number(&mut bytes, commit.changes.len() as u64);
    for (key, value) in &commit.changes {
        put_bytes(&mut bytes, key);
        bytes.push(u8::from(value.is_some()));
        if let Some(value) = value {
            put_bytes(&mut bytes, value);
        }
    }
    bytes
}

fn decode(bytes: &[u8]) -> Result<Stored<'_>, WireError> {
    let mut reader = Reader::new(bytes);
    let (number, time_ns) = (reader.number()?, reader.number()?);
    let root = reader.hash()?;
    let metadata = reader.bytes()?;
    let mut changes = Vec::new();
    for _ in 0..reader.number()? {
        let key = reader.bytes()?;
        let value = match reader.choice(2)? {
            0 => None,
            _ => Some(reader.bytes()?),
        };
        changes.push((key, value));
    }
    reader.end()?;
    Ok(Stored {
        number,
        time_ns,
        root,
        metadata,
        changes,
    })
}

/// Writes a part: frames behind their lengths, and SHA-256 of all of it.
struct PartWriter {
    out: BufWriter<File>,
    hasher: Sha256,
}

impl PartWriter {
    fn create(path: &Path) -> io::Result<Self> {
        let mut writer = Self {
            out: BufWriter::new(File::create(path)?),
            hasher: Sha256::new(),
        };
        writer.raw(MAGIC)?;
        Ok(writer)
    }

    fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hasher.update(bytes);
        self.out.write_all(bytes)
    }

    fn write(&mut self, frame: &[u8]) -> io::Result<()> {
        let len = u32::try_from(frame.len()).map_err(io::Error::other)?;
        self.raw(&len.to_be_bytes())?;
        self.raw(frame)
    }

    fn finish(mut self) -> io::Result<()> {
        self.raw(&u32::MAX.to_be_bytes())?;
        let digest = self.hasher.clone().finalize();
        self.out.write_all(&digest)?;
        let file = self.out.into_inner().map_err(|error| error.into_error())?;
        file.sync_all()
    }
}

/// Shows `see` every commit of a part, once its digest was compared.
fn read_part(
    path: &Path,
    see: &mut dyn FnMut(Stored<'_>) -> Result<(), BackupError>,
) -> Result<(), BackupError> {
    check_digest(path)?;
    let file = File::open(path).map_err(StorageError::file(path))?;
    let mut input = BufReader::new(file);
    let mut magic = [0; MAGIC.len()];
    read_exact(&mut input, &mut magic, path)?;
    if magic != *MAGIC {
        return Err(damaged(path, "it begins as something else"));
    }
    loop {
        let mut len = [0; 4];
        read_exact(&mut input, &mut len, path)?;
        let len = u32::from_be_bytes(len);
        if len == u32::MAX {
            return Ok(());
        }
        if len as usize > reality_db::COMMIT_BYTES_MAX * 2 {
            return Err(damaged(path, "a commit is too long"));
        }
        let mut frame = Vec::new();
        let read = io::Read::take(io::Read::by_ref(&mut input), len.into());
        let mut read = read;
        io::Read::read_to_end(&mut read, &mut frame).map_err(StorageError::file(path))?;
        let commit = decode(&frame).map_err(|error| damaged(path, &error.to_string()))?;
        see(commit)?;
    }
}

/// That the last 32 bytes are the digest of those before.
fn check_digest(path: &Path) -> Result<(), BackupError> {
    let file = File::open(path).map_err(StorageError::file(path))?;
    let len = file.metadata().map_err(StorageError::file(path))?.len();
    let Some(hashed) = len.checked_sub(32) else {
        return Err(damaged(path, "it is too short"));
    };
    let mut input = BufReader::new(file);
    let mut hasher = Sha256::new();
    let mut left = hashed;
    let mut buffer = vec![0; 1 << 16];
    while left > 0 {
        let most = buffer
            .len()
            .min(usize::try_from(left).unwrap_or(usize::MAX));
        read_exact(&mut input, &mut buffer[..most], path)?;
        hasher.update(&buffer[..most]);
        left -= most as u64;
    }
    let mut digest = [0; 32];
    read_exact(&mut input, &mut digest, path)?;
    match hasher.finalize()[..] == digest {
        true => Ok(()),
        false => Err(damaged(path, "its digest is another")),
    }
}

fn read_exact(
    input: &mut impl io::Read,
    buffer: &mut [u8],
    path: &Path,
) -> Result<(), BackupError> {
    match input.read_exact(buffer) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Err(damaged(path, "it ends too early"))
        }
        Err(error) => Err(StorageError::file(path)(error).into()),
    }
}

fn damaged(path: &Path, why: &str) -> BackupError {
    BackupError::Damaged {
        path: path.to_owned(),
        why: why.to_owned(),
    }
}

fn part_path(folder: &Path, from: u64) -> PathBuf {
    folder.join(format!("journal-{from:020}.part"))
}

fn car_name(nth: u64) -> String {
    format!("vault-{nth:06}.car")
}

fn list_name(nth: u64) -> String {
    format!("vault-{nth:06}.list")
}

/// Name of the seal of a backup.
const SEAL: &str = "backup.seal";

/// How a part of the journal begins: name and version.
const MAGIC: &[u8; 15] = b"d360 journal 1\n";
