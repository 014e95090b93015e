//! A process that does what one test of this program says, and what it prints.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread::{self, JoinHandle};

/// The lines that a process prints, as they come.
pub(crate) struct Lines {
    pub(crate) hear: Receiver<String>,
    listener: JoinHandle<()>,
}

impl Lines {
    /// Those that nobody heard yet of a process that has ended.
    pub(crate) fn rest(self) -> impl Iterator<Item = String> {
        self.listener.join().unwrap();
        self.hear.into_iter()
    }
}

/// Starts this program again for the test `name` alone, as `set_up` wishes.
pub(crate) fn start(name: &str, set_up: impl FnOnce(&mut Command)) -> (Child, Lines) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", name, "--nocapture", "--test-threads=1"]);
    set_up(command.stdout(Stdio::piped()));
    let mut child = command.spawn().unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    let (say, hear) = mpsc::channel();
    let listener = thread::spawn(move || {
        for line in output.lines() {
            let _ = say.send(line.unwrap());
        }
    });
    (child, Lines { hear, listener })
}
