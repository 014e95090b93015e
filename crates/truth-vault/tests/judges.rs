//! Other implementations read what we write, and we read what they write.
//!
//! They are programs in JavaScript and Python, which `cargo xtask judges` installs into the folder
//! that `TRUTH_VAULT_JUDGES` names. Without it these tests say that they are skipped.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::env;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use truth_vault::{
    Address, CarReader, CarWriter, Certificate, Envelope, IndexedCarWriter, JudgeProof,
    LegacyBundle, LegacyGeneration, SecretKey, SignerPolicy, Statement, VerificationStatus,
};

/// The folder of the judges; if there is none, the test says so and passes.
fn judges(test: &str) -> Option<PathBuf> {
    let folder = env::var_os("TRUTH_VAULT_JUDGES").map(PathBuf::from);
    if folder.is_none() {
        println!("skipped: {test}: TRUTH_VAULT_JUDGES is not set, see `cargo xtask judges`");
    }
    folder
}

fn script(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/judges");
    folder.join(name)
}

/// What a judge prints, which must end well, on this standard input.
fn said(command: &mut Command, input: &[u8]) -> String {
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{command:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The script, found by its imports from the folder that has them.
fn node(judges: &Path, arguments: &[&str]) -> String {
    let mut node = Command::new("node");
    node.args(["--input-type=module", "-"]).args(arguments);
    node.current_dir(judges.join("npm"));
    said(&mut node, &fs::read(script("car.mjs")).unwrap())
}

fn python(judges: &Path, name: &str, arguments: &[&str], input: &[u8]) -> String {
    let mut python = Command::new(judges.join("python/bin/python"));
    said(python.arg(script(name)).args(arguments), input)
}

fn blobs() -> Vec<Vec<u8>> {
    let sizes = [0, 1, 31, 127, 128, 129, 5_000, 300_000];
    sizes
        .map(|size: u32| (0..size).map(|at| at.to_le_bytes()[0]).collect())
        .to_vec()
}

fn path_text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn ipld_reads_our_car_files_and_cardex_their_index() {
    let Some(judges) = judges("ipld_reads_our_car_files_and_cardex_their_index") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ours.car");
    let addresses: Vec<Address> = blobs().iter().map(|blob| Address::of(blob)).collect();
    let blocks = addresses
        .iter()
        .map(|it| format!("block {} {it}\n", it.to_cid()));
    let roots = addresses[..2]
        .iter()
        .map(|it| format!("root {}\n", it.to_cid()));
    let expected: String = blocks.chain(roots).collect();

    let mut writer = CarWriter::new(File::create(&path).unwrap(), &addresses[..2]).unwrap();
    for (address, blob) in addresses.iter().zip(blobs()) {
        writer.append(*address, &blob).unwrap();
    }
    writer.finish().unwrap();
    assert_eq!(node(&judges, &["read", path_text(&path)]), expected);

    let mut writer = IndexedCarWriter::new(File::create(&path).unwrap(), &addresses[..2]).unwrap();
    for (address, blob) in addresses.iter().zip(blobs()) {
        writer.append(*address, &blob).unwrap();
    }
    writer.finish().unwrap();
    let mut sorted = addresses.clone();
    sorted.sort();
    let index = sorted.iter().map(|it| format!("index {}\n", it.to_cid()));
    let expected = expected + &index.collect::<String>();
    assert_eq!(node(&judges, &["read", path_text(&path)]), expected);
}

#[test]
fn we_read_the_car_files_of_ipld() {
    let Some(judges) = judges("we_read_the_car_files_of_ipld") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("theirs.car");
    let written = node(&judges, &["write", path_text(&path), "1"]);
    let mut reader = CarReader::new(File::open(&path).unwrap()).unwrap();
    assert_eq!(reader.roots().len(), 2);
    let mut raw = 0;
    for line in written.lines() {
        let (cid, digest) = line.split_once(' ').unwrap();
        let block = reader.next_block().unwrap().unwrap();
        assert_eq!(block.cid().address().unwrap().to_string(), digest);
        if block.cid().is_raw() {
            raw += 1;
            assert_eq!(block.cid().address(), cid.parse().ok());
        }
        let bytes = block.read_to_vec(1000).unwrap();
        assert_eq!(Address::of(&bytes).to_string(), digest);
    }
    assert!(reader.next_block().unwrap().is_none());
    assert_eq!((written.lines().count(), raw), (20, 7));
}

#[test]
fn ipfs_car_unpacks_ours_and_we_read_what_it_packs() {
    let Some(judges) = judges("ipfs_car_unpacks_ours_and_we_read_what_it_packs") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let ipfs_car = |arguments: &[&str]| {
        let program = judges.join("npm/node_modules/ipfs-car/bin.js");
        let mut node = Command::new("node");
        said(
            node.arg(program).args(arguments).current_dir(folder.path()),
            b"",
        )
    };
    // A file of one block, which is the raw blob itself.
    let blob = b"intent pay(...)";
    let address = Address::of(blob);
    fs::write(folder.path().join("code"), blob).unwrap();
    ipfs_car(&["pack", "code", "--no-wrap", "--output", "theirs.car"]);
    let file = File::open(folder.path().join("theirs.car")).unwrap();
    let mut reader = CarReader::new(file).unwrap();
    assert_eq!(reader.roots()[0].address(), Some(address));
    let block = reader.next_block().unwrap().unwrap();
    assert_eq!(block.read_to_vec(100).unwrap(), blob);

    let file = File::create(folder.path().join("ours.car")).unwrap();
    let mut writer = CarWriter::new(file, &[address]).unwrap();
    writer.append(address, blob).unwrap();
    writer.finish().unwrap();
    let roots = ipfs_car(&["roots", "ours.car"]);
    assert_eq!(roots.trim(), address.to_cid());
    ipfs_car(&["unpack", "ours.car", "--output", "unpacked"]);
    assert_eq!(fs::read(folder.path().join("unpacked")).unwrap(), blob);

    // A folder of files of several blocks: nodes of the codec dag-pb above the raw ones.
    fs::create_dir(folder.path().join("code.d")).unwrap();
    fs::write(folder.path().join("code.d/large"), vec![7; 3 << 20]).unwrap();
    fs::write(folder.path().join("code.d/small"), blob).unwrap();
    ipfs_car(&["pack", "code.d", "--output", "folder.car"]);
    let file = File::open(folder.path().join("folder.car")).unwrap();
    let mut reader = CarReader::new(file).unwrap();
    let (mut raw, mut others) = (0, 0);
    while let Some(block) = reader.next_block().unwrap() {
        *(if block.cid().is_raw() {
            &mut raw
        } else {
            &mut others
        }) += 1;
        block.read_to_vec(2 << 20).unwrap();
    }
    assert!(raw >= 2 && others >= 1, "{raw} raw, {others} others");
}

fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed("judge", &[seed; 32]).unwrap()
}

fn certificate() -> Certificate {
    let proof = JudgeProof::new(VerificationStatus::Proved, "judge", "0.6", 1_000, 2_000).unwrap();
    let mut certificate = Certificate::issue(Address::of(b"code"), "pay", &proof, &key(1)).unwrap();
    certificate.countersign(&key(2)).unwrap();
    certificate
}

#[test]
fn securesystemslib_verifies_our_envelopes() {
    let Some(judges) = judges("securesystemslib_verifies_our_envelopes") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("envelope.json");
    fs::write(&path, certificate().encode()).unwrap();
    let pem = |seed: u8| {
        let path = folder.path().join(format!("{seed}.pem"));
        fs::write(&path, key(seed).public_key().to_pem()).unwrap();
        path
    };
    let keys = [1, 2].map(pem);
    let keys = keys.each_ref().map(|path| path_text(path));
    let accepted = python(
        &judges,
        "envelope.py",
        &["verify", path_text(&path), "2", keys[0], keys[1]],
        b"",
    );
    // Their ids of our keys are ours.
    let mut expected = [1, 2].map(|seed| key(seed).public_key().key_id().to_string());
    expected.sort();
    assert_eq!(accepted.trim(), expected.join("\n"));

    // And it refuses what is not ours.
    let stranger = pem(3);
    let mut python = Command::new(judges.join("python/bin/python"));
    python.arg(script("envelope.py"));
    python.args(["verify", path_text(&path), "1", path_text(&stranger)]);
    let refused = python.stderr(Stdio::piped()).output().unwrap();
    assert!(String::from_utf8_lossy(&refused.stderr).contains("VerificationError"));
}

#[test]
fn we_verify_the_envelopes_of_securesystemslib() {
    let Some(judges) = judges("we_verify_the_envelopes_of_securesystemslib") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("envelope.json");
    let sign = |payload: &[u8]| {
        let seeds = [1_u8, 2].map(|seed| format!("{seed:02x}").repeat(32));
        let kind = Statement::PAYLOAD_TYPE;
        let arguments = ["sign", path_text(&path), kind, &seeds[0], &seeds[1]];
        python(&judges, "envelope.py", &arguments, payload);
        Envelope::parse(&fs::read(&path).unwrap()).unwrap()
    };
    let keys = [1, 2].map(|seed| key(seed).public_key().clone());
    let policy = SignerPolicy::of_keys(2, keys).unwrap();
    let ours = certificate();
    let theirs = sign(ours.envelope().payload());
    // The same keys over the same bytes: ed25519 has one signature, so the envelopes are the same.
    assert_eq!(theirs.encode(), ours.encode());
    let theirs = Certificate::from_envelope(theirs).unwrap();
    assert!(
        theirs
            .verify(Address::of(b"code"), &policy, u64::MAX)
            .is_ok()
    );
    for payload in [&b""[..], b"\0\xff", "é\n".as_bytes(), &[7; 70_000]] {
        let envelope = sign(payload);
        assert_eq!(envelope.payload(), payload);
        assert!(envelope.is_signed_by(key(1).public_key()));
        assert!(!envelope.is_signed_by(key(3).public_key()));
    }
}

#[test]
fn every_bundle_that_python_hashes_is_whole() {
    let Some(judges) = judges("every_bundle_that_python_hashes_is_whole") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let seed = env::var("TRUTH_VAULT_SEED").unwrap_or_else(|_| "1".to_owned());
    println!("TRUTH_VAULT_SEED={seed}");
    python(
        &judges,
        "legacy.py",
        &[path_text(folder.path()), "1000", &seed],
        b"",
    );
    let mut old = 0;
    for entry in fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        let bundle = LegacyBundle::parse(&fs::read(&path).unwrap());
        let bundle = bundle.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        old += usize::from(bundle.generation() == LegacyGeneration::V0_7);
    }
    assert_eq!(old, 500);
}
