//! JSON as Python's `json` module writes it: what the original system hashed.

use std::fmt::Write;

use super::tree::Tree;

/// Digits of the longest integer that Python reads.
const INTEGER_DIGITS_MAX: usize = 4300;

/// `json.dumps(value, sort_keys=True, separators=(",", ":"))` of `value` as `json.loads` reads it.
///
/// `None` if Python refuses one of its numbers.
pub(crate) fn canonical(value: &Tree<'_>) -> Option<String> {
    let mut out = String::new();
    write_value(&mut out, value)?;
    Some(out)
}

fn write_value(out: &mut String, value: &Tree<'_>) -> Option<()> {
    match value {
        Tree::Null => out.push_str("null"),
        Tree::Bool(true) => out.push_str("true"),
        Tree::Bool(false) => out.push_str("false"),
        Tree::Number(text) => out.push_str(&number(text)?),
        Tree::String(text) => write_string(out, text),
        Tree::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write_value(out, item)?;
            }
            out.push(']');
        }
        Tree::Object(members) => {
            // By code points in Python, by bytes here: in UTF-8 that is one order.
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by(|(one, _), (other, _)| one.cmp(other));
            out.push('{');
            for (at, (name, value)) in members.into_iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write_string(out, name);
                out.push(':');
                write_value(out, value)?;
            }
            out.push('}');
        }
    }
    Some(())
}

/// A string with `ensure_ascii`.
fn write_string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{c}' => out.push_str("\\f"),
            '\u{8}' => out.push_str("\\b"),
            ' '..='~' => out.push(c),
            _ => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    write!(out, "\\u{unit:04x}").expect("a string takes all");
                }
            }
        }
    }
    out.push('"');
}

/// What Python writes for the number it reads in `text`.
fn number(text: &str) -> Option<String> {
    if text.contains(['.', 'e', 'E']) {
        return text.parse().ok().map(float);
    }
    if text.len() > INTEGER_DIGITS_MAX {
        return None;
    }
    Some(if text == "-0" { "0" } else { text }.to_owned())
}

/// `repr` of a float: the fewest digits that lead back to it, with an exponent where it is below
/// -4 or above 15.
pub(crate) fn float(value: f64) -> String {
    if value.is_infinite() {
        return if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    let text = shortest(value);
    let (mantissa, exponent) = text.split_once('e').expect("as asked for");
    let exponent: i32 = exponent.parse().expect("a number");
    if !(-4..16).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{mantissa}e{sign}{:02}", exponent.abs());
    }
    // The same digits without an exponent.
    let digits = mantissa.trim_start_matches('-').replace('.', "");
    let point = usize::try_from(exponent + 1).unwrap_or(0);
    let zeros = "0".repeat(usize::try_from(-exponent).unwrap_or(0));
    let padded = format!("{zeros}{digits:0<width$}", width = point + 1);
    let (whole, fraction) = padded.split_at(point.max(1));
    let sign = if value.is_sign_negative() { "-" } else { "" };
    format!("{sign}{whole}.{fraction}")
}

/// The fewest digits that lead back to `value`, with an exponent; of two equally near, the even one.
fn shortest(value: f64) -> String {
    let text = format!("{value:e}");
    let digits = text.bytes().take_while(|byte| *byte != b'e');
    let digits = digits.filter(u8::is_ascii_digit).count();
    // Rust takes the upper of two that are equally near, and rounds to even where it is told how
    // many digits there are to be.
    let even = format!("{value:.*e}", digits - 1);
    if even.parse() == Ok(value) {
        even
    } else {
        text
    }
}
