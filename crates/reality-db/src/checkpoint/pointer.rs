//! What the engine keeps of a checkpoint: where its catalogue is, and what it must be.

use merkle_core::Hash;

use super::reader::Reader;

/// Where a checkpoint lies and what it holds. The engine keeps one for each checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pointer {
    /// The version whose tree it is.
    pub(crate) version: u64,
    /// The root of the tree.
    pub(crate) root: Hash,
    /// Hash of the journal record of the version.
    pub(crate) record: Hash,
    /// Number of entries.
    pub(crate) entries: u64,
    /// Number of the file that ends with the catalogue.
    pub(crate) file: u64,
    /// Where the catalogue starts in it.
    pub(crate) catalogue_at: u64,
    /// Length of the catalogue, in bytes.
    pub(crate) catalogue_len: u64,
    /// Hash of the catalogue.
    pub(crate) catalogue_hash: Hash,
    /// Bytes of all buckets that the catalogue names, in whatever file they are.
    pub(crate) live_bytes: u64,
    /// Bytes of all journal records up to the version.
    pub(crate) journal_bytes: u64,
}

/// Bytes that are no pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PointerError {
    /// Not as long as a pointer.
    #[error("{len} bytes, a pointer has {}", Pointer::LEN)]
    Length {
        /// How many bytes there are.
        len: usize,
    },
    /// Written by a newer release.
    #[error("pointer of the unknown format {format}")]
    UnknownFormat {
        /// What its first byte says.
        format: u8,
    },
    /// Something in it was changed.
    #[error("the pointer does not have the hash at its end")]
    Changed,
}

impl Pointer {
    /// Length of an encoded pointer, in bytes.
    pub(crate) const LEN: usize = Self::BODY + Hash::LEN;

    const BODY: usize = 1 + 7 * 8 + 3 * Hash::LEN;

    /// Bytes of the file that was written for this checkpoint.
    pub(crate) fn file_bytes(&self) -> u64 {
        self.catalogue_at.saturating_add(self.catalogue_len)
    }

    /// The pointer as bytes, its own hash at their end.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(Self::LEN);
        bytes.push(FORMAT);
        for hash in [&self.root, &self.record, &self.catalogue_hash] {
            bytes.extend_from_slice(hash.as_bytes());
        }
        let numbers = [
            self.version,
            self.entries,
            self.file,
            self.catalogue_at,
            self.catalogue_len,
            self.live_bytes,
            self.journal_bytes,
        ];
        bytes.extend(numbers.into_iter().flat_map(u64::to_be_bytes));
        bytes.extend_from_slice(&check(&bytes));
        bytes
    }

    /// Reads what [`encode`](Self::encode) wrote.
    ///
    /// # Errors
    ///
    /// [`PointerError`].
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, PointerError> {
        let length = PointerError::Length { len: bytes.len() };
        let format = *bytes.first().ok_or(length)?;
        if format != FORMAT {
            return Err(PointerError::UnknownFormat { format });
        }
        let bytes: &[u8; Self::LEN] = bytes.try_into().map_err(|_| length)?;
        let (body, found) = bytes.split_at(Self::BODY);
        if check(body) != found {
            return Err(PointerError::Changed);
        }
        Self::read(&mut Reader::new(&body[1..])).ok_or(length)
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let [root, record, catalogue_hash] = [reader.array()?, reader.array()?, reader.array()?];
        Some(Self {
            version: reader.u64()?,
            root: Hash::from_bytes(root),
            record: Hash::from_bytes(record),
            entries: reader.u64()?,
            file: reader.u64()?,
            catalogue_at: reader.u64()?,
            catalogue_len: reader.u64()?,
            catalogue_hash: Hash::from_bytes(catalogue_hash),
            live_bytes: reader.u64()?,
            journal_bytes: reader.u64()?,
        })
    }
}

fn check(body: &[u8]) -> [u8; Hash::LEN] {
    blake3::derive_key("reality-db checkpoint pointer v1", body)
}

const FORMAT: u8 = 1;
