//! What is asked for, as a person types it.

use std::fmt;
use std::str::FromStr;

use super::words::normalised;

/// A query for full-text search.
///
/// Words that must all be there; `"several words"` that must follow one another; `word*` for all
/// words that begin so; `-word` or `-"several words"` for what must not be there. Nothing else has a meaning: all
/// other characters separate words, as in the texts. Parsing never fails but for the reasons of
/// [`TextQueryError`], and no query can be anything else to the database.
///
/// ```
/// use vigilance::TextQuery;
///
/// let query: TextQuery = r#"drop "from accounts" inj* -test"#.parse()?;
/// assert_eq!(query.to_string(), r#"drop "from accounts" inj* -test"#);
/// assert!(query.matches("DROP TABLE x; SELECT * FROM accounts -- injected"));
/// # Ok::<(), vigilance::TextQueryError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TextQuery {
    // INVARIANT: at least one term is not excluded, and there are at most TERMS_MAX.
    terms: Vec<Term>,
}

/// One condition.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Term {
    // INVARIANT: normalised, and not empty: nothing but letters, digits and single spaces.
    words: String,
    is_prefix: bool,
    is_excluded: bool,
}

/// Why a text is no query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TextQueryError {
    /// It names no word that must be there.
    #[error("the query has no word to look for")]
    NothingToFind,
    /// A quote does not end.
    #[error("a quote does not end")]
    OpenQuote,
    /// It has more than 32 conditions, or more than 1,024 bytes.
    #[error("the query is too long")]
    TooLong,
}

impl FromStr for TextQuery {
    type Err = TextQueryError;

    fn from_str(text: &str) -> Result<Self, TextQueryError> {
        if text.len() > QUERY_BYTES_MAX {
            return Err(TextQueryError::TooLong);
        }
        let mut terms = Vec::new();
        let mut rest = text.trim_start();
        while !rest.is_empty() {
            let (term, after) = Term::take(rest)?;
            terms.extend(term);
            rest = after.trim_start();
        }
        if terms.len() > TERMS_MAX {
            return Err(TextQueryError::TooLong);
        }
        if terms.iter().all(|term| term.is_excluded) {
            return Err(TextQueryError::NothingToFind);
        }
        Ok(Self { terms })
    }
}

impl Term {
    /// Takes a condition off the front; none where there is no word in it.
    fn take(text: &str) -> Result<(Option<Self>, &str), TextQueryError> {
        let (is_excluded, text) = match text.strip_prefix('-') {
            Some(text) => (true, text),
            None => (false, text),
        };
        let (inside, after) = match text.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').ok_or(TextQueryError::OpenQuote)?,
            None => {
                let end = text.find(|it: char| it.is_whitespace() || it == '"');
                text.split_at(end.unwrap_or(text.len()))
            }
        };
        let (is_prefix, after) = match after.strip_prefix('*') {
            Some(after) => (true, after),
            None => (inside.ends_with('*'), after),
        };
        let words = normalised(inside);
        let term = (!words.is_empty()).then_some(Self {
            words,
            is_prefix,
            is_excluded,
        });
        Ok((term, after))
    }

    /// Whether the normalised text, with a space before and behind it, meets the condition.
    fn holds(&self, spaced: &str) -> bool {
        let end = if self.is_prefix { "" } else { " " };
        spaced.contains(&format!(" {}{end}", self.words)) != self.is_excluded
    }

    fn fts5(&self) -> String {
        let star = if self.is_prefix { " *" } else { "" };
        format!("\"{}\"{star}", self.words)
    }
}

impl TextQuery {
    /// Whether a text is what the query asks for.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        let spaced = format!(" {} ", normalised(text));
        self.terms.iter().all(|term| term.holds(&spaced))
    }

    /// The query for FTS5. Every word is a quoted string of letters and digits: none of its operators
    /// can come from outside.
    pub(crate) fn fts5(&self) -> String {
        let of = |is_excluded| {
            let terms = self
                .terms
                .iter()
                .filter(move |it| it.is_excluded == is_excluded);
            terms.map(Term::fts5).collect::<Vec<_>>()
        };
        let (wanted, excluded) = (of(false).join(" AND "), of(true).join(" OR "));
        if excluded.is_empty() {
            return wanted;
        }
        format!("({wanted}) NOT ({excluded})")
    }
}

/// A query that means the same.
impl fmt::Display for TextQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, term) in self.terms.iter().enumerate() {
            let space = if nth > 0 { " " } else { "" };
            let minus = if term.is_excluded { "-" } else { "" };
            let quote = if term.words.contains(' ') { "\"" } else { "" };
            let star = if term.is_prefix { "*" } else { "" };
            write!(f, "{space}{minus}{quote}{}{quote}{star}", term.words)?;
        }
        Ok(())
    }
}

const TERMS_MAX: usize = 32;
const QUERY_BYTES_MAX: usize = 1_024;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// An FTS5 table with these texts, as the trail's.
    fn index(texts: &[String]) -> rusqlite::Connection {
        let conn = rusqlite::Connection::open_in_memory().unwrap();
        let create = "CREATE VIRTUAL TABLE search USING fts5(
            words, content = '', columnsize = 0, tokenize = 'ascii')";
        conn.execute_batch(create).unwrap();
        for (nth, text) in texts.iter().enumerate() {
            conn.execute(
                "INSERT INTO search (rowid, words) VALUES (?, ?)",
                (nth as i64, normalised(text)),
            )
            .unwrap();
        }
        conn
    }

    fn found(conn: &rusqlite::Connection, query: &TextQuery) -> Vec<i64> {
        let text = "SELECT rowid FROM search WHERE search MATCH ? ORDER BY rowid";
        let mut select = conn.prepare(text).unwrap();
        let rows = select.query_map([query.fts5()], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    }

    proptest! {
        #[test]
        fn the_index_finds_what_matches(
            texts in proptest::collection::vec("[ab*\"(): -]{0,12}|.{0,12}", 1..8),
            query in "[ab*\"-(): ]{0,12}|.{0,12}",
        ) {
            if let Ok(query) = query.parse::<TextQuery>() {
                let matching = (0..).zip(&texts).filter(|(_, text)| query.matches(text));
                let expected: Vec<i64> = matching.map(|(nth, _)| nth).collect();
                prop_assert_eq!(found(&index(&texts), &query), expected, "{}", query.fts5());
                prop_assert_eq!(query.to_string().parse::<TextQuery>(), Ok(query));
            }
        }
    }

    #[test]
    fn operators_of_the_database_are_words() {
        for text in [
            "NEAR(a b)",
            "a OR b",
            "words : a",
            "a AND",
            "^a",
            "{a} : b",
            "a + b",
            "NOT a",
        ] {
            let query: TextQuery = text.parse().unwrap();
            assert!(found(&index(&[text.into()]), &query) == [0], "{text}");
        }
    }

    #[test]
    fn says_why_a_text_is_no_query() {
        use TextQueryError::{NothingToFind, OpenQuote, TooLong};
        for (text, error) in [
            ("", NothingToFind),
            ("-a", NothingToFind),
            ("* - ;", NothingToFind),
            ("a \"b", OpenQuote),
            (&"a ".repeat(33), TooLong),
            (&"a".repeat(1_025), TooLong),
        ] {
            assert_eq!(text.parse::<TextQuery>(), Err(error), "{text}");
        }
    }
}
