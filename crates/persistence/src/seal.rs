//! Seals: what the three stores held at one moment, signed.
//!
//! `docs/formats/seal.md` has the text.

mod folder;

use std::fmt;
use std::str::FromStr;

use merkle_core::{Checkpoint, Hash, NoteError, SignedNote, SignerKey, TreeHead, VerifierKey};
use reality_db::Profile;
use sha2::{Digest, Sha256};

pub(crate) use folder::{SealFolder, write_whole};

/// What the three stores held at one moment.
///
/// Its text is a checkpoint of the audit log (C2SP tlog-checkpoint) whose further lines say what the
/// state and the vault held: whoever watches logs can watch this one. Signed, it is a signed note.
/// Seals with a number form a chain, each naming the one before; one without a number was made
/// between two of them, for a receipt.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Seal {
    /// The name of whoever signs: that of the key.
    pub origin: String,
    /// Its place in the chain, 0 for the genesis seal; none for one that is not in it.
    pub number: Option<u64>,
    /// Size and root of the audit log.
    pub log: TreeHead,
    /// The newest version of the state.
    pub version: u64,
    /// The root of that version.
    pub state_root: Hash,
    /// How the state hashes.
    pub profile: Profile,
    /// How many objects the vault held.
    pub vault_objects: u64,
    /// Root over the addresses of all of them.
    pub vault_root: Hash,
    /// [Digest](Self::digest) of the last seal of the chain before this; none before the first.
    pub previous: Option<Hash>,
    /// When it was made, in nanoseconds since 1970, as the caller says.
    pub time_ns: u64,
    /// SHA-256 of the vault's pins, leases and retired bundles, in the seal of a backup that has them;
    /// none in other seals.
    pub vault_roots: Option<Hash>,
}

/// Why a text is no seal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// It is not a checkpoint of a log.
    #[error(transparent)]
    Checkpoint(#[from] merkle_core::CheckpointError),
    /// A line is missing, or is not as it should be.
    #[error("line {line} is not that of a seal")]
    BadLine {
        /// Which one, counted from 1.
        line: usize,
    },
    /// It is not a signed note, or nobody signed it who is believed.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// It was signed by a key of another name than it gives itself.
    #[error("a seal of {origin:?}, signed by {signer:?}")]
    OtherOrigin {
        /// The name in its text.
        origin: String,
        /// The name of the key.
        signer: String,
    },
}

impl Seal {
    /// SHA-256 of the text: what the next seal of the chain names.
    #[must_use]
    pub fn digest(&self) -> Hash {
        Hash::from_bytes(Sha256::digest(self.to_string().as_bytes()).into())
    }

    /// The text with a signature by `key`, whose name must be the [origin](Self::origin).
    ///
    /// # Errors
    ///
    /// [`SealError`].
    pub fn sign(&self, key: &SignerKey) -> Result<Vec<u8>, SealError> {
        self.check_origin(key.name())?;
        let note = SignedNote::sign(&self.to_string(), key)?;
        Ok(note.to_string().into_bytes())
    }

    /// Reads a signed seal, if one of `keys` signed it.
    ///
    /// # Errors
    ///
    /// [`SealError`]. Never panics, whatever the bytes.
    pub fn verify(note: &[u8], keys: &[VerifierKey]) -> Result<Self, SealError> {
        let note = SignedNote::parse(note)?;
        let verified = note.verify(keys)?;
        let seal: Self = verified.text().parse()?;
        let ours = |key: &&&VerifierKey| key.name() == seal.origin;
        if verified.keys().iter().find(ours).is_none() {
            let signer = verified.keys().first().map_or("", |key| key.name());
            seal.check_origin(signer)?;
        }
        Ok(seal)
    }

    fn check_origin(&self, signer: &str) -> Result<(), SealError> {
        if signer == self.origin {
            return Ok(());
        }
        Err(SealError::OtherOrigin {
            origin: self.origin.clone(),
            signer: signer.to_owned(),
        })
    }

    fn lines(&self) -> Vec<String> {
        let number = self
            .number
            .map_or_else(|| "between".to_owned(), |number| format!("seal {number}"));
        let previous = self.previous.map_or_else(
            || "first".to_owned(),
            |previous| format!("previous {previous}"),
        );
        let mut lines = vec![
            number,
            format!(
                "state {} {} {}",
                self.version,
                self.state_root,
                self.profile.name()
            ),
            format!("vault {} {}", self.vault_objects, self.vault_root),
            previous,
            format!("time {}", self.time_ns),
        ];
        lines.extend(self.vault_roots.map(|roots| format!("roots {roots}")));
        lines
    }
}

/// The text, each line with its newline. An origin that no checkpoint can have gives an error.
impl fmt::Display for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let checkpoint = Checkpoint::new(&self.origin, self.log).map_err(|_| fmt::Error)?;
        let lines = self.lines();
        let mut lines = lines.iter();
        let checkpoint = lines
            .try_fold(checkpoint, |checkpoint, line| {
                checkpoint.with_extension(line)
            })
            .map_err(|_| fmt::Error)?;
        checkpoint.fmt(f)
    }
}

/// Reads exactly the texts that `Display` writes.
impl FromStr for Seal {
    type Err = SealError;

    fn from_str(text: &str) -> Result<Self, SealError> {
        let checkpoint: Checkpoint = text.parse()?;
        let lines = checkpoint.extensions();
        let words = |line: usize| -> Result<Vec<&str>, SealError> {
            let text = lines.get(line).ok_or(bad(line))?;
            Ok(text.split(' ').collect())
        };
        if lines.len() > LINES {
            return Err(bad(LINES));
        }
        let number = match words(0)?[..] {
            ["seal", number] => Some(parse_number(number).ok_or(bad(0))?),
            ["between"] => None,
            _ => return Err(bad(0)),
        };
        let (version, state_root, profile) = match words(1)?[..] {
            ["state", version, root, profile] => {
                let profile = [Profile::Sha256, Profile::Blake3]
                    .into_iter()
                    .find(|known| known.name() == profile);
                (
                    parse_number(version).ok_or(bad(1))?,
                    parse_hash(root).ok_or(bad(1))?,
                    profile.ok_or(bad(1))?,
                )
            }
            _ => return Err(bad(1)),
        };
        let (vault_objects, vault_root) = match words(2)?[..] {
            ["vault", objects, root] => (
                parse_number(objects).ok_or(bad(2))?,
                parse_hash(root).ok_or(bad(2))?,
            ),
            _ => return Err(bad(2)),
        };
        let previous = match (&words(3)?[..], number) {
            (["first"], Some(0)) => None,
            (["previous", hash], None | Some(1..)) => Some(parse_hash(hash).ok_or(bad(3))?),
            _ => return Err(bad(3)),
        };
        let time_ns = match words(4)?[..] {
            ["time", time] => parse_number(time).ok_or(bad(4))?,
            _ => return Err(bad(4)),
        };
        let vault_roots = match (lines.get(5).map(|line| line.split_once(' ')), number) {
            (None, _) => None,
            (Some(Some(("roots", hash))), None) => Some(parse_hash(hash).ok_or(bad(5))?),
            _ => return Err(bad(5)),
        };
        Ok(Self {
            origin: checkpoint.origin().to_owned(),
            number,
            log: checkpoint.head(),
            version,
            state_root,
            profile,
            vault_objects,
            vault_root,
            previous,
            time_ns,
            vault_roots,
        })
    }
}

/// Most lines behind those of a checkpoint.
const LINES: usize = 6;

fn bad(line: usize) -> SealError {
    SealError::BadLine { line: line + 4 }
}

/// Decimal digits, as short as can be.
fn parse_number(digits: &str) -> Option<u64> {
    let number: u64 = digits.parse().ok()?;
    (number.to_string() == digits).then_some(number)
}

/// Sixty-four lower-case hexadecimal digits.
pub(crate) fn parse_hash(digits: &str) -> Option<Hash> {
    let mut bytes = [0; Hash::LEN];
    if digits.len() != 2 * Hash::LEN {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
        let digit = |digit: u8| match digit {
            b'0'..=b'9' => Some(digit - b'0'),
            b'a'..=b'f' => Some(digit - b'a' + 10),
            _ => None,
        };
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(Hash::from_bytes(bytes))
}

#[cfg(test)]
mod tests;
