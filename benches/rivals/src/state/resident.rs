//! A store in a process of its own: what it keeps in memory is its own, it can be weighed, and killed.

mod process;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::store::{Kind, Proved};
pub(crate) use process::run;

/// What the program is called with to be such a process.
pub(crate) const ARGUMENT: &str = "--resident";

/// What a process is asked: a line of JSON, which one line answers.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum Ask {
    /// Fills the store.
    Load,
    Commit(Updates),
    Read(Keys),
    Prove(Keys),
    /// Ours: goes on committing until opening would have about as much to do as it ever has.
    UntilNearlyDue,
    /// Ours: writes the newest version to disk, and lets go of what is not retained.
    Checkpoint,
    /// The most memory that the process ever had, in MiB.
    Memory,
}

/// Batches of new values for random keys, committed one after the other.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Updates {
    pub(super) seed: u64,
    /// Commits, unless the time is over before.
    pub(super) count: usize,
    /// Changes of a commit.
    pub(super) len: usize,
    /// How long it commits at most.
    pub(super) limit: Duration,
}

/// So many random keys.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Keys {
    pub(super) seed: u64,
    pub(super) count: usize,
}

/// What became of [`Updates`].
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Committed {
    /// How long each commit took.
    pub(super) times: Vec<Duration>,
    /// How long the process worked on after the last one.
    pub(super) settled: Duration,
}

impl Committed {
    /// How long all of it took.
    pub(super) fn total(&self) -> Duration {
        self.times.iter().sum::<Duration>() + self.settled
    }

    /// The longest commit, in milliseconds.
    pub(super) fn longest_ms(&self) -> f64 {
        let longest = self.times.iter().max().copied();
        longest.unwrap_or_default().as_secs_f64() * 1e3
    }
}

/// A store in a process of its own, which answers one question at a time and does nothing else.
pub(super) struct Resident {
    pub(super) kind: Kind,
    process: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Resident {
    /// Starts a process that opens the store in `folder`, or makes one there for about `size` keys.
    pub(super) fn start(kind: Kind, folder: &Path, size: usize) -> Result<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .args([ARGUMENT, kind.name()])
            .arg(folder)
            .arg(size.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let questions = process.stdin.take().context("no input")?;
        let answers = BufReader::new(process.stdout.take().context("no output")?);
        Ok(Self {
            kind,
            process,
            questions,
            answers,
        })
    }

    /// The same, and fills it.
    pub(super) fn loaded(kind: Kind, folder: &Path, size: usize) -> Self {
        let mut resident = Self::start(kind, folder, size).expect("a process");
        resident.ask::<()>(Ask::Load);
        resident
    }

    pub(super) fn commit(&mut self, updates: Updates) -> Committed {
        self.ask(Ask::Commit(updates))
    }

    /// Reads keys; reads a second.
    pub(super) fn read(&mut self, keys: Keys) -> f64 {
        let took: Duration = self.ask(Ask::Read(keys));
        keys.count as f64 / took.as_secs_f64()
    }

    /// Proves keys, and verifies the proofs; `None` if it proves nothing.
    pub(super) fn prove(&mut self, keys: Keys) -> Option<Proved> {
        self.ask(Ask::Prove(keys))
    }

    pub(super) fn until_nearly_due(&mut self) -> Committed {
        self.ask(Ask::UntilNearlyDue)
    }

    pub(super) fn checkpoint(&mut self) {
        self.ask(Ask::Checkpoint)
    }

    pub(super) fn memory_mib(&mut self) -> f64 {
        self.ask(Ask::Memory)
    }

    /// SIGKILL.
    pub(super) fn kill(mut self) {
        self.process.kill().expect("it lives");
        self.process.wait().expect("it is ours");
    }

    fn ask<T: DeserializeOwned>(&mut self, ask: Ask) -> T {
        let answer = self.try_ask(ask);
        answer.unwrap_or_else(|error| panic!("{}: {error:#}", self.kind.name()))
    }

    fn try_ask<T: DeserializeOwned>(&mut self, ask: Ask) -> Result<T> {
        let mut line = serde_json::to_vec(&ask)?;
        line.push(b'\n');
        self.questions.write_all(&line)?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        serde_json::from_str(&answer).context("the process ended, and said why above")
    }
}
