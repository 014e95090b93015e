//! Which bundles there are: rows made of manifests, and what they are found by.
//!
//! Nothing here is needed to read a bundle, and all of it follows from the manifests.

mod file;
mod query;

use std::collections::{BTreeMap, BTreeSet, HashMap, btree_map, hash_map};
use std::sync::Arc;

pub(crate) use file::{decode, encode};
pub use query::{BundleQuery, BundleSummary};

use crate::{Address, BundleAddress, BundleManifest, LegacyKey, VerificationStatus};

/// The order in which bundles are told: by time, then by address.
pub(crate) type Rank = (u64, BundleAddress);

/// What a bundle is found by, and no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) address: BundleAddress,
    pub(crate) code: Address,
    pub(crate) status: VerificationStatus,
    pub(crate) created_ns: u64,
    pub(crate) has_certificate: bool,
    pub(crate) legacy_key: Option<LegacyKey>,
    pub(crate) intent: Arc<str>,
}

impl Row {
    pub(crate) fn of(address: BundleAddress, manifest: &BundleManifest) -> Self {
        Self {
            address,
            code: manifest.code.address,
            status: manifest.status,
            created_ns: manifest.created_ns,
            has_certificate: manifest.certificate.is_some(),
            legacy_key: manifest.legacy.as_ref().map(|legacy| legacy.key),
            intent: manifest.intent.as_str().into(),
        }
    }

    fn rank(&self) -> Rank {
        (self.created_ns, self.address)
    }
}

/// All rows, and the ways to them.
#[derive(Debug, Default)]
pub(crate) struct Catalogue {
    rows: HashMap<BundleAddress, Row>,
    ranks: BTreeSet<Rank>,
    by_intent: BTreeMap<Arc<str>, BTreeSet<Rank>>,
    by_code: HashMap<Address, BTreeSet<Rank>>,
    by_legacy_key: BTreeMap<LegacyKey, BTreeSet<Rank>>,
    by_status: BTreeMap<VerificationStatus, BTreeSet<Rank>>,
}

impl Catalogue {
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn contains(&self, address: &BundleAddress) -> bool {
        self.rows.contains_key(address)
    }

    pub(crate) fn insert(&mut self, mut row: Row) {
        if self.contains(&row.address) {
            return;
        }
        // One text for all bundles of an intent.
        if let Some((intent, _)) = self.by_intent.get_key_value(&row.intent) {
            row.intent = Arc::clone(intent);
        }
        let rank = row.rank();
        self.ranks.insert(rank);
        let intent = self.by_intent.entry(Arc::clone(&row.intent));
        intent.or_default().insert(rank);
        self.by_code.entry(row.code).or_default().insert(rank);
        self.by_status.entry(row.status).or_default().insert(rank);
        if let Some(key) = row.legacy_key {
            self.by_legacy_key.entry(key).or_default().insert(rank);
        }
        self.rows.insert(row.address, row);
    }

    pub(crate) fn remove(&mut self, address: &BundleAddress) {
        let Some(row) = self.rows.remove(address) else {
            return;
        };
        let rank = row.rank();
        self.ranks.remove(&rank);
        prune(self.by_intent.entry(row.intent), rank);
        prune(self.by_status.entry(row.status), rank);
        if let Some(key) = row.legacy_key {
            prune(self.by_legacy_key.entry(key), rank);
        }
        if let hash_map::Entry::Occupied(mut entry) = self.by_code.entry(row.code) {
            entry.get_mut().remove(&rank);
            if entry.get().is_empty() {
                entry.remove();
            }
        }
    }

    /// All rows, in order.
    pub(crate) fn rows(&self) -> impl Iterator<Item = &Row> {
        self.ranks.iter().map(|(_, address)| &self.rows[address])
    }

    /// The names of intents behind `after`, and how many bundles each has.
    pub(crate) fn intents(&self, after: Option<&str>, limit: usize) -> Vec<(String, u64)> {
        use std::ops::Bound::{Excluded, Unbounded};
        let from = after.map_or(Unbounded, Excluded);
        let range = self.by_intent.range::<str, _>((from, Unbounded));
        (range.take(limit))
            .map(|(intent, ranks)| (intent.to_string(), ranks.len() as u64))
            .collect()
    }
}

/// Removes a rank, and the way to it if nothing else is there.
fn prune<K: Ord>(entry: btree_map::Entry<'_, K, BTreeSet<Rank>>, rank: Rank) {
    if let btree_map::Entry::Occupied(mut entry) = entry {
        entry.get_mut().remove(&rank);
        if entry.get().is_empty() {
            entry.remove();
        }
    }
}

#[cfg(test)]
mod tests;
