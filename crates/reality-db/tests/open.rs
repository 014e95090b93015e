//! Who is let in and who is not, and what a handle says of itself: by what the crate publishes, on
//! real files.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

#[path = "common/backend.rs"]
mod backend;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use reality_db::{
    CommitError, Damage, Health, KeyMode, OpenError, Options, Prepared, Profile, RealityDb,
    Retention, Snapshot, WayOut,
};

/// What threads share must stay shareable: it would not compile otherwise.
const _: () = {
    const fn is_shared<T: Send + Sync>() {}
    is_shared::<RealityDb>();
    is_shared::<Snapshot>();
    is_shared::<Prepared>();
};

/// A process that has a store open. Ends with the test, however that ends.
struct Holder(Child);

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn options() -> Options {
    backend::options().background(false)
}

/// A store with one version.
fn create(folder: &Path) -> RealityDb {
    let db = RealityDb::open(folder, &options()).unwrap();
    db.put(b"key", b"value").unwrap();
    db
}

fn refusal(folder: &Path, options: &Options) -> OpenError {
    match RealityDb::open(folder, options) {
        Ok(_) => panic!("it was opened"),
        Err(error) => error,
    }
}

/// Names of what is in a folder.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

/// Bytes of all files in a folder, and in the folders in it.
fn bytes_in(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    let bytes = entries.map(|entry| match entry.metadata().unwrap() {
        metadata if metadata.is_dir() => bytes_in(&entry.path()),
        metadata => metadata.len(),
    });
    bytes.sum()
}

#[test]
fn a_second_process_is_told_who_has_it_and_let_in_once_that_has_ended() {
    let folder = tempfile::tempdir().unwrap();
    drop(create(folder.path()));
    let mut holder = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", CHILD, "--nocapture", "--test-threads=1"])
        .env("REALITY_DB_HELD_FOLDER", folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map(Holder)
        .unwrap();
    let mut output = BufReader::new(holder.0.stdout.take().unwrap()).lines();
    assert!(output.any(|line| line.unwrap().contains(HOLDS)));

    for options in [
        options(),
        options().create(false),
        options().accept_damage(true),
    ] {
        let refused = refusal(folder.path(), &options);
        let OpenError::Locked { path, holder: pid } = &refused else {
            panic!("{refused}");
        };
        assert_eq!((path.as_path(), *pid), (folder.path(), Some(holder.0.id())));
        let said = format!("is in use by process {}", holder.0.id());
        assert!(refused.to_string().ends_with(&said), "{refused}");
    }

    // However it ends: the lock is the system's.
    holder.0.kill().unwrap();
    holder.0.wait().unwrap();
    let db = RealityDb::open(folder.path(), &options()).unwrap();
    assert_eq!(db.get(b"key").unwrap(), Some(b"value".to_vec()));
    assert_eq!(db.get(b"held").unwrap(), Some(b"yes".to_vec()));
}

/// What the process says that holds a store.
const HOLDS: &str = "child: holds it";

/// The name of the test that is the child.
const CHILD: &str = "holds_a_store";

/// Not a test by itself: the process that has a store open until it is killed.
#[test]
fn holds_a_store() {
    let Some(folder) = std::env::var_os("REALITY_DB_HELD_FOLDER") else {
        return;
    };
    let db = RealityDb::open(folder, &options()).unwrap();
    db.put(b"held", b"yes").unwrap();
    std::io::stdout()
        .write_all(format!("{HOLDS}\n").as_bytes())
        .unwrap();
    // Until the other side ends, if it should not come to killing this one.
    let _ = std::io::stdin().lines().count();
}

#[test]
fn a_second_handle_of_one_process_is_not_let_in_either() {
    let folder = tempfile::tempdir().unwrap();
    let db = create(folder.path());
    let copy = db.clone();
    let own = Some(std::process::id());
    let is_locked = || {
        let refused = refusal(folder.path(), &options());
        matches!(refused, OpenError::Locked { holder, .. } if holder == own)
    };
    assert!(is_locked());
    drop(db);
    assert!(is_locked(), "a copy of the handle is left");
    drop(copy);
    RealityDb::open(folder.path(), &options()).unwrap();
}

#[test]
fn none_is_created_where_none_was_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let absent = folder.path().join("absent");
    for place in [folder.path(), &absent] {
        let refused = refusal(place, &options().create(false));
        assert!(
            matches!(&refused, OpenError::NotFound { path } if path == place),
            "{refused}"
        );
    }
    assert!(names(folder.path()).is_empty());
}

#[test]
fn a_folder_of_other_files_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("letter.txt"), b"dear").unwrap();
    for options in [
        options(),
        options().create(false),
        options().accept_damage(true),
    ] {
        let refused = refusal(folder.path(), &options);
        assert!(
            matches!(&refused, OpenError::NotADatabase { path } if path == folder.path()),
            "{refused}"
        );
    }
    assert_eq!(names(folder.path()), ["letter.txt"]);
}

#[test]
fn other_options_than_it_was_created_with_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    drop(create(folder.path()));
    let refused = |options: &Options| match refusal(folder.path(), options) {
        OpenError::OtherOption {
            option,
            found,
            asked,
        } => [option.to_owned(), found, asked],
        other => panic!("{other}"),
    };
    let asked = options().profile(Profile::Blake3);
    assert_eq!(
        refused(&asked),
        ["profile", Profile::Sha256.name(), Profile::Blake3.name()]
    );
    let asked = options().key_mode(KeyMode::Hashed);
    assert_eq!(refused(&asked), ["keys", "ordered", "hashed"]);
    #[cfg(all(feature = "sled", feature = "rocksdb"))]
    {
        let sled = fs::read_to_string(folder.path().join("FORMAT"))
            .unwrap()
            .contains("sled");
        let (other, names) = match sled {
            true => (reality_db::Backend::RocksDb, ["backend", "sled", "rocksdb"]),
            false => (reality_db::Backend::Sled, ["backend", "rocksdb", "sled"]),
        };
        assert_eq!(refused(&options().backend(other)), names);
    }
    // As it was created, or without a word on it.
    let asked = options()
        .profile(Profile::Sha256)
        .key_mode(KeyMode::Ordered);
    drop(RealityDb::open(folder.path(), &asked).unwrap());
    let db = RealityDb::open(folder.path(), &Options::new().create(false)).unwrap();
    assert_eq!(db.get(b"key").unwrap(), Some(b"value".to_vec()));
}

/// Opens a store whose description was changed by `change`; checks that nothing else came of it.
fn opened_as(change: impl Fn(&str) -> String) -> OpenError {
    let folder = tempfile::tempdir().unwrap();
    drop(create(folder.path()));
    let format = folder.path().join("FORMAT");
    let sound = fs::read_to_string(&format).unwrap();
    let changed = change(&sound);
    assert_ne!(changed, sound);
    fs::write(&format, changed).unwrap();
    let before = names(folder.path());
    refusal(folder.path(), &options().accept_damage(true));
    let refused = refusal(folder.path(), &options());
    assert_eq!(names(folder.path()), before);
    fs::write(&format, sound).unwrap();
    let db = RealityDb::open(folder.path(), &options()).unwrap();
    assert_eq!(db.get(b"key").unwrap(), Some(b"value".to_vec()));
    refused
}

#[test]
fn a_format_that_is_not_known_is_refused_by_its_number() {
    let refused = opened_as(|format| format.replacen("reality-db 1", "reality-db 27", 1));
    assert!(
        matches!(&refused, OpenError::UnknownFormat { found, known: 1 } if found == "27"),
        "{refused}"
    );
}

#[cfg(not(feature = "rocksdb"))]
#[test]
fn an_engine_that_is_not_built_in_is_asked_for_by_its_feature() {
    let refused = opened_as(|format| format.replacen("backend sled", "backend rocksdb", 1));
    assert!(
        matches!(&refused, OpenError::NotBuiltIn { feature: "rocksdb" }),
        "{refused}"
    );
}

#[test]
fn a_damaged_description_is_refused_as_that() {
    let refused = opened_as(|format| format.replacen("keys ordered", "keys hashed", 1));
    assert!(
        matches!(refused, OpenError::Damaged(Damage::Format)),
        "{refused}"
    );
}

#[test]
fn stats_count_what_there_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let options = options()
        .retention(Retention::Last(2))
        .checkpoint_at_close(false);
    let db = RealityDb::open(path, &options).unwrap();
    let stats = db.stats().unwrap();
    assert_eq!(stats.version, db.version());
    assert_eq!((stats.oldest, stats.entries), (0, 0));
    assert_eq!(
        (
            stats.checkpoints,
            stats.checkpoint,
            stats.checkpoint_disk_bytes
        ),
        (0, 0, 0)
    );

    for key in [b"a", b"b", b"c", b"d", b"e"] {
        db.put(key, &[7; 1000]).unwrap();
    }
    db.delete(b"c").unwrap();
    let go_on = |_| ControlFlow::Continue(());
    let checkpoint = db.checkpoint(go_on).unwrap();
    db.put(b"f", &[8; 1000]).unwrap();
    let stats = db.stats().unwrap();
    assert_eq!(stats.version, db.version());
    assert_eq!((stats.version.number, stats.entries), (7, 5));
    assert_eq!(stats.oldest, db.oldest().unwrap());
    assert_eq!(
        (stats.checkpoints, stats.checkpoint),
        (1, checkpoint.number)
    );
    let lens = |folder: &str| bytes_in(&path.join(folder));
    assert_eq!(stats.checkpoint_disk_bytes, lens("checkpoints"));
    assert_eq!(stats.journal_disk_bytes, lens("journal") + lens("log"));

    let copy = db.clone();
    drop(db);
    drop(copy);
    let db = RealityDb::open(path, &options).unwrap();
    let again = db.stats().unwrap();
    assert_eq!(
        (again.version, again.entries, again.oldest),
        (stats.version, 5, stats.oldest)
    );
    assert_eq!(
        (again.checkpoints, again.checkpoint),
        (1, checkpoint.number)
    );
}

#[test]
fn to_recover_has_nothing_to_do_where_nothing_failed_and_is_refused_in_panic_mode() {
    let folder = tempfile::tempdir().unwrap();
    let db = create(folder.path());
    let version = db.version();
    assert_eq!(db.recover().unwrap(), version);
    drop(db);

    fs::write(folder.path().join("HEAD"), [0; 632]).unwrap();
    let refused = refusal(folder.path(), &options());
    assert!(
        matches!(refused, OpenError::Damaged(Damage::Mark)),
        "{refused}"
    );
    let db = RealityDb::open(folder.path(), &options().accept_damage(true)).unwrap();
    assert_eq!(db.health(), Health::Panic(Damage::Mark));
    let refused = db.recover().unwrap_err();
    assert!(
        matches!(refused, CommitError::Panic(Damage::Mark)),
        "{refused}"
    );
    assert_eq!(db.get(b"key").unwrap(), Some(b"value".to_vec()));

    assert_eq!(db.ways_out().unwrap(), [WayOut::Rebuild]);
    let report = db.take_way_out(&WayOut::Rebuild, "a test").unwrap();
    assert!(report.complete && report.damage.is_empty());
    assert_eq!(db.recover().unwrap(), version);
}
