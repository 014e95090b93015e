use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use super::*;

fn header() -> impl Strategy<Value = Header> {
    let kind = prop_oneof![
        Just(CommitKind::Genesis),
        Just(CommitKind::Changes),
        any::<u64>().prop_map(|to| CommitKind::Rollback { to: to / 2 }),
        Just(CommitKind::Import { version: u64::MAX }),
    ];
    (kind, any::<[u64; 4]>(), any::<[[u8; 32]; 3]>()).prop_map(|(kind, numbers, hashes)| {
        let [number, previous_version, time_ns, entries] = numbers;
        let version = match kind {
            CommitKind::Genesis => 0,
            CommitKind::Rollback { to } => number.max(to + 1),
            _ => number.max(1),
        };
        let [root_before, root, previous_record] = hashes.map(Hash::from_bytes);
        Header {
            kind,
            version,
            previous_version,
            root_before,
            root,
            previous_record,
            time_ns,
            entries,
        }
    })
}

proptest! {
    #[test]
    fn decodes_what_was_encoded_and_nothing_else(
        header in header(),
        metadata in vec(any::<u8>(), 0..40),
        changes in btree_map(vec(any::<u8>(), 1..9), proptest::option::of(vec(any::<u8>(), 0..9)), 0..9),
        edit in any::<(prop::sample::Index, u8)>(),
    ) {
        let mut batch = Batch::new();
        for (key, value) in &changes {
            match value {
                Some(value) => batch.put(key, value).unwrap(),
                None => batch.delete(key).unwrap(),
            };
        }
        let encoded = Changes::encode(&batch).unwrap();
        prop_assert!(encoded.batch().changes().eq(batch.changes()));
        let bytes = header.encode(&metadata, &encoded);
        let record = Record::decode(&bytes).unwrap();
        prop_assert_eq!(record.header, header);
        prop_assert_eq!(record.metadata, &metadata[..]);
        prop_assert!(record.changes.changes().eq(batch.changes()));
        for len in 0..bytes.len() {
            prop_assert!(Record::decode(&bytes[..len]).is_err());
        }
        // Whatever decodes has these bytes and no others.
        let mut edited = bytes.clone();
        let at = edit.0.index(edited.len());
        edited[at] ^= edit.1;
        if let Ok(record) = Record::decode(&edited) {
            let changes = Changes::encode(&record.changes).unwrap();
            prop_assert_eq!(record.header.encode(record.metadata, &changes), edited);
        }
    }

    #[test]
    fn refuses_any_bytes_without_panic(bytes in vec(any::<u8>(), 0..400)) {
        prop_assert!(Record::decode(&bytes).is_err());
    }
}

#[test]
fn refuses_kinds_that_do_not_fit_the_version() {
    let header = |kind, version| Header {
        kind,
        version,
        previous_version: 0,
        root_before: Hash::default(),
        root: Hash::default(),
        previous_record: Hash::default(),
        time_ns: 0,
        entries: 0,
    };
    let bad = [
        header(CommitKind::Genesis, 1),
        header(CommitKind::Changes, 0),
        header(CommitKind::Rollback { to: 3 }, 3),
        header(CommitKind::Import { version: 2 }, 3),
    ];
    for header in bad {
        let bytes = header.encode(&[], &Changes::default());
        assert!(Record::decode(&bytes).is_err(), "{header:?}");
    }
}

#[test]
fn refuses_values_beyond_the_limit() {
    let value = vec![0; VALUE_BYTES_MAX + 1];
    let mut batch = Batch::new();
    batch.put(b"k", &value).unwrap();
    let error = Changes::encode(&batch).unwrap_err();
    assert_eq!(error, TooLarge::Value { len: value.len() });
    let mut batch = Batch::new();
    batch.put(b"k", &value[1..]).unwrap();
    assert!(Changes::encode(&batch).is_ok());
}
