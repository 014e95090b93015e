//! Reading an export, from its start to its end.

use std::io::{self, Read};

use super::chunk::{CHUNK_BYTES_MAX, Chunk};
use super::header::HEADER_BYTES;
use super::{ChunkFault, ExportFileError, ExportHeader, TransferProgress};

/// First byte of a chunk.
pub(super) const CHUNK: u8 = b'C';

/// First byte of what follows the last chunk.
pub(super) const TRAILER: u8 = b'T';

const SUM_CONTEXT: &str = "reality-db 2026-11 export";

/// The sum over all bytes of an export up to the sum itself.
pub(crate) fn sum() -> blake3::Hasher {
    blake3::Hasher::new_derive_key(SUM_CONTEXT)
}

/// An export being read. Chunks come unverified, but each begins where the one before it ends, the
/// first at the start, and the last goes to the end.
pub(crate) struct ExportFile<R> {
    input: Summed<R>,
    header: ExportHeader,
    chunks: u64,
    /// Where the chunk before ended; none if it was the last one.
    after: Option<Vec<u8>>,
}

impl<R: Read> ExportFile<R> {
    /// Reads the header, and compares it with what the caller expects.
    pub(crate) fn open(
        reader: R,
        expected: Option<(u64, merkle_core::Hash)>,
    ) -> Result<Self, ExportFileError> {
        let mut input = Summed {
            reader,
            sum: sum(),
            offset: 0,
        };
        let mut bytes = [0; HEADER_BYTES];
        input.read(&mut bytes).map_err(|error| ended(error, 0))?;
        let header = ExportHeader::decode(&bytes)?;
        match expected {
            Some((expected_version, expected))
                if (expected_version, expected) != (header.version.number, header.version.root) =>
            {
                return Err(ExportFileError::Unexpected {
                    expected_version,
                    expected,
                    found: header.version,
                });
            }
            _ => {}
        }
        Ok(Self {
            input,
            header,
            chunks: 0,
            after: Some(Vec::new()),
        })
    }

    pub(crate) fn header(&self) -> &ExportHeader {
        &self.header
    }

    /// How far it is read, with so many entries.
    pub(super) fn progress(&self, entries: u64) -> TransferProgress {
        TransferProgress {
            chunks: self.chunks,
            entries,
            entries_total: self.header.entries,
            bytes: self.input.offset,
        }
    }

    /// The next chunk; none behind the last one, once all that follows it was checked.
    pub(super) fn next_chunk(&mut self) -> Result<Option<Chunk>, ExportFileError> {
        let Some(after) = self.after.clone() else {
            self.check_trailer()?;
            return Ok(None);
        };
        let fault = |chunk: &Self, fault| chunk.fault(&after, None, fault);
        let [kind] = self.array()?;
        if kind != CHUNK {
            return Err(fault(self, ChunkFault::Kind { found: kind }));
        }
        let len = u32::from_be_bytes(self.array()?) as usize;
        if len > CHUNK_BYTES_MAX {
            return Err(fault(self, ChunkFault::TooLong { len }));
        }
        let bytes = self.input.read_vec(len);
        let bytes = bytes.map_err(|error| self.ended(error))?;
        let chunk = Chunk::decode(bytes).map_err(|what| fault(self, what))?;
        if chunk.after() != after {
            let found = chunk.after().to_vec();
            return Err(fault(self, ChunkFault::NotNext { found }));
        }
        self.after = (!chunk.is_last()).then(|| chunk.to().to_vec());
        self.chunks += 1;
        Ok(Some(chunk))
    }

    /// What it means that something is wrong with the chunk that was read last.
    pub(super) fn bad(&self, chunk: &Chunk, fault: ChunkFault) -> ExportFileError {
        let to = (!chunk.is_last()).then(|| chunk.to().to_vec());
        ExportFileError::Chunk {
            chunk: self.chunks.saturating_sub(1),
            after: chunk.after().to_vec(),
            to,
            fault: Box::new(fault),
        }
    }

    /// What it means that the chunk after `self.chunks` others is bad.
    fn fault(&self, after: &[u8], to: Option<Vec<u8>>, fault: ChunkFault) -> ExportFileError {
        ExportFileError::Chunk {
            chunk: self.chunks,
            after: after.to_vec(),
            to,
            fault: Box::new(fault),
        }
    }

    /// Reads what follows the last chunk.
    fn check_trailer(&mut self) -> Result<(), ExportFileError> {
        let chunks = self.chunks;
        let [kind] = self.array()?;
        let counted = u64::from_be_bytes(self.array()?);
        let computed = self.input.sum.finalize();
        let stored: [u8; 32] = self.array()?;
        if kind != TRAILER || counted != chunks || stored != *computed.as_bytes() {
            return Err(ExportFileError::Trailer { chunks });
        }
        let offset = self.input.offset;
        let more = self.input.read_vec(1);
        match more {
            Ok(_) => Err(ExportFileError::TrailingBytes { offset }),
            Err(Ended::Early { .. }) => Ok(()),
            Err(error) => Err(self.ended(error)),
        }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ExportFileError> {
        let mut bytes = [0; N];
        let read = self.input.read(&mut bytes);
        read.map_err(|error| self.ended(error))?;
        Ok(bytes)
    }

    fn ended(&self, error: Ended) -> ExportFileError {
        ended(error, self.chunks)
    }
}

/// What it means that no more could be read, after so many chunks.
fn ended(error: Ended, chunk: u64) -> ExportFileError {
    match error {
        Ended::Early { offset } => ExportFileError::Truncated { offset, chunk },
        Ended::Failed(error) => ExportFileError::Read(error),
    }
}

/// A reader whose bytes are summed up.
struct Summed<R> {
    reader: R,
    sum: blake3::Hasher,
    offset: u64,
}

/// Why there are no more bytes.
enum Ended {
    Early { offset: u64 },
    Failed(io::Error),
}

impl<R: Read> Summed<R> {
    fn read(&mut self, bytes: &mut [u8]) -> Result<(), Ended> {
        let read = self.read_vec(bytes.len())?;
        bytes.copy_from_slice(&read);
        Ok(())
    }

    /// Reads `len` bytes. Takes memory as bytes come, not as `len` says.
    fn read_vec(&mut self, len: usize) -> Result<Vec<u8>, Ended> {
        let mut bytes = Vec::new();
        let mut part = (&mut self.reader).take(len as u64);
        part.read_to_end(&mut bytes).map_err(Ended::Failed)?;
        self.sum.update(&bytes);
        self.offset += bytes.len() as u64;
        if bytes.len() < len {
            return Err(Ended::Early {
                offset: self.offset,
            });
        }
        Ok(bytes)
    }
}
