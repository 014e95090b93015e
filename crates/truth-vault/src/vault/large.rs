//! Putting and getting blobs of any length in constant memory.

use std::io::{self, Read, Write};
use std::ops::{ControlFlow, Range};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use sha2::{Digest, Sha256};

use super::get::damaged;
use super::protect::LARGE_LOCK;
use super::{Shared, Vault};
use crate::index::Place;
use crate::large::{Opened, blob_name, partial_name, parts_name};
use crate::parts::{PART_BYTES, PART_LEN, Parts};
use crate::segment::{BLOB_BYTES_MAX, Coding, HEADER_BYTES, Header, Kind};
use crate::volume::{Sharing, VaultFile, create_scratch};
use crate::{Address, Damage, GetError, PutError, PutOptions};

/// What is told on the way: bytes done. Answers whether to go on.
pub type Progress<'p> = &'p mut dyn FnMut(u64) -> ControlFlow<()>;

/// What is read at a time: whole parts.
const STEP_BYTES: usize = 1 << 20;

/// A blob that [`Vault::get`] gives as a whole is at most so long: 64 MiB.
const GET_BYTES_MAX: u64 = 64 << 20;

impl Vault {
    /// Puts all that a reader gives, in constant memory.
    ///
    /// # Errors
    ///
    /// [`PutError`]; it says whether the blob is in.
    pub fn put_reader(
        &self,
        reader: &mut dyn Read,
        options: &PutOptions,
    ) -> Result<Address, PutError> {
        self.put_reader_with(reader, options, &mut |_| ControlFlow::Continue(()))
    }

    /// Puts all that a reader gives, and tells how many bytes that were.
    ///
    /// # Errors
    ///
    /// [`PutError`], which says whether the blob is in; [`PutError::Cancelled`].
    pub fn put_reader_with(
        &self,
        reader: &mut dyn Read,
        options: &PutOptions,
        progress: Progress<'_>,
    ) -> Result<Address, PutError> {
        if options.resume_at == 0 {
            let mut start = Vec::new();
            let mut limited = (&mut *reader).take(BLOB_BYTES_MAX + 1);
            limited.read_to_end(&mut start).map_err(PutError::Source)?;
            if start.len() as u64 <= BLOB_BYTES_MAX {
                return self.put_with(&start, options);
            }
            return self
                .shared
                .put_large(&mut start.chain(reader), options, progress);
        }
        self.shared.put_large(reader, options, progress)
    }

    /// How much is kept of a put of a large blob that stopped before its end; 0 if nothing is. Give
    /// the rest to [`put_reader`](Self::put_reader) with [`PutOptions::resume_at`].
    ///
    /// # Errors
    ///
    /// [`GetError::Storage`].
    pub fn partial_bytes(&self, address: &Address) -> Result<u64, GetError> {
        match self.shared.large.volume.open(&partial_name(address)) {
            Ok(file) => Ok(file.len()?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(error.into()),
        }
    }

    /// The bytes of a part of a blob, checked without reading the rest of a large one; what lies
    /// beyond its end is left out. `None` if the blob is not there.
    ///
    /// # Errors
    ///
    /// [`GetError`]; [`GetError::TooLong`] above 64 MiB.
    pub fn get_range(
        &self,
        address: &Address,
        range: Range<u64>,
    ) -> Result<Option<Vec<u8>>, GetError> {
        self.shared.found(address, |place| {
            self.shared.read_range(address, place, &range)
        })
    }

    /// Writes a blob to `sink`, each part checked before it is written, and says how long it is;
    /// `None` if it is not there.
    ///
    /// # Errors
    ///
    /// [`GetError`]: what was written before is the blob's beginning.
    pub fn get_to(
        &self,
        address: &Address,
        sink: &mut dyn Write,
        progress: Progress<'_>,
    ) -> Result<Option<u64>, GetError> {
        let Some(stat) = self.shared.described(address)? else {
            return Ok(None);
        };
        let mut at = 0;
        while at < stat.bytes {
            let step = at..stat.bytes.min(at + STEP_BYTES as u64);
            let Some(bytes) = self.get_range(address, step.clone())? else {
                return Err(GetError::Vanished { address: *address });
            };
            sink.write_all(&bytes).map_err(GetError::Sink)?;
            at = step.end;
            if progress(at).is_break() {
                return Err(GetError::Cancelled);
            }
        }
        Ok(Some(stat.bytes))
    }
}

impl Shared {
    fn put_large(
        &self,
        reader: &mut dyn Read,
        options: &PutOptions,
        progress: Progress<'_>,
    ) -> Result<Address, PutError> {
        let (name, file) = self.scratch(options)?;
        let mut incoming = Incoming {
            file: &*file,
            bytes: 0,
            parts: Parts::default(),
            progress,
        };
        let hashed = incoming.take(options.resume_at, reader);
        let (bytes, parts) = (incoming.bytes, incoming.parts);
        let remove = |result| {
            // A scratch file that stays takes room, and does no other harm.
            let _ = self.large.volume.remove(&name);
            result
        };
        let found = match hashed {
            Ok(found) => found,
            Err(error) if options.expected.is_some() => return Err(error),
            Err(error) => return remove(Err(error)),
        };
        if let Some(expected) = options.expected
            && expected != found
        {
            return remove(Err(PutError::OtherAddress { expected, found }));
        }
        let Some(root) = parts.root() else {
            // Only resuming at the very end of a small blob comes here.
            let mut whole = vec![0; usize::try_from(bytes).expect("less than a part")];
            file.read_at(0, &mut whole).map_err(PutError::Storage)?;
            self.put_small(found, &whole, options)?;
            return remove(Ok(found));
        };
        for place in self.safe_copies(&found).map_err(PutError::Storage)? {
            if self.is_whole(&found, place)?
                && let Some(ticket) = self.ticket_of(place, options.durability)?
            {
                self.acknowledge(ticket, options.durability)?;
                return remove(Ok(found));
            }
        }
        // Whatever the class: the record that ties it may become durable with others.
        if let Err(error) = file.sync() {
            return remove(Err(PutError::NotDurable(error)));
        }
        // No collection removes the files until the record says that they are needed.
        let _held = (self.root.lock(LARGE_LOCK, Sharing::Shared)).map_err(PutError::Storage)?;
        if let Err(error) = self.publish(&found, &name, &parts) {
            return remove(Err(PutError::Storage(error)));
        }
        self.tie(found, bytes, &root, options)?;
        Ok(found)
    }

    /// Whether a blob is there with all its parts.
    fn is_whole(&self, address: &Address, place: Place) -> Result<bool, PutError> {
        let all = || {
            let bytes = self.read_header(address, place)?.plain_bytes;
            let mut at = 0;
            while at < bytes {
                let step = at..bytes.min(at + STEP_BYTES as u64);
                self.read_range(address, place, &step)?;
                at = step.end;
            }
            Ok(())
        };
        match all() {
            Ok(()) => Ok(true),
            Err(GetError::Storage(error)) => Err(PutError::Storage(error)),
            Err(_) => Ok(false),
        }
    }

    /// The file that a large blob is written to, under a name that says what it is to be.
    fn scratch(&self, options: &PutOptions) -> Result<(String, Arc<dyn VaultFile>), PutError> {
        let volume = &*self.large.volume;
        let Some(address) = &options.expected else {
            return create_scratch(volume).map_err(PutError::Storage);
        };
        let name = partial_name(address);
        let held = match volume.hold(&name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => volume.create(&name).map(Some),
            held => held,
        };
        let busy = || io::Error::new(io::ErrorKind::ResourceBusy, "the same blob is being put");
        let file = held
            .map_err(PutError::Storage)?
            .ok_or_else(busy)
            .map_err(PutError::Storage)?;
        let kept = file.len().map_err(PutError::Storage)?;
        if kept < options.resume_at {
            let offset = options.resume_at;
            return Err(PutError::NothingToResume { offset, kept });
        }
        file.truncate(options.resume_at)
            .map_err(PutError::Storage)?;
        Ok((name, file))
    }

    /// Gives the files of a large blob their names. What was there under them is the same blob, or
    /// damaged.
    fn publish(&self, address: &Address, scratch: &str, parts: &Parts) -> io::Result<()> {
        let volume = &*self.large.volume;
        let (hashes, file) = create_scratch(volume)?;
        file.write_at(0, &parts.encode())?;
        file.sync()?;
        for (from, to) in [
            (hashes.as_str(), parts_name(address)),
            (scratch, blob_name(address)),
        ] {
            volume.seal(from)?;
            volume.rename(from, &to)?;
        }
        self.large.forget(address);
        volume.sync()
    }

    /// Writes the record that ties the BLAKE3 hash, and so every part, to the address.
    fn tie(
        &self,
        address: Address,
        bytes: u64,
        root: &blake3::Hash,
        options: &PutOptions,
    ) -> Result<(), PutError> {
        let header = Header {
            kind: Kind::Large,
            coding: Coding::Plain,
            stored_bytes: blake3::OUT_LEN as u64,
            plain_bytes: bytes,
            time_ns: options.time_ns,
            address,
        };
        let safe = self.safe_copies(&address).map_err(PutError::Storage)?;
        let known = safe.into_iter().find(|place| {
            let tied = self.tied(&address, *place);
            tied.is_ok_and(|(known, to)| known.plain_bytes == bytes && to == *root)
        });
        let ticket = match known {
            Some(place) => self.ticket_of(place, options.durability)?,
            None => None,
        };
        let ticket = match ticket {
            Some(ticket) => ticket,
            None => self.append_record(&header, root.as_bytes())?,
        };
        self.acknowledge(ticket, options.durability)
    }

    /// The record of a large blob, and the BLAKE3 hash in it.
    fn tied(&self, address: &Address, place: Place) -> Result<(Header, blake3::Hash), GetError> {
        let header = self.read_header(address, place)?;
        let mut root = [0; blake3::OUT_LEN];
        if header.stored_bytes != root.len() as u64 {
            return Err(damaged(address, place, Damage::Header));
        }
        let file = self.file(place.segment)?;
        file.read_at(place.at + HEADER_BYTES as u64, &mut root)?;
        Ok((header, root.into()))
    }

    pub(super) fn open_large(
        &self,
        address: &Address,
        place: Place,
    ) -> Result<(u64, Arc<Opened>), GetError> {
        let (header, root) = self.tied(address, place)?;
        let bytes = header.plain_bytes;
        match self.large.open(address, bytes, &root) {
            Ok(Some(opened)) => Ok((bytes, opened)),
            Ok(None) => Err(damaged(address, place, Damage::Parts)),
            Err(error) => Err(missing(address, place, error)),
        }
    }

    /// A large blob as a whole: its hash is compared too.
    pub(crate) fn read_large(&self, address: &Address, place: Place) -> Result<Vec<u8>, GetError> {
        let (header, _) = self.tied(address, place)?;
        let bytes = self.read_range(address, place, &(0..header.plain_bytes))?;
        if Address::of(&bytes) != *address {
            return Err(damaged(address, place, Damage::Content));
        }
        Ok(bytes)
    }

    pub(crate) fn read_range(
        &self,
        address: &Address,
        place: Place,
        range: &Range<u64>,
    ) -> Result<Vec<u8>, GetError> {
        if place.kind != Kind::Large {
            let bytes = self.read_checked(address, place)?;
            let at = |place: u64| {
                usize::try_from(place)
                    .unwrap_or(usize::MAX)
                    .min(bytes.len())
            };
            return Ok(bytes[at(range.start)..at(range.end).max(at(range.start))].to_vec());
        }
        let (len, opened) = self.open_large(address, place)?;
        let range = range.start.min(len)..range.end.min(len);
        if range.is_empty() {
            return Ok(Vec::new());
        }
        let parts = range.start / PART_BYTES..range.end.div_ceil(PART_BYTES);
        let span = parts.start * PART_BYTES..len.min(parts.end * PART_BYTES);
        let bytes = span.end - span.start;
        if bytes > GET_BYTES_MAX + 2 * PART_BYTES {
            let (bytes, max) = (range.end - range.start, GET_BYTES_MAX);
            return Err(GetError::TooLong {
                address: *address,
                bytes,
                max,
            });
        }
        let mut bytes = vec![0; usize::try_from(bytes).expect("just bounded")];
        let read = opened.file.read_at(span.start, &mut bytes);
        read.map_err(|error| missing(address, place, error))?;
        let mut chunks = parts.clone().zip(bytes.chunks(PART_LEN));
        if !chunks.all(|(number, part)| opened.parts.check(number, part)) {
            self.large.forget(address);
            return Err(damaged(address, place, Damage::Content));
        }
        let wanted = usize::try_from(range.end - range.start).expect("just bounded");
        bytes.drain(..usize::try_from(range.start - span.start).expect("less than a part"));
        bytes.truncate(wanted);
        Ok(bytes)
    }
}

fn missing(address: &Address, place: Place, error: io::Error) -> GetError {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof => {
            damaged(address, place, Damage::Missing)
        }
        _ => GetError::Storage(error),
    }
}

/// A large blob on its way in.
struct Incoming<'i> {
    file: &'i dyn VaultFile,
    bytes: u64,
    parts: Parts,
    progress: Progress<'i>,
}

impl Incoming<'_> {
    /// Takes the first `kept` bytes from the file and the rest from the reader. SHA-256, the slowest
    /// of all, has a thread of its own.
    fn take(&mut self, kept: u64, reader: &mut dyn Read) -> Result<Address, PutError> {
        thread::scope(|scope| {
            let (to_hasher, steps) = sync_channel::<Vec<u8>>(2);
            let (back, buffers) = sync_channel(3);
            for _ in 0..3 {
                back.send(Vec::new()).expect("there is room for three");
            }
            let hasher = scope.spawn(move || hash(&steps, &back));
            let taken = self.pass(kept, reader, &to_hasher, &buffers);
            drop(to_hasher);
            let address = hasher.join().expect("hashing does not panic");
            taken.map(|()| address)
        })
    }

    fn pass(
        &mut self,
        kept: u64,
        reader: &mut dyn Read,
        hasher: &SyncSender<Vec<u8>>,
        buffers: &Receiver<Vec<u8>>,
    ) -> Result<(), PutError> {
        loop {
            let mut step = buffers.recv().expect("the hasher gives them back");
            step.clear();
            let from_file = kept.saturating_sub(self.bytes).min(STEP_BYTES as u64);
            step.resize(usize::try_from(from_file).expect("at most a step"), 0);
            self.file
                .read_at(self.bytes, &mut step)
                .map_err(PutError::Storage)?;
            let more = STEP_BYTES as u64 - from_file;
            (&mut *reader)
                .take(more)
                .read_to_end(&mut step)
                .map_err(PutError::Source)?;
            if step.is_empty() {
                return Ok(());
            }
            let new = usize::try_from(from_file).expect("at most a step");
            let written = self.file.write_at(self.bytes + from_file, &step[new..]);
            written.map_err(PutError::Storage)?;
            step.chunks(PART_LEN).for_each(|part| self.parts.push(part));
            self.bytes += step.len() as u64;
            hasher.send(step).expect("the hasher listens");
            if (self.progress)(self.bytes).is_break() {
                return Err(PutError::Cancelled);
            }
        }
    }
}

fn hash(steps: &Receiver<Vec<u8>>, back: &SyncSender<Vec<u8>>) -> Address {
    let mut hasher = Sha256::new();
    for step in steps {
        hasher.update(&step);
        // Nobody listens when the reader has ended.
        let _ = back.send(step);
    }
    Address::from_bytes(hasher.finalize().into())
}
