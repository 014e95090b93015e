//! Export and import against what was in the database.

mod hostile;
mod resume;

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use merkle_core::Batch;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use super::stages::{self, Stage, go_on, options};
use crate::engine::End;
use crate::transfer::file::ExportFile;
use crate::transfer::import::{import, options_of};
use crate::{
    Backend, CommitOptions, ExportOptions, ImportError, KeyMode, Options, Profile, ReadError,
    RealityDb, Retention, TransferProgress, verify_export,
};

type Content = BTreeMap<Vec<u8>, Vec<u8>>;

fn memory() -> Options {
    options().backend(Backend::Memory)
}

/// A hundred entries, some of them empty, some large.
fn content() -> Content {
    let entry = |i: usize| {
        let key = format!("account/{:04}", i * 7919 % 1000).into_bytes();
        (key, vec![7; i % 9 * (i % 5)])
    };
    (0..100).map(entry).collect()
}

fn commit(db: &RealityDb, content: &Content, number: u64) {
    let mut batch = Batch::new();
    for (key, value) in content {
        batch.put(key, value).unwrap();
    }
    let options = CommitOptions::new().number(number);
    db.commit_with(&batch, &options).unwrap();
}

fn database(content: &Content, number: u64, options: &Options) -> RealityDb {
    let db = RealityDb::open("unused", &options.clone().backend(Backend::Memory)).unwrap();
    commit(&db, content, number);
    db
}

fn export(db: &RealityDb, chunk_bytes: usize) -> Vec<u8> {
    let mut file = Vec::new();
    let options = ExportOptions::new().chunk_bytes(chunk_bytes);
    let snapshot = db.snapshot().unwrap();
    let report = snapshot.export(&mut file, &options, go_on).unwrap();
    assert_eq!(report.bytes, file.len() as u64);
    assert_eq!(report.entries, snapshot.len().unwrap());
    assert_eq!(report.version, db.version());
    file
}

/// An import in commits of `commit_bytes`.
fn import_on(
    stage: &Stage,
    options: &Options,
    file: &[u8],
    commit_bytes: usize,
    control: &mut dyn FnMut(TransferProgress) -> ControlFlow<()>,
) -> Result<RealityDb, ImportError> {
    let file = ExportFile::open(file, options.expected)?;
    let options = options_of(file.header(), &stage.options(options))?;
    let (storage, format) = stage.storage(&options)?;
    import(storage, format, &options, file, commit_bytes, control)
}

fn assert_same(copy: &RealityDb, db: &RealityDb, content: &Content) {
    assert_eq!(copy.version(), db.version());
    assert_eq!(copy.profile(), db.profile());
    assert_eq!(copy.key_mode(), db.key_mode());
    let snapshot = copy.snapshot().unwrap();
    assert_eq!(snapshot.len().unwrap(), content.len() as u64);
    for (key, value) in content {
        assert_eq!(copy.get(key).unwrap().as_ref(), Some(value));
    }
    if copy.key_mode() == KeyMode::Ordered {
        let found: Content = snapshot.iter().unwrap().map(Result::unwrap).collect();
        assert_eq!(&found, content);
    }
}

/// Nothing but the exported version can be read.
fn assert_one_version(copy: &RealityDb) {
    let newest = copy.version().number;
    assert_eq!(copy.oldest().unwrap(), newest);
    if let Some(before) = newest.checked_sub(1) {
        for version in [0, 1.min(before), before] {
            let refused = copy.at(version).map(|_| ());
            let is_pruned =
                matches!(refused, Err(ReadError::Pruned { oldest, .. }) if oldest == newest);
            assert!(is_pruned, "{refused:?}");
            assert!(copy.info(version).is_err());
            assert!(copy.diff(version, newest).is_err());
            assert!(copy.name_snapshot("partial", version).is_err());
        }
    }
    copy.at(newest).unwrap();
}

fn entries() -> impl Strategy<Value = Content> {
    let key = prop_oneof![
        3 => vec(0u8..5, 1..4),
        2 => vec(any::<u8>(), 2),
        1 => (1usize..60).prop_map(|len| vec![1; len]),
    ];
    let value = prop_oneof![4 => vec(any::<u8>(), 0..9), 1 => vec(any::<u8>(), 90..5000)];
    btree_map(key, value, 0..150)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn brings_back_what_was_there(
        old in entries(),
        content in entries(),
        number in 0u64..30,
        hashed in any::<bool>(),
        blake3 in any::<bool>(),
        checkpointed in any::<bool>(),
        chunk_bytes in prop_oneof![0usize..400, Just(1 << 20)],
        commit_bytes in prop_oneof![0usize..400, Just(1 << 20)],
    ) {
        let options = memory()
            .cache_bytes(0)
            .profile(if blake3 { Profile::Blake3 } else { Profile::Sha256 })
            .key_mode(if hashed { KeyMode::Hashed } else { KeyMode::Ordered });
        let db = database(&old, 1, &options);
        if checkpointed {
            db.checkpoint(|_| ControlFlow::Continue(())).unwrap();
        }
        let content: Content = old.into_iter().chain(content).collect();
        commit(&db, &content, 2 + number);

        let file = export(&db, chunk_bytes);
        prop_assert_eq!(&file, &export(&db, chunk_bytes));
        let version = db.version();
        let header = verify_export(&file[..], Some((version.number, version.root)), go_on).unwrap();
        prop_assert_eq!(header.entries, content.len() as u64);

        let stage = Stage::memory();
        let copy = import_on(&stage, &stages::options(), &file, commit_bytes, &mut go_on).unwrap();
        assert_same(&copy, &db, &content);
        assert_one_version(&copy);
        // What is exported from the copy is the same, byte for byte.
        prop_assert_eq!(&file, &export(&copy, chunk_bytes));

        drop(copy);
        let copy = stage.open(&stages::options().expect(version.number, version.root)).unwrap();
        assert_same(&copy, &db, &content);
        assert_one_version(&copy);
        copy.put(b"more", b"1").unwrap();
        copy.at(version.number).unwrap();
    }
}

#[test]
fn an_empty_version_has_one_empty_chunk() {
    for number in [0, 5] {
        let db = RealityDb::open("unused", &memory()).unwrap();
        if number > 0 {
            commit(&db, &Content::new(), number);
        }
        let file = export(&db, 100);
        assert_eq!(file.len(), 91 + 5 + 4 + 3 + 41);
        let copy = RealityDb::import("unused", &memory(), &file[..], go_on).unwrap();
        assert_same(&copy, &db, &Content::new());
    }
}

/// Where a store that began on sled goes, one after the other: from every engine to every other.
#[cfg(feature = "sled")]
const ROUND: &[Backend] = &[
    Backend::Memory,
    #[cfg(feature = "rocksdb")]
    Backend::RocksDb,
    #[cfg(feature = "rocksdb")]
    Backend::Sled,
    #[cfg(feature = "rocksdb")]
    Backend::RocksDb,
    #[cfg(feature = "rocksdb")]
    Backend::Memory,
    Backend::Sled,
];

#[cfg(feature = "sled")]
#[test]
fn moves_between_backends() {
    for keys in [KeyMode::Ordered, KeyMode::Hashed] {
        let folder = tempfile::tempdir().unwrap();
        let content = content();
        let sled = options().backend(Backend::Sled).key_mode(keys);
        let first = RealityDb::open(folder.path().join("first"), &sled).unwrap();
        commit(&first, &content, 1);
        commit(&first, &content, 9);

        let mut file = export(&first, 500);
        for (at, backend) in ROUND.iter().enumerate() {
            let path = folder.path().join(at.to_string());
            let asked = options().backend(*backend);
            let mut copy = RealityDb::import(&path, &asked, &file[..], go_on).unwrap();
            assert_same(&copy, &first, &content);
            if *backend != Backend::Memory {
                drop(copy);
                copy = RealityDb::open(&path, &asked).unwrap();
                assert_same(&copy, &first, &content);
                let format = std::fs::read_to_string(path.join(crate::format::FILE)).unwrap();
                assert!(format.contains(&format!("backend {}\n", backend.name())));
            }
            assert_one_version(&copy);
            file = export(&copy, 300 + at);
        }
    }
}

#[test]
fn an_export_that_is_ended_is_no_export() {
    let db = database(&content(), 3, &options());
    for chunks in 1..4 {
        let mut file = Vec::new();
        let mut control = |progress: TransferProgress| match progress.chunks == chunks {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        };
        let options = ExportOptions::new().chunk_bytes(200);
        let snapshot = db.snapshot().unwrap();
        let error = snapshot
            .export(&mut file, &options, &mut control)
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("the export was ended after {chunks} chunks")
        );
        assert!(verify_export(&file[..], None, go_on).is_err());
    }
}

#[test]
fn an_export_lets_go_of_what_it_loads() {
    let content: Content = (0..30_000u32)
        .map(|i| (i.to_be_bytes().to_vec(), vec![1; 50]))
        .collect();
    let db = database(&content, 3, &options().cache_bytes(0));
    db.checkpoint(|_| ControlFlow::Continue(())).unwrap();
    let snapshot = db.snapshot().unwrap();
    let before = snapshot.state().unwrap();
    let outside = |state: &crate::state::State| {
        let catalogue = state.catalogue().unwrap();
        let is_outside = |subtree| state.map().entries(&subtree).is_none();
        catalogue
            .subtrees()
            .filter(|subtree| is_outside(subtree.clone()))
            .count()
    };
    let all = outside(&before);
    assert!(all > 500, "{all}");
    assert_same(
        &RealityDb::import("unused", &memory(), &export(&db, 10_000)[..], go_on).unwrap(),
        &db,
        &content,
    );
    assert_eq!(outside(&snapshot.state().unwrap()), all);
    assert_eq!(outside(&db.snapshot().unwrap().state().unwrap()), all);
}

#[test]
fn the_commits_of_an_import_are_no_versions_that_a_retention_keeps() {
    let content = content();
    let file = export(&database(&content, 1000, &options()), 500);
    let options = options().retention(Retention::Last(3));
    let copy = import_on(&Stage::memory(), &options, &file, 300, &mut go_on).unwrap();
    for (number, oldest) in [(1000, 1000), (1001, 1000), (1002, 1000), (1003, 1001)] {
        if number > 1000 {
            commit(&copy, &content, number);
        }
        copy.checkpoint(|_| ControlFlow::Continue(())).unwrap();
        assert_eq!(copy.journal().edge(End::First).unwrap(), Some(oldest));
    }
}
