//! Writing a CAR file, block by block.

use std::io::{self, Read, Seek, SeekFrom, Write};

use sha2::{Digest, Sha256};

use super::cid::{SHA2_256, write_uvarint};
use super::header::{self, V2Header};
use super::{CarError, PRAGMA, V2_HEADER_BYTES};
use crate::Address;

/// A CARv1 being written to a stream.
///
/// A blob becomes one block, however long. Nodes of IPFS refuse blocks of more than 2 MiB.
#[derive(Debug)]
pub struct CarWriter<W> {
    out: W,
    /// Bytes written.
    offset: u64,
    is_broken: bool,
}

impl<W: Write> CarWriter<W> {
    /// Writes the header, which names `roots`: where to begin, for readers who follow links.
    ///
    /// # Errors
    ///
    /// [`CarError::Io`], or [`CarError::BadHeader`] with more than some 25,000 roots.
    pub fn new(mut out: W, roots: &[Address]) -> Result<Self, CarError> {
        let header = header::encode(roots)?;
        out.write_all(&header)?;
        Ok(Self {
            out,
            offset: header.len() as u64,
            is_broken: false,
        })
    }

    /// Writes a blob. Hashes it.
    ///
    /// # Errors
    ///
    /// [`CarError::NotTheBlob`], with nothing written; [`CarError::Io`], after which the file is of
    /// no use.
    pub fn append(&mut self, address: Address, bytes: &[u8]) -> Result<(), CarError> {
        if Address::of(bytes) != address {
            return Err(CarError::NotTheBlob { address });
        }
        self.append_reader(address, bytes.len() as u64, bytes)
    }

    /// Writes a blob of `bytes` bytes as `content` gives it. Hashes it.
    ///
    /// # Errors
    ///
    /// [`CarError::NotTheBlob`] or [`CarError::Io`]; the file is of no use after either.
    pub fn append_reader(
        &mut self,
        address: Address,
        bytes: u64,
        content: impl Read,
    ) -> Result<(), CarError> {
        if self.is_broken {
            return Err(CarError::Broken);
        }
        self.is_broken = true;
        let cid = address.to_cid_bytes();
        let length = bytes.checked_add(cid.len() as u64);
        let length = length.filter(|length| length >> 63 == 0);
        let mut head = Vec::new();
        write_uvarint(&mut head, length.ok_or(CarError::NotTheBlob { address })?);
        head.extend(cid);
        self.out.write_all(&head)?;
        let mut hashed = Hashed {
            out: &mut self.out,
            hasher: Sha256::new(),
        };
        // One byte more than there should be, to see that there is none.
        let copied = io::copy(&mut content.take(bytes.saturating_add(1)), &mut hashed)?;
        let found: [u8; 32] = hashed.hasher.finalize().into();
        if copied != bytes || &found != address.as_bytes() {
            return Err(CarError::NotTheBlob { address });
        }
        self.offset += head.len() as u64 + bytes;
        self.is_broken = false;
        Ok(())
    }

    /// Flushes the stream and gives it back.
    ///
    /// # Errors
    ///
    /// [`CarError::Io`] or [`CarError::Broken`].
    pub fn finish(mut self) -> Result<W, CarError> {
        if self.is_broken {
            return Err(CarError::Broken);
        }
        self.out.flush()?;
        Ok(self.out)
    }
}

/// A CARv2 with an index (`MultihashIndexSorted`, 0x0401) being written to a file.
///
/// Holds 40 bytes a blob in memory until the index is written. Until
/// [`finish`](Self::finish) the file has no header that a reader takes.
#[derive(Debug)]
pub struct IndexedCarWriter<W> {
    car: CarWriter<W>,
    /// Where the CARv2 begins in the file.
    start: u64,
    /// Blobs, and where their blocks begin in the CARv1 part.
    index: Vec<(Address, u64)>,
}

impl<W: Write + Seek> IndexedCarWriter<W> {
    /// Writes the frame and the inner header, from where the file stands.
    ///
    /// # Errors
    ///
    /// As [`CarWriter::new`].
    pub fn new(mut out: W, roots: &[Address]) -> Result<Self, CarError> {
        let start = out.stream_position()?;
        out.write_all(&PRAGMA)?;
        out.write_all(&[0; V2_HEADER_BYTES])?;
        Ok(Self {
            car: CarWriter::new(out, roots)?,
            start,
            index: Vec::new(),
        })
    }

    /// As [`CarWriter::append`].
    ///
    /// # Errors
    ///
    /// As [`CarWriter::append`].
    pub fn append(&mut self, address: Address, bytes: &[u8]) -> Result<(), CarError> {
        let offset = self.car.offset;
        self.car.append(address, bytes)?;
        self.index.push((address, offset));
        Ok(())
    }

    /// As [`CarWriter::append_reader`].
    ///
    /// # Errors
    ///
    /// As [`CarWriter::append_reader`].
    pub fn append_reader(
        &mut self,
        address: Address,
        bytes: u64,
        content: impl Read,
    ) -> Result<(), CarError> {
        let offset = self.car.offset;
        self.car.append_reader(address, bytes, content)?;
        self.index.push((address, offset));
        Ok(())
    }

    /// Writes the index, then the header of the frame, flushes the file and gives it back, at its
    /// end.
    ///
    /// # Errors
    ///
    /// [`CarError::Io`] or [`CarError::Broken`].
    pub fn finish(mut self) -> Result<W, CarError> {
        let data_bytes = self.car.offset;
        let mut out = self.car.finish()?;
        let data_offset = (PRAGMA.len() + V2_HEADER_BYTES) as u64;
        self.index.sort_unstable();
        write_index(&mut out, &self.index)?;
        let end = out.stream_position()?;
        let header = V2Header {
            data_offset,
            data_bytes,
            index_offset: data_offset + data_bytes,
        };
        out.seek(SeekFrom::Start(self.start + PRAGMA.len() as u64))?;
        out.write_all(&header.encode())?;
        out.seek(SeekFrom::Start(end))?;
        out.flush()?;
        Ok(out)
    }
}

/// The index: one hash function, one length of digests, and the sorted digests with their places.
fn write_index(out: &mut impl Write, index: &[(Address, u64)]) -> io::Result<()> {
    let mut head = Vec::new();
    write_uvarint(&mut head, MULTIHASH_INDEX_SORTED);
    // Without blobs there is nothing that a hash function or a length could be of.
    if index.is_empty() {
        head.extend(0_u32.to_le_bytes());
        return out.write_all(&head);
    }
    head.extend(1_u32.to_le_bytes()); // hash functions
    head.extend(SHA2_256.to_le_bytes());
    head.extend(1_u32.to_le_bytes()); // lengths of digests
    head.extend(ENTRY_BYTES.to_le_bytes());
    head.extend((index.len() as u64 * u64::from(ENTRY_BYTES)).to_le_bytes());
    out.write_all(&head)?;
    let mut buffer = Vec::new();
    for entries in index.chunks(1024) {
        buffer.clear();
        for (address, offset) in entries {
            buffer.extend(address.as_bytes());
            buffer.extend(offset.to_le_bytes());
        }
        out.write_all(&buffer)?;
    }
    Ok(())
}

/// Hashes what is written.
struct Hashed<W> {
    out: W,
    hasher: Sha256,
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.out.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

const MULTIHASH_INDEX_SORTED: u64 = 0x0401;
/// A digest and a place.
const ENTRY_BYTES: u32 = 40;
