//! Reading a version: values, ranges, proofs.

use std::borrow::Cow;
use std::ops::{Bound, RangeBounds};
use std::sync::{Arc, RwLock};

use merkle_core::{Batch, Hasher, KEY_BYTES_MAX, KeyError, Proof, Query};

use crate::state::{self, State};
use crate::{Fault, KeyMode, ReadError, Shared, Version};

mod scan;

pub use scan::Scan;

/// A version being read: it stays as it is whatever is committed meanwhile.
///
/// It neither holds up the writer nor is held up by it, once it is taken;
/// [taking it](crate::RealityDb::snapshot) may wait for the commit in flight. Cloning is cheap. While it
/// lives, the memory of what has changed since stays in use, and so does the database: its folder stays
/// locked after the last handle is dropped.
#[derive(Clone)]
pub struct Snapshot {
    state: Arc<RwLock<State>>,
    version: Version,
    pub(crate) shared: Arc<Shared>,
    /// How many ways out were taken when it was: damage that it meets after another is none of the store.
    pub(crate) ways_taken: u64,
}

impl Snapshot {
    /// Of a `state` that was read after so many ways out were [taken](Shared::ways_taken).
    pub(crate) fn new(state: State, shared: Arc<Shared>, ways_taken: u64) -> Self {
        Self {
            version: Version::of(&state.link()),
            state: Arc::new(RwLock::new(state)),
            shared,
            ways_taken,
        }
    }

    /// Bytes that its tree takes, about.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> u64 {
        state::read(&self.state).unwrap().bytes()
    }

    /// The version that is read.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// Number of entries.
    ///
    /// # Errors
    ///
    /// [`ReadError::Storage`] after a panic in another thread.
    pub fn len(&self) -> Result<u64, ReadError> {
        Ok(state::read(&self.state)?.link().entries)
    }

    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.version.root == self.shared.format.profile.empty()
    }

    /// The value of `key`.
    ///
    /// # Errors
    ///
    /// [`ReadError`]; damage is told, never returned as a value.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        self.get_tree_key(&self.shared.tree_key(key)?)
    }

    /// The values of `keys`, in the order in which they are asked for.
    ///
    /// The same as [`get`](Self::get) for each, but faster: the searches do not wait for one
    /// another, neither for memory nor for what must be read from the disk. All that the keys need
    /// is in memory at once, whatever [`cache_bytes`](crate::Options::cache_bytes) says.
    ///
    /// # Errors
    ///
    /// [`ReadError`]; damage is told, never returned as a value.
    ///
    /// ```
    /// # use reality_db::{Batch, Options, Backend, RealityDb};
    /// # let db = RealityDb::open("unused", &Options::new().backend(Backend::Memory))?;
    /// db.put(b"alice", b"900")?;
    /// let values = db.snapshot()?.get_many([&b"bob"[..], b"alice"])?;
    /// assert_eq!(values, [None, Some(b"900".to_vec())]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get_many<'k>(
        &self,
        keys: impl IntoIterator<Item = &'k [u8]>,
    ) -> Result<Vec<Option<Vec<u8>>>, ReadError> {
        let keys = self.shared.tree_keys(keys)?;
        self.noticed(state::get_many(&self.state, &keys))
    }

    /// The value at a key of the tree.
    pub(crate) fn get_tree_key(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        self.noticed(state::get(&self.state, key))
    }

    /// Entries in key order: those in `keys`.
    ///
    /// # Errors
    ///
    /// [`ReadError::NoKeyOrder`].
    ///
    /// ```
    /// # use reality_db::{Batch, Options, Backend, RealityDb};
    /// # let db = RealityDb::open("unused", &Options::new().backend(Backend::Memory))?;
    /// db.put(b"alice", b"900")?;
    /// db.put(b"bob", b"100")?;
    /// let snapshot = db.snapshot()?;
    /// let from: &[u8] = b"b";
    /// for entry in snapshot.range(from..)? {
    ///     let (key, value) = entry?;
    ///     assert_eq!((&key[..], &value[..]), (&b"bob"[..], &b"100"[..]));
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn range<'k>(&self, keys: impl RangeBounds<&'k [u8]>) -> Result<Scan, ReadError> {
        let owned = |bound: Bound<&&[u8]>| bound.map(|key| key.to_vec());
        self.shared.needs_order()?;
        Ok(Scan::new(
            self,
            owned(keys.start_bound()),
            owned(keys.end_bound()),
        ))
    }

    /// Entries in key order: those whose keys begin with `prefix`.
    ///
    /// # Errors
    ///
    /// [`ReadError::NoKeyOrder`].
    pub fn prefix(&self, prefix: &[u8]) -> Result<Scan, ReadError> {
        self.shared.needs_order()?;
        Ok(Scan::new(
            self,
            Bound::Included(prefix.to_vec()),
            after_prefix(prefix).map_or(Bound::Unbounded, Bound::Excluded),
        ))
    }

    /// All entries in key order.
    ///
    /// # Errors
    ///
    /// [`ReadError::NoKeyOrder`].
    pub fn iter(&self) -> Result<Scan, ReadError> {
        self.range(..)
    }

    /// Proves the value of `key`, or that it has none, against this version's root.
    ///
    /// # Errors
    ///
    /// [`ReadError`].
    pub fn prove(&self, key: &[u8]) -> Result<Proof, ReadError> {
        let key = self.shared.tree_key(key)?;
        self.noticed(state::ask(&self.state, |map| map.prove(&key)))
    }

    /// Proves all that `query` asks for, in one proof. Where keys are hashed, the query asks by
    /// [`tree_key`](crate::RealityDb::tree_key).
    ///
    /// # Errors
    ///
    /// [`ReadError`].
    pub fn prove_query(&self, query: &Query<'_>) -> Result<Proof, ReadError> {
        self.noticed(state::ask(&self.state, |map| map.prove_query(query)))
    }

    /// Proves to what root `batch` leads from here; see
    /// [`View::apply`](merkle_core::View::apply). Where keys are hashed, the batch has
    /// [tree keys](crate::RealityDb::tree_key).
    ///
    /// # Errors
    ///
    /// [`ReadError`].
    pub fn prove_update(&self, batch: &Batch<'_>) -> Result<Proof, ReadError> {
        self.noticed(state::ask(&self.state, |map| map.prove_update(batch)))
    }

    /// Its state, to go on from.
    pub(crate) fn state(&self) -> Result<State, Fault> {
        Ok(state::read(&self.state)?.clone())
    }

    pub(crate) fn noticed<T>(&self, outcome: Result<T, Fault>) -> Result<T, ReadError> {
        self.shared.noticed_since(self.ways_taken, outcome)
    }
}

impl Shared {
    /// Where `key` is in the tree.
    pub(crate) fn tree_key<'k>(&self, key: &'k [u8]) -> Result<Cow<'k, [u8]>, KeyError> {
        if key.is_empty() || key.len() > KEY_BYTES_MAX {
            return Err(KeyError::Length { len: key.len() });
        }
        Ok(match self.format.key_mode {
            KeyMode::Ordered => Cow::Borrowed(key),
            KeyMode::Hashed => Cow::Owned(self.format.profile.value(key).as_bytes().to_vec()),
        })
    }

    /// Where each of `keys` is in the tree.
    pub(crate) fn tree_keys<'k>(
        &self,
        keys: impl IntoIterator<Item = &'k [u8]>,
    ) -> Result<Vec<Cow<'k, [u8]>>, KeyError> {
        keys.into_iter().map(|key| self.tree_key(key)).collect()
    }

    fn needs_order(&self) -> Result<(), ReadError> {
        match self.format.key_mode {
            KeyMode::Ordered => Ok(()),
            KeyMode::Hashed => Err(ReadError::NoKeyOrder),
        }
    }
}

/// The first key behind all that begin with `prefix`; none if there is no such key.
fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut after = prefix.to_vec();
    while let Some(last) = after.pop() {
        if let Some(next) = last.checked_add(1) {
            after.push(next);
            return Some(after);
        }
    }
    None
}
