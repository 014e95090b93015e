//! How bad an attack is.

use std::fmt;

use super::RecordError;

/// A severity from 0 to 1, kept in millionths so that it hashes the same everywhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Severity {
    // INVARIANT: at most a million.
    micros: u32,
}

impl Severity {
    /// The severity 0.
    pub const NONE: Self = Self { micros: 0 };

    /// The severity 1.
    pub const MAX: Self = Self { micros: ONE };

    /// A severity in millionths.
    ///
    /// # Errors
    ///
    /// [`RecordError::SeverityOutOfRange`] above a million.
    pub const fn from_micros(micros: u32) -> Result<Self, RecordError> {
        if micros > ONE {
            return Err(RecordError::SeverityOutOfRange { micros });
        }
        Ok(Self { micros })
    }

    /// The severity nearest to `value`, which must be from 0 to 1.
    ///
    /// # Errors
    ///
    /// [`RecordError::NotFinite`] or [`RecordError::SeverityOutOfRange`].
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "conversion saturates"
    )]
    pub fn from_f64(value: f64) -> Result<Self, RecordError> {
        if !value.is_finite() {
            return Err(RecordError::NotFinite { field: "severity" });
        }
        let micros = (value * f64::from(ONE)).round();
        // What rounds to 0 or to 1 from outside is outside.
        if !(0.0..=1.0).contains(&value) {
            let micros = micros.abs() as u32;
            return Err(RecordError::SeverityOutOfRange { micros });
        }
        Self::from_micros(micros as u32)
    }

    /// In millionths.
    #[must_use]
    pub const fn micros(self) -> u32 {
        self.micros
    }

    /// As a number from 0 to 1.
    #[must_use]
    pub fn as_f64(self) -> f64 {
        f64::from(self.micros) / f64::from(ONE)
    }
}

/// As a decimal number, in its shortest form.
impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_f64().fmt(f)
    }
}

/// A severity of 1.
const ONE: u32 = 1_000_000;
