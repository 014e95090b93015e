//! Counters of the server itself, in the text that Prometheus reads.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// A request's labels: few values each, whatever callers send.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(crate) struct Labels {
    pub(crate) method: &'static str,
    /// The route's pattern, never the path itself.
    pub(crate) route: String,
    pub(crate) status: u16,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Route {
    route: String,
}

/// What the server counts.
#[derive(Debug)]
pub(crate) struct Telemetry {
    registry: Registry,
    requests: Family<Labels, Counter>,
    seconds: Family<Route, Histogram, fn() -> Histogram>,
    pub(crate) in_work: Gauge,
    pub(crate) connections: Gauge,
    pub(crate) event_streams: Gauge,
    pub(crate) refused: Counter,
    pub(crate) store: StoreGauges,
}

/// What the stores say of themselves, set when somebody asks.
#[derive(Debug, Default)]
pub(crate) struct StoreGauges {
    pub(crate) version: Gauge<u64, AtomicU64>,
    pub(crate) entries: Gauge<u64, AtomicU64>,
    pub(crate) failed_checkpoints: Gauge<u64, AtomicU64>,
    pub(crate) failed_spills: Gauge<u64, AtomicU64>,
    pub(crate) records: Gauge<u64, AtomicU64>,
    pub(crate) panicked: Gauge,
    pub(crate) seal_age: Gauge<f64, AtomicU64>,
}

impl Telemetry {
    pub(crate) fn new() -> Self {
        let mut this = Self {
            registry: Registry::with_prefix("diotec360"),
            requests: Family::default(),
            seconds: Family::new_with_constructor(durations),
            in_work: Gauge::default(),
            connections: Gauge::default(),
            event_streams: Gauge::default(),
            refused: Counter::default(),
            store: StoreGauges::default(),
        };
        this.register();
        this
    }

    fn register(&mut self) {
        let of = &mut self.registry;
        of.register("http_requests", "Requests answered", self.requests.clone());
        of.register_with_unit(
            "http_request_duration",
            "Time until an answer began",
            Unit::Seconds,
            self.seconds.clone(),
        );
        of.register(
            "http_requests_in_work",
            "Requests in work",
            self.in_work.clone(),
        );
        of.register("connections", "Open connections", self.connections.clone());
        of.register(
            "connections_refused",
            "Connections beyond the limit",
            self.refused.clone(),
        );
        of.register(
            "event_streams",
            "Open event streams",
            self.event_streams.clone(),
        );
        let store = &self.store;
        of.register(
            "state_version",
            "Version of the state",
            store.version.clone(),
        );
        of.register("state_entries", "Keys in the state", store.entries.clone());
        of.register(
            "state_checkpoints_failed",
            "Checkpoints of the state that could not be written since the start",
            store.failed_checkpoints.clone(),
        );
        of.register(
            "state_spills_failed",
            "Times since the start that the state stayed in memory because its file could not be written",
            store.failed_spills.clone(),
        );
        of.register(
            "audit_records",
            "Records in the audit log",
            store.records.clone(),
        );
        of.register(
            "panic",
            "1 while writes are refused because stored data is damaged",
            store.panicked.clone(),
        );
        of.register_with_unit(
            "seal_age",
            "Age of the newest seal",
            Unit::Seconds,
            store.seal_age.clone(),
        );
    }

    /// Counts a request that was answered.
    pub(crate) fn answered(&self, labels: Labels, took: Duration) {
        let route = Route {
            route: labels.route.clone(),
        };
        self.seconds
            .get_or_create(&route)
            .observe(took.as_secs_f64());
        self.requests.get_or_create(&labels).inc();
    }

    /// All of it, as text.
    pub(crate) fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

/// From a quarter of a millisecond to five seconds.
fn durations() -> Histogram {
    Histogram::new([
        0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0,
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_what_was_counted() {
        let telemetry = Telemetry::new();
        let labels = Labels {
            method: "GET",
            route: "/health/live".to_owned(),
            status: 200,
        };
        telemetry.answered(labels, Duration::from_micros(300));
        telemetry.store.version.set(7);
        let text = telemetry.text().unwrap();
        assert!(text.contains("diotec360_http_requests_total{method=\"GET\",route=\"/health/live\",status=\"200\"} 1"), "{text}");
        assert!(text.contains("diotec360_state_version 7"), "{text}");
    }
}
