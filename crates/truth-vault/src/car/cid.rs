//! CIDs of whatever kind, as CAR files have them.

use std::io::{self, Read};

use crate::Address;

/// The CID of a block in a CAR file, of any codec and hash function.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CarCid {
    version: u64,
    codec: u64,
    hash: u64,
    digest: Vec<u8>,
}

impl CarCid {
    /// Longest digest that is read.
    const DIGEST_BYTES_MAX: u64 = 128;

    /// The codec: 0x55 for plain bytes, 0x70 for nodes of files, and others.
    #[must_use]
    pub const fn codec(&self) -> u64 {
        self.codec
    }

    /// The hash function's number in the multicodec table: 0x12 is SHA-256.
    #[must_use]
    pub const fn hash_code(&self) -> u64 {
        self.hash
    }

    /// The address of the block as a blob, whatever its codec, if its hash is a SHA-256.
    #[must_use]
    pub fn address(&self) -> Option<Address> {
        let digest = <[u8; 32]>::try_from(&self.digest[..]).ok()?;
        (self.hash == SHA2_256).then(|| Address::from_bytes(digest))
    }

    /// Whether it names plain bytes: the CID of [`Address::to_cid`].
    #[must_use]
    pub fn is_raw(&self) -> bool {
        self.version == 1 && self.codec == RAW && self.address().is_some()
    }

    /// Reads a CID, at most `bytes_max` bytes of it, and says how many it has.
    pub(super) fn read(input: &mut impl Read, bytes_max: u64) -> Result<(Self, u64), CidFault> {
        let mut input = input.take(bytes_max);
        let cid = Self::read_all(&mut input)?;
        Ok((cid, bytes_max - input.limit()))
    }

    fn read_all(input: &mut impl Read) -> Result<Self, CidFault> {
        let first = uvarint(input)?;
        // A CID of version 0 is a bare multihash, always of SHA-256.
        if first == SHA2_256 {
            return Ok(Self {
                version: 0,
                codec: DAG_PB,
                hash: SHA2_256,
                digest: Self::read_digest(input).and_then(|digest| match digest.len() {
                    32 => Ok(digest),
                    _ => Err(CidFault::Malformed),
                })?,
            });
        }
        if first != 1 {
            return Err(CidFault::Malformed);
        }
        Ok(Self {
            version: 1,
            codec: uvarint(input)?,
            hash: uvarint(input)?,
            digest: Self::read_digest(input)?,
        })
    }

    fn read_digest(input: &mut impl Read) -> Result<Vec<u8>, CidFault> {
        let length = uvarint(input)?;
        if length > Self::DIGEST_BYTES_MAX {
            return Err(CidFault::Malformed);
        }
        let mut digest = Vec::new();
        input.take(length).read_to_end(&mut digest)?;
        if digest.len() as u64 != length {
            return Err(CidFault::Ended);
        }
        Ok(digest)
    }
}

/// Why there is no CID.
#[derive(Debug)]
pub(super) enum CidFault {
    Io(io::Error),
    Ended,
    Malformed,
}

impl From<io::Error> for CidFault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// An unsigned LEB128 in its shortest form, of at most nine bytes: as multiformats have it.
pub(super) fn uvarint(input: &mut impl Read) -> Result<u64, CidFault> {
    let mut value = 0;
    for at in 0..9 {
        let mut byte = [0];
        if let Err(error) = input.read_exact(&mut byte) {
            return Err(match error.kind() {
                io::ErrorKind::UnexpectedEof => CidFault::Ended,
                _ => CidFault::Io(error),
            });
        }
        let [byte] = byte;
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            let is_shortest = byte != 0 || at == 0;
            return is_shortest.then_some(value).ok_or(CidFault::Malformed);
        }
    }
    Err(CidFault::Malformed)
}

/// Appends `value` as [`uvarint`] reads it; it must be below 2^63.
pub(super) fn write_uvarint(out: &mut Vec<u8>, mut value: u64) {
    debug_assert!(value >> 63 == 0, "no reader takes more");
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

const RAW: u64 = 0x55;
const DAG_PB: u64 = 0x70;
pub(super) const SHA2_256: u64 = 0x12;
