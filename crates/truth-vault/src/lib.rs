#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod address;
mod bundle;
mod car;
mod catalogue;
mod certificate;
mod checked;
mod collection;
mod content;
mod error;
mod group;
mod index;
mod json;
mod large;
mod legacy;
mod options;
mod parts;
mod progressed;
mod roots;
mod segment;
mod set;
mod status;
mod sync;
mod time;
mod vault;
mod volume;
mod watched;
mod writer;

pub use address::{Address, AddressError};
pub use bundle::{
    Bundle, BundleAddress, BundleError, BundleManifest, BundlePart, ImportError, ImportLayer,
    LegacyRecord, ManifestError, Trust,
};
pub use car::{CarBlock, CarCid, CarError, CarReader, CarVersion, CarWriter, IndexedCarWriter};
pub use catalogue::{BundleQuery, BundleSummary};
pub use certificate::{
    Certificate, CertificateError, Envelope, EnvelopeError, EnvelopeSignature, JudgeProof,
    KeyError, KeyFileError, KeyId, PolicyError, PublicKey, SecretKey, SignatureVerdict, Signer,
    SignerPolicy, Statement, StatementError, Subject, VerifiedCertificate,
};
pub use error::{Damage, GetError, OpenError, PutError};
pub use json::{Json, JsonError};
pub use legacy::{
    LegacyBundle, LegacyError, LegacyFault, LegacyGeneration, LegacyIndexEntry, LegacyItem,
    LegacyKey, LegacyNote, LegacyVault, LegacyVaultError,
};
pub use options::{Durability, Options};
pub use progressed::Progressed;
pub use roots::{Lease, Reference, RootError};
pub use set::{MembershipError, VaultHead, verify_membership};
pub use status::{UnknownStatus, VerificationStatus};
pub use sync::{Summary, SyncError, SyncPeer, SyncReport};
pub use vault::{
    BadObject, BlobStat, BundleGetError, BundleImportError, CarExportError, CarImportError,
    CarReport, Cut, GcError, GcOptions, GcReport, Kept, LegacyImport, LegacyImported, MissingPart,
    OpenReport, Progress, PutOptions, RepairReport, ScrubOptions, ScrubReport, Vault, VerifyReport,
};
