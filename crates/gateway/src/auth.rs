//! Who asks, and what they may: tokens with scopes.

mod file;
mod token;

pub use file::{TokenError, TokenFile, TokenRecord};
pub use token::{Scope, Secret};

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, RwLock};
use std::time::{Duration, Instant, SystemTime};

/// The tokens of a running server: read again when the file changes, so that a token revoked on
/// the command line is refused within a second.
#[derive(Debug)]
pub(crate) struct Tokens {
    path: PathBuf,
    cached: RwLock<Cached>,
    /// Names of the tokens by id, as they were told last.
    known: Mutex<BTreeMap<String, String>>,
}

#[derive(Debug)]
struct Cached {
    file: Arc<TokenFile>,
    modified: Option<SystemTime>,
    looked: Instant,
}

/// Who a request comes from, once it was let in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Principal {
    /// Anybody, on a loopback server without tokens.
    Local,
    /// The holder of a token.
    Token {
        /// Its public id.
        id: String,
        /// What it was created for.
        name: String,
        /// What it may.
        scopes: Vec<Scope>,
    },
}

const LOOK_AGAIN: Duration = Duration::from_secs(1);

impl Tokens {
    pub(crate) fn open(path: &Path) -> Result<Self, TokenError> {
        let modified = modified(path);
        let cached = RwLock::new(Cached {
            file: Arc::new(TokenFile::read(path)?),
            modified,
            looked: Instant::now(),
        });
        let tokens = Self {
            path: path.to_owned(),
            cached,
            known: Mutex::default(),
        };
        tokens.changes(); // those that are there now are no change
        Ok(tokens)
    }

    /// What happened to the tokens since this was last asked: a line for each that was made or revoked.
    pub(crate) fn changes(&self) -> Vec<String> {
        let Ok(file) = self.current() else {
            return Vec::new(); // nobody is let in then, and the log says why
        };
        let now: BTreeMap<_, _> = (file.tokens().iter())
            .map(|token| (token.id.clone(), token.name.clone()))
            .collect();
        let mut known = self.known.lock().unwrap_or_else(|held| held.into_inner());
        let before = std::mem::replace(&mut *known, now);
        let line = |(id, name): (&String, &String), what| format!("token {id} ({name}) {what}");
        let made = known.iter().filter(|(id, _)| !before.contains_key(*id));
        let made = made.map(|token| line(token, "made"));
        let revoked = before.iter().filter(|(id, _)| !known.contains_key(*id));
        made.chain(revoked.map(|token| line(token, "revoked")))
            .collect()
    }

    /// The tokens as the file has them, a second ago at most.
    ///
    /// # Errors
    ///
    /// [`TokenError`] where the file was changed and cannot be read: then nobody is let in.
    pub(crate) fn current(&self) -> Result<Arc<TokenFile>, TokenError> {
        {
            let cached = self.cached.read().unwrap_or_else(|held| held.into_inner());
            if cached.looked.elapsed() < LOOK_AGAIN {
                return Ok(Arc::clone(&cached.file));
            }
        }
        let mut cached = self.cached.write().unwrap_or_else(|held| held.into_inner());
        let modified = modified(&self.path);
        if modified != cached.modified {
            cached.file = Arc::new(TokenFile::read(&self.path)?);
            cached.modified = modified;
        }
        cached.looked = Instant::now();
        Ok(Arc::clone(&cached.file))
    }
}

impl Principal {
    pub(crate) fn may(&self, scope: Scope) -> bool {
        match self {
            Self::Local => true,
            Self::Token { scopes, .. } => scopes.iter().any(|held| held.covers(scope)),
        }
    }

    /// How logs and audit records name it; never a secret.
    pub(crate) fn label(&self) -> String {
        match self {
            Self::Local => "local".to_owned(),
            Self::Token { id, name, .. } => format!("{name} ({id})"),
        }
    }
}

fn modified(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path)
        .and_then(|meta| meta.modified())
        .ok()
}
