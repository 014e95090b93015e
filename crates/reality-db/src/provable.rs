//! What can be proved all the same when something is damaged.

use std::ops::RangeInclusive;

use merkle_core::Subtree;

use crate::Damage;

/// What can surely be read and proved, damage or not.
///
/// It goes by what a check found, and by how versions are made: from a checkpoint and the records behind
/// it. More than it says may be provable, by chance of what is in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Provable {
    /// In order. Of a version in none of them nothing is promised.
    pub versions: Vec<ProvableVersions>,
}

/// Neighbouring versions of which the same can be proved.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProvableVersions {
    /// Their numbers, as far as there are versions with these numbers.
    pub numbers: RangeInclusive<u64>,
    /// Keys of the tree of which nothing can be proved, in order. Empty: all is provable.
    pub except: Vec<KeyRange>,
}

/// Neighbouring keys.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyRange {
    /// The first.
    pub from: Vec<u8>,
    /// The first behind them; none if they go to the end.
    pub to: Option<Vec<u8>>,
}

impl Provable {
    /// Whether the value of `key`, or that there is none, is provable in `version`. Where keys are hashed
    /// it takes the [hash](crate::RealityDb::tree_key). That no version has a number is not told.
    #[must_use]
    pub fn proves(&self, version: u64, key: &[u8]) -> bool {
        (self.versions.iter())
            .filter(|versions| versions.numbers.contains(&version))
            .any(|versions| !versions.except.iter().any(|keys| keys.contains(key)))
    }
}

impl KeyRange {
    /// Whether `key` is among them.
    #[must_use]
    pub fn contains(&self, key: &[u8]) -> bool {
        *self.from <= *key && self.to.as_ref().is_none_or(|to| key < &to[..])
    }

    /// All keys that may belong to `subtree`. Of the last byte of its prefix only some bits are given.
    pub(crate) fn of(subtree: &Subtree) -> Self {
        let mut key = subtree.prefix().to_vec();
        let Some(at) = key.len().checked_sub(1) else {
            return Self {
                from: Vec::new(),
                to: None,
            };
        };
        let own = key[at];
        let mut within = |byte: &u8| {
            key[at] = *byte;
            *byte == own || subtree.contains(&key)
        };
        let first = (0..=own).find(&mut within).unwrap_or(own);
        let last = (own..=u8::MAX).rfind(&mut within).unwrap_or(own);
        key[at] = first;
        let from = key.clone();
        key[at] = last;
        Self {
            from,
            to: behind(key),
        }
    }
}

/// The first key behind all that begin with `prefix`; none if there is none.
fn behind(mut prefix: Vec<u8>) -> Option<Vec<u8>> {
    while let Some(last) = prefix.pop() {
        if let Some(next) = last.checked_add(1) {
            prefix.push(next);
            return Some(prefix);
        }
    }
    None
}

/// What versions are made from: a checkpoint, or the beginning of the journal.
pub(crate) struct Start {
    pub(crate) version: u64,
    /// A checkpoint's pointer knows the hash of its record: it is read without following the chain.
    pub(crate) is_checkpoint: bool,
    pub(crate) content: Content,
}

/// What a check found of a [`Start`].
#[derive(Clone)]
pub(crate) enum Content {
    /// No damage.
    Whole,
    /// These entries are damaged: in order, and none twice.
    Except(Vec<KeyRange>),
    /// It cannot be begun with: versions are made from the one before.
    Unusable,
}

impl Content {
    /// All but the entries in `ranges`.
    pub(crate) fn except(mut ranges: Vec<KeyRange>) -> Self {
        ranges.sort_unstable_by(|one, other| one.from.cmp(&other.from));
        let mut joined: Vec<KeyRange> = Vec::with_capacity(ranges.len());
        for range in ranges {
            match joined.last_mut() {
                Some(last) if last.to.as_ref().is_none_or(|to| range.from <= *to) => {
                    // No end is behind any other.
                    let ends = last.to.take().zip(range.to);
                    last.to = ends.map(|(one, other)| one.max(other));
                }
                _ => joined.push(range),
            }
        }
        Self::Except(joined)
    }

    /// What a version is that is a start of this content, with `before` to fall back on.
    fn or<'c>(&'c self, before: &'c Self) -> &'c Self {
        match self {
            Self::Unusable => before,
            own => own,
        }
    }

    /// What later versions are, which are made from it: where a record changes entries that are damaged,
    /// they are made from what lies before, with the damage that is there.
    fn behind(&self, before: &Self) -> Self {
        match (self, before) {
            (Self::Whole, _) => Self::Whole,
            (Self::Except(own), Self::Except(others)) => Self::except([&own[..], others].concat()),
            (Self::Except(own), Self::Whole) => Self::Except(own.clone()),
            (Self::Unusable, before) => before.clone(),
            (Self::Except(_), Self::Unusable) => Self::Unusable,
        }
    }
}

/// What a check found of the records. Versions are told in ranges: their numbers may leap.
#[derive(Default)]
pub(crate) struct Records {
    /// Versions whose records are none, or are not there.
    bad: Vec<RangeInclusive<u64>>,
    /// Versions with which the chain breaks, those too.
    breaks: Vec<RangeInclusive<u64>>,
    /// The first version that was not looked at, if not all were.
    pub(crate) unseen_from: Option<u64>,
}

impl Records {
    /// Takes in that the records of `versions` are none, or are not there.
    pub(crate) fn add_bad(&mut self, versions: RangeInclusive<u64>) {
        if !versions.is_empty() {
            self.breaks.push(versions.clone());
            self.bad.push(versions);
        }
    }

    /// Takes in what `damage` says of them.
    pub(crate) fn add(&mut self, damage: &Damage) {
        match *damage {
            Damage::Record { version } => self.add_bad(version..=version),
            Damage::Chain { version, follows } => {
                // If there were some between, they are not there.
                self.add_bad(follows.saturating_add(1)..=version.saturating_sub(1));
                self.breaks.push(version..=version);
            }
            Damage::Root { version, .. } => self.breaks.push(version..=version),
            Damage::TailLost {
                acknowledged,
                found,
            } => {
                let lost = found.map_or(0, |found| found.saturating_add(1));
                self.add_bad(lost.min(acknowledged)..=acknowledged);
            }
            _ => {}
        }
    }

    /// Whether the record of a version is one.
    fn is_sound(&self, version: u64) -> bool {
        self.is_seen(version) && !self.bad.iter().any(|bad| bad.contains(&version))
    }

    fn is_seen(&self, version: u64) -> bool {
        self.unseen_from.is_none_or(|unseen| version < unseen)
    }

    /// Whether the chain leads from the version `from` to `to`.
    fn lead(&self, from: u64, to: u64) -> bool {
        let is_between =
            |breaks: &RangeInclusive<u64>| *breaks.start() <= to && *breaks.end() > from;
        from >= to || self.is_seen(to) && !self.breaks.iter().any(is_between)
    }
}

/// What is provable of the versions from `oldest` to `newest`, made from `starts`, which ascend to it; `head`
/// is what the newest is read from, and `is_cut` whether there are checkpoints behind it.
pub(crate) fn provable(
    starts: &[Start],
    records: &Records,
    oldest: u64,
    newest: u64,
    head: &Content,
    is_cut: bool,
) -> Provable {
    let mut provable = Provable::default();
    let mut push = |from: u64, to: u64, content: &Content| {
        let from = from.max(oldest);
        let except = match content {
            Content::Whole => Vec::new(),
            Content::Except(keys) => keys.clone(),
            Content::Unusable => return,
        };
        if from > to {
            return;
        }
        match provable.versions.last_mut() {
            Some(last)
                if last.numbers.end().checked_add(1) == Some(from) && last.except == except =>
            {
                last.numbers = *last.numbers.start()..=to;
            }
            _ => provable.versions.push(ProvableVersions {
                numbers: from..=to,
                except,
            }),
        }
    };
    // What the version of a start is if it is made from what lies before it.
    let mut before = Content::Unusable;
    for (at, start) in starts.iter().enumerate() {
        let next = starts.get(at + 1).map(|next| next.version);
        // Of the last, the chain is followed to the checkpoint behind the newest, and does not lead there.
        let is_cut = is_cut && next.is_none();
        let next = next.unwrap_or(newest);
        let own = start.content.or(&before);
        // Others are read once the chain is followed to the next version whose record is known.
        let leads = !is_cut && records.lead(start.version, next);
        let is_known = match start.is_checkpoint {
            true => records.is_sound(start.version),
            false => leads,
        };
        if start.version < newest && is_known {
            push(start.version, start.version, own);
        }
        before = match leads {
            true => start.content.behind(&before),
            false => Content::Unusable,
        };
        push(
            start.version.saturating_add(1),
            next.saturating_sub(1),
            &before,
        );
    }
    push(newest, newest, head);
    provable
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(from: &[u8], to: Option<&[u8]>) -> KeyRange {
        KeyRange {
            from: from.to_vec(),
            to: to.map(<[u8]>::to_vec),
        }
    }

    #[test]
    fn entries_that_are_damaged_in_two_checkpoints_are_told_once_and_in_order() {
        let own = [range(b"c", Some(b"e")), range(b"m", Some(b"n"))];
        let before = [
            range(b"a", Some(b"b")),
            range(b"c", Some(b"d")),
            range(b"d", Some(b"f")),
            range(b"p", None),
            range(b"q", Some(b"r")),
        ];
        let behind = Content::Except(own.to_vec()).behind(&Content::Except(before.to_vec()));
        let Content::Except(except) = behind else {
            panic!("not in all");
        };
        let expected = [
            range(b"a", Some(b"b")),
            range(b"c", Some(b"f")),
            range(b"m", Some(b"n")),
            range(b"p", None),
        ];
        assert_eq!(except, expected);
    }

    #[test]
    fn what_was_not_looked_at_is_no_longer_for_large_numbers() {
        let newest = u64::MAX;
        let mut records = Records {
            unseen_from: Some(5),
            ..Records::default()
        };
        let follows = 7;
        let version = newest;
        records.add(&Damage::Chain { version, follows });
        assert!(records.is_sound(4) && records.lead(0, 4));
        assert!(!records.is_sound(5) && !records.lead(0, 5));
        assert!(!records.is_sound(newest) && !records.lead(6, newest));
        let starts = [0, newest].map(|version| Start {
            version,
            is_checkpoint: version > 0,
            content: Content::Whole,
        });
        let provable = provable(&starts, &records, 0, newest, &Content::Whole, false);
        let numbers: Vec<_> = (provable.versions.iter())
            .map(|versions| versions.numbers.clone())
            .collect();
        assert_eq!(numbers, [newest..=newest]);
    }
}
