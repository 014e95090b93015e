//! How proofs, ranges and heads look to serde.
//!
//! The fields of a proof by name, hashes as hexadecimal text where the format is for people and
//! as 32 bytes where it is not. What comes in passes the same checks as decoded bytes, and a
//! sequence of hashes is refused once it is longer than any proof.

use alloc::vec::Vec;
use core::fmt;

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{CompactRange, ConsistencyProof, InclusionProof, LeafIndex, TreeSize};
use crate::Hash;

#[derive(Serialize, Deserialize)]
#[serde(rename = "InclusionProof", deny_unknown_fields)]
struct InclusionForm {
    index: LeafIndex,
    size: TreeSize,
    hashes: Hashes,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "ConsistencyProof", deny_unknown_fields)]
struct ConsistencyForm {
    old_size: TreeSize,
    new_size: TreeSize,
    hashes: Hashes,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "CompactRange", deny_unknown_fields)]
struct RangeForm {
    begin: u64,
    end: u64,
    hashes: Hashes,
}

impl Serialize for InclusionProof {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let hashes = Hashes(self.hashes().to_vec());
        InclusionForm {
            index: self.index(),
            size: self.size(),
            hashes,
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for InclusionProof {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let form = InclusionForm::deserialize(deserializer)?;
        Self::from_parts(form.index, form.size, form.hashes.0).map_err(D::Error::custom)
    }
}

impl Serialize for ConsistencyProof {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let hashes = Hashes(self.hashes().to_vec());
        let (old_size, new_size) = (self.old_size(), self.new_size());
        ConsistencyForm {
            old_size,
            new_size,
            hashes,
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for ConsistencyProof {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let form = ConsistencyForm::deserialize(deserializer)?;
        Self::from_parts(form.old_size, form.new_size, form.hashes.0).map_err(D::Error::custom)
    }
}

impl Serialize for CompactRange {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let hashes = Hashes(self.hashes().to_vec());
        RangeForm {
            begin: self.begin(),
            end: self.end(),
            hashes,
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for CompactRange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let form = RangeForm::deserialize(deserializer)?;
        Self::from_parts(form.begin, form.end, form.hashes.0).map_err(D::Error::custom)
    }
}

/// One hash, for `serde(with)`.
pub(crate) mod hash {
    use super::{Deserialize, Deserializer, Form, Hash, Serialize, Serializer};

    pub(crate) fn serialize<S: Serializer>(hash: &Hash, serializer: S) -> Result<S::Ok, S::Error> {
        Form(*hash).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Hash, D::Error> {
        Ok(Form::deserialize(deserializer)?.0)
    }
}

struct Form(Hash);

impl Serialize for Form {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(&self.0)
        } else {
            self.0.as_bytes().serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Form {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            deserializer.deserialize_str(Hexadecimal)
        } else {
            Ok(Self(Hash::from_bytes(Deserialize::deserialize(
                deserializer,
            )?)))
        }
    }
}

struct Hexadecimal;

impl Visitor<'_> for Hexadecimal {
    type Value = Form;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a hash of 64 lower-case hexadecimal digits")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Form, E> {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        };
        let bad = || E::invalid_value(serde::de::Unexpected::Str(text), &self);
        let (pairs, []) = text.as_bytes().as_chunks() else {
            return Err(bad());
        };
        let pairs: &[[u8; 2]; Hash::LEN] = pairs.try_into().map_err(|_| bad())?;
        let mut bytes = [0; Hash::LEN];
        for (byte, [high, low]) in bytes.iter_mut().zip(*pairs) {
            *byte = digit(high).ok_or_else(bad)? << 4 | digit(low).ok_or_else(bad)?;
        }
        Ok(Form(Hash::from_bytes(bytes)))
    }
}

/// The hashes of a proof or a range.
struct Hashes(Vec<Hash>);

impl Serialize for Hashes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|hash| Form(*hash)))
    }
}

impl<'de> Deserialize<'de> for Hashes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Sequence;

        impl<'de> Visitor<'de> for Sequence {
            type Value = Hashes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a sequence of at most {HASHES_MAX} hashes")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Hashes, A::Error> {
                let mut hashes = Vec::new();
                while let Some(Form(hash)) = sequence.next_element()? {
                    if hashes.len() == HASHES_MAX {
                        return Err(A::Error::invalid_length(HASHES_MAX + 1, &self));
                    }
                    hashes.push(hash);
                }
                Ok(Hashes(hashes))
            }
        }

        deserializer.deserialize_seq(Sequence)
    }
}

/// The most hashes that anything here can have: those of a range.
const HASHES_MAX: usize = 126;
