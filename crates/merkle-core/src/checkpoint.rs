//! C2SP tlog-checkpoint: a log's head as text.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use base64ct::{Base64, Encoding};

use crate::{Hash, TreeHead, TreeSize};

/// A log's head, with the name of the log: the text that a log signs.
///
/// The text has at least three lines: origin, tree size, root hash in base64; then come extension
/// lines, which mean nothing here. `Display` writes it and `FromStr` reads it, strictly: there is
/// one text for a checkpoint. A checkpoint says nothing until a signature over it was verified
/// (feature `note`).
///
/// ```
/// use merkle_core::{Checkpoint, Log};
///
/// let log: Log = ["one", "two"].iter().collect();
/// let checkpoint = Checkpoint::new("example.com/log", log.head())?;
/// let text = checkpoint.to_string();
/// assert!(text.starts_with("example.com/log\n2\n"));
/// assert_eq!(text.parse::<Checkpoint>()?, checkpoint);
/// # Ok::<(), merkle_core::CheckpointError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Checkpoint {
    // INVARIANT: lines are not empty, have no control characters and keep the limits below.
    origin: String,
    head: TreeHead,
    extensions: Vec<String>,
}

impl Checkpoint {
    /// Most bytes of a text; the specification sets no limit.
    pub const TEXT_BYTES_MAX: usize = 65_536;

    /// Most bytes of an origin; the specification sets no limit.
    pub const ORIGIN_BYTES_MAX: usize = 1_024;

    /// Most extension lines; the specification sets no limit and recommends none.
    pub const EXTENSIONS_MAX: usize = 64;

    /// A checkpoint of the log named `origin`, without extension lines.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::BadOrigin`]: empty, too long, or with control characters.
    pub fn new(origin: &str, head: TreeHead) -> Result<Self, CheckpointError> {
        if !is_line(origin) || origin.len() > Self::ORIGIN_BYTES_MAX {
            return Err(CheckpointError::BadOrigin);
        }
        Ok(Self {
            origin: origin.into(),
            head,
            extensions: Vec::new(),
        })
    }

    /// Adds an extension line.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::BadExtension`] where it is empty or has control characters,
    /// [`CheckpointError::TooManyExtensions`] or [`CheckpointError::TooLong`].
    pub fn with_extension(mut self, line: &str) -> Result<Self, CheckpointError> {
        if self.extensions.len() == Self::EXTENSIONS_MAX {
            return Err(CheckpointError::TooManyExtensions);
        }
        if !is_line(line) {
            return Err(CheckpointError::BadExtension {
                line: self.extensions.len(),
            });
        }
        let bytes = self.text_bytes() + line.len() + 1;
        if bytes > Self::TEXT_BYTES_MAX {
            return Err(CheckpointError::TooLong { bytes });
        }
        self.extensions.push(line.into());
        Ok(self)
    }

    /// The name of the log.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Size and root of the log.
    #[must_use]
    pub const fn head(&self) -> TreeHead {
        self.head
    }

    /// The extension lines, without their newlines.
    #[must_use]
    pub fn extensions(&self) -> &[String] {
        &self.extensions
    }

    fn text_bytes(&self) -> usize {
        let head = DIGITS_MAX + 1 + ROOT_CHARS + 1;
        let extensions: usize = self.extensions.iter().map(|line| line.len() + 1).sum();
        self.origin.len() + 1 + head + extensions
    }
}

/// The text, each line with its newline.
impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut buffer = [0; ROOT_CHARS];
        let root = self.head.root.as_bytes();
        let root = Base64::encode(root, &mut buffer).map_err(|_| fmt::Error)?;
        write!(f, "{}\n{}\n{root}\n", self.origin, self.head.size)?;
        self.extensions
            .iter()
            .try_for_each(|line| writeln!(f, "{line}"))
    }
}

/// Reads exactly the texts that `Display` writes.
impl FromStr for Checkpoint {
    type Err = CheckpointError;

    fn from_str(text: &str) -> Result<Self, CheckpointError> {
        if text.len() > Self::TEXT_BYTES_MAX {
            return Err(CheckpointError::TooLong { bytes: text.len() });
        }
        let text = text
            .strip_suffix('\n')
            .ok_or(CheckpointError::NoFinalNewline)?;
        let mut lines = text.split('\n');
        let mut next = |found| lines.next().ok_or(CheckpointError::TooFewLines { found });
        let (origin, size, root) = (next(0)?, next(1)?, next(2)?);
        let head = TreeHead::new(parse_size(size)?, parse_root(root)?);
        lines.try_fold(Self::new(origin, head)?, |checkpoint, line| {
            checkpoint.with_extension(line)
        })
    }
}

/// Decimal digits without leading zeros.
fn parse_size(digits: &str) -> Result<TreeSize, CheckpointError> {
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    let shortest = digits == "0" || !digits.starts_with('0');
    let size = digits.parse().ok().filter(|_| plain && shortest);
    size.map(TreeSize::new).ok_or(CheckpointError::BadSize)
}

fn parse_root(base64: &str) -> Result<Hash, CheckpointError> {
    let mut bytes = [0; Hash::LEN];
    match Base64::decode(base64, &mut bytes) {
        Ok(decoded) if decoded.len() == Hash::LEN => Ok(Hash::from_bytes(bytes)),
        _ => Err(CheckpointError::BadRoot),
    }
}

/// Whether the text can be a line of a note: something, without control characters.
fn is_line(text: &str) -> bool {
    !text.is_empty() && !text.bytes().any(|byte| byte < 0x20)
}

/// Characters of a root hash in base64.
const ROOT_CHARS: usize = 44;

/// Digits of the largest tree size.
const DIGITS_MAX: usize = 20;

/// Why a text is not a checkpoint, or a checkpoint not the one wanted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The text is longer than [`Checkpoint::TEXT_BYTES_MAX`].
    #[error("a checkpoint of {bytes} bytes is too long")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// The last line has no newline.
    #[error("the last line does not end")]
    NoFinalNewline,
    /// Origin, size or root are missing.
    #[error("only {found} of the first three lines are there")]
    TooFewLines {
        /// How many lines there are.
        found: usize,
    },
    /// The origin is empty, longer than [`Checkpoint::ORIGIN_BYTES_MAX`], or has control
    /// characters.
    #[error("not an origin")]
    BadOrigin,
    /// The size is not a 64-bit decimal number in its shortest form.
    #[error("not a tree size")]
    BadSize,
    /// The root is not 32 bytes in base64, with padding and in the one way it is written.
    #[error("not a root hash")]
    BadRoot,
    /// An extension line is empty or has control characters.
    #[error("extension line {line} is empty or has control characters")]
    BadExtension {
        /// Which one, counted from 0.
        line: usize,
    },
    /// There are more extension lines than [`Checkpoint::EXTENSIONS_MAX`].
    #[error("too many extension lines")]
    TooManyExtensions,
    /// The checkpoint is another log's.
    #[error("a checkpoint of {found:?}, not of {expected:?}")]
    OtherOrigin {
        /// The origin asked for.
        expected: String,
        /// The origin of the checkpoint.
        found: String,
    },
}

#[cfg(test)]
mod tests;
