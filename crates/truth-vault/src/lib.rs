#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod address;
mod bundle;
mod car;
mod certificate;
mod json;
mod legacy;
mod status;
mod time;

pub use address::{Address, AddressError};
pub use bundle::{
    Bundle, BundleAddress, BundleError, BundleManifest, BundlePart, ImportError, ImportLayer,
    LegacyRecord, ManifestError, Trust,
};
pub use car::{CarBlock, CarCid, CarError, CarReader, CarVersion, CarWriter, IndexedCarWriter};
pub use certificate::{
    Certificate, CertificateError, Envelope, EnvelopeError, EnvelopeSignature, JudgeProof,
    KeyError, KeyFileError, KeyId, PolicyError, PublicKey, SecretKey, SignatureVerdict, Signer,
    SignerPolicy, Statement, StatementError, Subject, VerifiedCertificate,
};
pub use json::{Json, JsonError};
pub use legacy::{
    LegacyBundle, LegacyError, LegacyFault, LegacyGeneration, LegacyIndexEntry, LegacyItem,
    LegacyKey, LegacyNote, LegacyVault, LegacyVaultError,
};
pub use status::{UnknownStatus, VerificationStatus};
