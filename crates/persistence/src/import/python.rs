//! JSON in the form in which Python's `json.dumps` writes it by default.

use std::fmt::Write;

/// A JSON text in Python's form: a space behind commas and colons and nowhere else, ASCII only, members
/// in their order, numbers as they stand. None if it is not JSON.
pub(super) fn form(text: &str) -> Option<String> {
    serde_json::from_str::<serde::de::IgnoredAny>(text).ok()?;
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        match first {
            '"' => {
                let len = string_len(rest)?;
                let string: String = serde_json::from_str(&rest[..len]).ok()?;
                push_string(&mut out, &string);
                rest = &rest[len..];
                continue;
            }
            ',' | ':' => {
                out.push(first);
                out.push(' ');
            }
            ' ' | '\t' | '\n' | '\r' => {}
            other => out.push(other),
        }
        rest = &rest[first.len_utf8()..];
    }
    Some(out)
}

/// The members of an object in Python's form, in their order. None if it is no object, or has a
/// member twice.
pub(super) fn members(object: &str) -> Option<Vec<(String, &str)>> {
    let mut rest = object.strip_prefix('{')?.strip_suffix('}')?;
    let mut members: Vec<(String, &str)> = Vec::new();
    while !rest.is_empty() {
        let key_len = string_len(rest)?;
        let key: String = serde_json::from_str(&rest[..key_len]).ok()?;
        rest = rest[key_len..].strip_prefix(": ")?;
        let len = value_len(rest)?;
        if members.iter().any(|(known, _)| *known == key) {
            return None;
        }
        members.push((key, &rest[..len]));
        rest = &rest[len..];
        if !rest.is_empty() {
            rest = rest.strip_prefix(", ")?;
        }
    }
    Some(members)
}

/// Length of the string at the beginning of `text`, its quotes included.
fn string_len(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 1;
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// Length of the value at the beginning of `text`: to the comma that ends it, or to the end.
fn value_len(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let (mut at, mut depth) = (0, 0_u32);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => {
                at += string_len(&text[at..])?;
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.checked_sub(1)?,
            b',' if depth == 0 => return Some(at),
            _ => {}
        }
        at += 1;
    }
    Some(at)
}

fn push_string(out: &mut String, string: &str) {
    out.push('"');
    for c in string.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            ' '..='\u{7f}' => out.push(c),
            _ => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    write!(out, "\\u{unit:04x}").expect("a string takes all");
                }
            }
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_out_as_python_writes_them() {
        let text = "{ \"b\" :[1,2.50 ,\"é\\u001f\\/😀\"],\n\"a\":{}, \"c\": null}";
        let expected = r#"{"b": [1, 2.50, "\u00e9\u001f/\ud83d\ude00"], "a": {}, "c": null}"#;
        let formed = form(text).unwrap();
        assert_eq!(formed, expected);
        let members = members(&formed).unwrap();
        let keys: Vec<&str> = members.iter().map(|(key, _)| &**key).collect();
        assert_eq!(keys, ["b", "a", "c"]);
        assert_eq!(members[1].1, "{}");
        for bad in ["{", "{\"a\":1,}", ""] {
            assert_eq!(form(bad), None, "{bad}");
        }
        assert_eq!(super::members(r#"{"a": 1, "a": 2}"#), None);
    }
}
