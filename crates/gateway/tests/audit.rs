//! What was recorded can be listed, found, counted and proved.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "common/client.rs"]
mod client;
#[path = "common/server.rs"]
mod server;

use base64ct::{Base64, Encoding};
use merkle_core::{ConsistencyProof, Hash, InclusionProof, TreeHead, TreeSize, log_leaf_hash};
use persistence::verify_receipt;
use serde_json::{Value, json};
use server::Running;

/// A server with twelve executions, three attacks and a metric, all in the audit trail.
fn filled() -> Running {
    let server = Running::start();
    let client = server.client();
    let statuses = ["PROVED", "PROVED", "FAILED", "REJECTED"];
    for i in 0..12 {
        let status = statuses[i % 4];
        let writes = if status == "PROVED" {
            json!([{"key": format!("k{i}"), "value": "v"}])
        } else {
            json!([])
        };
        let body = json!({
            "tx_id": format!("tx_{i}"), "intent_name": if i % 2 == 0 { "transfer" } else { "mint" },
            "status": status, "elapsed_ms": i, "writes": writes, "result": format!("outcome number{i}"),
        });
        assert_eq!(client.post("/execute", &body).status, 201);
    }
    for i in 0..3 {
        let body = json!({
            "attack_id": format!("atk_{i}"), "attack_type": "injection", "category": "code_injection",
            "blocked_by_layer": "input_sanitizer", "severity": 0.9, "code_snippet": "drop table",
        });
        assert_eq!(client.post("/api/v1/attacks", &body).status, 201);
    }
    let metric = json!({"tx_id": "tx_1", "metric_name": "gas", "metric_value": 21000});
    assert_eq!(client.post("/api/v1/metrics", &metric).status, 201);
    server.store.catch_up().unwrap();
    server
}

fn hash(text: &Value) -> Hash {
    let address: persistence::Address = text.as_str().unwrap().parse().unwrap();
    Hash::from_bytes(*address.as_bytes())
}

fn bytes(text: &Value) -> Vec<u8> {
    Base64::decode_vec(text.as_str().unwrap()).unwrap()
}

/// All items of a list, page by page, following `Link` as a client would.
fn all(server: &Running, first: &str) -> Vec<Value> {
    let (mut path, mut items) = (first.to_owned(), Vec::new());
    loop {
        let page = server.client().get(&path);
        assert_eq!(page.status, 200, "{}", page.text());
        items.extend(page.json()["items"].as_array().unwrap().clone());
        let Some(link) = page.headers.get("link") else {
            return items;
        };
        path = link.split(['<', '>']).nth(1).unwrap().to_owned();
    }
}

#[test]
fn pages_go_through_every_record_once_and_filters_through_theirs() {
    let server = filled();
    let indices: Vec<_> = all(&server, "/api/v1/audit/records?limit=5")
        .iter()
        .map(|item| item["index"].as_u64().unwrap())
        .collect();
    let size = server.store.audit().size();
    assert_eq!(indices, (0..size).rev().collect::<Vec<_>>());

    let failed = all(&server, "/api/v1/audit/records?status=FAILED&limit=2");
    assert_eq!(failed.len(), 3);
    assert!(failed.iter().all(|item| item["status"] == "FAILED"));
    assert_eq!(
        all(&server, "/api/v1/audit/records?kind=attack&limit=2").len(),
        3
    );
    assert_eq!(
        all(&server, "/api/v1/audit/records?intent=mint&limit=4").len(),
        6
    );
    let found = all(&server, "/api/v1/audit/records?q=number7");
    assert_eq!((found.len(), &found[0]["id"]), (1, &json!("tx_7")));
    for bad in [
        "status=MAYBE",
        "before=x",
        "limit=0",
        "from=noon",
        "q=%22open",
        "kind=secret",
        "kind=attack&status=PROVED",
    ] {
        let answer = server.client().get(&format!("/api/v1/audit/records?{bad}"));
        assert_eq!(answer.problem(), "bad-request", "{bad}");
    }
}

#[test]
fn a_record_is_proved_to_be_in_the_log_and_the_log_to_have_grown() {
    let server = filled();
    let client = server.client();
    let record = client.get("/api/v1/executions/tx_5").json();
    assert_eq!(record["fields"]["status"], "PROVED");
    let index = record["index"].as_u64().unwrap();
    let proof = client
        .get(&format!("/api/v1/audit/records/{index}/proof"))
        .json();
    let canonical = bytes(&proof["record"]);
    let head = TreeHead::new(
        TreeSize::new(proof["size"].as_u64().unwrap()),
        hash(&proof["root"]),
    );
    assert_eq!(head, server.store.audit().head());
    let inclusion = InclusionProof::decode(&bytes(&proof["proof"])).unwrap();
    inclusion.verify(&log_leaf_hash(&canonical), &head).unwrap();
    assert!(inclusion.verify(&log_leaf_hash(b"another"), &head).is_err());

    let grown = client.get("/api/v1/audit/consistency?from=4").json();
    let consistency = ConsistencyProof::decode(&bytes(&grown["proof"])).unwrap();
    let old = TreeHead::new(TreeSize::new(4), hash(&grown["from_root"]));
    consistency.verify(&old, &head).unwrap();
    assert_eq!(
        client.get("/api/v1/audit/records/99999").problem(),
        "not-found"
    );
    assert_eq!(
        client
            .get("/api/v1/audit/consistency?from=9&to=3")
            .problem(),
        "bad-request"
    );
    assert_eq!(
        client.get("/api/v1/executions/tx_none").problem(),
        "not-found"
    );
    assert!(
        client
            .get("/checkpoint")
            .text()
            .contains("\u{2014} test.example/ledger")
    );
}

#[test]
fn a_receipt_proves_itself_without_the_server() {
    let server = filled();
    let receipt = server.client().get("/api/v1/receipts/tx_4");
    assert_eq!(receipt.status, 200, "{}", receipt.text());
    let key = server.store.verifier_key();
    verify_receipt(&receipt.body, &key).unwrap();
    let mut spoiled = receipt.body.clone();
    spoiled[60] ^= 1;
    assert!(verify_receipt(&spoiled, &key).is_err());
    assert_eq!(
        server.client().get("/api/v1/receipts/tx_none").problem(),
        "not-found"
    );
}

#[test]
fn the_originals_endpoints_keep_their_shape() {
    let server = filled();
    let stats = server.client().get("/api/persistence/stats").json();
    assert_eq!(stats["executions"]["total_executions"], 12);
    assert_eq!(
        stats["executions"]["status_breakdown"],
        json!({"PROVED": 6, "FAILED": 3, "REJECTED": 3})
    );
    assert_eq!(
        stats["attacks"]["attack_type_breakdown"],
        json!({"injection": 3})
    );
    assert_eq!(
        stats["attacks"]["layer_breakdown"],
        json!({"input_sanitizer": 3})
    );
    assert_eq!(
        hash(&stats["merkle_root"]),
        server.store.state().version().root
    );
    let logs = server.client().get("/api/persistence/logs?limit=2").json();
    assert_eq!(logs[0]["tx_id"], "tx_11");
    assert!(logs[0]["timestamp"].as_f64().unwrap() > 1.7e9);
    assert_eq!(
        server
            .client()
            .get("/api/persistence/attacks")
            .json()
            .as_array()
            .unwrap()
            .len(),
        3
    );
    assert_eq!(
        server.client().get("/api/persistence/integrity").json()["integrity"],
        json!(true)
    );

    let series = server.client().get("/api/v1/series?range=1h").json();
    let proved: u64 = series["executions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|point| point["proved"].as_u64().unwrap())
        .sum();
    assert_eq!(
        (series["executions"].as_array().unwrap().len(), proved),
        (60, 6)
    );
}

#[test]
fn seals_follow_one_another_and_only_administrators_make_them() {
    let server = filled();
    let before = all(&server, "/api/v1/seals").len();
    let made = server.client().send("POST", "/api/v1/seals", None);
    assert_eq!(made.status, 201, "{}", made.text());
    let newest = server.client().get("/api/v1/seals/newest").text();
    assert_eq!(made.json()["note"], newest.as_str());
    server.store.catch_up().unwrap();
    assert_eq!(all(&server, "/api/v1/seals?limit=1").len(), before + 1);
    let status = server.client().get("/api/v1/status").json();
    assert_eq!(status["integrity"]["status"], "ok");
    assert_eq!(status["seal"]["number"], made.json()["number"]);
    assert_eq!(status["server"]["origin"], "test.example/ledger");
}
