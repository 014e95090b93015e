//! Reading a CAR file, block by block.

use std::io::{self, BufRead, BufReader, Read};

use sha2::{Digest, Sha256};

use super::cid::{CarCid, CidFault, uvarint};
use super::header::{self, Header, V2Header};
use super::{CarError, CarVersion, PRAGMA, V2_HEADER_BYTES};
use crate::Address;

/// A CAR file of either version, read as a stream in constant memory.
///
/// The index of a CARv2 is not looked at: every block is read and held against its own CID, and an
/// index can only point to those.
///
/// ```
/// use truth_vault::{Address, CarReader, CarWriter};
///
/// let address = Address::of(b"hello");
/// let mut writer = CarWriter::new(Vec::new(), &[address])?;
/// writer.append(address, b"hello")?;
/// let file = writer.finish()?;
///
/// let mut reader = CarReader::new(&file[..])?;
/// let block = reader.next_block()?.expect("there is one");
/// assert_eq!(block.cid().address(), Some(address));
/// assert_eq!(block.read_to_vec(1 << 20)?, b"hello");
/// assert!(reader.next_block()?.is_none());
/// # Ok::<(), truth_vault::CarError>(())
/// ```
#[derive(Debug)]
pub struct CarReader<R> {
    input: io::Take<BufReader<R>>,
    version: CarVersion,
    roots: Vec<CarCid>,
    /// Bytes read of the CARv1 part.
    offset: u64,
    /// Bytes of the current block that were not read.
    block_left: u64,
    /// Bytes of the CARv1 part, where a CARv2 says it.
    data_bytes: Option<u64>,
}

impl<R: Read> CarReader<R> {
    /// Reads the header. `input` needs no buffer of its own.
    ///
    /// # Errors
    ///
    /// [`CarError`], whatever the bytes.
    pub fn new(input: R) -> Result<Self, CarError> {
        let mut reader = Self {
            input: BufReader::with_capacity(BUFFER_BYTES, input).take(u64::MAX),
            version: CarVersion::V1,
            roots: Vec::new(),
            offset: 0,
            block_left: 0,
            data_bytes: None,
        };
        match reader.read_header()? {
            Header::V1 { roots } => reader.roots = roots,
            Header::Other { version: 2 } => reader.enter_v2()?,
            Header::Other { version } => return Err(CarError::UnknownVersion { version }),
        }
        Ok(reader)
    }

    /// Its version.
    #[must_use]
    pub const fn version(&self) -> CarVersion {
        self.version
    }

    /// The roots that the header names. Nothing says that their blocks are there.
    #[must_use]
    pub fn roots(&self) -> &[CarCid] {
        &self.roots
    }

    /// The next block, unread; `None` at the end. What was left of the block before is skipped.
    ///
    /// # Errors
    ///
    /// [`CarError::Io`], [`CarError::Truncated`] or [`CarError::BadBlock`].
    pub fn next_block(&mut self) -> Result<Option<CarBlock<'_, R>>, CarError> {
        self.skip(self.block_left)?;
        self.block_left = 0;
        if self.input.fill_buf()?.is_empty() {
            // The file ends; that its CARv1 part does is known only if its length is.
            return match self.data_bytes {
                Some(bytes) if bytes != self.offset => Err(self.truncated()),
                _ => Ok(None),
            };
        }
        let start = self.offset;
        let bad = CarError::BadBlock { offset: start };
        let length = match self.uvarint() {
            Err(CidFault::Malformed) => return Err(bad),
            other => self.or_truncated(other)?,
        };
        let bytes_max = length.min(CID_BYTES_MAX);
        let before = self.input.limit();
        let cid = CarCid::read(&mut self.input, bytes_max);
        // A CID that the block is too short for ends the block, not the file.
        let (cid, cid_bytes) = match cid {
            Err(CidFault::Malformed) => return Err(bad),
            Err(CidFault::Ended) if before - self.input.limit() == bytes_max => return Err(bad),
            other => self.or_truncated(other)?,
        };
        self.offset += cid_bytes;
        self.block_left = length - cid_bytes;
        Ok(Some(CarBlock {
            cid,
            start,
            bytes: self.block_left,
            hasher: Sha256::new(),
            car: self,
        }))
    }

    /// The length of a header, and the header.
    fn read_header(&mut self) -> Result<Header, CarError> {
        let length = match self.uvarint() {
            Err(CidFault::Io(error)) => return Err(error.into()),
            Ok(length) if (1..=header::BYTES_MAX).contains(&length) => length,
            _ => return Err(CarError::NoCar),
        };
        let mut bytes = Vec::new();
        (&mut self.input).take(length).read_to_end(&mut bytes)?;
        self.offset += bytes.len() as u64;
        if bytes.len() as u64 != length {
            return Err(self.truncated());
        }
        header::decode(&bytes).ok_or(CarError::BadHeader)
    }

    /// Goes on from the pragma to the CARv1 part.
    fn enter_v2(&mut self) -> Result<(), CarError> {
        if self.offset != PRAGMA.len() as u64 {
            return Err(CarError::BadHeader);
        }
        let mut bytes = [0; V2_HEADER_BYTES];
        self.input
            .read_exact(&mut bytes)
            .map_err(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof => self.truncated(),
                _ => error.into(),
            })?;
        self.offset += V2_HEADER_BYTES as u64;
        let frame = V2Header::decode(&bytes).ok_or(CarError::BadHeader)?;
        self.skip(frame.data_offset - self.offset)?;
        self.version = CarVersion::V2;
        self.offset = 0;
        self.data_bytes = Some(frame.data_bytes);
        self.input.set_limit(frame.data_bytes);
        match self.read_header()? {
            Header::V1 { roots } => self.roots = roots,
            Header::Other { .. } => return Err(CarError::BadHeader),
        }
        Ok(())
    }

    fn uvarint(&mut self) -> Result<u64, CidFault> {
        let before = self.input.limit();
        let value = uvarint(&mut self.input);
        self.offset += before - self.input.limit();
        value
    }

    fn or_truncated<T>(&self, read: Result<T, CidFault>) -> Result<T, CarError> {
        read.map_err(|fault| match fault {
            CidFault::Io(error) => error.into(),
            CidFault::Ended | CidFault::Malformed => self.truncated(),
        })
    }

    const fn truncated(&self) -> CarError {
        CarError::Truncated {
            offset: self.offset,
        }
    }

    fn skip(&mut self, bytes: u64) -> Result<(), CarError> {
        let skipped = io::copy(&mut (&mut self.input).take(bytes), &mut io::sink())?;
        self.offset += skipped;
        if skipped < bytes {
            return Err(self.truncated());
        }
        Ok(())
    }
}

/// A block of a CAR file, which is read through it.
///
/// Reading ends in an error if what was read is not what the CID is of: so whoever got to the end
/// has the block. The error holds a [`CarError`].
#[derive(Debug)]
pub struct CarBlock<'r, R> {
    cid: CarCid,
    /// Where it begins in the CARv1 part.
    start: u64,
    bytes: u64,
    hasher: Sha256,
    car: &'r mut CarReader<R>,
}

impl<R: Read> CarBlock<'_, R> {
    /// Its CID.
    #[must_use]
    pub const fn cid(&self) -> &CarCid {
        &self.cid
    }

    /// How long it is in bytes, without its CID, as the file says.
    #[must_use]
    pub const fn length(&self) -> u64 {
        self.bytes
    }

    /// Its content, verified.
    ///
    /// # Errors
    ///
    /// [`CarError::BlockTooLong`] if it is longer than `bytes_max`, [`CarError::OtherHash`],
    /// [`CarError::BlockAltered`], [`CarError::Truncated`] or [`CarError::Io`].
    pub fn read_to_vec(mut self, bytes_max: u64) -> Result<Vec<u8>, CarError> {
        if self.bytes > bytes_max {
            return Err(CarError::BlockTooLong { bytes: self.bytes });
        }
        let mut bytes = Vec::new();
        self.read_to_end(&mut bytes).map_err(CarError::unwrapped)?;
        Ok(bytes)
    }

    fn address(&self) -> Result<Address, CarError> {
        self.cid.address().ok_or(CarError::OtherHash {
            offset: self.start,
            code: self.cid.hash_code(),
        })
    }

    fn read_some(&mut self, buffer: &mut [u8]) -> Result<usize, CarError> {
        let address = self.address()?;
        let left = self.car.block_left;
        if left == 0 || buffer.is_empty() {
            return self.check_end(address).map(|()| 0);
        }
        let want = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let count = self.car.input.read(&mut buffer[..want])?;
        if count == 0 {
            return Err(self.car.truncated());
        }
        self.hasher.update(&buffer[..count]);
        self.car.offset += count as u64;
        self.car.block_left -= count as u64;
        // The last bytes are not given out before the whole is known to be right.
        self.check_end(address)?;
        Ok(count)
    }

    fn check_end(&self, address: Address) -> Result<(), CarError> {
        if self.car.block_left > 0 {
            return Ok(());
        }
        let found: [u8; 32] = self.hasher.clone().finalize().into();
        if &found == address.as_bytes() {
            return Ok(());
        }
        Err(CarError::BlockAltered {
            offset: self.start,
            address,
        })
    }
}

impl<R: Read> Read for CarBlock<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.read_some(buffer).map_err(|error| match error {
            CarError::Io(error) => error,
            CarError::Truncated { .. } => io::Error::new(io::ErrorKind::UnexpectedEof, error),
            error => io::Error::new(io::ErrorKind::InvalidData, error),
        })
    }
}

impl CarError {
    /// What an error of [`CarBlock`] as a `Read` stands for.
    pub(crate) fn unwrapped(error: io::Error) -> Self {
        error.downcast().unwrap_or_else(Self::Io)
    }
}

const BUFFER_BYTES: usize = 64 << 10;
/// More than any CID that is read has.
const CID_BYTES_MAX: u64 = 256;
