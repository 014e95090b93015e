//! What a live trail publishes, verified by other implementations: `tlog_tiles` and `signed_note`.
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a failed unwrap is a failed test; numbers are drawn below small bounds"
)]

#[path = "common/dice.rs"]
mod dice;
#[path = "common/samples.rs"]
mod samples;

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use vigilance::{Depth, Health, Options, Trail};

/// Serves the files of a folder.
struct Served<'f>(&'f Path);

impl tlog_tiles::TileReader for Served<'_> {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(&self, tiles: &[tlog_tiles::Tile]) -> Result<Vec<Vec<u8>>, tlog_tiles::Error> {
        // Its paths have the tile height in them.
        let read = |tile: &tlog_tiles::Tile| {
            let path = tile.path().replacen("tile/8/", "tile/", 1);
            fs::read(self.0.join(&path)).unwrap_or_else(|_| panic!("{path}"))
        };
        Ok(tiles.iter().map(read).collect())
    }

    fn save_tiles(&self, _: &[tlog_tiles::Tile], _: &[Vec<u8>]) {}
}

/// The head of the checkpoint in a folder, as the others read it.
fn their_head(folder: &Path) -> (u64, tlog_tiles::Hash) {
    let bytes = fs::read(folder.join("checkpoint")).unwrap();
    let note = signed_note::Note::from_bytes(&bytes).unwrap();
    let key = samples::key().verifier_key().to_string();
    let verifier = signed_note::StandardVerifier::new(&key).unwrap();
    let known = signed_note::VerifierList::new(vec![Box::new(verifier)]);
    let (verified, _) = note.verify(&known).unwrap();
    assert_eq!(verified.len(), 1);
    let checkpoint = tlog_tiles::Checkpoint::from_bytes(note.text()).unwrap();
    assert_eq!(checkpoint.origin(), samples::ORIGIN);
    (checkpoint.size(), *checkpoint.hash())
}

/// The entries of a log, from the bundles in a folder.
fn entries(folder: &Path, size: u64) -> Vec<Vec<u8>> {
    let mut entries = Vec::new();
    for tile in 0..size.div_ceil(256) {
        let width = (size - tile * 256).min(256);
        let partial = if width < 256 {
            format!(".p/{width}")
        } else {
            String::new()
        };
        let bytes = fs::read(folder.join(format!("tile/entries/{tile:03}{partial}"))).unwrap();
        let mut rest = &bytes[..];
        while let [high, low, after @ ..] = rest {
            let len = usize::from(*high) << 8 | usize::from(*low);
            entries.push(after[..len].to_vec());
            rest = &after[len..];
        }
    }
    entries
}

#[test]
fn others_verify_what_a_live_trail_publishes() {
    let folder = tempfile::tempdir().unwrap();
    let site = tempfile::tempdir().unwrap();
    let trail = Trail::open(folder.path(), &samples::options()).unwrap();
    let mut before: Option<(u64, tlog_tiles::Hash)> = None;
    for size in [1, 255, 256, 700, 1500] {
        trail
            .append_all((trail.size()..size).map(samples::record).collect())
            .unwrap();
        trail.export_tiles(site.path()).unwrap();
        let (their_size, root) = their_head(site.path());
        assert_eq!(their_size, size);
        let served = Served(site.path());
        let reader = tlog_tiles::TileHashReader::new(size, root, &served);
        assert!(tlog_tiles::tree_hash(size, &reader).unwrap() == root);
        let entries = entries(site.path(), size);
        assert_eq!(entries.len() as u64, size);
        for (index, entry) in (0..).zip(&entries).step_by(37) {
            assert_eq!(entry, &samples::record(index).encode().unwrap().canonical);
            let leaf = tlog_tiles::record_hash(entry);
            let proof = trail.prove_inclusion(index, size).unwrap();
            let proof: Vec<_> = proof
                .hashes()
                .iter()
                .map(|hash| tlog_tiles::Hash(*hash.as_bytes()))
                .collect();
            assert!(tlog_tiles::check_record(&proof, size, root, index, leaf).is_ok());
            assert!(proof == tlog_tiles::prove_record(size, index, &reader).unwrap());
        }
        if let Some((old, old_root)) = before {
            let proof = tlog_tiles::prove_tree(size, old, &reader).unwrap();
            assert!(tlog_tiles::check_tree(&proof, size, root, old, old_root).is_ok());
        }
        before = Some((size, root));
    }
}

#[test]
fn a_backup_is_a_trail_and_an_older_one_in_its_place_is_found() {
    let root = tempfile::tempdir().unwrap();
    let [live, copy, empty] = ["live", "copy", "empty"].map(|name| root.path().join(name));
    let trail = Trail::open(&live, &samples::options()).unwrap();
    trail
        .append_all((0..900).map(samples::record).collect())
        .unwrap();
    let writer = {
        let trail = trail.clone();
        std::thread::spawn(move || {
            for number in 900..1100 {
                trail.append(samples::record(number)).unwrap();
            }
        })
    };
    let mut calls = 0;
    let head = trail
        .backup(&copy, |_| {
            calls += 1;
            ControlFlow::Continue(())
        })
        .unwrap();
    writer.join().unwrap();
    assert!(calls > 0 && head.size.get() >= 900);
    assert!(trail.backup(&copy, |_| ControlFlow::Continue(())).is_err());
    assert!(trail.backup(&empty, |_| ControlFlow::Break(())).is_err());
    let note = trail.checkpoint().unwrap();
    drop(trail);

    let backup = Trail::open(&copy, &samples::options()).unwrap();
    assert_eq!((backup.health(), backup.head()), (Health::Sound, head));
    let report = backup
        .verify(Depth::Pages, |_| ControlFlow::Continue(()))
        .unwrap();
    assert_eq!(report.damage, []);
    backup.append(samples::record(5000)).unwrap();
    drop(backup);

    // The database alone, beside newer marks; then everything, against a checkpoint that was kept.
    fs::remove_file(live.join("trail.db")).unwrap();
    fs::copy(copy.join("trail.db"), live.join("trail.db")).unwrap();
    let older = Trail::open(&live, &samples::options()).unwrap();
    assert!(
        matches!(older.health(), Health::Panic(_)),
        "{:?}",
        older.health()
    );
    drop(older);
    let all: Options = samples::options().expect_checkpoint(note);
    let older = Trail::open(&copy, &all).unwrap();
    assert!(matches!(older.health(), Health::Panic(_)));
}

#[test]
fn what_was_moved_out_is_read_proved_and_checked_as_before() {
    let folder = tempfile::tempdir().unwrap();
    let trail = Trail::open(folder.path(), &samples::options()).unwrap();
    trail
        .append_all((0..1500).map(samples::record).collect())
        .unwrap();
    let head = trail.head();
    let expected: Vec<_> = (0..1500)
        .map(|index| trail.record(index).unwrap())
        .collect();
    assert!(trail.seal(200, Some(1)).unwrap().is_none());
    let sealed = trail.seal(600, Some(1)).unwrap().unwrap();
    assert_eq!((sealed.first, sealed.past), (0, 512));
    let sealed = trail.seal(u64::MAX, Some(2)).unwrap().unwrap();
    assert_eq!((sealed.first, sealed.past), (512, 1280));
    let check = |trail: &Trail| {
        for (index, expected) in (0..).zip(&expected).step_by(7) {
            assert_eq!(trail.record(index).unwrap(), *expected);
            let proof = trail.prove_inclusion(index, 1500).unwrap();
            assert!(proof.verify_entry(&expected.canonical, &head).is_ok());
        }
        let report = trail
            .verify(Depth::Pages, |_| ControlFlow::Continue(()))
            .unwrap();
        assert_eq!(report.damage, []);
        assert!(report.is_complete);
    };
    check(&trail);
    drop(trail);
    let trail = Trail::open(folder.path(), &samples::options()).unwrap();
    check(&trail);
    let index = (0..512)
        .find(|at| !expected[*at as usize].record.erasable().is_empty())
        .unwrap();
    let erased = vigilance::Erasure::Records([index].into());
    assert_eq!(trail.erase(&erased, 3).unwrap().records.len(), 1);
    let rebuilt = trail.rebuild(|_| ControlFlow::Continue(())).unwrap();
    assert_eq!(rebuilt.damage, []);
    assert_eq!(trail.health(), Health::Sound);
    let copy = tempfile::tempdir().unwrap();
    trail
        .backup(copy.path(), |_| ControlFlow::Continue(()))
        .unwrap();
    drop(trail);

    // A bit of a segment; then the whole file.
    let file = folder.path().join("segments").join(&sealed.file);
    let good = fs::read(&file).unwrap();
    for at in [5, 100, good.len() / 2, good.len() - 1] {
        let mut bad = good.clone();
        bad[at] ^= 1;
        fs::write(&file, bad).unwrap();
        let trail = Trail::open(folder.path(), &samples::options()).unwrap();
        let report = trail
            .verify(Depth::Content, |_| ControlFlow::Continue(()))
            .unwrap();
        assert!(
            report
                .damage
                .iter()
                .any(|it| it.to_string().contains(&sealed.file)),
            "{at}"
        );
        fs::write(&file, &good).unwrap();
    }
    fs::remove_file(&file).unwrap();
    let trail = Trail::open(folder.path(), &samples::options()).unwrap();
    assert!(matches!(
        trail.record(600),
        Err(vigilance::ReadError::Pruned { index: 600, .. })
    ));
    assert!(trail.record(100).is_ok());
    let trail = Trail::open(copy.path(), &samples::options()).unwrap();
    assert!(trail.record(600).is_ok());
}
