//! What a version of the state carries: the audit records of one commit.
//!
//! `docs/formats/commit.md` has the bytes.

use merkle_core::Hash;

use crate::wire::{Reader, WireError, put_bytes, put_number};

/// Bytes of a record in an envelope beside the record itself, at most.
pub(crate) const RECORD_OVERHEAD: usize = 5 + 32;

/// Most bytes of all records of an envelope, with their overhead.
pub(crate) const RECORDS_BYTES_MAX: usize = reality_db::METADATA_BYTES_MAX - 112;

/// The records of one commit, and where they begin in the log: what the journal has as the metadata of
/// every version.
///
/// ```
/// use persistence::{Config, Envelope, Persistence};
///
/// # let folder = tempfile::tempdir()?;
/// let (persistence, _) = Persistence::open(Config::new(folder.path()))?;
/// let first = persistence.state().info(1)?;
/// let envelope = Envelope::decode(&first.metadata)?;
/// assert_eq!((envelope.first, envelope.records.len()), (0, 1)); // of the genesis seal
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "its fields are the format's")]
pub struct Envelope<'b> {
    /// Place in the log of the first record: how many there were before.
    pub first: u64,
    /// Root of the log before the first record.
    pub log_root: Hash,
    /// Root over the addresses of what the vault held.
    pub vault_root: Hash,
    /// How many seals the chain had.
    pub seals: u64,
    /// The records, in their order.
    pub records: Vec<Carried<'b>>,
}

/// A record as an envelope carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "its fields are the format's")]
pub struct Carried<'b> {
    /// The canonical bytes of the record: those that the log hashes.
    pub record: &'b [u8],
    /// SHA-256 of what the caller asked for; zeros where nobody asked.
    pub request: Hash,
}

impl<'b> Envelope<'b> {
    /// Place in the log of the next record behind these.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.first + self.records.len() as u64
    }

    /// The bytes of `docs/formats/commit.md`.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let len: usize = self
            .records
            .iter()
            .map(|carried| carried.record.len())
            .sum();
        let mut bytes = Vec::with_capacity(112 + len + self.records.len() * RECORD_OVERHEAD);
        bytes.extend_from_slice(MAGIC);
        bytes.push(VERSION);
        put_number(&mut bytes, self.first);
        bytes.extend_from_slice(self.log_root.as_bytes());
        bytes.extend_from_slice(self.vault_root.as_bytes());
        put_number(&mut bytes, self.seals);
        put_number(&mut bytes, self.records.len() as u64);
        for carried in &self.records {
            bytes.extend_from_slice(carried.request.as_bytes());
            put_bytes(&mut bytes, carried.record);
        }
        bytes
    }

    /// Reads exactly what [`encode`](Self::encode) wrote.
    ///
    /// # Errors
    ///
    /// [`WireError`]. Never panics, and makes room for no more than the bytes are long.
    pub fn decode(bytes: &'b [u8]) -> Result<Self, WireError> {
        let mut reader = Reader::begin(bytes, MAGIC, VERSION)?;
        let first = reader.number()?;
        let log_root = reader.hash()?;
        let vault_root = reader.hash()?;
        let seals = reader.number()?;
        let count = reader.number()?;
        // A record has more bytes than none: no more of them than that are made room for.
        let possible = reader.rest() / (RECORD_BYTES_MIN + 1);
        let count = usize::try_from(count).map_err(|_| WireError::Truncated)?;
        if count > possible {
            return Err(WireError::Truncated);
        }
        if first.checked_add(count as u64).is_none() {
            return Err(WireError::BadInteger);
        }
        let mut records = Vec::with_capacity(count);
        for _ in 0..count {
            let request = reader.hash()?;
            let record = reader.bytes()?;
            records.push(Carried { record, request });
        }
        reader.end()?;
        Ok(Self {
            first,
            log_root,
            vault_root,
            seals,
            records,
        })
    }
}

const MAGIC: &[u8] = b"d360";
const VERSION: u8 = 1;

/// Bytes that a record takes at least: its request's digest.
const RECORD_BYTES_MIN: usize = Hash::LEN;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(
            first in 0..u64::MAX / 2,
            roots: [[u8; 32]; 2],
            seals: u64,
            records in proptest::collection::vec(
                (proptest::collection::vec(any::<u8>(), 0..300), any::<[u8; 32]>()), 0..9),
        ) {
            let records = (records.iter()).map(|(record, request)| Carried {
                record,
                request: Hash::from_bytes(*request),
            });
            let envelope = Envelope {
                first,
                log_root: roots[0].into(),
                vault_root: roots[1].into(),
                seals,
                records: records.collect(),
            };
            let bytes = envelope.encode();
            prop_assert_eq!(Envelope::decode(&bytes).unwrap(), envelope);
            for len in 0..bytes.len() {
                prop_assert!(Envelope::decode(&bytes[..len]).is_err());
            }
            let longer = [&bytes[..], &[0]].concat();
            prop_assert!(Envelope::decode(&longer).is_err());
        }

        #[test]
        fn any_bytes_are_an_envelope_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let bytes = [MAGIC, &[VERSION], &bytes].concat();
            if let Ok(envelope) = Envelope::decode(&bytes) {
                prop_assert_eq!(envelope.encode(), bytes);
            }
        }
    }
}
