#![doc = include_str!("../README.md")]
#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod hash;
mod hasher;
mod map;
mod proof;

pub use hash::Hash;
pub use hasher::{Blake3, Hasher, Sha256};
pub use map::{
    Batch, Difference, Differences, Entries, KEY_BYTES_MAX, KeyError, Map, REFERENCE_BYTES_MAX,
    Value,
};
pub use proof::{
    DecodeError, Lookup, NotCovered, Proof, ProofError, Query, Revealed, TransitionError, View,
};
