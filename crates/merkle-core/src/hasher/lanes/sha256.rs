//! SHA-256 in lanes: FIPS 180-4, section 6.2.

use fearless_simd::{Level, Simd, prelude::*};

use super::{BLOCK, Kernel, MAX_LANES, Words};
use crate::Hash;
use crate::hasher::sha256::{START, digest};

/// SHA-256 of any message.
#[derive(Clone, Copy)]
pub(in crate::hasher) struct Sha256;

impl Kernel for Sha256 {
    const GAIN: usize = 2;

    fn pays(self, level: Level) -> bool {
        // Instructions for SHA-256 beat all but the widest vectors.
        #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
        return level.as_avx512().is_some()
            || (level.as_sse2().is_some() && !std::arch::is_x86_feature_detected!("sha"));
        // Elsewhere they are common, and nobody has measured where they are not.
        #[cfg(not(any(target_arch = "x86", target_arch = "x86_64")))]
        {
            let _ = level;
            false
        }
    }

    fn single(self, message: &[u8]) -> Hash {
        digest(message)
    }

    #[inline(always)]
    fn inner<S: Simd>(self, simd: S, children: [Words<S>; 16]) -> [Words<S>; 8] {
        let children = swap_bytes::<S, 16>(children);
        // The children lie one byte behind the prefix 0x01.
        let mut first = children;
        first[0] = (children[0] >> 8) | 0x0100_0000;
        for i in 1..16 {
            first[i] = (children[i - 1] << 24) | (children[i] >> 8);
        }
        let mut last = [Words::<S>::splat(simd, 0); 16];
        last[0] = (children[15] << 24) | 0x0080_0000;
        last[15] = Words::<S>::splat(simd, 65 * 8);
        let state = compress(simd, self.start(simd), first);
        self.finish(simd, compress(simd, state, last))
    }

    fn blocks(self, len: usize) -> usize {
        (len + 8) / BLOCK + 1
    }

    fn pad(self, message: &[u8], index: usize, block: &mut [u8; BLOCK]) {
        let start = index * BLOCK;
        if let Some(rest) = message.get(start..) {
            block[..rest.len()].copy_from_slice(rest);
            block[rest.len()] = 0x80;
        }
        if index + 1 == self.blocks(message.len()) {
            block[BLOCK - 8..].copy_from_slice(&(message.len() as u64 * 8).to_be_bytes());
        }
    }

    #[inline(always)]
    fn start<S: Simd>(self, simd: S) -> [Words<S>; 8] {
        let mut state = [Words::<S>::splat(simd, 0); 8];
        for (state, start) in state.iter_mut().zip(START) {
            *state = Words::<S>::splat(simd, start);
        }
        state
    }

    #[inline(always)]
    fn absorb<S: Simd>(
        self,
        simd: S,
        state: [Words<S>; 8],
        block: [Words<S>; 16],
        _index: usize,
        _lens: &[usize; MAX_LANES],
    ) -> [Words<S>; 8] {
        compress(simd, state, swap_bytes::<S, 16>(block))
    }

    #[inline(always)]
    fn finish<S: Simd>(self, _simd: S, state: [Words<S>; 8]) -> [Words<S>; 8] {
        swap_bytes::<S, 8>(state)
    }
}

/// Turns big-endian words into little-endian ones, or back.
#[inline(always)]
fn swap_bytes<S: Simd, const N: usize>(mut words: [Words<S>; N]) -> [Words<S>; N] {
    for word in &mut words {
        *word = (rotate::<S, 8>(*word) & 0xff00_ff00) | (rotate::<S, 24>(*word) & 0x00ff_00ff);
    }
    words
}

/// Rotates right by `N` bits.
#[inline(always)]
fn rotate<S: Simd, const N: u32>(word: Words<S>) -> Words<S> {
    (word >> N) | (word << (32 - N))
}

/// The state after one block.
#[inline(always)]
fn compress<S: Simd>(simd: S, start: [Words<S>; 8], mut w: [Words<S>; 16]) -> [Words<S>; 8] {
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = start;
    // Sixteen rounds are written out: then state and message stay in registers.
    macro_rules! round {
        ($t:expr, $i:expr) => {
            let e1 = rotate::<S, 6>(e) ^ rotate::<S, 11>(e) ^ rotate::<S, 25>(e);
            let choice = g ^ (e & (f ^ g));
            let t1 = h + Words::<S>::splat(simd, K[$t + $i]) + w[$i] + choice + e1;
            let a0 = rotate::<S, 2>(a) ^ rotate::<S, 13>(a) ^ rotate::<S, 22>(a);
            let majority = (a & b) ^ (c & (a ^ b));
            (h, g, f, e, d, c, b, a) = (g, f, e, d + t1, c, b, a, t1 + (a0 + majority));
        };
    }
    macro_rules! schedule {
        ($t:expr, $i:expr) => {
            let (w1, w14) = (w[($i + 1) % 16], w[($i + 14) % 16]);
            let s0 = rotate::<S, 7>(w1) ^ rotate::<S, 18>(w1) ^ (w1 >> 3);
            let s1 = rotate::<S, 17>(w14) ^ rotate::<S, 19>(w14) ^ (w14 >> 10);
            w[$i] += s0 + w[($i + 9) % 16] + s1;
            round!($t, $i);
        };
    }
    macro_rules! sixteen {
        ($step:ident, $t:expr) => {
            $step!($t, 0);
            $step!($t, 1);
            $step!($t, 2);
            $step!($t, 3);
            $step!($t, 4);
            $step!($t, 5);
            $step!($t, 6);
            $step!($t, 7);
            $step!($t, 8);
            $step!($t, 9);
            $step!($t, 10);
            $step!($t, 11);
            $step!($t, 12);
            $step!($t, 13);
            $step!($t, 14);
            $step!($t, 15);
        };
    }
    sixteen!(round, 0);
    for t in [16, 32, 48] {
        sixteen!(schedule, t);
    }
    let mut state = [a, b, c, d, e, f, g, h];
    for (state, start) in state.iter_mut().zip(start) {
        *state += start;
    }
    state
}

/// The constants of the rounds: FIPS 180-4, section 4.2.2.
#[rustfmt::skip]
const K: [u32; 64] = [
    0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5, 0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5,
    0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3, 0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174,
    0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc, 0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da,
    0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7, 0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967,
    0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13, 0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85,
    0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3, 0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070,
    0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5, 0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3,
    0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208, 0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2,
];
