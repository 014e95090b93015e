//! What can be wrong with a legacy bundle.

use super::LegacyKey;
use crate::JsonError;

/// Something in a legacy bundle that does not match what the bundle itself says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LegacyFault {
    /// v2.1: the code is not the one that `content_hash` is of.
    #[error("the code has the hash {computed}, not {stated}")]
    CodeAltered {
        /// What the bundle states.
        stated: LegacyKey,
        /// The hash of the code.
        computed: LegacyKey,
    },
    /// v0.7: the AST is not the one that `function_hash` is of.
    #[error("the AST has the hash {computed}, not {stated}")]
    AstAltered {
        /// What the bundle states.
        stated: LegacyKey,
        /// The hash of the AST.
        computed: LegacyKey,
    },
    /// v0.7: the certificate's `signature`, a hash, is not of its content.
    #[error("the certificate was altered")]
    CertificateAltered,
    /// v0.7: the certificate is for another function.
    #[error("the certificate is for the function {stated}")]
    CertificateOfOther {
        /// The function that it states.
        stated: LegacyKey,
    },
    /// v0.7: `bundle_signature`, a hash, is not of function, AST and certificate.
    #[error("function, AST and certificate do not belong together")]
    BundleAltered,
    /// v0.7: `verification` and `certificate` have come to different ends.
    #[error("verification and certificate state different statuses")]
    StatusDisagrees,
}

/// Why bytes are no legacy bundle that is whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LegacyError {
    /// Longer than [`LegacyBundle::BYTES_MAX`](super::LegacyBundle::BYTES_MAX).
    #[error("a legacy bundle of {bytes} bytes is too long")]
    TooLong {
        /// Its length.
        bytes: u64,
    },
    /// Not a JSON object, or one that nests too deep or has a member twice.
    #[error("not the JSON of a legacy bundle")]
    Json(#[from] JsonError),
    /// Neither `content_hash` nor `function_hash`: of no generation.
    #[error("not a bundle of a known generation")]
    UnknownGeneration,
    /// A v0.7 bundle of another `bundle_version` than 1.0.
    #[error("a bundle of an unknown version")]
    UnknownVersion,
    /// A member is missing, or is not of its kind.
    #[error("the member {member} is missing or not of its kind")]
    BadMember {
        /// Which one.
        member: &'static str,
    },
    /// It is a bundle, and not as it was made.
    #[error("the bundle does not match its own hashes, {} times: first, {}", .0.len(), .0[0])]
    Altered(
        /// Everything that does not match; at least one fault.
        Vec<LegacyFault>,
    ),
}
