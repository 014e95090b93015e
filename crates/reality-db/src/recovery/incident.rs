//! What is kept of the ways out that were taken.

use super::WayOut;
use crate::db::Shared;
use crate::engine::{Engine, EngineBatch};
use crate::error::Fault;
use crate::{Damage, ReadError, RealityDb};

/// First byte of the engine's keys that hold incidents.
const KIND: u8 = b'i';

/// Most incidents that are told.
const INCIDENTS_MAX: usize = 10_000;

/// Most bytes of an incident's text.
const INCIDENT_BYTES_MAX: usize = 3500;

/// Most bytes of a reason in it: the rest is for the names.
const REASON_BYTES_MAX: usize = 1000;

/// A way out that is taken, and why.
#[derive(Clone, Copy)]
pub(super) struct Incident<'i> {
    pub(super) damage: &'i Damage,
    pub(super) way: &'i WayOut,
    pub(super) reason: &'i str,
}

impl RealityDb {
    /// What happened when ways out were taken, oldest first: the damage, the way, the reason, and which
    /// names of snapshots were dropped. A reason of more than 1,000 bytes is cut, and a text of more than 3,500.
    ///
    /// # Errors
    ///
    /// [`ReadError::Storage`].
    pub fn incidents(&self) -> Result<Vec<String>, ReadError> {
        let engine = &self.shared.storage.engine;
        let entries = engine.scan(&[KIND], &[KIND + 1], INCIDENTS_MAX)?;
        let text = |(_, text): &(_, Vec<u8>)| String::from_utf8_lossy(text).into_owned();
        Ok(entries.iter().map(text).collect())
    }
}

impl Shared {
    /// Keeps it, with the `names` of snapshots that are dropped.
    pub(super) fn record_incident(
        &self,
        Incident {
            damage,
            way,
            reason,
        }: Incident<'_>,
        names: &[(Vec<u8>, String)],
    ) -> Result<(), Fault> {
        let engine = &self.storage.engine;
        let number = engine.scan(&[KIND], &[KIND + 1], INCIDENTS_MAX)?.len() as u64;
        let reason = &reason[..reason.floor_char_boundary(REASON_BYTES_MAX)];
        let mut text = format!("damage: {damage}; way out: {way:?}; reason: {reason}");
        if !names.is_empty() {
            let names: Vec<&str> = names.iter().map(|(_, name)| &**name).collect();
            text += &format!("; {} names of snapshots dropped: {names:?}", names.len());
        }
        text.truncate(text.floor_char_boundary(INCIDENT_BYTES_MAX));
        let key = [&[KIND][..], &number.to_be_bytes()].concat();
        engine.write(EngineBatch {
            changes: vec![(key, Some(text.into_bytes()))],
        })?;
        engine.sync()?;
        Ok(())
    }
}
