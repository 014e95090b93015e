//! The proof file.

use merkle_core::{CompactRange, Hash};

use crate::record::{EncodedRecord, ErasableContent, ErasableField, Record, Salt};

/// What a report is proved by.
#[derive(Clone, Debug)]
pub(super) struct Proof {
    /// Signed notes.
    pub(super) statement: String,
    pub(super) checkpoint: String,
    /// The log before and behind the records.
    pub(super) left: CompactRange,
    pub(super) right: CompactRange,
    pub(super) records: Vec<ProofRecord>,
}

/// One record of the range.
#[derive(Clone, Debug)]
pub(super) struct ProofRecord {
    pub(super) canonical: Vec<u8>,
    /// With the texts that the proof holds.
    pub(super) record: Record,
}

/// Bytes that are no proof: what was expected, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed(pub(super) &'static str);

const MAGIC: &[u8; 8] = b"vigreprt";
const VERSION: u8 = 1;

impl Proof {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.push(VERSION);
        for note in [&self.statement, &self.checkpoint] {
            put_length(&mut out, note.len());
            out.extend_from_slice(note.as_bytes());
        }
        out.extend_from_slice(&self.left.end().to_be_bytes());
        out.extend_from_slice(&self.right.begin().to_be_bytes());
        out.extend_from_slice(&self.right.end().to_be_bytes());
        for hash in self.left.hashes().iter().chain(self.right.hashes()) {
            out.extend_from_slice(hash.as_bytes());
        }
        for it in &self.records {
            put_length(&mut out, it.canonical.len());
            out.extend_from_slice(&it.canonical);
            let erasable = it.record.erasable();
            let texts: Vec<_> = (erasable.iter())
                .filter_map(|(field, text)| Some((*field, text.content()?)))
                .collect();
            out.push(u8::try_from(texts.len()).expect("a record has few erasable fields"));
            for (field, (salt, text)) in texts {
                out.push(field.code());
                out.extend_from_slice(salt.as_bytes());
                put_length(&mut out, text.len());
                out.extend_from_slice(text.as_bytes());
            }
        }
        out
    }

    /// Reads a proof, strictly. Its hashes and signatures are not verified.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut input = Input { bytes };
        if input.array::<8>()? != *MAGIC {
            return Err(Malformed("not the proof of a report"));
        }
        if input.array::<1>()? != [VERSION] {
            return Err(Malformed("a version that is not known here"));
        }
        let (statement, checkpoint) = (input.text()?, input.text()?);
        let (first, end, size) = (input.number()?, input.number()?, input.number()?);
        let left = input.range(0, first)?;
        let right = input.range(end, size)?;
        let mut records = Vec::new();
        let count = end
            .checked_sub(first)
            .ok_or(Malformed("a reversed range"))?;
        for _ in 0..count {
            records.push(input.record()?);
        }
        if !input.bytes.is_empty() {
            return Err(Malformed("bytes behind the last record"));
        }
        Ok(Self {
            statement,
            checkpoint,
            left,
            right,
            records,
        })
    }
}

fn put_length(out: &mut Vec<u8>, length: usize) {
    let length = u32::try_from(length).expect("notes, records and texts have bounds far below");
    out.extend_from_slice(&length.to_be_bytes());
}

struct Input<'b> {
    bytes: &'b [u8],
}

impl<'b> Input<'b> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (array, rest) = self.bytes.split_first_chunk().ok_or(CUT)?;
        self.bytes = rest;
        Ok(*array)
    }

    fn number(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_be_bytes)
    }

    fn slice(&mut self) -> Result<&'b [u8], Malformed> {
        let length = u32::from_be_bytes(self.array()?);
        let length = usize::try_from(length).map_err(|_| CUT)?;
        let (slice, rest) = self.bytes.split_at_checked(length).ok_or(CUT)?;
        self.bytes = rest;
        Ok(slice)
    }

    fn text(&mut self) -> Result<String, Malformed> {
        let text = String::from_utf8(self.slice()?.to_vec());
        text.map_err(|_| Malformed("a text that is not UTF-8"))
    }

    fn range(&mut self, begin: u64, end: u64) -> Result<CompactRange, Malformed> {
        let reversed = Malformed("a reversed range");
        let count = CompactRange::hash_count(begin, end).map_err(|_| reversed)?;
        let mut hashes = Vec::with_capacity(count);
        for _ in 0..count {
            hashes.push(Hash::from_bytes(self.array()?));
        }
        CompactRange::from_parts(begin, end, hashes).map_err(|_| reversed)
    }

    fn record(&mut self) -> Result<ProofRecord, Malformed> {
        let canonical = self.slice()?.to_vec();
        let bare = Record::decode(&canonical).map_err(|_| Malformed("not a record"))?;
        let fields = bare.erasable();
        let [count] = self.array::<1>()?;
        let mut erasable: Vec<ErasableContent> = Vec::new();
        for _ in 0..count {
            let [code] = self.array::<1>()?;
            let salt = Salt::from_bytes(self.array()?);
            let text = self.text()?;
            let field = ErasableField::from_code(code);
            let committed = (fields.iter()).find(|(it, _)| Some(*it) == field);
            let (field, committed) = committed.ok_or(Malformed("a text of no field"))?;
            // One order, and no text twice.
            if erasable.last().is_some_and(|last| last.field >= *field) {
                return Err(Malformed("texts that are not in order"));
            }
            erasable.push(ErasableContent {
                field: *field,
                commitment: committed.commitment(),
                salt,
                text,
            });
        }
        let encoded = EncodedRecord::from_parts(canonical, erasable);
        let encoded = encoded.map_err(|_| Malformed("a text that was not committed to"))?;
        let record = encoded.decode().map_err(|_| Malformed("not a record"))?;
        Ok(ProofRecord {
            canonical: encoded.canonical,
            record,
        })
    }
}

const CUT: Malformed = Malformed("cut off");
