//! The dashboard in a real Chromium, over real stores.
//!
//! Needs Node.js, npm and Chromium: skipped, visibly, where one is missing outside of CI. `DASHBOARD_SHOTS`
//! names a folder for screenshots.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "common/client.rs"]
mod client;
#[path = "common/server.rs"]
mod server;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::json;
use server::Running;

const CHROMIUM: &str = "/usr/bin/chromium";

/// Where the packages of the tests are installed; none where something is missing to run them.
fn modules() -> Option<PathBuf> {
    let missing = |what: &str| {
        assert!(std::env::var_os("CI").is_none(), "{what} is missing");
        println!("skipped: no {what} to look at the dashboard with");
        None
    };
    let runs = |program: &str| {
        Command::new(program)
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok()
    };
    if !Path::new(CHROMIUM).exists() {
        return missing("Chromium");
    }
    if !runs("node") || !runs("npm") {
        return missing("Node.js with npm");
    }
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser/package.json");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("dashboard");
    fs::create_dir_all(&folder).unwrap();
    fs::copy(source, folder.join("package.json")).unwrap();
    let mut install = Command::new("npm");
    install.args([
        "install",
        "--no-audit",
        "--no-fund",
        "--no-package-lock",
        "--silent",
        "--prefer-offline",
    ]);
    if !install
        .current_dir(&folder)
        .status()
        .is_ok_and(|status| status.success())
    {
        return missing("npm registry");
    }
    Some(folder)
}

#[track_caller]
fn run(test: &str, server: &Running, modules: &Path) {
    let output = Command::new("node")
        .args(["--test", &format!("tests/browser/{test}")])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("DASHBOARD_URL", format!("http://{}/", server.address))
        .env("DASHBOARD_MODULES", modules)
        .env("DASHBOARD_CHROMIUM", CHROMIUM)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("# pass "), "no test ran:\n{said}");
}

fn fill(server: &Running) {
    let client = server.client();
    let statuses = [
        "PROVED", "PROVED", "PROVED", "FAILED", "PROVED", "REJECTED", "PROVED", "TIMEOUT",
    ];
    let layers = ["input_sanitizer", "semantic_sanitizer", "z3_prover"];
    for i in 0..60 {
        let status = statuses[i % statuses.len()];
        let writes = match status {
            "PROVED" => {
                json!([{"key": "account:alice", "value": format!("{}", 1000 - i)}, {"key": format!("account:{i:02}"), "value": "7"}])
            }
            _ => json!([]),
        };
        let body = json!({
            "tx_id": format!("tx_{i:03}"), "intent_name": (["transfer", "mint", "settle_escrow"])[i % 3], "status": status,
            "elapsed_ms": 2.5 + (i * 7 % 40) as f64, "writes": writes, "result": {"success": status == "PROVED"},
            "layer_results": {"semantic_sanitizer": true, "conservation": status != "REJECTED"}, "telemetry": {"gas": 21000},
        });
        assert_eq!(client.post("/execute", &body).status, 201);
        if i % 5 == 0 {
            let attack = json!({
                "attack_id": format!("atk_{i}"), "attack_type": (["injection", "overflow", "semantic_violation"])[i / 5 % 3],
                "category": "code_injection", "blocked_by_layer": layers[i / 5 % 3], "severity": 0.8,
                "code_snippet": "<img src=x onerror=alert(1)>", "detection_method": "pattern",
            });
            assert_eq!(client.post("/api/v1/attacks", &attack).status, 201);
        }
    }
    assert_eq!(client.send("POST", "/api/v1/seals", None).status, 201);
}

#[test]
fn the_dashboard_shows_proves_refuses_and_is_accessible() {
    let Some(modules) = modules() else {
        return;
    };
    let backups = tempfile::tempdir().unwrap();
    let folder = backups.path().to_owned();
    let server = Running::with(|config| config.backups.folder = Some(folder));
    fill(&server);
    run("dashboard.test.mjs", &server, &modules);
}

#[test]
fn the_dashboard_shows_that_stores_were_tampered_with() {
    let Some(modules) = modules() else {
        return;
    };
    let server = Running::start();
    fill(&server);
    let dir = server.into_dir();
    // The newest seal says another root: one digit, as somebody with an editor would change it.
    let seals = dir.path().join("data/seals");
    let newest = fs::read_dir(&seals)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .max()
        .unwrap();
    let mut note = fs::read(&newest).unwrap();
    let place = note.windows(6).position(|word| word == b"state ").unwrap();
    let digit = &mut note[place + 12];
    *digit = if *digit == b'0' { b'1' } else { b'0' };
    fs::write(&newest, note).unwrap();
    let mut server = Running::in_dir_damaged(dir);
    run("panic.test.mjs", &server, &modules);
    let taken = server.ended().recovery.unwrap(); // by the last of its tests
    assert_eq!(taken.way.name(), "rewrite-seals");
    assert_eq!(taken.reason, "a test (asked for by local)");
}
