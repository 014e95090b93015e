//! The small pieces that our formats are made of: integers of varying length, and bytes behind their
//! length.

use merkle_core::Hash;

/// Bytes that are not what they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// They end too early.
    #[error("the bytes end too early")]
    Truncated,
    /// An integer is not in its shortest form, or too large.
    #[error("an integer is too large or not in its shortest form")]
    BadInteger,
    /// A byte says what nobody knows.
    #[error("byte {offset} says {found}, which is not known")]
    Unknown {
        /// Where it is.
        offset: usize,
        /// What it says.
        found: u8,
    },
    /// There is more than there should be.
    #[error("{len} bytes are left over")]
    LeftOver {
        /// How many.
        len: usize,
    },
    /// The bytes are those of something else.
    #[error("the bytes begin as something else")]
    WrongKind,
    /// Of a version that is not known.
    #[error("format version {found} is not known")]
    UnknownVersion {
        /// The version.
        found: u8,
    },
    /// Entries are not in their order, or one is there twice.
    #[error("entries are not in order")]
    Disorder,
    /// A text is not UTF-8.
    #[error("a text is not UTF-8")]
    NotText,
}

/// Adds an integer: seven bits a byte, low ones first, the high bit set on all but the last.
pub(crate) fn put_number(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        let low = u8::try_from(number & 0x7f).expect("seven bits fit");
        bytes.push(low | 0x80);
        number >>= 7;
    }
    bytes.push(u8::try_from(number).expect("less than 0x80"));
}

/// Adds bytes behind their length.
pub(crate) fn put_bytes(bytes: &mut Vec<u8>, part: &[u8]) {
    put_number(bytes, part.len() as u64);
    bytes.extend_from_slice(part);
}

/// Reads pieces one after the other. Never panics and allocates nothing.
pub(crate) struct Reader<'b> {
    bytes: &'b [u8],
    offset: usize,
}

impl<'b> Reader<'b> {
    pub(crate) fn new(bytes: &'b [u8]) -> Self {
        Self { bytes, offset: 0 }
    }

    /// Reads `magic` and then `version`.
    pub(crate) fn begin(bytes: &'b [u8], magic: &[u8], version: u8) -> Result<Self, WireError> {
        let mut reader = Self::new(bytes);
        if reader.take(magic.len())? != magic {
            return Err(WireError::WrongKind);
        }
        match reader.byte()? {
            found if found != version => Err(WireError::UnknownVersion { found }),
            _ => Ok(reader),
        }
    }

    pub(crate) fn take(&mut self, len: usize) -> Result<&'b [u8], WireError> {
        let rest = &self.bytes[self.offset..];
        let (taken, _) = rest.split_at_checked(len).ok_or(WireError::Truncated)?;
        self.offset += len;
        Ok(taken)
    }

    pub(crate) fn byte(&mut self) -> Result<u8, WireError> {
        Ok(self.take(1)?[0])
    }

    /// A byte that must be below `count`.
    pub(crate) fn choice(&mut self, count: u8) -> Result<u8, WireError> {
        let offset = self.offset;
        match self.byte()? {
            found if found >= count => Err(WireError::Unknown { offset, found }),
            found => Ok(found),
        }
    }

    pub(crate) fn number(&mut self) -> Result<u64, WireError> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits || (byte == 0 && shift > 0) {
                return Err(WireError::BadInteger);
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(WireError::BadInteger)
    }

    /// Bytes behind their length.
    pub(crate) fn bytes(&mut self) -> Result<&'b [u8], WireError> {
        let len = usize::try_from(self.number()?).map_err(|_| WireError::Truncated)?;
        self.take(len)
    }

    pub(crate) fn hash(&mut self) -> Result<Hash, WireError> {
        let hash: [u8; Hash::LEN] = (self.take(Hash::LEN)?.try_into()).expect("as many as asked");
        Ok(hash.into())
    }

    /// How many bytes are left.
    pub(crate) fn rest(&self) -> usize {
        self.bytes.len() - self.offset
    }

    /// Refuses what is left over.
    pub(crate) fn end(self) -> Result<(), WireError> {
        match self.rest() {
            0 => Ok(()),
            len => Err(WireError::LeftOver { len }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_one_form() {
        for number in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
            let mut bytes = Vec::new();
            put_number(&mut bytes, number);
            let mut reader = Reader::new(&bytes);
            assert_eq!(reader.number(), Ok(number));
            assert_eq!(reader.end(), Ok(()));
            for len in 0..bytes.len() {
                let mut reader = Reader::new(&bytes[..len]);
                assert_eq!(reader.number(), Err(WireError::Truncated));
            }
        }
        for bad in [
            &[0x80, 0][..],
            &[0xff; 11],
            &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2],
        ] {
            assert_eq!(Reader::new(bad).number(), Err(WireError::BadInteger));
        }
    }

    #[test]
    fn a_length_beyond_the_end_is_refused_without_room_for_it() {
        let mut bytes = Vec::new();
        put_number(&mut bytes, u64::MAX);
        assert_eq!(Reader::new(&bytes).bytes(), Err(WireError::Truncated));
    }
}
