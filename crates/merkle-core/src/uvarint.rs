//! Unsigned integers of varying length: seven bits a byte, low ones first, the high bit set on all
//! but the last. Protocol Buffers call it a varint, others LEB128.

use alloc::vec::Vec;

/// Adds `value` to `bytes`, in one to ten bytes.
pub(crate) fn push(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    bytes.push((value & 0x7f) as u8);
}

/// What stands at the start of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Read {
    /// An integer, and how many bytes it takes.
    Value(u64, usize),
    /// An integer whose end is missing.
    Truncated,
    /// No integer in its shortest form, or one beyond 64 bits.
    Bad,
}

/// Reads the integer at the start of `bytes`.
pub(crate) fn read(bytes: &[u8]) -> Read {
    let mut value = 0;
    for (at, shift) in (0..64).step_by(7).enumerate() {
        let Some(&byte) = bytes.get(at) else {
            return Read::Truncated;
        };
        let bits = u64::from(byte & 0x7f);
        if bits << shift >> shift != bits || (byte == 0 && shift > 0) {
            return Read::Bad;
        }
        value |= bits << shift;
        if byte & 0x80 == 0 {
            return Read::Value(value, at + 1);
        }
    }
    Read::Bad
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn reads_what_was_written(value in any::<u64>(), shift in 0u32..64, more in any::<Vec<u8>>()) {
            let value = value >> shift;
            let mut bytes = Vec::new();
            push(&mut bytes, value);
            let len = bytes.len();
            prop_assert_eq!(read(&bytes[..len - 1]), Read::Truncated);
            bytes.extend(more);
            prop_assert_eq!(read(&bytes), Read::Value(value, len));
        }

        #[test]
        fn one_value_has_one_form(bytes in proptest::collection::vec(any::<u8>(), 0..12)) {
            if let Read::Value(value, len) = read(&bytes) {
                let mut again = Vec::new();
                push(&mut again, value);
                prop_assert_eq!(&again[..], &bytes[..len]);
            }
        }
    }

    #[test]
    fn refuses_what_64_bits_do_not_hold() {
        assert_eq!(read(&[0xff; 9]), Read::Truncated);
        let mut most = [0xff; 10];
        most[9] = 1;
        assert_eq!(read(&most), Read::Value(u64::MAX, 10));
        most[9] = 2;
        assert_eq!(read(&most), Read::Bad);
        assert_eq!(read(&[0xff; 11]), Read::Bad);
        assert_eq!(read(&[0x80, 0]), Read::Bad);
    }
}
