//! Which checkpoints are kept, and when another is written.

use crate::checkpoint::Pointer;
use crate::engine::Engine;
use crate::error::Fault;

/// First byte of the engine's keys that hold pointers to checkpoints.
const KIND: u8 = b'c';

/// Most checkpoints that are kept at a time.
const POINTERS_MAX: usize = 1 << 16;

/// The pointers of the checkpoints that are kept, in order of their versions.
///
/// One that cannot be read is passed over: a checkpoint only saves time.
pub(crate) fn list(engine: &dyn Engine) -> Result<Vec<Pointer>, Fault> {
    let mut pointers = Vec::new();
    for (key, value) in engine.scan(&[KIND], &[KIND + 1], POINTERS_MAX)? {
        match Pointer::decode(&value) {
            Ok(pointer) if key == self::key(pointer.version) => pointers.push(pointer),
            _ => tracing::warn!(?key, "passed over a damaged pointer to a checkpoint"),
        }
    }
    Ok(pointers)
}

fn key(version: u64) -> Vec<u8> {
    [&[KIND][..], &version.to_be_bytes()].concat()
}
