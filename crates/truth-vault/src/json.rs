//! JSON objects of whoever calls, kept as they were written.

use std::fmt;

use serde::Serialize;

pub(crate) mod python;
pub(crate) mod tree;

use tree::{Tree, TreeError};

/// A JSON object as text, exactly as it was given: what is stored, hashed and signed are its bytes.
///
/// Numbers keep all their digits and members their order. Read it with any JSON library:
///
/// ```
/// use truth_vault::Json;
///
/// let json = Json::parse(r#"{"attempts": 1, "price": 0.10}"#)?;
/// assert_eq!(json.as_str(), r#"{"attempts": 1, "price": 0.10}"#);
/// # Ok::<(), truth_vault::JsonError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Json {
    // INVARIANT: one JSON object, no spaces around it, within BYTES_MAX and DEPTH_MAX, no member
    // twice in one object.
    text: Box<str>,
}

impl Json {
    /// Most bytes of the text: 16 MiB.
    pub const BYTES_MAX: usize = 16 << 20;

    /// Most levels of objects and arrays in one another.
    pub const DEPTH_MAX: usize = tree::DEPTH_MAX;

    /// The object that `text` is.
    ///
    /// # Errors
    ///
    /// [`JsonError`].
    pub fn parse(text: &str) -> Result<Self, JsonError> {
        let text = text.trim_matches([' ', '\t', '\n', '\r']);
        if text.len() > Self::BYTES_MAX {
            return Err(JsonError::TooLong { bytes: text.len() });
        }
        match Tree::parse(text)? {
            Tree::Object(_) => Ok(Self { text: text.into() }),
            _ => Err(JsonError::NoObject),
        }
    }

    /// The object that `value` is in JSON: a struct or a map.
    ///
    /// # Errors
    ///
    /// [`JsonError`]; a value that JSON does not have is [`JsonError::Malformed`].
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Result<Self, JsonError> {
        let text = serde_json::to_string(value).map_err(|_| JsonError::Malformed)?;
        Self::parse(&text)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// The object without members.
impl Default for Json {
    fn default() -> Self {
        Self { text: "{}".into() }
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Json({})", self.text)
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Why a text is not a [`Json`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// Longer than [`Json::BYTES_MAX`].
    #[error("a JSON object of {bytes} bytes is too long")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// Not JSON, or with half a surrogate pair in a string.
    #[error("not JSON")]
    Malformed,
    /// Deeper than [`Json::DEPTH_MAX`].
    #[error("JSON nested too deep")]
    TooDeep,
    /// A member of an object comes twice: readers do not agree which one counts.
    #[error("a member of a JSON object comes twice")]
    DuplicateMember,
    /// JSON, but no object.
    #[error("not a JSON object")]
    NoObject,
}

impl From<TreeError> for JsonError {
    fn from(error: TreeError) -> Self {
        match error {
            TreeError::Malformed => Self::Malformed,
            TreeError::TooDeep => Self::TooDeep,
            TreeError::DuplicateMember => Self::DuplicateMember,
        }
    }
}

#[cfg(test)]
mod tests;
