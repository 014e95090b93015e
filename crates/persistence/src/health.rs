//! Panic mode: what was found, in which store, and what it means.

use std::fmt;

use merkle_core::Hash;

/// One of the stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Store {
    /// The state, in `reality-db`.
    State,
    /// The vault, in `truth-vault`.
    Vault,
    /// The audit trail, in `vigilance`.
    Audit,
    /// The seals.
    Seals,
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::State => "state",
            Self::Vault => "vault",
            Self::Audit => "audit trail",
            Self::Seals => "seals",
        })
    }
}

/// Whether everything is as it was proved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Health {
    /// Nothing speaks against it.
    #[default]
    Sound,
    /// Damage was found: writes are refused until a way out is taken. Sound reads go on.
    Panic(Panic),
}

/// Why writes are refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub struct Panic {
    /// All that was found, the first cause first; never empty.
    pub causes: Vec<Cause>,
}

impl fmt::Display for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut causes = self.causes.iter();
        if let Some(first) = causes.next() {
            write!(f, "{}: {first}", first.store())?;
        }
        causes.try_for_each(|cause| write!(f, "; {}: {cause}", cause.store()))
    }
}

/// Something that is not as it was proved.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Cause {
    /// Damage inside of the state.
    #[error(transparent)]
    State(#[from] reality_db::Damage),
    /// The state ends before a version that others know of: it is an older copy.
    #[error("version {known} is known of, the state ends at {found}")]
    StateBehind {
        /// A version that was there.
        known: u64,
        /// The newest version that is there now.
        found: u64,
    },
    /// A version of the state is another than the one that was sealed.
    #[error("version {version} has the root {found}, sealed was {sealed}")]
    StateBeside {
        /// The version.
        version: u64,
        /// The root that was sealed.
        sealed: Hash,
        /// The root that it has.
        found: Hash,
    },
    /// A version of the state does not carry records as it should.
    #[error("version {version} does not carry the records that it should")]
    Envelope {
        /// The version.
        version: u64,
    },
    /// Damage inside of the audit trail.
    #[error("{message}")]
    Audit {
        /// What it is, in the trail's words.
        message: String,
    },
    /// The audit trail has records that the state's journal does not have.
    #[error("the trail has {found} records, the journal carried {carried}")]
    AuditForeign {
        /// How many there are in the trail.
        found: u64,
        /// How many the journal carried.
        carried: u64,
    },
    /// The audit trail ends before a record that it had made durable: it is an older copy.
    #[error("the trail had {known} records, now it has {found}")]
    AuditBehind {
        /// How many there were.
        known: u64,
        /// How many there are now.
        found: u64,
    },
    /// A record of the audit trail is another than the one that the journal carried.
    #[error("the records up to {index} are not those that the journal carried")]
    AuditDiverged {
        /// Where the first one is, or the end of those that were compared.
        index: u64,
    },
    /// The records that were sealed are not those of the trail, nor of the journal.
    #[error("the first {size} records are not those that were sealed")]
    AuditBeside {
        /// How many were sealed.
        size: u64,
    },
    /// Damage inside of the vault.
    #[error("{message}")]
    Vault {
        /// What it is, in the vault's words.
        message: String,
    },
    /// The vault does not hold a bundle that was put into it.
    #[error("bundle {address} is missing{}", besides(*.others))]
    VaultMissing {
        /// Its address, in hexadecimal.
        address: String,
        /// How many others are missing.
        others: u64,
    },
    /// A seal is missing, changed, or does not follow the one before.
    #[error("seal {number} is missing, changed, or does not follow the one before")]
    Seal {
        /// Its number.
        number: u64,
    },
    /// The mark of what was durable in all stores was changed, or nobody signed it who is trusted.
    #[error("the mark of what was durable cannot be read")]
    Mark,
}

fn besides(count: u64) -> String {
    match count {
        0 => String::new(),
        count => format!(", and {count} others"),
    }
}

impl Cause {
    /// The store that is to blame.
    #[must_use]
    pub fn store(&self) -> Store {
        match self {
            Self::State(_)
            | Self::StateBehind { .. }
            | Self::StateBeside { .. }
            | Self::Envelope { .. } => Store::State,
            Self::Audit { .. }
            | Self::AuditForeign { .. }
            | Self::AuditBehind { .. }
            | Self::AuditDiverged { .. }
            | Self::AuditBeside { .. } => Store::Audit,
            Self::Vault { .. } | Self::VaultMissing { .. } => Store::Vault,
            Self::Seal { .. } | Self::Mark => Store::Seals,
        }
    }
}
