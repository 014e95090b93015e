//! What administrators do over HTTP, that it is on record, and what it does to the stores.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "common/client.rs"]
mod client;
#[path = "common/server.rs"]
mod server;

use base64ct::{Base64, Encoding};
use client::Answer;
use gateway::Scope;
use merkle_core::{EntryBundle, Tile, TileKind, log_leaf_hash};
use persistence::{Config, Health, Persistence};
use serde_json::{Value, json};
use server::Running;
use vigilance::{Document, verify_report};

fn put(server: &Running, tx: &str, key: &str, value: &str) {
    let body = json!({
        "tx_id": tx, "intent_name": "put", "status": "PROVED", "writes": [{"key": key, "value": value}],
    });
    assert_eq!(server.client().post("/execute", &body).status, 201);
}

/// What the log says that administrators did.
fn acts(server: &Running) -> Vec<String> {
    server.store.catch_up().unwrap();
    let records = server
        .client()
        .get("/api/v1/audit/records?event=note&limit=100")
        .json();
    let indices = records["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| &item["index"]);
    let fields = indices.map(|index| {
        let path = format!("/api/v1/audit/records/{index}");
        server.client().get(&path).json()["fields"].clone()
    });
    let acts = fields.filter(|fields| fields["source"] == "gateway");
    acts.map(|fields| fields["message"].as_str().unwrap().to_owned())
        .collect()
}

/// Waits for the job that an answer names.
fn finished(server: &Running, begun: &Answer) -> Value {
    assert_eq!(begun.status, 202, "{}", begun.text());
    loop {
        let job = server.client().get(&begun.headers["location"]).json();
        if job["status"] != "running" {
            return job;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

#[test]
fn snapshots_are_named_kept_and_forgotten_on_record() {
    let server = Running::start();
    put(&server, "t1", "a", "1");
    let made = server
        .client()
        .post("/api/v1/snapshots", &json!({"name": "before the audit"}));
    assert_eq!(made.status, 201, "{}", made.text());
    put(&server, "t2", "a", "2");
    let listed = server.client().get("/api/v1/snapshots").json();
    assert_eq!(listed["items"][0], made.json());
    let at = &made.json()["version"];
    let then = server
        .client()
        .get(&format!("/api/v1/state/value?key=a&at={at}"))
        .json();
    assert_eq!(then["value"], "1");
    let other = server
        .client()
        .post("/api/v1/snapshots", &json!({"name": "before the audit"}));
    assert_eq!(other.problem(), "conflict");
    let none = server
        .client()
        .post("/api/v1/snapshots", &json!({"name": "x", "version": 9999}));
    assert_eq!(none.problem(), "not-found");
    assert_eq!(
        server
            .client()
            .post("/api/v1/snapshots", &json!({"name": ""}))
            .problem(),
        "unprocessable"
    );
    let path = "/api/v1/snapshots/before%20the%20audit";
    assert_eq!(server.client().send("DELETE", path, None).status, 204);
    assert_eq!(
        server.client().send("DELETE", path, None).problem(),
        "not-found"
    );
    let acts = acts(&server);
    assert_eq!(acts.len(), 2, "{acts:?}");
    assert!(
        acts[1].ends_with("named \"before the audit\", by local"),
        "{acts:?}"
    );
}

#[test]
fn a_backup_is_made_while_it_goes_on_and_restored_to_the_exact_root() {
    let folder = tempfile::tempdir().unwrap();
    let backups = folder.path().to_owned();
    let server = Running::with(|config| config.backups.folder = Some(backups));
    put(&server, "t1", "a", "1");
    server.client().send(
        "POST",
        "/api/v1/vault/blobs",
        Some(("application/octet-stream", b"a blob")),
    );
    let job = finished(
        &server,
        &server
            .client()
            .post("/api/v1/backups", &json!({"name": "daily"})),
    );
    assert_eq!(job["status"], "done", "{job}");
    let listed = server.client().get("/api/v1/backups").json();
    assert_eq!(listed["items"][0]["root"], job["result"]["root"]);
    put(&server, "t2", "a", "2");
    let job = finished(
        &server,
        &server
            .client()
            .post("/api/v1/backups", &json!({"name": "daily"})),
    );
    assert!(
        job["result"]["versions_added"].as_u64().unwrap() >= 1,
        "{job}"
    );
    for bad in ["", "../elsewhere", "-f", "A", "a/b"] {
        let refused = server
            .client()
            .post("/api/v1/backups", &json!({ "name": bad }));
        assert_eq!(refused.problem(), "unprocessable", "{bad:?}");
    }

    let restored = folder.path().join("restored");
    std::fs::create_dir(&restored).unwrap();
    let dir = server.into_dir();
    std::fs::copy(dir.path().join("data/seal.key"), restored.join("seal.key")).unwrap();
    let config = Config::new(&restored).name("test.example/ledger");
    let (store, _) = Persistence::restore(config, &folder.path().join("daily")).unwrap();
    assert_eq!(
        store.state().version().root.to_string(),
        job["result"]["root"]
    );
    assert_eq!(store.state().get(b"a").unwrap().unwrap(), b"2");
}

#[test]
fn without_a_folder_there_are_no_backups() {
    let server = Running::start();
    let refused = server
        .client()
        .post("/api/v1/backups", &json!({"name": "daily"}));
    assert_eq!(refused.problem(), "unprocessable");
    assert_eq!(
        server.client().get("/api/v1/backups").json()["items"],
        json!([])
    );
}

#[test]
fn everything_is_checked_as_a_job() {
    let server = Running::start();
    put(&server, "t1", "a", "1");
    let job = finished(
        &server,
        &server.client().send("POST", "/api/v1/jobs/verify", None),
    );
    assert_eq!(
        (&job["status"], &job["result"]["sound"]),
        (&json!("done"), &json!(true)),
        "{job}"
    );
    assert!(job["result"]["records"].as_u64().unwrap() >= 2);
    assert!(!job["progress"].as_array().unwrap().is_empty());
    assert_eq!(server.client().get("/api/v1/jobs").json()["items"][0], job);
    assert_eq!(
        server.client().get("/api/v1/jobs/99").problem(),
        "not-found"
    );
    let asked = server.client().send("DELETE", "/api/v1/jobs/1", None);
    assert_eq!(
        (asked.status, &asked.json()["status"]),
        (202, &json!("done"))
    );
}

#[test]
fn the_state_is_brought_back_by_an_execution() {
    let server = Running::start();
    put(&server, "t1", "a", "1");
    let version = server.store.state().version();
    put(&server, "t2", "a", "2");
    let body = json!({"version": version.number, "tx_id": "back"});
    let done = server.client().post("/api/v1/state/rollbacks", &body);
    assert_eq!(done.status, 201, "{}", done.text());
    assert_eq!(done.json()["merkle_root_after"], version.root.to_string());
    let again = server.client().post("/api/v1/state/rollbacks", &body);
    assert_eq!(again.problem(), "conflict"); // an identifier is one execution
    let none = json!({"version": 9999, "tx_id": "forward"});
    assert_eq!(
        server
            .client()
            .post("/api/v1/state/rollbacks", &none)
            .problem(),
        "not-found"
    );
}

#[test]
fn erased_texts_are_gone_and_every_proof_stays() {
    let server = Running::start();
    let attack = json!({
        "attack_id": "atk_1", "attack_type": "injection", "category": "code", "blocked_by_layer": "sanitizer",
        "severity": 0.9, "code_snippet": "drop table", "subject": "mallory@example.com", "erasable": true,
    });
    let recorded = server.client().post("/api/v1/attacks", &attack);
    assert_eq!(recorded.status, 201, "{}", recorded.text());
    server.store.catch_up().unwrap();
    let index = recorded.json()["index"].clone();
    let path = format!("/api/v1/audit/records/{index}");
    assert_eq!(
        server.client().get(&path).json()["fields"]["code_snippet"],
        "drop table"
    );
    let leaf = server.client().get(&format!("{path}/proof")).json()["leaf"].clone();

    let erased = server.client().post(
        "/api/v1/audit/erasures",
        &json!({"subject": "mallory@example.com"}),
    );
    assert_eq!(
        (erased.status, &erased.json()["records"]),
        (200, &json!(1)),
        "{}",
        erased.text()
    );
    let record = server.client().get(&path).json();
    assert_eq!(
        (
            &record["fields"]["code_snippet"],
            &record["fields"]["erased"]
        ),
        (&Value::Null, &json!(true))
    );
    assert_eq!(
        server.client().get(&format!("{path}/proof")).json()["leaf"],
        leaf
    );
    let again = server
        .client()
        .post("/api/v1/audit/erasures", &json!({"records": [index]}))
        .json();
    assert_eq!(again["records"], 0);
    for bad in [
        json!({}),
        json!({"records": []}),
        json!({"records": [1], "subject": "a"}),
    ] {
        assert_eq!(
            server
                .client()
                .post("/api/v1/audit/erasures", &bad)
                .problem(),
            "unprocessable"
        );
    }
    let none = server
        .client()
        .post("/api/v1/audit/erasures", &json!({"records": [9999]}));
    assert_eq!(none.problem(), "not-found");
    assert!(!acts(&server).iter().any(|act| act.contains("mallory")));
}

#[test]
fn a_report_and_its_proof_hold_without_the_server() {
    let server = Running::start();
    put(&server, "t1", "a", "1");
    let request =
        json!({"kind": "compliance", "from": "2020-01-01T00:00:00Z", "title": "All of it"});
    let made = server.client().post("/api/v1/reports", &request);
    assert_eq!(made.status, 201, "{}", made.text());
    let file = |name: &str| server.client().get(made.json()[name].as_str().unwrap());
    let key = server.store.verifier_key();
    let verified = verify_report(&file("proof").body, &[key], "test.example/ledger/audit").unwrap();
    assert_eq!(
        verified.document(&file("json").body).unwrap(),
        Document::Json
    );
    assert_eq!(verified.document(&file("csv").body).unwrap(), Document::Csv);
    let html = file("html");
    assert_eq!(verified.document(&html.body).unwrap(), Document::Html);
    assert!(verified.document(&html.body[1..]).is_err());
    assert_eq!(
        html.headers["content-security-policy"].split(';').next(),
        Some("default-src 'none'")
    );
    assert_eq!(
        server.client().get("/api/v1/reports/99/json").problem(),
        "not-found"
    );
    assert_eq!(
        server.client().get("/api/v1/reports/1/exe").problem(),
        "bad-request"
    );
    let bad = json!({"kind": "compliance", "from": "yesterday"});
    assert_eq!(
        server.client().post("/api/v1/reports", &bad).problem(),
        "unprocessable"
    );
}

#[test]
fn the_tiles_are_those_of_the_log() {
    let server = Running::start();
    for nth in 0..300 {
        put(&server, &format!("t{nth}"), "a", "1");
    }
    let head = server.store.catch_up().unwrap().log;
    let last = Tile::at(0, 1, head.size).unwrap();
    for tile in [Tile::at(0, 0, head.size).unwrap(), last] {
        let bytes = server.client().get(&format!("/{tile}"));
        let hashes = tile.decode(&bytes.body).unwrap();
        let bundle = server
            .client()
            .get(&format!("/{}", tile.entries().unwrap()))
            .body;
        let bundle = EntryBundle::decode(tile.entries().unwrap(), &bundle).unwrap();
        let leaves: Vec<_> = bundle
            .entries()
            .iter()
            .map(|entry| log_leaf_hash(entry))
            .collect();
        assert_eq!(hashes, leaves);
    }
    let beyond = Tile::new(TileKind::Hashes { level: 0 }, 7, 256).unwrap();
    for path in [
        beyond.to_string(),
        "tile/0/1".into(),
        "tile/9/000".into(),
        "tile/entries".into(),
    ] {
        assert_eq!(
            server.client().get(&format!("/{path}")).problem(),
            "not-found",
            "{path}"
        );
    }
}

#[test]
fn every_operation_of_the_document_says_what_it_refuses_and_whom() {
    let server = Running::start();
    let document = server.client().get("/openapi.json").json();
    assert_eq!(document["openapi"], "3.1.0");
    let mut operations = 0;
    assert!(document["paths"]["/tile/{path}"].is_object());
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            operations += 1;
            let at = format!("{method} {path}");
            let responses = operation["responses"].as_object().unwrap();
            assert!(responses.contains_key("500"), "{at}");
            assert_eq!(
                responses.contains_key("401"),
                !path.starts_with("/health"),
                "{at}"
            );
            assert!(
                operation["summary"].is_string() && operation["tags"].is_array(),
                "{at}"
            );
            for (status, response) in responses {
                let refused = status.starts_with(['4', '5']);
                if path == "/health/ready" && status == "503" {
                    continue; // one word for machines
                }
                let is_problem = response["content"]["application/problem+json"].is_object();
                assert_eq!(refused, is_problem, "{at} {status}");
            }
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                assert!(parameter["description"].is_string(), "{at} {parameter}");
            }
        }
    }
    assert!(operations >= 50, "{operations}");
    let admin = &document["paths"]["/api/v1/audit/erasures"]["post"]["security"];
    assert_eq!(admin, &json!([{}, {"token": ["admin"]}]));
}

#[test]
fn a_way_out_of_panic_is_taken_once_the_stores_are_closed() {
    let server = Running::start();
    put(&server, "t1", "a", "1");
    let sound = server.client().get("/api/v1/panic").json();
    assert_eq!(
        (&sound["integrity"]["status"], &sound["ways_out"]),
        (&json!("ok"), &json!([]))
    );
    let ask = json!({"way": "rebuild-trail", "reason": "a test"});
    assert_eq!(
        server
            .client()
            .post("/api/v1/panic/recovery", &ask)
            .problem(),
        "not-found"
    );
    let root = server.store.catch_up().unwrap().log.root;

    let dir = server.into_dir();
    std::fs::remove_dir_all(dir.path().join("data/audit")).unwrap();
    let mut server = Running::in_dir_damaged(dir);
    assert_eq!(server.client().get("/health/ready").status, 503);
    let panic = server.client().get("/api/v1/panic").json();
    assert_eq!(
        (&panic["integrity"]["status"], &panic["ways_out"][0]["name"]),
        (&json!("panic"), &json!("rebuild-trail"))
    );
    let unsaid = json!({"way": "rebuild-trail", "reason": " "});
    assert_eq!(
        server
            .client()
            .post("/api/v1/panic/recovery", &unsaid)
            .problem(),
        "unprocessable"
    );
    let elsewhere = json!({"way": "restore", "reason": "a test"});
    assert_eq!(
        server
            .client()
            .post("/api/v1/panic/recovery", &elsewhere)
            .problem(),
        "unprocessable"
    );
    assert_eq!(
        server.client().post("/api/v1/panic/recovery", &ask).status,
        202
    );
    let recovery = server.ended().recovery.unwrap();

    let dir = server.into_dir();
    let config = Config::new(dir.path().join("data"))
        .name("test.example/ledger")
        .time_ns(1);
    let (store, _) = Persistence::recover(config, &recovery.way, &recovery.reason).unwrap();
    assert_eq!(store.health(), Health::Sound);
    store.catch_up().unwrap();
    let before = Base64::encode_string(root.as_bytes());
    let size = store.audit().size();
    assert!((1..=size).any(|size| Base64::encode_string(
        store.audit().root_at(size).unwrap().as_bytes()
    ) == before));
    let last = store.audit().record(size - 1).unwrap().record;
    assert!(
        format!("{last:?}").contains("a test (asked for by local)"),
        "{last:?}"
    );
}

#[test]
fn what_administrators_do_in_panic_mode_is_kept_and_in_the_log_afterwards() {
    let server = Running::start();
    put(&server, "t1", "a", "1");
    let dir = server.into_dir();
    std::fs::remove_dir_all(dir.path().join("data/audit")).unwrap();
    let mut server = Running::in_dir_damaged(dir);
    let job = server.client().send("POST", "/api/v1/jobs/verify", None);
    assert_eq!(finished(&server, &job)["status"], "done");
    let asked = server.client().send("DELETE", "/api/v1/jobs/1", None);
    assert_eq!(asked.status, 202);
    let admin = server::token(server.dir.as_ref().unwrap(), Scope::Admin);
    let client = || server.client().token(&admin);
    let incidents = || client().get("/api/v1/panic").json()["incidents"].clone();
    let told = |what: &str| incidents().to_string().contains(what);
    let mut looks = 0;
    while !(told("verify begun, job 1, by local") && told("(admin) made")) {
        looks += 1;
        assert!(looks < 1200, "{}", incidents());
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let ask = json!({"way": "rebuild-trail", "reason": "a test"});
    assert_eq!(client().post("/api/v1/panic/recovery", &ask).status, 202);
    let recovery = server.ended().recovery.unwrap();
    let dir = server.into_dir();
    let stores = Config::new(dir.path().join("data")).time_ns(1);
    let stores = stores.name("test.example/ledger");
    drop(Persistence::recover(stores, &recovery.way, &recovery.reason).unwrap());

    let server = Running::in_dir(dir, |_| {});
    server.store.catch_up().unwrap();
    let client = server.client().token(&admin);
    let page = client
        .get("/api/v1/audit/records?event=note&limit=100")
        .json();
    let messages = page["items"].as_array().unwrap().iter().map(|item| {
        let path = format!("/api/v1/audit/records/{}", item["index"]);
        client.get(&path).json()["fields"]["message"].to_string()
    });
    let messages: Vec<_> = messages.collect();
    for act in [
        "verify begun, job 1, by local",
        "job 1 asked to end, by local",
        "(admin) made, by whoever can write the token file",
        "the way out rebuild-trail asked for: a test, by admin (",
    ] {
        let times = messages.iter().filter(|it| it.contains(act)).count();
        assert_eq!(times, 1, "{act}: {messages:?}");
    }
}

#[test]
fn a_check_that_is_cancelled_ends_as_that_and_the_next_one_runs() {
    let server = Running::start();
    put(&server, "t1", "a", "1");
    let verify = || server.client().send("POST", "/api/v1/jobs/verify", None);
    // One check of the state at a time: while this one stands still, the job cannot come to its end.
    let begun = std::sync::OnceLock::new();
    let depth = reality_db::Depth::Stored;
    let held = server.store.state().verify_integrity(depth, |_| {
        begun.get_or_init(|| {
            let job = verify();
            assert_eq!(verify().problem(), "conflict"); // one at a time
            let path = job.headers["location"].clone();
            let asked = server.client().send("DELETE", &path, None);
            assert_eq!(
                (asked.status, &asked.json()["status"]),
                (202, &json!("running"))
            );
            job
        });
        std::ops::ControlFlow::Continue(())
    });
    assert!(held.unwrap().complete);
    let ended = finished(&server, begun.get().unwrap());
    assert_eq!(
        (&ended["status"], &ended["result"]),
        (&json!("cancelled"), &Value::Null)
    );
    assert!(
        ended["ended"].is_string() && ended["left_s"].is_null(),
        "{ended}"
    );
    let next = finished(&server, &verify());
    assert_eq!(
        (&next["status"], &next["result"]["sound"]),
        (&json!("done"), &json!(true)),
        "{next}"
    );
    put(&server, "t2", "a", "2");
    assert!(acts(&server).contains(&"job 1 asked to end, by local".to_owned()));
}

#[test]
fn a_backup_that_is_cancelled_leaves_none_and_the_next_one_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let backups = folder.path().to_owned();
    let server = Running::with(|config| config.backups.folder = Some(backups));
    let begin = || {
        server
            .client()
            .post("/api/v1/backups", &json!({"name": "daily"}))
    };
    // More and more to back up, until there is time to say no.
    for round in 0..8_u64 {
        let ids = (0..2000 << round).map(|nth| format!("{round}-{nth}"));
        let tickets: Vec<_> = ids
            .map(|id| {
                let proved = persistence::ExecutionStatus::Proved;
                let execution = persistence::Execution::new(&id, "put", proved, 1);
                server
                    .store
                    .submit(execution.put(id.as_bytes(), b"1"))
                    .unwrap()
            })
            .collect();
        tickets
            .into_iter()
            .for_each(|ticket| drop(ticket.wait().unwrap()));
        let begun = begin();
        server
            .client()
            .send("DELETE", &begun.headers["location"], None);
        let ended = finished(&server, &begun);
        if ended["status"] == "cancelled" {
            break;
        }
        assert!(ended["status"] == "done" && round < 7, "{ended}");
        std::fs::remove_dir_all(folder.path().join("daily")).unwrap();
    }
    let listed = server.client().get("/api/v1/backups").json();
    assert_eq!(listed["items"], json!([])); // one that was never finished is none
    let whole = finished(&server, &begin());
    assert_eq!(whole["status"], "done", "{whole}");
    let root = server.store.state().version().root.to_string();
    assert_eq!(whole["result"]["root"], json!(root));
    let stores = Config::new(server.dir.as_ref().unwrap().path().join("data"));
    let stores = stores.name("test.example/ledger");
    let seal = Persistence::check_backup(&stores, &folder.path().join("daily")).unwrap();
    assert_eq!(seal.state_root.to_string(), root);
}
