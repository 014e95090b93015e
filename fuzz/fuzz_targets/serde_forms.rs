//! Through serde passes what passes as bytes, and nothing else.
#![no_main]

use std::fmt::Debug;

use libfuzzer_sys::fuzz_target;
use merkle_core::{CompactRange, ConsistencyProof, InclusionProof, Proof, TreeHead};
use serde::{Serialize, de::DeserializeOwned};

fuzz_target!(|bytes: &[u8]| {
    check(bytes, Proof::decode, Proof::encode);
    check(bytes, InclusionProof::decode, InclusionProof::encode);
    check(bytes, ConsistencyProof::decode, ConsistencyProof::encode);
    check(bytes, CompactRange::decode, CompactRange::encode);
    if let Ok(head) = serde_json::from_slice::<TreeHead>(bytes) {
        assert_eq!(through_json(&head), head);
    }
});

/// Takes `bytes` for an encoding and for JSON: either way the value has both forms.
fn check<T, E>(bytes: &[u8], decode: fn(&[u8]) -> Result<T, E>, encode: fn(&T) -> Vec<u8>)
where
    T: Serialize + DeserializeOwned + PartialEq + Debug,
    E: PartialEq + Debug,
{
    if let Ok(value) = decode(bytes) {
        assert_eq!(through_json(&value), value);
    }
    if let Ok(value) = serde_json::from_slice::<T>(bytes) {
        assert_eq!(decode(&encode(&value)).as_ref(), Ok(&value));
        assert_eq!(through_json(&value), value);
    }
}

fn through_json<T: Serialize + DeserializeOwned>(value: &T) -> T {
    let text = serde_json::to_string(value).expect("it has a form");
    serde_json::from_str(&text).expect("its own form")
}
