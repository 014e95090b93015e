//! Certificates: what a prover says about a blob, signed.

mod envelope;
mod error;
mod key;
mod policy;
mod statement;

pub use envelope::{Envelope, EnvelopeError, EnvelopeSignature};
pub use error::{CertificateError, SignatureVerdict};
pub use key::{KeyError, KeyFileError, KeyId, PublicKey, SecretKey};
pub use policy::{PolicyError, Signer, SignerPolicy};
pub use statement::{JudgeProof, Statement, StatementError, Subject};

use crate::Address;

/// A signed statement: an in-toto Statement v1 in a DSSE envelope, about blobs by their addresses.
///
/// What it says must not be believed before [`verify`](Self::verify).
///
/// ```
/// use truth_vault::{
///     Address, Certificate, JudgeProof, SecretKey, SignerPolicy, VerificationStatus,
/// };
///
/// let key = SecretKey::from_seed("judge", &[7; 32])?; // 32 random bytes
/// let code = Address::of(b"intent transfer(...)");
/// let proof = JudgeProof::new(VerificationStatus::Proved, "judge", "0.6", 1_000, 2_000)?;
/// let certificate = Certificate::issue(code, "transfer", &proof, &key)?;
///
/// let policy = SignerPolicy::of_keys(1, [key.public_key().clone()])?;
/// let received = Certificate::parse(&certificate.encode())?;
/// let verified = received.verify(code, &policy, 3_000)?;
/// assert_eq!(verified.proof().status(), VerificationStatus::Proved);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    // INVARIANT: `statement` and `proof` are what the envelope's payload says.
    envelope: Envelope,
    statement: Statement,
    proof: JudgeProof,
}

impl Certificate {
    /// Says `proof` about the blob `subject`, known as `name`, and signs it.
    ///
    /// # Errors
    ///
    /// [`CertificateError`], if the name or the whole is too long.
    pub fn issue(
        subject: Address,
        name: &str,
        proof: &JudgeProof,
        key: &SecretKey,
    ) -> Result<Self, CertificateError> {
        let statement = Statement::new(subject, name, proof)?;
        let payload = statement.encode().into_bytes();
        let envelope = Envelope::sign(Statement::PAYLOAD_TYPE, payload, key)?;
        Ok(Self {
            envelope,
            statement,
            proof: proof.clone(),
        })
    }

    /// Signs the same payload with one more key. A signature of that key, if there is one, is
    /// replaced.
    ///
    /// # Errors
    ///
    /// [`EnvelopeError::TooManySignatures`]; the certificate is unchanged then.
    pub fn countersign(&mut self, key: &SecretKey) -> Result<(), EnvelopeError> {
        self.envelope.countersign(key)
    }

    /// Reads an envelope with a statement of ours in it; verifies nothing.
    ///
    /// # Errors
    ///
    /// [`CertificateError::Envelope`], [`CertificateError::OtherPayload`] or
    /// [`CertificateError::Statement`], whatever the bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, CertificateError> {
        Self::from_envelope(Envelope::parse(bytes)?)
    }

    /// The certificate that an envelope is; verifies nothing.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse).
    pub fn from_envelope(envelope: Envelope) -> Result<Self, CertificateError> {
        if envelope.payload_type() != Statement::PAYLOAD_TYPE {
            return Err(CertificateError::OtherPayload);
        }
        let statement = Statement::parse(envelope.payload())?;
        let proof = statement.judge_proof()?;
        Ok(Self {
            envelope,
            statement,
            proof,
        })
    }

    /// The envelope as JSON: the bytes that are stored and handed on.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        self.envelope.encode()
    }

    /// The envelope.
    #[must_use]
    pub const fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// What it says, not verified.
    #[must_use]
    pub const fn unverified_statement(&self) -> &Statement {
        &self.statement
    }

    /// The proof it tells of, not verified.
    #[must_use]
    pub const fn unverified_proof(&self) -> &JudgeProof {
        &self.proof
    }

    /// Verifies that it is about the blob `subject`, and that enough signers of `policy` signed it
    /// at a time when they might.
    ///
    /// The time of issue is the signers' word. A time after `now_ns`, which the caller passes, is
    /// refused; with `u64::MAX` none is.
    ///
    /// # Errors
    ///
    /// [`CertificateError::OtherSubject`], [`CertificateError::FromTheFuture`] or
    /// [`CertificateError::TooFewSigners`], which says what is the matter with each signature.
    pub fn verify(
        &self,
        subject: Address,
        policy: &SignerPolicy,
        now_ns: u64,
    ) -> Result<VerifiedCertificate<'_>, CertificateError> {
        // Signatures first: nothing of the payload decides before it is known whose it is.
        let issued_ns = self.proof.issued_ns();
        let verdicts = policy.judge(&self.envelope, issued_ns);
        let mut signers: Vec<KeyId> = Vec::new();
        for verdict in &verdicts {
            if let SignatureVerdict::Good { key_id } = verdict
                && !signers.contains(key_id)
            {
                signers.push(*key_id);
            }
        }
        if signers.len() < policy.threshold() {
            return Err(CertificateError::TooFewSigners {
                needed: policy.threshold(),
                good: signers.len(),
                verdicts,
            });
        }
        if !self.statement.is_about(subject) {
            return Err(CertificateError::OtherSubject { expected: subject });
        }
        if issued_ns > now_ns {
            return Err(CertificateError::FromTheFuture { issued_ns, now_ns });
        }
        Ok(VerifiedCertificate {
            certificate: self,
            subject,
            signers,
        })
    }
}

/// A certificate that enough trusted signers signed: only [`Certificate::verify`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedCertificate<'c> {
    certificate: &'c Certificate,
    subject: Address,
    signers: Vec<KeyId>,
}

impl<'c> VerifiedCertificate<'c> {
    /// The proof it tells of.
    #[must_use]
    pub const fn proof(&self) -> &'c JudgeProof {
        &self.certificate.proof
    }

    /// Everything it says.
    #[must_use]
    pub const fn statement(&self) -> &'c Statement {
        &self.certificate.statement
    }

    /// The blob it was verified for.
    #[must_use]
    pub const fn subject(&self) -> Address {
        self.subject
    }

    /// The keys whose signatures count, each once.
    #[must_use]
    pub fn signers(&self) -> &[KeyId] {
        &self.signers
    }
}

#[cfg(test)]
mod tests;
