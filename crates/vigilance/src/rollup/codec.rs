//! Cells as bytes.

use merkle_core::log_leaf_hash;

use crate::uvarint;

/// Appends what a cell consists of.
#[derive(Debug)]
pub(super) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    pub(super) fn new(family: u8) -> Self {
        let bytes = vec![FORMAT, family];
        Self { bytes }
    }

    pub(super) fn number(&mut self, value: u64) {
        uvarint::put(&mut self.bytes, value);
    }

    pub(super) fn wide(&mut self, value: u128) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    pub(super) fn real(&mut self, value: f64) {
        self.bytes.extend_from_slice(&value.to_bits().to_be_bytes());
    }

    pub(super) fn text(&mut self, value: &str) {
        self.number(value.len() as u64);
        self.bytes.extend_from_slice(value.as_bytes());
    }

    pub(super) fn other(&mut self, encode: impl FnOnce(&mut Vec<u8>)) {
        encode(&mut self.bytes);
    }

    /// The bytes, with their checksum.
    pub(super) fn finish(mut self) -> Vec<u8> {
        let checksum = checksum(&self.bytes);
        self.bytes.extend_from_slice(&checksum);
        self.bytes
    }
}

/// Takes a cell apart; every step is `None` where the bytes are not what it expects.
#[derive(Debug)]
pub(super) struct Reader<'b> {
    bytes: &'b [u8],
}

impl<'b> Reader<'b> {
    /// Checks format and checksum, and returns the family beside the reader of the rest.
    pub(super) fn new(bytes: &'b [u8]) -> Option<(u8, Self)> {
        let (content, found) = bytes.split_last_chunk::<CHECKSUM_BYTES>()?;
        let [FORMAT, family, rest @ ..] = content else {
            return None;
        };
        (checksum(content) == *found).then_some((*family, Self { bytes: rest }))
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(super) fn number(&mut self) -> Option<u64> {
        uvarint::take(&mut self.bytes)
    }

    pub(super) fn wide(&mut self) -> Option<u128> {
        let (value, rest) = self.bytes.split_first_chunk()?;
        self.bytes = rest;
        Some(u128::from_be_bytes(*value))
    }

    pub(super) fn real(&mut self) -> Option<f64> {
        let (bits, rest) = self.bytes.split_first_chunk()?;
        self.bytes = rest;
        Some(f64::from_bits(u64::from_be_bytes(*bits)))
    }

    pub(super) fn text(&mut self) -> Option<String> {
        let length = usize::try_from(self.number()?).ok()?;
        let (text, rest) = self.bytes.split_at_checked(length)?;
        self.bytes = rest;
        String::from_utf8(text.to_vec()).ok()
    }

    pub(super) fn other<T>(&mut self, take: impl FnOnce(&mut &'b [u8]) -> Option<T>) -> Option<T> {
        take(&mut self.bytes)
    }
}

/// Against accidents only: what proves the counts is building them again.
fn checksum(content: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let hash = log_leaf_hash(content);
    let (first, _) = (hash.as_bytes().split_first_chunk()).expect("a hash has 32 bytes");
    *first
}

/// The one format of cells so far.
const FORMAT: u8 = 1;

const CHECKSUM_BYTES: usize = 8;
