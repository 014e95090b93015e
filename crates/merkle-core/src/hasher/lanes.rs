//! Many independent hashes at once, one in each lane of the processor's vectors.
//!
//! A compression function runs here on vectors of words, word `i` of every lane's message in
//! vector `i`. What is hashed is what the profile's single-node methods hash. Measurements:
//! `docs/decisions/0002-batch-hashing.md`.

mod blake3;
mod sha256;
#[cfg(test)]
mod tests;

pub(super) use self::{blake3::Blake3, sha256::Sha256};

use fearless_simd::{Level, Simd, dispatch, prelude::*};

use super::Hasher;
use crate::Hash;

/// One word of each lane's message or state.
type Words<S> = <S as Simd>::u32s;

/// Lanes of the widest vectors.
const MAX_LANES: usize = 16;

/// Blocks of the longest message that is hashed in lanes: a chunk of BLAKE3. Lanes are for many
/// short messages; a long one is faster alone.
const MAX_BLOCKS: usize = 16;

/// Bytes of a block, in both profiles.
const BLOCK: usize = 64;

/// A hash function whose compressions can run in lanes. Words are little-endian here.
///
/// Every method that takes a `simd` token is `#[inline(always)]`: it must become part of the
/// function that the processor's features are enabled for.
pub(super) trait Kernel: Copy {
    /// A compression in a full set of lanes costs as much as this share of its lanes hashed alone:
    /// 1 in `GAIN`.
    const GAIN: usize;

    /// Whether lanes are faster than single messages on this processor.
    fn pays(self, level: Level) -> bool;

    /// The hash of one message alone.
    fn single(self, message: &[u8]) -> Hash;

    /// The hashes of inner nodes, of which `children` are the 64 bytes of both children.
    fn inner<S: Simd>(self, simd: S, children: [Words<S>; 16]) -> [Words<S>; 8];

    /// How many blocks a message of `len` bytes has, with its padding.
    fn blocks(self, len: usize) -> usize;

    /// Writes block `index`, not wholly message, of `message` over zeros.
    fn pad(self, message: &[u8], index: usize, block: &mut [u8; BLOCK]);

    /// The state before the first block.
    fn start<S: Simd>(self, simd: S) -> [Words<S>; 8];

    /// The state after block `index` of messages of `lens` bytes.
    fn absorb<S: Simd>(
        self,
        simd: S,
        state: [Words<S>; 8],
        block: [Words<S>; 16],
        index: usize,
        lens: &[usize; MAX_LANES],
    ) -> [Words<S>; 8];

    /// The words of the hash, from the state after the last block.
    fn finish<S: Simd>(self, simd: S, state: [Words<S>; 8]) -> [Words<S>; 8];
}

/// [`Hasher::inner_many`], in lanes where that is faster.
pub(super) fn inner_many<H: Hasher, K: Kernel>(
    hasher: &H,
    kernel: K,
    nodes: &[[Hash; 2]],
    out: &mut [Hash],
) {
    let level = Level::new();
    let done = if kernel.pays(level) {
        dispatch!(level, simd => inner_in_lanes(simd, kernel, nodes, out))
    } else {
        0
    };
    for ([left, right], out) in nodes.iter().zip(out).skip(done) {
        *out = hasher.inner(left, right);
    }
}

/// Hashes each of `messages`, in lanes where that is faster.
pub(super) fn message_many<K: Kernel>(kernel: K, messages: &[&[u8]], out: &mut [Hash]) {
    let level = Level::new();
    if kernel.pays(level) {
        dispatch!(level, simd => messages_in_lanes(simd, kernel, messages, out));
    } else {
        for (message, out) in messages.iter().zip(out) {
            *out = kernel.single(message);
        }
    }
}

/// [`Hasher::leaf_many`], in lanes where that is faster. `write` writes what a leaf hashes, unless
/// the key is too long for its room.
pub(super) fn leaf_many<H: Hasher, K: Kernel, const ROOM: usize>(
    hasher: &H,
    kernel: K,
    write: fn(&[u8], &Hash, &mut [u8; ROOM]) -> Option<usize>,
    leaves: &[(&[u8], Hash)],
    out: &mut [Hash],
) {
    let mut room = [[0; ROOM]; MAX_LANES];
    for (leaves, out) in leaves.chunks(MAX_LANES).zip(out.chunks_mut(MAX_LANES)) {
        let mut messages: [&[u8]; MAX_LANES] = [&[]; MAX_LANES];
        let mut written = 0;
        for ((message, room), (key, value_hash)) in messages.iter_mut().zip(&mut room).zip(leaves) {
            let Some(len) = write(key, value_hash, room) else {
                break;
            };
            *message = &room[..len];
            written += 1;
        }
        message_many(kernel, &messages[..written], out);
        for ((key, value_hash), out) in leaves.iter().zip(out).skip(written) {
            *out = hasher.leaf(key, value_hash);
        }
    }
}

/// Hashes inner nodes from the first on, and gives how many; the others are too few for the lanes.
#[inline(always)]
fn inner_in_lanes<S: Simd, K: Kernel>(
    simd: S,
    kernel: K,
    nodes: &[[Hash; 2]],
    out: &mut [Hash],
) -> usize {
    let lanes = Words::<S>::LEN;
    let mut done = 0;
    for (nodes, out) in nodes.chunks(lanes).zip(out.chunks_mut(lanes)) {
        if nodes.len() * K::GAIN < lanes {
            break;
        }
        let mut rows = [Words::<S>::splat(simd, 0); 16];
        for lane in 0..lanes {
            let [left, right] = &nodes[lane.min(nodes.len() - 1)];
            let mut block = [0; BLOCK];
            block[..Hash::LEN].copy_from_slice(left.as_bytes());
            block[Hash::LEN..].copy_from_slice(right.as_bytes());
            load_row(simd, &mut rows, lane, &block);
        }
        let state = kernel.inner(simd, to_lanes::<S>(rows));
        store::<S>(state, out);
        done += nodes.len();
    }
    done
}

/// Hashes each of `messages`: those that lie together in lanes, if their lengths leave few idle.
#[inline(always)]
fn messages_in_lanes<S: Simd, K: Kernel>(simd: S, kernel: K, messages: &[&[u8]], out: &mut [Hash]) {
    let lanes = Words::<S>::LEN;
    for (messages, out) in messages.chunks(lanes).zip(out.chunks_mut(lanes)) {
        let mut lens = [0; MAX_LANES];
        let mut blocks = [0; MAX_LANES];
        for ((len, blocks), message) in lens.iter_mut().zip(&mut blocks).zip(messages) {
            *len = message.len();
            *blocks = kernel.blocks(*len);
        }
        let most = blocks.into_iter().fold(0, usize::max);
        if most > MAX_BLOCKS || blocks.into_iter().sum::<usize>() * K::GAIN < most * lanes {
            for (message, out) in messages.iter().zip(out) {
                *out = kernel.single(message);
            }
            continue;
        }
        let mut state = kernel.start(simd);
        for index in 0..most {
            // Every padded block is written before the first is loaded: loading what has just been
            // written waits for it.
            let mut padded = [[0; BLOCK]; MAX_LANES];
            let mut live = [0; MAX_LANES];
            for (lane, message) in messages.iter().enumerate() {
                if index < blocks[lane] {
                    live[lane] = u32::MAX;
                    if whole_block(message, index).is_none() {
                        kernel.pad(message, index, &mut padded[lane]);
                    }
                }
            }
            let mut rows = [Words::<S>::splat(simd, 0); 16];
            for (lane, message) in messages.iter().enumerate() {
                let block = whole_block(message, index).unwrap_or(&padded[lane]);
                load_row(simd, &mut rows, lane, block);
            }
            let next = kernel.absorb(simd, state, to_lanes::<S>(rows), index, &lens);
            // A lane whose message has ended keeps its state.
            let live = Words::<S>::from_slice(simd, &live[..lanes]);
            for (state, next) in state.iter_mut().zip(next) {
                *state = *state ^ ((*state ^ next) & live);
            }
        }
        store::<S>(kernel.finish(simd, state), out);
    }
}

/// Block `index` of `message`, if it is wholly message.
#[inline(always)]
fn whole_block(message: &[u8], index: usize) -> Option<&[u8; BLOCK]> {
    message.get(index * BLOCK..)?.first_chunk()
}

/// Loads a lane's block as words in a row. A row is 16 words, that is one vector or more.
#[inline(always)]
fn load_row<S: Simd>(simd: S, rows: &mut [Words<S>; 16], lane: usize, block: &[u8; BLOCK]) {
    let lanes = Words::<S>::LEN;
    let vectors = 16 / lanes;
    for part in 0..vectors {
        let bytes = S::u8s::from_slice(simd, &block[part * lanes * 4..][..lanes * 4]);
        rows[lane * vectors + part] = bytes.bitcast();
    }
}

/// Turns a row for each lane into a vector for each of the 16 words.
#[inline(always)]
fn to_lanes<S: Simd>(rows: [Words<S>; 16]) -> [Words<S>; 16] {
    shuffle::<S, 16>(rows, Words::<S>::LEN.trailing_zeros())
}

/// Writes the hash of each lane, of as many as `out` is long.
#[inline(always)]
fn store<S: Simd>(state: [Words<S>; 8], out: &mut [Hash]) {
    let lanes = Words::<S>::LEN;
    let rows = shuffle::<S, 8>(state, 3);
    let mut bytes = [0; Hash::LEN * MAX_LANES];
    for (row, bytes) in rows.into_iter().zip(bytes.chunks_exact_mut(lanes * 4)) {
        let row: S::u8s = row.bitcast();
        row.store_slice(bytes);
    }
    for (out, bytes) in out.iter_mut().zip(bytes.as_chunks().0) {
        *out = Hash::from_bytes(*bytes);
    }
}

/// Interleaves the first half of the words of `rows`, seen as one sequence, with the second half;
/// so many times. Each time turns the binary number of a word's place left by one bit.
#[inline(always)]
fn shuffle<S: Simd, const N: usize>(mut rows: [Words<S>; N], times: u32) -> [Words<S>; N] {
    for _ in 0..times {
        let from = rows;
        for i in 0..N / 2 {
            rows[2 * i] = from[i].zip_low(from[N / 2 + i]);
            rows[2 * i + 1] = from[i].zip_high(from[N / 2 + i]);
        }
    }
    rows
}
