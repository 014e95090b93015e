//! A disk that fills up: a clear error, nothing acknowledged is lost, and it goes on when there is
//! space again.
//!
//! On a real file system of a few megabytes, mounted where nobody else sees it. That takes root, or
//! a system that lets users make namespaces of their own. Skipped, visibly, elsewhere; a machine of CI
//! must be able to.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

#[path = "common/backend.rs"]
mod backend;

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use reality_db::{Batch, CommitError, Depth, EngineError, Health, RealityDb};

/// Bytes of each of the files that are removed to make space.
const FILLER_BYTES: usize = 24 << 20;

#[test]
fn a_full_disk_loses_nothing_and_is_got_over() {
    let Some(namespace) = namespace() else {
        let why = "no file system can be mounted here";
        assert!(std::env::var_os("CI").is_none(), "{why}");
        println!("skipped: {why}");
        return;
    };
    for (size_kib, commit_bytes) in [(57_344, 150_000), (57_769, 40_000), (59_212, 3_000)] {
        let folder = tempfile::tempdir().unwrap();
        let script = "mount -t tmpfs -o size=$1k none \"$2\" && shift 2 && exec \"$@\"";
        let status = Command::new("unshare")
            .args(namespace)
            .args(["sh", "-c", script, "sh", &size_kib.to_string()])
            .arg(folder.path())
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", CHILD, "--nocapture"])
            .env("REALITY_DB_SMALL_DISK", folder.path())
            .env("REALITY_DB_COMMIT_BYTES", commit_bytes.to_string())
            .status()
            .unwrap();
        assert!(status.success(), "{size_kib} KiB, {commit_bytes} a commit");
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
    let Some(disk) = std::env::var_os("REALITY_DB_SMALL_DISK") else {
        return;
    };
    let disk = Path::new(&disk);
    let commit_bytes = std::env::var("REALITY_DB_COMMIT_BYTES").unwrap();
    let commit_bytes: usize = commit_bytes.parse().unwrap();
    let fillers = ["first filler", "second filler"].map(|name| disk.join(name));
    for filler in &fillers {
        fs::write(filler, vec![1; FILLER_BYTES]).unwrap();
    }
    let options = backend::options().checkpoint_bytes(1 << 20);
    let folder = disk.join("db");
    let mut store = Store {
        db: RealityDb::open(&folder, &options).unwrap(),
        contents: vec![Content::new()],
        commit_bytes,
    };
    let error = store.fill();
    println!("full after {} commits: {error}", store.contents.len() - 1);
    assert!(is_full(&error), "{error:?}");
    store.check();
    for _ in 0..3 {
        // Full still, or a part of what was taken is free again.
        if let Err(error) = store.commit() {
            assert!(!error.to_string().is_empty());
        }
        store.check();
    }

    // Space again: the same handle goes on.
    fs::remove_file(&fillers[0]).unwrap();
    let first = store.commit();
    println!("with space again: {first:?}");
    // The thread that writes checkpoints takes of that space too, and gives some back.
    let goes_on = (0..200).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(10));
        store.commit().is_ok()
    });
    assert!(goes_on, "no commit succeeds though there is space");
    store.check();

    // Full again, and with every last byte gone: whoever opens it then is told, or gets all of it.
    store.fill();
    fill_up(&disk.join("last filler"));
    let Store { db, contents, .. } = store;
    drop(db);
    match RealityDb::open(&folder, &options) {
        Ok(db) => {
            let mut store = Store {
                db,
                contents: contents.clone(),
                commit_bytes,
            };
            store.check();
        }
        Err(error) => println!("opened when full: {error}"),
    }
    // Opening brings what the log holds to the engine, which takes as much space again.
    fs::remove_file(&fillers[1]).unwrap();
    let mut store = Store {
        db: RealityDb::open(&folder, &options).unwrap(),
        contents,
        commit_bytes, // of the commit that may have come in
    };
    store.check();
    let go_on = |_| std::ops::ControlFlow::Continue(());
    let report = store.db.verify_integrity(Depth::Roots, go_on).unwrap();
    assert_eq!(report.damage, []);
    assert_eq!(store.db.health(), Health::Sound);
}

type Content = BTreeMap<Vec<u8>, Vec<u8>>;

struct Store {
    db: RealityDb,
    /// Content of every version.
    contents: Vec<Content>,
    commit_bytes: usize,
}

impl Store {
    fn next(&self, number: usize) -> (Vec<u8>, Content) {
        let key = format!("key {}", number % 40).into_bytes();
        let mut content = self.contents[number - 1].clone();
        content.insert(
            key.clone(),
            vec![number.to_le_bytes()[0]; self.commit_bytes],
        );
        (key, content)
    }

    /// Takes in what the database has of what failed: whatever was in flight is there or not.
    fn settle(&mut self) {
        self.settle_at(self.db.version().number);
    }

    fn settle_at(&mut self, version: u64) {
        if version == self.contents.len() as u64 {
            let (_, content) = self.next(self.contents.len());
            self.contents.push(content);
        }
        assert_eq!(version + 1, self.contents.len() as u64);
    }

    fn commit(&mut self) -> Result<(), CommitError> {
        let number = self.contents.len();
        let (key, content) = self.next(number);
        let mut batch = Batch::new();
        batch.put(&key, &content[&key])?;
        let committed = self.db.commit(&batch);
        if let Ok(version) = &committed
            && version.number == number as u64 + 1
        {
            // The one before, which failed, has come in first; this one changed its own key again.
            self.contents.push(content.clone());
        }
        if committed.is_ok() {
            self.contents.push(content);
        }
        self.settle();
        committed.map(drop)
    }

    /// Commits until that fails.
    fn fill(&mut self) -> CommitError {
        loop {
            if let Err(error) = self.commit() {
                return error;
            }
        }
    }

    fn check(&mut self) {
        let snapshot = self.db.snapshot().unwrap();
        // The thread that writes checkpoints may have found out meanwhile that what was in flight is there.
        self.settle_at(snapshot.version().number);
        let content = self.contents.last().unwrap();
        let found: Content = snapshot.iter().unwrap().map(Result::unwrap).collect();
        assert!(&found == content, "another content");
        assert_eq!(self.db.health(), Health::Sound);
    }
}

/// Whether an error says that there is no space.
fn is_full(error: &CommitError) -> bool {
    let engine: Option<&EngineError> = match error {
        CommitError::Storage(error) | CommitError::Unknown(error) => Some(error),
        _ => None,
    };
    let mut source: Option<&(dyn Error + 'static)> = engine.map(|error| error as _);
    while let Some(error) = source {
        let io = error.downcast_ref::<io::Error>();
        if io.is_some_and(|io| io.kind() == io::ErrorKind::StorageFull) {
            return true;
        }
        source = error.source();
    }
    false
}

/// Takes all the space there is.
fn fill_up(path: &Path) {
    let mut file = File::create(path).unwrap();
    while file.write(&[1; 4096]).is_ok() {}
}
