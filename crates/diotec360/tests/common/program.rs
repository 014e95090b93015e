//! The program as people run it, in a folder of its own.
#![allow(dead_code, reason = "each test crate uses a part of it")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

/// Runs the program on the data directory `data` below `folder`.
pub(crate) fn run(folder: &Path, arguments: &[&str]) -> Output {
    command(folder).args(arguments).output().unwrap()
}

/// The program on the data directory `data` below `folder`, without what the environment says.
pub(crate) fn command(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_diotec360"));
    command.current_dir(folder).args(["--data", "data"]);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("DIOTEC360_") {
            command.env_remove(name);
        }
    }
    command
}

/// What it said; it must have ended well.
#[track_caller]
pub(crate) fn said(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// What it said as JSON, which it must be asked for.
#[track_caller]
pub(crate) fn json(output: &Output) -> serde_json::Value {
    serde_json::from_str(&said(output)).unwrap()
}

/// How it ended, and what it said about that.
pub(crate) fn failed(output: &Output) -> (Option<i32>, String) {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), text)
}

/// A server that is killed with the test.
pub(crate) struct Server {
    pub(crate) child: Child,
    pub(crate) address: String,
}

impl Server {
    /// Starts it on a port that the system chooses.
    pub(crate) fn start(folder: &Path, arguments: &[&str]) -> Self {
        Self::of(command(folder), arguments)
    }

    pub(crate) fn of(mut command: Command, arguments: &[&str]) -> Self {
        command.args([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--json",
            "--log",
            "error",
        ]);
        let mut child = (command.args(arguments).stdout(Stdio::piped()))
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        output.read_line(&mut line).unwrap();
        // What it says later is of no interest, and must not stop it.
        std::thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
        let started: serde_json::Value = serde_json::from_str(&line).unwrap();
        let url = started["url"].as_str().unwrap();
        let address = url.split("//").nth(1).unwrap().to_owned();
        Self { child, address }
    }

    /// Has it stop, and waits until it has.
    pub(crate) fn stop(mut self) -> bool {
        let id = self.child.id().to_string();
        let told = Command::new("kill").args(["-TERM", &id]).status().unwrap();
        told.success() && self.child.wait().unwrap().success()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
