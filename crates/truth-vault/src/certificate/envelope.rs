//! DSSE: bytes of a stated type, with signatures over both.

use base64ct::{Base64, Base64Url, Encoding};
use serde::{Deserialize, Serialize};

use super::{PublicKey, SecretKey};

/// Any bytes with signatures over them, verified or not: a DSSE envelope.
///
/// [`encode`](Self::encode) writes its JSON form and [`parse`](Self::parse) reads it. What is signed
/// are the exact bytes of the payload, not a re-written form of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    // INVARIANT: 1 to SIGNATURES_MAX signatures; the payload keeps within PAYLOAD_BYTES_MAX.
    payload_type: String,
    payload: Vec<u8>,
    signatures: Vec<EnvelopeSignature>,
}

/// A signature of an envelope, and whose it says it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvelopeSignature {
    key_id: String,
    bytes: Vec<u8>,
}

impl EnvelopeSignature {
    /// Which key it says made it; empty if it does not say. A hint that nothing vouches for.
    #[must_use]
    pub fn key_id_hint(&self) -> &str {
        &self.key_id
    }

    /// The signature itself.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl Envelope {
    /// Most bytes of a payload: 2 MiB.
    pub const PAYLOAD_BYTES_MAX: usize = 2 << 20;

    /// Most bytes of the JSON form: 4 MiB.
    pub const BYTES_MAX: usize = 4 << 20;

    /// Most signatures.
    pub const SIGNATURES_MAX: usize = 32;

    /// Signs `payload`, which is of the type `payload_type`.
    ///
    /// # Errors
    ///
    /// [`EnvelopeError::BadType`] or [`EnvelopeError::TooLong`].
    pub fn sign(
        payload_type: &str,
        payload: Vec<u8>,
        key: &SecretKey,
    ) -> Result<Self, EnvelopeError> {
        let mut envelope = Self {
            payload_type: payload_type.to_owned(),
            payload,
            signatures: Vec::new(),
        };
        envelope.check()?;
        envelope.countersign(key)?;
        Ok(envelope)
    }

    /// Signs the same payload with one more key. A signature of that key, if there is one, is
    /// replaced.
    ///
    /// # Errors
    ///
    /// [`EnvelopeError::TooManySignatures`]; the envelope is unchanged then.
    pub fn countersign(&mut self, key: &SecretKey) -> Result<(), EnvelopeError> {
        let key_id = key.public_key().key_id().to_string();
        let bytes = key.sign(&self.pre_authentication_encoding()).to_vec();
        let of_others = |it: &&EnvelopeSignature| it.key_id != key_id;
        if self.signatures.iter().filter(of_others).count() == Self::SIGNATURES_MAX {
            return Err(EnvelopeError::TooManySignatures);
        }
        self.signatures.retain(|it| it.key_id != key_id);
        self.signatures.push(EnvelopeSignature { key_id, bytes });
        Ok(())
    }

    /// Reads the JSON form; verifies nothing. Members that DSSE does not know are passed over, as
    /// it asks.
    ///
    /// # Errors
    ///
    /// [`EnvelopeError`], whatever the bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        if bytes.len() > Self::BYTES_MAX {
            return Err(EnvelopeError::TooLong { bytes: bytes.len() });
        }
        let form: Form = serde_json::from_slice(bytes).map_err(|_| EnvelopeError::Malformed)?;
        match form.signatures.len() {
            0 => return Err(EnvelopeError::NoSignatures),
            1..=Self::SIGNATURES_MAX => {}
            _ => return Err(EnvelopeError::TooManySignatures),
        }
        let mut signatures = Vec::with_capacity(form.signatures.len());
        for SignatureForm { keyid, sig } in form.signatures {
            signatures.push(EnvelopeSignature {
                key_id: keyid.unwrap_or_default(),
                bytes: decode(&sig)?,
            });
        }
        let envelope = Self {
            payload: decode(&form.payload)?,
            payload_type: form.payload_type,
            signatures,
        };
        envelope.check()?;
        Ok(envelope)
    }

    /// The JSON form, without spaces.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let signatures = self.signatures.iter().map(|signature| SignatureForm {
            keyid: (!signature.key_id.is_empty()).then(|| signature.key_id.clone()),
            sig: Base64::encode_string(&signature.bytes),
        });
        let form = Form {
            payload: Base64::encode_string(&self.payload),
            payload_type: self.payload_type.clone(),
            signatures: signatures.collect(),
        };
        serde_json::to_vec(&form).expect("strings always have a form")
    }

    /// What the payload is.
    #[must_use]
    pub fn payload_type(&self) -> &str {
        &self.payload_type
    }

    /// The signed bytes.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The signatures, in their order, verified or not.
    #[must_use]
    pub fn signatures(&self) -> &[EnvelopeSignature] {
        &self.signatures
    }

    /// Whether one of the signatures is of `key`. Which keys to trust is the caller's to know;
    /// a [`SignerPolicy`](super::SignerPolicy) says more.
    #[must_use]
    pub fn is_signed_by(&self, key: &PublicKey) -> bool {
        let signed = self.pre_authentication_encoding();
        let mut signatures = self.signatures.iter();
        signatures.any(|it| key.verifies(&signed, &it.bytes))
    }

    /// What is signed: `"DSSEv1" SP len(type) SP type SP len(payload) SP payload`, lengths in
    /// decimal digits. DSSE protocol, section "Signature Definition".
    #[must_use]
    #[doc(alias = "PAE")]
    pub fn pre_authentication_encoding(&self) -> Vec<u8> {
        let (kind, payload) = (&self.payload_type, &self.payload);
        let head = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len());
        [head.as_bytes(), payload].concat()
    }

    fn check(&self) -> Result<(), EnvelopeError> {
        let length = self.payload_type.len();
        let is_type = (1..=TYPE_BYTES_MAX).contains(&length)
            && self
                .payload_type
                .bytes()
                .all(|byte| byte.is_ascii_graphic());
        if !is_type {
            return Err(EnvelopeError::BadType);
        }
        if self.payload.len() > Self::PAYLOAD_BYTES_MAX {
            return Err(EnvelopeError::TooLong {
                bytes: self.payload.len(),
            });
        }
        let mut ids = self.signatures.iter().map(|it| it.key_id.len());
        if ids.any(|length| length > KEY_ID_BYTES_MAX) {
            return Err(EnvelopeError::Malformed);
        }
        Ok(())
    }
}

/// Base64 of either alphabet, as DSSE asks of readers.
fn decode(text: &str) -> Result<Vec<u8>, EnvelopeError> {
    Base64::decode_vec(text)
        .or_else(|_| Base64Url::decode_vec(text))
        .map_err(|_| EnvelopeError::BadBase64)
}

/// The JSON form. DSSE, section "Envelope".
#[derive(Serialize, Deserialize)]
struct Form {
    payload: String,
    #[serde(rename = "payloadType")]
    payload_type: String,
    signatures: Vec<SignatureForm>,
}

#[derive(Serialize, Deserialize)]
struct SignatureForm {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    keyid: Option<String>,
    sig: String,
}

const TYPE_BYTES_MAX: usize = 256;
const KEY_ID_BYTES_MAX: usize = 256;

/// Why bytes are no envelope, or none could be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// Longer than [`Envelope::BYTES_MAX`], or the payload than [`Envelope::PAYLOAD_BYTES_MAX`].
    #[error("an envelope or payload of {bytes} bytes is too long")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// Not the JSON of an envelope.
    #[error("not the JSON form of an envelope")]
    Malformed,
    /// Payload or signature is not base64.
    #[error("not base64")]
    BadBase64,
    /// The type of the payload is empty, too long, or has other than visible ASCII characters.
    #[error("not a type of payload")]
    BadType,
    /// There are no signatures.
    #[error("the envelope has no signatures")]
    NoSignatures,
    /// There are more than [`Envelope::SIGNATURES_MAX`].
    #[error("too many signatures")]
    TooManySignatures,
}
