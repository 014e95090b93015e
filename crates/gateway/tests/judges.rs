//! schemathesis (PyPI) against the API and the document about it: what it finds is a fault of one of them.
//!
//! `cargo xtask judges` installs it and says where in `GATEWAY_JUDGES`; without that, nothing is judged here.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "common/client.rs"]
mod client;
#[path = "common/server.rs"]
mod server;

use std::path::Path;
use std::process::Command;

use serde_json::json;
use server::Running;

/// What it checks: every answer is one that the document describes, what the document forbids is refused,
/// and nothing makes the server fail.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_headers_conformance,response_schema_conformance,unsupported_method,\
                      negative_data_rejection";

#[test]
fn answers_are_those_of_the_document_whatever_is_asked() {
    let Some(judges) = std::env::var_os("GATEWAY_JUDGES") else {
        eprintln!("skipped: `cargo xtask judges` asks schemathesis");
        return;
    };
    let backups = tempfile::tempdir().unwrap();
    let folder = backups.path().to_owned();
    let server = Running::with(|config| config.backups.folder = Some(folder));
    let client = server.client();
    // Something to be found, so that answers with content are judged too.
    let execution = json!({
        "tx_id": "tx_001", "intent_name": "transfer", "status": "PROVED", "elapsed_ms": 45.2,
        "writes": [{"key": "account:alice", "value": "900"}], "layer_results": {"conservation": true},
    });
    assert_eq!(client.post("/execute", &execution).status, 201);
    let empty = client.send(
        "POST",
        "/api/v1/vault/blobs",
        Some(("application/octet-stream", b"")),
    );
    assert_eq!(empty.status, 201);
    let report = json!({"kind": "compliance", "from": "2020-01-01T00:00:00Z"});
    assert_eq!(client.post("/api/v1/reports", &report).status, 201);
    assert_eq!(client.send("POST", "/api/v1/jobs/verify", None).status, 202);
    server.store.catch_up().unwrap();

    let examples = std::env::var("GATEWAY_JUDGED").unwrap_or_else(|_| "5".to_owned());
    let url = format!("http://{}/openapi.json", server.address);
    let ended = Command::new(Path::new(&judges).join("python/bin/st"))
        .args(["run", &url, "--checks", CHECKS, "--max-examples", &examples])
        .args(["--phases", "examples,coverage,fuzzing", "--seed", "360"])
        .args(["--continue-on-failure"])
        // Without end.
        .args(["--exclude-path", "/api/v1/events"])
        .args([
            "--suppress-health-check",
            "all",
            "--warnings",
            "off",
            "--no-color",
        ])
        .current_dir(backups.path())
        .status()
        .unwrap();
    assert!(ended.success(), "{ended}");
}
