//! Whether a database is sound, and what is open to it if it is not.

use crate::Damage;

/// Whether a database is sound.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Health {
    /// No damage is known.
    #[default]
    Sound,
    /// Panic mode: damage was found. Writes are refused; reads that do not meet the damage are
    /// served, each verified as ever. [`ways_out`](crate::RealityDb::ways_out) says what can be done.
    Panic(Damage),
}
