//! Texts of records: plain ones, and ones that can be erased without a trace in the proofs.

use std::fmt;

use merkle_core::{Hash, Hasher, Sha256};

use super::{ERASABLE_BYTES_MAX, RecordError};

/// A text of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a text either can be erased or cannot"
)]
pub enum Text {
    /// Part of the canonical bytes: it stays for as long as the record does.
    Plain(String),
    /// Only a commitment is part of the canonical bytes.
    Erasable(ErasableText),
}

/// A text that a record commits to without containing it.
///
/// The commitment is `SHA-256("vigilance 2026-11 erasable" ‖ field ‖ salt ‖ text)`, with one byte for the
/// field and 32 for the salt. Without the salt nobody can tell whether a guess of the text is right.
#[derive(Clone, PartialEq, Eq)]
pub struct ErasableText {
    // INVARIANT: the commitment is that of the content, where there is one.
    field: ErasableField,
    commitment: Hash,
    content: Option<(Salt, String)>,
}

/// A field of a record whose text can be erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ErasableField {
    /// The result of an execution.
    Result,
    /// The code of an attack.
    CodeSnippet,
    /// What else is known of an attack.
    Metadata,
    /// The message of an event.
    Message,
    /// What else is known of an event.
    Detail,
    /// Who a record is about.
    Subject,
}

/// 32 random bytes that hide a text behind its commitment.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Salt([u8; 32]);

/// Salts from the system's source of randomness, fetched many at a time.
#[derive(Debug, Default)]
pub struct Salts {
    // INVARIANT: each salt leaves the list when it is given out.
    ready: Vec<Salt>,
}

impl Text {
    /// A text that stays.
    #[must_use]
    pub fn plain(text: impl Into<String>) -> Self {
        Self::Plain(text.into())
    }

    /// A text that can be erased. The salt must be random and used once.
    #[must_use]
    pub fn erasable(field: ErasableField, text: &str, salt: Salt) -> Self {
        Self::Erasable(ErasableText::new(field, text, salt))
    }

    /// The text, if it is at hand: `None` where it was erased or not read.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Plain(text) => Some(text),
            Self::Erasable(text) => text.text(),
        }
    }

    pub(super) const fn as_erasable(&self) -> Option<&ErasableText> {
        match self {
            Self::Plain(_) => None,
            Self::Erasable(text) => Some(text),
        }
    }

    pub(super) const fn as_erasable_mut(&mut self) -> Option<&mut ErasableText> {
        match self {
            Self::Plain(_) => None,
            Self::Erasable(text) => Some(text),
        }
    }
}

impl ErasableText {
    /// A text and its commitment. The salt must be random and used once.
    #[must_use]
    pub fn new(field: ErasableField, text: &str, salt: Salt) -> Self {
        Self {
            field,
            commitment: commitment(field, &salt, text.as_bytes()),
            content: Some((salt, text.to_owned())),
        }
    }

    /// A text of which only the commitment is known.
    #[must_use]
    pub const fn committed(field: ErasableField, commitment: Hash) -> Self {
        Self {
            field,
            commitment,
            content: None,
        }
    }

    /// The field it belongs to.
    #[must_use]
    pub const fn field(&self) -> ErasableField {
        self.field
    }

    /// What the record holds in its place.
    #[must_use]
    pub const fn commitment(&self) -> Hash {
        self.commitment
    }

    /// The text, if it is at hand.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        self.content.as_ref().map(|(_, text)| text.as_str())
    }

    /// Salt and text, if they are at hand: who has both can check the commitment.
    #[must_use]
    pub fn content(&self) -> Option<(Salt, &str)> {
        self.content
            .as_ref()
            .map(|(salt, text)| (*salt, text.as_str()))
    }

    pub(super) fn check(&self) -> Result<(), RecordError> {
        if self.content().is_some_and(|(salt, _)| salt.0 == [0; 32]) {
            return Err(RecordError::BadSalt { field: self.field });
        }
        let bytes = self.text().map_or(0, str::len);
        if bytes > ERASABLE_BYTES_MAX {
            let field = self.field.as_str();
            return Err(RecordError::TooLong { field, bytes });
        }
        Ok(())
    }
}

/// Shows where a text is, not the text.
impl fmt::Debug for ErasableText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ErasableText")
            .field("field", &self.field)
            .field("commitment", &self.commitment)
            .field("at_hand", &self.content.is_some())
            .finish()
    }
}

/// What stands in a record for `text`.
pub(crate) fn commitment(field: ErasableField, salt: &Salt, text: &[u8]) -> Hash {
    let mut message = Vec::with_capacity(CONTEXT.len() + 33 + text.len());
    message.extend_from_slice(CONTEXT);
    message.push(field.code());
    message.extend_from_slice(&salt.0);
    message.extend_from_slice(text);
    Sha256.value(&message)
}

impl ErasableField {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Result,
        Self::CodeSnippet,
        Self::Metadata,
        Self::Message,
        Self::Detail,
        Self::Subject,
    ];

    /// The number in commitments and in the database: 1 to 7.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Result => 1,
            Self::CodeSnippet => 2,
            Self::Metadata => 3,
            Self::Message => 4,
            Self::Detail => 5,
            Self::Subject => 6,
        }
    }

    /// The field with this number.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.code() == code)
    }

    /// The name of the field.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Result => "result",
            Self::CodeSnippet => "code_snippet",
            Self::Metadata => "metadata",
            Self::Message => "message",
            Self::Detail => "detail",
            Self::Subject => "subject",
        }
    }
}

impl fmt::Display for ErasableField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Salt {
    /// A salt from bytes, which must be random and used once.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// A salt from the system's source of randomness.
    ///
    /// # Errors
    ///
    /// Where the system has no randomness to give.
    pub fn random() -> std::io::Result<Self> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes)?;
        Ok(Self(bytes))
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Shows nothing of it.
impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Salt(..)")
    }
}

impl Salts {
    /// A source that has fetched nothing yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { ready: Vec::new() }
    }

    /// A salt that nobody else gets.
    ///
    /// # Errors
    ///
    /// Where the system has no randomness to give.
    pub fn next_salt(&mut self) -> std::io::Result<Salt> {
        if let Some(salt) = self.ready.pop() {
            return Ok(salt);
        }
        let mut bytes = [0; 32 * SALTS_AT_A_TIME];
        getrandom::fill(&mut bytes)?;
        let (salts, _) = bytes.as_chunks();
        self.ready.extend(salts.iter().copied().map(Salt));
        self.ready.pop().ok_or(std::io::ErrorKind::Other.into())
    }
}

const SALTS_AT_A_TIME: usize = 64;

/// What makes these hashes unlike all others.
const CONTEXT: &[u8] = b"vigilance 2026-11 erasable";
