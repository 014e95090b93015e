//! Bytes as JSON has them: base64, and text where they are text.

use base64ct::{Base64, Encoding};

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
    fn text_is_what_can_be_shown() {
        assert_eq!(text_of(b"900").as_deref(), Some("900"));
        assert_eq!(text_of("ação\n".as_bytes()).as_deref(), Some("ação\n"));
        assert_eq!(text_of(b"\0"), None);
        assert_eq!(text_of(b"\xff"), None);
    }
}
