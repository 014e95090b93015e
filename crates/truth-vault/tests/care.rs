//! Checking, setting aside, repairing: every flipped byte of a small vault is found and named, and
//! what it damaged comes back from a second vault.
#![expect(
    clippy::unwrap_used,
    reason = "an unwrap that panics is how these tests fail"
)]

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use truth_vault::{
    Address, Bundle, Durability, GetError, Options, ScrubOptions, Vault, VerificationStatus,
};

fn go_on(_: u64) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// Overwrites a file, read-only or not, as somebody outside would.
fn overwrite(file: &Path, bytes: &[u8]) {
    fs::remove_file(file).unwrap();
    fs::write(file, bytes).unwrap();
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = (fs::read_dir(folder).unwrap())
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
}

/// A vault with a bundle, blobs of several lengths, one of them compressed, and a large one.
fn fill(path: &Path) -> BTreeMap<Address, Vec<u8>> {
    let options = Options::new().compress(3).segment_bytes(4096);
    let vault = Vault::open(path, &options).unwrap();
    let bundle = Bundle::new(
        b"intent pay(...)".to_vec(),
        "pay",
        VerificationStatus::Proved,
        7,
    )
    .unwrap();
    vault.put_bundle(&bundle, Durability::None).unwrap();
    for blob in [&b""[..], b"x", &[7; 900], b"some more"] {
        vault.put(blob, Durability::None).unwrap();
    }
    let addresses = vault.list(None, usize::MAX).unwrap();
    let get = |address: Address| (address, vault.get(&address).unwrap().unwrap());
    addresses.into_iter().map(get).collect()
}

#[test]
fn every_flipped_byte_is_found_named_set_aside_and_repaired() {
    let folder = tempfile::tempdir().unwrap();
    let (path, other) = (folder.path().join("one"), folder.path().join("two"));
    let blobs = fill(&path);
    let mut second = Vault::open(&other, &Options::new()).unwrap();
    for blob in blobs.values() {
        second.put(blob, Durability::None).unwrap();
    }
    let head = second.head().unwrap();
    let (mut flips, mut harmless) = (0, 0);
    for segment in files(&path.join("segments")) {
        let good = fs::read(&segment).unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1 << (at % 8);
            overwrite(&segment, &bad);
            flips += 1;
            let vault = Vault::open(&path, &Options::new()).unwrap();
            let report = vault.verify(&mut go_on).unwrap();
            let scrubbed = vault.scrub(&ScrubOptions::new(1), &mut go_on).unwrap();
            assert!(scrubbed.complete);
            let opened = vault.open_report();
            let told = !report.is_sound() || *opened != Default::default();
            harmless += usize::from(!told);
            for bad in &report.bad {
                // Whatever cannot be read is named, and nothing else is.
                let error = vault.get(&bad.address).unwrap_err();
                assert!(
                    matches!(error, GetError::Damaged { .. }),
                    "byte {at}: {error}"
                );
                assert!(
                    scrubbed
                        .bad
                        .iter()
                        .any(|found| found.address == bad.address)
                        || !report.gaps.is_empty(),
                    "byte {at}"
                );
            }
            if !scrubbed.bad.is_empty() {
                assert!(!vault.quarantined().unwrap().is_empty());
            }
            let lost: Vec<_> = (blobs.keys().copied())
                .filter(|address| !matches!(vault.get(address), Ok(Some(_))))
                .collect();
            let repaired = vault.repair(&mut second, &lost).unwrap();
            assert_eq!(repaired.healed, lost, "byte {at}");
            for (address, blob) in &blobs {
                assert_eq!(
                    vault.get(address).unwrap().as_ref(),
                    Some(blob),
                    "byte {at}"
                );
            }
            assert!(
                vault.verify(&mut go_on).unwrap().bad.is_empty(),
                "byte {at}"
            );
            assert_eq!(vault.head().unwrap(), head, "byte {at}");
            drop(vault);
            fs::remove_dir_all(&path).unwrap();
            assert_eq!(fill(&path), blobs);
        }
    }
    println!("{flips} flips, {harmless} of them in bytes that hold nothing");
    // Records are filled up to a multiple of eight bytes.
    assert!(harmless <= 8 * (blobs.len() + 1), "{harmless} of {flips}");
}

#[test]
fn names_the_bundles_that_damage_affects_and_parts_that_are_missing() {
    let folder = tempfile::tempdir().unwrap();
    let code = b"intent pay(sender, receiver)".to_vec();
    let bundle = Bundle::new(code.clone(), "pay", VerificationStatus::Proved, 7).unwrap();
    {
        let vault = Vault::open(folder.path(), &Options::new()).unwrap();
        vault.put_bundle(&bundle, Durability::Each).unwrap();
        assert!(vault.verify(&mut go_on).unwrap().is_sound());
    }
    let segment = files(&folder.path().join("segments")).remove(0);
    let mut bytes = fs::read(&segment).unwrap();
    let at = bytes.windows(code.len()).position(|part| part == code);
    bytes[at.unwrap() + 3] ^= 1;
    overwrite(&segment, &bytes);
    let vault = Vault::open(folder.path(), &Options::new()).unwrap();
    let report = vault.verify(&mut go_on).unwrap();
    assert_eq!(report.bad.len(), 1);
    assert_eq!(report.bad[0].address, Address::of(&code));
    assert_eq!(report.bad[0].needed_by, [bundle.address()]);
    let scrubbed = vault.scrub(&ScrubOptions::new(9), &mut go_on).unwrap();
    assert_eq!(scrubbed.bad[0].needed_by, [bundle.address()]);
    let quarantined = vault.quarantined().unwrap();
    assert_eq!(quarantined.len(), 2, "the record, and why: {quarantined:?}");

    // A manifest alone: its code is missing.
    let lone = tempfile::tempdir().unwrap();
    let vault = Vault::open(lone.path(), &Options::new()).unwrap();
    vault
        .put(&bundle.manifest().encode(), Durability::None)
        .unwrap();
    let report = vault.verify(&mut go_on).unwrap();
    assert_eq!(report.missing.len(), 1);
    assert_eq!(report.missing[0].address, Address::of(&code));
    assert_eq!(report.missing[0].bundle, bundle.address());
}

#[test]
fn a_scrub_goes_on_where_it_stopped_and_begins_with_what_waited_longest() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options::new().segment_bytes(4096);
    let records = 40;
    {
        let vault = Vault::open(folder.path(), &options).unwrap();
        for number in 0..records {
            vault.put(&[number; 500], Durability::None).unwrap();
        }
    }
    let mut read = 0;
    for _ in 0..200 {
        // Another handle each time: the state is on the disk.
        let vault = Vault::open(folder.path(), &options).unwrap();
        let scrub = ScrubOptions::new(5).bytes_max(1200);
        let report = vault.scrub(&scrub, &mut go_on).unwrap();
        assert!(report.bytes <= 1700);
        read += report.records;
        if report.complete {
            break;
        }
    }
    assert_eq!(read, u64::from(records), "each once");
    let vault = Vault::open(folder.path(), &options).unwrap();
    let again = vault.scrub(&ScrubOptions::new(5), &mut go_on).unwrap();
    assert_eq!(
        (again.records, again.complete),
        (0, true),
        "all is checked as of 5"
    );
    let later = vault.scrub(&ScrubOptions::new(6), &mut go_on).unwrap();
    assert_eq!(later.records, u64::from(records));
    let stopped = vault.scrub(&ScrubOptions::new(7), &mut |_| ControlFlow::Break(()));
    assert!(matches!(stopped, Err(GetError::Cancelled)));
}

#[test]
fn what_is_stored_is_read_only() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options::new().segment_bytes(4096);
    let vault = Vault::open(folder.path(), &options).unwrap();
    for number in 0..30 {
        vault.put(&[number; 700], Durability::None).unwrap();
    }
    vault
        .put(&vec![1; (1 << 20) + 1], Durability::None)
        .unwrap();
    let is_read_only = |file: &PathBuf| fs::metadata(file).unwrap().permissions().readonly();
    let mut segments = files(&folder.path().join("segments"));
    let growing = segments.pop().unwrap();
    assert!(!is_read_only(&growing), "records are added to the last one");
    assert!(segments.len() > 4);
    let large = files(&folder.path().join("large"));
    assert_eq!(large.len(), 2);
    let format = folder.path().join("vault");
    for file in segments.iter().chain(&large).chain([&format]) {
        assert!(is_read_only(file), "{}", file.display());
    }

    // Nor does anything that the vault does later touch one of them.
    let before: Vec<_> = (segments.iter().chain(&large))
        .map(|file| {
            (
                fs::read(file).unwrap(),
                fs::metadata(file).unwrap().modified().unwrap(),
            )
        })
        .collect();
    vault.put(&[3; 700], Durability::Each).unwrap();
    vault
        .put(&vec![1; (1 << 20) + 1], Durability::Each)
        .unwrap();
    vault.scrub(&ScrubOptions::new(1), &mut go_on).unwrap();
    drop(vault);
    drop(Vault::open(folder.path(), &options).unwrap());
    for (file, (bytes, modified)) in segments.iter().chain(&large).zip(before) {
        assert_eq!(fs::read(file).unwrap(), bytes);
        assert_eq!(fs::metadata(file).unwrap().modified().unwrap(), modified);
    }
}

#[test]
fn flipped_bytes_of_a_large_blob_are_found_and_repaired() {
    let folder = tempfile::tempdir().unwrap();
    let (path, other) = (folder.path().join("one"), folder.path().join("two"));
    let blob: Vec<u8> = (0..(1_u32 << 20) + 70_000)
        .map(|number| number.wrapping_mul(0x9e37_79b9).to_be_bytes()[0])
        .collect();
    let mut second = Vault::open(&other, &Options::new()).unwrap();
    let address = second.put(&blob, Durability::None).unwrap();
    let vault = Vault::open(&path, &Options::new()).unwrap();
    vault.put(&blob, Durability::None).unwrap();
    drop(vault);
    let kept = files(&path.join("large"));
    let good: Vec<Vec<u8>> = kept.iter().map(|file| fs::read(file).unwrap()).collect();
    for (file, good) in kept.iter().zip(&good) {
        // Every part of the blob, and of the hashes of its parts.
        let step = (good.len() / 20).max(1);
        for at in (0..good.len()).step_by(step).chain([good.len() - 1]) {
            let mut bad = good.clone();
            bad[at] ^= 1 << (at % 8);
            overwrite(file, &bad);
            let context = format!("{} at {at}", file.display());
            let vault = Vault::open(&path, &Options::new()).unwrap();
            let damaged = vault.get(&address);
            assert!(
                matches!(damaged, Err(GetError::Damaged { .. })),
                "{context}"
            );
            let near = (at as u64).saturating_sub(10);
            let range = vault.get_range(&address, near..near + 20);
            let of_the_blob = good.len() == blob.len();
            assert!(range.is_err() || !of_the_blob, "{context}");
            let scrubbed = vault
                .scrub(&ScrubOptions::new(at as u64 + 1), &mut go_on)
                .unwrap();
            assert!(
                scrubbed.bad.iter().any(|bad| bad.address == address),
                "{context}"
            );
            assert!(!vault.quarantined().unwrap().is_empty(), "{context}");
            let repaired = vault.repair(&mut second, &[address]).unwrap();
            assert_eq!(repaired.healed, [address], "{context}");
            assert_eq!(
                vault.get(&address).unwrap().as_ref(),
                Some(&blob),
                "{context}"
            );
            assert!(vault.verify(&mut go_on).unwrap().is_sound(), "{context}");
            assert_eq!(fs::read(file).unwrap(), *good, "{context}");
            // As at the beginning: another kept state of scrubs and of quarantine.
            drop(vault);
            fs::remove_file(path.join("scrub")).unwrap();
            fs::remove_dir_all(path.join("quarantine")).unwrap();
        }
    }
}
