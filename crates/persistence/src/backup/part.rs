//! Parts of the journal in a backup: commits one behind the other, under a digest.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use merkle_core::Batch;
use reality_db::{Commit, CommitOptions, RealityDb};
use sha2::{Digest, Sha256};

use super::{BackupError, damaged};
use crate::wire::{Reader, put_bytes, put_number};
use crate::{Hash, StorageError, WireError};

/// A commit as a part of a backup holds it.
pub(super) struct Stored<'b> {
    pub(super) number: u64,
    time_ns: u64,
    pub(super) root: Hash,
    metadata: &'b [u8],
    changes: Vec<(&'b [u8], Option<&'b [u8]>)>,
}

impl Stored<'_> {
    pub(super) fn make_again(&self, db: &RealityDb) -> Result<(), BackupError> {
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

pub(super) fn encode(commit: &Commit) -> Vec<u8> {
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
pub(super) struct PartWriter {
    out: BufWriter<File>,
    hasher: Sha256,
}

impl PartWriter {
    pub(super) fn create(path: &Path) -> io::Result<Self> {
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

    pub(super) fn write(&mut self, frame: &[u8]) -> io::Result<()> {
        let len = u32::try_from(frame.len()).map_err(io::Error::other)?;
        self.raw(&len.to_be_bytes())?;
        self.raw(frame)
    }

    pub(super) fn finish(mut self) -> io::Result<()> {
        self.raw(&u32::MAX.to_be_bytes())?;
        let digest = self.hasher.clone().finalize();
        self.out.write_all(&digest)?;
        let file = self.out.into_inner().map_err(|error| error.into_error())?;
        file.sync_all()
    }
}

/// Shows `see` every commit of a part, once its digest was compared.
pub(super) fn read_part(
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

/// The part that begins with version `from`.
pub(super) fn part_path(folder: &Path, from: u64) -> PathBuf {
    folder.join(format!("journal-{from:020}.part"))
}

/// How a part of the journal begins: name and version.
const MAGIC: &[u8; 15] = b"d360 journal 1\n";
