//! The program as people run it.
#![expect(
    clippy::unwrap_used,
    reason = "an unwrap that panics is how these tests fail"
)]

#[path = "common/program.rs"]
mod program;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Stdio;

use program::{Server, command, failed, run, said};

#[test]
fn the_demo_proves_every_act() {
    let folder = tempfile::tempdir().unwrap();
    let lines = said(&run(folder.path(), &["demo", "--json"]));
    let acts: Vec<serde_json::Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(acts.len(), 6);
    for act in &acts {
        assert_eq!(act["proved"], true, "{act}");
    }
}

#[test]
fn values_come_with_proofs_that_hold_without_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    said(&run(at, &["put", "alice", "900"]));
    said(&run(at, &["put", "bob", "100"]));
    assert_eq!(said(&run(at, &["get", "alice"])), "900\n");
    assert_eq!(said(&run(at, &["list"])), "alice  900\nbob  100\n");
    said(&run(
        at,
        &["prove", "alice", "--sealed", "--out", "alice.json"],
    ));
    said(&run(at, &["prove", "carol", "--out", "carol.json"]));
    let key = said(&run(at, &["key"]));
    std::fs::rename(at.join("data"), at.join("gone")).unwrap();

    let key = key.trim();
    assert!(
        said(&run(at, &["verify-proof", "alice.json", "--key", key]))
            .starts_with("holds: alice is 900")
    );
    assert!(
        said(&run(at, &["verify-proof", "carol.json"])).starts_with("holds: there is no key carol")
    );
    let proof = std::fs::read_to_string(at.join("alice.json")).unwrap();
    for (from, to) in [
        ("\"900\"", "\"901\""),
        ("393030", "393031"),
        ("true", "false"),
        ("\"root\": \"", "\"root\": \"00"),
    ] {
        std::fs::write(at.join("forged.json"), proof.replacen(from, to, 1)).unwrap();
        let forged = run(at, &["verify-proof", "forged.json", "--key", key]);
        assert_ne!(forged.status.code(), Some(0), "{from} became {to}");
    }
    assert_eq!(run(at, &["get", "alice"]).status.code(), Some(3));
}

#[test]
fn receipts_and_reports_hold_without_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let transfer = [
        "exec",
        "transfer",
        "--tx",
        "t1",
        "--layer",
        "z3_prover=passed",
    ];
    said(&run(at, &[&transfer[..], &["--put", "a=1"]].concat()));
    // Another execution of the same name is not taken for it.
    let other = run(at, &[&transfer[..], &["--put", "a=2"]].concat());
    assert_eq!(other.status.code(), Some(1), "{other:?}");
    said(&run(at, &["receipt", "t1"]));
    said(&run(at, &["report", "compliance"]));
    let key = said(&run(at, &["key"]));
    std::fs::rename(at.join("data"), at.join("gone")).unwrap();

    let key = key.trim();
    let receipt = said(&run(at, &["verify-receipt", "t1.receipt", "--key", key]));
    assert!(
        receipt.starts_with("holds: t1 transfer PROVED"),
        "{receipt}"
    );
    let report = [
        "verify-report",
        "compliance.proof",
        "compliance.html",
        "compliance.csv",
        "--key",
        key,
    ];
    assert!(said(&run(at, &report)).starts_with("holds:"));

    for file in ["t1.receipt", "compliance.proof", "compliance.html"] {
        let mut bytes = std::fs::read(at.join(file)).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(at.join(file), bytes).unwrap();
    }
    let forged = run(at, &["verify-receipt", "t1.receipt", "--key", key]);
    assert_eq!(forged.status.code(), Some(4), "{forged:?}");
    assert_eq!(run(at, &report).status.code(), Some(4));
}

#[test]
fn errors_say_what_to_do_and_end_as_documented() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let missing = run(at, &["get", "alice"]);
    assert_eq!(missing.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("next:"));
    assert_eq!(run(at, &["no-such-command"]).status.code(), Some(2));
    said(&run(at, &["put", "alice", "900"]));
    let missing = run(at, &["get", "bob", "--json"]);
    assert_eq!(missing.status.code(), Some(3));
    let error: serde_json::Value = serde_json::from_slice(&missing.stderr).unwrap();
    assert_eq!(error["exit"], 3);
}

#[test]
fn who_stops_reading_breaks_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let lines: String = (0..3000)
        .map(|at| format!(r#"{{"kind":"execution","tx_id":"t{at}","intent_name":"fill","status":"PROVED","timestamp_ns":{at},"writes":{{"key{at:05}":"a value of some length"}}}}"#) + "\n")
        .collect();
    std::fs::write(at.join("lines"), lines).unwrap();
    assert_eq!(
        said(&run(at, &["load", "lines"])),
        "3000 recorded, 0 had been before, 0 refused\n"
    );
    assert_eq!(
        said(&run(at, &["load", "lines"])),
        "0 recorded, 3000 had been before, 0 refused\n"
    );
    let mut child = command(at)
        .args(["list", "-n", "3000"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = [0; 10];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap(); // and closes it
    let ended = child.wait_with_output().unwrap();
    assert!(ended.status.success(), "{ended:?}");
    assert!(ended.stderr.is_empty(), "{ended:?}");
}

#[test]
fn the_server_answers_keeps_others_out_and_stops_when_told() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let server = Server::start(at, &["--example"]);
    let address = &server.address;
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "GET /api/persistence/stats HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("\"total_executions\":181"), "{answer}");

    let second = run(at, &["get", "account:alice"]);
    assert_eq!(second.status.code(), Some(6), "{second:?}");
    assert!(server.stop());
    assert!(said(&run(at, &["get", "account:alice"])).contains("balance"));
    assert!(said(&run(at, &["verify-all"])).ends_with("sound\n"));
}

#[test]
fn the_log_of_a_server_has_no_colours_where_nobody_looks() {
    let folder = tempfile::tempdir().unwrap();
    // It opens the stores, says so, and does not listen beyond this machine without tokens.
    let serve = ["serve", "--listen", "192.0.2.1:1", "--log", "info"];
    let (code, text) = failed(&run(folder.path(), &serve));
    assert!(code == Some(1) && text.contains("INFO"), "{text}");
    assert!(!text.contains('\x1b'), "{text:?}");
    let loud = [&serve[..], &["--color", "always"]].concat();
    let (_, text) = failed(&run(tempfile::tempdir().unwrap().path(), &loud));
    assert!(text.contains('\x1b'), "{text:?}");
}
