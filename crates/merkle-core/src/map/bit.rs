//! Branch positions: where two keys part.

/// Place of a bit in a key's prefix-free form.
///
/// Each byte of a key is written as nine bits, a 1 and then the byte from its most significant bit
/// on; a 0 ends the key. In that form no key is a prefix of another and bit order is byte order:
/// `"ab"` comes before `"abc"`. The place is packed as `byte << 4 | offset` with offset 0 to 8, so
/// that comparing places is comparing integers and reading a bit takes no division.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Bit(u16);

impl Bit {
    /// Below no branch: what a leaf has where an inner node has its branch position.
    pub(crate) const END: Self = Self(u16::MAX);

    /// The first place of all.
    pub(crate) const FIRST: Self = Self(0);

    /// First place at which `a` and `b` differ, or `None` for equal keys.
    ///
    /// INVARIANT: keys are at most [`KEY_BYTES_MAX`](super::KEY_BYTES_MAX) long, so the place fits.
    pub(crate) fn between(a: &[u8], b: &[u8]) -> Option<Self> {
        let shared = shared_bytes(a, b);
        let offset = match (a.get(shared), b.get(shared)) {
            (None, None) => return None,
            (Some(a), Some(b)) => 1 + (a ^ b).leading_zeros(),
            _ => 0,
        };
        Some(Self(narrow(shared << 4) | narrow(offset as usize)))
    }

    /// The bit of `key` at this place; 0 past its end.
    pub(crate) fn of(self, key: &[u8]) -> bool {
        let offset = self.0 & 0xf;
        key.get(usize::from(self.0 >> 4))
            .is_some_and(|&byte| (u16::from(byte) | 0x100) >> (8 - offset) & 1 == 1)
    }

    /// The place as two bytes.
    pub(crate) fn to_be_bytes(self) -> [u8; 2] {
        self.0.to_be_bytes()
    }

    /// Reads what `to_be_bytes` wrote; none for what is no place.
    pub(crate) fn from_be_bytes(bytes: [u8; 2]) -> Option<Self> {
        let bit = Self(u16::from_be_bytes(bytes));
        let is_place = bit.0 & 0xf <= 8 && usize::from(bit.0 >> 4) < super::KEY_BYTES_MAX;
        (is_place || bit == Self::END).then_some(bit)
    }

    /// How many bytes of a key decide all places before this one.
    pub(crate) fn bytes_before(self) -> usize {
        usize::from(self.0 >> 4) + usize::from(self.0 & 0xf != 0)
    }

    /// The place that follows, or `None` after the last one that a key can have.
    pub(crate) fn next(self) -> Option<Self> {
        let next = if self.0 & 0xf == 8 {
            (self.0 | 0xf) + 1
        } else {
            self.0 + 1
        };
        (usize::from(next >> 4) < super::KEY_BYTES_MAX).then_some(Self(next))
    }
}

/// Length of the longest common prefix, in bytes; compares eight at a time.
fn shared_bytes(a: &[u8], b: &[u8]) -> usize {
    let len = a.len().min(b.len());
    let (a, b) = (&a[..len], &b[..len]);
    let (a_words, a_rest) = a.as_chunks::<8>();
    let (b_words, b_rest) = b.as_chunks::<8>();
    for (i, (a, b)) in a_words.iter().zip(b_words).enumerate() {
        let difference = u64::from_be_bytes(*a) ^ u64::from_be_bytes(*b);
        if difference != 0 {
            return 8 * i + difference.leading_zeros() as usize / 8;
        }
    }
    let tail = a_rest
        .iter()
        .zip(b_rest)
        .take_while(|(a, b)| a == b)
        .count();
    8 * a_words.len() + tail
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "key lengths are bounded by KEY_BYTES_MAX"
)]
fn narrow(place: usize) -> u16 {
    debug_assert!(place <= usize::from(u16::MAX));
    place as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    /// The prefix-free form, written out.
    fn bits(key: &[u8]) -> Vec<bool> {
        let mut bits = Vec::new();
        for byte in key {
            bits.push(true);
            bits.extend((0..8).rev().map(|i| byte >> i & 1 == 1));
        }
        bits.push(false);
        bits
    }

    fn place(bit: Bit) -> usize {
        usize::from(bit.0 >> 4) * 9 + usize::from(bit.0 & 0xf)
    }

    proptest! {
        #[test]
        fn agrees_with_the_written_out_form(
            a in proptest::collection::vec(0u8..4, 0..20),
            b in proptest::collection::vec(0u8..4, 0..20),
        ) {
            let (a_bits, b_bits) = (bits(&a), bits(&b));
            let expected = a_bits.iter().zip(&b_bits).position(|(a, b)| a != b);
            let found = Bit::between(&a, &b);
            prop_assert_eq!(found.map(place), expected);
            if let Some(bit) = found {
                prop_assert_eq!(bit.of(&a), a_bits[place(bit)]);
                prop_assert_ne!(bit.of(&a), bit.of(&b));
                prop_assert_eq!(a < b, bit.of(&b));
            }
        }

        #[test]
        fn next_follows_without_gaps(byte in 0u16..1024, offset in 0u16..=8) {
            let bit = Bit(byte << 4 | offset);
            if let Some(next) = bit.next() {
                prop_assert_eq!(place(next), place(bit) + 1);
            } else {
                prop_assert_eq!((byte, offset), (1023, 8));
            }
        }
    }
}
