//! Keys, values and ranges that are hard on a trie, and small enough that they often meet.

use std::ops::Bound;

use arbitrary::Arbitrary;
use merkle_core::{Batch, KEY_BYTES_MAX};

/// A key, by the way in which it is hard.
#[derive(Arbitrary, Clone, Debug)]
pub enum Key {
    /// 1 to 8 bytes of four kinds: shared prefixes, and prefixes of each other.
    Small { len: u8, letters: u16 },
    /// One bit away from all others of its kind.
    OneBit { bit: u8 },
    /// The same byte over and over.
    Same { byte: Letter, len: u8 },
    /// Close to the longest, and different from others only near the end.
    Long { byte: Letter, cut: u8, bit: u8 },
    /// Anything.
    Any(Vec<u8>),
}

/// A byte at an edge.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Letter {
    Zero,
    One,
    Top,
    Ones,
}

const LETTERS: [u8; 4] = [0, 1, 0x80, 0xff];

impl Key {
    /// The key: 1 to [`KEY_BYTES_MAX`] bytes.
    pub fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Small { len, letters } => (0..=len % 8)
                .map(|place| LETTERS[usize::from(letters >> (2 * place) & 3)])
                .collect(),
            Self::OneBit { bit } => {
                let mut key = vec![0x55; 32];
                key[usize::from(bit / 8)] ^= 1 << (bit % 8);
                key
            }
            Self::Same { byte, len } => vec![LETTERS[*byte as usize]; 1 + usize::from(*len)],
            Self::Long { byte, cut, bit } => {
                let len = KEY_BYTES_MAX - usize::from(cut % 4);
                let mut key = vec![LETTERS[*byte as usize]; len];
                key[len - 1 - usize::from(bit / 8)] ^= 1 << (bit % 8);
                key
            }
            Self::Any(bytes) if bytes.is_empty() => vec![0],
            Self::Any(bytes) => bytes[..bytes.len().min(KEY_BYTES_MAX)].to_vec(),
        }
    }
}

/// A value, short or long.
#[derive(Arbitrary, Clone, Debug)]
pub enum Content {
    Short(u8),
    Long { byte: u8, len: u16 },
    Any(Vec<u8>),
}

impl Content {
    /// The value: at most 4 KiB.
    pub fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Short(byte) => vec![*byte; usize::from(byte % 4)],
            Self::Long { byte, len } => vec![*byte; usize::from(len % 600)],
            Self::Any(bytes) => bytes[..bytes.len().min(4096)].to_vec(),
        }
    }
}

/// One change of a batch: a key gets a value, or goes.
pub type Change = (Vec<u8>, Option<Vec<u8>>);

/// The batch of these changes.
pub fn batch(changes: &[Change]) -> Batch<'_> {
    let mut batch = Batch::new();
    for (key, value) in changes {
        match value {
            Some(value) => batch.put(key, value),
            None => batch.delete(key),
        }
        .expect("the length is one that maps take");
    }
    batch
}

/// A range of keys, by its ends: places in a list of keys.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub struct Span {
    start: End,
    end: End,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum End {
    Included(u8),
    Excluded(u8),
    Unbounded,
}

impl Span {
    /// The range, between keys of `keys`.
    pub fn of<'k>(&self, keys: &'k [Vec<u8>]) -> (Bound<&'k [u8]>, Bound<&'k [u8]>) {
        let at = |place: u8| &keys[usize::from(place) % keys.len()][..];
        let bound = |end| match end {
            End::Included(place) if !keys.is_empty() => Bound::Included(at(place)),
            End::Excluded(place) if !keys.is_empty() => Bound::Excluded(at(place)),
            _ => Bound::Unbounded,
        };
        (bound(self.start), bound(self.end))
    }
}
