//! What a proof is to show.

use alloc::vec::Vec;
use core::ops::RangeBounds;

use crate::map::KeyRange;

/// What a proof is to show: keys, ranges and prefixes, as many as wanted.
///
/// ```
/// use merkle_core::{Batch, Map, Query, Sha256};
///
/// let mut batch = Batch::new();
/// batch.put(b"account/alice", b"900")?.put(b"account/bob", b"100")?.put(b"nonce", b"1")?;
/// let mut map = Map::<Sha256>::new();
/// map.update(&batch);
///
/// let proof = map.prove_query(&Query::new().key(b"nonce").prefix(b"account/"));
/// let view = proof.verify(&Sha256, &map.root())?;
/// assert_eq!(view.prefix(b"account/")?.count(), 2); // and there are no others
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Query<'k> {
    pub(super) ranges: Vec<KeyRange<'k>>,
    pub(super) digests: bool,
    pub(super) neighbours: bool,
}

impl<'k> Query<'k> {
    /// A query for nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks for the value of `key`, or for its absence.
    #[must_use]
    pub fn key(mut self, key: &'k [u8]) -> Self {
        self.ranges.push(KeyRange::point(key));
        self
    }

    /// Asks for the values of `keys`, or for their absence.
    #[must_use]
    pub fn keys(mut self, keys: impl IntoIterator<Item = &'k [u8]>) -> Self {
        self.ranges.extend(keys.into_iter().map(KeyRange::point));
        self
    }

    /// Asks for all entries whose keys lie in `keys`.
    #[must_use]
    pub fn range(mut self, keys: impl RangeBounds<&'k [u8]>) -> Self {
        self.ranges.push(KeyRange::new(&keys));
        self
    }

    /// Asks for all entries whose keys begin with `prefix`.
    #[must_use]
    pub fn prefix(mut self, prefix: &'k [u8]) -> Self {
        self.ranges.push(KeyRange::prefix(prefix));
        self
    }

    /// Shows digests of values instead of the values: for values that are large, secret, or known
    /// to the verifier.
    #[must_use]
    pub fn digests(mut self) -> Self {
        self.digests = true;
        self
    }

    /// Shows also the values of the entries right before and right after what is asked for, which
    /// otherwise come as digests. Changes nothing after [`digests`](Self::digests).
    ///
    /// ICS-23 wants them where a key is absent.
    #[must_use]
    pub fn with_neighbours(mut self) -> Self {
        self.neighbours = true;
        self
    }
}
