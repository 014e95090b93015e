//! What is signed: a text of lines in a fixed order.

use std::fmt;

use merkle_core::{Hash, TreeHead, TreeSize};

use super::ReportKind;
use super::scope::Scope;
use crate::civil;

/// What the signer of a report states.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Statement {
    pub(super) origin: String,
    pub(super) scope: Scope,
    pub(super) title: String,
    /// The part of the log that the proof holds: first index, and the one behind the last.
    pub(super) range: (u64, u64),
    pub(super) head: TreeHead,
    pub(super) issued_ns: u64,
    pub(super) has_texts: bool,
    pub(super) matching: u64,
    /// SHA-256 of the three documents: JSON, CSV, HTML.
    pub(super) digests: [String; 3],
}

const FIRST_LINE: &str = "vigilance-report/1";

impl fmt::Display for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{FIRST_LINE}")?;
        writeln!(f, "origin: {}", self.origin)?;
        writeln!(f, "report: {}", self.scope.kind)?;
        writeln!(f, "title: {}", self.title)?;
        writeln!(f, "scope: {}", self.scope.canonical())?;
        writeln!(f, "range: {} {}", self.range.0, self.range.1)?;
        writeln!(f, "log: {} {}", self.head.size, self.head.root)?;
        writeln!(f, "issued: {}", civil::rfc3339(self.issued_ns))?;
        writeln!(
            f,
            "texts: {}",
            if self.has_texts {
                "included"
            } else {
                "left out"
            }
        )?;
        writeln!(f, "matching: {}", self.matching)?;
        let [json, csv, html] = &self.digests;
        write!(f, "json: {json}\ncsv: {csv}\nhtml: {html}\n")
    }
}

impl Statement {
    /// The statement that is written so; `None` for any other text.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut lines = text.strip_suffix('\n')?.split('\n');
        if lines.next()? != FIRST_LINE {
            return None;
        }
        let mut line = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(": ");
        let origin = line("origin")?.to_owned();
        let kind = line("report")?;
        let kind = ReportKind::ALL.into_iter().find(|it| it.as_str() == kind)?;
        let title = line("title")?.to_owned();
        let scope = Scope::parse(kind, line("scope")?)?;
        let (first, end) = line("range")?.split_once(' ')?;
        let (size, root) = line("log")?.split_once(' ')?;
        let statement = Self {
            origin,
            scope,
            title,
            range: (first.parse().ok()?, end.parse().ok()?),
            head: TreeHead::new(TreeSize::new(size.parse().ok()?), parse_hash(root)?),
            issued_ns: civil::parse(line("issued")?)?,
            has_texts: line("texts")? == "included",
            matching: line("matching")?.parse().ok()?,
            digests: [line("json")?, line("csv")?, line("html")?].map(Into::into),
        };
        // Exactly one text for a statement.
        (lines.next().is_none() && statement.to_string() == text).then_some(statement)
    }
}

fn parse_hash(text: &str) -> Option<Hash> {
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else {
        return None;
    };
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let byte = |pair: &[u8; 2]| u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).ok();
    let bytes: Vec<u8> = pairs.iter().map(byte).collect::<Option<_>>()?;
    Some(Hash::from_bytes(bytes.try_into().ok()?))
}
