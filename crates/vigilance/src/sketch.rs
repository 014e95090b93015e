//! Quantiles of many numbers in little space.

use crate::uvarint;

/// A summary of unsigned numbers (durations in nanoseconds, say) that answers quantiles with a
/// relative error of at most 1/128.
///
/// Numbers are counted in buckets: exact below 128, and 64 to each power of two above. Only
/// integers are involved, so the same numbers give the same bytes on every machine and in every
/// order, and [`merge`](Self::merge) of two sketches is exactly the sketch of all their numbers.
/// Sum, least and greatest are kept exactly. At most 3,776 buckets; a few hundred in practice.
///
/// ```
/// use vigilance::Sketch;
///
/// let mut sketch = Sketch::new();
/// (1..=1000).for_each(|elapsed_ns| sketch.insert(elapsed_ns));
/// let median = sketch.quantile(500).unwrap();
/// assert!(median.abs_diff(500) <= 500 / 128);
/// assert_eq!((sketch.count(), sketch.max()), (1000, Some(1000)));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sketch {
    // INVARIANT: keys ascend and are at most KEY_MAX, counts are not zero and add up to `count`;
    // `least` and `greatest` lie in the first and the last bucket, and are 0 in an empty sketch.
    buckets: Vec<(u16, u64)>,
    count: u64,
    sum: u128,
    least: u64,
    greatest: u64,
}

impl Sketch {
    /// The relative error of a [`quantile`](Self::quantile) is at most one in this many.
    pub const RELATIVE_ERROR_ONE_IN: u64 = 2 << PRECISION_BITS;

    /// A sketch of nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            buckets: Vec::new(),
            count: 0,
            sum: 0,
            least: 0,
            greatest: 0,
        }
    }

    /// Counts one number.
    pub fn insert(&mut self, value: u64) {
        let key = key_of(value);
        match self.buckets.binary_search_by_key(&key, |bucket| bucket.0) {
            Ok(at) => self.buckets[at].1 = self.buckets[at].1.saturating_add(1),
            Err(at) => self.buckets.insert(at, (key, 1)),
        }
        self.widen(value, value);
        self.count = self.count.saturating_add(1);
        self.sum = self.sum.saturating_add(u128::from(value));
    }

    /// Counts the numbers of another sketch. Counts stop at their largest value, which no machine
    /// reaches by counting.
    pub fn merge(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        for &(key, more) in &other.buckets {
            match self.buckets.binary_search_by_key(&key, |bucket| bucket.0) {
                Ok(at) => self.buckets[at].1 = self.buckets[at].1.saturating_add(more),
                Err(at) => self.buckets.insert(at, (key, more)),
            }
        }
        self.widen(other.least, other.greatest);
        self.count = self.count.saturating_add(other.count);
        self.sum = self.sum.saturating_add(other.sum);
    }

    /// How many numbers were counted.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Their exact sum.
    #[must_use]
    pub const fn sum(&self) -> u128 {
        self.sum
    }

    /// The least of them, exactly; `None` where there are none.
    #[must_use]
    pub fn min(&self) -> Option<u64> {
        (self.count > 0).then_some(self.least)
    }

    /// The greatest of them, exactly; `None` where there are none.
    #[must_use]
    pub fn max(&self) -> Option<u64> {
        (self.count > 0).then_some(self.greatest)
    }

    /// Their mean, rounded down; `None` where there are none.
    #[must_use]
    pub fn mean(&self) -> Option<u64> {
        let mean = self.sum.checked_div(u128::from(self.count))?;
        Some(u64::try_from(mean).expect("a mean is at most the greatest"))
    }

    /// The number of which `per_mille` of a thousand are not greater (500 for the median), off
    /// by at most 1/128 of itself; `None` where there are none.
    ///
    /// It is the number of rank `ceil(count * per_mille / 1000)` in ascending order, and at least
    /// the first; above 1000 counts as 1000.
    #[must_use]
    pub fn quantile(&self, per_mille: u16) -> Option<u64> {
        let per_mille = u128::from(per_mille.min(1000));
        let rank = (u128::from(self.count) * per_mille).div_ceil(1000).max(1);
        let mut seen = 0_u128;
        for &(key, count) in &self.buckets {
            seen += u128::from(count);
            if seen >= rank {
                return Some(middle_of(key).clamp(self.least, self.greatest));
            }
        }
        None
    }

    /// How many of the numbers are greater than `value`, as far as buckets tell: numbers in the
    /// bucket of `value` count as not greater.
    #[must_use]
    pub fn count_above(&self, value: u64) -> u64 {
        let key = key_of(value);
        let above = self.buckets.iter().filter(|bucket| bucket.0 > key);
        above.map(|bucket| bucket.1).sum()
    }

    /// How many of the numbers are in lower buckets than `value`, and how many in the same one.
    pub(crate) fn rank_of(&self, value: u64) -> (u64, u64) {
        let key = key_of(value);
        let below = self.buckets.iter().take_while(|bucket| bucket.0 < key);
        let same = self.buckets.binary_search_by_key(&key, |bucket| bucket.0);
        let same = same.map_or(0, |at| self.buckets[at].1);
        (below.map(|bucket| bucket.1).sum(), same)
    }

    /// Appends the one encoding of this sketch: see `docs/formats/rollup.md`.
    pub(crate) fn encode_into(&self, out: &mut Vec<u8>) {
        uvarint::put(out, self.buckets.len() as u64);
        if self.buckets.is_empty() {
            return;
        }
        let mut next = 0;
        for &(key, count) in &self.buckets {
            uvarint::put(out, u64::from(key - next));
            uvarint::put(out, count);
            next = key + 1;
        }
        uvarint::put(out, self.least);
        uvarint::put(out, self.greatest);
        out.extend_from_slice(&self.sum.to_be_bytes());
    }

    /// Takes a sketch off the front of `bytes`; `None` where they are not the encoding of one.
    pub(crate) fn take(bytes: &mut &[u8]) -> Option<Self> {
        let length = usize::try_from(uvarint::take(bytes)?).ok()?;
        // A bucket takes two bytes at least: a length that lies reserves nothing.
        if length > usize::from(KEY_MAX) + 1 || length > bytes.len() / 2 {
            return None;
        }
        let mut sketch = Self::new();
        if length == 0 {
            return Some(sketch);
        }
        sketch.buckets.reserve_exact(length);
        let mut next = 0_u64;
        for _ in 0..length {
            let key = next.checked_add(uvarint::take(bytes)?)?;
            let count = uvarint::take(bytes).filter(|count| *count > 0)?;
            let narrow = u16::try_from(key).ok().filter(|key| *key <= KEY_MAX)?;
            sketch.buckets.push((narrow, count));
            sketch.count = sketch.count.checked_add(count)?;
            next = key + 1;
        }
        sketch.least = uvarint::take(bytes)?;
        sketch.greatest = uvarint::take(bytes)?;
        let (sum, rest) = bytes.split_first_chunk()?;
        sketch.sum = u128::from_be_bytes(*sum);
        *bytes = rest;
        sketch.is_possible().then_some(sketch)
    }

    /// Whether least, greatest and sum can be those of numbers in these buckets.
    fn is_possible(&self) -> bool {
        let (Some(first), Some(last)) = (self.buckets.first(), self.buckets.last()) else {
            return false;
        };
        let count = u128::from(self.count);
        first.0 == key_of(self.least)
            && last.0 == key_of(self.greatest)
            && self.least <= self.greatest
            && u128::from(self.least) * count <= self.sum
            && self.sum <= u128::from(self.greatest) * count
    }

    fn widen(&mut self, least: u64, greatest: u64) {
        if self.count == 0 {
            (self.least, self.greatest) = (least, greatest);
        } else {
            self.least = self.least.min(least);
            self.greatest = self.greatest.max(greatest);
        }
    }
}

/// Counts each number.
impl Extend<u64> for Sketch {
    fn extend<I: IntoIterator<Item = u64>>(&mut self, values: I) {
        values.into_iter().for_each(|value| self.insert(value));
    }
}

/// The sketch of these numbers.
impl FromIterator<u64> for Sketch {
    fn from_iter<I: IntoIterator<Item = u64>>(values: I) -> Self {
        let mut sketch = Self::new();
        sketch.extend(values);
        sketch
    }
}

/// Buckets to a power of two are two to this power.
const PRECISION_BITS: u32 = 6;

/// The bucket of `u64::MAX`.
const KEY_MAX: u16 = 3775;

/// The bucket of a number: itself below 128, then its leading seven bits and how many follow.
fn key_of(value: u64) -> u16 {
    let shift = shift_of(value);
    let key = (u64::from(shift) << PRECISION_BITS) + (value >> shift);
    u16::try_from(key).expect("the largest key is 3775")
}

/// How many bits of a number its bucket leaves open.
fn shift_of(value: u64) -> u32 {
    value.max(1).ilog2().saturating_sub(PRECISION_BITS)
}

/// The number in the middle of a bucket.
fn middle_of(key: u16) -> u64 {
    let key = u64::from(key);
    let shift = (key >> PRECISION_BITS).saturating_sub(1);
    let low = (key - (shift << PRECISION_BITS)) << shift;
    low + ((1_u64 << shift) >> 1)
}

#[cfg(test)]
mod tests;
