//! A configuration from a file and from the environment.

use std::path::{Path, PathBuf};
use std::{fs, io};

use reality_db::Profile;

use super::Config;

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file could not be read.
    #[error("{} could not be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is not TOML, or says what nobody knows.
    #[error("{}: {message}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        message: String,
    },
    /// A variable, or a field of the file, has a value that it cannot have.
    #[error("{name} cannot be {value:?}")]
    BadValue {
        /// The variable or field.
        name: String,
        /// Its value.
        value: String,
    },
}

/// What a file says. Paths are relative to the file.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    data_dir: Option<PathBuf>,
    state_path: Option<PathBuf>,
    vault_path: Option<PathBuf>,
    audit_path: Option<PathBuf>,
    seals_path: Option<PathBuf>,
    key_path: Option<PathBuf>,
    trusted_seal: Option<PathBuf>,
    name: Option<String>,
    profile: Option<String>,
    cache_bytes: Option<u64>,
    queue: Option<usize>,
    group: Option<usize>,
    lag: Option<u64>,
    seal_every: Option<u64>,
    create: Option<bool>,
}

impl Config {
    /// Takes what the TOML file at `path` says; paths in it are relative to its folder.
    ///
    /// Its fields: `data_dir`, `state_path`, `vault_path`, `audit_path`, `seals_path`, `key_path`,
    /// `trusted_seal` (a file), `name`, `profile` (`sha256` or `blake3`), `cache_bytes`, `queue`,
    /// `group`, `lag`, `seal_every`, `create`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`].
    pub fn read(self, path: &Path) -> Result<Self, ConfigError> {
        let text = fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        let file: File = toml::from_str(&text).map_err(|error| ConfigError::Malformed {
            path: path.to_owned(),
            message: error.to_string(),
        })?;
        self.take(file, path.parent().unwrap_or(Path::new("")))
    }

    fn take(mut self, file: File, folder: &Path) -> Result<Self, ConfigError> {
        let set = |place: &mut Option<PathBuf>, path: Option<PathBuf>| {
            if let Some(path) = path {
                *place = Some(folder.join(path));
            }
        };
        if let Some(data_dir) = file.data_dir {
            self.data_dir = folder.join(data_dir);
        }
        set(&mut self.state_path, file.state_path);
        set(&mut self.vault_path, file.vault_path);
        set(&mut self.audit_path, file.audit_path);
        set(&mut self.seals_path, file.seals_path);
        set(&mut self.key_path, file.key_path);
        set(&mut self.trusted_seal_path, file.trusted_seal);
        self.name = file.name.unwrap_or(self.name);
        if let Some(name) = file.profile {
            self.profile = Some(profile("profile", &name)?);
        }
        self.cache_bytes = file.cache_bytes.unwrap_or(self.cache_bytes);
        self.seal_every = file.seal_every.unwrap_or(self.seal_every);
        self.create = file.create.unwrap_or(self.create);
        let queue = file.queue.unwrap_or(self.queue);
        let group = file.group.unwrap_or(self.group);
        let lag = file.lag.unwrap_or(self.lag);
        Ok(self.queue(queue).group(group).lag(lag))
    }

    /// Takes what the environment of this process says; see [`variables`](Self::variables).
    ///
    /// # Errors
    ///
    /// [`ConfigError`].
    pub fn from_environment(self) -> Result<Self, ConfigError> {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        self.variables(std::env::vars_os().filter_map(text))
    }

    /// Takes what these variables say: `DIOTEC360_CONFIG` (a TOML file, read first),
    /// `DIOTEC360_DATA_DIR`, `DIOTEC360_STATE_PATH`, `DIOTEC360_VAULT_PATH`, `DIOTEC360_AUDIT_PATH`,
    /// `DIOTEC360_SEALS_PATH`, `DIOTEC360_KEY_PATH`, `DIOTEC360_TRUSTED_SEAL` (a file),
    /// `DIOTEC360_NAME`, `DIOTEC360_PROFILE`, `DIOTEC360_CACHE_BYTES`, `DIOTEC360_SEAL_EVERY`. Others
    /// are left alone, and an empty value says nothing.
    ///
    /// # Errors
    ///
    /// [`ConfigError`].
    pub fn variables(
        mut self,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let mut ours: Vec<(String, String)> = (variables.into_iter())
            .filter(|(name, value)| name.starts_with(PREFIX) && !value.is_empty())
            .collect();
        ours.sort();
        let file = ours.iter().find(|(name, _)| name == "DIOTEC360_CONFIG");
        if let Some((_, path)) = file {
            self = self.read(Path::new(path))?;
        }
        for (name, value) in &ours {
            self.take_variable(name, value)?;
        }
        Ok(self)
    }

    fn take_variable(&mut self, name: &str, value: &str) -> Result<(), ConfigError> {
        let number = || {
            value.parse().map_err(|_| ConfigError::BadValue {
                name: name.to_owned(),
                value: value.to_owned(),
            })
        };
        let path = || Some(PathBuf::from(value));
        match name.strip_prefix(PREFIX).unwrap_or_default() {
            "DATA_DIR" => self.data_dir = PathBuf::from(value),
            "STATE_PATH" => self.state_path = path(),
            "VAULT_PATH" => self.vault_path = path(),
            "AUDIT_PATH" => self.audit_path = path(),
            "SEALS_PATH" => self.seals_path = path(),
            "KEY_PATH" => self.key_path = path(),
            "TRUSTED_SEAL" => self.trusted_seal_path = path(),
            "NAME" => value.clone_into(&mut self.name),
            "PROFILE" => self.profile = Some(profile(name, value)?),
            "CACHE_BYTES" => self.cache_bytes = number()?,
            "SEAL_EVERY" => self.seal_every = number()?,
            _ => {}
        }
        Ok(())
    }
}

fn profile(field: &str, name: &str) -> Result<Profile, ConfigError> {
    match name {
        "sha256" => Ok(Profile::Sha256),
        "blake3" => Ok(Profile::Blake3),
        _ => Err(ConfigError::BadValue {
            name: field.to_owned(),
            value: name.to_owned(),
        }),
    }
}

const PREFIX: &str = "DIOTEC360_";
