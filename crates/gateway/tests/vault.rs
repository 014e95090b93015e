//! Blobs and bundles over HTTP: in and out, in parts, listed, copied, proved; and what is refused.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "common/client.rs"]
mod client;
#[path = "common/server.rs"]
mod server;

use std::io::{Read, Write};

use base64ct::{Base64, Encoding};
use client::{Answer, Client, read_answer};
use merkle_core::Hash;
use serde_json::json;
use server::Running;
use truth_vault::{Address, verify_membership};

const BLOBS: &str = "/api/v1/vault/blobs";

fn upload(client: &Client, bytes: &[u8]) -> Answer {
    client.send("POST", BLOBS, Some(("application/octet-stream", bytes)))
}

/// Bytes of a blob that is cut into many parts, none like another.
fn large() -> Vec<u8> {
    (0..3_000_000_u32)
        .map(|at| (at ^ (at >> 9)).to_le_bytes()[0])
        .collect()
}

#[test]
fn a_blob_comes_back_whole_and_in_every_part_that_is_asked_for() {
    let server = Running::start();
    let client = server.client();
    let blob = large();
    let stored = upload(&client, &blob);
    assert_eq!(stored.status, 201, "{}", stored.text());
    let address = Address::of(&blob);
    assert_eq!(stored.json()["address"], address.to_string());
    assert_eq!(stored.json()["bytes"], blob.len());
    let place = format!("{BLOBS}/{address}");
    assert_eq!(stored.headers["location"], place);

    let whole = client.get(&place);
    assert!(whole.status == 200 && whole.body == blob);
    assert_eq!(whole.headers["content-length"], blob.len().to_string());
    let digest = format!("sha-256=:{}:", Base64::encode_string(address.as_bytes()));
    assert_eq!(whole.headers["repr-digest"], digest);
    let by_cid = client.get(&format!("{BLOBS}/{}", address.to_cid()));
    assert!(by_cid.body == blob);
    for (first, last) in [
        (0, 0),
        (16_383, 16_385),
        (1_000_000, 2_999_998),
        (2_999_999, 9_999_999),
    ] {
        let range = format!("bytes={first}-{last}");
        let part = server.client().header("range", &range).get(&place);
        let end = blob.len().min(last + 1);
        assert!(
            part.status == 206 && part.body == blob[first..end],
            "{range}"
        );
        let said = format!("bytes {first}-{}/{}", end - 1, blob.len());
        assert_eq!(part.headers["content-range"], said);
    }
    let behind = server
        .client()
        .header("range", "bytes=3000000-")
        .get(&place);
    assert_eq!((behind.status, behind.problem().as_str()), (416, "range"));
    assert_eq!(behind.headers["content-range"], "bytes */3000000");
    let known = server
        .client()
        .header("if-none-match", &whole.headers["etag"])
        .get(&place);
    assert_eq!((known.status, known.body.len()), (304, 0));
    let absent = Address::of(b"what nobody stored");
    assert_eq!(
        client.get(&format!("{BLOBS}/{absent}")).problem(),
        "not-found"
    );
    assert_eq!(client.get(&format!("{BLOBS}/xyz")).problem(), "bad-request");
}

#[test]
fn other_bytes_than_announced_and_more_than_allowed_are_refused() {
    let server = Running::with(|config| config.limits.blob_bytes_max = 2_000_000);
    let client = server.client();
    let address = Address::of(b"these bytes");
    let place = format!("{BLOBS}/{address}");
    let media = "application/octet-stream";
    let other = client.send("PUT", &place, Some((media, b"other bytes")));
    assert_eq!(
        (other.status, other.problem().as_str()),
        (422, "unprocessable")
    );
    let stored = client.send("PUT", &place, Some((media, b"these bytes")));
    assert_eq!(
        (stored.status, client.get(&place).body),
        (201, b"these bytes".to_vec())
    );
    assert_eq!(upload(&client, &large()).problem(), "too-large");

    // Without an announced length it is counted as it comes.
    let mut stream = client.connect();
    let head =
        format!("POST {BLOBS} HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let chunk = [&b"80000\r\n"[..], &vec![7; 0x80000], b"\r\n"].concat();
    let _ = (0..8).all(|_| stream.write_all(&chunk).is_ok()); // it may be cut off before
    assert_eq!(read_answer(&stream).problem(), "too-large");
    assert_eq!(client.get("/api/v1/vault").json()["blobs"], 1);
}

#[test]
fn a_body_that_breaks_off_is_no_blob_and_a_large_one_goes_on_where_it_broke() {
    let server = Running::start();
    let client = server.client();
    let blob = large();
    let (address, short) = (Address::of(&blob), Address::of(&blob[..500_000]));
    let place = format!("{BLOBS}/{address}");
    for head in [format!("POST {BLOBS}"), format!("PUT {place}")] {
        let mut stream = client.connect();
        let head = format!("{head} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 3000000\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(&blob[..2_500_000]).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap(); // an answer, or none: the server has ended with it
    }
    assert_eq!(client.get(&place).status, 404);
    assert_eq!(client.get(&format!("{BLOBS}/{short}")).status, 404);
    assert_eq!(client.get("/api/v1/vault").json()["blobs"], 0);

    let kept = client.get(&format!("{place}/partial")).json()["bytes"]
        .as_u64()
        .unwrap();
    assert!((1_000_000..=2_500_000).contains(&kept), "{kept}");
    let rest = &blob[usize::try_from(kept).unwrap()..];
    let media = "application/octet-stream";
    let on = client.send(
        "PUT",
        &format!("{place}?offset={kept}"),
        Some((media, rest)),
    );
    assert_eq!(on.status, 201, "{}", on.text());
    assert!(client.get(&place).body == blob);
    let nowhere = Address::of(b"nothing of this is kept");
    let on = client.send(
        "PUT",
        &format!("{BLOBS}/{nowhere}?offset=5"),
        Some((media, rest)),
    );
    assert_eq!(on.problem(), "conflict");
}

#[test]
fn a_slow_upload_is_given_up() {
    let server = Running::with(|config| config.limits.idle_ms = 300);
    let mut stream = server.client().connect();
    let head = format!("POST {BLOBS} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10\r\n\r\nabc");
    stream.write_all(head.as_bytes()).unwrap();
    assert_eq!(read_answer(stream).problem(), "timeout");
    assert_eq!(server.client().get("/api/v1/vault").json()["blobs"], 0);
}

#[test]
fn what_the_vault_holds_is_listed_and_proved() {
    let server = Running::start();
    let client = server.client();
    let blobs = ["one", "two", "three", "four", "five"];
    for blob in blobs {
        upload(&client, blob.as_bytes());
    }
    let (mut path, mut listed) = (format!("{BLOBS}?limit=2"), Vec::new());
    loop {
        let page = client.get(&path);
        let items = page.json()["items"].as_array().unwrap().clone();
        listed.extend(
            items
                .iter()
                .map(|item| item["address"].as_str().unwrap().to_owned()),
        );
        let Some(link) = page.headers.get("link") else {
            break;
        };
        path = link.split(['<', '>']).nth(1).unwrap().to_owned();
    }
    let mut expected: Vec<_> = blobs
        .iter()
        .map(|blob| Address::of(blob.as_bytes()).to_string())
        .collect();
    expected.sort();
    assert_eq!(listed, expected);

    let asked = [Address::of(b"two"), Address::of(b"nowhere")];
    let query = format!("/api/v1/vault/proof?addresses={},{}", asked[0], asked[1]);
    let proof = client.get(&query).json();
    let root: Address = proof["root"].as_str().unwrap().parse().unwrap();
    let bytes = Base64::decode_vec(proof["proof"].as_str().unwrap()).unwrap();
    let found = verify_membership(&bytes, &Hash::from_bytes(*root.as_bytes()), &asked).unwrap();
    assert_eq!(found, [true, false]);
    // What was uploaded is in the root that the next commit carries, and every seal after it.
    let commit = json!({"tx_id": "t1", "intent_name": "a", "status": "PROVED"});
    client.post("/execute", &commit);
    assert_eq!(
        root.to_string(),
        server.store.heads().vault_root.to_string()
    );
    assert_eq!(
        client.get("/api/v1/status").json()["vault"]["root"],
        proof["root"]
    );
    assert_eq!(
        client.get("/api/v1/vault/proof?addresses=zz").problem(),
        "bad-request"
    );

    let summaries = client.get("/api/v1/vault/summaries").json();
    let count: u64 = (summaries["summaries"].as_array().unwrap().iter())
        .map(|summary| summary["blobs"].as_u64().unwrap())
        .sum();
    assert_eq!((count, &summaries["root"]), (5, &proof["root"]));
    let prefix = &expected[0][..2];
    let some = client
        .get(&format!("/api/v1/vault/addresses?prefix={prefix}"))
        .json();
    assert_eq!(some["addresses"][0], expected[0]);
    assert_eq!(
        client.get("/api/v1/vault/addresses?prefix=abc").problem(),
        "bad-request"
    );
}

#[test]
fn bundles_are_stored_found_exported_and_refused_when_altered() {
    let server = Running::start();
    let client = server.client();
    let code = "intent transfer(from, to, amount) { conserve sum(balance) }";
    let request = json!({"code": code, "intent": "transfer", "status": "PROVED", "metadata": {"by": "the judge"}});
    let stored = client.post("/api/v1/vault/bundles", &request);
    assert_eq!(stored.status, 201, "{}", stored.text());
    let place = stored.headers["location"].clone();
    let manifest = client.get(&place).json();
    assert_eq!(
        (&manifest["intent"], &manifest["status"]),
        (&json!("transfer"), &json!("PROVED"))
    );
    assert_eq!(manifest["metadata"], json!({"by": "the judge"}));
    assert_eq!(client.get(&format!("{place}/code")).text(), code);
    assert_eq!(
        client.get(&format!("{place}/certificate")).problem(),
        "not-found"
    );
    let mut other = request.clone();
    other["status"] = json!("FAILED");
    client.post("/api/v1/vault/bundles", &other);
    let listed = client.get("/api/v1/vault/bundles?intent=transfer&limit=1");
    let next = listed.json()["next"].as_str().unwrap().to_owned();
    let rest = client
        .get(&format!(
            "/api/v1/vault/bundles?intent=transfer&after={next}"
        ))
        .json();
    assert_eq!(
        (
            rest["items"].as_array().unwrap().len(),
            &rest["items"][0]["status"]
        ),
        (1, &json!("FAILED"))
    );
    assert_eq!(
        client.get("/api/persistence/stats").json()["total_bundles"],
        2
    );

    let exported = client.get(&format!("{place}/export")).body;
    let elsewhere = Running::start();
    let import = |bytes: &[u8]| {
        let client = elsewhere.client();
        client.send(
            "POST",
            "/api/v1/vault/bundles/import",
            Some(("application/json", bytes)),
        )
    };
    let altered = String::from_utf8(exported.clone())
        .unwrap()
        .replace("conserve", "CONSERVE");
    assert_eq!(import(altered.as_bytes()).problem(), "unprocessable");
    assert_eq!(import(b"{").problem(), "unprocessable");
    assert_eq!(
        import(&exported).json()["address"],
        stored.json()["address"]
    );
    let both = json!({"code": "a", "code_base64": "YQ==", "status": "PROVED"});
    assert_eq!(
        client.post("/api/v1/vault/bundles", &both).problem(),
        "unprocessable"
    );
}
