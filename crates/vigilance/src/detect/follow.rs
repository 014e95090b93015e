//! Records in, alerts out, alerts as records.

use merkle_core::log_leaf_hash;

use super::{Alert, AlertKind, AlertSink, Observation, Observed, Watch, digest};
use crate::error::{AppendError, ReadError};
use crate::json::Object;
use crate::record::{Event, EventKind, ExecutionStatus, IndexRange, Severity, Text};
use crate::{Record, Trail};

/// Why a watch did not go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FollowError {
    /// Records could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// An alert could not be recorded. The sink was not told of it.
    #[error(transparent)]
    Append(#[from] AppendError),
}

impl Watch {
    /// Judges a record. Executions and attacks are observed; metrics, and events of the system, alerts among
    /// them, are passed over.
    ///
    /// The offender of an attack is its subject, or else its snippet, if one is at hand. It is known by a digest
    /// only: neither states nor alerts name anybody.
    pub fn observe_record(&mut self, index: u64, record: &Record) -> Vec<Alert> {
        let (what, offender);
        match record {
            Record::Execution(it) => {
                what = Observed::Execution {
                    intent: &it.intent_name,
                    status: it.status.as_str(),
                    is_proved: it.status == ExecutionStatus::Proved,
                    elapsed_ns: it.elapsed_ns,
                };
            }
            Record::Attack(it) => {
                let subject = it.subject.as_ref().and_then(|it| it.text());
                let snippet = it.code_snippet.as_ref().and_then(Text::as_str);
                let named = subject.map(|it| ("subject", it));
                let named = named.or(snippet.map(|it| ("snippet", it)));
                offender = named.map_or_else(String::new, |(what, text)| {
                    format!("{what} {:016x}", digest(&[what, text]))
                });
                what = Observed::Attack {
                    attack_type: &it.attack_type,
                    category: &it.category,
                    layer: &it.blocked_by_layer,
                    offender: &offender,
                };
            }
            Record::Metric(_) | Record::Event(_) => {
                self.skip_to(index.saturating_add(1));
                return Vec::new();
            }
        }
        self.observe(&Observation {
            index,
            observed_ns: record.observed_ns(),
            what,
        })
    }

    /// Goes over the records that were not judged yet, `limit` of them at most; records each alert, then
    /// tells the sink. Gives how many records were judged; 0 when there are no more.
    ///
    /// Keep [`encode`](Self::encode) afterwards. Whoever goes on from an older state judges the records behind it
    /// again, and records their alerts again.
    ///
    /// # Errors
    ///
    /// [`FollowError`]. The records up to the one that failed are judged.
    pub fn follow(
        &mut self,
        trail: &Trail,
        sink: &mut dyn AlertSink,
        limit: usize,
    ) -> Result<usize, FollowError> {
        let records = trail.records(self.next_index(), limit)?;
        for stored in &records {
            for alert in self.observe_record(stored.index, &stored.record) {
                trail.append(alert.to_event())?;
                sink.alert(&alert);
            }
        }
        Ok(records.len())
    }
}

impl Alert {
    /// The alert as a record: the kind [`EventKind::Alert`], the detector as its source, the evidence as
    /// ranges of the log, and scores in the detail.
    #[must_use]
    pub fn to_event(&self) -> Event {
        let mut event = Event::new(EventKind::Alert, self.observed_ns);
        event.source = Some(format!("watch/{}", self.kind));
        event.severity = Severity::from_micros(self.kind.severity_micros()).ok();
        event.ranges = vec![IndexRange {
            first: self.first_index,
            count: self
                .index
                .saturating_sub(self.first_index)
                .saturating_add(1),
        }];
        event.message = Some(Text::plain(cut(&self.message)));
        let mut detail = Object::new();
        detail.put("detector", self.kind.name());
        detail.put("series", cut(&self.series));
        detail
            .put("score", self.score)
            .put("threshold", self.threshold);
        detail
            .put("first_index", self.first_index)
            .put("index", self.index);
        event.detail = Some(Text::plain(detail.finish()));
        event.hash = Some(log_leaf_hash(self.series.as_bytes()));
        event
    }
}

impl AlertKind {
    /// How bad it is that it was found, in millionths.
    const fn severity_micros(self) -> u32 {
        match self {
            Self::Burst | Self::RepeatedOffender => 800_000,
            Self::LatencyDrift => 500_000,
            Self::FirstSeen => 400_000,
            Self::LatencyOutlier => 300_000,
        }
    }
}

/// As much of a text as a record surely has room for.
fn cut(text: &str) -> String {
    text.chars().take(1_000).collect()
}
