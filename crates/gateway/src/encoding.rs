//! Bytes as JSON has them: hexadecimal digits, base64, and text where they are text.

use std::fmt::Write;

use base64ct::{Base64, Encoding};

pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        let _ = write!(text, "{byte:02x}"); // writing to a String cannot fail
    }
    text
}

/// `None` for what is not pairs of digits.
pub(crate) fn unhex(digits: &str) -> Option<Vec<u8>> {
    if !digits.len().is_multiple_of(2) || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let pairs = (0..digits.len()).step_by(2);
    pairs
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).ok())
        .collect()
}

pub(crate) fn base64(bytes: &[u8]) -> String {
    Base64::encode_string(bytes)
}

/// The text that `bytes` are, if they are one that can be shown: no control characters but
/// tabulators and line ends.
pub(crate) fn text_of(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    let shown = |char: char| !char.is_control() || matches!(char, '\n' | '\r' | '\t');
    text.chars().all(shown).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_go_both_ways() {
        let bytes: Vec<u8> = (0..=255).collect();
        assert_eq!(unhex(&hex(&bytes)), Some(bytes));
        for bad in ["0", "0g", "+1", "é", "0x"] {
            assert_eq!(unhex(bad), None, "{bad}");
        }
    }

    #[test]
    fn text_is_what_can_be_shown() {
        assert_eq!(text_of(b"900").as_deref(), Some("900"));
        assert_eq!(text_of("ação\n".as_bytes()).as_deref(), Some("ação\n"));
        assert_eq!(text_of(b"\0"), None);
        assert_eq!(text_of(b"\xff"), None);
    }
}
