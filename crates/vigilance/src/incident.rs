//! Damage that was found: writes are refused from then on, and it is said outside.

use crate::error::AppendError;
use crate::health::Damage;
use crate::trail::Trail;

impl Trail {
    /// Goes into panic mode, and records the incident outside the database.
    pub(crate) fn panicked(&self, damage: &Damage) {
        if self.shared().set_panic(damage) {
            let line = damage.to_string();
            // The thread that writes has the file; if it is gone, the trail is being closed.
            let _ = self.run(move |writer| writer.outside.incident(&line));
        }
    }

    /// What went wrong so far, one line each, from the file outside the database.
    ///
    /// # Errors
    ///
    /// [`AppendError`].
    pub fn incidents(&self) -> Result<Vec<String>, AppendError> {
        let incidents = self.run(|writer| writer.outside.incidents())?;
        Ok(incidents?)
    }
}
