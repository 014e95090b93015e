//! What is known of the log outside the database: a mark of its head, and its signed checkpoints.
//!
//! The mark is written after every sync and not synced itself: it may be older than the database, never
//! newer. Checkpoints are added to a file that only grows.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use merkle_core::{
    Checkpoint, Hash, Hasher, NoteError, Sha256, SignedNote, SignerKey, TreeHead, VerifierKey,
};

use crate::error::Known;
use crate::health::{Damage, Witness};

/// The folder with the mark, the checkpoints and the incidents.
#[derive(Debug)]
pub(crate) struct Outside {
    folder: PathBuf,
    origin: String,
    keys: Vec<VerifierKey>,
    mark: Option<File>,
    /// The slot that is written next, and the number of the mark.
    slot: u64,
    number: u64,
    checkpoints: Option<File>,
}

/// What was found outside.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// The newest mark, and the newest checkpoint.
    pub(crate) known: Vec<(Witness, Known)>,
    pub(crate) damage: Vec<Damage>,
    /// Whether there are any files at all.
    pub(crate) any: bool,
}

/// What lies outside at some later time.
#[derive(Debug)]
pub(crate) struct Again {
    pub(crate) known: Vec<(Witness, Known)>,
    pub(crate) damage: Vec<Damage>,
    /// The checkpoints, by size, in their order.
    pub(crate) checkpoints: Vec<(u64, String)>,
    /// The keys that are believed.
    pub(crate) keys: Vec<VerifierKey>,
}

impl Outside {
    pub(crate) fn new(folder: &Path, origin: &str, keys: Vec<VerifierKey>) -> Self {
        Self {
            folder: folder.to_owned(),
            origin: origin.to_owned(),
            keys,
            mark: None,
            slot: 0,
            number: 0,
            checkpoints: None,
        }
    }

    /// Reads what there is. Nothing is written.
    pub(crate) fn read(&mut self) -> io::Result<Found> {
        let mut found = Found::default();
        if let Some(bytes) = read_file(&self.folder.join(MARK))? {
            found.any = true;
            self.read_mark(&bytes, &mut found);
        }
        if let Some(bytes) = read_file(&self.folder.join(CHECKPOINTS))? {
            found.any = true;
            match self.read_checkpoints(&bytes) {
                Ok(Some(known)) => found.known.push((Witness::Checkpoint, known)),
                Ok(None) => {}
                Err(why) => found.damage.push(outside_damage(CHECKPOINTS, why)),
            }
        }
        Ok(found)
    }

    fn read_mark(&mut self, bytes: &[u8], found: &mut Found) {
        let mut newest: Option<(u64, u64, Known)> = None;
        let mut why = None;
        for slot in 0..SLOTS {
            let begin = usize::try_from(slot).unwrap_or(0) * SLOT_BYTES;
            let end = bytes.len().min(begin + SLOT_BYTES);
            let Some((number, text)) = bytes.get(begin..end).and_then(slot_text) else {
                continue;
            };
            let is_newer = |known: &Known| {
                newest.is_none_or(|(_, than, it)| (it.size, than) < (known.size, number))
            };
            match self.check(text) {
                Ok(known) if is_newer(&known) => newest = Some((slot, number, known)),
                Ok(_) => {}
                Err(fault) => why = Some(fault),
            }
        }
        match newest {
            Some((slot, number, known)) => {
                self.slot = (slot + 1) % SLOTS;
                self.number = number + 1;
                found.known.push((Witness::Mark, known));
            }
            None => {
                let why = why.unwrap_or_else(|| "no slot can be read".to_owned());
                found.damage.push(outside_damage(MARK, why));
            }
        }
    }

    /// The newest of the checkpoints. What a crash left behind the last whole one is passed over.
    fn read_checkpoints(&self, bytes: &[u8]) -> Result<Option<Known>, String> {
        let mut newest: Option<Known> = None;
        for text in notes(bytes) {
            let known = self.check(text)?;
            if let Some(last) = newest
                && known.size < last.size
            {
                return Err(format!("size {} follows size {}", known.size, last.size));
            }
            newest = Some(known);
        }
        Ok(newest)
    }

    /// Reads everything again, for a check against the log.
    pub(crate) fn again(&self) -> io::Result<Again> {
        let mut fresh = Self::new(&self.folder, &self.origin, self.keys.clone());
        let found = fresh.read()?;
        let mut again = Again {
            known: found.known,
            damage: found.damage,
            checkpoints: Vec::new(),
            keys: fresh.keys,
        };
        let bytes = read_file(&self.folder.join(CHECKPOINTS))?.unwrap_or_default();
        for text in notes(&bytes) {
            if let Ok(known) = self.check(text) {
                again.known.push((Witness::Checkpoint, known));
                again.checkpoints.push((known.size, text.to_owned()));
            }
        }
        Ok(again)
    }

    /// What a note or an unsigned checkpoint says, if it is one of this log.
    pub(crate) fn check(&self, text: &str) -> Result<Known, String> {
        known(text, &self.origin, &self.keys)
    }

    /// Whom to believe from now on.
    pub(crate) fn trust(&mut self, key: VerifierKey) {
        if !self.keys.contains(&key) {
            self.keys.push(key);
        }
    }

    /// Writes the mark of what is durable.
    pub(crate) fn mark(&mut self, text: &str) -> io::Result<()> {
        let file = match &mut self.mark {
            Some(file) => file,
            none => none.insert(open(&self.folder.join(MARK))?),
        };
        let mut slot = Vec::with_capacity(SLOT_BYTES);
        slot.extend_from_slice(MAGIC);
        slot.extend(self.number.to_be_bytes());
        let len = u16::try_from(text.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        slot.extend(len.to_be_bytes());
        slot.extend_from_slice(text.as_bytes());
        let digest = Sha256.value(&slot);
        slot.extend_from_slice(digest.as_bytes());
        if slot.len() > SLOT_BYTES {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        slot.resize(SLOT_BYTES, 0);
        file.write_all_at(&slot, self.slot * SLOT_BYTES as u64)?;
        self.slot = (self.slot + 1) % SLOTS;
        self.number += 1;
        Ok(())
    }

    /// Adds a checkpoint to the file that only grows, and syncs it.
    pub(crate) fn add(&mut self, text: &str) -> io::Result<()> {
        let path = self.folder.join(CHECKPOINTS);
        let file = match &mut self.checkpoints {
            Some(file) => file,
            none => none.insert(open_to_add(&path)?),
        };
        let mut entry = format!("{} ", text.len()).into_bytes();
        entry.extend_from_slice(text.as_bytes());
        file.write_all(&entry)?;
        file.sync_data()
    }

    /// Syncs the mark and the folder itself.
    pub(crate) fn sync(&self) -> io::Result<()> {
        if let Some(file) = &self.mark {
            file.sync_data()?;
        }
        File::open(&self.folder)?.sync_all()
    }

    /// Adds a line about something that went wrong. Outside, because the database may be what is wrong.
    pub(crate) fn incident(&self, line: &str) -> io::Result<()> {
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.folder.join(INCIDENTS))?;
        let line = line.replace('\n', " ");
        file.write_all(format!("{line}\n").as_bytes())?;
        file.sync_data()
    }

    /// The lines that were added.
    pub(crate) fn incidents(&self) -> io::Result<Vec<String>> {
        let bytes = read_file(&self.folder.join(INCIDENTS))?.unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        Ok(text.lines().map(str::to_owned).collect())
    }
}

/// The text that is kept of a head: signed if there is a key, else bare.
pub(crate) fn text_of(
    origin: &str,
    head: TreeHead,
    key: Option<&SignerKey>,
) -> Result<String, NoteError> {
    let checkpoint = Checkpoint::new(origin, head).map_err(|_| NoteError::BadText)?;
    signed(&checkpoint, key)
}

/// The text of a mark that says that nothing comes after it: the trail was closed.
pub(crate) fn closing_text(
    origin: &str,
    head: TreeHead,
    key: Option<&SignerKey>,
) -> Result<String, NoteError> {
    let checkpoint = Checkpoint::new(origin, head).map_err(|_| NoteError::BadText)?;
    let checkpoint = checkpoint.with_extension(CLOSED);
    signed(&checkpoint.map_err(|_| NoteError::BadText)?, key)
}

fn signed(checkpoint: &Checkpoint, key: Option<&SignerKey>) -> Result<String, NoteError> {
    let text = checkpoint.to_string();
    match key {
        Some(key) => SignedNote::sign(&text, key).map(|note| note.to_string()),
        None => Ok(text),
    }
}

/// What a note, or a bare checkpoint where no key is trusted, says of the log named `origin`.
pub(crate) fn known(text: &str, origin: &str, keys: &[VerifierKey]) -> Result<Known, String> {
    let checkpoint: Checkpoint = if keys.is_empty() {
        // Signatures of keys that nobody named mean nothing: the text counts.
        let text = match SignedNote::parse(text.as_bytes()) {
            Ok(note) => note.text().to_owned(),
            Err(_) => text.to_owned(),
        };
        text.parse()
            .map_err(|error| format!("not a checkpoint: {error}"))?
    } else {
        let note = SignedNote::parse(text.as_bytes()).map_err(|error| error.to_string())?;
        let verified = note.verify(keys).map_err(|error| error.to_string())?;
        let checkpoint = verified.checkpoint(origin);
        checkpoint.map_err(|error| error.to_string())?
    };
    if checkpoint.origin() != origin {
        return Err(format!("a checkpoint of {:?}", checkpoint.origin()));
    }
    let head = checkpoint.head();
    Ok(Known {
        size: head.size.get(),
        root: head.root,
        is_closed: checkpoint.extensions().iter().any(|line| line == CLOSED),
    })
}

/// The number and the text in a slot of the mark, if the slot is whole.
fn slot_text(slot: &[u8]) -> Option<(u64, &str)> {
    let (magic, rest) = slot.split_first_chunk::<8>()?;
    let (number, rest) = rest.split_first_chunk::<8>()?;
    let (len, rest) = rest.split_first_chunk::<2>()?;
    let len = usize::from(u16::from_be_bytes(*len));
    let (text, rest) = rest.split_at_checked(len)?;
    let digest: &[u8; 32] = rest.first_chunk()?;
    let computed = Sha256.value(&slot[..18 + len]);
    if magic != MAGIC || computed != Hash::from_bytes(*digest) {
        return None;
    }
    let text = std::str::from_utf8(text).ok()?;
    Some((u64::from_be_bytes(*number), text))
}

/// The whole notes in the file of checkpoints, each after its length.
fn notes(mut bytes: &[u8]) -> impl Iterator<Item = &str> {
    std::iter::from_fn(move || {
        let space = bytes.iter().take(8).position(|byte| *byte == b' ')?;
        let len: usize = std::str::from_utf8(&bytes[..space]).ok()?.parse().ok()?;
        let (text, rest) = bytes[space + 1..].split_at_checked(len)?;
        bytes = rest;
        std::str::from_utf8(text).ok()
    })
}

fn outside_damage(file: &str, why: String) -> Damage {
    Damage::Outside {
        file: file.to_owned(),
        why,
    }
}

fn read_file(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    options.open(path)
}

/// Opens the file of checkpoints behind its last whole entry, and cuts off what a crash left there.
fn open_to_add(path: &Path) -> io::Result<File> {
    let mut file = open(path)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let whole: usize = notes(&bytes)
        .map(|text| text.len() + 1 + text.len().to_string().len())
        .sum();
    file.set_len(whole as u64)?;
    file.seek(SeekFrom::End(0))?;
    Ok(file)
}

/// Name of the file with the mark.
pub(crate) const MARK: &str = "HEAD";

/// Name of the file with the checkpoints.
pub(crate) const CHECKPOINTS: &str = "checkpoints";

/// Name of the file with what went wrong.
const INCIDENTS: &str = "incidents";

/// The extension line of a mark that says that the trail was closed.
const CLOSED: &str = "closed";

const MAGIC: &[u8; 8] = b"vigmark1";
const SLOTS: u64 = 2;
const SLOT_BYTES: usize = 2_048;
