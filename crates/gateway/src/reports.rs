//! Reports that were made last: a report is several files, and each is fetched by itself.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use vigilance::Report;

/// The newest reports.
#[derive(Debug, Default)]
pub(crate) struct Reports(Mutex<(u64, VecDeque<Arc<Made>>)>);

/// A report, and its number.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) id: u64,
    pub(crate) kind: &'static str,
    pub(crate) report: Report,
}

/// Reports that are kept.
const REPORTS_MAX: usize = 16;
/// Bytes that they may take together; the newest one is kept whatever its length.
const BYTES_MAX: usize = 256 << 20;

impl Reports {
    pub(crate) fn keep(&self, kind: &'static str, report: Report) -> Arc<Made> {
        let mut held = self.0.lock().unwrap_or_else(|held| held.into_inner());
        let (last, kept) = &mut *held;
        *last += 1;
        let id = *last;
        kept.push_front(Arc::new(Made { id, kind, report }));
        kept.truncate(REPORTS_MAX);
        let mut bytes = 0;
        let fits = kept.iter().take_while(|made| {
            bytes += made.bytes();
            bytes <= BYTES_MAX
        });
        let count = fits.count().max(1);
        kept.truncate(count);
        Arc::clone(&kept[0])
    }

    pub(crate) fn get(&self, id: u64) -> Option<Arc<Made>> {
        let held = self.0.lock().unwrap_or_else(|held| held.into_inner());
        held.1.iter().find(|made| made.id == id).cloned()
    }
}

impl Made {
    fn bytes(&self) -> usize {
        let report = &self.report;
        report.json.len() + report.csv.len() + report.html.len() + report.proof.len()
    }
}
