//! Why a certificate was refused.

use super::{EnvelopeError, KeyId, StatementError};
use crate::Address;

/// Why a certificate was refused, or could not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// Not an envelope.
    #[error("not an envelope")]
    Envelope(#[from] EnvelopeError),
    /// An envelope with something else than an in-toto statement in it.
    #[error("the payload of the envelope is no in-toto statement")]
    OtherPayload,
    /// Not a statement of ours.
    #[error("not a statement about a proof")]
    Statement(#[from] StatementError),
    /// It is about other blobs.
    #[error("the certificate is not about {expected}")]
    OtherSubject {
        /// The blob it was asked for.
        expected: Address,
    },
    /// It was issued after the time of asking.
    #[error("the certificate is of {issued_ns} ns, which is after {now_ns} ns")]
    FromTheFuture {
        /// When it says it was issued.
        issued_ns: u64,
        /// The time passed to the verification.
        now_ns: u64,
    },
    /// Fewer signers than the policy asks for.
    #[error("{good} good signers of the {needed} needed")]
    TooFewSigners {
        /// How many the policy asks for.
        needed: usize,
        /// How many different ones there are.
        good: usize,
        /// What is the matter with each signature, in their order.
        verdicts: Vec<SignatureVerdict>,
    },
}

/// What a policy makes of one signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignatureVerdict {
    /// Good, and of a signer who might sign at that time.
    Good {
        /// The signer's key.
        key_id: KeyId,
    },
    /// Names the key of a signer, and is not of that key, nor of another signer's.
    Forged {
        /// The key it names.
        key_id: KeyId,
    },
    /// Of no key in the policy.
    UnknownSigner,
    /// Good, but the key is revoked: whoever has it now may have made it.
    Revoked {
        /// The signer's key.
        key_id: KeyId,
    },
    /// Good, but the certificate was issued outside the time in which the key is valid.
    OutsideWindow {
        /// The signer's key.
        key_id: KeyId,
        /// When the certificate says it was issued.
        issued_ns: u64,
    },
}
