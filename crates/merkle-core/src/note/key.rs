//! The keys of notes: ed25519, with a name.

use alloc::format;
use alloc::string::String;
use core::fmt;
use core::str::FromStr;

use base64ct::{Base64, Encoding};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};

use super::{NoteKeyError, NoteSignature};

/// A named public key whose signatures are trusted: `<name>+<key id>+<base64 of 0x01 || key>`.
///
/// ```
/// use merkle_core::VerifierKey;
///
/// let text = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
/// let key: VerifierKey = text.parse()?;
/// assert_eq!((key.name(), key.key_id()), ("PeterNeumann", 0xc74f20a3));
/// assert_eq!(key.to_string(), text);
/// # Ok::<(), merkle_core::NoteKeyError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct VerifierKey {
    // INVARIANT: the name is a key name, the id follows from name and key, the key is not weak.
    name: String,
    key_id: u32,
    key: VerifyingKey,
}

impl VerifierKey {
    /// The key `public`, known as `name`.
    ///
    /// # Errors
    ///
    /// [`NoteKeyError::BadName`] or [`NoteKeyError::BadKey`].
    pub fn from_bytes(name: &str, public: &[u8; 32]) -> Result<Self, NoteKeyError> {
        if !is_key_name(name) {
            return Err(NoteKeyError::BadName);
        }
        let key = VerifyingKey::from_bytes(public).map_err(|_| NoteKeyError::BadKey)?;
        // Under a point of small order one signature holds for many texts.
        if key.is_weak() {
            return Err(NoteKeyError::BadKey);
        }
        Ok(Self {
            name: name.into(),
            key_id: key_id(name, public),
            key,
        })
    }

    /// The name, mostly the address of a log without its scheme.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The id: the first four bytes of `SHA-256(name || 0x0A || 0x01 || public key)`.
    #[must_use]
    pub const fn key_id(&self) -> u32 {
        self.key_id
    }

    /// The 32 bytes of the public key. RFC 8032, section 5.1.5.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.key.as_bytes()
    }

    pub(super) fn verifies(&self, text: &str, signature: &NoteSignature) -> bool {
        let signature = Signature::from_slice(signature.bytes());
        signature.is_ok_and(|it| self.key.verify_strict(text.as_bytes(), &it).is_ok())
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifierKey({self})")
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&key_text(&self.name, self.key_id, self.as_bytes()))
    }
}

/// Reads exactly the texts that `Display` writes.
impl FromStr for VerifierKey {
    type Err = NoteKeyError;

    fn from_str(text: &str) -> Result<Self, NoteKeyError> {
        let (name, stated, public) = parse_key(text)?;
        let key = Self::from_bytes(name, &public)?;
        check_key_id(stated, key.key_id)?;
        Ok(key)
    }
}

/// A named secret key: `PRIVATE+KEY+<name>+<key id>+<base64 of 0x01 || seed>`.
///
/// Keep the text secret: who has it can sign. `Debug` does not show the secret, and this copy of it is wiped
/// from memory when dropped.
#[derive(Clone)]
pub struct SignerKey {
    verifier: VerifierKey,
    key: SigningKey,
}

impl SignerKey {
    /// The key that follows from `seed`, known as `name`. The seed must be 32 random bytes.
    ///
    /// # Errors
    ///
    /// [`NoteKeyError::BadName`].
    pub fn from_seed(name: &str, seed: &[u8; 32]) -> Result<Self, NoteKeyError> {
        let key = SigningKey::from_bytes(seed);
        let verifier = VerifierKey::from_bytes(name, key.verifying_key().as_bytes())?;
        Ok(Self { verifier, key })
    }

    /// The public half.
    #[must_use]
    pub fn verifier_key(&self) -> VerifierKey {
        self.verifier.clone()
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.verifier.name()
    }

    /// The text of the key, with the secret in it.
    #[must_use]
    pub fn to_secret_text(&self) -> String {
        let key = key_text(self.name(), self.verifier.key_id, self.key.as_bytes());
        format!("{SECRET_PREFIX}{key}")
    }

    pub(super) fn sign(&self, text: &str) -> NoteSignature {
        let bytes = self.key.sign(text.as_bytes()).to_bytes().to_vec();
        NoteSignature::from_key(&self.verifier, bytes)
    }
}

impl fmt::Debug for SignerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignerKey")
            .field("verifier", &self.verifier)
            .finish_non_exhaustive()
    }
}

/// Reads exactly the texts that [`to_secret_text`](SignerKey::to_secret_text) writes.
impl FromStr for SignerKey {
    type Err = NoteKeyError;

    fn from_str(text: &str) -> Result<Self, NoteKeyError> {
        let text = text
            .strip_prefix(SECRET_PREFIX)
            .ok_or(NoteKeyError::BadFormat)?;
        let (name, stated, seed) = parse_key(text)?;
        let key = Self::from_seed(name, &seed)?;
        check_key_id(stated, key.verifier.key_id)?;
        Ok(key)
    }
}

/// C2SP signed-note, section "Format": some text without Unicode spaces and plus signs. Control
/// characters cannot stand in a note, so not in a name either.
pub(super) fn is_key_name(name: &str) -> bool {
    let bad = |c: char| c.is_whitespace() || c == '+' || c < ' ';
    !name.is_empty() && !name.contains(bad)
}

fn key_id(name: &str, public: &[u8; 32]) -> u32 {
    let hasher = Sha256::new_with_prefix(name).chain_update([b'\n', ED25519]);
    let [a, b, c, d, ..]: [u8; 32] = hasher.chain_update(public).finalize().into();
    u32::from_be_bytes([a, b, c, d])
}

fn check_key_id(found: u32, computed: u32) -> Result<(), NoteKeyError> {
    if found == computed {
        return Ok(());
    }
    Err(NoteKeyError::WrongKeyId { found, computed })
}

fn key_text(name: &str, key_id: u32, key: &[u8; 32]) -> String {
    let mut bytes = [ED25519; 33];
    bytes[1..].copy_from_slice(key);
    format!("{name}+{key_id:08x}+{}", Base64::encode_string(&bytes))
}

/// `<name>+<key id>+<base64 of algorithm || 32 bytes>`: the three parts, the name unchecked.
fn parse_key(text: &str) -> Result<(&str, u32, [u8; 32]), NoteKeyError> {
    let (name, rest) = text.split_once('+').ok_or(NoteKeyError::BadFormat)?;
    let (key_id, base64) = rest.split_once('+').ok_or(NoteKeyError::BadFormat)?;

    let digits = key_id
        .bytes()
        .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let key_id = u32::from_str_radix(key_id, 16)
        .ok()
        .filter(|_| digits && key_id.len() == 8);
    let key_id = key_id.ok_or(NoteKeyError::BadFormat)?;

    // Room for more than an ed25519 key, so that other algorithms are named and not just refused.
    let mut buffer = [0; KEY_BYTES_MAX];
    let bytes = Base64::decode(base64, &mut buffer).map_err(|_| NoteKeyError::BadFormat)?;
    match bytes {
        [ED25519, key @ ..] => {
            let key = key.try_into().map_err(|_| NoteKeyError::BadFormat)?;
            Ok((name, key_id, key))
        }
        [algorithm, ..] => Err(NoteKeyError::UnknownAlgorithm {
            algorithm: *algorithm,
        }),
        [] => Err(NoteKeyError::BadFormat),
    }
}

/// The algorithm's number. C2SP signed-note, section "Signature types".
const ED25519: u8 = 1;
const KEY_BYTES_MAX: usize = 4096;
const SECRET_PREFIX: &str = "PRIVATE+KEY+";
