//! How a catalogue lies in its file: a head that names the files, then a row for each subtree.

use merkle_core::{Hash, Subtree};

use super::reader::{Reader, push_counted, push_uvarint};

/// What stands before the rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// The files in which buckets lie and their lengths in bytes, by number. The last one is the
    /// catalogue's own, with the length up to the catalogue.
    pub(super) files: Vec<(u64, u64)>,
    /// How many rows follow.
    pub(super) rows: usize,
}

/// What a catalogue says of one subtree.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row<'c> {
    /// The encoded subtree.
    name: &'c [u8],
    pub(super) location: Location,
}

/// The place of a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Location {
    /// Which of the files of its catalogue, counted from 0.
    pub(super) file: usize,
    /// Where it starts in the file, in bytes.
    pub(crate) offset: u64,
    /// Its length in bytes.
    pub(crate) len: usize,
    /// How many entries it has.
    pub(crate) entries: u64,
}

impl Head {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        push_uvarint(&mut bytes, self.files.len() as u64);
        for (number, len) in &self.files {
            push_uvarint(&mut bytes, *number);
            push_uvarint(&mut bytes, *len);
        }
        push_uvarint(&mut bytes, self.rows as u64);
        bytes
    }

    /// Reads what [`encode`](Self::encode) wrote. Files come by number, each once.
    pub(super) fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        let count = reader.uvarint()?;
        let mut files: Vec<(u64, u64)> = Vec::new();
        for _ in 0..count {
            let (number, len) = (reader.uvarint()?, reader.uvarint()?);
            if files.last().is_some_and(|(last, _)| *last >= number) {
                return None;
            }
            files.push((number, len));
        }
        let rows = usize::try_from(reader.uvarint()?).ok()?;
        // What follows has room for them, so whoever counts on their number counts on real bytes.
        let fits = reader.rest().len() / Row::LEN_MIN >= rows;
        fits.then_some(Self { files, rows })
    }
}

impl<'c> Row<'c> {
    /// The shortest row: the name of a subtree without a prefix, and a byte for each number.
    const LEN_MIN: usize = 1 + NAME_LEN_MIN + 4;

    pub(super) fn encode(bytes: &mut Vec<u8>, subtree: &Subtree, location: &Location) {
        push_counted(bytes, &subtree.encode());
        push_uvarint(bytes, location.file as u64);
        push_uvarint(bytes, location.offset);
        push_uvarint(bytes, location.len as u64);
        push_uvarint(bytes, location.entries);
    }

    /// Reads what [`encode`](Self::encode) wrote; does not look at the name but for its length.
    pub(super) fn decode(reader: &mut Reader<'c>) -> Option<Self> {
        let name = reader.counted().filter(|name| name.len() >= NAME_LEN_MIN)?;
        let location = Location {
            file: usize::try_from(reader.uvarint()?).ok()?,
            offset: reader.uvarint()?,
            len: usize::try_from(reader.uvarint()?).ok()?,
            entries: reader.uvarint()?,
        };
        Some(Self { name, location })
    }

    /// The prefix of the next row.
    pub(super) fn prefix_at(reader: &mut Reader<'c>) -> Option<&'c [u8]> {
        reader.counted()?.get(NAME_LEN_MIN..)
    }

    /// The subtree; none if the name is none.
    pub(super) fn subtree(self) -> Option<Subtree> {
        Subtree::decode(self.name).ok()
    }

    /// The hash of the subtree.
    pub(super) fn hash(self) -> Option<Hash> {
        let (_, rest) = self.name.split_first_chunk::<2>()?;
        rest.first_chunk().map(|hash| Hash::from_bytes(*hash))
    }

    /// What the keys of the subtree begin with. Subtrees of one tree have different prefixes, which
    /// sort as the subtrees do.
    pub(super) fn prefix(self) -> &'c [u8] {
        self.name.get(NAME_LEN_MIN..).unwrap_or_default()
    }
}

/// Length of an encoded subtree without its prefix: its branch position and its hash.
const NAME_LEN_MIN: usize = 2 + Hash::LEN;
