//! A disk that fills up: a clear error, nothing acknowledged is lost, a collection gives room back, and it
//! goes on when there is space again.
//!
//! On a real file system of a few megabytes, mounted where nobody else sees it. That takes root, or
//! a system that lets users make namespaces of their own.
#![expect(
    clippy::unwrap_used,
    reason = "an unwrap that panics is how these tests fail"
)]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use truth_vault::{
    Address, Durability, GcError, GcOptions, Options, PutError, RootError, ScrubOptions, Vault,
};

#[test]
fn a_full_disk_loses_nothing_and_is_got_over() {
    let Some(namespace) = namespace() else {
        println!("skipped: no file system can be mounted here");
        return;
    };
    for (size_kib, blob_bytes) in [(9_000, 60_000), (8_777, 3_001), (16_500, 1_500_000)] {
        let folder = tempfile::tempdir().unwrap();
        let script = "mount -t tmpfs -o size=$1k none \"$2\" && shift 2 && exec \"$@\"";
        let status = Command::new("unshare")
            .args(namespace)
            .args(["sh", "-c", script, "sh", &size_kib.to_string()])
            .arg(folder.path())
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", CHILD, "--nocapture"])
            .env("TRUTH_VAULT_SMALL_DISK", folder.path())
            .env("TRUTH_VAULT_BLOB_BYTES", blob_bytes.to_string())
            .status()
            .unwrap();
        assert!(status.success(), "{size_kib} KiB, {blob_bytes} a blob");
    }
}

/// What `unshare` needs to be told here; none if a file system cannot be mounted.
fn namespace() -> Option<&'static [&'static str]> {
    let ways: [&[&str]; 2] = [&["--mount"], &["--user", "--map-root-user", "--mount"]];
    ways.into_iter().find(|way| {
        let mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", "/tmp"];
        let mut probe = Command::new("unshare");
        probe.args(*way).args(mount).stderr(Stdio::null());
        probe.status().is_ok_and(|status| status.success())
    })
}

/// The name of the test that is the child.
const CHILD: &str = "fills_a_small_disk";

/// Not a test by itself: what is done on the small disk.
#[test]
fn fills_a_small_disk() {
    let Some(disk) = std::env::var_os("TRUTH_VAULT_SMALL_DISK") else {
        return;
    };
    let disk = Path::new(&disk);
    let bytes: usize = std::env::var("TRUTH_VAULT_BLOB_BYTES")
        .unwrap()
        .parse()
        .unwrap();
    let filler = disk.join("filler");
    fs::write(&filler, vec![1; 4 << 20]).unwrap();
    let reserve = disk.join("reserve");
    fs::write(&reserve, vec![1; 1 << 20]).unwrap();
    let mut store = Store::open(disk, bytes);
    let error = store.fill();
    println!("full after {} blobs: {error:?}", store.content.len());
    assert!(is_full(&error), "{error:?}");
    store.check();

    // Nothing can be pinned either, and nothing else happens because of it; what was lost is what was put.
    fill_up(&disk.join("last filler"));
    let first = *store.content.keys().next().unwrap();
    match store.vault.pin(&[first]) {
        Err(RootError::Storage(error)) => assert_eq!(error.kind(), io::ErrorKind::StorageFull),
        other => panic!("{other:?}"),
    }
    let collected = store.vault.collect(&options(0), &mut go_on);
    assert!(
        matches!(collected, Err(GcError::Storage(_))),
        "{collected:?}"
    );
    store.check();

    // Space again: the same handle goes on.
    fs::remove_file(disk.join("last filler")).unwrap();
    fs::remove_file(&filler).unwrap();
    for _ in 0..2 {
        store.put().unwrap();
    }
    store.fill();
    store.check();

    // Who opens it when it is full has all of it. A collection makes room, and needs some for its lists
    // and for what it copies: without, it says so.
    let Store { vault, content, .. } = store;
    drop(vault);
    let mut store = Store {
        content,
        ..Store::open(disk, bytes)
    };
    store.check();
    fill_up(&disk.join("last filler"));
    store.check();
    let refused = store.vault.collect(&options(0), &mut go_on);
    assert!(refused.is_err(), "{refused:?}");
    store.check();
    fs::remove_file(disk.join("last filler")).unwrap();
    fs::remove_file(&reserve).unwrap();
    let kept: Vec<Address> = store.content.keys().copied().take(3).collect();
    store.vault.pin(&kept).unwrap();
    store.vault.collect(&options(0), &mut go_on).unwrap();
    let report = store.vault.collect(&options(10), &mut go_on).unwrap();
    println!("{} bytes given back", report.freed_bytes);
    assert!(report.freed_bytes > 3 << 20);
    let vault = &store.vault;
    store
        .content
        .retain(|address, _| vault.has(address).unwrap());
    assert!(
        kept.iter()
            .all(|address| store.content.contains_key(address))
    );
    store.check();
    for _ in 0..2 {
        store.put().unwrap();
    }
    store.check();
    let scrubbed = store
        .vault
        .scrub(&ScrubOptions::new(1), &mut go_on)
        .unwrap();
    assert_eq!((scrubbed.bad, scrubbed.gaps), (vec![], vec![]));
}

fn go_on<T>(_: T) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn options(now_ns: u64) -> GcOptions {
    GcOptions::new(now_ns)
        .grace(Duration::from_nanos(10))
        .dead_percent(50)
}

struct Store {
    vault: Vault,
    bytes: usize,
    content: BTreeMap<Address, Vec<u8>>,
    next: u64,
}

impl Store {
    fn open(disk: &Path, bytes: usize) -> Self {
        let options = Options::new().segment_bytes(256 << 10);
        let vault = Vault::open(disk.join("vault"), &options).unwrap();
        assert_eq!(vault.open_report().cuts, []);
        Self {
            vault,
            bytes,
            content: BTreeMap::new(),
            // Others than before.
            next: vault_len(disk),
        }
    }

    fn put(&mut self) -> Result<(), PutError> {
        self.next += 1;
        let mut blob = vec![7; self.bytes];
        blob[..8].copy_from_slice(&self.next.to_le_bytes());
        let address = self.vault.put(&blob, Durability::Each)?;
        self.content.insert(address, blob);
        Ok(())
    }

    /// Puts until that fails.
    fn fill(&mut self) -> PutError {
        loop {
            if let Err(error) = self.put() {
                return error;
            }
        }
    }

    fn check(&self) {
        for (address, blob) in &self.content {
            let found = self.vault.get(address).unwrap();
            assert!(found.as_ref() == Some(blob), "{address} is not there");
        }
        let all = self.vault.list(None, usize::MAX).unwrap();
        assert_eq!(all, self.content.keys().copied().collect::<Vec<_>>());
    }
}

/// A number that grows from one opening to the next.
fn vault_len(disk: &Path) -> u64 {
    1000 * fs::read_dir(disk.join("vault/segments")).map_or(0, |files| files.count() as u64)
}

/// Whether an error says that there is no space.
fn is_full(error: &PutError) -> bool {
    match error {
        PutError::Storage(error) | PutError::NotDurable(error) => {
            error.kind() == io::ErrorKind::StorageFull
        }
        _ => false,
    }
}

/// Takes all the space there is.
fn fill_up(path: &Path) {
    let mut file = File::create(path).unwrap();
    while file.write(&[1; 4096]).is_ok() {}
}
