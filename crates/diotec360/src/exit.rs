//! How the program ends.

use std::fmt;
use std::process::ExitCode;

/// What the exit status says. `diotec360 help` lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Code {
    /// Done.
    Done = 0,
    /// Something failed: the message says what.
    Failed = 1,
    // 2 is clap's: the command line was not understood.
    /// What was asked for is not there.
    NotFound = 3,
    /// Something was verified and does not hold.
    Refuted = 4,
    /// Stored data is damaged: see `doctor`.
    Damaged = 5,
    /// Another process has the data directory.
    InUse = 6,
    /// An execution was recorded, and refused.
    Rejected = 7,
}

/// The list of them, for people.
pub(crate) const HELP: &str = "\
Exit status:
  0  done
  1  something failed: the message says what
  2  the command line was not understood
  3  what was asked for is not there
  4  something was verified and does not hold
  5  stored data is damaged: see `diotec360 doctor`
  6  another process has the data directory
  7  an execution was recorded, and refused";

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        Self::from(code as u8)
    }
}

/// An error that knows how the program ends with it, and what to do next.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: Code,
    message: String,
    pub(crate) hint: Option<String>,
}

impl Failure {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            hint: None,
        }
    }

    /// The next step.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}
