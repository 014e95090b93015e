//! Many entries in order, in as little memory as they have in a file.

use std::ops::Range;

use crate::Address;
use crate::segment::Kind;

use super::{Place, Places};

/// Bytes of an entry: address, segment, place in units of eight bytes, and stored bytes with the kind
/// in the upper eight bits.
pub(super) const ENTRY_BYTES: usize = 44;

const STORED_BITS: u32 = 24;

/// Entries in the order of their addresses.
#[derive(Default)]
pub(crate) struct Run {
    // INVARIANT: whole entries of known kinds, their addresses ascending.
    bytes: Vec<u8>,
}

impl std::fmt::Debug for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Run({} entries)", self.len())
    }
}

impl Run {
    /// The entries in `bytes`; `None` where they are no entries in order.
    pub(crate) fn new(bytes: Vec<u8>) -> Option<Self> {
        let (entries, rest) = bytes.as_chunks::<ENTRY_BYTES>();
        let ordered = entries.is_sorted_by(|one, other| one[..32] < other[..32]);
        let kinds = entries.iter().all(has_a_kind);
        (rest.is_empty() && ordered && kinds).then_some(Self { bytes })
    }

    /// From entries that are in order.
    pub(crate) fn collect(entries: impl Iterator<Item = (Address, Place)>) -> Self {
        let mut bytes = Vec::with_capacity(entries.size_hint().0 * ENTRY_BYTES);
        for entry in entries {
            encode(&entry, &mut bytes);
        }
        debug_assert!(bytes.as_chunks::<ENTRY_BYTES>().0.is_sorted());
        Self { bytes }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len() / ENTRY_BYTES
    }

    fn entries(&self) -> &[[u8; ENTRY_BYTES]] {
        self.bytes.as_chunks().0
    }

    pub(crate) fn get(&self, address: &Address) -> Option<Place> {
        let entries = self.entries();
        let near = self.near(address);
        let found =
            entries[near.clone()].binary_search_by(|entry| entry[..32].cmp(address.as_bytes()));
        found.ok().map(|at| decode(&entries[near.start + at]).1)
    }

    /// Where `address` is if it is there at all. Hashes are spread evenly, so the value of one says
    /// about where it is; where hashes were chosen to upset that, it is anywhere.
    fn near(&self, address: &Address) -> Range<usize> {
        let entries = self.entries();
        let len = entries.len();
        let leading = address.as_bytes().first_chunk().expect("32 bytes");
        let guess = (u128::from(u64::from_be_bytes(*leading)) * len as u128) >> 64;
        let guess = usize::try_from(guess).expect("below the length");
        // The deviation is half a square root at most.
        let reach = 64 + 4 * len.isqrt();
        let (start, end) = (guess.saturating_sub(reach), len.min(guess + reach));
        let begins = start == 0 || entries[start - 1][..32] < address.as_bytes()[..];
        let ends = end == len || entries[end][..32] > address.as_bytes()[..];
        if begins && ends { start..end } else { 0..len }
    }

    /// The entries from behind `after` on.
    pub(crate) fn from(
        &self,
        after: Option<&Address>,
    ) -> impl Iterator<Item = (Address, Place)> + '_ {
        let entries = self.entries();
        let start = after.map_or(0, |after| {
            entries.partition_point(|entry| entry[..32] <= after.as_bytes()[..])
        });
        entries[start..].iter().map(decode)
    }
}

/// Entries in no order that matters, of which some may have the same address.
pub(super) fn decode_all(bytes: &[u8]) -> Option<Places> {
    let (entries, rest) = bytes.as_chunks::<ENTRY_BYTES>();
    let good = rest.is_empty() && entries.iter().all(has_a_kind);
    good.then(|| entries.iter().map(decode).collect())
}

fn has_a_kind(entry: &[u8; ENTRY_BYTES]) -> bool {
    Kind::from_code(entry[ENTRY_BYTES - 1]).is_some()
}

pub(super) fn encode((address, place): &(Address, Place), bytes: &mut Vec<u8>) {
    debug_assert_eq!(place.at % 8, 0, "records lie at multiples of eight");
    let unit = u32::try_from(place.at / 8).expect("segments end before 32 GiB");
    bytes.extend_from_slice(address.as_bytes());
    bytes.extend_from_slice(&place.segment.to_le_bytes());
    bytes.extend_from_slice(&unit.to_le_bytes());
    let stored = place.stored_bytes | u32::from(place.kind.code()) << STORED_BITS;
    bytes.extend_from_slice(&stored.to_le_bytes());
}

fn decode(entry: &[u8; ENTRY_BYTES]) -> (Address, Place) {
    let number = |at: usize| {
        let bytes = entry[at..at + 4].try_into().expect("four bytes");
        u32::from_le_bytes(bytes)
    };
    let address = Address::from_bytes(entry[..32].try_into().expect("32 bytes"));
    let place = Place {
        segment: number(32),
        at: u64::from(number(36)) * 8,
        stored_bytes: number(40) & ((1 << STORED_BITS) - 1),
        kind: Kind::from_code(entry[ENTRY_BYTES - 1]).expect("checked where they were read"),
    };
    (address, place)
}
