//! Unsigned numbers in seven-bit groups, least first: one encoding for each number.

/// Appends the shortest encoding of `value`.
pub(crate) fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(0x80 | (value & 0x7f) as u8);
        value >>= 7;
    }
    // What is left is below 0x80.
    out.push((value & 0x7f) as u8);
}

/// Takes a number off the front of `bytes`; `None` where it is cut, longer than needed or does
/// not fit 64 bits.
pub(crate) fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for (place, &byte) in bytes.iter().enumerate().take(BYTES_MAX) {
        let group = u64::from(byte & 0x7f);
        let shift = 7 * u32::try_from(place).ok()?;
        value |= group << shift;
        if byte & 0x80 != 0 {
            continue;
        }
        let longer_than_needed = byte == 0 && place > 0;
        let overflows = place == BYTES_MAX - 1 && byte > 1;
        if longer_than_needed || overflows {
            return None;
        }
        *bytes = &bytes[place + 1..];
        return Some(value);
    }
    None
}

/// Bytes of the largest number.
const BYTES_MAX: usize = 10;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn takes_what_was_put(value in any::<u64>(), shift in 0..64_u32) {
            let value = value >> shift;
            let mut bytes = Vec::new();
            put(&mut bytes, value);
            bytes.push(0xff);
            let mut left = bytes.as_slice();
            prop_assert_eq!(take(&mut left), Some(value));
            prop_assert_eq!(left, [0xff]);
        }

        #[test]
        fn takes_only_the_shortest_encoding(bytes in proptest::collection::vec(any::<u8>(), 0..12)) {
            let mut left = bytes.as_slice();
            if let Some(value) = take(&mut left) {
                let mut again = Vec::new();
                put(&mut again, value);
                prop_assert_eq!(&bytes[..bytes.len() - left.len()], again.as_slice());
            }
        }
    }

    #[test]
    fn refuses_what_does_not_fit_64_bits() {
        let mut largest = Vec::new();
        put(&mut largest, u64::MAX);
        assert_eq!(largest.len(), BYTES_MAX);
        assert_eq!(take(&mut largest.as_slice()), Some(u64::MAX));
        largest[BYTES_MAX - 1] = 2;
        assert_eq!(take(&mut largest.as_slice()), None);
        assert_eq!(take(&mut [0x80, 0].as_slice()), None);
    }
}
