//! What the caller knows of a database: whatever else is there is refused, and left as it is.

use std::ops::ControlFlow;

use super::stages::{Stage, options};
use crate::{Damage, Hash, OpenError, Options, RealityDb, Retention, Version};

/// Commits versions up to `last`, with a checkpoint after the fifth and the tenth; all of them.
fn commit(db: &RealityDb, last: u64, salt: u8) -> Vec<Version> {
    let mut versions = vec![db.version()];
    while db.version().number < last {
        let number = db.version().number + 1;
        versions.push(db.put(&number.to_be_bytes(), &[salt; 20]).unwrap());
        if number.is_multiple_of(5) {
            db.checkpoint(|_| ControlFlow::Continue(())).unwrap();
        }
    }
    versions
}

fn expecting(version: Version) -> Options {
    options().expect(version.number, version.root)
}

#[cfg(feature = "sled")]
#[test]
fn a_database_that_is_not_there_is_not_made() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let expecting = options().expect(3, Hash::from_bytes([7; 32]));
    for _ in 0..2 {
        let refused = RealityDb::open(&path, &expecting).err().unwrap();
        assert!(matches!(refused, OpenError::NotFound { .. }), "{refused}");
        assert!(!path.exists());
    }
    // Nor where the folder is there, and empty.
    std::fs::create_dir(&path).unwrap();
    let refused = RealityDb::open(&path, &expecting).err().unwrap();
    assert!(matches!(refused, OpenError::NotFound { .. }), "{refused}");
    assert_eq!(std::fs::read_dir(&path).unwrap().count(), 0);
}

#[cfg(feature = "sled")]
#[test]
fn a_fork_is_told_from_the_database_at_every_version() {
    fn copy(from: &std::path::Path, to: &std::path::Path) {
        std::fs::create_dir_all(to).unwrap();
        for entry in std::fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            let target = to.join(entry.file_name());
            match entry.file_type().unwrap().is_dir() {
                true => copy(&entry.path(), &target),
                false => drop(std::fs::copy(entry.path(), target).unwrap()),
            }
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let (ours, theirs) = (folder.path().join("ours"), folder.path().join("theirs"));
    commit(&RealityDb::open(&ours, &options()).unwrap(), 3, 0);
    copy(&ours, &theirs);
    let our_versions = commit(&RealityDb::open(&ours, &options()).unwrap(), 12, 1);
    commit(&RealityDb::open(&theirs, &options()).unwrap(), 12, 2);
    for version in our_versions {
        RealityDb::open(&ours, &expecting(version)).unwrap();
        match RealityDb::open(&theirs, &expecting(version)) {
            Ok(db) => assert_eq!((version.number, db.version().number), (3, 12)),
            Err(OpenError::Unexpected { version: at, .. }) => {
                assert!(at == version.number && at > 3, "{at} of {version:?}");
            }
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn a_root_that_was_written_into_a_record_is_not_believed() {
    for number in [2_u64, 5, 7, 10, 11] {
        println!("version {number}");
        let stage = Stage::memory();
        let versions = commit(&stage.open(&options()).unwrap(), 12, 1);
        let known = versions[usize::try_from(number).unwrap()];
        let forged = Version {
            root: Hash::from_bytes([7; 32]),
            ..known
        };
        stage.edit_record(number, |record| {
            let root = known.root.as_bytes();
            let at = (0..record.len() - 32).find(|at| &record[*at..at + 32] == root);
            record[at.unwrap()..][..32].copy_from_slice(forged.root.as_bytes());
        });
        let options = expecting(forged).accept_damage(true);
        let refused = stage.open(&options).err().unwrap();
        assert!(
            matches!(
                refused,
                OpenError::Damaged(Damage::Chain { .. } | Damage::Record { .. })
                    | OpenError::Unexpected { .. }
            ),
            "{refused}"
        );
    }
}

#[test]
fn a_version_that_is_pruned_is_told_from_one_that_never_was() {
    let stage = Stage::memory();
    let options = options().retention(Retention::Last(2));
    let versions = commit(&stage.open(&options).unwrap(), 12, 1);
    let expect = |version: Version| {
        let options = options.clone().expect(version.number, version.root);
        stage.open(&options)
    };
    let oldest = stage.open(&options).unwrap().oldest().unwrap();
    assert!(oldest > 3);
    for version in versions {
        match expect(version) {
            Ok(_) => assert!(version.number >= oldest),
            Err(OpenError::ExpectedPruned {
                version: asked,
                oldest: told,
            }) => {
                assert!(asked == version.number && asked < oldest && told == oldest);
            }
            Err(error) => panic!("{error}"),
        }
    }
    let db = stage.open(&options).unwrap();
    let mut later = db.version();
    later.number += 1;
    drop(db);
    assert!(matches!(expect(later), Err(OpenError::Unexpected { .. })));
}
