//! Backups, recovery, time travel, erasing and imports, as operators do them; and how each of them fails.
#![expect(
    clippy::unwrap_used,
    reason = "an unwrap that panics is how these tests fail"
)]

#[path = "common/program.rs"]
mod program;

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use program::{Server, command, failed, json, run, said};

fn root(at: &Path) -> String {
    json(&run(at, &["time-travel", "show", "0d", "--json"]))["root"].to_string()
}

#[test]
fn a_backup_is_added_to_and_restored_to_the_exact_root() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    assert_eq!(run(at, &["backup", "kept"]).status.code(), Some(3)); // no data yet
    said(&run(at, &["put", "alice", "900"]));
    fs::write(at.join("code"), "intent pay {}").unwrap();
    let bundle = ["vault", "bundle", "code", "--intent", "pay", "--json"];
    let bundle = json(&run(at, &bundle))["address"]
        .as_str()
        .unwrap()
        .to_owned();
    let first = json(&run(at, &["backup", "kept", "--json"]));
    assert!(first["objects_added"].as_u64().unwrap() >= 2, "{first}");
    said(&run(at, &["put", "alice", "800"]));
    let second = said(&run(at, &["backup", "kept"]));
    assert!(second.starts_with("kept: up to version"), "{second}");
    assert!(second.contains(" 0 objects"), "{second}");

    let (there, before) = (run(at, &["restore", "kept"]), root(at));
    let (code, text) = failed(&there);
    assert_eq!(code, Some(1), "{text}");
    assert!(
        text.contains("next:    restore into a directory of its own"),
        "{text}"
    );
    fs::rename(at.join("data"), at.join("old")).unwrap();
    // A stranger's key signed it, as far as an empty directory knows.
    let (code, text) = failed(&run(at, &["restore", "kept"]));
    assert_eq!(code, Some(4), "{text}");
    fs::copy(at.join("old/seal.key"), at.join("data/seal.key")).unwrap();
    let (code, _) = failed(&run(at, &["restore", "nothing"]));
    assert_eq!(code, Some(3));

    let part = fs::read_dir(at.join("kept"))
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let part = part
        .filter(|path| path.extension().is_some_and(|ending| ending == "part"))
        .min();
    let part = part.unwrap();
    let sound = fs::read(&part).unwrap();
    let mut spoiled = sound.clone();
    let middle = spoiled.len() / 2;
    spoiled[middle] ^= 1;
    fs::write(&part, spoiled).unwrap();
    let (code, text) = failed(&run(at, &["restore", "kept"]));
    assert_eq!(code, Some(5), "{text}");
    fs::write(&part, sound).unwrap();
    for store in ["state", "vault", "audit", "seals"] {
        let _ = fs::remove_dir_all(at.join("data").join(store)); // of the attempt that failed
    }

    let restored = said(&run(at, &["restore", "kept"]));
    assert!(
        restored.starts_with("data is as it was at version"),
        "{restored}"
    );
    assert_eq!(root(at), before);
    assert_eq!(said(&run(at, &["get", "alice"])), "800\n");
    let events = said(&run(at, &["audit", "list", "events"]));
    assert_eq!(events.matches("backup into kept").count(), 2, "{events}"); // each is in what it made
    said(&run(
        at,
        &["vault", "export", &bundle, "--out", "pay.ae_bundle"],
    ));
    assert!(said(&run(at, &["verify-all"])).ends_with("sound\n"));
}

#[test]
fn what_is_lost_is_found_and_recovered_on_record() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    said(&run(
        at,
        &["exec", "open", "--tx", "t1", "--put", "alice=900"],
    ));
    assert!(said(&run(at, &["recover"])).starts_with("sound"));
    let nothing = failed(&run(
        at,
        &["recover", "--take", "rebuild-trail", "--reason", "x"],
    ));
    assert_eq!(nothing.0, Some(3), "{nothing:?}");
    assert_eq!(
        failed(&run(at, &["recover", "--take", "rebuild-trail"])).0,
        Some(2)
    );

    fs::remove_dir_all(at.join("data/audit")).unwrap();
    let (code, text) = failed(&run(at, &["get", "alice"]));
    assert_eq!(code, Some(5), "{text}");
    assert!(text.contains("`diotec360 recover` the ways out"), "{text}");
    assert_eq!(run(at, &["doctor"]).status.code(), Some(5));
    let made = run(at, &["token", "create", "helper"]);
    assert!(
        made.status.success() && !failed(&made).1.contains("not in"),
        "{made:?}"
    );
    let shown = run(at, &["recover", "--json"]);
    assert_eq!(shown.status.code(), Some(5));
    let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(shown["ways_out"][0]["way"], "rebuild-trail");
    let unnamed = failed(&run(at, &["recover", "--take", "restore", "--reason", "x"]));
    assert!(
        unnamed.0 == Some(1) && unnamed.1.contains("--backup DIR"),
        "{unnamed:?}"
    );
    let reason = "the disk was replaced";
    let taken = said(&run(
        at,
        &["recover", "--take", "rebuild-trail", "--reason", reason],
    ));
    assert!(
        taken.starts_with("recovered: make the audit trail again"),
        "{taken}"
    );
    said(&run(at, &["doctor"]));
    let events = said(&run(at, &["audit", "list", "events", "--json"]));
    assert!(events.contains(reason), "{events}");
    assert!(said(&run(at, &["audit", "list", "events"])).contains(reason)); // for people too
    // What was done while the log took no records is in it now.
    assert!(events.contains("(helper) made, scope read"), "{events}");
    assert_eq!(said(&run(at, &["get", "alice"])), "900\n");
}

#[test]
fn time_is_travelled_and_versions_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let put = |value: &str| json(&run(at, &["put", "alice", value, "--json"]))["version"].clone();
    let first = put("900").to_string();
    said(&run(at, &["snapshot", "create", "before the storm"]));
    put("1");
    let taken = failed(&run(at, &["snapshot", "create", "before the storm"]));
    assert_eq!(taken.0, Some(1), "{taken:?}");
    let listed = said(&run(at, &["snapshot", "list"]));
    assert!(listed.ends_with("  before the storm\n"), "{listed}");

    let then = said(&run(at, &["time-travel", "show", &first, "alice", "bob"]));
    assert!(then.ends_with("alice  900\nbob  (nothing)\n"), "{then}");
    let none = failed(&run(at, &["time-travel", "show", "9999"]));
    assert_eq!(none.0, Some(3), "{none:?}");
    let back = ["time-travel", "back", &first, "--tx", "back"];
    assert!(said(&run(at, &back)).starts_with("back PROVED\n"));
    assert_eq!(failed(&run(at, &back)).0, Some(1)); // its name is taken
    assert_eq!(said(&run(at, &["get", "alice"])), "900\n");
    assert_eq!(
        said(&run(at, &["history", "alice", "--json"]))
            .lines()
            .count(),
        3
    );

    said(&run(at, &["snapshot", "forget", "before the storm"]));
    assert_eq!(
        failed(&run(at, &["snapshot", "forget", "before the storm"])).0,
        Some(3)
    );
}

#[test]
fn texts_are_erased_and_what_was_proved_stays_proved() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let attack = [
        "attack",
        "injection",
        "--layer",
        "sanitizer",
        "--id",
        "a1",
        "--json",
    ];
    let texts = ["--snippet", "drop table secrets", "--subject", "mallory"];
    let index = json(&run(at, &[&attack[..], &texts].concat()))["index"].to_string();
    let show = ["audit", "show", &index, "--json"];
    let before = json(&run(at, &show));
    assert!(before.to_string().contains("drop table secrets"));
    let erased = said(&run(at, &["erase", "--subject", "mallory"]));
    assert!(
        erased.starts_with("texts of 1 records are erased"),
        "{erased}"
    );
    let after = json(&run(at, &show)).to_string();
    assert!(
        !after.contains("drop table secrets") && !after.contains("mallory"),
        "{after}"
    );
    assert_eq!(
        said(&run(at, &["erase", "--record", &index])),
        "there was nothing to erase\n"
    );
    assert_eq!(failed(&run(at, &["erase"])).0, Some(2));
    assert_eq!(failed(&run(at, &["erase", "--record", "999"])).0, Some(3));
    assert!(said(&run(at, &["verify-all"])).ends_with("sound\n"));
    said(&run(at, &["audit", "verify", "--pages"]));
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let files = entries.flat_map(|path| match path.is_dir() {
        true => files_below(&path),
        false => vec![path],
    });
    files.collect()
}

#[test]
fn a_damaged_blob_is_found_by_scrubbing() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    // Bytes that nothing makes smaller, so that they lie in the segment as they are.
    let mut random = 360_u64;
    let blob: Vec<u8> = std::iter::repeat_with(|| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random.to_le_bytes()[0]
    })
    .take(5000)
    .collect();
    fs::write(at.join("blob"), &blob).unwrap();
    said(&run(at, &["vault", "put", "blob"]));
    let scrubbed = said(&run(at, &["scrub"]));
    assert!(scrubbed.ends_with("everything was checked\n"), "{scrubbed}");
    let files = files_below(&at.join("data/vault")).into_iter();
    let spoiled = files.filter(|path| {
        let mut bytes = fs::read(path).unwrap();
        let place = bytes.windows(64).position(|part| part == &blob[1000..1064]);
        let Some(place) = place else { return false };
        bytes[place] ^= 1;
        fs::write(path, bytes).unwrap();
        true
    });
    assert_eq!(spoiled.count(), 1);
    let (code, text) = failed(&run(at, &["scrub"]));
    assert_eq!(code, Some(5), "{text}");
    assert!(text.contains("vault pull"), "{text}");
}

#[test]
fn what_the_original_kept_is_imported_and_what_does_not_match_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    assert_eq!(failed(&run(at, &["import-legacy", "nowhere"])).0, Some(3));
    fs::create_dir_all(at.join("old/state")).unwrap();
    let (code, text) = failed(&run(at, &["import-legacy", "old"]));
    assert!(
        code == Some(3) && text.contains("`state`, `vault` and `sentinel`"),
        "{text}"
    );
    let snapshot = |root: &str| {
        let text = format!(r#"{{"state": {{"account:alice": "900"}}, "merkle_root": "{root}"}}"#);
        fs::write(at.join("old/state/snapshot.json"), text).unwrap();
    };
    snapshot(&"0".repeat(64));
    let refused = run(at, &["import-legacy", "old", "--json"]);
    let told: serde_json::Value = serde_json::from_slice(&refused.stdout).unwrap();
    assert_eq!(
        (refused.status.code(), &told["state"]["taken"]),
        (Some(4), &false.into())
    );
    let computed = told["state"]["computed_root"].as_str().unwrap();
    assert_eq!(failed(&run(at, &["get", "account:alice"])).0, Some(3));
    snapshot(computed);
    let taken = said(&run(at, &["import-legacy", "old"]));
    assert!(taken.starts_with("state      1 entries; "), "{taken}");
    let again = said(&run(at, &["import-legacy", "old"]));
    assert!(
        again.starts_with("state      1 entries, as before"),
        "{again}"
    );
    assert!(said(&run(at, &["get", "account:alice"])).contains("900"));
}

#[test]
fn a_reader_of_blobs_who_stops_breaks_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::write(at.join("blob"), vec![7; 3_000_000]).unwrap();
    let address = said(&run(at, &["vault", "put", "blob"]));
    let mut child = (command(at).args(["vault", "get", address.trim()]))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = [0; 10];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap(); // and closes it
    let ended = child.wait_with_output().unwrap();
    assert!(
        ended.status.success() && ended.stderr.is_empty(),
        "{ended:?}"
    );
    assert_eq!(first, [7; 10]);
}

#[test]
fn a_vault_becomes_as_another_in_a_folder_or_behind_a_server() {
    let (office, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (office, home) = (office.path(), home.path());
    let store = |nth: usize| {
        fs::write(office.join("blob"), vec![b'0'; 10_000 * nth]).unwrap();
        said(&run(office, &["vault", "put", "blob"]));
    };
    (1..4).for_each(store);
    let folder = office.join("data/vault");
    let pulled = run(home, &["vault", "pull", folder.to_str().unwrap(), "--json"]);
    assert_eq!(json(&pulled)["blobs"], 3);

    store(400); // a large one
    let secret = said(&run(office, &["token", "create", "home"]));
    let server = Server::start(office, &[]);
    let url = format!("http://{}", server.address);
    let (code, text) = failed(&run(home, &["vault", "pull", &url]));
    assert!(
        code == Some(1) && text.contains("DIOTEC360_TOKEN"),
        "{text}"
    );
    let pull = || {
        let mut pull = command(home);
        pull.args(["vault", "pull", &url, "--repair", "--json"]);
        json(&pull.env("DIOTEC360_TOKEN", secret.trim()).output().unwrap())
    };
    assert_eq!(pull()["blobs"], 1);
    assert_eq!(pull()["questions"], 1); // equal vaults find out at once
    assert!(server.stop());
    let head = |at| said(&run(at, &["vault", "head"]));
    assert_eq!(head(home), head(office));
    assert_eq!(failed(&run(home, &["vault", "pull", "nowhere"])).0, Some(3));
    assert_eq!(
        failed(&run(home, &["vault", "pull", "https://localhost:1"])).0,
        Some(1)
    );
    // That a token was made is on record.
    let events = said(&run(office, &["audit", "list", "events", "--json"]));
    assert!(events.contains("(home) made, scope read"), "{events}");
    assert!(!events.contains(secret.trim()));
}

#[test]
fn a_vault_is_pulled_over_tls_from_a_server_that_is_trusted_and_from_no_other() {
    let (office, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (office, home) = (office.path(), home.path());
    fs::write(office.join("blob"), vec![b'0'; 4 << 20]).unwrap();
    said(&run(office, &["vault", "put", "blob"]));
    let certificate = |name: &str, file: &Path| {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        fs::write(file, made.cert.pem()).unwrap();
        made.signing_key.serialize_pem()
    };
    let key = certificate("localhost", &office.join("chain.pem"));
    fs::write(office.join("key.pem"), key).unwrap();
    certificate("localhost", &home.join("other.pem"));
    fs::write(home.join("none.pem"), "nothing").unwrap();
    let tls = "[listen]\ntls = { certificate = \"chain.pem\", key = \"key.pem\" }\n";
    fs::write(office.join("server.toml"), tls).unwrap();
    let server = Server::start(office, &["--server-config", "server.toml"]);
    let port = server.address.rsplit_once(':').unwrap().1;
    let pull = |name: &str, ca: &Path| {
        let url = format!("https://{name}:{port}");
        let ca = ca.to_str().unwrap();
        run(home, &["vault", "pull", &url, "--ca", ca, "--json"])
    };
    let trusted = office.join("chain.pem");
    for (name, ca) in [
        ("localhost", &home.join("other.pem")),
        ("127.0.0.1", &trusted),
    ] {
        let (code, text) = failed(&pull(name, ca));
        assert_eq!(code, Some(4), "{text}");
        assert!(
            text.contains("a certificate that is not trusted") && text.contains("--ca"),
            "{text}"
        );
    }
    for file in ["none.pem", "missing.pem"] {
        let (code, text) = failed(&pull("localhost", &home.join(file)));
        assert!(code == Some(1) && text.contains(file), "{text}");
    }
    let plainly = format!("http://localhost:{port}");
    assert_eq!(failed(&run(home, &["vault", "pull", &plainly])).0, Some(1));
    assert_eq!(json(&pull("localhost", &trusted))["blobs"], 1);
    assert_eq!(json(&pull("localhost", &trusted))["questions"], 1);
    assert!(server.stop());
    let head = |at| said(&run(at, &["vault", "head"]));
    assert_eq!(head(home), head(office));
}

#[test]
fn what_nothing_needs_is_collected_and_pins_and_bundles_stay() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let put = |text: &str| {
        fs::write(at.join("blob"), text).unwrap();
        said(&run(at, &["vault", "put", "blob"])).trim().to_owned()
    };
    let (kept, other) = (put("kept"), put("needed by nobody"));
    fs::write(at.join("code"), "intent pay {}").unwrap();
    let bundle = json(&run(
        at,
        &["vault", "bundle", "code", "--intent", "pay", "--json"],
    ));
    said(&run(at, &["vault", "pin", &kept]));
    assert_eq!(
        failed(&run(at, &["vault", "pin", &"0".repeat(64)])).0,
        Some(3)
    );
    let would = json(&run(
        at,
        &["vault", "gc", "--dead", "0", "--dry-run", "--json"],
    ));
    assert_eq!(
        (&would["unneeded"], &would["removed"]),
        (&1.into(), &serde_json::json!([]))
    );
    for _ in 0..2 {
        said(&run(at, &["vault", "gc", "--grace", "0", "--dead", "0"]));
    }
    let events = said(&run(at, &["audit", "list", "events"]));
    assert!(events.contains("1 blobs pinned"), "{events}");
    assert_eq!(failed(&run(at, &["vault", "get", &other])).0, Some(3));
    assert_eq!(said(&run(at, &["vault", "get", &kept])), "kept");
    let bundle = bundle["address"].as_str().unwrap();
    said(&run(
        at,
        &["vault", "export", bundle, "--out", "pay.ae_bundle"],
    ));
    assert!(said(&run(at, &["verify-all"])).ends_with("sound\n"));
}
