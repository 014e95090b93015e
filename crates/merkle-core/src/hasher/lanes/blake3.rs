//! BLAKE3 in lanes, of messages of one chunk: BLAKE3 paper, section 2.

use fearless_simd::{Level, Simd, prelude::*};

use super::{BLOCK, Kernel, MAX_LANES, Words};
use crate::Hash;
use crate::hasher::blake3::{LEAF_KEY, digest, leaf_digest};
use crate::hasher::sha256::START;

/// BLAKE3, unkeyed or keyed for leaves.
#[derive(Clone, Copy)]
pub(in crate::hasher) struct Blake3 {
    key: [u32; 8],
    /// Flags of every block.
    flags: u32,
    single: fn(&[u8]) -> Hash,
}

impl Blake3 {
    /// BLAKE3 of any message. Its key is the initial state of SHA-256.
    pub(in crate::hasher) const HASH: Self = Self {
        key: START,
        flags: 0,
        single: digest,
    };

    /// BLAKE3, keyed for leaves.
    pub(in crate::hasher) const LEAF: Self = Self {
        key: words(LEAF_KEY),
        flags: KEYED_HASH,
        single: leaf_digest,
    };
}

const CHUNK_START: u32 = 1;
const CHUNK_END: u32 = 1 << 1;
const ROOT: u32 = 1 << 3;
const KEYED_HASH: u32 = 1 << 4;

impl Kernel for Blake3 {
    const GAIN: usize = 4;

    fn pays(self, level: Level) -> bool {
        !level.is_fallback()
    }

    fn single(self, message: &[u8]) -> Hash {
        (self.single)(message)
    }

    #[inline(always)]
    fn inner<S: Simd>(self, simd: S, children: [Words<S>; 16]) -> [Words<S>; 8] {
        let len = Words::<S>::splat(simd, 64);
        let flags = Words::<S>::splat(simd, self.flags | CHUNK_START | CHUNK_END | ROOT);
        compress(simd, self.start(simd), children, len, flags)
    }

    fn blocks(self, len: usize) -> usize {
        len.div_ceil(BLOCK).max(1)
    }

    fn pad(self, message: &[u8], index: usize, block: &mut [u8; BLOCK]) {
        if let Some(rest) = message.get(index * BLOCK..) {
            block[..rest.len()].copy_from_slice(rest);
        }
    }

    #[inline(always)]
    fn start<S: Simd>(self, simd: S) -> [Words<S>; 8] {
        let mut state = [Words::<S>::splat(simd, 0); 8];
        for (state, key) in state.iter_mut().zip(self.key) {
            *state = Words::<S>::splat(simd, key);
        }
        state
    }

    #[inline(always)]
    fn absorb<S: Simd>(
        self,
        simd: S,
        state: [Words<S>; 8],
        block: [Words<S>; 16],
        index: usize,
        lens: &[usize; MAX_LANES],
    ) -> [Words<S>; 8] {
        let mut block_lens = [0; MAX_LANES];
        let mut flags = [self.flags; MAX_LANES];
        for ((block_len, flags), len) in block_lens.iter_mut().zip(&mut flags).zip(lens) {
            let rest = len.saturating_sub(index * BLOCK);
            *block_len = bytes_of_block(rest);
            if index == 0 {
                *flags |= CHUNK_START;
            }
            if rest <= BLOCK {
                *flags |= CHUNK_END | ROOT;
            }
        }
        let lanes = Words::<S>::LEN;
        let block_lens = Words::<S>::from_slice(simd, &block_lens[..lanes]);
        let flags = Words::<S>::from_slice(simd, &flags[..lanes]);
        compress(simd, state, block, block_lens, flags)
    }

    #[inline(always)]
    fn finish<S: Simd>(self, _simd: S, state: [Words<S>; 8]) -> [Words<S>; 8] {
        state
    }
}

/// Bytes of a block that has `rest` bytes of the message left for it and those that follow.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a block has at most 64 bytes"
)]
fn bytes_of_block(rest: usize) -> u32 {
    rest.min(BLOCK) as u32
}

const fn words(key: [u8; 32]) -> [u32; 8] {
    let mut words = [0; 8];
    let mut i = 0;
    while i < 8 {
        words[i] = u32::from_le_bytes([key[4 * i], key[4 * i + 1], key[4 * i + 2], key[4 * i + 3]]);
        i += 1;
    }
    words
}

/// Rotates right by `N` bits.
#[inline(always)]
fn rotate<S: Simd, const N: u32>(word: Words<S>) -> Words<S> {
    (word >> N) | (word << (32 - N))
}

/// The chaining value after one block of the first chunk.
#[inline(always)]
fn compress<S: Simd>(
    simd: S,
    state: [Words<S>; 8],
    mut m: [Words<S>; 16],
    block_len: Words<S>,
    flags: Words<S>,
) -> [Words<S>; 8] {
    let mut v = [Words::<S>::splat(simd, 0); 16];
    v[..8].copy_from_slice(&state);
    for i in 0..4 {
        v[8 + i] = Words::<S>::splat(simd, START[i]);
    }
    // v[12] and v[13] are the chunk's number, 0.
    v[14] = block_len;
    v[15] = flags;
    macro_rules! mix {
        ($i:expr, $a:expr, $b:expr, $c:expr, $d:expr) => {
            v[$a] += m[2 * $i] + v[$b];
            v[$d] = rotate::<S, 16>(v[$d] ^ v[$a]);
            v[$c] += v[$d];
            v[$b] = rotate::<S, 12>(v[$b] ^ v[$c]);
            v[$a] += m[2 * $i + 1] + v[$b];
            v[$d] = rotate::<S, 8>(v[$d] ^ v[$a]);
            v[$c] += v[$d];
            v[$b] = rotate::<S, 7>(v[$b] ^ v[$c]);
        };
    }
    // The rounds are written out: then the permutations cost nothing.
    macro_rules! rounds {
        (permute $($rest:tt)*) => {
            m = [
                m[2], m[6], m[3], m[10], m[7], m[0], m[4], m[13], m[1], m[11], m[12], m[5], m[9], m[14], m[15], m[8],
            ];
            rounds!($($rest)*);
        };
        (round $($rest:tt)*) => {
            mix!(0, 0, 4, 8, 12);
            mix!(1, 1, 5, 9, 13);
            mix!(2, 2, 6, 10, 14);
            mix!(3, 3, 7, 11, 15);
            mix!(4, 0, 5, 10, 15);
            mix!(5, 1, 6, 11, 12);
            mix!(6, 2, 7, 8, 13);
            mix!(7, 3, 4, 9, 14);
            rounds!($($rest)*);
        };
        () => {};
    }
    rounds!(round permute round permute round permute round permute round permute round permute round);
    let mut next = state;
    for i in 0..8 {
        next[i] = v[i] ^ v[i + 8];
    }
    next
}
