//! Counts by name.

use std::collections::BTreeMap;

use super::codec::{Reader, Writer};

/// Counts by name, for the first [`NAMES_MAX`](Self::NAMES_MAX) names that appear; the rest
/// together.
///
/// The bound keeps a cell small whatever names an attacker invents. Sums of several breakdowns
/// may have more names.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Breakdown<C> {
    names: BTreeMap<String, C>,
    other: C,
}

/// What is counted under a name.
pub(super) trait Counts: Default + Clone {
    fn merge(&mut self, other: &Self);
    fn write(&self, to: &mut Writer);
    fn read(from: &mut Reader<'_>) -> Option<Self>;
    fn is_zero(&self) -> bool;
}

impl<C> Breakdown<C> {
    /// Names with counts of their own in one cell.
    pub const NAMES_MAX: usize = 128;

    /// The names and their counts, in the order of their bytes.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &C)> {
        self.names
            .iter()
            .map(|(name, counts)| (name.as_str(), counts))
    }

    /// The counts of a name, if it has counts of its own.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&C> {
        self.names.get(name)
    }

    /// What came under names that there was no more room for.
    #[must_use]
    pub const fn other(&self) -> &C {
        &self.other
    }
}

#[expect(private_bounds, reason = "only what is counted here can be counted")]
impl<C: Counts> Breakdown<C> {
    /// The counts for `name`.
    pub(super) fn at(&mut self, name: &str) -> &mut C {
        if !self.names.contains_key(name) {
            if self.names.len() >= Self::NAMES_MAX {
                return &mut self.other;
            }
            self.names.insert(name.into(), C::default());
        }
        self.names.get_mut(name).expect("it is there")
    }

    pub(super) fn merge(&mut self, other: &Self) {
        for (name, counts) in &other.names {
            self.names.entry(name.clone()).or_default().merge(counts);
        }
        self.other.merge(&other.other);
    }

    pub(super) fn write(&self, to: &mut Writer) {
        to.number(self.names.len() as u64);
        for (name, counts) in &self.names {
            to.text(name);
            counts.write(to);
        }
        self.other.write(to);
    }

    pub(super) fn read(from: &mut Reader<'_>) -> Option<Self> {
        let length = usize::try_from(from.number()?).ok()?;
        if length > Self::NAMES_MAX {
            return None;
        }
        let mut names = BTreeMap::new();
        let mut previous = None;
        for _ in 0..length {
            let name = from.text()?;
            let follows = previous.as_ref().is_none_or(|previous| *previous < name);
            let counts = C::read(from).filter(|counts| follows && !counts.is_zero())?;
            previous = Some(name.clone());
            names.insert(name, counts);
        }
        let other = C::read(from)?;
        let is_full = length == Self::NAMES_MAX;
        (is_full || other.is_zero()).then_some(Self { names, other })
    }
}

impl Counts for u64 {
    fn merge(&mut self, other: &Self) {
        *self = self.saturating_add(*other);
    }

    fn write(&self, to: &mut Writer) {
        to.number(*self);
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        from.number()
    }

    fn is_zero(&self) -> bool {
        *self == 0
    }
}
