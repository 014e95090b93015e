//! A map some of whose subtrees are outside memory.

mod subtrees;
#[cfg(test)]
mod tests;

use alloc::{vec, vec::Vec};
use core::ops::RangeBounds;

use triomphe::Arc;

use super::{
    KeyRange, Map,
    batch::{Batch, Value},
    bit::Bit,
    node::{Kind, Node},
    page::{Item, Page},
    range::{Entries, Walk},
    subtree::Subtree,
    tree::Tree,
    undo::Undo,
    update::{Tally, assemble, build_all},
};
use crate::{Hash, Hasher, Proof, Query, Sha256, proof};
pub use subtrees::{IntoSubtrees, SubtreeEntries, SubtreeRef, Subtrees};

/// An ordered authenticated map of which some subtrees are known only by their hash.
///
/// It is what storage drives: the upper part of the tree stays in memory, the subtrees below it
/// are fetched when they are needed and let go when memory runs short. Nothing here reads or
/// writes. An operation that needs a subtree that is not there changes nothing and says which
/// ([`Missing`]); the caller fetches its entries, [supplies](Self::supply) them, which checks them
/// against the hash, and asks again.
///
/// ```
/// use merkle_core::{Batch, Map, PartialMap, Sha256, Value};
///
/// let keys: Vec<_> = (0..1000_u32).map(u32::to_be_bytes).collect();
/// let mut batch = Batch::new();
/// for key in &keys {
///     batch.put(key, b"1")?;
/// }
/// let mut map = Map::<Sha256>::new();
/// map.update(&batch);
///
/// let mut map = PartialMap::from(map);
/// let subtree = map.subtrees().remove(0);
/// map.evict(&subtree);
/// let missing = map.get(&keys[0]).unwrap_err();
/// assert_eq!(missing.subtrees, [subtree]);
///
/// let mut fetched = Batch::new();
/// for key in keys.iter().filter(|key| missing.subtrees[0].contains(&key[..])) {
///     fetched.put(key, b"1")?;
/// }
/// map.supply(&missing.subtrees[0], &fetched)?;
/// assert_eq!(map.get(&keys[0])?, Some(Value::Bytes(b"1")));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct PartialMap<H = Sha256> {
    tree: Tree<H>,
    /// How many subtrees are outside memory: none, and no operation needs to look for them.
    outside: usize,
}

/// A subtree that was fetched and found to be what its hash says, for [`PartialMap::put`].
#[derive(Clone, Debug)]
pub struct Fetched {
    subtree: Subtree,
    top: Arc<Page>,
}

/// An operation needs subtrees that are not in memory; nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} subtrees are not in memory", subtrees.len())]
#[non_exhaustive]
pub struct Missing {
    /// The subtrees, in key order, each once. There may be more once these are there.
    pub subtrees: Vec<Subtree>,
}

/// Why a subtree was not taken; nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SupplyError {
    /// The map knows no such subtree outside memory: it is there already, or has changed.
    #[error("no such subtree is missing")]
    NotMissing,
    /// The entries do not have the subtree's hash: stored data was damaged.
    #[error("the entries have the hash {computed}, the subtree has {expected}")]
    HashMismatch {
        /// The hash that the map knows.
        expected: Hash,
        /// The hash of what was supplied.
        computed: Hash,
    },
    /// An entry does not belong to the subtree, or is a deletion.
    #[error("entry {entry} does not belong to the subtree")]
    Misplaced {
        /// Its place among the entries in key order, counted from 0.
        entry: usize,
    },
}

/// Why subtrees do not make up a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AssembleError {
    /// A subtree does not lie behind the one before it.
    #[error("subtree {subtree} overlaps the one before it or is out of order")]
    Disorder {
        /// Its place, counted from 0.
        subtree: usize,
    },
    /// Together they have another root.
    #[error("the subtrees have the root {computed}, not {expected}")]
    RootMismatch {
        /// The root that was asked for.
        expected: Hash,
        /// The root that the subtrees have.
        computed: Hash,
    },
}

impl<H: Hasher> PartialMap<H> {
    /// A map with the root `root` whose entries all lie in `subtrees`, none of them in memory.
    ///
    /// The hashes of the subtrees are held against `root`; their names are not part of any hash,
    /// so whoever stores them protects them, as [`supply`](Self::supply) only checks the names of
    /// subtrees that are fetched.
    ///
    /// # Errors
    ///
    /// [`AssembleError`].
    pub fn assemble(hasher: H, root: Hash, subtrees: &[Subtree]) -> Result<Self, AssembleError> {
        for (at, pair) in subtrees.windows(2).enumerate() {
            if parting(&pair[0], &pair[1]).is_none() {
                return Err(AssembleError::Disorder { subtree: at + 1 });
            }
        }
        let (top, computed) = assemble(&hasher, subtrees);
        if computed != root {
            return Err(AssembleError::RootMismatch {
                expected: root,
                computed,
            });
        }
        Ok(Self {
            tree: Tree { hasher, top, root },
            outside: subtrees.len(),
        })
    }

    /// The root of the map whose entries all lie in `subtrees`: what [`assemble`](Self::assemble) holds
    /// against a root, without making the map. Needs memory for the depth of the map alone.
    ///
    /// # Errors
    ///
    /// [`AssembleError::Disorder`].
    pub fn root_of(
        hasher: &H,
        subtrees: impl IntoIterator<Item = Subtree>,
    ) -> Result<Hash, AssembleError> {
        let mut subtrees = subtrees.into_iter();
        let Some(mut last) = subtrees.next() else {
            return Ok(hasher.empty());
        };
        let inner = |left, right| {
            let mut hash = [Hash::default()];
            hasher.inner_many(&[[left, right]], &mut hash);
            hash[0]
        };
        // Left siblings of what is being put together, topmost first, and where they part from it.
        let mut left: Vec<(Hash, Bit)> = Vec::new();
        let mut hash = last.hash();
        for (at, next) in (1..).zip(subtrees) {
            let bit = parting(&last, &next).ok_or(AssembleError::Disorder { subtree: at })?;
            while let Some((sibling, _)) = left.pop_if(|(_, above)| *above > bit) {
                hash = inner(sibling, hash);
            }
            left.push((hash, bit));
            hash = next.hash();
            last = next;
        }
        while let Some((sibling, _)) = left.pop() {
            hash = inner(sibling, hash);
        }
        Ok(hash)
    }

    /// The hash that commits to every entry, in memory or not.
    #[must_use]
    pub fn root(&self) -> Hash {
        self.tree.root
    }

    /// The value of `key`.
    ///
    /// # Errors
    ///
    /// [`Missing`].
    pub fn get(&self, key: &[u8]) -> Result<Option<Value<'_>>, Missing> {
        self.tree.get(key).map_err(|at| Missing {
            subtrees: vec![self.stub(at)],
        })
    }

    /// The values of `keys`, in the order in which they are asked for; as [`Map::get_many`], faster
    /// than one after the other.
    ///
    /// # Errors
    ///
    /// [`Missing`], naming every subtree that the keys need, which may have come in any order.
    ///
    /// ```
    /// use merkle_core::{Batch, Map, PartialMap, Sha256, Value};
    ///
    /// let keys: Vec<_> = (0..1000_u32).map(u32::to_be_bytes).collect();
    /// let mut batch = Batch::new();
    /// for key in &keys {
    ///     batch.put(key, b"1")?;
    /// }
    /// let mut map = Map::<Sha256>::new();
    /// map.update(&batch);
    ///
    /// let mut map = PartialMap::from(map);
    /// let wanted = [&keys[999][..], b"none", &keys[0]];
    /// let one = Some(Value::Bytes(b"1"));
    /// assert_eq!(map.get_many(wanted)?, [one, None, one]);
    ///
    /// let subtrees = map.subtrees();
    /// for subtree in &subtrees {
    ///     map.evict(subtree);
    /// }
    /// let missing = map.get_many(wanted).unwrap_err();
    /// let [first, .., last] = &subtrees[..] else { unreachable!() };
    /// assert_eq!(missing.subtrees, [first.clone(), last.clone()]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get_many<'k>(
        &self,
        keys: impl IntoIterator<Item = &'k [u8]>,
    ) -> Result<Vec<Option<Value<'_>>>, Missing> {
        let keys = keys.into_iter();
        let mut values = Vec::with_capacity(keys.size_hint().0);
        self.look_up(keys, |value| values.push(value))?;
        Ok(values)
    }

    /// Calls `each` with the values of `keys`, in their order, as far as they are in memory.
    fn look_up<'t, 'k>(
        &'t self,
        keys: impl IntoIterator<Item = &'k [u8]>,
        mut each: impl FnMut(Option<Value<'t>>),
    ) -> Result<(), Missing> {
        let mut stubs: Vec<(&Page, usize)> = Vec::new();
        self.tree.get_many(keys, |found| match found {
            Ok(value) => each(value),
            Err((page, item)) => {
                let again = |last: &(&Page, usize)| core::ptr::eq(last.0, page) && last.1 == item;
                if !stubs.last().is_some_and(again) {
                    stubs.push((page, item));
                }
            }
        });
        if stubs.is_empty() {
            return Ok(());
        }
        Err(Missing::new(
            stubs.into_iter().map(|at| self.stub(at)).collect(),
        ))
    }

    /// The entries whose keys lie in `keys`, in key order.
    ///
    /// # Errors
    ///
    /// [`Missing`], naming every subtree that the range needs.
    pub fn range<'t>(&'t self, keys: impl RangeBounds<&'t [u8]>) -> Result<Entries<'t>, Missing> {
        let range = KeyRange::new(&keys);
        let mut walk = Walk::new(self.tree.node(), &range);
        let mut subtrees = Vec::new();
        while let Some(node) = walk.step(0, &range) {
            if let Kind::Stub { prefix, bit } = node.kind() {
                subtrees.push(Subtree::new(prefix, bit, *node.hash));
            }
        }
        if subtrees.is_empty() {
            Ok(Entries::new(self.tree.node(), range))
        } else {
            Err(Missing { subtrees })
        }
    }

    /// Applies `batch` in place, and says how the number of entries changed.
    ///
    /// # Errors
    ///
    /// [`Missing`], naming every subtree that the batch needs.
    pub fn update(&mut self, batch: &Batch<'_>) -> Result<Tally, Missing> {
        self.needs(batch)?;
        Ok(self.tree.update(batch, None))
    }

    /// Applies `batch` in place, and adds to `undo`, which should be empty, what takes it back.
    ///
    /// # Errors
    ///
    /// [`Missing`], naming every subtree that the batch needs.
    ///
    /// ```
    /// use merkle_core::{Batch, PartialMap, Map, Sha256, Undo};
    ///
    /// let mut batch = Batch::new();
    /// batch.put(b"alice", b"900")?;
    /// let mut map = PartialMap::from(Map::<Sha256>::new());
    /// let before = map.root();
    /// let mut undo = Undo::default();
    /// map.update_undoably(&batch, &mut undo)?;
    /// map.update(&undo.batch())?;
    /// assert_eq!(map.root(), before);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn update_undoably(
        &mut self,
        batch: &Batch<'_>,
        undo: &mut Undo,
    ) -> Result<Tally, Missing> {
        self.needs(batch)?;
        Ok(self.tree.update(batch, Some(undo)))
    }

    /// Applies `batch` in place, its two halves by two closures that may run at the same time, as
    /// [`Map::update_in_halves`] does.
    ///
    /// # Errors
    ///
    /// [`Missing`], naming every subtree that the batch needs.
    ///
    /// # Panics
    ///
    /// Only if `both` does; the map is empty then.
    pub fn update_in_halves(
        &mut self,
        batch: &Batch<'_>,
        both: impl FnOnce(&mut (dyn FnMut() + Send), &mut (dyn FnMut() + Send)),
    ) -> Result<Tally, Missing> {
        self.needs(batch)?;
        Ok(self.tree.update_in_halves(batch, None, both))
    }

    /// The same, and adds to `undo` what takes it back, as
    /// [`update_undoably`](Self::update_undoably) does.
    ///
    /// # Errors
    ///
    /// [`Missing`], naming every subtree that the batch needs.
    ///
    /// # Panics
    ///
    /// Only if `both` does; the map is empty then.
    pub fn update_in_halves_undoably(
        &mut self,
        batch: &Batch<'_>,
        undo: &mut Undo,
        both: impl FnOnce(&mut (dyn FnMut() + Send), &mut (dyn FnMut() + Send)),
    ) -> Result<Tally, Missing> {
        self.needs(batch)?;
        Ok(self.tree.update_in_halves(batch, Some(undo), both))
    }

    /// Whether all that `batch` needs is in memory.
    fn needs(&self, batch: &Batch<'_>) -> Result<(), Missing> {
        if self.outside == 0 {
            return Ok(());
        }
        self.look_up(batch.sorted().iter().map(|(key, _)| *key), |_| {})
    }

    /// Proves the value of `key`, or its absence, as [`Map::prove`] does.
    ///
    /// # Errors
    ///
    /// [`Missing`].
    ///
    /// ```
    /// use merkle_core::{Batch, Lookup, Map, PartialMap, Sha256, Value};
    ///
    /// let mut batch = Batch::new();
    /// batch.put(b"alice", b"900")?;
    /// let mut map = Map::<Sha256>::new();
    /// map.update(&batch);
    /// let map = PartialMap::from(map);
    ///
    /// let proof = map.prove(b"alice")?;
    /// let view = proof.verify(&Sha256, &map.root())?;
    /// assert_eq!(view.get(b"alice"), Lookup::Present(Value::Bytes(b"900")));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn prove(&self, key: &[u8]) -> Result<Proof, Missing> {
        proof::prove_key(&self.tree.hasher, self.tree.node(), key).map_err(Missing::of)
    }

    /// Proves all that `query` asks for.
    ///
    /// # Errors
    ///
    /// [`Missing`].
    pub fn prove_query(&self, query: &Query<'_>) -> Result<Proof, Missing> {
        proof::prove(&self.tree.hasher, self.tree.node(), query).map_err(Missing::of)
    }

    /// Proves to what root `batch` leads, with [`View::apply`](crate::View::apply).
    ///
    /// # Errors
    ///
    /// [`Missing`].
    pub fn prove_update(&self, batch: &Batch<'_>) -> Result<Proof, Missing> {
        proof::prove_update(&self.tree.hasher, self.tree.node(), batch).map_err(Missing::of)
    }

    /// All subtrees into which the map is cut, in key order: each in memory as a whole or not at
    /// all, of a few dozen entries or, where keys are uneven, of one.
    ///
    /// How a map is cut depends on its past. A subtree with the same name and hash holds the same
    /// entries, whenever and wherever: who has stored it once need not store it again.
    #[must_use]
    pub fn subtrees(&self) -> Vec<Subtree> {
        let subtrees = self.subtrees_after(None);
        subtrees.map(|subtree| subtree.to_subtree()).collect()
    }

    /// The subtrees whose prefixes come after `prefix`, one after the other; all, if there is none.
    ///
    /// If no subtree has that prefix, some that come after it may be left out: whoever goes over a map
    /// that changes meanwhile goes around once more.
    ///
    /// ```
    /// use merkle_core::{Batch, Map, PartialMap, Sha256};
    ///
    /// let keys: Vec<_> = (0..1000_u32).map(u32::to_be_bytes).collect();
    /// let mut batch = Batch::new();
    /// for key in &keys {
    ///     batch.put(key, b"1")?;
    /// }
    /// let mut map = Map::<Sha256>::new();
    /// map.update(&batch);
    ///
    /// let mut map = PartialMap::from(map);
    /// let first = map.subtrees().remove(0);
    /// map.evict(&first);
    /// let behind = map.subtrees_after(Some(first.prefix()));
    /// assert_eq!(behind.filter(|subtree| !subtree.is_in_memory()).count(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn subtrees_after(&self, prefix: Option<&[u8]>) -> Subtrees<'_> {
        Subtrees::new(self.tree.top.as_deref(), &self.tree.root, prefix)
    }

    /// Takes the map apart, subtree by subtree in key order: what no clone shares is free as soon as it
    /// was handed out.
    ///
    /// For who writes a map to storage beside another that goes on changing: the copies that this makes
    /// necessary do not have to wait for the end.
    #[must_use]
    pub fn into_subtrees(self) -> IntoSubtrees {
        IntoSubtrees::new(self.tree.top, self.tree.root)
    }

    /// The entries of a subtree, in key order; none if it is not in memory or has changed.
    #[must_use]
    pub fn entries(&self, subtree: &Subtree) -> Option<Entries<'_>> {
        let mut node = self.tree.node()?;
        while let Kind::Inner {
            bit,
            children: [left, right],
        } = node.kind()
            && bit < subtree.bit
        {
            node = if bit.of(subtree.prefix()) {
                right
            } else {
                left
            };
        }
        let found = *node.hash == subtree.hash()
            && node.bit() == subtree.bit
            && subtree.contains(node.representative())
            && !matches!(node.kind(), Kind::Stub { .. });
        found.then(|| Entries::new(Some(node), KeyRange::new(&(..))))
    }

    /// Lets the entries of a subtree go, keeping its hash. Whether there was anything to let go.
    ///
    /// Memory is free once no clone of this map shares the entries any more.
    pub fn evict(&mut self, subtree: &Subtree) -> bool {
        if !self.tree.has_in_memory(subtree) {
            return false;
        }
        let (prefix, bit) = (subtree.prefix(), subtree.bit);
        match &mut self.tree.top {
            Some(top) if top.is_lowest() => {
                let mut page = Page::with_text(2 * prefix.len());
                page.push_stub(prefix, bit);
                page.finish(0, prefix);
                *top = Arc::new(page);
            }
            _ => self
                .tree
                .change_item(subtree, |page, item| page.set_stub(item, prefix, bit)),
        }
        self.outside += 1;
        true
    }

    /// Brings the entries of a subtree back, given as a batch of puts.
    ///
    /// # Errors
    ///
    /// [`SupplyError`], if the entries are not those of the subtree.
    pub fn supply(&mut self, subtree: &Subtree, entries: &Batch<'_>) -> Result<(), SupplyError> {
        if !self.is_missing(subtree) {
            return Err(SupplyError::NotMissing);
        }
        let fetched = Fetched::check(&self.tree.hasher, subtree, entries)?;
        self.put(fetched)
    }

    /// Brings a subtree back that was checked before; nothing is hashed.
    ///
    /// # Errors
    ///
    /// [`SupplyError::NotMissing`].
    pub fn put(&mut self, fetched: Fetched) -> Result<(), SupplyError> {
        let Fetched { subtree, top } = fetched;
        if !self.is_missing(&subtree) {
            return Err(SupplyError::NotMissing);
        }
        self.tree
            .change_item(&subtree, |page, item| page.put_page(item, top));
        self.outside -= 1;
        Ok(())
    }

    /// Whether `subtree` is outside memory.
    fn is_missing(&self, subtree: &Subtree) -> bool {
        matches!(self.tree.get(subtree.prefix()), Err(at) if self.stub(at) == *subtree)
    }

    /// The subtree outside memory at which a search ended.
    fn stub(&self, (page, item): (&Page, usize)) -> Subtree {
        let hash = page.hash(item).unwrap_or(self.tree.root);
        match page.item(item) {
            Item::Stub { prefix, bit } => Subtree::new(page.text(prefix), bit, hash),
            _ => Subtree::new(&[], Bit::END, hash),
        }
    }
}

/// Where two subtrees part; none if the second does not lie behind the first.
fn parting(first: &Subtree, second: &Subtree) -> Option<Bit> {
    Bit::between(first.prefix(), second.prefix())
        .filter(|bit| *bit < first.bit.min(second.bit) && bit.of(second.prefix()))
}

impl Fetched {
    /// Holds `entries`, a batch of puts, against the hash of `subtree`.
    ///
    /// Costs the hashing of the entries, and needs no map: many subtrees can be checked at the same
    /// time, each for a map that hashes with `hasher`.
    ///
    /// # Errors
    ///
    /// [`SupplyError::HashMismatch`] or [`SupplyError::Misplaced`].
    pub fn check<H: Hasher>(
        hasher: &H,
        subtree: &Subtree,
        entries: &Batch<'_>,
    ) -> Result<Self, SupplyError> {
        let mut checked = Self::check_all(hasher, &[(subtree, entries)]);
        checked.pop().expect("one answer for each")
    }

    /// Holds the entries of each of some subtrees against its hash, as [`check`](Self::check) does, and
    /// answers for each.
    ///
    /// Faster than one after the other: nodes of all of them are hashed together. Some dozen subtrees of
    /// a usual size stay in the cache until they are hashed.
    ///
    /// ```
    /// use merkle_core::{Batch, Fetched, Map, PartialMap, Sha256};
    ///
    /// let keys: Vec<_> = (0..1000_u32).map(u32::to_be_bytes).collect();
    /// let mut batch = Batch::new();
    /// for key in &keys {
    ///     batch.put(key, b"1")?;
    /// }
    /// let mut map = Map::<Sha256>::new();
    /// map.update(&batch);
    /// let subtrees = PartialMap::from(map).subtrees();
    ///
    /// let mut fetched = [Batch::new(), Batch::new()];
    /// for (subtree, entries) in subtrees.iter().zip(&mut fetched) {
    ///     for key in keys.iter().filter(|key| subtree.contains(&key[..])) {
    ///         entries.put(key, b"1")?;
    ///     }
    /// }
    /// fetched[1].put(&keys[999], b"1")?; // which is not one of its keys
    /// let fetched: Vec<_> = subtrees.iter().zip(&fetched).collect();
    /// let checked = Fetched::check_all(&Sha256, &fetched);
    /// assert!(checked[0].is_ok() && checked[1].is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn check_all<H: Hasher>(
        hasher: &H,
        fetched: &[(&Subtree, &Batch<'_>)],
    ) -> Vec<Result<Self, SupplyError>> {
        let mut entries = Vec::new();
        let mut ends = Vec::with_capacity(fetched.len());
        let misplaced: Vec<Option<usize>> = (fetched.iter())
            .map(|(subtree, batch)| {
                let start = entries.len();
                entries.extend_from_slice(&batch.sorted());
                let belongs =
                    |(key, value): &(&[u8], Option<_>)| value.is_some() && subtree.contains(key);
                let misplaced = entries[start..].iter().position(|entry| !belongs(entry));
                if misplaced.is_some() {
                    entries.truncate(start);
                }
                ends.push(entries.len());
                misplaced
            })
            .collect();
        let trees = build_all(hasher, &entries, &ends);
        let each = fetched.iter().zip(misplaced).zip(trees);
        each.map(|(((subtree, _), misplaced), (top, computed))| {
            if let Some(entry) = misplaced {
                return Err(SupplyError::Misplaced { entry });
            }
            match top {
                Some(top) if computed == subtree.hash() => Ok(Self {
                    subtree: (*subtree).clone(),
                    top,
                }),
                _ => Err(SupplyError::HashMismatch {
                    expected: subtree.hash(),
                    computed,
                }),
            }
        })
        .collect()
    }
}

impl Missing {
    fn of(stubs: Vec<Node<'_>>) -> Self {
        let subtree = |stub: Node<'_>| match stub.kind() {
            Kind::Stub { prefix, bit } => Some(Subtree::new(prefix, bit, *stub.hash)),
            _ => None,
        };
        Self::new(stubs.into_iter().filter_map(subtree).collect())
    }

    /// Of subtrees in any order, some of them more than once.
    fn new(mut subtrees: Vec<Subtree>) -> Self {
        subtrees.sort_unstable_by(|a, b| a.prefix().cmp(b.prefix()));
        subtrees.dedup();
        Self { subtrees }
    }
}

impl<H: Hasher> From<Map<H>> for PartialMap<H> {
    fn from(map: Map<H>) -> Self {
        Self {
            tree: map.tree,
            outside: 0,
        }
    }
}
