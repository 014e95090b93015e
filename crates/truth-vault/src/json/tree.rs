//! JSON as a tree whose numbers are still texts.
//!
//! `serde_json` has that too, behind a feature that changes its numbers for everybody in a build.

use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Deeper nesting is refused. Reading takes time by depth and length, so this bounds it.
pub(crate) const DEPTH_MAX: usize = 64;

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Tree<'t> {
    Null,
    Bool(bool),
    /// A number as it was written.
    Number(&'t str),
    String(String),
    Array(Vec<Self>),
    /// Members as they were written, each name once.
    Object(Vec<(String, Self)>),
}

/// Why a text is no [`Tree`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TreeError {
    Malformed,
    TooDeep,
    DuplicateMember,
}

impl<'t> Tree<'t> {
    pub(crate) fn parse(text: &'t str) -> Result<Self, TreeError> {
        // The whole is looked at once before any part of it is: a bad end is found first.
        let value: &RawValue = read(text)?;
        parse(value.get(), DEPTH_MAX)
    }

    /// The member `name`, if this is an object that has it.
    pub(crate) fn get(&self, name: &str) -> Option<&Self> {
        let Self::Object(members) = self else {
            return None;
        };
        let member = members.iter().find(|(other, _)| other == name);
        member.map(|(_, value)| value)
    }

    /// The member `name` of the object that `text` is, as it was written.
    pub(crate) fn text_of(text: &'t str, name: &str) -> Option<&'t str> {
        let Members(members) = read(text).ok()?;
        let member = members.into_iter().find(|(other, _)| other == name);
        member.map(|(_, value)| value.get())
    }

    /// The text, if this is one.
    pub(crate) fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }
}

/// Descends at most `depth` levels more.
fn parse(text: &str, depth: usize) -> Result<Tree<'_>, TreeError> {
    let Some(below) = depth.checked_sub(1) else {
        return Err(TreeError::TooDeep);
    };
    Ok(match text.as_bytes().first() {
        Some(b'n') => Tree::Null,
        Some(b't') => Tree::Bool(true),
        Some(b'f') => Tree::Bool(false),
        Some(b'"') => Tree::String(read(text)?),
        Some(b'[') => {
            let items: Vec<&RawValue> = read(text)?;
            let items = items.into_iter().map(|item| parse(item.get(), below));
            Tree::Array(items.collect::<Result<_, _>>()?)
        }
        Some(b'{') => {
            let Members(members) = read(text)?;
            let mut names = HashSet::new();
            if !members.iter().all(|(name, _)| names.insert(name.as_str())) {
                return Err(TreeError::DuplicateMember);
            }
            let members = (members.into_iter())
                .map(|(name, value)| parse(value.get(), below).map(|value| (name, value)));
            Tree::Object(members.collect::<Result<_, _>>()?)
        }
        _ => Tree::Number(text),
    })
}

fn read<'t, T: Deserialize<'t>>(text: &'t str) -> Result<T, TreeError> {
    serde_json::from_str(text).map_err(|_| TreeError::Malformed)
}

/// The members of one object, in their order.
struct Members<'t>(Vec<(String, &'t RawValue)>);

impl<'t> Deserialize<'t> for Members<'t> {
    fn deserialize<D: Deserializer<'t>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'t> Visitor<'t> for Reader {
            type Value = Members<'t>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'t>>(self, mut map: A) -> Result<Members<'t>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}
