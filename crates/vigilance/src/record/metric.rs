//! Measured values.

use super::RecordError;
use super::codec::{Reader, Writer};

/// A measured value.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Metric {
    /// The transaction that it was measured in.
    pub tx_id: String,
    /// What was measured.
    pub metric_name: String,
    /// The value: a finite number. Canonical bytes hold its bits (IEEE 754), and one zero.
    pub metric_value: f64,
    /// When it was measured, in nanoseconds since 1970.
    pub event_ns: u64,
    /// When it was observed, in nanoseconds since 1970.
    pub observed_ns: u64,
}

impl Metric {
    /// A value, observed when it was measured.
    #[must_use]
    pub fn new(
        tx_id: impl Into<String>,
        metric_name: impl Into<String>,
        metric_value: f64,
        event_ns: u64,
    ) -> Self {
        Self {
            tx_id: tx_id.into(),
            metric_name: metric_name.into(),
            metric_value,
            event_ns,
            observed_ns: event_ns,
        }
    }

    pub(super) fn write(&self, to: &mut Writer) -> Result<(), RecordError> {
        to.number("event_ns", self.event_ns)?;
        to.number("observed_ns", self.observed_ns)?;
        to.name("tx_id", &self.tx_id)?;
        to.name("metric_name", &self.metric_name)?;
        to.float("metric_value", self.metric_value)
    }

    pub(super) fn read(from: &mut Reader<'_>) -> Result<Self, RecordError> {
        let (event_ns, observed_ns) = (from.number("event_ns")?, from.number("observed_ns")?);
        Ok(Self {
            event_ns,
            observed_ns,
            tx_id: from.name("tx_id")?,
            metric_name: from.name("metric_name")?,
            metric_value: from.float("metric_value")?,
        })
    }
}
