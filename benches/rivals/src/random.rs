//! Random numbers that are the same in every run.

/// SplitMix64: seeded, so that every run does the same work.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed << 32)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        let bounded = (u128::from(self.next()) * bound as u128) >> 64;
        usize::try_from(bounded).expect("below a usize")
    }

    /// `count` numbers below `bound`.
    pub(crate) fn places(&mut self, count: usize, bound: usize) -> Vec<usize> {
        (0..count).map(|_| self.below(bound)).collect()
    }

    pub(crate) fn key(&mut self) -> [u8; 32] {
        let mut key = [0; 32];
        for chunk in key.as_chunks_mut::<8>().0 {
            *chunk = self.next().to_le_bytes();
        }
        key
    }
}
