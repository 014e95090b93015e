//! Detector states as bytes: read back, a detector goes on as if it had never stopped.

use crate::uvarint;

/// Collects a state.
#[derive(Debug, Default)]
pub(super) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    pub(super) fn finish(self) -> Vec<u8> {
        self.bytes
    }

    pub(super) fn number(&mut self, value: u64) {
        uvarint::put(&mut self.bytes, value);
    }

    pub(super) fn real(&mut self, value: f64) {
        self.bytes.extend_from_slice(&value.to_bits().to_be_bytes());
    }

    pub(super) fn text(&mut self, value: &str) {
        self.number(value.len() as u64);
        self.bytes.extend_from_slice(value.as_bytes());
    }

    pub(super) fn flag(&mut self, value: bool) {
        self.bytes.push(u8::from(value));
    }

    /// What `encode` appends.
    pub(super) fn other(&mut self, encode: impl FnOnce(&mut Vec<u8>)) {
        encode(&mut self.bytes);
    }
}

/// Takes a state apart; every step is `None` where the bytes are not what it expects.
#[derive(Debug)]
pub(super) struct Reader<'b> {
    bytes: &'b [u8],
}

impl<'b> Reader<'b> {
    pub(super) const fn new(bytes: &'b [u8]) -> Self {
        Self { bytes }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(super) fn number(&mut self) -> Option<u64> {
        uvarint::take(&mut self.bytes)
    }

    /// A finite number.
    pub(super) fn real(&mut self) -> Option<f64> {
        let (bits, rest) = self.bytes.split_first_chunk()?;
        self.bytes = rest;
        Some(f64::from_bits(u64::from_be_bytes(*bits))).filter(|value| value.is_finite())
    }

    pub(super) fn text(&mut self) -> Option<String> {
        let length = usize::try_from(self.number()?).ok()?;
        let (text, rest) = self.bytes.split_at_checked(length)?;
        self.bytes = rest;
        String::from_utf8(text.to_vec()).ok()
    }

    pub(super) fn flag(&mut self) -> Option<bool> {
        let (&byte, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        match byte {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    /// How many items follow, each of at least `item_bytes`: never more than there are bytes for.
    pub(super) fn length(&mut self, item_bytes: usize, most: usize) -> Option<usize> {
        let length = usize::try_from(self.number()?).ok()?;
        (length <= most && length <= self.bytes.len() / item_bytes).then_some(length)
    }

    pub(super) fn other<T>(&mut self, take: impl FnOnce(&mut &'b [u8]) -> Option<T>) -> Option<T> {
        take(&mut self.bytes)
    }
}
