//! What is to be written: a batch of changes.

use alloc::{borrow::Cow, vec::Vec};

use super::{KEY_BYTES_MAX, REFERENCE_BYTES_MAX};
use crate::Hash;

/// A key or its reference that the map refuses: the caller's mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// A key has 1 to [`KEY_BYTES_MAX`] bytes.
    #[error("key of {len} bytes: keys have 1 to {KEY_BYTES_MAX} bytes")]
    Length {
        /// Length of the refused key, in bytes.
        len: usize,
    },
    /// A reference has at most [`REFERENCE_BYTES_MAX`] bytes.
    #[error("reference of {len} bytes: references have at most {REFERENCE_BYTES_MAX} bytes")]
    ReferenceLength {
        /// Length of the refused reference, in bytes.
        len: usize,
    },
}

/// The value of an entry: its bytes, or only what the leaf commits to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Value<'a> {
    /// The value itself.
    Bytes(&'a [u8]),
    /// The value is kept elsewhere, or was not revealed.
    Digest {
        /// Digest of the value, as the map's [`Hasher`](crate::Hasher) computes it.
        hash: Hash,
        /// Where its owner keeps the value: opaque, not hashed, not part of any proof.
        reference: &'a [u8],
    },
}

impl<'a> Value<'a> {
    /// The value's bytes, if they are here.
    #[must_use]
    pub fn bytes(self) -> Option<&'a [u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            Self::Digest { .. } => None,
        }
    }

    /// Digest of the value: stored, or computed from its bytes.
    #[must_use]
    pub fn hash<H: crate::Hasher>(self, hasher: &H) -> Hash {
        match self {
            Self::Bytes(bytes) => hasher.value(bytes),
            Self::Digest { hash, .. } => hash,
        }
    }
}

/// What happens to one key: it gets a value, or it goes.
pub(crate) type Change<'a> = Option<Value<'a>>;

/// Writes that are applied together.
///
/// The order of calls does not matter, but for one key the last call wins. Keys and values are
/// borrowed. A batch that comes in key order is not sorted again.
///
/// ```
/// use merkle_core::Batch;
///
/// let mut batch = Batch::new();
/// batch.put(b"alice", b"900")?.put(b"bob", b"100")?.delete(b"carol")?;
/// assert_eq!(batch.len(), 3);
/// assert!(batch.changes().map(|(key, _)| key).is_sorted());
/// # Ok::<(), merkle_core::KeyError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Batch<'a> {
    changes: Vec<(&'a [u8], Change<'a>)>,
}

impl<'a> Batch<'a> {
    /// An empty batch.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty batch with room for `changes` calls.
    #[must_use]
    pub fn with_capacity(changes: usize) -> Self {
        Self {
            changes: Vec::with_capacity(changes),
        }
    }

    /// Sets the value of `key`, whether or not it has one.
    ///
    /// # Errors
    ///
    /// [`KeyError::Length`]; the batch is as before.
    pub fn put(&mut self, key: &'a [u8], value: &'a [u8]) -> Result<&mut Self, KeyError> {
        self.change(key, Some(Value::Bytes(value)))
    }

    /// Sets the value of `key` by its digest; `reference` says where its owner keeps the value.
    ///
    /// For a [`PartialMap`](crate::PartialMap) whose values lie elsewhere. The digest is believed.
    ///
    /// # Errors
    ///
    /// [`KeyError::Length`] or [`KeyError::ReferenceLength`]; the batch is as before.
    pub fn put_digest(
        &mut self,
        key: &'a [u8],
        hash: Hash,
        reference: &'a [u8],
    ) -> Result<&mut Self, KeyError> {
        if reference.len() > REFERENCE_BYTES_MAX {
            return Err(KeyError::ReferenceLength {
                len: reference.len(),
            });
        }
        self.change(key, Some(Value::Digest { hash, reference }))
    }

    /// Removes `key`, if it is there.
    ///
    /// # Errors
    ///
    /// [`KeyError::Length`]; the batch is as before.
    pub fn delete(&mut self, key: &'a [u8]) -> Result<&mut Self, KeyError> {
        self.change(key, None)
    }

    /// Number of calls gathered, repeated keys counted each time.
    #[must_use]
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// Whether nothing was gathered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// The changes in key order, one a key: its new value, or none where it goes.
    ///
    /// Sorts, unless the batch comes in key order.
    pub fn changes(&self) -> impl Iterator<Item = (&'a [u8], Option<Value<'a>>)> {
        let changes = self.sorted();
        (0..changes.len()).map(move |at| changes[at])
    }

    /// The same batch, in key order and with one change a key.
    #[must_use]
    pub fn into_sorted(self) -> Self {
        match self.sorted() {
            Cow::Owned(changes) => Self { changes },
            Cow::Borrowed(_) => self,
        }
    }

    /// Adds a change of a key that was in a map.
    pub(super) fn push(&mut self, key: &'a [u8], change: Change<'a>) {
        self.changes.push((key, change));
    }

    fn change(&mut self, key: &'a [u8], change: Change<'a>) -> Result<&mut Self, KeyError> {
        check_key(key)?;
        self.changes.push((key, change));
        Ok(self)
    }

    /// The changes in key order, one a key.
    pub(crate) fn sorted(&self) -> Cow<'_, [(&'a [u8], Change<'a>)]> {
        if self.changes.is_sorted_by(|(a, _), (b, _)| a < b) {
            return Cow::Borrowed(&self.changes);
        }
        // Sorting by the first eight bytes, then by key, then by call: most comparisons touch
        let mut order: Vec<(u64, usize)> = self
            .changes
            .iter()
            .enumerate()
            .map(|(i, (key, _))| (first_bytes(key), i))
            .collect();
        order.sort_unstable_by(|&(a_head, a), &(b_head, b)| {
            a_head
                .cmp(&b_head)
                .then_with(|| self.changes[a].0.cmp(self.changes[b].0))
                .then(a.cmp(&b))
        });
        let mut sorted: Vec<(&[u8], Change<'_>)> = Vec::with_capacity(order.len());
        for (_, i) in order {
            let (key, change) = self.changes[i];
            match sorted.last_mut() {
                Some((last, earlier)) if *last == key => *earlier = change,
                _ => sorted.push((key, change)),
            }
        }
        Cow::Owned(sorted)
    }
}

/// The first eight bytes as a number that sorts as they do; short keys are filled with zeros.
fn first_bytes(key: &[u8]) -> u64 {
    let mut head = [0; 8];
    let len = key.len().min(8);
    head[..len].copy_from_slice(&key[..len]);
    u64::from_be_bytes(head)
}

/// Refuses keys that the map cannot hold.
pub(crate) fn check_key(key: &[u8]) -> Result<(), KeyError> {
    if key.is_empty() || key.len() > KEY_BYTES_MAX {
        return Err(KeyError::Length { len: key.len() });
    }
    Ok(())
}
