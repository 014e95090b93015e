//! The keys of certificates: ed25519, with a name.

mod file;

use std::fmt;
use std::str::FromStr;

use base64ct::{Base64, Encoding};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};

pub use file::KeyFileError;

/// What names a key, in envelopes and policies: 64 hex digits.
///
/// `SHA-256({"keytype":"ed25519","keyval":{"public":"<64 hex digits>"},"scheme":"ed25519"})`: the
/// key id of in-toto, TUF and `securesystemslib`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; 32]);

impl KeyId {
    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    fn of(public: &[u8; 32]) -> Self {
        let public = Hex(public);
        let text = format!(
            "{{\"keytype\":\"ed25519\",\"keyval\":{{\"public\":\"{public}\"}},\"scheme\":\"ed25519\"}}"
        );
        Self(Sha256::digest(text).into())
    }

    /// The first eight hex digits: enough to catch a slip of the hand.
    fn short(&self) -> String {
        self.to_string()[..8].to_owned()
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Hex(&self.0).fmt(f)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

struct Hex<'b>(&'b [u8; 32]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A named public key: `tv-key-1:<name>:<start of the key id>:<base64 of the key>`.
///
/// ```
/// use truth_vault::{PublicKey, SecretKey};
///
/// let key = SecretKey::from_seed("judge", &[7; 32])?;
/// let text = key.public_key().to_string();
/// assert_eq!(text, "tv-key-1:judge:bfe1a838:6kpsY+KcUgq+9VB7Ey7F+ZVHdq6+vnuSQh7qaRRG0iw=");
/// assert_eq!(&text.parse::<PublicKey>()?, key.public_key());
/// # Ok::<(), truth_vault::KeyError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    // INVARIANT: the name is a key name, the id follows from the key, the key is not weak.
    name: String,
    key_id: KeyId,
    key: VerifyingKey,
}

impl PublicKey {
    /// The key `public`, known as `name`.
    ///
    /// # Errors
    ///
    /// [`KeyError::BadName`] or [`KeyError::BadKey`].
    pub fn from_bytes(name: &str, public: &[u8; 32]) -> Result<Self, KeyError> {
        if !is_key_name(name) {
            return Err(KeyError::BadName);
        }
        let key = VerifyingKey::from_bytes(public).map_err(|_| KeyError::BadKey)?;
        // Under a point of small order one signature holds for many texts.
        if key.is_weak() {
            return Err(KeyError::BadKey);
        }
        Ok(Self {
            name: name.to_owned(),
            key_id: KeyId::of(public),
            key,
        })
    }

    /// Its name, for people.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its id, which follows from the key alone.
    #[must_use]
    pub const fn key_id(&self) -> KeyId {
        self.key_id
    }

    /// The 32 bytes of the key. RFC 8032, section 5.1.5.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.key.as_bytes()
    }

    /// The key in PEM, as `openssl pkey -pubin` reads it. RFC 8410.
    #[must_use]
    pub fn to_pem(&self) -> String {
        let der = [&SPKI_PREFIX[..], self.as_bytes()].concat();
        let base64 = Base64::encode_string(&der); // one line of a PEM holds it
        format!("-----BEGIN PUBLIC KEY-----\n{base64}\n-----END PUBLIC KEY-----\n")
    }

    pub(super) fn verifies(&self, signed: &[u8], signature: &[u8]) -> bool {
        let signature = Signature::from_slice(signature);
        signature.is_ok_and(|it| self.key.verify_strict(signed, &it).is_ok())
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&key_text(PUBLIC_PREFIX, self, self.as_bytes()))
    }
}

/// Reads exactly the texts that `Display` writes.
impl FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let (name, stated, public) = parse_key(PUBLIC_PREFIX, text)?;
        let key = Self::from_bytes(name, &public)?;
        check_key_id(stated, &key)?;
        Ok(key)
    }
}

/// A named secret key: `tv-secret-key-1:<name>:<start of the key id>:<base64 of the seed>`.
///
/// Keep the text secret: who has it can sign. `Debug` does not show the secret, and this copy of it
/// is wiped from memory when dropped.
#[derive(Clone)]
pub struct SecretKey {
    public: PublicKey,
    key: SigningKey,
}

impl SecretKey {
    /// A new key, known as `name`, from the randomness of the system.
    ///
    /// # Errors
    ///
    /// [`KeyError::BadName`] or [`KeyError::NoRandomness`].
    pub fn generate(name: &str) -> Result<Self, KeyError> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|_| KeyError::NoRandomness)?;
        Self::from_seed(name, &seed)
    }

    /// The key that follows from `seed`, known as `name`. The seed must be 32 random bytes.
    ///
    /// # Errors
    ///
    /// [`KeyError::BadName`].
    pub fn from_seed(name: &str, seed: &[u8; 32]) -> Result<Self, KeyError> {
        let key = SigningKey::from_bytes(seed);
        let public = PublicKey::from_bytes(name, key.verifying_key().as_bytes())?;
        Ok(Self { public, key })
    }

    /// The key that others verify with.
    #[must_use]
    pub const fn public_key(&self) -> &PublicKey {
        &self.public
    }

    /// The secret text, which [`FromStr`] reads. See [`save`](Self::save) for a file.
    #[must_use]
    pub fn to_secret_text(&self) -> String {
        key_text(SECRET_PREFIX, &self.public, self.key.as_bytes())
    }

    pub(super) fn sign(&self, bytes: &[u8]) -> [u8; 64] {
        self.key.sign(bytes).to_bytes()
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretKey")
            .field("public", &self.public)
            .finish_non_exhaustive()
    }
}

/// Reads exactly the texts that [`to_secret_text`](SecretKey::to_secret_text) writes.
impl FromStr for SecretKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let (name, stated, seed) = parse_key(SECRET_PREFIX, text)?;
        let key = Self::from_seed(name, &seed)?;
        check_key_id(stated, &key.public)?;
        Ok(key)
    }
}

fn is_key_name(name: &str) -> bool {
    let is_good = |byte: u8| byte.is_ascii_graphic() && byte != b':';
    (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(is_good)
}

fn key_text(prefix: &str, key: &PublicKey, bytes: &[u8; 32]) -> String {
    let base64 = Base64::encode_string(bytes);
    format!("{prefix}:{}:{}:{base64}", key.name, key.key_id.short())
}

/// `<prefix>:<name>:<start of the key id>:<base64 of 32 bytes>`: name, id and bytes, the first two
/// unchecked.
fn parse_key<'t>(prefix: &str, text: &'t str) -> Result<(&'t str, &'t str, [u8; 32]), KeyError> {
    let mut parts = text.split(':');
    let found = parts.next().unwrap_or_default();
    if found != prefix {
        let is_later = KINDS.iter().any(|kind| found.starts_with(kind));
        return Err(
            if is_later && ![PUBLIC_PREFIX, SECRET_PREFIX].contains(&found) {
                KeyError::UnknownVersion
            } else {
                KeyError::BadFormat
            },
        );
    }
    let [name, key_id, base64] = std::array::from_fn(|_| parts.next().unwrap_or_default());
    if parts.next().is_some() {
        return Err(KeyError::BadFormat);
    }
    let mut buffer = [0; 32];
    let bytes = Base64::decode(base64, &mut buffer).map_err(|_| KeyError::BadFormat)?;
    let bytes = bytes.try_into().map_err(|_| KeyError::BadFormat)?;
    Ok((name, key_id, bytes))
}

fn check_key_id(stated: &str, key: &PublicKey) -> Result<(), KeyError> {
    if stated == key.key_id.short() {
        return Ok(());
    }
    Err(KeyError::WrongKeyId)
}

/// Why the text or the parts of a key were refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The name is empty, longer than 128 bytes, or has other than visible ASCII characters, or a
    /// colon.
    #[error("not a key name")]
    BadName,
    /// The text does not have the parts of a key of this kind, in the one way they are written.
    #[error("not the text of a key of this kind")]
    BadFormat,
    /// A key in a later form than this release knows.
    #[error("a key of an unknown version")]
    UnknownVersion,
    /// The key id is not the one that follows from the key: part of the text is wrong.
    #[error("the key id is not that of the key")]
    WrongKeyId,
    /// The public key is not a point of the curve, or one for which anybody can sign.
    #[error("not a usable public key")]
    BadKey,
    /// The system gave no random bytes.
    #[error("the system gives no random bytes")]
    NoRandomness,
}

const PUBLIC_PREFIX: &str = "tv-key-1";
const SECRET_PREFIX: &str = "tv-secret-key-1";
const KINDS: [&str; 2] = ["tv-key-", "tv-secret-key-"];
const NAME_BYTES_MAX: usize = 128;

/// `SEQUENCE { SEQUENCE { OID 1.3.101.112 }, BIT STRING of 32 bytes }` up to the key. RFC 8410.
const SPKI_PREFIX: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];
