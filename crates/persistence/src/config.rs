//! Where the stores are and how they are kept.

mod source;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use merkle_core::{SignerKey, VerifierKey};
use reality_db::Profile;

use crate::Invariant;

pub use source::ConfigError;

/// Where the stores are and how they are kept.
///
/// Built by hand, from a [file](Self::read), from the [environment](Self::from_environment), or from
/// all of them, what is said last counting.
///
/// ```
/// use persistence::Config;
///
/// let config = Config::new("data").seal_every(10_000);
/// assert_eq!(config.state_path(), std::path::Path::new("data/state"));
/// ```
#[derive(Clone)]
pub struct Config {
    pub(crate) data_dir: PathBuf,
    state_path: Option<PathBuf>,
    vault_path: Option<PathBuf>,
    audit_path: Option<PathBuf>,
    seals_path: Option<PathBuf>,
    key_path: Option<PathBuf>,
    pub(crate) name: String,
    pub(crate) signer: Option<SignerKey>,
    pub(crate) trusted_keys: Vec<VerifierKey>,
    pub(crate) trusted_seal: Option<Vec<u8>>,
    pub(crate) trusted_seal_path: Option<PathBuf>,
    pub(crate) profile: Option<Profile>,
    pub(crate) cache_bytes: u64,
    pub(crate) queue: usize,
    pub(crate) group: usize,
    pub(crate) lag: u64,
    pub(crate) seal_every: u64,
    pub(crate) create: bool,
    pub(crate) backup: Option<PathBuf>,
    pub(crate) time_ns: u64,
    pub(crate) accept_damage: bool,
    /// The trail may be made anew, from the journal.
    pub(crate) rebuild: bool,
    pub(crate) invariants: Vec<Arc<dyn Invariant>>,
}

impl Config {
    /// Everything in the folder `data_dir`, which is made if it is not there.
    #[must_use]
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            state_path: None,
            vault_path: None,
            audit_path: None,
            seals_path: None,
            key_path: None,
            name: DEFAULT_NAME.to_owned(),
            signer: None,
            trusted_keys: Vec::new(),
            trusted_seal: None,
            trusted_seal_path: None,
            profile: None,
            cache_bytes: 1 << 30,
            queue: 4096,
            group: 256,
            lag: 65_536,
            seal_every: 0,
            create: true,
            backup: None,
            time_ns: 0,
            accept_damage: false,
            rebuild: false,
            invariants: Vec::new(),
        }
    }

    /// Keeps the state elsewhere than in `state` of the data folder.
    #[must_use]
    pub fn with_state_path(mut self, path: impl Into<PathBuf>) -> Self {
        self.state_path = Some(path.into());
        self
    }

    /// Keeps the vault elsewhere than in `vault` of the data folder.
    #[must_use]
    pub fn with_vault_path(mut self, path: impl Into<PathBuf>) -> Self {
        self.vault_path = Some(path.into());
        self
    }

    /// Keeps the audit trail elsewhere than in `audit` of the data folder.
    #[must_use]
    pub fn with_audit_path(mut self, path: impl Into<PathBuf>) -> Self {
        self.audit_path = Some(path.into());
        self
    }

    /// Keeps the seals elsewhere than in `seals` of the data folder: best on another disk.
    #[must_use]
    pub fn with_seals_path(mut self, path: impl Into<PathBuf>) -> Self {
        self.seals_path = Some(path.into());
        self
    }

    /// Reads the key that signs seals from this file, or makes one there. Without it: `seal.key` in
    /// the data folder.
    #[must_use]
    pub fn with_key_path(mut self, path: impl Into<PathBuf>) -> Self {
        self.key_path = Some(path.into());
        self
    }

    /// The name in seals and receipts, for whoever gets them: a host and path, as a rule.
    /// Only a key that is made anew gets it; a key keeps its name.
    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// The key that signs seals, instead of one in a file.
    #[must_use]
    pub fn signer(mut self, key: SignerKey) -> Self {
        self.signer = Some(key);
        self
    }

    /// An earlier key whose seals are believed too.
    #[must_use]
    pub fn trust_key(mut self, key: VerifierKey) -> Self {
        self.trusted_keys.push(key);
        self
    }

    /// A seal that was kept elsewhere: opening refuses anything that is behind it or beside it.
    #[must_use]
    pub fn trusted_seal(mut self, note: impl Into<Vec<u8>>) -> Self {
        self.trusted_seal = Some(note.into());
        self
    }

    /// How a new state hashes; SHA-256 if nothing is said, so that anybody can verify receipts.
    #[must_use]
    pub fn profile(mut self, profile: Profile) -> Self {
        self.profile = Some(profile);
        self
    }

    /// How many bytes of the state may be in memory. 1 GiB if nothing is said.
    #[must_use]
    pub fn cache_bytes(mut self, bytes: u64) -> Self {
        self.cache_bytes = bytes;
        self
    }

    /// How many callers may wait for the writer before further ones are held back. 4,096 if nothing
    /// is said, at least 1.
    #[must_use]
    pub fn queue(mut self, callers: usize) -> Self {
        self.queue = callers.max(1);
        self
    }

    /// How many executions are committed with one sync at most. 256 if nothing is said, at least 1.
    #[must_use]
    pub fn group(mut self, executions: usize) -> Self {
        self.group = executions.max(1);
        self
    }

    /// How many records the audit trail may be behind the state before commits wait for it. 65,536
    /// if nothing is said.
    #[must_use]
    pub fn lag(mut self, records: u64) -> Self {
        self.lag = records.max(1);
        self
    }

    /// Makes a seal after so many records; 0, which is said if nothing is, makes them on demand
    /// only.
    #[must_use]
    pub fn seal_every(mut self, records: u64) -> Self {
        self.seal_every = records;
        self
    }

    /// Whether stores that are not there are made. They are, if nothing is said.
    #[must_use]
    pub fn create(mut self, create: bool) -> Self {
        self.create = create;
        self
    }

    /// Where a [backup](crate::Persistence::backup) lies, for ways out of panic mode that need one.
    #[must_use]
    pub fn backup(mut self, folder: impl Into<PathBuf>) -> Self {
        self.backup = Some(folder.into());
        self
    }

    /// When they are opened, in nanoseconds since 1970: the time of the genesis seal. Nothing here
    /// reads a clock.
    #[must_use]
    pub fn time_ns(mut self, time_ns: u64) -> Self {
        self.time_ns = time_ns;
        self
    }

    /// Opens damaged stores too, in panic mode: to read what is sound and take a way out.
    #[must_use]
    pub fn accept_damage(mut self, accept: bool) -> Self {
        self.accept_damage = accept;
        self
    }

    /// Has the trail made anew from the journal, if it is gone.
    pub(crate) fn rebuilding(mut self) -> Self {
        self.rebuild = true;
        self
    }

    /// Adds an invariant: an execution that violates it is rejected at commit.
    #[must_use]
    pub fn invariant(mut self, invariant: impl Invariant + 'static) -> Self {
        self.invariants.push(Arc::new(invariant));
        self
    }

    /// The folder that holds everything that is not kept elsewhere.
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// Where the state is.
    #[must_use]
    pub fn state_path(&self) -> PathBuf {
        self.path(self.state_path.as_ref(), "state")
    }

    /// Where the vault is.
    #[must_use]
    pub fn vault_path(&self) -> PathBuf {
        self.path(self.vault_path.as_ref(), "vault")
    }

    /// Where the audit trail is.
    #[must_use]
    pub fn audit_path(&self) -> PathBuf {
        self.path(self.audit_path.as_ref(), "audit")
    }

    /// Where the seals are.
    #[must_use]
    pub fn seals_path(&self) -> PathBuf {
        self.path(self.seals_path.as_ref(), "seals")
    }

    /// Where the key is that signs seals, unless it is [given](Self::signer).
    #[must_use]
    pub fn key_path(&self) -> PathBuf {
        self.path(self.key_path.as_ref(), "seal.key")
    }

    fn path(&self, elsewhere: Option<&PathBuf>, name: &str) -> PathBuf {
        elsewhere.map_or_else(|| self.data_dir.join(name), Clone::clone)
    }
}

/// Without the key.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("state", &self.state_path())
            .field("vault", &self.vault_path())
            .field("audit", &self.audit_path())
            .field("seals", &self.seals_path())
            .finish_non_exhaustive()
    }
}

/// The name of keys that are made anew, unless the caller says another.
const DEFAULT_NAME: &str = "diotec360";

#[cfg(test)]
mod tests;
