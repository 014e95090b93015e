//! How a proof looks to serde: its encoding, as base64 text where the format is for people and as
//! bytes where it is not. What comes in is decoded as any bytes are.

use alloc::vec::Vec;
use core::fmt;

use base64ct::{Base64, Encoding};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, SeqAccess, Visitor},
};

use super::Proof;

impl Serialize for Proof {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let bytes = self.encode();
        if serializer.is_human_readable() {
            serializer.serialize_str(&Base64::encode_string(&bytes))
        } else {
            serializer.serialize_bytes(&bytes)
        }
    }
}

impl<'de> Deserialize<'de> for Proof {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            deserializer.deserialize_str(Form)
        } else {
            deserializer.deserialize_bytes(Form)
        }
    }
}

struct Form;

impl<'de> Visitor<'de> for Form {
    type Value = Proof;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an encoded proof, as bytes or base64")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Proof, E> {
        let bytes = Base64::decode_vec(text).map_err(E::custom)?;
        self.visit_bytes(&bytes)
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Proof, E> {
        Proof::decode(bytes).map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Proof, A::Error> {
        // Grows with what is really there, whatever length the sequence claims.
        let mut bytes = Vec::new();
        while let Some(byte) = sequence.next_element()? {
            bytes.push(byte);
        }
        self.visit_bytes(&bytes)
    }
}
