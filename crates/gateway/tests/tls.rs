//! TLS from end to end: who trusts the certificate is served, over both protocols; who speaks plainly is not.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "common/client.rs"]
mod client;
#[path = "common/server.rs"]
mod server;

use std::fs;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use client::read_answer;
use gateway::Config;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use server::Running;
use tempfile::TempDir;

/// A server with a certificate of its own, and that certificate.
fn served() -> (Running, CertificateDer<'static>, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(folder.path().join("chain.pem"), cert.pem()).unwrap();
    fs::write(folder.path().join("key.pem"), signing_key.serialize_pem()).unwrap();
    let config = configuration(folder.path(), "key.pem");
    let server = Running::with(|it| *it = Config::parse(&config).unwrap());
    (server, cert.der().clone(), folder)
}

fn configuration(folder: &Path, key: &str) -> String {
    format!(
        "[listen]\naddress = \"127.0.0.1:0\"\ntls = {{ certificate = {:?}, key = {:?} }}\n[limits]\nheader_ms = 1000",
        folder.join("chain.pem"),
        folder.join(key),
    )
}

/// A connection by whoever trusts `trusted` alone, and offers these protocols.
fn connect(
    server: &Running,
    trusted: CertificateDer<'static>,
    protocols: &[&[u8]],
) -> StreamOwned<ClientConnection, TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted).unwrap();
    let mut config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    let name = "localhost".try_into().unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    StreamOwned::new(connection, server.client().connect())
}

#[test]
fn who_trusts_the_certificate_is_served_and_told_to_come_back_by_tls() {
    let (server, certificate, _folder) = served();
    let mut stream = connect(&server, certificate, &[b"http/1.1"]);
    stream
        .write_all(b"GET /health/ready HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .unwrap();
    let answer = read_answer(&mut stream);
    assert_eq!(
        (answer.status, answer.text().as_str()),
        (200, "{\"status\":\"ready\"}")
    );
    assert!(answer.headers["strict-transport-security"].starts_with("max-age="));
    // The same connection serves the next request.
    let body = br#"{"tx_id":"t1","intent_name":"a","status":"PROVED"}"#;
    let head = format!(
        "POST /execute HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), body].concat()).unwrap();
    assert_eq!(read_answer(&mut stream).status, 201);
    assert_eq!(
        stream.conn.protocol_version(),
        Some(rustls::ProtocolVersion::TLSv1_3)
    );
}

#[test]
fn http2_is_spoken_with_who_offers_it() {
    let (server, certificate, _folder) = served();
    let mut stream = connect(&server, certificate, &[b"h2", b"http/1.1"]);
    // The preface, empty settings, and a ping: the settings and the ping's answer come back.
    stream
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        .unwrap();
    stream.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).unwrap();
    stream
        .write_all(&[0, 0, 8, 6, 0, 0, 0, 0, 0, 3, 6, 0, 3, 6, 0, 1, 1])
        .unwrap();
    assert_eq!(stream.conn.alpn_protocol(), Some(&b"h2"[..]));
    let mut heard: Vec<u8> = Vec::new();
    let pong: [u8; 17] = [0, 0, 8, 6, 1, 0, 0, 0, 0, 3, 6, 0, 3, 6, 0, 1, 1];
    while !heard.windows(pong.len()).any(|window| window == pong) {
        let mut some = [0; 256];
        let count = stream.read(&mut some).unwrap();
        assert!(count > 0, "no answer to the ping: {heard:?}");
        heard.extend(&some[..count]);
    }
}

#[test]
fn strangers_and_those_who_speak_plainly_get_nothing() {
    let (server, certificate, _folder) = served();
    let other = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let mut stranger = connect(&server, other.cert.der().clone(), &[]);
    let refused = stranger.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::InvalidData, "{refused}");

    let mut plain = server.client().connect();
    plain
        .write_all(b"GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer); // an alert, or the connection reset
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    // One that says nothing holds nobody up, and is given up.
    let mut silent = server.client().connect();
    let mut stream = connect(&server, certificate, &[]);
    stream
        .write_all(b"GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .unwrap();
    assert_eq!(read_answer(&mut stream).status, 200);
    assert_eq!(silent.read(&mut [0; 8]).unwrap(), 0);
}

#[test]
fn a_key_that_is_none_or_another_is_refused_at_the_start() {
    let (_server, _, folder) = served();
    let other = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(
        folder.path().join("other.pem"),
        other.signing_key.serialize_pem(),
    )
    .unwrap();
    fs::write(folder.path().join("none.pem"), "nothing").unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    for key in ["other.pem", "none.pem", "missing.pem"] {
        let data = tempfile::tempdir().unwrap();
        let stores = persistence::Config::new(data.path().join("data"));
        let (store, _) = persistence::Persistence::open(stores).unwrap();
        let config = Config::parse(&configuration(folder.path(), key)).unwrap();
        let tokens = data.path().join(gateway::TokenFile::NAME);
        let bound = runtime.block_on(gateway::bind(config, &tokens, store));
        assert!(bound.is_err(), "{key}");
    }
}
