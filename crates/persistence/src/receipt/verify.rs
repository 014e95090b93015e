//! Verifying a receipt with nothing but a public key.

use merkle_core::{
    Batch, KeyError, LogDecodeError, LogProofError, Proof, ProofDecodeError, ProofError,
    TransitionError, VerifierKey,
};
use truth_vault::{
    Address, BundleAddress, BundleManifest, Certificate, CertificateError, ManifestError,
};
use vigilance::{ExecutionStatus, Record, RecordError};

use super::Receipt;
use crate::{ExecutionRecord, Hash, Seal, SealError, WireError, Write};

/// What a receipt proves. Only [`verify_receipt`] makes one.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct VerifiedReceipt {
    /// The record of the execution. Texts that can be erased are known by their commitments only.
    pub record: ExecutionRecord,
    /// Its place in the log, from 0.
    pub index: u64,
    /// The version of the state that it made, or saw if it changed nothing.
    pub version: u64,
    /// Root of the state before it.
    pub root_before: Hash,
    /// Root of the state after it.
    pub root_after: Hash,
    /// What it wrote, by key: all of it, and nothing else changed.
    pub writes: Vec<Write>,
    /// The bundle that ran, if one was named.
    pub bundle: Option<BundleAddress>,
    /// The certificate of the bundle. It is the one that belongs to the bundle; who signed it is not
    /// looked at here.
    pub certificate: Option<Certificate>,
    /// The seal that it is under.
    pub seal: Seal,
}

/// Why a receipt was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The bytes are no receipt.
    #[error("no receipt: {0}")]
    Malformed(#[from] WireError),
    /// The proof of its place in the log is none.
    #[error("no proof of a place in the log: {0}")]
    Inclusion(#[from] LogDecodeError),
    /// The seal is none, or nobody signed it who is trusted.
    #[error("the seal: {0}")]
    Seal(#[from] SealError),
    /// The record is not in the log that was sealed.
    #[error("the record is not in the log that was sealed: {0}")]
    NotInLog(#[from] LogProofError),
    /// The record is none.
    #[error("the record: {0}")]
    Record(#[from] RecordError),
    /// The record is not that of an execution on this state.
    #[error("the record is not of an execution on this state")]
    NotAnExecution,
    /// It says of the state what the seal contradicts.
    #[error("the record is of version {version}, sealed was version {sealed}")]
    BeyondSeal {
        /// The version of the record.
        version: u64,
        /// The version of the seal.
        sealed: u64,
    },
    /// Something was written, and the record says that nothing was, or the other way round.
    #[error("the writes are not those of the record")]
    WritesDisagree,
    /// A key that no state has.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The proof of the transition is none.
    #[error("no proof of a transition: {0}")]
    Transition(#[from] ProofDecodeError),
    /// The proof of the transition does not begin at the root before.
    #[error("the transition begins elsewhere: {0}")]
    OtherRoot(#[from] ProofError),
    /// The proof of the transition does not say where it leads.
    #[error("the transition cannot be followed: {0}")]
    NotCovered(#[from] TransitionError),
    /// The writes lead elsewhere than the record says.
    #[error("the writes lead to {computed}, the record says {recorded}")]
    OtherTransition {
        /// Where they lead.
        computed: Hash,
        /// The root after, as the record says.
        recorded: Hash,
    },
    /// The manifest is none.
    #[error("the bundle's manifest: {0}")]
    Manifest(#[from] ManifestError),
    /// The certificate is none.
    #[error("the certificate: {0}")]
    Certificate(#[from] CertificateError),
    /// Manifest or certificate are of another bundle, or are missing.
    #[error("manifest or certificate are not those of the bundle that ran")]
    OtherBundle,
}

/// Verifies a receipt with the public key of whoever runs the system, and without anything else.
///
/// What is verified: the seal's signature; that the record is in the log under it, at its index; that
/// the writes lead from the root before to the root after, both as the record says; that manifest and
/// certificate are those of the bundle which the record names. A pure function: no store, no clock.
///
/// # Errors
///
/// [`VerifyError`]. Never panics, whatever the bytes.
pub fn verify_receipt(bytes: &[u8], key: &VerifierKey) -> Result<VerifiedReceipt, VerifyError> {
    let receipt = Receipt::decode(bytes)?;
    let seal = Seal::verify(&receipt.seal, std::slice::from_ref(key))?;
    receipt.inclusion.verify_entry(&receipt.record, &seal.log)?;
    let Record::Execution(record) = Record::decode(&receipt.record)? else {
        return Err(VerifyError::NotAnExecution);
    };
    let (Some(version), Some(root_before), Some(root_after)) = (
        record.state_version,
        record.merkle_root_before,
        record.merkle_root_after,
    ) else {
        return Err(VerifyError::NotAnExecution);
    };
    if version > seal.version || (version == seal.version && root_after != seal.state_root) {
        let sealed = seal.version;
        return Err(VerifyError::BeyondSeal { version, sealed });
    }
    receipt.verify_transition(&seal, &record, [root_before, root_after])?;
    let (bundle, certificate) = receipt.verify_bundle(&record)?;
    Ok(VerifiedReceipt {
        index: receipt.inclusion.index().get(),
        record,
        version,
        root_before,
        root_after,
        writes: receipt.writes,
        bundle,
        certificate,
        seal,
    })
}

impl Receipt {
    fn verify_transition(
        &self,
        seal: &Seal,
        record: &ExecutionRecord,
        [before, after]: [Hash; 2],
    ) -> Result<(), VerifyError> {
        if self.writes.is_empty() {
            return match before == after && self.transition.is_empty() {
                true => Ok(()),
                false => Err(VerifyError::WritesDisagree),
            };
        }
        if record.status != ExecutionStatus::Proved {
            return Err(VerifyError::WritesDisagree);
        }
        let mut batch = Batch::with_capacity(self.writes.len());
        for write in &self.writes {
            match &write.value {
                Some(value) => batch.put(&write.key, value)?,
                None => batch.delete(&write.key)?,
            };
        }
        let proof = Proof::decode(&self.transition)?;
        let computed = proof.verify(&seal.profile, &before)?.apply(&batch)?;
        match computed == after {
            true => Ok(()),
            false => Err(VerifyError::OtherTransition {
                computed,
                recorded: after,
            }),
        }
    }

    /// The bundle that the record names, and its certificate.
    fn verify_bundle(
        &self,
        record: &ExecutionRecord,
    ) -> Result<(Option<BundleAddress>, Option<Certificate>), VerifyError> {
        let none = self.manifest.is_empty();
        if none && !self.certificate.is_empty() {
            return Err(VerifyError::OtherBundle);
        }
        let named = record.bundle_hash.as_deref();
        let named: Option<BundleAddress> = named.and_then(|hash| hash.parse().ok());
        if none {
            return Ok((named, None));
        }
        let address = BundleAddress::from_address(Address::of(&self.manifest));
        if named != Some(address) {
            return Err(VerifyError::OtherBundle);
        }
        let manifest = BundleManifest::decode(&self.manifest)?;
        let Some(part) = manifest.certificate else {
            return match self.certificate.is_empty() {
                true => Ok((named, None)),
                false => Err(VerifyError::OtherBundle),
            };
        };
        if part.address != Address::of(&self.certificate) {
            return Err(VerifyError::OtherBundle);
        }
        let certificate = Certificate::parse(&self.certificate)?;
        let statement = certificate.unverified_statement();
        match statement.is_about(manifest.code.address) {
            true => Ok((named, Some(certificate))),
            false => Err(VerifyError::OtherBundle),
        }
    }
}
