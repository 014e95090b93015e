//! A proof of a value or of its absence, as a file: the answer of `GET /api/v1/state/value`, and
//! beside it, if it is there, the seal that signs the root.

use base64ct::{Base64, Encoding};
use merkle_core::{Lookup, Proof, VerifierKey};
use persistence::{Hash, Profile, Seal};
use serde::{Deserialize, Serialize};

use crate::bytes::{hash, unhex};
use crate::exit::{Code, Failure};

/// The file. Nothing in it is believed before it is checked.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct ProofFile {
    pub(crate) key_hex: String,
    pub(crate) present: bool,
    #[serde(default)]
    pub(crate) value: Option<String>,
    #[serde(default)]
    pub(crate) value_hex: Option<String>,
    pub(crate) version: u64,
    pub(crate) root: String,
    pub(crate) profile: String,
    pub(crate) proof: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) seal: Option<String>,
}

/// What the root in a file was held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trust {
    /// Nothing: the file agrees with itself.
    Itself,
    /// A root that the caller trusts.
    Root,
    /// The seal in the file, signed by a key that the caller trusts.
    Seal,
}

impl ProofFile {
    /// What a store says of a key.
    pub(crate) fn make(
        key: &[u8],
        value: Option<&[u8]>,
        version: (u64, Hash),
        profile: Profile,
        proof: &Proof,
    ) -> Self {
        Self {
            key_hex: hex::encode(key),
            present: value.is_some(),
            value: value
                .and_then(|value| std::str::from_utf8(value).ok())
                .map(str::to_owned),
            value_hex: value.map(hex::encode),
            version: version.0,
            root: version.1.to_string(),
            profile: profile.name().to_owned(),
            proof: Base64::encode_string(&proof.encode()),
            seal: None,
        }
    }

    /// Holds everything in the file against the root, and the root against what is trusted.
    pub(crate) fn verify(
        &self,
        root: Option<&Hash>,
        key: Option<&VerifierKey>,
    ) -> Result<Trust, Failure> {
        let claimed = hash(&self.root)?;
        let trust = self.trust(&claimed, root, key)?;
        let bytes =
            Base64::decode_vec(&self.proof).map_err(|_| refuted("the proof is not base64"))?;
        let proof = Proof::decode(&bytes)
            .map_err(|error| refuted(format!("the proof is none: {error}")))?;
        let profile = profile(&self.profile)?;
        let view = proof
            .verify(&profile, &claimed)
            .map_err(|error| refuted(error.to_string()))?;
        let name = unhex(&self.key_hex)?;
        match (view.get(&name), &self.value_hex) {
            (Lookup::Present(found), Some(value)) if self.present => {
                if found.bytes() != Some(&unhex(value)?) {
                    return Err(refuted("the proof shows another value"));
                }
            }
            (Lookup::Absent, None) if !self.present => {}
            (Lookup::NotCovered, _) => return Err(refuted("the proof says nothing of this key")),
            _ => return Err(refuted("the proof shows the opposite")),
        }
        match (&self.value, &self.value_hex) {
            (Some(text), value) if value.as_deref() != Some(&hex::encode(text.as_bytes())) => {
                Err(refuted("the value as text is not the one that is proved"))
            }
            _ => Ok(trust),
        }
    }

    fn trust(
        &self,
        claimed: &Hash,
        root: Option<&Hash>,
        key: Option<&VerifierKey>,
    ) -> Result<Trust, Failure> {
        let mut trust = Trust::Itself;
        if let Some(root) = root {
            if root != claimed {
                return Err(refuted(format!(
                    "it proves something about the root {claimed}, not {root}"
                )));
            }
            trust = Trust::Root;
        }
        if let Some(key) = key {
            let note = self.seal.as_ref().ok_or_else(|| {
                refuted("there is no seal in the file")
                    .hint("make it with `diotec360 prove --sealed`, or give --root")
            })?;
            let seal = Seal::verify(note.as_bytes(), std::slice::from_ref(key));
            let seal = seal.map_err(|error| refuted(format!("the seal: {error}")))?;
            if seal.state_root != *claimed || seal.version != self.version {
                return Err(refuted("the seal is of another root"));
            }
            trust = Trust::Seal;
        }
        Ok(trust)
    }
}

fn profile(name: &str) -> Result<Profile, Failure> {
    match name {
        "sha256" => Ok(Profile::Sha256),
        "blake3" => Ok(Profile::Blake3),
        other => Err(refuted(format!("no hash profile {other:?} is known"))),
    }
}

/// It was checked and does not hold.
pub(crate) fn refuted(message: impl Into<String>) -> Failure {
    Failure::new(Code::Refuted, message)
}
