//! A vault of many blobs or bundles: opened, and weighed.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Instant;

use truth_vault::{Bundle, BundleQuery, Durability, Json, Options, Vault, VerificationStatus};

use super::blob;
use super::large::Memory;
use crate::measure::median;
use crate::report::Report;
use crate::row::{Goal, Row};

/// Bytes of the code of a bundle.
const CODE_BYTES: usize = 4 << 10;

/// Reports the rows.
pub(super) fn rows(report: &mut Report) {
    open(report);
    bundles(report);
}

/// Opening a vault of many blobs after an orderly end.
fn open(report: &mut Report) {
    let count = report.size(1_000_000, 100_000);
    let folder = tempfile::tempdir().expect("a folder to write to");
    let path = folder.path().join("vault");
    let vault = Vault::open(&path, &Options::new()).expect("a folder");
    for at in 0..count as u64 {
        vault
            .put(&at.to_le_bytes(), Durability::None)
            .expect("room");
    }
    drop(vault);
    let mut times = Vec::new();
    let mut memory = 0.0;
    for _ in 0..5 {
        let before = Memory::reset();
        let start = Instant::now();
        let vault = Vault::open(&path, &Options::new()).expect("it was closed");
        times.push(start.elapsed().as_secs_f64());
        memory = Memory::peak_bytes() - before;
        assert_eq!(vault.len(), count as u64);
    }
    let row = Row::new(
        "vault",
        format!("open/blobs={count}"),
        "s",
        median(&mut times),
    );
    report.row(&row.goal(Goal::AtMost(0.3)));
    let row = Row::new(
        "vault",
        format!("open_memory/blobs={count}"),
        "MB",
        memory / 1e6,
    );
    report.row(&row.goal(Goal::AtMost(200.0)));
}

/// Bundles of 4 KB of code: what they take on the disk, and how soon they are found.
fn bundles(report: &mut Report) {
    let count = report.size(100_000, 10_000);
    let folder = tempfile::tempdir().expect("a folder to write to");
    let mut ratios = Vec::new();
    for (name, options) in [
        ("plain", Options::new()),
        ("zstd", Options::new().compress(3)),
    ] {
        let path = folder.path().join(name);
        let vault = Vault::open(&path, &options).expect("a folder");
        let start = Instant::now();
        let bytes = fill(&vault, count);
        let rate = count as f64 / start.elapsed().as_secs_f64();
        drop(vault);
        ratios.push(size(&path) as f64 / bytes as f64);
        if name == "plain" {
            let name = format!("bundle::put_none/bundles={count}");
            report.row(&Row::new("vault", name, "bundles/s", rate));
            find(report, &path, count);
        }
    }
    let row = Row::new(
        "vault",
        format!("bundle::space/bundles={count}"),
        "x",
        ratios[0],
    );
    report.row(&row.goal(Goal::AtMost(1.1)));
    let row = Row::new(
        "vault",
        format!("bundle::space_zstd/bundles={count}"),
        "x",
        ratios[1],
    );
    report.row(&row.goal(Goal::AtMost(ratios[0])));
}

/// Puts the bundles; bytes of their codes and manifests.
fn fill(vault: &Vault, count: usize) -> u64 {
    let mut bytes = 0;
    for (at, code) in blob::blobs(7, count, CODE_BYTES).into_iter().enumerate() {
        let intent = format!("intent {}", at % 1_000);
        let status = VerificationStatus::Proved;
        let bundle = Bundle::new(code, &intent, status, at as u64).expect("short");
        let metadata = Json::parse("{\"attempts\": 1}").expect("JSON");
        let bundle = bundle.with_metadata(metadata).expect("short");
        bytes += (bundle.code().len() + bundle.manifest().encode().len()) as u64;
        vault.put_bundle(&bundle, Durability::None).expect("room");
    }
    bytes
}

/// From opening to the first answer, with the catalogue as it was left and without it.
fn find(report: &mut Report, path: &Path, count: usize) {
    let query = BundleQuery::new().intent("intent 7");
    let first = || {
        let start = Instant::now();
        let vault = Vault::open(path, &Options::new()).expect("it was closed");
        let found = vault.bundles(&query).expect("readable");
        assert_eq!(found.len(), count / 1_000);
        let seconds = start.elapsed().as_secs_f64();
        let start = Instant::now();
        vault.bundles(&query).expect("readable");
        (seconds, start.elapsed().as_secs_f64() * 1e6)
    };
    let mut with: Vec<_> = (0..5).map(|_| first()).collect();
    let (mut opened, mut asked): (Vec<f64>, Vec<f64>) = with.drain(..).unzip();
    fs::remove_file(path.join("catalogue")).expect("it was left");
    let (without, _) = first();
    let name = |what: &str| format!("bundle::{what}/bundles={count}");
    let row = Row::new("vault", name("open_and_find"), "s", median(&mut opened));
    report.row(&row.peer("without catalogue", without));
    report.row(&Row::new("vault", name("find"), "us", median(&mut asked)));
}

/// What a folder takes on the disk.
fn size(path: &Path) -> u64 {
    let entries = fs::read_dir(path).expect("a folder");
    let size_of = |entry: std::io::Result<fs::DirEntry>| {
        let entry = entry.expect("readable");
        let metadata = entry.metadata().expect("readable");
        match metadata.is_dir() {
            true => size(&entry.path()),
            false => metadata.blocks() * 512,
        }
    };
    entries.map(size_of).sum()
}
