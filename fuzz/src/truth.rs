//! Whether a verified proof says anything that is not so.

use std::ops::RangeBounds;

use merkle_core::{Hasher, Lookup, TransitionError, Value, View};

use crate::{Change, Model, Span, batch, change, map_root};

/// Asks `view`, which is of a map that holds `model`, for `keys`, for ranges and prefixes of them,
/// and for where `changes` lead. Each answer must be true or that the proof does not cover it.
pub fn check_view<H: Hasher>(
    hasher: &H,
    view: &View<'_, H>,
    model: &Model,
    keys: &[Vec<u8>],
    spans: &[Span],
    changes: &[Change],
) {
    for key in model.keys().chain(keys) {
        match (view.get(key), model.get(key)) {
            (Lookup::Present(found), Some(value)) => check_value(hasher, found, value),
            (Lookup::Absent, None) | (Lookup::NotCovered, _) => {}
            (found, value) => panic!("{key:02x?} is {value:02x?}, not {found:02x?}"),
        }
    }
    for span in spans {
        let range = span.of(keys);
        let Ok(found) = view.range(range) else {
            continue;
        };
        let expected = model
            .iter()
            .filter(|(key, _)| RangeBounds::<[u8]>::contains(&range, &key[..]));
        check_entries(hasher, found, expected);
    }
    for prefix in keys.iter().map(Vec::as_slice).chain([&[][..]]) {
        let Ok(found) = view.prefix(prefix) else {
            continue;
        };
        let expected = model.iter().filter(|(key, _)| key.starts_with(prefix));
        check_entries(hasher, found, expected);
    }
    match view.apply(&batch(changes)) {
        Ok(root) => {
            let mut after = model.clone();
            change(&mut after, changes);
            assert_eq!(root, map_root(hasher, &after), "the transition is another");
        }
        Err(TransitionError::NotCovered { .. }) => {}
        // The root is that of a map, so all below it is in order.
        Err(error) => panic!("{error}"),
    }
}

fn check_entries<'v, H: Hasher>(
    hasher: &H,
    mut found: impl DoubleEndedIterator<Item = (&'v [u8], Value<'v>)> + Clone,
    mut expected: impl DoubleEndedIterator<Item = (&'v Vec<u8>, &'v Vec<u8>)> + Clone,
) {
    assert!(
        found
            .clone()
            .rev()
            .map(|(key, _)| key)
            .eq(expected.clone().rev().map(|(key, _)| key)),
        "backwards there are other keys"
    );
    loop {
        match (found.next(), expected.next()) {
            (None, None) => return,
            (Some((key, value)), Some((expected, content))) if key == expected => {
                check_value(hasher, value, content);
            }
            (found, expected) => panic!("{expected:02x?} belongs here, not {found:02x?}"),
        }
    }
}

fn check_value<H: Hasher>(hasher: &H, found: Value<'_>, expected: &[u8]) {
    match found.bytes() {
        Some(bytes) => assert_eq!(bytes, expected, "another value"),
        None => assert_eq!(found.hash(hasher), hasher.value(expected), "another digest"),
    }
}
