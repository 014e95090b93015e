//! The file of tokens: hashes, never secrets; readable by its owner alone.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Principal, Scope, Secret};

/// All tokens of a data directory.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TokenFile {
    version: u32,
    tokens: Vec<TokenRecord>,
}

/// A token as it is stored and listed.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct TokenRecord {
    /// By which it is revoked; no secret.
    pub id: String,
    /// What it was created for.
    pub name: String,
    /// What it may.
    pub scopes: Vec<Scope>,
    /// When it was created, in nanoseconds since 1970.
    pub created_ns: u64,
    /// From when on it is refused, in nanoseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_ns: Option<u64>,
    /// SHA-256 of the secret, in hexadecimal digits.
    hash: String,
}

/// Why the file of tokens cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// Reading or writing failed.
    #[error("the token file {path:?} cannot be read or written")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It is damaged, or from a later version.
    #[error("the token file {path:?} is damaged, or from a later version")]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// Others than its owner can read or write it.
    #[error("the token file {path:?} is open to others: `chmod 600` it")]
    Open {
        /// The file.
        path: PathBuf,
    },
    /// A token without a scope may nothing.
    #[error("a token needs a scope")]
    NoScope,
    /// There is no token of this id.
    #[error("there is no token {id}")]
    Unknown {
        /// The id asked for.
        id: String,
    },
    /// The system has no random bytes.
    #[error("the system gives no random bytes")]
    Random(#[source] getrandom::Error),
}

const VERSION: u32 = 1;

impl TokenFile {
    /// Its name in a data directory.
    pub const NAME: &str = "tokens.json";

    /// Reads the file; a file that is not there holds no token.
    ///
    /// # Errors
    ///
    /// [`TokenError::Io`], [`TokenError::Damaged`] or [`TokenError::Open`].
    pub fn read(path: &Path) -> Result<Self, TokenError> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::new()),
            Err(source) => return Err(io_error(path, source)),
        };
        check_mode(path)?;
        let damaged = || TokenError::Damaged {
            path: path.to_owned(),
        };
        let file: Self = serde_json::from_str(&text).map_err(|_| damaged())?;
        if file.version == VERSION {
            Ok(file)
        } else {
            Err(damaged())
        }
    }

    fn new() -> Self {
        Self {
            version: VERSION,
            tokens: Vec::new(),
        }
    }

    /// The tokens, the oldest first, expired ones included.
    pub fn tokens(&self) -> &[TokenRecord] {
        &self.tokens
    }

    /// Makes a token and writes the file; the secret is shown to its holder and to nobody again.
    ///
    /// # Errors
    ///
    /// [`TokenError`]; the file is as it was then.
    pub fn create(
        path: &Path,
        name: &str,
        scopes: &[Scope],
        created_ns: u64,
        expires_ns: Option<u64>,
    ) -> Result<Secret, TokenError> {
        if scopes.is_empty() {
            return Err(TokenError::NoScope);
        }
        let mut file = Self::read(path)?;
        let secret = Secret::generate().map_err(TokenError::Random)?;
        file.tokens.push(TokenRecord {
            id: secret.id().to_owned(),
            name: name.to_owned(),
            scopes: scopes.to_vec(),
            created_ns,
            expires_ns,
            hash: secret.hash(),
        });
        file.write(path)?;
        Ok(secret)
    }

    /// Takes a token back: a running server refuses it within a second.
    ///
    /// # Errors
    ///
    /// [`TokenError`]; the file is as it was then.
    pub fn revoke(path: &Path, id: &str) -> Result<TokenRecord, TokenError> {
        let mut file = Self::read(path)?;
        let place = file.tokens.iter().position(|token| token.id == id);
        let place = place.ok_or_else(|| TokenError::Unknown { id: id.to_owned() })?;
        let token = file.tokens.remove(place);
        file.write(path)?;
        Ok(token)
    }

    /// Whose secret this is; `None` where it is nobody's, or expired at `now_ns`.
    pub(crate) fn holder(&self, secret: &Secret, now_ns: u64) -> Option<Principal> {
        let hash = secret.hash();
        // Hashes are compared, so how long a comparison takes tells nothing of a secret.
        let token = self.tokens.iter().find(|token| token.hash == hash)?;
        let alive = token.expires_ns.is_none_or(|expires| now_ns < expires);
        alive.then(|| Principal::Token {
            id: token.id.clone(),
            name: token.name.clone(),
            scopes: token.scopes.clone(),
        })
    }

    /// Writes a new file beside the old one and puts it in its place, so neither is ever half there.
    fn write(&self, path: &Path) -> Result<(), TokenError> {
        let attempt = || -> io::Result<()> {
            let beside = path.with_extension("json.new");
            let mut file = create_private(&beside)?;
            file.write_all(serde_json::to_string_pretty(self)?.as_bytes())?;
            file.sync_all()?;
            fs::rename(&beside, path)?;
            match path.parent() {
                Some(folder) => File::open(folder)?.sync_all(),
                None => Ok(()),
            }
        };
        attempt().map_err(|source| io_error(path, source))
    }
}

fn io_error(path: &Path, source: io::Error) -> TokenError {
    let path = path.to_owned();
    TokenError::Io { path, source }
}

fn create_private(path: &Path) -> io::Result<File> {
    let _ = fs::remove_file(path); // of an attempt that was cut off
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(unix)]
fn check_mode(path: &Path) -> Result<(), TokenError> {
    use std::os::unix::fs::PermissionsExt;
    let meta = fs::metadata(path).map_err(|source| io_error(path, source))?;
    if meta.permissions().mode() & 0o077 == 0 {
        Ok(())
    } else {
        Err(TokenError::Open {
            path: path.to_owned(),
        })
    }
}

#[cfg(not(unix))]
fn check_mode(_: &Path) -> Result<(), TokenError> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_shown_once_and_never_stored() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(TokenFile::NAME);
        let secret = TokenFile::create(&path, "ci", &[Scope::Write], 5, None).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        // Behind the identifier: an underscore may also stand in the secret itself.
        let (_, hidden) = secret.reveal().split_once(secret.id()).unwrap();
        assert_eq!(hidden.len(), 1 + 43);
        assert!(!text.contains(&hidden[1..]), "{text}");

        let file = TokenFile::read(&path).unwrap();
        let shown = Secret::parse(secret.reveal()).unwrap();
        let holder = file.holder(&shown, 6).unwrap();
        assert!(holder.may(Scope::Read) && holder.may(Scope::Write));
        assert!(!holder.may(Scope::Admin));

        TokenFile::revoke(&path, secret.id()).unwrap();
        assert_eq!(TokenFile::read(&path).unwrap().holder(&shown, 6), None);
    }

    #[test]
    fn refuses_other_secrets_and_expired_ones() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(TokenFile::NAME);
        let secret = TokenFile::create(&path, "ci", &[Scope::Read], 5, Some(9)).unwrap();
        let file = TokenFile::read(&path).unwrap();
        assert!(file.holder(&secret, 8).is_some());
        assert_eq!(file.holder(&secret, 9), None);
        let mut other = secret.reveal().to_owned();
        let last = if other.pop() == Some('A') { 'B' } else { 'A' };
        other.push(last);
        assert_eq!(file.holder(&Secret::parse(&other).unwrap(), 6), None);
        for text in ["", "d360_", "d360_00_11", "Bearer x", secret.id()] {
            assert!(Secret::parse(text).is_none(), "{text}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn refuses_a_file_that_others_can_read() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(TokenFile::NAME);
        TokenFile::create(&path, "ci", &[Scope::Read], 5, None).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(
            TokenFile::read(&path),
            Err(TokenError::Open { .. })
        ));
    }

    #[test]
    fn refuses_a_damaged_file_rather_than_forgetting_its_tokens() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(TokenFile::NAME);
        TokenFile::create(&path, "ci", &[Scope::Read], 5, None).unwrap();
        for text in ["", "{", "{\"version\":2,\"tokens\":[]}"] {
            fs::write(&path, text).unwrap();
            assert!(matches!(
                TokenFile::read(&path),
                Err(TokenError::Damaged { .. })
            ));
            assert!(TokenFile::create(&path, "x", &[Scope::Read], 5, None).is_err());
        }
    }
}
