//! Reading bytes that may be hostile, from their start.

/// Bytes not read yet. Whatever does not fit yields none and reads nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'b> {
    rest: &'b [u8],
}

impl<'b> Reader<'b> {
    pub(super) fn new(bytes: &'b [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What is left.
    pub(super) fn rest(self) -> &'b [u8] {
        self.rest
    }

    pub(super) fn is_empty(self) -> bool {
        self.rest.is_empty()
    }

    /// The next `len` bytes.
    pub(super) fn bytes(&mut self, len: usize) -> Option<&'b [u8]> {
        let (bytes, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(bytes)
    }

    /// The next `N` bytes.
    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(*bytes)
    }

    /// Eight bytes, the most significant first.
    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    /// An unsigned LEB128 integer in its shortest form, of at most 64 bits.
    pub(super) fn uvarint(&mut self) -> Option<u64> {
        // Nearly all are of one byte.
        if let Some((&byte, rest)) = self.rest.split_first()
            && byte < 0x80
        {
            self.rest = rest;
            return Some(u64::from(byte));
        }
        let mut value = 0;
        for (at, shift) in (0..64).step_by(7).enumerate() {
            let byte = *self.rest.get(at)?;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits || (byte == 0 && shift > 0) {
                return None;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                self.rest = &self.rest[at + 1..];
                return Some(value);
            }
        }
        None
    }

    /// An integer, and that many bytes after it.
    pub(super) fn counted(&mut self) -> Option<&'b [u8]> {
        let mut ahead = *self;
        let len = usize::try_from(ahead.uvarint()?).ok()?;
        let bytes = ahead.bytes(len)?;
        *self = ahead;
        Some(bytes)
    }
}

/// Adds `value` as an unsigned LEB128 integer.
pub(super) fn push_uvarint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    bytes.push((value & 0x7f) as u8);
}

/// Adds the length of `part`, then `part`.
pub(super) fn push_counted(bytes: &mut Vec<u8>, part: &[u8]) {
    push_uvarint(bytes, part.len() as u64);
    bytes.extend_from_slice(part);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn reads_what_was_written(value in any::<u64>(), shift in 0_u32..64, more in any::<Vec<u8>>()) {
            let value = value >> shift;
            let mut bytes = Vec::new();
            push_uvarint(&mut bytes, value);
            let len = bytes.len();
            prop_assert_eq!(Reader::new(&bytes[..len - 1]).uvarint(), None);
            push_counted(&mut bytes, &more);
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(reader.uvarint(), Some(value));
            prop_assert_eq!(reader.counted(), Some(&more[..]));
            prop_assert!(reader.is_empty());
        }

        #[test]
        fn one_value_has_one_form(bytes in proptest::collection::vec(any::<u8>(), 0..12)) {
            let mut reader = Reader::new(&bytes);
            if let Some(value) = reader.uvarint() {
                let mut again = Vec::new();
                push_uvarint(&mut again, value);
                prop_assert_eq!(&again[..], &bytes[..bytes.len() - reader.rest().len()]);
            }
        }
    }
}
