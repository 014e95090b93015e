//! Whether a database is sound, and what is open to it if it is not.

use crate::Damage;

/// Whether a database is sound, as far as this handle knows.
///
/// It is told by what was read since it was opened: opening reads the journal behind the newest checkpoint
/// and the checkpoint's catalogue, not its entries. After a restart damaged entries are met again only when
/// they are read or [checked](crate::RealityDb::verify_integrity). Entering panic mode writes nothing into the
/// store: where stored data is damaged, a write could make it worse, and the damage is evidence. It is told to
/// `tracing`, and by the [incident](crate::RealityDb::incidents) when a way out is taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Health {
    /// No damage is known.
    #[default]
    Sound,
    /// Panic mode: damage was found. Writes are refused; reads that do not meet the damage are
    /// served, each verified as ever. This is the damage found first; a
    /// [check](crate::RealityDb::verify_integrity) names all of it, and
    /// [what can be proved](crate::IntegrityReport::provable) all the same.
    /// [`ways_out`](crate::RealityDb::ways_out) says what can be done.
    Panic(Damage),
}
