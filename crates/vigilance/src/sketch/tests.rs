use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// The number of that rank, by sorting.
fn exact_quantile(values: &[u64], per_mille: u16) -> u64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let rank = (values.len() * usize::from(per_mille))
        .div_ceil(1000)
        .max(1);
    sorted[rank - 1]
}

fn encode(sketch: &Sketch) -> Vec<u8> {
    let mut bytes = Vec::new();
    sketch.encode_into(&mut bytes);
    bytes
}

fn numbers() -> impl Strategy<Value = u64> {
    (any::<u64>(), 0..64_u32).prop_map(|(value, shift)| value >> shift)
}

proptest! {
    #[test]
    fn quantiles_are_within_the_stated_error(
        values in vec(numbers(), 1..400),
        per_mille in 0..=1000_u16,
    ) {
        let sketch: Sketch = values.iter().copied().collect();
        let exact = exact_quantile(&values, per_mille);
        let found = sketch.quantile(per_mille).unwrap();
        let allowed = exact / Sketch::RELATIVE_ERROR_ONE_IN;
        prop_assert!(found.abs_diff(exact) <= allowed, "{found} for {exact}");
    }

    #[test]
    fn merging_is_counting_all_in_any_order(
        left in vec(numbers(), 0..100),
        right in vec(numbers(), 0..100),
    ) {
        let mut merged: Sketch = left.iter().copied().collect();
        merged.merge(&right.iter().copied().collect());
        let whole: Sketch = right.iter().chain(&left).copied().collect();
        prop_assert_eq!(encode(&merged), encode(&whole));
        prop_assert_eq!(merged, whole);
    }

    #[test]
    fn count_sum_least_and_greatest_are_exact(values in vec(numbers(), 0..100)) {
        let sketch: Sketch = values.iter().copied().collect();
        prop_assert_eq!(sketch.count(), values.len() as u64);
        prop_assert_eq!(sketch.sum(), values.iter().map(|value| u128::from(*value)).sum::<u128>());
        prop_assert_eq!(sketch.min(), values.iter().min().copied());
        prop_assert_eq!(sketch.max(), values.iter().max().copied());
    }

    #[test]
    fn decodes_what_it_encodes(values in vec(numbers(), 0..100)) {
        let sketch: Sketch = values.into_iter().collect();
        let mut bytes = encode(&sketch);
        bytes.push(7);
        let mut left = bytes.as_slice();
        prop_assert_eq!(Sketch::take(&mut left), Some(sketch));
        prop_assert_eq!(left, [7]);
    }

    #[test]
    fn decodes_only_what_it_would_encode(
        values in vec(numbers(), 0..20),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut bytes = encode(&values.into_iter().collect());
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let mut left = bytes.as_slice();
        if let Some(sketch) = Sketch::take(&mut left) {
            prop_assert_eq!(encode(&sketch), &bytes[..bytes.len() - left.len()]);
        }
    }
}

#[test]
fn buckets_follow_one_another_without_gap() {
    for value in 0..100_000_u64 {
        let (key, next) = (key_of(value), key_of(value + 1));
        assert!(next == key || next == key + 1, "{value}");
    }
    for power in 0..64 {
        let at = 1_u64 << power;
        assert!(key_of(at) - key_of(at - 1) <= 1, "2^{power}");
    }
    assert_eq!(key_of(u64::MAX), KEY_MAX);
    for key in 0..=KEY_MAX {
        assert_eq!(key_of(middle_of(key)), key);
    }
}

#[test]
fn an_empty_sketch_has_no_quantiles() {
    let sketch = Sketch::new();
    assert_eq!(
        (sketch.quantile(500), sketch.mean(), sketch.min()),
        (None, None, None)
    );
    assert_eq!(encode(&sketch), [0]);
}

#[test]
fn a_length_that_lies_reserves_nothing() {
    let mut bytes = Vec::new();
    uvarint::put(&mut bytes, u64::MAX >> 1);
    assert_eq!(Sketch::take(&mut bytes.as_slice()), None);
}

#[test]
fn counts_above_a_value() {
    let sketch: Sketch = (0..100).collect();
    assert_eq!(sketch.count_above(89), 10);
    assert_eq!(sketch.count_above(1000), 0);
}
