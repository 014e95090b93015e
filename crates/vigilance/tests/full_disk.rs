//! A disk that fills up: a clear error or counted drops, nothing acknowledged is lost, and it goes on when
//! there is space again.
//!
//! On a real file system of a few megabytes, mounted where nobody else sees it. That takes root, or
//! a system that lets users make namespaces of their own.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

#[path = "common/dice.rs"]
mod dice;
#[path = "common/samples.rs"]
mod samples;

use std::fs::{self, File};
use std::io::Write;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Command, Stdio};

use vigilance::{
    AppendError, Appended, Depth, DiskFull, EventKind, Health, Record, StorageErrorKind, Trail,
};

/// Bytes of each of the files that are removed to make space.
const FILLER_BYTES: usize = 6 << 20;

#[test]
fn a_full_disk_loses_nothing_and_is_got_over() {
    let Some(namespace) = namespace() else {
        println!("skipped: no file system can be mounted here");
        return;
    };
    for (size_kib, batch) in [(20_480, 200), (21_001, 7), (22_444, 1)] {
        for policy in ["closed", "open"] {
            let folder = tempfile::tempdir().unwrap();
            let script = "mount -t tmpfs -o size=$1k none \"$2\" && shift 2 && exec \"$@\"";
            let status = Command::new("unshare")
                .args(namespace)
                .args(["sh", "-c", script, "sh", &size_kib.to_string()])
                .arg(folder.path())
                .arg(std::env::current_exe().unwrap())
                .args(["--exact", CHILD, "--nocapture"])
                .env("VIGILANCE_SMALL_DISK", folder.path())
                .env("VIGILANCE_BATCH", batch.to_string())
                .env("VIGILANCE_POLICY", policy)
                .status()
                .unwrap();
            assert!(
                status.success(),
                "{size_kib} KiB, {batch} a batch, {policy}"
            );
        }
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
    let Some(disk) = std::env::var_os("VIGILANCE_SMALL_DISK") else {
        return;
    };
    let disk = Path::new(&disk);
    let batch: u64 = std::env::var("VIGILANCE_BATCH").unwrap().parse().unwrap();
    let drops = std::env::var("VIGILANCE_POLICY").unwrap() == "open";
    let fillers = ["first filler", "second filler"].map(|name| disk.join(name));
    for filler in &fillers {
        fs::write(filler, vec![1; FILLER_BYTES]).unwrap();
    }
    let policy = if drops {
        DiskFull::FailOpenCounted
    } else {
        DiskFull::FailClosed
    };
    let options = samples::options().disk_full(policy).wal_bytes(1 << 20);
    let folder = disk.join("trail");
    let trail = Trail::open(&folder, &options).unwrap();
    let mut numbers = Vec::new();
    let mut next = 0;
    let mut dropped = 0;
    fill(&trail, batch, drops, &mut numbers, &mut next, &mut dropped);
    println!("full after {} records", numbers.len());
    assert_eq!(trail.size(), numbers.len() as u64);
    check(&trail, &numbers);

    // Space again: the same handle goes on, and says what it dropped.
    fs::remove_file(&fillers[0]).unwrap();
    let goes_on = (0..200).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(10));
        match trail.append(samples::record(next)) {
            Ok(Appended::At { index }) => {
                if drops {
                    numbers.push(u64::MAX);
                }
                numbers.push(next);
                next += 1;
                index + 1 == numbers.len() as u64
            }
            Ok(Appended::Dropped) => {
                dropped += 1;
                next += 1;
                false
            }
            Ok(other) => panic!("{other:?}"),
            Err(AppendError::Storage(error)) if error.is_full() => false,
            Err(error) => panic!("{error:?}"),
        }
    });
    assert!(goes_on, "nothing is appended though there is space");
    if drops {
        let stored = trail.record(numbers.len() as u64 - 2).unwrap();
        let Record::Event(event) = stored.record else {
            panic!("not an event");
        };
        assert_eq!(
            (event.kind, event.count),
            (EventKind::Dropped, Some(dropped))
        );
        assert!(event.event_ns < event.observed_ns || dropped == 1);
    }
    check(&trail, &numbers);

    // Full again, and with every last byte gone: whoever opens it then is told, or gets all of it.
    fill(&trail, batch, drops, &mut numbers, &mut next, &mut dropped);
    fill_up(&disk.join("last filler"));
    drop(trail);
    match Trail::open(&folder, &options) {
        Ok(trail) => check(&trail, &numbers),
        Err(error) => println!("opened when full: {error}"),
    }
    fs::remove_file(&fillers[1]).unwrap();
    let trail = Trail::open(&folder, &options).unwrap();
    check(&trail, &numbers);
    trail.append(samples::record(next)).unwrap();
    let report = trail
        .verify(Depth::Pages, |_| ControlFlow::Continue(()))
        .unwrap();
    assert_eq!(report.damage, []);
}

/// Appends until the disk is full.
fn fill(
    trail: &Trail,
    batch: u64,
    drops: bool,
    numbers: &mut Vec<u64>,
    next: &mut u64,
    dropped: &mut u64,
) {
    loop {
        let batch = *next..*next + batch;
        let appended = trail.append_all(batch.clone().map(samples::record).collect());
        *next = batch.end;
        match appended {
            Ok(appended) if appended[0] == Appended::Dropped => {
                assert!(drops);
                *dropped += appended.len() as u64;
                return;
            }
            Ok(_) => numbers.extend(batch),
            Err(AppendError::Storage(error)) => {
                assert!(!drops);
                assert_eq!(error.kind(), StorageErrorKind::Full, "{error:?}");
                return;
            }
            Err(error) => panic!("{error:?}"),
        }
    }
}

fn check(trail: &Trail, numbers: &[u64]) {
    assert_eq!(trail.health(), Health::Sound);
    for (index, number) in (0..)
        .zip(numbers)
        .collect::<Vec<_>>()
        .into_iter()
        .rev()
        .step_by(13)
    {
        let found = trail.record(index).unwrap();
        if *number < u64::MAX {
            assert_eq!(found.record, samples::record(*number));
        }
    }
}

/// Takes all the space there is.
fn fill_up(path: &Path) {
    let mut file = File::create(path).unwrap();
    while file.write(&[1; 4096]).is_ok() {}
}
