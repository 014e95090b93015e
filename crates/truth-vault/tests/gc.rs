//! What is needed stays, what is not goes, and nobody is told of something that is about to go.
#![expect(
    clippy::unwrap_used,
    reason = "an unwrap that panics is how these tests fail"
)]

use std::collections::BTreeSet;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use truth_vault::{
    Address, Bundle, BundleAddress, Durability, GcError, GcOptions, GcReport, GetError, Kept,
    Options, Reference, RootError, Vault, VerificationStatus,
};

fn go_on<T>(_: T) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn open(path: &Path) -> Vault {
    Vault::open(path, &Options::new().segment_bytes(4096)).unwrap()
}

/// At a time in seconds, with a grace of ten of them.
fn at(second: u64) -> GcOptions {
    GcOptions::new(second * 1_000_000_000)
        .grace(Duration::from_secs(10))
        .dead_percent(0)
}

fn collect(vault: &Vault, second: u64) -> GcReport {
    vault.collect(&at(second), &mut go_on).unwrap()
}

fn blob(number: u8) -> Vec<u8> {
    vec![number; 700]
}

fn put(vault: &Vault, number: u8) -> Address {
    vault.put(&blob(number), Durability::None).unwrap()
}

fn bundle(number: u8) -> Bundle {
    let intent = format!("intent {number}");
    Bundle::new(blob(number), &intent, VerificationStatus::Proved, 7).unwrap()
}

fn all(vault: &Vault) -> BTreeSet<Address> {
    vault.list(None, usize::MAX).unwrap().into_iter().collect()
}

fn segments(path: &Path) -> usize {
    fs::read_dir(path.join("segments")).unwrap().count()
}

/// Overwrites a file, read-only or not, as somebody outside would.
fn overwrite(file: &Path, bytes: &[u8]) {
    let permissions = fs::metadata(file).map(|file| file.permissions());
    let _ = fs::remove_file(file);
    fs::write(file, bytes).unwrap();
    if let Ok(permissions) = permissions {
        fs::set_permissions(file, permissions).unwrap();
    }
}

#[test]
fn what_pins_leases_and_bundles_need_stays_and_the_rest_goes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vault");
    let vault = open(&path);
    let blobs: Vec<Address> = (0..60).map(|number| put(&vault, number)).collect();
    let meant = vault.put_bundle(&bundle(70), Durability::None).unwrap();
    let over = vault.put_bundle(&bundle(71), Durability::None).unwrap();
    assert!(vault.retire(&over).unwrap());
    assert!(!vault.retire(&over).unwrap(), "it is already");
    assert_eq!(vault.pin(&blobs[3..6]).unwrap(), []);
    let seconds = |seconds: u64| seconds * 1_000_000_000;
    assert_eq!(
        vault.lease("run 7", &blobs[9..11], seconds(30)).unwrap(),
        []
    );
    let mut needed: BTreeSet<Address> = [3, 4, 5, 9, 10].map(|at: usize| blobs[at]).into();
    needed.extend([meant.address(), Address::of(&blob(70))]);

    let first = collect(&vault, 0);
    assert_eq!((first.needed, first.unneeded), (7, 57));
    assert!(!first.condemned.is_empty() && first.removed.is_empty());
    assert_eq!(
        collect(&vault, 9).waiting,
        first.condemned,
        "its grace is not over"
    );
    assert_eq!(all(&vault).len(), 64);
    let before = segments(&path);
    let second = collect(&vault, 10);
    assert_eq!(second.removed, first.condemned);
    assert_eq!(second.collected.len(), 57);
    assert_eq!(second.kept, []);
    assert_eq!(all(&vault), needed);
    assert!(
        segments(&path) < before / 4,
        "{} of {before}",
        segments(&path)
    );
    assert_eq!(
        vault.retired().unwrap(),
        [],
        "the mark goes with the bundle"
    );

    // The leases of the others end at 30.
    assert_eq!(vault.leases().unwrap().len(), 2);
    collect(&vault, 30);
    collect(&vault, 40);
    for gone in &blobs[9..11] {
        needed.remove(gone);
    }
    assert_eq!(vault.leases().unwrap(), []);
    assert_eq!(all(&vault), needed);
    assert_eq!(vault.unpin(&blobs[3..6]).unwrap(), 3);
    vault.collect(&at(50), &mut go_on).unwrap();
    collect(&vault, 60);
    assert_eq!(all(&vault).len(), 2, "the bundle alone");
    assert_eq!(vault.bundle(&meant).unwrap().unwrap(), bundle(70));
    assert_eq!(vault.bundle(&over).unwrap(), None);
    assert_eq!(vault.bundle_count().unwrap(), 1);

    // The set is that of a vault that never had the rest, in this handle, in another, and without index.
    let fresh = open(&folder.path().join("fresh"));
    fresh.put_bundle(&bundle(70), Durability::None).unwrap();
    assert_eq!(vault.head().unwrap(), fresh.head().unwrap());
    assert!(vault.verify(&mut go_on).unwrap().is_sound());
    drop(vault);
    for index in [true, false] {
        if !index {
            fs::remove_file(path.join("index")).unwrap();
        }
        let vault = open(&path);
        assert_eq!(vault.open_report().bad_files, <[String; 0]>::default());
        assert_eq!(vault.head().unwrap(), fresh.head().unwrap());
    }
}

/// What may happen to a blob between its condemnation and the end of its grace.
type Ask = fn(&Vault, &Address);

#[test]
fn whoever_is_told_of_a_condemned_blob_keeps_it() {
    let asked: [(&str, Ask); 5] = [
        ("has", |vault, address| assert!(vault.has(address).unwrap())),
        ("stat", |vault, address| {
            assert_eq!(vault.stat(address).unwrap().unwrap().bytes, 700);
        }),
        ("put", |vault, address| assert_eq!(put(vault, 1), *address)),
        ("pin", |vault, address| {
            assert_eq!(vault.pin(&[*address]).unwrap(), []);
            vault.unpin(&[*address]).unwrap();
        }),
        ("lease", |vault, address| {
            assert_eq!(vault.lease("somebody", &[*address], 1).unwrap(), []);
        }),
    ];
    for (name, ask) in asked {
        for elsewhere in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            let vault = open(folder.path());
            let other = open(folder.path());
            let address = put(&vault, 1);
            let forgotten = put(&vault, 2);
            assert!(other.has(&address).unwrap());
            assert!(!collect(&vault, 0).condemned.is_empty());
            ask(if elsewhere { &other } else { &vault }, &address);
            // After its grace: both were condemned at 0, and only one was asked for.
            assert_eq!(collect(&vault, 10).collected, [forgotten], "{name}");
            for vault in [&vault, &other] {
                assert_eq!(vault.get(&address).unwrap().unwrap(), blob(1), "{name}");
                assert!(!vault.has(&forgotten).unwrap(), "{name}");
                assert_eq!(vault.get(&forgotten).unwrap(), None, "{name}");
            }
            // What keeps it is that it was told of, for a grace, and no longer.
            drop((vault, other));
            let vault = open(folder.path());
            collect(&vault, 20);
            collect(&vault, 30);
            assert!(!vault.has(&address).unwrap(), "{name}");
        }
    }
}

#[test]
fn a_root_made_after_the_condemnation_counts() {
    let folder = tempfile::tempdir().unwrap();
    let (vault, other) = (open(folder.path()), open(folder.path()));
    let code = put(&vault, 1);
    let pinned = put(&vault, 2);
    let retired = vault.put_bundle(&bundle(3), Durability::None).unwrap();
    vault.retire(&retired).unwrap();
    collect(&vault, 0);
    // A bundle that names a blob that is condemned; a pin; a retired bundle that is put again.
    let named = other.put_bundle(&bundle(1), Durability::None).unwrap();
    other.pin(&[pinned]).unwrap();
    assert_eq!(
        other.put_bundle(&bundle(3), Durability::None).unwrap(),
        retired
    );
    assert_eq!(other.retired().unwrap(), [], "it is meant again");
    assert_eq!(collect(&vault, 10).collected, []);
    collect(&vault, 20);
    for vault in [&vault, &other] {
        assert_eq!(vault.bundle(&named).unwrap().unwrap(), bundle(1));
        assert_eq!(vault.bundle(&retired).unwrap().unwrap(), bundle(3));
        assert_eq!(vault.get(&pinned).unwrap().unwrap(), blob(2));
    }
    let references = vault.references(&code).unwrap();
    assert_eq!(references, [Reference::Bundle(named)]);
    assert_eq!(vault.references(&pinned).unwrap(), [Reference::Pin]);
}

#[test]
fn a_pin_may_come_before_its_blob_and_keeps_the_parts_of_a_bundle() {
    let folder = tempfile::tempdir().unwrap();
    let vault = open(folder.path());
    let address = Address::of(&blob(1));
    assert_eq!(vault.pin(&[address]).unwrap(), [address], "not there yet");
    put(&vault, 1);
    let retired = vault.put_bundle(&bundle(2), Durability::None).unwrap();
    vault.retire(&retired).unwrap();
    collect(&vault, 0);
    assert_eq!(vault.pin(&[retired.address()]).unwrap(), []);
    collect(&vault, 10);
    collect(&vault, 20);
    assert_eq!(vault.bundle(&retired).unwrap().unwrap(), bundle(2));
    assert_eq!(vault.get(&address).unwrap().unwrap(), blob(1));
}

#[test]
fn roots_that_cannot_be_read_stop_a_collection() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let vault = open(path);
    let pinned = put(&vault, 1);
    vault.pin(&[pinned]).unwrap();
    let roots = path.join("roots");
    let good = fs::read(&roots).unwrap();
    for at_byte in 0..=good.len() {
        match good.get(at_byte) {
            Some(byte) => {
                let mut bad = good.clone();
                bad[at_byte] = byte ^ 0x20;
                overwrite(&roots, &bad);
            }
            None => fs::remove_file(&roots).unwrap(),
        }
        let refused = vault.collect(&at(100), &mut go_on);
        assert!(
            matches!(refused, Err(GcError::Roots(RootError::Damaged))),
            "byte {at_byte}: {refused:?}"
        );
        // Nor is a damaged list written over by whoever pins one thing more.
        assert!(matches!(vault.pin(&[pinned]), Err(RootError::Damaged)));
    }
    assert_eq!(open(path).open_report().bad_files, ["roots"]);
    vault.reset_roots().unwrap();
    collect(&vault, 200);
    collect(&vault, 300);
    assert!(!vault.has(&pinned).unwrap(), "nothing pins it any more");
}

#[test]
fn a_manifest_that_cannot_be_read_stops_a_collection() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let kept: BundleAddress;
    {
        let vault = open(path);
        kept = vault.put_bundle(&bundle(1), Durability::Each).unwrap();
    }
    let segment = path.join("segments/0000000001.seg");
    let good = fs::read(&segment).unwrap();
    let mut bad = good.clone();
    let manifest = bundle(1).manifest().encode();
    let at_byte = good.windows(manifest.len()).position(|it| it == manifest);
    bad[at_byte.unwrap() + 9] ^= 1;
    overwrite(&segment, &bad);
    let vault = open(path);
    let refused = vault.collect(&at(0), &mut go_on).unwrap_err();
    assert!(
        matches!(&refused, GcError::Manifest { bundle, source: Some(_) } if *bundle == kept),
        "{refused:?}"
    );
    assert!(vault.has(&Address::of(&blob(1))).unwrap());
    // A good copy of it, and all is well again.
    vault.put_bundle(&bundle(1), Durability::Each).unwrap();
    collect(&vault, 0);
    collect(&vault, 10);
    assert_eq!(vault.bundle(&kept).unwrap().unwrap(), bundle(1));
    assert!(
        vault.verify(&mut go_on).unwrap().is_sound(),
        "the bad copy is gone"
    );
}

#[test]
fn a_dry_run_says_what_would_happen_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let vault = open(path);
    for number in 0..30 {
        put(&vault, number);
    }
    vault
        .pin(&[Address::of(&blob(3)), Address::of(&blob(20))])
        .unwrap();
    let files = || {
        let mut files = Vec::new();
        for folder in [path.to_owned(), path.join("segments")] {
            for entry in fs::read_dir(folder).unwrap() {
                let file = entry.unwrap().path();
                // An index that was made again is as good as the one before.
                if file.is_file() && !file.ends_with("index") {
                    files.push((file.clone(), fs::read(file).unwrap()));
                }
            }
        }
        files.sort();
        files
    };
    for second in [0, 10] {
        let before = files();
        let told = vault
            .collect(&at(second).dry_run(true), &mut go_on)
            .unwrap();
        assert_eq!(files(), before);
        let done = collect(&vault, second);
        assert_eq!(told.removed, done.removed);
        assert_eq!(told.collected, done.collected);
        assert_eq!(told.copied, done.copied);
        assert_eq!(told.freed_bytes, done.freed_bytes);
        if second == 0 {
            assert_eq!(told, done);
        }
    }
}

#[test]
fn segments_that_are_mostly_needed_stay() {
    let folder = tempfile::tempdir().unwrap();
    let vault = open(folder.path());
    let blobs: Vec<Address> = (0..10).map(|number| put(&vault, number)).collect();
    vault.pin(&blobs[1..]).unwrap();
    let options = |second| at(second).dead_percent(30);
    let report = vault.collect(&options(0), &mut go_on).unwrap();
    assert_eq!((report.condemned.len(), report.unneeded), (0, 1));
    vault.unpin(&blobs[1..4]).unwrap();
    let report = vault.collect(&options(0), &mut go_on).unwrap();
    assert_eq!(report.condemned.len(), 1);
    let report = vault.collect(&options(10), &mut go_on).unwrap();
    assert_eq!(report.copied, 1, "the fifth, which lay with the first four");
    assert_eq!(report.collected.len(), 4);
    assert_eq!(all(&vault), blobs[4..].iter().copied().collect());
}

#[test]
fn large_blobs_go_with_their_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let (vault, other) = (open(path), open(path));
    let large: Vec<Vec<u8>> = (0..4_u8)
        .map(|number| vec![number; (1 << 20) + 9])
        .collect();
    let put = |vault: &Vault, number: usize| vault.put(&large[number], Durability::None).unwrap();
    let addresses: Vec<Address> = (0..4).map(|number| put(&vault, number)).collect();
    let files = || fs::read_dir(path.join("large")).unwrap().count();
    assert_eq!(files(), 8);
    vault.pin(&addresses[..1]).unwrap();
    assert!(vault.collect(&at(0), &mut go_on).unwrap().unneeded_bytes > 3 << 20);
    assert!(other.has(&addresses[1]).unwrap());
    put(&other, 2);
    let report = collect(&vault, 10);
    assert_eq!(report.collected, addresses[3..]);
    assert!(report.freed_bytes > 1 << 20);
    assert_eq!(files(), 6);
    for vault in [&vault, &other] {
        for number in 0..3 {
            assert_eq!(
                vault.get(&addresses[number]).unwrap().unwrap(),
                large[number]
            );
        }
        assert_eq!(vault.get(&addresses[3]).unwrap(), None);
    }
    // It may come back.
    put(&other, 3);
    assert_eq!(vault.get(&addresses[3]).unwrap().unwrap(), large[3]);
    assert!(vault.verify(&mut go_on).unwrap().is_sound());
}

#[test]
fn a_damaged_blob_that_is_needed_keeps_its_segment_until_it_is_repaired() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let (needed, other);
    {
        let vault = open(path);
        (needed, other) = (put(&vault, 1), put(&vault, 2));
        vault.pin(&[needed]).unwrap();
    }
    let segment = path.join("segments/0000000001.seg");
    let mut bytes = fs::read(&segment).unwrap();
    bytes[32 + 72 + 100] ^= 1;
    overwrite(&segment, &bytes);
    let vault = open(path);
    collect(&vault, 0);
    let report = collect(&vault, 10);
    let name = "0000000001.seg".to_owned();
    assert_eq!(report.kept, [(name, Kept::Damaged(needed))]);
    assert_eq!(report.removed, <[String; 0]>::default());
    assert!(matches!(vault.has(&needed), Err(GetError::Damaged { .. })));
    put(&vault, 1);
    assert_eq!(collect(&vault, 20).collected, [other]);
    assert_eq!(vault.get(&needed).unwrap().unwrap(), blob(1));
    assert!(!segment.exists());

    // Bytes that are no record may have been one that is needed.
    let vault = open(path);
    put(&vault, 3);
    let condemned = collect(&vault, 30).condemned;
    let segment = path.join("segments").join(&condemned[0]);
    let mut bytes = fs::read(&segment).unwrap();
    bytes[40] ^= 1;
    overwrite(&segment, &bytes);
    let report = open(path).collect(&at(40), &mut go_on).unwrap();
    assert_eq!(report.kept.len(), 1);
    assert!(matches!(report.kept[0].1, Kept::Gap { .. }), "{report:?}");
    assert!(segment.exists());
}

#[test]
fn a_collection_can_be_stopped_and_gone_on_with() {
    let folder = tempfile::tempdir().unwrap();
    let vault = open(folder.path());
    let blobs: Vec<Address> = (0..30).map(|number| put(&vault, number)).collect();
    // One in each segment.
    let kept: Vec<Address> = blobs.iter().copied().step_by(6).collect();
    vault.pin(&kept).unwrap();
    collect(&vault, 0);
    for steps in 0..30 {
        let mut left = steps;
        let stopped = vault.collect(&at(10), &mut |_| {
            left -= 1;
            match left {
                ..0 => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        });
        assert!(matches!(stopped, Err(GcError::Cancelled)), "{steps}");
        for (number, address) in (0..).step_by(6).zip(&kept) {
            assert_eq!(vault.get(address).unwrap().unwrap(), blob(number));
        }
    }
    let (mut last, mut most) = ((0, 0), 0);
    let report = vault.collect(&at(10), &mut |told| {
        assert!(told.done > last.0 && told.done <= told.total, "{told:?}");
        (last, most) = ((told.done, told.total), most.max(told.total));
        ControlFlow::Continue(())
    });
    assert_eq!(report.unwrap().collected.len(), 25);
    assert!(last.1 == most && last.0 * 10 > most * 9, "{last:?}"); // all but what begins a file
    assert_eq!(all(&vault), kept.iter().copied().collect());
    assert!(vault.verify(&mut go_on).unwrap().is_sound());
}

#[test]
fn two_cannot_collect_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let (vault, other) = (open(folder.path()), open(folder.path()));
    put(&vault, 1);
    collect(&vault, 0);
    let mut refused = false;
    vault
        .collect(&at(10), &mut |_| {
            refused |= matches!(other.collect(&at(10), &mut go_on), Err(GcError::Busy));
            // Looking is allowed.
            let looked = other.collect(&at(10).dry_run(true), &mut go_on).unwrap();
            assert_eq!(looked.removed.len(), 1);
            ControlFlow::Continue(())
        })
        .unwrap();
    assert!(refused);
    collect(&other, 10);
}

#[test]
fn who_reads_while_segments_go_reads_on() {
    let folder = tempfile::tempdir().unwrap();
    let (vault, reader, late) = (
        open(folder.path()),
        open(folder.path()),
        open(folder.path()),
    );
    let blobs: Vec<Address> = (0..40).map(|number| put(&vault, number)).collect();
    let kept: Vec<Address> = blobs.iter().copied().step_by(3).collect();
    vault.pin(&kept).unwrap();
    assert_eq!(reader.get(&blobs[0]).unwrap().unwrap(), blob(0));
    collect(&vault, 0);
    assert!(!collect(&vault, 10).removed.is_empty());
    // One that has files open, one that never had: neither was told.
    for reader in [&reader, &late] {
        for (number, address) in (0..).step_by(3).zip(&kept) {
            assert_eq!(reader.get(address).unwrap().unwrap(), blob(number));
        }
        assert_eq!(all(reader), kept.iter().copied().collect());
        assert_eq!(reader.head().unwrap(), vault.head().unwrap());
    }
    // Its index names segments that are gone; whoever opens the vault with it knows.
    drop(late);
    drop(vault);
    drop(reader);
    let vault = open(folder.path());
    assert_eq!(vault.open_report().bad_files, <[String; 0]>::default());
    assert_eq!(all(&vault), kept.iter().copied().collect());
}

#[test]
fn no_segment_gets_the_number_of_one_that_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let (vault, early) = (open(folder.path()), open(folder.path()));
    for number in 0..40 {
        put(&vault, number);
    }
    collect(&vault, 0);
    let report = collect(&vault, 10);
    assert!(report.removed.len() > 4);
    let address = put(&early, 50);
    let names = fs::read_dir(folder.path().join("segments")).unwrap();
    let names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
    for gone in report.removed {
        assert!(
            !names.iter().any(|name| *name == *gone),
            "{gone} again: {names:?}"
        );
    }
    vault.pin(&[address]).unwrap();
    collect(&vault, 20);
    collect(&vault, 30);
    assert_eq!(vault.get(&address).unwrap().unwrap(), blob(50));
}

#[test]
fn a_manifest_of_a_later_release_stops_a_collection_until_it_is_retired() {
    let folder = tempfile::tempdir().unwrap();
    let vault = open(folder.path());
    let mut manifest = bundle(1).manifest().encode();
    manifest[8] += 1; // behind the magic
    let later = vault.put(&manifest, Durability::Each).unwrap();
    let refused = vault.collect(&at(0), &mut go_on).unwrap_err();
    assert!(
        matches!(refused, GcError::Manifest { source: None, .. }),
        "{refused:?}"
    );
    vault.retire(&BundleAddress::from_address(later)).unwrap();
    collect(&vault, 0);
    assert_eq!(collect(&vault, 10).collected, [later]);
}
