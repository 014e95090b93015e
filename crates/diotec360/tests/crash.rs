//! The server killed with SIGKILL while it is asked to execute: whatever it acknowledged is there afterwards.
#![expect(
    clippy::unwrap_used,
    reason = "an unwrap that panics is how these tests fail"
)]

#[path = "common/program.rs"]
mod program;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::thread;
use std::time::Duration;

use program::{Server, run, said};

/// Connections that execute at the same time.
const CLIENTS: u64 = 16;

/// A connection that is kept.
struct Connection(BufReader<TcpStream>);

impl Connection {
    fn open(address: &str) -> Option<Self> {
        let stream = TcpStream::connect(address).ok()?;
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        Some(Self(BufReader::new(stream)))
    }

    /// The status and body of an answer; none if the connection broke before all of it was there.
    fn ask(&mut self, request: &str) -> Option<(u16, String)> {
        self.0.get_mut().write_all(request.as_bytes()).ok()?;
        let mut line = String::new();
        self.0.read_line(&mut line).ok()?;
        let status = line.split(' ').nth(1)?.parse().ok()?;
        let mut length = 0;
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line).ok()? == 0 {
                return None;
            }
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.trim().parse().ok()?;
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).ok()?;
        Some((status, String::from_utf8(body).ok()?))
    }

    fn execute(&mut self, tx: &str, key: &str, value: &str) -> Option<u16> {
        let body = format!(
            r#"{{"tx_id":"{tx}","intent_name":"set","status":"PROVED","writes":[{{"key":"{key}","value":"{value}"}}]}}"#
        );
        let head = format!(
            "POST /execute HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        self.ask(&(head + &body)).map(|(status, _)| status)
    }

    fn get(&mut self, path: &str) -> (u16, String) {
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
        self.ask(&request).unwrap()
    }
}

/// Executes until the connection breaks; says how many were acknowledged. Each is named by its number, and
/// writes it to the client's own key.
fn work(address: &str, kill: u64, client: u64) -> u64 {
    let mut connection = Connection::open(address).unwrap();
    for nth in 0.. {
        let tx = format!("k{kill}c{client}n{nth}");
        match connection.execute(&tx, &format!("k{kill}c{client}"), &nth.to_string()) {
            Some(status) => assert_eq!(status, 201, "{tx}"),
            None => return nth,
        }
    }
    unreachable!("there are not as many executions as numbers")
}

/// One server, killed after a while; how many executions each client had acknowledged.
fn killed(at: &Path, kill: u64, after: Duration) -> Vec<u64> {
    let mut server = Server::start(at, &[]);
    let address = server.address.clone();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let address = address.clone();
            thread::spawn(move || work(&address, kill, client))
        })
        .collect();
    thread::sleep(after);
    server.child.kill().unwrap(); // SIGKILL
    server.child.wait().unwrap();
    clients
        .into_iter()
        .map(|client| client.join().unwrap())
        .collect()
}

#[test]
fn what_was_acknowledged_is_there_after_a_kill() {
    let kills: u64 = std::env::var("DIOTEC360_KILLS").map_or(3, |kills| kills.parse().unwrap());
    let seed: u64 = std::env::var("DIOTEC360_SEED").map_or(1, |seed| seed.parse().unwrap());
    println!("seed {seed}");
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let (mut random, mut total, mut in_flight) = (seed | 1, 0, 0);
    for kill in 0..kills {
        // xorshift: which moment, is all that is left to chance
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let acknowledged = killed(at, kill, Duration::from_millis(50 + random % 500));

        let server = Server::start(at, &[]);
        let mut connection = Connection::open(&server.address).unwrap();
        assert_eq!(connection.get("/health/ready").0, 200);
        for (client, count) in acknowledged.iter().enumerate() {
            total += count;
            for nth in 0..*count {
                let (status, body) =
                    connection.get(&format!("/api/v1/executions/k{kill}c{client}n{nth}"));
                assert_eq!(
                    status, 200,
                    "kill {kill} lost k{kill}c{client}n{nth}: {body}"
                );
            }
            // The key has the last acknowledged value, or the one that was in flight.
            let (_, value) = connection.get(&format!("/api/v1/state/value?key=k{kill}c{client}"));
            let value: serde_json::Value = serde_json::from_str(&value).unwrap();
            let found = value["value"]
                .as_str()
                .map_or(0, |found| found.parse::<u64>().unwrap() + 1);
            assert!(
                (*count..=count + 1).contains(&found),
                "kill {kill} client {client}: {found}, {count}"
            );
            in_flight += found - count;
        }
        drop(connection);
        drop(server); // killed too
    }
    println!(
        "{kills} kills, {total} executions acknowledged, all there; {in_flight} in flight were there too"
    );
    assert!(total > 0, "nothing was acknowledged before any kill");
    assert!(said(&run(at, &["verify-all"])).ends_with("sound\n"));
}
