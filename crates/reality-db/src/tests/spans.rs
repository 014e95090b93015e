//! What is told to `tracing`.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use tracing::span::{Attributes, Id, Record};
use tracing::{Dispatch, Event, Metadata, Subscriber};

use super::stages::{self, Stage};
use crate::{Backend, Depth, Options, RealityDb, Retention, WayOut};

/// Notes the names of the spans of this crate that begin.
#[derive(Clone, Default)]
struct Spans {
    names: Arc<Mutex<Vec<&'static str>>>,
    last: Arc<AtomicU64>,
}

impl Spans {
    /// Those that begin while `work` is done in this thread.
    fn of<T>(work: impl FnOnce() -> T) -> (T, Vec<&'static str>) {
        static SECOND: OnceLock<Dispatch> = OnceLock::new();
        // With one alone, a callsite that another thread meets first is taken for one that nobody
        // listens to.
        SECOND.get_or_init(|| Dispatch::new(Self::default()));
        let spans = Self::default();
        let done = tracing::subscriber::with_default(spans.clone(), work);
        let names = std::mem::take(&mut *spans.names.lock().unwrap());
        (done, names)
    }
}

impl Subscriber for Spans {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("reality_db")
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        self.names.lock().unwrap().push(span.metadata().name());
        Id::from_u64(self.last.fetch_add(1, Ordering::Relaxed) + 1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[test]
fn a_span_is_noted_though_another_thread_met_it_first() {
    let span = || drop(tracing::info_span!(target: "reality_db", "met elsewhere first"));
    let (_, spans) = Spans::of(|| {
        std::thread::spawn(span).join().unwrap();
        span();
    });
    assert_eq!(spans, ["met elsewhere first"]);
}

#[test]
fn whatever_may_take_long_has_a_span() {
    let options = Options::new()
        .backend(Backend::Memory)
        .background(false)
        .retention(Retention::Last(9));
    let (db, spans) = Spans::of(|| RealityDb::open("unused", &options).unwrap());
    assert_eq!(spans, ["open", "replay"]);
    let (_, spans) = Spans::of(|| db.put(b"key", b"value").unwrap());
    assert_eq!(spans, ["commit"]);
    let (_, spans) = Spans::of(|| db.checkpoint(|_| ControlFlow::Continue(())).unwrap());
    assert_eq!(spans, ["checkpoint", "prune"]);
    let (_, spans) = Spans::of(|| db.at(0).unwrap());
    assert_eq!(spans, ["at"]);
    let (_, spans) = Spans::of(|| {
        db.verify_integrity(Depth::Stored, |_| ControlFlow::Continue(()))
            .unwrap()
    });
    assert_eq!(spans, ["verify_integrity"]);
}

#[test]
fn ways_out_have_spans() {
    let stage = Stage::memory();
    let options = stages::options();
    stage.open(&options).unwrap().put(b"key", b"value").unwrap();
    // The record of version 1 is lost, which the mark tells.
    stage.remove_record(1);
    let db = stage.open(&options.accept_damage(true)).unwrap();
    let (ways, spans) = Spans::of(|| db.ways_out().unwrap());
    assert_eq!(spans, ["ways_out"]);
    assert!(matches!(ways[..], [WayOut::GoBack { .. }]));
    let (_, spans) = Spans::of(|| db.take_way_out(&ways[0], "a test").unwrap());
    assert_eq!(
        spans,
        ["take_way_out", "checkpoint", "prune", "verify_integrity"]
    );
}
