//! C2SP signed-note: text with signatures.

mod error;
mod key;
mod signature;

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

pub use error::{NoteError, NoteKeyError};
pub use key::{SignerKey, VerifierKey};
pub use signature::NoteSignature;

use crate::{Checkpoint, CheckpointError};

/// A text and signatures over it, verified or not.
///
/// `Display` writes the note and [`parse`](Self::parse) reads it. The text must not be used
/// before [`verify`](Self::verify) found a good signature of a trusted key.
///
/// ```
/// use merkle_core::{Checkpoint, Log, SignedNote, SignerKey};
///
/// let key = SignerKey::from_seed("example.com/log", &[7; 32])?;
/// let log: Log = ["one", "two"].iter().collect();
/// let checkpoint = Checkpoint::new("example.com/log", log.head())?;
/// let note = SignedNote::sign(&checkpoint.to_string(), &key)?;
///
/// let trusted = [key.verifier_key()];
/// let received = SignedNote::parse(note.to_string().as_bytes())?;
/// let verified = received.verify(&trusted)?;
/// assert_eq!(verified.checkpoint("example.com/log")?.head(), log.head());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedNote {
    // INVARIANT: the text ends with a newline and has no other control characters; there are 1 to
    // SIGNATURES_MAX signatures; the whole keeps within BYTES_MAX.
    text: String,
    signatures: Vec<NoteSignature>,
}

impl SignedNote {
    /// Most bytes of a note, signatures included; the specification leaves the limit open.
    pub const BYTES_MAX: usize = 1_000_000;

    /// Most signatures of a note; the specification asks for at least 16.
    pub const SIGNATURES_MAX: usize = 100;

    /// Signs `text`, which must end with a newline.
    ///
    /// # Errors
    ///
    /// [`NoteError::BadText`] or [`NoteError::TooLong`].
    pub fn sign(text: &str, key: &SignerKey) -> Result<Self, NoteError> {
        check_text(text)?;
        let note = Self {
            text: text.into(),
            signatures: Vec::from([key.sign(text)]),
        };
        note.check_length()?;
        Ok(note)
    }

    /// Signs the same text with one more key. A signature of that key, if there is one, is
    /// replaced.
    ///
    /// # Errors
    ///
    /// [`NoteError::TooManySignatures`] or [`NoteError::TooLong`]; the note is unchanged then.
    pub fn countersign(&mut self, key: &SignerKey) -> Result<(), NoteError> {
        self.add(key.sign(&self.text))
    }

    /// Adds a signature made elsewhere, by a witness for instance. It is not verified. One with
    /// the same key name and key id, if there is one, is replaced.
    ///
    /// # Errors
    ///
    /// [`NoteError::TooManySignatures`] or [`NoteError::TooLong`]; the note is unchanged then.
    pub fn add(&mut self, signature: NoteSignature) -> Result<(), NoteError> {
        let mut changed = self.clone();
        changed
            .signatures
            .retain(|old| !old.is_of_same_key(&signature));
        changed.signatures.push(signature);
        if changed.signatures.len() > Self::SIGNATURES_MAX {
            return Err(NoteError::TooManySignatures);
        }
        changed.check_length()?;
        *self = changed;
        Ok(())
    }

    /// Reads a note, strictly. Signatures of whatever keys are kept as they are.
    ///
    /// # Errors
    ///
    /// [`NoteError::TooLong`], [`NoteError::BadText`], [`NoteError::NoSignatures`],
    /// [`NoteError::BadSignatureLine`] or [`NoteError::TooManySignatures`], whatever the bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        if bytes.len() > Self::BYTES_MAX {
            return Err(NoteError::TooLong { bytes: bytes.len() });
        }
        let note = core::str::from_utf8(bytes).map_err(|_| NoteError::BadText)?;
        // The last empty line divides: signature lines are not empty, the text's lines may be.
        let divide = note.rfind("\n\n").ok_or(NoteError::NoSignatures)?;
        let (text, signatures) = (&note[..=divide], &note[divide + 2..]);
        check_text(text)?;

        let lines = signatures
            .strip_suffix('\n')
            .ok_or(NoteError::NoSignatures)?;
        let mut signatures = Vec::new();
        for (line, text) in lines.split('\n').enumerate() {
            if line == Self::SIGNATURES_MAX {
                return Err(NoteError::TooManySignatures);
            }
            let signature = NoteSignature::parse(text);
            signatures.push(signature.ok_or(NoteError::BadSignatureLine { line })?);
        }
        Ok(Self {
            text: text.into(),
            signatures,
        })
    }

    /// The signed text, final newline included. Trust it only after [`verify`](Self::verify).
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// All signatures, in their order, verified or not.
    #[must_use]
    pub fn signatures(&self) -> &[NoteSignature] {
        &self.signatures
    }

    /// Verifies the signatures of the keys in `trusted`. Those of other keys are ignored.
    ///
    /// A signature of a trusted key that does not verify spoils the whole note.
    ///
    /// # Errors
    ///
    /// [`NoteError::BadSignature`], [`NoteError::AmbiguousKey`], or [`NoteError::Unverified`]
    /// where no trusted key signed.
    pub fn verify<'n>(&'n self, trusted: &'n [VerifierKey]) -> Result<VerifiedNote<'n>, NoteError> {
        let mut keys: Vec<&VerifierKey> = Vec::new();
        for (line, signature) in self.signatures.iter().enumerate() {
            let mut matching = trusted.iter().filter(|key| signature.is_by(key));
            let Some(key) = matching.next() else { continue };
            if matching.any(|other| other != key) {
                return Err(NoteError::AmbiguousKey { line });
            }
            if !key.verifies(&self.text, signature) {
                return Err(NoteError::BadSignature { line });
            }
            // A key that signed twice still counts once.
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        if keys.is_empty() {
            return Err(NoteError::Unverified);
        }
        Ok(VerifiedNote {
            text: &self.text,
            keys,
        })
    }

    fn check_length(&self) -> Result<(), NoteError> {
        let signatures: usize = self.signatures.iter().map(NoteSignature::line_bytes).sum();
        let bytes = self.text.len() + 1 + signatures;
        if bytes > Self::BYTES_MAX {
            return Err(NoteError::TooLong { bytes });
        }
        Ok(())
    }
}

/// The note: text, empty line, signature lines.
impl fmt::Display for SignedNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures
            .iter()
            .try_for_each(|signature| writeln!(f, "{signature}"))
    }
}

/// A text that at least one trusted key signed: only [`SignedNote::verify`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedNote<'n> {
    text: &'n str,
    // INVARIANT: not empty, no key twice.
    keys: Vec<&'n VerifierKey>,
}

impl<'n> VerifiedNote<'n> {
    /// The signed text, final newline included.
    #[must_use]
    pub const fn text(&self) -> &'n str {
        self.text
    }

    /// The trusted keys that signed, each once: count these for a quorum.
    #[must_use]
    pub fn keys(&self) -> &[&'n VerifierKey] {
        &self.keys
    }

    /// The checkpoint that the text is, if it is of the log named `origin`.
    ///
    /// The origin is asked for because a key may sign for several logs.
    ///
    /// # Errors
    ///
    /// [`CheckpointError`], for the text or with [`CheckpointError::OtherOrigin`].
    pub fn checkpoint(&self, origin: &str) -> Result<Checkpoint, CheckpointError> {
        let checkpoint: Checkpoint = self.text.parse()?;
        if checkpoint.origin() != origin {
            let (expected, found) = (origin.into(), checkpoint.origin().into());
            return Err(CheckpointError::OtherOrigin { expected, found });
        }
        Ok(checkpoint)
    }
}

fn check_text(text: &str) -> Result<(), NoteError> {
    let controls = text.bytes().any(|byte| byte < 0x20 && byte != b'\n');
    if controls || !text.ends_with('\n') {
        return Err(NoteError::BadText);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
