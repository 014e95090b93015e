//! The bytes of a receipt.

use merkle_core::InclusionProof;

use super::{Receipt, VerifyError};
use crate::Write;
use crate::wire::{Reader, WireError, put_bytes, put_number};

impl Receipt {
    /// The receipt as bytes: a few kilobytes, as a rule.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(1024 + self.record.len() + self.transition.len());
        bytes.extend_from_slice(MAGIC);
        bytes.push(VERSION);
        put_bytes(&mut bytes, &self.record);
        put_bytes(&mut bytes, &self.inclusion.encode());
        put_number(&mut bytes, self.writes.len() as u64);
        for write in &self.writes {
            put_bytes(&mut bytes, &write.key);
            match &write.value {
                Some(value) => {
                    bytes.push(1);
                    put_bytes(&mut bytes, value);
                }
                None => bytes.push(0),
            }
        }
        put_bytes(&mut bytes, &self.transition);
        put_bytes(&mut bytes, &self.manifest);
        put_bytes(&mut bytes, &self.certificate);
        put_bytes(&mut bytes, &self.seal);
        bytes
    }

    /// Reads exactly what [`encode`](Self::encode) wrote. Nothing of it is verified.
    ///
    /// # Errors
    ///
    /// [`VerifyError::Malformed`] or [`VerifyError::Inclusion`]. Never panics, and makes room for no
    /// more than the bytes are long.
    pub fn decode(bytes: &[u8]) -> Result<Self, VerifyError> {
        let mut reader = Reader::begin(bytes, MAGIC, VERSION)?;
        let record = reader.bytes()?.to_vec();
        let inclusion = InclusionProof::decode(reader.bytes()?)?;
        let count = reader.number()?;
        // Each has a length, a key of a byte at least, and says whether it has a value.
        let possible = (reader.rest() / 3) as u64;
        if count > possible {
            return Err(WireError::Truncated.into());
        }
        let mut writes: Vec<Write> = Vec::new();
        for _ in 0..count {
            let key = reader.bytes()?.to_vec();
            let value = match reader.choice(2)? {
                0 => None,
                _ => Some(reader.bytes()?.to_vec()),
            };
            if writes.last().is_some_and(|last| last.key >= key) {
                return Err(WireError::Disorder.into());
            }
            writes.push(Write { key, value });
        }
        let receipt = Self {
            record,
            inclusion,
            writes,
            transition: reader.bytes()?.to_vec(),
            manifest: reader.bytes()?.to_vec(),
            certificate: reader.bytes()?.to_vec(),
            seal: reader.bytes()?.to_vec(),
        };
        reader.end()?;
        Ok(receipt)
    }
}

const MAGIC: &[u8] = b"DIOTEC360 receipt\n";
const VERSION: u8 = 1;
