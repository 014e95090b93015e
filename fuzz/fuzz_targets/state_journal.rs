//! A store whose journal has hostile records: opening says what is wrong or gets over it, what can be
//! read is what the sound records say, and nothing panics.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use merkle_core::Hash;
use merkle_fuzz::{Change, Content, Key, Mutation, batch, mutate};
use reality_db::{Batch, Depth, Health, Options, Profile, RealityDb, fuzzing::Store};
use std::collections::BTreeMap;
use std::ops::ControlFlow;

#[derive(Arbitrary, Debug)]
struct Input {
    blake3: bool,
    commits: Vec<Vec<(Key, Option<Content>)>>,
    /// What is done to which record.
    damage: Vec<(u8, Mutation)>,
    /// Records behind all others.
    more: Vec<Vec<u8>>,
}

/// Content of a version.
type Model = BTreeMap<Vec<u8>, Vec<u8>>;

fuzz_target!(|input: Input| {
    let options = Options::new()
        .profile(if input.blake3 {
            Profile::Blake3
        } else {
            Profile::Sha256
        })
        .background(false);
    let commits: Vec<Vec<Change>> = (input.commits.iter().take(6))
        .map(|changes| {
            let changes = changes.iter().take(12);
            changes
                .map(|(key, value)| (key.bytes(), value.as_ref().map(Content::bytes)))
                .collect()
        })
        .collect();
    let store = Store::default();
    let (models, roots) = fill(&store, &commits, &options);
    let sound = store.records();
    let mut records = sound.clone();
    for (at, mutation) in input.damage.iter().take(8) {
        let len = records.len().max(1);
        if let Some(record) = records.get_mut(usize::from(*at) % len) {
            mutate(record, std::slice::from_ref(mutation));
        }
    }
    records.extend(input.more.into_iter().take(3));
    let good = (sound.iter().zip(&records))
        .take_while(|(sound, found)| sound == found)
        .count();

    let whole = records.len() == good;
    store.replace(records);
    let opened = store.open(&options);
    if let Ok(db) = &opened {
        assert!(whole, "damage is not noticed");
        check(db, &models, &roots, good);
    } else {
        assert!(!whole, "a sound store is refused: {:?}", opened.err());
    }
    drop(opened);
    if let Ok(db) = store.open(&options.accept_damage(true)) {
        let version = usize::try_from(db.version().number).expect("few");
        // The newest record may say another time and nothing else: the mark knows its hash.
        let believed = version <= good || db.health() != Health::Sound;
        assert!(believed, "it believes a damaged record");
        check(&db, &models, &roots, version);
        if db.health() != Health::Sound {
            assert!(
                db.put(b"key", b"value").is_err(),
                "it is to take no commits"
            );
        }
    }
});

/// Commits to a store. What each version has, and its root.
fn fill(store: &Store, commits: &[Vec<Change>], options: &Options) -> (Vec<Model>, Vec<Hash>) {
    let db = store.open(options).expect("an empty store");
    let mut models = vec![Model::new()];
    let mut roots = vec![db.version().root];
    for changes in commits {
        let version = db.commit(&batch(changes)).expect("it is sound");
        let mut model = models[models.len() - 1].clone();
        for (key, value) in changes {
            match value {
                Some(value) => model.insert(key.clone(), value.clone()),
                None => model.remove(key),
            };
        }
        models.push(model);
        roots.push(version.root);
    }
    (models, roots)
}

fn check(db: &RealityDb, models: &[Model], roots: &[Hash], newest: usize) {
    assert_eq!(db.version().root, roots[newest]);
    for (version, model) in models.iter().enumerate().take(newest + 1) {
        let Ok(snapshot) = db.at(version as u64) else {
            assert_ne!(db.health(), Health::Sound);
            continue;
        };
        assert_eq!(snapshot.version().root, roots[version]);
        let entries: Result<Model, _> = snapshot.iter().expect("keys are ordered").collect();
        assert_eq!(&entries.expect("in memory"), model);
    }
    let report = db.verify_integrity(Depth::Roots, |_| ControlFlow::Continue(()));
    let clean = report.is_ok_and(|report| report.damage.is_empty());
    assert_eq!(clean, db.health() == Health::Sound);
    let mut lone = Batch::new();
    lone.put(b"key", b"value").expect("short");
    assert!(db.prepare(&lone).is_ok() || db.health() != Health::Sound);
}
