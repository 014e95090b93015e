//! Asking for bundles.

use std::collections::BTreeSet;
use std::ops::{Bound, RangeInclusive};

use super::{Catalogue, Rank, Row};
use crate::{Address, BundleAddress, LegacyKey, VerificationStatus};

/// Which bundles to tell of: those that meet everything said here, by time and then by address.
///
/// ```
/// use truth_vault::{BundleQuery, VerificationStatus};
///
/// let query = BundleQuery::new().intent("transfer").status(VerificationStatus::Proved);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct BundleQuery {
    intent: Option<String>,
    status: Option<VerificationStatus>,
    code: Option<Address>,
    legacy_keys: Option<RangeInclusive<LegacyKey>>,
    created_from: Option<u64>,
    created_before: Option<u64>,
    after: Option<Rank>,
    limit: Option<usize>,
}

impl BundleQuery {
    /// All of them.
    pub fn new() -> Self {
        Self::default()
    }

    /// Those of this intent: its versions, the oldest first.
    #[doc(alias = "versions")]
    pub fn intent(mut self, intent: &str) -> Self {
        self.intent = Some(intent.to_owned());
        self
    }

    /// Those of this status.
    pub fn status(mut self, status: VerificationStatus) -> Self {
        self.status = Some(status);
        self
    }

    /// Those of this code.
    pub fn code(mut self, code: Address) -> Self {
        self.code = Some(code);
        self
    }

    /// Those that the original system knew by this key.
    pub fn legacy_key(mut self, key: LegacyKey) -> Self {
        self.legacy_keys = Some(key..=key);
        self
    }

    /// Those whose legacy key begins with these hex digits: its files are named by 16 or 8 of them.
    /// Other texts meet nothing.
    pub fn legacy_key_prefix(mut self, digits: &str) -> Self {
        let filled = |digit: &str| {
            let text = format!(
                "{digits}{}",
                digit.repeat(64_usize.saturating_sub(digits.len()))
            );
            text.parse::<LegacyKey>().ok()
        };
        let range = filled("0").zip(filled("f"));
        // An empty range is one that begins behind its end.
        let [zeros, ones] = [[0; 32], [0xff; 32]].map(LegacyKey::from_bytes);
        let (first, last) = range.unwrap_or((ones, zeros));
        self.legacy_keys = Some(first..=last);
        self
    }

    /// Those made at `time_ns` or later, in nanoseconds since 1970.
    pub fn created_from(mut self, time_ns: u64) -> Self {
        self.created_from = Some(time_ns);
        self
    }

    /// Those made before `time_ns`.
    pub fn created_before(mut self, time_ns: u64) -> Self {
        self.created_before = Some(time_ns);
        self
    }

    /// Those behind this one: the last of a page, for the next page.
    pub fn after(mut self, last: &BundleSummary) -> Self {
        self.after = Some((last.created_ns, last.address));
        self
    }

    /// The same, for whoever kept no more of the last one than when it was made and its address.
    pub fn after_place(mut self, created_ns: u64, address: BundleAddress) -> Self {
        self.after = Some((created_ns, address));
        self
    }

    /// At most so many.
    pub fn limit(mut self, count: usize) -> Self {
        self.limit = Some(count);
        self
    }

    fn is_met_by(&self, row: &Row) -> bool {
        let is = |wanted: Option<bool>| wanted.unwrap_or(true);
        is(self.intent.as_ref().map(|intent| **intent == *row.intent))
            && is(self.status.map(|status| status == row.status))
            && is(self.code.map(|code| code == row.code))
            && is((self.legacy_keys.as_ref())
                .map(|keys| row.legacy_key.is_some_and(|key| keys.contains(&key))))
    }

    /// The ranks that time and page leave.
    fn ranks(&self) -> Option<(Bound<Rank>, Bound<Rank>)> {
        let lowest = BundleAddress::from_address(Address::from_bytes([0; 32]));
        let from = (self.created_from.unwrap_or(0), lowest);
        let start = match self.after {
            Some(after) if after >= from => Bound::Excluded(after),
            _ => Bound::Included(from),
        };
        let end = self.created_before.map(|time_ns| (time_ns, lowest));
        let first = self.after.map_or(from, |after| after.max(from));
        if end.is_some_and(|end| first >= end) {
            return None; // of a range that ends before it begins, a tree panics
        }
        Some((start, end.map_or(Bound::Unbounded, Bound::Excluded)))
    }
}

/// What is told of a bundle without reading its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BundleSummary {
    /// Its address.
    pub address: BundleAddress,
    /// The address of its code.
    pub code: Address,
    /// The name of its intent; empty if it has none.
    pub intent: String,
    /// What its verification came to, by whoever made the bundle.
    pub status: VerificationStatus,
    /// When it was made, in nanoseconds since 1970.
    pub created_ns: u64,
    /// Whether it has a certificate, verified or not.
    pub has_certificate: bool,
    /// What the original system knew it by, if it is from there.
    pub legacy_key: Option<LegacyKey>,
}

impl BundleSummary {
    fn of(row: &Row) -> Self {
        Self {
            address: row.address,
            code: row.code,
            intent: row.intent.to_string(),
            status: row.status,
            created_ns: row.created_ns,
            has_certificate: row.has_certificate,
            legacy_key: row.legacy_key,
        }
    }
}

impl Catalogue {
    /// The bundles that meet `query`. Costs what the narrowest of its conditions leaves.
    pub(crate) fn find(&self, query: &BundleQuery) -> Vec<BundleSummary> {
        let Some(range) = query.ranks() else {
            return Vec::new();
        };
        let limit = query.limit.unwrap_or(usize::MAX);
        let of_legacy;
        let candidates = if let Some(keys) = &query.legacy_keys {
            of_legacy = self.of_legacy_keys(keys);
            Some(&of_legacy)
        } else {
            self.narrowest(query)
        };
        let ranks = candidates.into_iter().flat_map(|ranks| ranks.range(range));
        let rows = ranks.map(|(_, address)| &self.rows[address]);
        rows.filter(|row| query.is_met_by(row))
            .take(limit)
            .map(BundleSummary::of)
            .collect()
    }

    fn of_legacy_keys(&self, keys: &RangeInclusive<LegacyKey>) -> BTreeSet<Rank> {
        if keys.is_empty() {
            return BTreeSet::new(); // of a range that ends before it begins, a tree panics
        }
        let ranks = self.by_legacy_key.range(keys.clone());
        ranks.flat_map(|(_, ranks)| ranks).copied().collect()
    }

    /// The smallest set that has all that meet `query`; `None` if nothing does.
    fn narrowest(&self, query: &BundleQuery) -> Option<&BTreeSet<Rank>> {
        let mut narrowest = &self.ranks;
        let mut narrow = |ranks: &'_ Option<_>| -> Option<()> {
            let ranks: &BTreeSet<Rank> = (*ranks)?;
            if ranks.len() < narrowest.len() {
                narrowest = ranks;
            }
            Some(())
        };
        if let Some(code) = &query.code {
            narrow(&self.by_code.get(code))?;
        }
        if let Some(intent) = &query.intent {
            narrow(&self.by_intent.get(intent.as_str()))?;
        }
        if let Some(status) = &query.status {
            narrow(&self.by_status.get(status))?;
        }
        Some(narrowest)
    }
}
