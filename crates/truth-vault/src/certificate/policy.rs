//! Whose signatures count, when, and how many it takes.

use serde::{Deserialize, Serialize};

use super::{Envelope, EnvelopeSignature, KeyId, PublicKey, SignatureVerdict};

/// A key that may sign, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Signer {
    /// The key.
    pub key: PublicKey,
    /// First time of issue that it is valid for, in nanoseconds since 1970.
    pub not_before_ns: u64,
    /// Last one; `None` while there is no end.
    pub not_after_ns: Option<u64>,
    /// Why it is revoked, if it is. A revoked key counts for no certificate, whatever its time:
    /// who stole the key chooses the time.
    pub revoked: Option<String>,
}

impl Signer {
    /// A signer without limits of time.
    #[must_use]
    pub const fn new(key: PublicKey) -> Self {
        Self {
            key,
            not_before_ns: 0,
            not_after_ns: None,
            revoked: None,
        }
    }

    fn is_valid_at(&self, time_ns: u64) -> bool {
        let ended = self.not_after_ns.is_some_and(|last| time_ns > last);
        time_ns >= self.not_before_ns && !ended
    }
}

/// Whose signatures count, when, and how many different signers it takes.
///
/// ```
/// use truth_vault::{SecretKey, SignerPolicy};
///
/// let [old, new] = [1, 2].map(|seed| SecretKey::from_seed("judge", &[seed; 32]).unwrap());
/// let mut policy = SignerPolicy::of_keys(1, [old.public_key().clone()])?;
/// policy.rotate(old.public_key().key_id(), new.public_key().clone(), 5_000)?;
/// assert_eq!(policy.signers()[0].not_after_ns, Some(4_999));
/// assert_eq!(SignerPolicy::parse(&policy.encode())?, policy);
/// # Ok::<(), truth_vault::PolicyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignerPolicy {
    // INVARIANT: 1 <= threshold <= signers <= SIGNERS_MAX; no key twice; no window is empty.
    threshold: usize,
    signers: Vec<Signer>,
}

impl SignerPolicy {
    /// Most signers.
    pub const SIGNERS_MAX: usize = 64;

    /// Most bytes of the text of a policy.
    pub const BYTES_MAX: usize = 1 << 20;

    /// A certificate needs signatures of `threshold` different ones of `signers`.
    ///
    /// # Errors
    ///
    /// [`PolicyError`].
    pub fn new(threshold: usize, signers: Vec<Signer>) -> Result<Self, PolicyError> {
        if signers.len() > Self::SIGNERS_MAX {
            return Err(PolicyError::TooManySigners);
        }
        if threshold == 0 || threshold > signers.len() {
            return Err(PolicyError::BadThreshold {
                threshold,
                signers: signers.len(),
            });
        }
        for (at, signer) in signers.iter().enumerate() {
            let key_id = signer.key.key_id();
            if signers[..at].iter().any(|it| it.key.key_id() == key_id) {
                return Err(PolicyError::DuplicateKey { key_id });
            }
            let is_empty = |last| last < signer.not_before_ns;
            if signer.not_after_ns.is_some_and(is_empty) {
                return Err(PolicyError::EmptyWindow { key_id });
            }
        }
        Ok(Self { threshold, signers })
    }

    /// `threshold` of these keys, without limits of time.
    ///
    /// # Errors
    ///
    /// [`PolicyError`].
    pub fn of_keys(
        threshold: usize,
        keys: impl IntoIterator<Item = PublicKey>,
    ) -> Result<Self, PolicyError> {
        Self::new(threshold, keys.into_iter().map(Signer::new).collect())
    }

    /// How many different signers it takes.
    #[must_use]
    pub const fn threshold(&self) -> usize {
        self.threshold
    }

    /// The signers, those of the past too.
    #[must_use]
    pub fn signers(&self) -> &[Signer] {
        &self.signers
    }

    /// From `time_ns` on the key `new` signs instead of `old`. What `old` signed before stays good.
    ///
    /// # Errors
    ///
    /// [`PolicyError`]; the policy is unchanged then.
    pub fn rotate(&mut self, old: KeyId, new: PublicKey, time_ns: u64) -> Result<(), PolicyError> {
        let mut signers = self.signers.clone();
        let signer = find(&mut signers, old)?;
        let last = time_ns.checked_sub(1);
        let last = last.ok_or(PolicyError::EmptyWindow { key_id: old })?;
        // A key that is to end earlier does not live longer by being followed.
        signer.not_after_ns = Some(signer.not_after_ns.map_or(last, |end| end.min(last)));
        let mut signer = Signer::new(new);
        signer.not_before_ns = time_ns;
        signers.push(signer);
        *self = Self::new(self.threshold, signers)?;
        Ok(())
    }

    /// Nothing that the key signed counts any more.
    ///
    /// # Errors
    ///
    /// [`PolicyError::UnknownKey`].
    pub fn revoke(&mut self, key_id: KeyId, reason: &str) -> Result<(), PolicyError> {
        find(&mut self.signers, key_id)?.revoked = Some(reason.to_owned());
        Ok(())
    }

    /// What this policy makes of each signature over a payload that was issued at `issued_ns`.
    #[must_use]
    pub fn judge(&self, envelope: &Envelope, issued_ns: u64) -> Vec<SignatureVerdict> {
        let signed = envelope.pre_authentication_encoding();
        let signatures = envelope.signatures().iter();
        signatures
            .map(|signature| self.judge_one(&signed, signature, issued_ns))
            .collect()
    }

    fn judge_one(
        &self,
        signed: &[u8],
        signature: &EnvelopeSignature,
        issued_ns: u64,
    ) -> SignatureVerdict {
        // The id is a hint only, and others compute theirs in other ways: it says whom to try first.
        let hint = signature.key_id_hint();
        let named = |it: &&Signer| it.key.key_id().to_string() == hint;
        let first = self.signers.iter().find(named);
        let mut tried = first.into_iter().chain(&self.signers);
        let signer = tried.find(|it| it.key.verifies(signed, signature.bytes()));
        let Some(signer) = signer else {
            return first.map_or(SignatureVerdict::UnknownSigner, |it| {
                let key_id = it.key.key_id();
                SignatureVerdict::Forged { key_id }
            });
        };
        let key_id = signer.key.key_id();
        if signer.revoked.is_some() {
            SignatureVerdict::Revoked { key_id }
        } else if !signer.is_valid_at(issued_ns) {
            SignatureVerdict::OutsideWindow { key_id, issued_ns }
        } else {
            SignatureVerdict::Good { key_id }
        }
    }

    /// The policy as JSON, for a file.
    #[must_use]
    pub fn encode(&self) -> String {
        let signers = self.signers.iter().map(|signer| SignerForm {
            key: signer.key.to_string(),
            not_before_ns: signer.not_before_ns,
            not_after_ns: signer.not_after_ns,
            revoked: signer.revoked.clone(),
        });
        let form = Form {
            version: VERSION,
            threshold: self.threshold,
            signers: signers.collect(),
        };
        serde_json::to_string_pretty(&form).expect("strings and numbers always have a form") + "\n"
    }

    /// Reads exactly what [`encode`](Self::encode) writes, whatever the spaces. Unknown members are
    /// refused: they would be limits that go unheeded.
    ///
    /// # Errors
    ///
    /// [`PolicyError`], whatever the text.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        if text.len() > Self::BYTES_MAX {
            return Err(PolicyError::Malformed);
        }
        let form: Form = serde_json::from_str(text).map_err(|_| PolicyError::Malformed)?;
        if form.version != VERSION {
            return Err(PolicyError::UnknownVersion {
                version: form.version,
            });
        }
        let mut signers = Vec::with_capacity(form.signers.len());
        for signer in form.signers {
            let key = signer.key.parse().map_err(|_| PolicyError::Malformed)?;
            signers.push(Signer {
                key,
                not_before_ns: signer.not_before_ns,
                not_after_ns: signer.not_after_ns,
                revoked: signer.revoked,
            });
        }
        Self::new(form.threshold, signers)
    }
}

fn find(signers: &mut [Signer], key_id: KeyId) -> Result<&mut Signer, PolicyError> {
    let mut signers = signers.iter_mut();
    let signer = signers.find(|it| it.key.key_id() == key_id);
    signer.ok_or(PolicyError::UnknownKey { key_id })
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    version: u64,
    threshold: usize,
    signers: Vec<SignerForm>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SignerForm {
    key: String,
    #[serde(default)]
    not_before_ns: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    not_after_ns: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    revoked: Option<String>,
}

const VERSION: u64 = 1;

/// Why a policy was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// Not the text of a policy.
    #[error("not the text of a policy")]
    Malformed,
    /// A policy in a later form than this release knows.
    #[error("a policy of version {version}")]
    UnknownVersion {
        /// Its version.
        version: u64,
    },
    /// More than [`SignerPolicy::SIGNERS_MAX`].
    #[error("too many signers")]
    TooManySigners,
    /// Nobody would have to sign, or more than there are.
    #[error("a threshold of {threshold} with {signers} signers")]
    BadThreshold {
        /// The threshold.
        threshold: usize,
        /// How many signers there are.
        signers: usize,
    },
    /// One key would count twice.
    #[error("the key {key_id} comes twice")]
    DuplicateKey {
        /// The key.
        key_id: KeyId,
    },
    /// A key would end before it begins.
    #[error("the key {key_id} is valid at no time")]
    EmptyWindow {
        /// The key.
        key_id: KeyId,
    },
    /// The policy does not have the key.
    #[error("the policy has no key {key_id}")]
    UnknownKey {
        /// The key.
        key_id: KeyId,
    },
}
