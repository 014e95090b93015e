//! What the Judge found.

use std::fmt;
use std::str::FromStr;

/// What a verification came to, in the original system's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum VerificationStatus {
    /// Nobody said anything about it.
    Unverified,
    /// `PROVED`: the conditions hold for every input.
    Proved,
    /// `FAILED`: there is a counter-example.
    Failed,
    /// `REJECTED`: a layer before the prover refused the code.
    Rejected,
    /// `TIMEOUT`: the prover came to no end.
    Timeout,
}

impl VerificationStatus {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Unverified,
        Self::Proved,
        Self::Failed,
        Self::Rejected,
        Self::Timeout,
    ];

    /// Its name, in capitals.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unverified => "UNVERIFIED",
            Self::Proved => "PROVED",
            Self::Failed => "FAILED",
            Self::Rejected => "REJECTED",
            Self::Timeout => "TIMEOUT",
        }
    }
}

impl VerificationStatus {
    /// Its number in stored bytes.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Unverified => 0,
            Self::Proved => 1,
            Self::Failed => 2,
            Self::Rejected => 3,
            Self::Timeout => 4,
        }
    }

    pub(crate) fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.code() == code)
    }
}

impl fmt::Display for VerificationStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Reads exactly the names.
impl FromStr for VerificationStatus {
    type Err = UnknownStatus;

    fn from_str(text: &str) -> Result<Self, UnknownStatus> {
        let status = Self::ALL.into_iter().find(|status| status.name() == text);
        status.ok_or(UnknownStatus)
    }
}

/// A text is the name of no [`VerificationStatus`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a verification status")]
pub struct UnknownStatus;
