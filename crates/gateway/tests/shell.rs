//! The server around the stores: what it refuses, whom it lets in, how it stops.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "common/client.rs"]
mod client;
#[path = "common/server.rs"]
mod server;

use std::io::{BufRead, BufReader, Read, Write};
use std::time::Duration;

use client::{Client, read_answer};
use gateway::{Scope, TokenFile, TokenPolicy};
use serde_json::json;
use server::{Running, token};

fn body() -> serde_json::Value {
    json!({"tx_id": "tx_1", "intent_name": "transfer", "status": "PROVED"})
}

#[test]
fn every_refusal_is_a_problem_with_a_request_id_and_safe_headers() {
    let server = Running::with(|config| config.limits.body_bytes_max = 1_000);
    let client = server.client();
    let large = json!({ "tx_id": "x".repeat(2_000), "intent_name": "a", "status": "PROVED" });
    let refusals = [
        (client.get("/nothing"), 404, "not-found"),
        (client.send("DELETE", "/execute", None), 405, "method"),
        (
            client.send("POST", "/execute", Some(("text/plain", b"{}"))),
            415,
            "media-type",
        ),
        (
            client.send("POST", "/execute", Some(("application/json", b"{"))),
            400,
            "bad-request",
        ),
        (
            client.post("/execute", &json!({"intent_name": 5})),
            422,
            "unprocessable",
        ),
        (client.post("/execute", &large), 413, "too-large"),
        (client.get("/api/v1/state/value"), 400, "bad-request"),
        (
            client.get("/api/v1/state/value?key=a&at=x"),
            400,
            "bad-request",
        ),
    ];
    for (answer, status, code) in &refusals {
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (*status, *code),
            "{}",
            answer.text()
        );
        assert_eq!(answer.headers["x-content-type-options"], "nosniff");
        assert!(answer.headers["content-security-policy"].starts_with("default-src 'none'"));
        assert!(!answer.headers.contains_key("access-control-allow-origin"));
        assert!(!answer.headers["x-request-id"].is_empty());
    }
    let named = client.header("x-request-id", "trace-7").get("/health/live");
    assert_eq!(named.headers["x-request-id"], "trace-7");
}

#[test]
fn a_token_lets_in_as_far_as_its_scope_and_not_after_it_is_revoked() {
    let dir = tempfile::tempdir().unwrap();
    let [metrics, read, write] =
        [Scope::Metrics, Scope::Read, Scope::Write].map(|scope| token(&dir, scope));
    let server = Running::in_dir(dir, |_| {});
    let with = |token: &str| Client::new(server.address).token(token);

    assert_eq!(
        server.client().get("/api/v1/state/versions").problem(),
        "unauthorized"
    );
    assert_eq!(
        with("d360_nonsense")
            .get("/api/v1/state/versions")
            .problem(),
        "unauthorized"
    );
    assert_eq!(
        with(&metrics).get("/api/v1/state/versions").problem(),
        "forbidden"
    );
    assert_eq!(with(&metrics).get("/metrics").status, 200);
    assert_eq!(with(&read).get("/api/v1/state/versions").status, 200);
    assert_eq!(with(&read).post("/execute", &body()).problem(), "forbidden");
    assert_eq!(with(&write).post("/execute", &body()).status, 201);
    for open in [
        "/",
        "/docs",
        "/health/live",
        "/health/ready",
        "/openapi.json",
    ] {
        assert_eq!(server.client().get(open).status, 200, "{open}");
    }

    let id = write.split('_').nth(1).unwrap();
    TokenFile::revoke(&server.tokens(), id).unwrap();
    // The file is looked at again once a second.
    std::thread::sleep(Duration::from_millis(1_100));
    assert_eq!(
        with(&write).get("/api/v1/state/versions").problem(),
        "unauthorized"
    );
}

#[test]
fn a_page_of_another_site_neither_writes_nor_gets_in_by_a_name_of_its_own() {
    let server = Running::start();
    let foreign = server.client().header("sec-fetch-site", "cross-site");
    assert_eq!(foreign.post("/execute", &body()).problem(), "forbidden");
    let renamed = server.client().header("host", "evil.example");
    assert_eq!(
        renamed.get("/api/v1/state/versions").problem(),
        "misdirected"
    );
    let local = server.client().header("host", "localhost:3600");
    assert_eq!(local.get("/api/v1/state/versions").status, 200);
}

#[test]
fn a_caller_beyond_its_rate_is_told_to_come_back() {
    let server = Running::with(|config| {
        config.limits.requests_per_second = Some(1);
        config.limits.burst = Some(5);
    });
    let answers: Vec<_> = (0..10)
        .map(|_| server.client().get("/health/live"))
        .collect();
    let refused: Vec<_> = answers
        .iter()
        .filter(|answer| answer.status == 429)
        .collect();
    assert!((4..=5).contains(&refused.len()), "{}", refused.len());
    assert_eq!(refused[0].problem(), "rate");
    assert_eq!(refused[0].headers["retry-after"], "1");
}

#[test]
fn slow_clients_are_cut_off_and_others_served_meanwhile() {
    let server = Running::with(|config| {
        config.limits.header_ms = 500;
        config.limits.request_ms = 800;
    });
    let client = server.client();
    let mut silent = client.connect();
    let mut slow_head = client.connect();
    slow_head
        .write_all(b"GET / HTTP/1.1\r\nhost: localh")
        .unwrap();
    let mut slow_body = client.connect();
    slow_body
        .write_all(b"POST /execute HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{")
        .unwrap();
    assert_eq!(client.get("/health/live").status, 200);

    // Each read ends by itself: the client waits for a minute, and fails then.
    let mut rest = Vec::new();
    silent.read_to_end(&mut rest).unwrap();
    assert!(rest.is_empty());
    let _ = slow_head.read_to_end(&mut rest);
    assert_eq!(read_answer(slow_body).problem(), "timeout");
}

#[test]
fn heads_without_end_and_connections_without_number_are_refused_cleanly() {
    let server = Running::with(|config| config.limits.connections_max = 50);
    let mut flood = server.client().connect();
    flood
        .write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n")
        .unwrap();
    let line = format!("x-{}: {}\r\n", "a".repeat(100), "b".repeat(900));
    let _ = (0..1_000).all(|_| flood.write_all(line.as_bytes()).is_ok());
    let mut answer = Vec::new();
    let _ = flood.read_to_end(&mut answer); // reset, perhaps, once it was said
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 431"));
    drop(flood);

    let held: Vec<_> = (0..200).map(|_| server.client().connect()).collect();
    std::thread::sleep(Duration::from_millis(200));
    let refused = held.iter().filter(|stream| {
        stream
            .set_read_timeout(Some(Duration::from_millis(20)))
            .unwrap();
        let mut first = [0; 12];
        matches!((&**stream).read(&mut first), Ok(12) if &first == b"HTTP/1.1 503")
    });
    assert!(refused.count() >= 140);
    drop(held);
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(server.client().get("/health/live").status, 200);
}

#[test]
fn stopping_lets_a_running_request_finish_and_takes_no_new_ones() {
    let mut server = Running::start();
    let client = server.client();
    let mut running = client.connect();
    let sent = body().to_string();
    let head = format!(
        "POST /execute HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        sent.len()
    );
    running.write_all(head.as_bytes()).unwrap();
    running.write_all(&sent.as_bytes()[..10]).unwrap();
    std::thread::sleep(Duration::from_millis(100));
    server.ask_to_stop();
    std::thread::sleep(Duration::from_millis(100));
    assert!(std::net::TcpStream::connect(client.address).is_err());
    running.write_all(&sent.as_bytes()[10..]).unwrap();
    assert_eq!(read_answer(running).status, 201);
    assert!(server.wait(), "not drained in time");
}

#[test]
fn beyond_loopback_nothing_is_served_without_a_token() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) =
        persistence::Persistence::open(persistence::Config::new(dir.path().join("data"))).unwrap();
    let mut config = gateway::Config::default();
    config.listen.address = "0.0.0.0:0".parse().unwrap();
    config.access.tokens = TokenPolicy::Off;
    let tokens = dir.path().join(TokenFile::NAME);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let refused = runtime.block_on(gateway::bind(config, &tokens, store));
    assert!(refused.is_err_and(|error| error.to_string().contains("let anybody in")));
}

#[test]
fn the_dashboard_is_served_from_the_binary_and_not_sent_twice() {
    let server = Running::start();
    let page = server.client().get("/");
    assert!(page.text().contains("DIOTEC"));
    assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
    let known = server
        .client()
        .header("if-none-match", &page.headers["etag"]);
    assert_eq!(known.get("/app.js").status, 304);
    let metrics = server.client().get("/metrics").text();
    for counted in [
        "diotec360_http_requests_total{method=\"GET\",route=\"/\",status=\"200\"}",
        "diotec360_state_checkpoints_failed 0",
        "diotec360_state_spills_failed 0",
    ] {
        assert!(metrics.contains(counted), "{counted}: {metrics}");
    }
}

#[test]
fn events_come_as_they_happen_and_again_after_the_last_one_seen() {
    let mut server = Running::start();
    let mut stream = server.client().connect();
    stream
        .write_all(b"GET /api/v1/events HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .unwrap();
    let mut events = BufReader::new(stream);
    let first = next_event(&mut events);
    assert!(first.contains("event: head"), "{first}");
    server.client().post("/execute", &body());
    let second = next_event(&mut events);
    let version = server.store.state().version();
    assert!(
        second.contains(&format!("id: {}", version.number)),
        "{second}"
    );
    assert!(second.contains(&version.root.to_string()), "{second}");

    let mut stream = server.client().connect();
    let again = format!(
        "GET /api/v1/events HTTP/1.1\r\nhost: localhost\r\nlast-event-id: {}\r\n\r\n",
        version.number
    );
    stream.write_all(again.as_bytes()).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_millis(500)))
        .unwrap();
    let mut got = Vec::new();
    let _ = stream.read_to_end(&mut got);
    let got = String::from_utf8(got).unwrap();
    assert!(
        got.contains("text/event-stream") && !got.contains("event:"),
        "{got}"
    );

    server.ask_to_stop();
    assert!(
        server.wait(),
        "an event stream kept the server from stopping"
    );
}

fn next_event(reader: &mut impl BufRead) -> String {
    let mut event = String::new();
    loop {
        let mut line = String::new();
        assert!(reader.read_line(&mut line).unwrap() > 0, "the stream ended");
        let is_field = ["event:", "id:", "data:"]
            .iter()
            .any(|field| line.starts_with(field));
        if is_field {
            event += &line;
        } else if !event.is_empty() && line.trim().is_empty() {
            return event;
        }
    }
}

#[test]
fn tokens_made_and_revoked_while_it_runs_are_on_record() {
    let dir = tempfile::tempdir().unwrap();
    let admin = token(&dir, Scope::Admin);
    let server = Running::in_dir(dir, |_| {});
    let acts = || {
        server.store.catch_up().unwrap();
        let client = server.client().token(&admin);
        client
            .get("/api/v1/audit/records?event=note&limit=100")
            .text()
    };
    let notes = || acts().matches("\"title\":\"note: ").count();
    let heard = |times: usize| {
        // The file is looked at once a second.
        let mut looks = 0;
        while notes() < times {
            looks += 1;
            assert!(looks < 1200, "nothing is on record");
            std::thread::sleep(Duration::from_millis(50));
        }
        let last = server.store.audit().size() - 1;
        format!("{:?}", server.store.audit().record(last).unwrap().record)
    };
    // Counted first: the server may hear of the token at once.
    let before = notes();
    let secret = TokenFile::create(&server.tokens(), "the shop", &[Scope::Read], 1, None).unwrap();
    let id = secret.id().to_owned();
    let made = heard(before + 1);
    assert!(
        made.contains(&format!("token {id} (the shop) made")),
        "{made}"
    );
    TokenFile::revoke(&server.tokens(), &id).unwrap();
    let revoked = heard(before + 2);
    assert!(
        revoked.contains(&format!("token {id} (the shop) revoked")),
        "{revoked}"
    );
}
