//! Thousands of connections, floods of requests, bodies without end: refused cleanly, and memory stays where
//! it is.
#![expect(
    clippy::unwrap_used,
    reason = "an unwrap that panics is how these tests fail"
)]

#[path = "common/program.rs"]
mod program;

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use program::{Server, command};

/// A server that may have many files open, with small limits.
fn server(at: &Path) -> Server {
    let limits = "[limits]\nconnections_max = 2000\nrequests_max = 64\nheader_ms = 60000";
    fs::write(at.join("server.toml"), limits).unwrap();
    let mut limited = Command::new("sh");
    let program = command(at);
    limited
        .current_dir(at)
        .args(["-c", "ulimit -n 8192 2>/dev/null; exec \"$0\" \"$@\""]);
    limited.arg(program.get_program()).args(program.get_args());
    Server::of(limited, &["--server-config", "server.toml"])
}

/// Sends a request that may have no end but that of the connection.
fn ask(address: &str, request: &[u8]) -> String {
    exchange(address, request, true)
}

/// Whether the server answers. A connection whose one half is closed would not always get an answer: to
/// the server its client may be gone.
fn is_live(address: &str) -> bool {
    exchange(address, LIVE, false).starts_with("HTTP/1.1 200")
}

fn exchange(address: &str, request: &[u8], ends: bool) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    let _ = stream.write_all(request); // it may be refused before its end
    if ends {
        let _ = stream.shutdown(Shutdown::Write);
    }
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

/// The most memory that the server ever had, in MiB.
fn peak_mib(server: &Server) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.child.id())).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
    kib / 1024
}

const LIVE: &[u8] = b"GET /health/live HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";

#[test]
fn more_connections_than_it_takes_are_told_to_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(folder.path());
    let own = fs::read_to_string("/proc/self/limits").unwrap();
    let own = own
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))
        .unwrap();
    let own: usize = own
        .split_whitespace()
        .next()
        .unwrap()
        .parse()
        .unwrap_or(usize::MAX);
    let count = own.saturating_sub(200).min(5000);
    println!("{count} connections");
    let mut peaks = Vec::new();
    for _ in 0..3 {
        let held: Vec<_> = (0..count)
            .map(|_| TcpStream::connect(&server.address).unwrap())
            .collect();
        let told = held.iter().skip(2000).filter(|stream| {
            stream
                .set_read_timeout(Some(Duration::from_secs(20)))
                .unwrap();
            let mut first = [0; 12];
            matches!((&**stream).read(&mut first), Ok(12) if &first == b"HTTP/1.1 503")
        });
        assert_eq!(told.count(), count.saturating_sub(2000));
        drop(held);
        // Places are free again once the server has noticed.
        while !is_live(&server.address) {
            std::thread::sleep(Duration::from_millis(20));
        }
        peaks.push(peak_mib(&server));
    }
    println!("peak memory after each flood: {peaks:?} MiB");
    // 10,000 connections more: 5 KiB that each left behind would show. The allocator keeps some.
    assert!(peaks[2] <= peaks[0] + 48, "memory grows: {peaks:?}");
}

#[test]
fn bodies_without_end_and_requests_that_are_none_leave_it_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(folder.path());
    let before = peak_mib(&server);
    let post = "POST /execute HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n";
    let long = [
        format!("{post}content-length: 900000000\r\n\r\n").as_bytes(),
        &vec![b' '; 4 << 20],
    ]
    .concat();
    let chunk = [&b"100000\r\n"[..], &vec![b' '; 1 << 20], b"\r\n"].concat();
    let endless = [
        format!("{post}transfer-encoding: chunked\r\n\r\n").as_bytes(),
        &chunk.repeat(8),
    ]
    .concat();
    let mut threads = Vec::new();
    for _ in 0..8 {
        for request in [long.clone(), endless.clone()] {
            let address = server.address.clone();
            threads.push(std::thread::spawn(move || ask(&address, &request)));
        }
    }
    for thread in threads {
        let answer = thread.join().unwrap();
        // A client that goes on sending may have the answer reset under it.
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 413"),
            "{answer}"
        );
    }
    let truncated = format!("{post}content-length: 100\r\n\r\n{{\"tx_id\":");
    let answer = ask(&server.address, truncated.as_bytes());
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 400"),
        "{answer}"
    );
    for nonsense in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"POST /execute HTTP/1.1\r\ncontent-length: -5\r\n\r\n",
        b"POST /execute HTTP/1.1\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"\0\0\0\0\0\0\0\0",
        b"GET / HTTP/1.1\r\nhost localhost\r\n\r\n",
    ] {
        let answer = ask(&server.address, nonsense);
        let refused = answer.is_empty() || answer.starts_with("HTTP/1.1 4");
        assert!(refused, "{nonsense:?}: {answer}");
    }
    assert!(is_live(&server.address));
    let after = peak_mib(&server);
    println!("peak memory {before} MiB before, {after} MiB after");
    // Sixteen bodies of 1 MiB at most were in memory, and what reads them.
    assert!(after <= before + 64, "{before} MiB became {after}");
    assert!(server.stop());
}
