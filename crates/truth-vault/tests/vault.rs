//! The vault as its users see it, on real files.
#![expect(
    clippy::unwrap_used,
    reason = "an unwrap that panics is how these tests fail"
)]

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use truth_vault::{Address, Durability, GetError, OpenError, Options, PutError, PutOptions, Vault};

fn bytes(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..len).map(|_| next()).collect()
}

fn small() -> Options {
    Options::new().segment_bytes(4096)
}

fn segments(vault: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = (fs::read_dir(vault.join("segments")).unwrap())
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
}

/// Writes into a file that is read-only, as somebody outside would.
fn tamper(file: &Path, at: u64, change: impl Fn(u8) -> u8) {
    let content = fs::read(file).unwrap();
    let mut permissions = fs::metadata(file).unwrap().permissions();
    #[expect(
        clippy::permissions_set_readonly_false,
        reason = "a test file, gone in a moment"
    )]
    permissions.set_readonly(false);
    fs::set_permissions(file, permissions).unwrap();
    let mut file = OpenOptions::new().write(true).open(file).unwrap();
    file.seek(SeekFrom::Start(at)).unwrap();
    file.write_all(&[change(content[usize::try_from(at).unwrap()])])
        .unwrap();
}

#[derive(Clone, Debug)]
enum Op {
    Put(u64, usize, Durability),
    Reopen,
    /// Reopened without its index, as after a crash before it was written.
    Forget,
    /// The last segment ends in something half written.
    Torn(Vec<u8>),
    Second(u64),
}

fn op() -> impl Strategy<Value = Op> {
    let class = prop_oneof![
        Just(Durability::None),
        Just(Durability::Batch),
        Just(Durability::Each)
    ];
    prop_oneof![
        10 => (0..40_u64, 0..2000_usize, class).prop_map(|(seed, len, class)| Op::Put(seed, len, class)),
        1 => Just(Op::Reopen),
        1 => Just(Op::Forget),
        1 => prop::collection::vec(any::<u8>(), 1..200).prop_map(Op::Torn),
        2 => (100..140_u64).prop_map(Op::Second),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_vault_is_a_map_from_hashes(ops in prop::collection::vec(op(), 1..60), compress in any::<bool>()) {
        let folder = tempfile::tempdir().unwrap();
        let options = if compress { small().compress(3) } else { small() };
        let mut vault = Some(Vault::open(folder.path(), &options).unwrap());
        let mut model = BTreeMap::new();
        for op in ops {
            match op {
                Op::Put(seed, len, class) => {
                    let blob = bytes(seed, len);
                    let address = vault.as_ref().unwrap().put(&blob, class).unwrap();
                    prop_assert_eq!(address, Address::of(&blob));
                    model.insert(address, blob);
                }
                Op::Second(seed) => {
                    // Another handle, as in another process: both see what either put.
                    let other = Vault::open(folder.path(), &options).unwrap();
                    let blob = bytes(seed, 300);
                    let address = other.put(&blob, Durability::Each).unwrap();
                    model.insert(address, blob);
                    for (address, blob) in &model {
                        let found = other.get(address).unwrap();
                        prop_assert_eq!(found.as_ref(), Some(blob));
                    }
                }
                Op::Reopen => {
                    drop(vault.take());
                    vault = Some(Vault::open(folder.path(), &options).unwrap());
                                        prop_assert!(vault.as_ref().unwrap().open_report().cuts.is_empty());
                }
                Op::Forget => {
                    drop(vault.take());
                    let _ = fs::remove_file(folder.path().join("index"));
                    vault = Some(Vault::open(folder.path(), &options).unwrap());
                }
                Op::Torn(tail) => {
                    drop(vault.take());
                    if let Some(last) = segments(folder.path()).last()
                        && !fs::metadata(last).unwrap().permissions().readonly()
                    {
                        OpenOptions::new().append(true).open(last).unwrap().write_all(&tail).unwrap();
                    }
                    vault = Some(Vault::open(folder.path(), &options).unwrap());
                }
            }
            let vault = vault.as_ref().unwrap();
            prop_assert!(vault.open_report().gaps.is_empty());
            prop_assert!(vault.open_report().bad_files.is_empty());
        }
        let vault = vault.unwrap();
        for (address, blob) in &model {
            let found = vault.get(address).unwrap();
            prop_assert_eq!(found.as_ref(), Some(blob));
            prop_assert_eq!(vault.stat(address).unwrap().unwrap().bytes, blob.len() as u64);
        }
        prop_assert_eq!(vault.list(None, usize::MAX).unwrap(), model.keys().copied().collect::<Vec<_>>());
        prop_assert_eq!(vault.len(), model.len() as u64);
        prop_assert_eq!(vault.get(&Address::of(b"never put")).unwrap(), None);
    }
}

#[test]
fn every_changed_byte_of_a_segment_is_found_or_harmless() {
    let folder = tempfile::tempdir().unwrap();
    let blobs: Vec<_> = (0..6_usize)
        .map(|number| bytes(number as u64, 20 + 30 * number))
        .collect();
    {
        let vault = Vault::open(folder.path(), &Options::new()).unwrap();
        for blob in &blobs {
            vault.put(blob, Durability::Each).unwrap();
        }
    }
    let segment = segments(folder.path()).remove(0);
    let good = fs::read(&segment).unwrap();
    let mut found = 0;
    for at in 0..good.len() as u64 {
        tamper(&segment, at, |byte| byte ^ 0x40);
        let vault = Vault::open(folder.path(), &Options::new()).unwrap();
        let mut bad = !vault.open_report().bad_files.is_empty();
        for blob in &blobs {
            match vault.get(&Address::of(blob)) {
                Ok(Some(bytes)) => assert_eq!(&bytes, blob, "byte {at}"),
                Err(GetError::Damaged { .. }) => bad = true,
                other => panic!("byte {at}: {other:?}"),
            }
        }
        found += usize::from(bad);
        // A good copy heals it.
        for blob in &blobs {
            vault.put(blob, Durability::Each).unwrap();
            assert_eq!(vault.get(&Address::of(blob)).unwrap().as_ref(), Some(blob));
        }
        drop(vault);
        fs::remove_dir_all(folder.path().join("segments")).unwrap();
        fs::create_dir(folder.path().join("segments")).unwrap();
        fs::write(&segment, &good).unwrap();
        fs::remove_file(folder.path().join("index")).unwrap();
        drop(Vault::open(folder.path(), &Options::new()).unwrap());
    }
    // What is left are the bytes that pad a record to a multiple of eight.
    assert!(
        found >= good.len() - 6 * 7,
        "{found} of {} found",
        good.len()
    );
}

#[test]
fn a_damaged_index_is_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let blob = bytes(1, 500);
    let address = Vault::open(folder.path(), &small())
        .unwrap()
        .put(&blob, Durability::Each)
        .unwrap();
    let index = folder.path().join("index");
    for at in 0..fs::metadata(&index).unwrap().len() {
        tamper(&index, at, |byte| byte ^ 1);
        let vault = Vault::open(folder.path(), &small()).unwrap();
        assert!(vault.open_report().index_rebuilt);
        assert_eq!(vault.get(&address).unwrap().as_ref(), Some(&blob));
    }
}

#[test]
fn refuses_what_is_no_vault_and_later_versions() {
    let folder = tempfile::tempdir().unwrap();
    let missing = Vault::open(folder.path().join("none"), &Options::new().create(false));
    assert!(matches!(missing, Err(OpenError::Missing { .. })));
    fs::write(folder.path().join("letter.txt"), "dear").unwrap();
    let other = Vault::open(folder.path(), &Options::new());
    assert!(matches!(other, Err(OpenError::NotAVault { .. })));

    let folder = tempfile::tempdir().unwrap();
    drop(Vault::open(folder.path(), &Options::new()).unwrap());
    tamper(&folder.path().join("vault"), 7, |_| 2);
    let later = Vault::open(folder.path(), &Options::new());
    assert!(
        matches!(later, Err(OpenError::UnknownVersion { found: 2, .. })),
        "{later:?}"
    );
}

#[test]
fn refuses_other_bytes_than_expected() {
    let folder = tempfile::tempdir().unwrap();
    let vault = Vault::open(folder.path(), &Options::new()).unwrap();
    let options = PutOptions::new().expect(Address::of(b"one"));
    let refused = vault.put_with(b"other", &options);
    assert!(matches!(refused, Err(PutError::OtherAddress { .. })));
    assert_eq!(vault.len(), 0);
}

#[test]
fn large_blobs_come_and_go_in_parts() {
    let folder = tempfile::tempdir().unwrap();
    let vault = Vault::open(folder.path(), &Options::new()).unwrap();
    let blob = bytes(9, 3_000_001);
    let address = vault
        .put_reader(&mut &blob[..], &PutOptions::new())
        .unwrap();
    assert_eq!(address, Address::of(&blob));
    drop(vault);

    let vault = Vault::open(folder.path(), &Options::new()).unwrap();
    assert_eq!(vault.get(&address).unwrap().as_ref(), Some(&blob));
    for range in [
        0..0,
        0..1,
        65_535..65_537,
        100_000..2_000_000,
        2_999_999..3_000_001,
        5_000_000..6_000_000,
    ] {
        let end = |at: u64| usize::try_from(at).unwrap().min(blob.len());
        let part = vault.get_range(&address, range.clone()).unwrap().unwrap();
        assert!(part == blob[end(range.start)..end(range.end)], "{range:?}");
    }
    let mut copy = Vec::new();
    let go_on = &mut |_| ControlFlow::Continue(());
    assert_eq!(
        vault.get_to(&address, &mut copy, go_on).unwrap(),
        Some(3_000_001)
    );
    assert!(copy == blob);
    let stop = &mut |_| ControlFlow::Break(());
    assert!(matches!(
        vault.get_to(&address, &mut Vec::new(), stop),
        Err(GetError::Cancelled)
    ));
}

#[test]
fn changed_bytes_of_a_large_blob_are_found_and_healed() {
    let folder = tempfile::tempdir().unwrap();
    let blob = bytes(9, 1_200_000);
    let address = Address::of(&blob);
    for (file, at) in [
        ("blob", 70_000),
        ("blob", 1_199_999),
        ("parts", 3),
        ("parts", 100),
    ] {
        let vault = Vault::open(folder.path(), &Options::new()).unwrap();
        vault.put(&blob, Durability::Each).unwrap();
        drop(vault);
        tamper(
            &folder.path().join(format!("large/{address}.{file}")),
            at,
            |byte| !byte,
        );
        let vault = Vault::open(folder.path(), &Options::new()).unwrap();
        let found = vault.get(&address);
        assert!(
            matches!(found, Err(GetError::Damaged { .. })),
            "{file} {at}: {found:?}"
        );
        if file == "blob" {
            // Its other parts can be read all the same.
            assert!(vault.get_range(&address, 0..60_000).unwrap().unwrap() == blob[..60_000]);
        }
        vault.put(&blob, Durability::Each).unwrap();
        assert!(vault.get(&address).unwrap().unwrap() == blob);
    }
}

#[test]
fn a_put_that_stopped_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let vault = Vault::open(folder.path(), &Options::new()).unwrap();
    let blob = bytes(5, 5_000_000);
    let address = Address::of(&blob);
    let options = PutOptions::new().expect(address);
    let stop = &mut |done| match done {
        0..2_000_000 => ControlFlow::Continue(()),
        _ => ControlFlow::Break(()),
    };
    let stopped = vault.put_reader_with(&mut &blob[..], &options, stop);
    assert!(matches!(stopped, Err(PutError::Cancelled)));
    assert_eq!(vault.get(&address).unwrap(), None);

    let kept = vault.partial_bytes(&address).unwrap();
    assert!(kept >= 2_000_000);
    let beyond = options.resume_at(kept + 1);
    let refused = vault.put_reader(&mut &blob[..], &beyond);
    assert!(matches!(refused, Err(PutError::NothingToResume { .. })));
    let from = usize::try_from(kept).unwrap();
    let put = vault
        .put_reader(&mut &blob[from..], &options.resume_at(kept))
        .unwrap();
    assert_eq!(put, address);
    assert!(vault.get(&address).unwrap().unwrap() == blob);
    assert_eq!(vault.partial_bytes(&address).unwrap(), 0);
}

#[test]
fn many_threads_share_syncs_and_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let vault = Vault::open(folder.path(), &small()).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..8_u64 {
            let vault = &vault;
            scope.spawn(move || {
                for number in 0..50 {
                    let blob = bytes(thread * 1000 + number, 200);
                    let address = vault.put(&blob, Durability::Each).unwrap();
                    assert_eq!(vault.get(&address).unwrap(), Some(blob));
                }
            });
        }
    });
    drop(vault);
    let vault = Vault::open(folder.path(), &small()).unwrap();
    assert_eq!(vault.len(), 400);
    for thread in 0..8_u64 {
        for number in 0..50 {
            let blob = bytes(thread * 1000 + number, 200);
            assert_eq!(vault.get(&Address::of(&blob)).unwrap(), Some(blob));
        }
    }
}

#[test]
fn what_a_dead_process_of_the_same_number_left_is_in_nobodys_way() {
    let folder = tempfile::tempdir().unwrap();
    drop(Vault::open(folder.path(), &Options::new()).unwrap());
    for number in 0..50 {
        let name = format!("large/{}-{number}.tmp", std::process::id());
        fs::write(folder.path().join(name), b"left").unwrap();
    }
    let vault = Vault::open(folder.path(), &Options::new()).unwrap();
    let left = fs::read_dir(folder.path().join("large")).unwrap().count();
    assert_eq!(left, 0);
    vault.put(&bytes(1, 3 << 20), Durability::Each).unwrap();
}

#[test]
fn two_handles_of_one_process_put_large_blobs_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let [one, two] = [0; 2].map(|_| Vault::open(folder.path(), &Options::new()).unwrap());
    let blob = bytes(1, 5 << 20);
    // The first stops in its middle until the second is through.
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let blob = &blob;
    std::thread::scope(|scope| {
        let slow = scope.spawn(move || {
            let mut waited = false;
            let mut progress = |done| {
                if done > 2 << 20 && !std::mem::replace(&mut waited, true) {
                    wait.recv().unwrap();
                }
                ControlFlow::Continue(())
            };
            one.put_reader_with(&mut &blob[..], &PutOptions::new(), &mut progress)
        });
        two.put(&bytes(2, 3 << 20), Durability::Each).unwrap();
        go.send(()).unwrap();
        assert_eq!(slow.join().unwrap().unwrap(), Address::of(blob));
    });
}
