//! Putting code into the vault, on the record.

use truth_vault::{Bundle, BundleAddress, Vault};
use vigilance::{Event, EventKind, Text};

use crate::audit::BUNDLE_SOURCE;
use crate::step::{Step, reached};
use crate::{ExecuteError, Hash, Persistence, StorageError};

impl Persistence {
    /// Puts a bundle into the vault, durably, and records that it is there: a vault that lacks it
    /// later is found to. One that is there already is not recorded again.
    ///
    /// # Errors
    ///
    /// [`ExecuteError`]. A bundle that was put and could not be recorded is harmless.
    pub fn put_bundle(&self, bundle: &Bundle, time_ns: u64) -> Result<BundleAddress, ExecuteError> {
        let shared = self.shared();
        shared.check_health()?;
        let (address, is_new) = shared.code.put(bundle).map_err(StorageError::from)?;
        reached(Step::BundleStored);
        if is_new {
            self.log_event(stored_event(address, bundle.intent(), time_ns))?;
        }
        Ok(address)
    }

    /// The vault, to read from. What is put into it directly is kept, but not recorded.
    #[must_use]
    pub fn vault(&self) -> &Vault {
        self.shared().code.vault()
    }
}

/// The record of a bundle that was put.
pub(crate) fn stored_event(address: BundleAddress, intent: &str, time_ns: u64) -> Event {
    let mut event = Event::new(EventKind::Note, time_ns);
    event.source = Some(BUNDLE_SOURCE.to_owned());
    event.hash = Some(Hash::from_bytes(*address.address().as_bytes()));
    event.message = Some(Text::plain(intent));
    event
}
