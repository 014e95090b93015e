//! The description of a store: which format, and what was chosen when it was created.

use std::io;

use merkle_core::Hash;

use crate::options::{Backend, KeyMode, Options};
use crate::volume::Volume;
use crate::{Damage, OpenError, Profile};

/// Name of the file.
pub(crate) const FILE: &str = "FORMAT";

/// The engines that a store may be kept in, each a feature, and whether this build has it.
const ENGINES: [(&str, bool); 2] = [
    ("sled", cfg!(feature = "sled")),
    ("rocksdb", cfg!(feature = "rocksdb")),
];

/// More than any description has: what is longer is none.
const BYTES_MAX: usize = 4096;

/// The format of this release.
const VERSION: u32 = 1;

const HASH_CONTEXT: &str = "reality-db 2026-11 format";

/// What was chosen when the store was created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Format {
    pub(crate) profile: Profile,
    pub(crate) key_mode: KeyMode,
    pub(crate) backend: Backend,
}

impl Format {
    /// The format of a new store.
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            profile: options.profile.unwrap_or_default(),
            key_mode: options.key_mode.unwrap_or_default(),
            backend: options.backend.unwrap_or_default(),
        }
    }

    /// The text that is stored: lines for people, the last one a check of the others.
    pub(crate) fn encode(&self) -> String {
        let text = format!(
            "reality-db {VERSION}\nprofile {}\nkeys {}\nbackend {}\n",
            self.profile.name(),
            self.key_mode.name(),
            self.backend.name()
        );
        let check = blake3::derive_key(HASH_CONTEXT, text.as_bytes());
        format!("{text}check {}\n", Hash::from_bytes(check))
    }

    /// Reads the text back.
    pub(crate) fn decode(text: &[u8]) -> Result<Self, OpenError> {
        let damaged = || OpenError::Damaged(Damage::Format);
        let text = std::str::from_utf8(text).map_err(|_| damaged())?;
        let found = text
            .lines()
            .next()
            .and_then(|line| line.strip_prefix("reality-db "));
        match found {
            Some(found) if found != VERSION.to_string() => {
                return Err(OpenError::UnknownFormat {
                    found: found.to_owned(),
                    known: VERSION,
                });
            }
            _ => {}
        }
        for (feature, is_built_in) in ENGINES {
            if !is_built_in && text.contains(&format!("\nbackend {feature}\n")) {
                return Err(OpenError::NotBuiltIn { feature });
            }
        }
        for profile in Profile::ALL {
            for key_mode in KeyMode::ALL {
                for backend in Backend::ALL {
                    let format = Self {
                        profile: *profile,
                        key_mode: *key_mode,
                        backend: *backend,
                    };
                    if format.encode() == text {
                        return Ok(format);
                    }
                }
            }
        }
        Err(damaged())
    }

    /// Refuses a store that was created with other choices than the caller asks for.
    pub(crate) fn check(&self, options: &Options) -> Result<(), OpenError> {
        let other = |option, found: &str, asked: &str| OpenError::OtherOption {
            option,
            found: found.to_owned(),
            asked: asked.to_owned(),
        };
        match options.profile {
            Some(asked) if asked != self.profile => {
                return Err(other("profile", self.profile.name(), asked.name()));
            }
            _ => {}
        }
        match options.key_mode {
            Some(asked) if asked != self.key_mode => {
                return Err(other("keys", self.key_mode.name(), asked.name()));
            }
            _ => {}
        }
        match options.backend {
            Some(asked) if asked != self.backend => {
                Err(other("backend", self.backend.name(), asked.name()))
            }
            _ => Ok(()),
        }
    }
}

/// The description in a folder, if there is one.
pub(crate) fn read(folder: &dyn Volume) -> Result<Option<Format>, OpenError> {
    let source = match folder.open(FILE) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        source => source?,
    };
    let len = usize::try_from(source.len()?).unwrap_or(usize::MAX);
    let mut text = vec![0; len.min(BYTES_MAX + 1)];
    source.read_at(0, &mut text)?;
    Format::decode(&text).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_is_read_back_and_no_changed_bit_is() {
        for profile in Profile::ALL {
            for key_mode in KeyMode::ALL {
                let format = Format {
                    profile: *profile,
                    key_mode: *key_mode,
                    backend: Backend::Memory,
                };
                let text = format.encode().into_bytes();
                assert_eq!(Format::decode(&text).unwrap(), format);
                for bit in 0..text.len() * 8 {
                    let mut flipped = text.clone();
                    flipped[bit / 8] ^= 1 << (bit % 8);
                    assert!(Format::decode(&flipped).is_err(), "bit {bit}");
                }
            }
        }
    }

    #[test]
    fn refuses_a_later_format_by_its_number() {
        let error = Format::decode(b"reality-db 2\nsomething new\n").unwrap_err();
        assert!(matches!(error, OpenError::UnknownFormat { found, known: 1 } if found == "2"));
    }
}
