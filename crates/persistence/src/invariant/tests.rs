use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::ExecutionStatus;

type State = BTreeMap<Vec<u8>, Vec<u8>>;

fn check(invariant: &dyn Invariant, state: &State, execution: &Execution) -> Result<(), Violation> {
    let before = |key: &[u8]| Ok(state.get(key).cloned());
    invariant.check(&Change::new(execution, &before).unwrap())
}

fn proved(intent: &str) -> Execution {
    Execution::new("tx", intent, ExecutionStatus::Proved, 1)
}

fn accounts() -> State {
    State::from([
        (b"a:alice".to_vec(), b"900".to_vec()),
        (b"a:bob".to_vec(), b"100".to_vec()),
        (b"other".to_vec(), b"text".to_vec()),
    ])
}

#[test]
fn a_total_stays_unless_the_intent_may_change_it() {
    let supply =
        Conservation::new("supply", b"a:", Reading::Decimal { scale: 0 }).except(&["mint"]);
    let transfer = proved("transfer")
        .put(b"a:alice", b"850")
        .put(b"a:bob", b"150");
    assert_eq!(check(&supply, &accounts(), &transfer), Ok(()));
    let opened = transfer
        .clone()
        .put(b"a:carol", b"0")
        .put(b"other", b"anything");
    assert_eq!(check(&supply, &accounts(), &opened), Ok(()));
    let forged = transfer.put(b"a:carol", b"1");
    let refused = check(&supply, &accounts(), &forged).unwrap_err();
    assert_eq!(refused.reason, "the total changes by 1");
    let mut minted = forged;
    minted.record.intent_name = "mint".to_owned();
    assert_eq!(check(&supply, &accounts(), &minted), Ok(()));
    let lost = proved("transfer").delete(b"a:bob");
    assert!(check(&supply, &accounts(), &lost).is_err());
    let unreadable = proved("transfer").put(b"a:bob", b"many");
    assert!(check(&supply, &accounts(), &unreadable).is_err());
}

#[test]
fn the_last_write_of_a_key_counts() {
    let supply = Conservation::new("supply", b"a:", Reading::Decimal { scale: 0 });
    let twice = proved("transfer").put(b"a:bob", b"7").put(b"a:bob", b"100");
    assert_eq!(check(&supply, &accounts(), &twice), Ok(()));
    let before = |key: &[u8]| Ok(accounts().get(key).cloned());
    let change = Change::new(&twice, &before).unwrap();
    assert_eq!(change.after(b"a:bob"), Ok(Some(b"100".to_vec())));
    assert_eq!(change.after(b"a:alice"), Ok(Some(b"900".to_vec())));
    assert_eq!(change.before(b"a:carol"), Ok(None));
}

#[test]
fn nonces_go_up_only() {
    let state = State::from([(b"n".to_vec(), 7u128.to_be_bytes().to_vec())]);
    for (step, allowed) in [
        (Step::NotBelow, [false, true, true, true]),
        (Step::Above, [false, false, true, true]),
        (Step::ByOne, [false, false, true, false]),
    ] {
        let nonces = Nonces::new("nonces", b"n", Reading::U128, step);
        for (after, allowed) in (6u128..).zip(allowed) {
            let execution = proved("transfer").put(b"n", &after.to_be_bytes());
            let outcome = check(&nonces, &state, &execution);
            assert_eq!(outcome.is_ok(), allowed, "{step:?} {after}");
        }
        assert!(check(&nonces, &state, &proved("transfer").delete(b"n")).is_err());
        assert!(check(&nonces, &state, &proved("transfer").put(b"n", b"8")).is_err());
        let fresh = proved("transfer").put(b"n2", &3u128.to_be_bytes());
        assert_eq!(check(&nonces, &state, &fresh), Ok(()));
        assert_eq!(
            check(&nonces, &state, &proved("transfer").delete(b"n2")),
            Ok(())
        );
    }
}

#[test]
fn numbers_are_read_strictly() {
    let decimal = Reading::Decimal { scale: 2 };
    for (text, number) in [
        ("0", 0),
        ("12.5", 1250),
        ("-0.01", -1),
        ("1.2300", 123),
        ("007", 700),
    ] {
        assert_eq!(decimal.read(text.as_bytes()), Ok(number), "{text}");
    }
    for text in [
        "", "-", ".5", "5.", "1.234", "1e3", "+1", "1 ", "--1", "1.-2", "٣",
    ] {
        assert_eq!(decimal.read(text.as_bytes()), Err(NotANumber), "{text}");
    }
    let huge = "9".repeat(60);
    assert_eq!(decimal.read(huge.as_bytes()), Err(NotANumber));
    assert_eq!(Reading::U128.read(&[0xff; 16]), Err(NotANumber));
    assert_eq!(Reading::U128.read(&[0; 15]), Err(NotANumber));
    let json = Reading::json("/a/1");
    assert_eq!(
        json.read(br#"{"a": [0, 18446744073709551615]}"#),
        Ok(u64::MAX.into())
    );
    assert_eq!(json.read(br#"{"a": [0, "-3"]}"#), Ok(-3));
    for text in [
        r#"{"a": [0]}"#,
        r#"{"a": [0, 1.5]}"#,
        r#"{"a": [0, null]}"#,
        "{",
    ] {
        assert_eq!(json.read(text.as_bytes()), Err(NotANumber), "{text}");
    }
}

proptest! {
    /// Against whole numbers and a point put in by hand.
    #[test]
    fn decimals_are_read_as_written(number in any::<i64>(), scale in 0u8..9) {
        let unit = 10i128.pow(scale.into());
        let (whole, part) = (i128::from(number).abs() / unit, i128::from(number).abs() % unit);
        let sign = if number < 0 { "-" } else { "" };
        let width = usize::from(scale);
        let text = match scale {
            0 => format!("{sign}{whole}"),
            _ => format!("{sign}{whole}.{part:0width$}"),
        };
        let read = Reading::Decimal { scale }.read(text.as_bytes());
        prop_assert_eq!(read, Ok(number.into()), "{}", text);
    }

    #[test]
    fn reading_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..40), scale: u8) {
        let _ = Reading::Decimal { scale }.read(&bytes);
        let _ = Reading::U128.read(&bytes);
        let _ = Reading::Json { pointer: "/a".to_owned(), scale }.read(&bytes);
    }
}
