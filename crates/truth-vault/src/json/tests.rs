#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use proptest::prelude::*;

use super::python::{canonical, float};
use super::*;

fn dumps(text: &str) -> String {
    canonical(&Tree::parse(text).unwrap()).unwrap()
}

#[test]
fn numbers_are_written_as_python_writes_them() {
    // Each answered by CPython 3.11.
    for (read, written) in [
        ("1", "1"),
        ("-0", "0"),
        ("-0.0", "-0.0"),
        ("1.0", "1.0"),
        ("1e0", "1.0"),
        ("100E-2", "1.0"),
        ("1e15", "1000000000000000.0"),
        ("1e16", "1e+16"),
        ("123456789012345680.0", "1.2345678901234568e+17"),
        ("0.0001", "0.0001"),
        ("0.00001", "1e-05"),
        ("1.5e-7", "1.5e-07"),
        ("1e300", "1e+300"),
        ("1e400", "Infinity"),
        ("-1e400", "-Infinity"),
        ("5e-324", "5e-324"),
        ("1e-400", "0.0"),
        ("1770585433.0107942", "1770585433.0107942"),
        ("0.1000000000000000055511151231257827", "0.1"),
        ("2.675", "2.675"),
        ("-1165725462882263.25", "-1165725462882263.2"),
        ("1165725462882263.75", "1165725462882263.8"),
        ("0.00012", "0.00012"),
        ("-12.5", "-12.5"),
        ("9007199254740993", "9007199254740993"),
        ("9007199254740993.0", "9007199254740992.0"),
        (
            "123456789012345678901234567890",
            "123456789012345678901234567890",
        ),
    ] {
        assert_eq!(dumps(read), written, "{read}");
    }
    let long = "1".repeat(5000);
    assert_eq!(canonical(&Tree::parse(&long).unwrap()), None);
}

#[test]
fn strings_and_objects_are_written_as_python_writes_them() {
    let read = r#"{"b": [1, {"z": null, "a": true}], "a": "\u00e7\u007f\ud83d\ude00\/\"\\\b\f\n\r\t\u0000", "B": false, "\uffff": 1, "\ud83d\ude00": 2}"#;
    let written = "{\"B\":false,\"a\":\"\\u00e7\\u007f\\ud83d\\ude00/\\\"\\\\\\b\\f\\n\\r\\t\\u0000\",\"b\":[1,{\"a\":true,\"z\":null}],\"\\uffff\":1,\"\\ud83d\\ude00\":2}";
    assert_eq!(dumps(read), written);
}

#[test]
fn refuses_what_is_no_object_of_one_reading() {
    let refused = |text: &str| Json::parse(text).unwrap_err();
    for text in [
        "",
        "{",
        "{}{}",
        "{\"a\":1,}",
        "{'a':1}",
        "{\"a\":01}",
        "{\"a\":NaN}",
        r#"{"a":"\ud800"}"#,
    ] {
        assert_eq!(refused(text), JsonError::Malformed, "{text}");
    }
    for text in ["1", "[]", "null", "\"{}\""] {
        assert_eq!(refused(text), JsonError::NoObject, "{text}");
    }
    let twice = JsonError::DuplicateMember;
    assert_eq!(refused(r#"{"a":1,"b":2,"a":1}"#), twice);
    assert_eq!(refused(r#"{"b":[{"a":1,"\u0061":2}]}"#), twice);
    let nested = |depth| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
    assert!(Json::parse(&nested(Json::DEPTH_MAX - 1)).is_ok());
    assert_eq!(refused(&nested(Json::DEPTH_MAX)), JsonError::TooDeep);
    assert_eq!(refused(&nested(100_000)), JsonError::TooDeep);
    let bytes = Json::BYTES_MAX + 1;
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(bytes - 8));
    assert_eq!(refused(&long), JsonError::TooLong { bytes });
}

#[test]
fn a_text_is_kept_as_it_was_written() {
    let text = "{\"z\" : 1.50,\n \"a\":[ ] }";
    assert_eq!(Json::parse(&format!(" {text}\n")).unwrap().as_str(), text);
    assert_eq!(
        Json::of(&std::collections::BTreeMap::from([("a", 1)]))
            .unwrap()
            .as_str(),
        "{\"a\":1}"
    );
    assert_eq!(Json::of(&1), Err(JsonError::NoObject));
    assert_eq!(Json::parse("{}").unwrap(), Json::default());
}

proptest! {
    #[test]
    fn floats_lead_back_to_themselves(bits: u64) {
        let value = f64::from_bits(bits);
        if value.is_finite() {
            let text = float(value);
            prop_assert_eq!(text.parse::<f64>().unwrap().to_bits(), bits);
            prop_assert_eq!(dumps(&text), text);
        }
    }

    #[test]
    fn the_canonical_form_is_a_fixed_point(text in "\\PC{0,20}", number: i64) {
        let json = format!("{{\"b\":{number},\"a\":{}}}", serde_json::to_string(&text).unwrap());
        let once = dumps(&json);
        prop_assert!(once.is_ascii());
        prop_assert_eq!(dumps(&once), once.clone());
        let read: serde_json::Value = serde_json::from_str(&once).unwrap();
        prop_assert_eq!(read["a"].as_str(), Some(&text[..]));
    }
}
