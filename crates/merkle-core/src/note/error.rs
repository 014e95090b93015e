//! Why a note or a key was refused.

/// Why a note was refused, or could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoteError {
    /// The note is longer than [`SignedNote::BYTES_MAX`](crate::SignedNote::BYTES_MAX).
    #[error("a note of {bytes} bytes is too long")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// The text is not UTF-8, has control characters, or does not end with a newline.
    #[error("not the text of a note")]
    BadText,
    /// No empty line with signature lines after it, each ended by a newline.
    #[error("the note has no signatures")]
    NoSignatures,
    /// A line after the text is not a signature.
    #[error("signature line {line} is malformed")]
    BadSignatureLine {
        /// Which one, counted from 0.
        line: usize,
    },
    /// There are more than [`SignedNote::SIGNATURES_MAX`](crate::SignedNote::SIGNATURES_MAX).
    #[error("too many signatures")]
    TooManySignatures,
    /// A signature is not what its name and key id say. The note is forged or damaged.
    #[error("signature line {line} is of a trusted key and does not verify")]
    BadSignature {
        /// Which one, counted from 0.
        line: usize,
    },
    /// Misuse: two different trusted keys share a name and an id, so that neither can be meant.
    #[error("signature line {line} could be of two trusted keys")]
    AmbiguousKey {
        /// Which one, counted from 0.
        line: usize,
    },
    /// No trusted key signed the note.
    #[error("no trusted key signed the note")]
    Unverified,
}

/// Why the text or the parts of a key, or of a signature, were refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoteKeyError {
    /// The name is empty or has spaces, control characters or a plus sign.
    #[error("not a key name")]
    BadName,
    /// The text does not have the parts of a key, in the one way they are written.
    #[error("not the text of a key")]
    BadFormat,
    /// The key is of an algorithm other than ed25519 (1).
    #[error("unknown signature algorithm {algorithm}")]
    UnknownAlgorithm {
        /// The algorithm's number.
        algorithm: u8,
    },
    /// The key id is not the one that follows from name and key.
    #[error("key id {found:08x} stated, but it is {computed:08x}")]
    WrongKeyId {
        /// The id that the text states.
        found: u32,
        /// The id that follows from name and key.
        computed: u32,
    },
    /// The public key is not a point of the curve, or one for which anybody can sign.
    #[error("not a usable public key")]
    BadKey,
    /// A signature has no bytes, or more than fit a note.
    #[error("a signature of {bytes} bytes")]
    BadSignatureLength {
        /// Its length.
        bytes: usize,
    },
}
