//! A group of requests that are committed with one sync: which of them, and in which versions.

use std::sync::Arc;

use reality_db::ReadError;
use vigilance::{ExecutionStatus, LayerOutcome, Text};

use super::{Overlay, Writer};
use crate::envelope::{RECORD_OVERHEAD, RECORDS_BYTES_MAX};
use crate::queue::{ExecuteRequest, RecordRequest, Request};
use crate::recent::Outcome;
use crate::{Change, ExecuteError, Execution, Invariant};

/// Requests that are committed with one sync.
pub(crate) struct Group<'w> {
    writer: &'w Writer,
    slots: Vec<Slot>,
    /// Those that ask for what another one of the group is about to do.
    again: Vec<Item>,
    overlay: Overlay,
    requests: usize,
    writes_bytes: usize,
}

/// What becomes one version.
#[derive(Default)]
pub(crate) struct Slot {
    pub(crate) items: Vec<Item>,
    /// Whether it changes the state: then there is one execution in it and nothing else.
    pub(crate) changes: bool,
    record_bytes: usize,
}

/// A request that is to be committed.
pub(crate) enum Item {
    Execution {
        request: Box<ExecuteRequest>,
        /// Why it is rejected, if it is.
        refusal: Option<String>,
    },
    Record(Box<RecordRequest>),
}

impl Slot {
    /// A version that carries one record and changes nothing.
    pub(crate) fn of(item: Item) -> Self {
        Self {
            record_bytes: item.record_bytes() + RECORD_OVERHEAD,
            items: vec![item],
            changes: false,
        }
    }
}

impl<'w> Group<'w> {
    pub(crate) fn new(writer: &'w Writer) -> Self {
        Self {
            writer,
            slots: Vec::new(),
            again: Vec::new(),
            overlay: Overlay::new(),
            requests: 0,
            writes_bytes: 0,
        }
    }

    /// Whether `request` is to be in another group.
    pub(crate) fn is_full(&self, request: &Request) -> bool {
        let is_conditional = matches!(
            request,
            Request::Execute(request) if request.execution.expect_root.is_some()
        );
        self.requests > 0
            && (is_conditional
                || self.requests >= self.writer.shared.config.group
                || self.writes_bytes > GROUP_BYTES_MAX)
    }

    /// Adds a request, or answers it if there is nothing to commit.
    pub(crate) fn add(&mut self, request: Request) {
        self.requests += 1;
        match request {
            Request::Execute(request) => self.add_execution(request),
            Request::Record(request) => self.add_record(request),
            Request::Control(_) => unreachable!("the writer runs it between groups"),
        }
    }

    /// What is to be committed, and who asks for the same again.
    pub(crate) fn finish(self) -> (Vec<Slot>, Vec<Item>) {
        (self.slots, self.again)
    }

    fn add_execution(&mut self, request: Box<ExecuteRequest>) {
        if !request.answer.take() {
            return request.answer.send(Err(ExecuteError::Cancelled));
        }
        let id = request.asked.id.as_ref();
        if self.is_in_group(id) {
            let refusal = None;
            return self.again.push(Item::Execution { request, refusal });
        }
        let asked = &request.asked;
        let repeated = id.map(|id| (self.writer).repeated(id, asked.digest, asked.searched));
        match repeated.transpose().map(Option::flatten) {
            Err(error) => return request.answer.send(Err(error)),
            Ok(Some(outcome)) => {
                let outcome = outcome.executed().ok_or(ExecuteError::Closed);
                return request.answer.send(outcome);
            }
            Ok(None) => {}
        }
        match self.refusal(&request.execution) {
            Ok(refusal) => {
                let mut request = request;
                let changes = refusal.is_none() && writes(&request.execution);
                match &refusal {
                    Some(reason) => reject(&mut request.execution, reason),
                    None if changes => self.overlay(&request.execution),
                    None => {}
                }
                let refusal = refusal.map(|refusal| refusal.reason);
                self.push(changes, Item::Execution { request, refusal });
            }
            Err(error) => request
                .answer
                .send(Err(ExecuteError::Storage(error.into()))),
        }
    }

    fn add_record(&mut self, request: Box<RecordRequest>) {
        if !request.answer.take() {
            return request.answer.send(Err(ExecuteError::Cancelled));
        }
        let id = request.asked.id.as_ref();
        if self.is_in_group(id) {
            return self.again.push(Item::Record(request));
        }
        let asked = &request.asked;
        let repeated = id.map(|id| (self.writer).repeated(id, asked.digest, asked.searched));
        match repeated.transpose().map(Option::flatten) {
            Err(error) => request.answer.send(Err(error)),
            Ok(Some(outcome)) => {
                let outcome = outcome.recorded().ok_or(ExecuteError::Closed);
                request.answer.send(outcome);
            }
            Ok(None) => self.push(false, Item::Record(request)),
        }
    }

    fn is_in_group(&self, id: Option<&crate::queue::Id>) -> bool {
        let same = |item: &Item| id.is_some() && item.asked().id.as_ref() == id;
        self.slots.iter().flat_map(|slot| &slot.items).any(same)
    }

    fn push(&mut self, changes: bool, item: Item) {
        let bytes = item.record_bytes() + RECORD_OVERHEAD;
        let fits = |slot: &Slot| !slot.changes && slot.record_bytes + bytes <= RECORDS_BYTES_MAX;
        match self.slots.last_mut().filter(|slot| !changes && fits(slot)) {
            Some(slot) => {
                slot.record_bytes += bytes;
                slot.items.push(item);
            }
            None => self.slots.push(Slot {
                items: vec![item],
                changes,
                record_bytes: bytes,
            }),
        }
    }

    fn overlay(&mut self, execution: &Execution) {
        for write in &execution.writes {
            let value = write.value.as_ref().map_or(0, Vec::len);
            self.writes_bytes += write.key.len() + value;
            if !self.writer.shared.config.invariants.is_empty() {
                self.overlay.insert(write.key.clone(), write.value.clone());
            }
        }
    }

    /// Why an execution is to be rejected, if it is.
    fn refusal(&self, execution: &Execution) -> Result<Option<Refusal>, ReadError> {
        let shared = &self.writer.shared;
        let root = shared.db.version().root;
        if let Some(expected) = execution.expect_root
            && expected != root
        {
            let reason = format!("the root is {root}, expected was {expected}");
            return Ok(Some(Refusal::new("expected_root", &reason)));
        }
        if !writes(execution) || shared.config.invariants.is_empty() {
            return Ok(None);
        }
        let before = |key: &[u8]| match self.overlay.get(key) {
            Some(value) => Ok(value.clone()),
            None => shared.db.get(key),
        };
        let change = Change::new(execution, &before)?;
        let check = |invariant: &Arc<dyn Invariant>| {
            let violation = invariant.check(&change).err()?;
            Some(Refusal::new(invariant.name(), &violation.reason))
        };
        Ok(shared.config.invariants.iter().find_map(check))
    }
}

/// Whether it is to change the state.
fn writes(execution: &Execution) -> bool {
    execution.record.status == ExecutionStatus::Proved && !execution.writes.is_empty()
}

/// What refuses an execution, and why.
struct Refusal {
    layer: String,
    reason: String,
}

impl Refusal {
    fn new(layer: &str, reason: &str) -> Self {
        let reason = format!("{layer}: {reason}");
        Self {
            layer: layer.to_owned(),
            reason: reason[..reason.floor_char_boundary(REASON_BYTES_MAX)].to_owned(),
        }
    }
}

/// Makes an execution one that is recorded as rejected and writes nothing.
fn reject(execution: &mut Execution, refusal: &Refusal) {
    let record = &mut execution.record;
    record.status = ExecutionStatus::Rejected;
    let reason = serde_json::json!({ "success": false, "refused": refusal.reason });
    record.result = Some(Text::plain(reason.to_string()));
    let name = &refusal.layer;
    let is_name = !name.is_empty()
        && name.len() <= vigilance::NAME_BYTES_MAX
        && !name.bytes().any(|byte| byte < 0x20 || byte == 0x7f);
    let has_room = record.layer_results.len() < vigilance::ENTRIES_MAX;
    if is_name && (has_room || record.layer_results.contains_key(name)) {
        record
            .layer_results
            .insert(name.clone(), LayerOutcome::Refused);
    }
}

impl Item {
    pub(crate) fn asked(&self) -> &crate::queue::Asked {
        match self {
            Self::Execution { request, .. } => &request.asked,
            Self::Record(request) => &request.asked,
        }
    }

    /// Answers whoever asked.
    pub(crate) fn answer(self, outcome: Result<Outcome, ExecuteError>) {
        match (self, outcome) {
            (Self::Execution { request, .. }, Ok(Outcome::Executed(executed))) => {
                request.answer.send(Ok(executed));
            }
            (Self::Record(request), Ok(Outcome::Recorded(recorded))) => {
                request.answer.send(Ok(recorded));
            }
            (Self::Execution { request, .. }, outcome) => {
                let error = outcome.err().unwrap_or(ExecuteError::Closed);
                request.answer.send(Err(error));
            }
            (Self::Record(request), outcome) => {
                let error = outcome.err().unwrap_or(ExecuteError::Closed);
                request.answer.send(Err(error));
            }
        }
    }

    /// Most bytes that its record takes.
    fn record_bytes(&self) -> usize {
        vigilance::CANONICAL_BYTES_MAX.min(self.asked().record_bytes + REASON_BYTES_MAX * 2)
    }
}

/// Most bytes of the reason for a rejection.
const REASON_BYTES_MAX: usize = 1000;

/// Bytes of writes from which on a group is large enough.
const GROUP_BYTES_MAX: usize = 16 << 20;
