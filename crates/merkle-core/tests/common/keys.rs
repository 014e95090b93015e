//! Keys that are hard on a trie: prefixes of each other, one bit apart, of 1 and of 1024 bytes,
//! with tails of zeros and of ones.
#![allow(dead_code, reason = "each test crate uses a part of it")]

use std::ops::Range;

use merkle_core::KEY_BYTES_MAX;
use proptest::prelude::*;

use crate::model::{Changes, Entries};

pub(crate) fn key() -> impl Strategy<Value = Vec<u8>> {
    let lens = || prop_oneof![1..10_usize, Just(KEY_BYTES_MAX - 1), Just(KEY_BYTES_MAX)];
    prop_oneof![
        3 => proptest::collection::vec(0..3_u8, 1..6),
        2 => proptest::collection::vec(any::<u8>(), 1..4),
        1 => proptest::collection::vec(any::<u8>(), 32),
        1 => (lens(), any::<bool>()).prop_map(|(len, ones)| vec![u8::from(ones) * 0xff; len]),
        // A long key with a single bit that may differ.
        1 => (0..8 * KEY_BYTES_MAX, any::<bool>()).prop_map(|(bit, set)| {
            let mut key = vec![0x55; KEY_BYTES_MAX];
            key[bit / 8] ^= u8::from(set) << (bit % 8);
            key
        }),
    ]
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    let lens = prop_oneof![3 => 0..40_usize, 1 => 250..300_usize];
    (lens, any::<u8>()).prop_map(|(len, byte)| vec![byte; len])
}

pub(crate) fn entries(len: Range<usize>) -> impl Strategy<Value = Entries> {
    proptest::collection::btree_map(key(), value(), len)
}

pub(crate) fn changes(len: Range<usize>) -> impl Strategy<Value = Changes> {
    let value = proptest::option::weighted(0.6, value());
    proptest::collection::btree_map(key(), value, len)
}
