//! Commits whose metadata is made of what they lead to, and making commits again elsewhere.

use merkle_core::Batch;

use crate::{Backend, CommitError, CommitOptions, Options, RealityDb, TooLarge};

fn memory() -> RealityDb {
    RealityDb::open("unused", &Options::new().backend(Backend::Memory)).unwrap()
}

/// Commits `groups` of batches, one key in each four deleted, and some batches empty.
fn fill(db: &RealityDb, groups: u8) {
    for group in 0..groups {
        let keys: Vec<Vec<u8>> = (0..40).map(|key| vec![key, key ^ 7]).collect();
        let batches: Vec<Batch<'_>> = (0..group % 5)
            .map(|at| {
                let mut batch = Batch::new();
                for (nth, key) in keys.iter().enumerate().skip(usize::from(at + group) % 11) {
                    if at == 3 {
                        break;
                    }
                    match nth % 4 {
                        0 => batch.delete(key).unwrap(),
                        _ => batch.put(key, &key[..1]).unwrap(),
                    };
                }
                batch
            })
            .collect();
        let time = CommitOptions::new().time_ns(u64::from(group));
        let commits: Vec<_> = batches.iter().map(|batch| (batch, time)).collect();
        let mut before = db.version();
        let versions = db
            .commit_staged(&commits, |at, staged| {
                let view = staged.transition.verify(&db.profile(), &before.root);
                assert_eq!(view.unwrap().apply(&batches[at]).unwrap(), staged.root);
                assert_eq!(staged.root_before, before.root);
                before = crate::Version {
                    number: staged.number,
                    root: staged.root,
                };
                staged.root.to_string().into_bytes()
            })
            .unwrap();
        assert_eq!(versions.len(), batches.len());
    }
}

#[test]
fn metadata_and_proofs_are_of_what_each_commit_leads_to() {
    let db = memory();
    fill(&db, 30);
    for info in db.infos(1..=db.version().number).unwrap() {
        let info = info.unwrap();
        assert_eq!(info.metadata, info.version.root.to_string().as_bytes());
    }
}

#[test]
fn commits_made_again_elsewhere_lead_to_the_same_roots() {
    let db = memory();
    fill(&db, 30);
    let again = memory();
    for commit in db.commits(1..=db.version().number).unwrap() {
        let commit = commit.unwrap();
        let mut batch = Batch::new();
        for (key, value) in &commit.changes {
            match value {
                Some(value) => batch.put(key, value).unwrap(),
                None => batch.delete(key).unwrap(),
            };
        }
        let options = CommitOptions::new()
            .metadata(&commit.info.metadata)
            .number(commit.info.version.number)
            .time_ns(commit.info.time_ns);
        let version = again.commit_with(&batch, &options).unwrap();
        assert_eq!(version, commit.info.version);
        let info = again.info(version.number).unwrap();
        assert_eq!(info, commit.info);
    }
}

#[test]
fn metadata_too_large_leaves_the_group_out() {
    let db = memory();
    fill(&db, 8);
    let before = db.version();
    let mut batch = Batch::new();
    batch.put(b"new", b"1").unwrap();
    let commits = [(&batch, CommitOptions::new()); 2];
    let refused = db.commit_staged(&commits, |at, _| vec![0; at << 21]);
    assert!(matches!(
        refused,
        Err(CommitError::TooLarge(TooLarge::Metadata { .. }))
    ));
    assert_eq!((db.version(), db.get(b"new").unwrap()), (before, None));
    db.put(b"new", b"2").unwrap();
    assert_eq!(db.version().number, before.number + 1);
}
