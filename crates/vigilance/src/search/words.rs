//! Words: runs of letters and digits, in lower case.

use crate::record::{ErasableField, Record, Text};

/// The text of a record that is searched, and its field.
pub(crate) fn searched_text(record: &Record) -> Option<(ErasableField, &str)> {
    let (field, text) = match record {
        Record::Execution(it) => (ErasableField::Result, it.result.as_ref()),
        Record::Attack(it) => (ErasableField::CodeSnippet, it.code_snippet.as_ref()),
        Record::Event(it) => (ErasableField::Message, it.message.as_ref()),
        Record::Metric(_) => return None,
    };
    Some((field, text.and_then(Text::as_str)?))
}

/// The words of a text, one space between them; at most [`WORDS_MAX`], each cut to
/// [`WORD_BYTES_MAX`].
pub(crate) fn normalised(text: &str) -> String {
    if text.is_ascii() {
        normalised_ascii(text.as_bytes())
    } else {
        normalised_any(text)
    }
}

/// What most code and JSON is, which takes no tables.
fn normalised_ascii(text: &[u8]) -> String {
    let mut normalised = String::with_capacity(text.len().min(4096));
    let words = text.split(|byte| !byte.is_ascii_alphanumeric());
    for word in words.filter(|word| !word.is_empty()).take(WORDS_MAX) {
        if !normalised.is_empty() {
            normalised.push(' ');
        }
        let word = word.iter().take(WORD_BYTES_MAX);
        normalised.extend(word.map(|byte| char::from(byte.to_ascii_lowercase())));
    }
    normalised
}

fn normalised_any(text: &str) -> String {
    let mut normalised = String::with_capacity(text.len().min(4096));
    let words = text.split(|character: char| !character.is_alphanumeric());
    for word in words.filter(|word| !word.is_empty()).take(WORDS_MAX) {
        if !normalised.is_empty() {
            normalised.push(' ');
        }
        push_word(&mut normalised, word);
    }
    normalised
}

fn push_word(to: &mut String, word: &str) {
    let begin = to.len();
    for lower in word.chars().flat_map(char::to_lowercase) {
        // What a letter becomes in lower case may hold a mark, which is no letter.
        if !lower.is_alphanumeric() {
            continue;
        }
        if to.len() - begin + lower.len_utf8() > WORD_BYTES_MAX {
            return;
        }
        to.push(lower);
    }
}

/// Words of a text that are searched; what follows is not.
pub(crate) const WORDS_MAX: usize = 4_096;

/// Longest word that is told from others with the same beginning.
const WORD_BYTES_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn normalising_again_changes_nothing(text in ".{0,200}") {
            let once = normalised(&text);
            prop_assert_eq!(normalised(&once), once.as_str());
            let is_word = |word: &str| !word.is_empty() && word.len() <= WORD_BYTES_MAX
                && word.chars().all(char::is_alphanumeric);
            prop_assert!(once.is_empty() || once.split(' ').all(is_word), "{once:?}");
        }
    }

    proptest! {
        #[test]
        fn ascii_is_cut_as_any_text_is(text in "[ -~\\n]{0,300}") {
            prop_assert_eq!(normalised(&text), normalised_any(&text));
        }
    }

    #[test]
    fn cuts_code_into_its_names() {
        let text = "verify balance_after == Balance + 1000000; -- DROP\u{0}ÄÖ";
        assert_eq!(
            normalised(text),
            "verify balance after balance 1000000 drop äö"
        );
        assert_eq!(normalised("  ';-- "), "");
        assert_eq!(normalised(&"x".repeat(100)), "x".repeat(64));
        assert_eq!(normalised(&"a ".repeat(10_000)).len(), 2 * WORDS_MAX - 1);
    }
}
