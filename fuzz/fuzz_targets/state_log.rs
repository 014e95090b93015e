//! A log whose files somebody changed: what is read is what it held after one of its writes, in order,
//! and nothing panics.
#![no_main]

use std::collections::BTreeMap;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use merkle_fuzz::{Content, Key, Mutation, mutate};
use reality_db::fuzzing::{Log, Write};

#[derive(Arbitrary, Debug)]
struct Input {
    /// What each process writes before it ends, and how long its files get.
    sessions: Vec<(u8, Vec<Vec<(Key, Option<Content>)>>)>,
    damage: Vec<(bool, Mutation)>,
    /// Whether the files change places.
    swapped: bool,
}

/// All entries, after a write.
type Model = BTreeMap<Vec<u8>, Vec<u8>>;

fuzz_target!(|input: Input| {
    let log = Log::default();
    let mut models = vec![Model::new()];
    for (file_bytes, writes) in input.sessions.iter().take(3) {
        let writes: Vec<Write> = writes.iter().take(8).map(|write| changes(write)).collect();
        log.write(&writes, 64 + 8 * u64::from(*file_bytes))
            .expect("in memory");
        models.extend(
            writes
                .iter()
                .scan(models[models.len() - 1].clone(), |model, write| {
                    apply(model, write);
                    Some(model.clone())
                }),
        );
    }
    let entries = log.entries().expect("it is sound");
    assert!(entries.into_iter().eq(models[models.len() - 1].clone()));

    let mut files = log.files();
    for (second, mutation) in input.damage.iter().take(8) {
        if let Some((_, bytes)) = files.get_mut(usize::from(*second)) {
            mutate(bytes, std::slice::from_ref(mutation));
        }
    }
    if let (true, [(first, _), (second, _)]) = (input.swapped, &mut files[..]) {
        std::mem::swap(first, second);
    }
    for (name, bytes) in &files {
        log.replace(name, bytes);
    }
    let found: Model = log.entries().expect("in memory").into_iter().collect();
    assert!(models.contains(&found), "never was it like this");
    // It goes on from there, and what comes then stays.
    let more = vec![(b"key".to_vec(), Some(b"value".to_vec()))];
    log.write(std::slice::from_ref(&more), u64::MAX)
        .expect("in memory");
    let mut expected = found;
    apply(&mut expected, &more);
    let entries = log.entries().expect("it is sound");
    assert!(entries.into_iter().eq(expected));
});

fn changes(write: &[(Key, Option<Content>)]) -> Write {
    // The log has keys of its own behind all others.
    let change = |(key, value): &(Key, Option<Content>)| {
        let key = [b"k", &key.bytes()[..]].concat();
        (key, value.as_ref().map(Content::bytes))
    };
    write.iter().take(6).map(change).collect()
}

fn apply(model: &mut Model, write: &Write) {
    for (key, value) in write {
        match value {
            Some(value) => model.insert(key.clone(), value.clone()),
            None => model.remove(key),
        };
    }
}
