//! Frames: what one write to the log holds.

use crate::engine::EngineBatch;

/// A frame without its changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FrameHead {
    /// How many frames there were before it, in all files and sessions, and one.
    pub(super) sequence: u64,
    /// How many times the log was opened before it was written, and one.
    pub(super) session: u64,
    /// The check of the frame before it: what follows a frame that was lost does not follow another.
    pub(super) previous: Check,
}

/// A hash of all that a frame holds.
pub(super) type Check = [u8; CHECK_BYTES];

/// A frame that was read.
pub(super) struct Frame {
    pub(super) head: FrameHead,
    pub(super) check: Check,
    pub(super) batch: EngineBatch,
    /// Bytes that it takes.
    pub(super) len: usize,
}

impl Frame {
    /// Whether `next` was written behind this one.
    pub(super) fn precedes(&self, next: &Self) -> bool {
        next.head.sequence == self.head.sequence + 1
            && next.head.session >= self.head.session
            && next.head.previous == self.check
    }
}

/// Writes a frame into `bytes`, in place of what was there, and returns its check; none if it is too
/// large for a frame.
pub(super) fn encode(bytes: &mut Vec<u8>, head: &FrameHead, batch: &EngineBatch) -> Option<Check> {
    bytes.clear();
    bytes.extend(MAGIC);
    bytes.extend([0; 4]);
    bytes.extend(head.session.to_be_bytes());
    bytes.extend(head.sequence.to_be_bytes());
    bytes.extend(head.previous);
    bytes.extend([0; CHECK_BYTES]);
    for (key, value) in &batch.changes {
        let len = value
            .as_ref()
            .map_or(Ok(REMOVED), |value| u32::try_from(value.len()));
        bytes.extend(u16::try_from(key.len()).ok()?.to_be_bytes());
        bytes.extend(key);
        bytes.extend(len.ok()?.to_be_bytes());
        bytes.extend(value.as_deref().unwrap_or_default());
    }
    let len = u32::try_from(bytes.len() - HEAD_BYTES).ok()?;
    bytes[4..8].copy_from_slice(&len.to_be_bytes());
    let check = check(&bytes[..CHECKED_BYTES], &bytes[HEAD_BYTES..]);
    bytes[CHECKED_BYTES..HEAD_BYTES].copy_from_slice(&check);
    Some(check)
}

/// The frame at the start of `bytes`; none if there is no whole one.
pub(super) fn decode(bytes: &[u8]) -> Option<Frame> {
    let (fields, rest) = bytes.split_at_checked(CHECKED_BYTES)?;
    let (stored, rest) = rest.split_at_checked(CHECK_BYTES)?;
    let (magic, mut numbers) = fields.split_first_chunk::<4>()?;
    let len = u32::from_be_bytes(take(&mut numbers)?) as usize;
    let session = u64::from_be_bytes(take(&mut numbers)?);
    let sequence = u64::from_be_bytes(take(&mut numbers)?);
    let previous = take(&mut numbers)?;
    let mut changes = rest.get(..len)?;
    let check = check(fields, changes);
    if magic != MAGIC || stored != check {
        return None;
    }
    let mut batch = EngineBatch::default();
    while !changes.is_empty() {
        let len = u16::from_be_bytes(take(&mut changes)?);
        let key = take_slice(&mut changes, usize::from(len))?.to_vec();
        let value = match u32::from_be_bytes(take(&mut changes)?) {
            REMOVED => None,
            len => Some(take_slice(&mut changes, len as usize)?.to_vec()),
        };
        batch.changes.push((key, value));
    }
    Some(Frame {
        head: FrameHead {
            sequence,
            session,
            previous,
        },
        check,
        batch,
        len: HEAD_BYTES + len,
    })
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, left) = rest.split_first_chunk()?;
    *rest = left;
    Some(*taken)
}

fn take_slice<'a>(rest: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(len)?;
    *rest = left;
    Some(taken)
}

fn check(fields: &[u8], changes: &[u8]) -> Check {
    let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
    hasher.update(fields);
    hasher.update(changes);
    *hasher.finalize().as_bytes()
}

const CONTEXT: &str = "reality-db 2026-11 log frame";

/// What a frame starts with; the last byte is the version of the format.
const MAGIC: &[u8; 4] = b"rdw\x01";

const CHECK_BYTES: usize = 32;
const CHECKED_BYTES: usize = 4 + 4 + 8 + 8 + CHECK_BYTES;
const HEAD_BYTES: usize = CHECKED_BYTES + CHECK_BYTES;

/// The length that stands for no value.
const REMOVED: u32 = u32::MAX;
