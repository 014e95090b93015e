//! What was executed can be read back, with proofs that hold without the server.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "common/client.rs"]
mod client;
#[path = "common/server.rs"]
mod server;

use base64ct::{Base64, Encoding};
use merkle_core::{Hash, Lookup, Proof, Sha256};
use serde_json::{Value, json};
use server::Running;

fn execution(tx_id: &str, writes: &[(&str, &str)]) -> Value {
    let writes = writes
        .iter()
        .map(|(key, value)| json!({ "key": key, "value": value }));
    json!({
        "tx_id": tx_id, "intent_name": "transfer", "status": "PROVED", "result": {"success": true},
        "writes": writes.collect::<Vec<_>>(), "elapsed_ms": 45.2, "layer_results": {"conservation": true},
    })
}

fn proof_of(answer: &Value) -> (Proof, Hash) {
    let bytes = Base64::decode_vec(answer["proof"].as_str().unwrap()).unwrap();
    (Proof::decode(&bytes).unwrap(), root_of(answer))
}

fn root_of(answer: &Value) -> Hash {
    let address: persistence::Address = answer["root"].as_str().unwrap().parse().unwrap();
    Hash::from_bytes(*address.as_bytes())
}

#[test]
fn a_value_comes_with_a_proof_and_so_does_an_absence() {
    let server = Running::start();
    let client = server.client();
    let done = client.post(
        "/execute",
        &execution("tx_1", &[("account:alice", "900"), ("account:bob", "600")]),
    );
    assert_eq!(done.status, 201, "{}", done.text());
    assert_eq!(done.json()["status"], "PROVED");
    let place = done.json()["index"].to_string();
    assert_eq!(
        done.headers["location"],
        format!("/api/v1/audit/records/{place}")
    );

    let found = client.get("/api/v1/state/value?key=account:alice").json();
    assert_eq!(
        (&found["present"], &found["value"]),
        (&json!(true), &json!("900"))
    );
    let (proof, root) = proof_of(&found);
    assert_eq!(root, server.store.state().version().root);
    let view = proof.verify(&Sha256, &root).unwrap();
    assert!(matches!(
        view.get(b"account:alice"),
        Lookup::Present(merkle_core::Value::Bytes(b"900"))
    ));

    let absent = client.get("/api/v1/state/value?key=account:eve").json();
    assert_eq!(absent["present"], json!(false));
    let (proof, root) = proof_of(&absent);
    let view = proof.verify(&Sha256, &root).unwrap();
    assert!(matches!(view.get(b"account:eve"), Lookup::Absent));
}

#[test]
fn the_same_execution_is_committed_once_and_another_of_its_name_refused() {
    let server = Running::start();
    let mut body = execution("tx_1", &[("a", "1")]);
    let first = server.client().post("/execute", &body);
    let again = server.client().post("/execute", &body);
    assert_eq!((first.status, again.status), (201, 200));
    assert_eq!(first.json()["index"], again.json()["index"]);
    assert_eq!(again.json()["repeated"], json!(true));

    let keyed = server.client().header("idempotency-key", "\"tx_1\"");
    body.as_object_mut().unwrap().remove("tx_id");
    assert_eq!(keyed.post("/api/v1/executions", &body).status, 200);
    assert_eq!(
        server.client().post("/execute", &body).problem(),
        "unprocessable"
    );

    let other = server
        .client()
        .post("/execute", &execution("tx_1", &[("a", "2")]));
    assert_eq!((other.status, other.problem().as_str()), (409, "conflict"));
    assert_eq!(server.store.state().get(b"a").unwrap().unwrap(), b"1");
}

#[test]
fn pages_of_a_range_prove_that_nothing_is_between() {
    let server = Running::start();
    let keys: Vec<_> = (0..25).map(|i| format!("k{i:02}")).collect();
    let writes: Vec<_> = keys.iter().map(|key| (key.as_str(), "v")).collect();
    server
        .client()
        .post("/execute", &execution("tx_1", &writes));
    server.client().post(
        "/execute",
        &execution("tx_2", &[("a", "before"), ("z", "behind")]),
    );

    let mut found = Vec::new();
    let mut path = "/api/v1/state/range?prefix=k&limit=10".to_owned();
    loop {
        let page = server.client().get(&path).json();
        let (proof, root) = proof_of(&page);
        let view = proof.verify(&Sha256, &root).unwrap();
        let entries = page["entries"].as_array().unwrap();
        let keys: Vec<_> = entries
            .iter()
            .map(|entry| entry["key"].as_str().unwrap().to_owned())
            .collect();
        let (first, last) = (keys[0].as_bytes(), keys[keys.len() - 1].as_bytes());
        assert_eq!(view.range(first..=last).unwrap().count(), keys.len());
        found.extend(keys);
        let Some(next) = page["next"].as_str() else {
            break;
        };
        path = format!("/api/v1/state/range?prefix=k&limit=10&after_hex={next}");
    }
    assert_eq!(found, keys);
    let all = server.client().get("/api/v1/state/range").json();
    assert_eq!(all["entries"].as_array().unwrap().len(), 27);
}

#[test]
fn earlier_versions_are_read_and_proved_as_they_were() {
    let server = Running::start();
    let client = server.client();
    for value in ["1", "2", "3"] {
        client.post(
            "/execute",
            &execution(&format!("tx_{value}"), &[("a", value)]),
        );
    }
    let versions = client.get("/api/v1/state/versions?limit=3");
    let items = versions.json()["items"].clone();
    let at = &items[2]["version"];
    let then = client
        .get(&format!("/api/v1/state/value?key=a&at={at}"))
        .json();
    assert_eq!(then["value"], "1");
    let (proof, root) = proof_of(&then);
    assert!(proof.verify(&Sha256, &root).is_ok());
    assert_eq!(items[2]["root"], then["root"]);
    assert!(versions.headers["link"].contains("rel=\"next\""));

    let history = client.get("/api/v1/state/history?key=a&limit=2").json();
    let values: Vec<_> = history["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["value"].clone())
        .collect();
    assert_eq!(values, ["3", "2"]);
    let next = history["next"].as_str().unwrap();
    let rest = client
        .get(&format!("/api/v1/state/history?key=a&before={next}"))
        .json();
    assert_eq!(rest["items"][0]["value"], "1");

    let diff = client.get(&format!("/api/v1/state/diff?from={at}")).json();
    assert_eq!(diff["differences"][0]["before_hex"], "31");
    assert_eq!(diff["differences"][0]["after_hex"], "33");

    let time = client.get(&format!("/api/v1/state/versions/{at}")).json()["time"].clone();
    let by_time = client.get(&format!(
        "/api/v1/state/value?key=a&at_time={}",
        time.as_str().unwrap()
    ));
    assert_eq!(by_time.status, 200, "{}", by_time.text());
    assert_eq!(
        client.get("/api/v1/state/value?key=a&at=99999").problem(),
        "not-found"
    );
    assert_eq!(
        client
            .get("/api/v1/state/value?key=a&at_time=yesterday")
            .problem(),
        "bad-request"
    );
}

#[test]
fn an_unchanged_state_is_not_sent_again() {
    let server = Running::start();
    server
        .client()
        .post("/execute", &execution("tx_1", &[("a", "1")]));
    let first = server.client().get("/api/v1/state/value?key=a");
    let known = server
        .client()
        .header("if-none-match", &first.headers["etag"]);
    let again = known.get("/api/v1/state/value?key=a");
    assert_eq!((again.status, again.body.len()), (304, 0));
    server
        .client()
        .post("/execute", &execution("tx_2", &[("a", "2")]));
    assert_eq!(known.get("/api/v1/state/value?key=a").status, 200);
}
