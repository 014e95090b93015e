//! Going over the subtrees into which a map is cut, and taking the map apart by them.

use alloc::{vec, vec::Vec};
use core::ops::Range;

use triomphe::Arc;

use crate::{
    Hash, Value,
    map::{
        Subtree,
        bit::Bit,
        page::{Item, Page},
    },
};

/// A subtree of a map where it lies: in memory with its entries, or outside.
#[derive(Clone, Copy, Debug)]
pub struct SubtreeRef<'m> {
    page: &'m Page,
    /// Which item of the page; none if it is all of the page.
    item: Option<usize>,
    hash: &'m Hash,
}

impl<'m> SubtreeRef<'m> {
    /// The bytes that begin all its keys, in whole or, for the last byte, in part.
    #[must_use]
    pub fn prefix(&self) -> &'m [u8] {
        match self.item {
            None => self.page.prefix(),
            Some(item) => self.page.representative(item).unwrap_or_default(),
        }
    }

    /// Its hash.
    #[must_use]
    pub fn hash(&self) -> Hash {
        *self.hash
    }

    /// Its name and hash, to be kept.
    #[must_use]
    pub fn to_subtree(&self) -> Subtree {
        Subtree::new(self.prefix(), self.bit(), *self.hash)
    }

    /// Whether its entries are in memory.
    #[must_use]
    pub fn is_in_memory(&self) -> bool {
        self.stub().is_none()
    }

    /// Its entries in key order; none if they are not in memory.
    #[must_use]
    pub fn entries(&self) -> Option<SubtreeEntries<'m>> {
        self.is_in_memory().then(|| SubtreeEntries {
            page: self.page,
            items: match self.item {
                None => 0..self.page.len(),
                Some(item) => item..item + 1,
            },
        })
    }

    fn bit(&self) -> Bit {
        match self.item {
            None => self.page.bit(),
            Some(_) => self.stub().unwrap_or(Bit::END),
        }
    }

    /// Where the keys of a subtree outside memory part.
    fn stub(&self) -> Option<Bit> {
        match self.page.item(self.item?) {
            Item::Stub { bit, .. } => Some(bit),
            _ => None,
        }
    }
}

/// The entries of a subtree in memory, in key order.
#[derive(Clone, Debug)]
pub struct SubtreeEntries<'m> {
    page: &'m Page,
    items: Range<usize>,
}

impl<'m> Iterator for SubtreeEntries<'m> {
    type Item = (&'m [u8], Value<'m>);

    fn next(&mut self) -> Option<Self::Item> {
        let item = self.items.next()?;
        Some((self.page.representative(item)?, self.page.value(item)?))
    }
}

/// The subtrees of a map in key order. See [`PartialMap::subtrees_after`](super::PartialMap::subtrees_after).
#[derive(Clone, Debug)]
pub struct Subtrees<'m> {
    /// What is still to come, nearest last: pages, and which of their items are next.
    rest: Vec<Place<'m>>,
    after: Option<Vec<u8>>,
    /// Whether those outside memory are left out.
    only_in_memory: bool,
}

#[derive(Clone, Copy, Debug)]
struct Place<'m> {
    page: &'m Page,
    next: usize,
    /// The hash of the page.
    hash: &'m Hash,
}

impl<'m> Subtrees<'m> {
    /// Those of the tree with the topmost page `top` that lie behind `after`.
    pub(super) fn new(top: Option<&'m Page>, hash: &'m Hash, after: Option<&[u8]>) -> Self {
        let mut rest = Vec::new();
        let mut place = top.map(|page| (page, hash));
        // Down to where `after` is if it is anywhere; what lies left of that is before it.
        while let Some((page, hash)) = place {
            let next = match after {
                Some(after) if !page.is_lowest() => page.find(after),
                _ => 0,
            };
            rest.push(Place { page, next, hash });
            place = None;
            if after.is_some()
                && let Some(below) = page.page(next)
            {
                rest.last_mut().expect("just pushed").next += 1;
                place = Some((below, item_hash(page, next, hash)));
            }
        }
        Self {
            rest,
            after: after.map(<[u8]>::to_vec),
            only_in_memory: false,
        }
    }

    /// The same without those that are outside memory, which costs less than to leave them out afterwards.
    ///
    /// ```
    /// use merkle_core::{Batch, Map, PartialMap, Sha256};
    ///
    /// let mut batch = Batch::new();
    /// batch.put(b"alice", b"900")?;
    /// let mut map = Map::<Sha256>::new();
    /// map.update(&batch);
    /// let mut map = PartialMap::from(map);
    /// map.evict(&map.subtrees()[0]);
    /// assert_eq!(map.subtrees_after(None).count(), 1);
    /// assert_eq!(map.subtrees_after(None).in_memory().count(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn in_memory(mut self) -> Self {
        self.only_in_memory = true;
        self
    }
}

impl<'m> Iterator for Subtrees<'m> {
    type Item = SubtreeRef<'m>;

    fn next(&mut self) -> Option<SubtreeRef<'m>> {
        loop {
            let place = self.rest.last_mut()?;
            let Place { page, next, hash } = *place;
            let is_whole = next == 0 && page.is_lowest();
            place.next += 1;
            if is_whole || next + 1 >= page.len() {
                self.rest.pop();
            }
            let found = if is_whole {
                SubtreeRef {
                    page,
                    item: None,
                    hash,
                }
            } else if next >= page.len()
                || self.only_in_memory && matches!(page.item(next), Item::Stub { .. })
            {
                continue;
            } else {
                let hash = item_hash(page, next, hash);
                if let Some(page) = page.page(next) {
                    self.rest.push(Place {
                        page,
                        next: 0,
                        hash,
                    });
                    continue;
                }
                SubtreeRef {
                    page,
                    item: Some(next),
                    hash,
                }
            };
            let is_behind = |after: &Vec<u8>| found.prefix() > &after[..];
            if self.after.as_ref().is_none_or(is_behind) {
                return Some(found);
            }
        }
    }
}

/// A map that is being taken apart. See [`PartialMap::into_subtrees`](super::PartialMap::into_subtrees).
#[derive(Debug)]
pub struct IntoSubtrees {
    /// What is still to come, nearest last: pages with their hashes, and which of their items are next.
    rest: Vec<(Arc<Page>, usize, Hash)>,
    /// What was handed out last, if it is a page of its own.
    current: Option<(Arc<Page>, Hash)>,
}

impl IntoSubtrees {
    pub(super) fn new(top: Option<Arc<Page>>, hash: Hash) -> Self {
        Self {
            rest: top.map_or_else(Vec::new, |page| vec![(page, 0, hash)]),
            current: None,
        }
    }

    /// The next subtree in key order. The one before is let go.
    #[expect(
        clippy::should_implement_trait,
        reason = "what it hands out borrows from it: no iterator can"
    )]
    pub fn next(&mut self) -> Option<SubtreeRef<'_>> {
        self.current = None;
        loop {
            let (page, next, hash) = self.rest.last_mut()?;
            if *next == page.len() {
                self.rest.pop();
                continue;
            }
            if *next == 0 && page.is_lowest() {
                self.current = self.rest.pop().map(|(page, _, hash)| (page, hash));
                break;
            }
            let item = *next;
            *next += 1;
            let hash = *item_hash(page, item, hash);
            // A shared page is copied, so that what it holds can be let go one by one.
            match Arc::make_unique(page).take_child(item) {
                Some(below) => self.rest.push((below, 0, hash)),
                None => break,
            }
        }
        if let Some((page, hash)) = &self.current {
            return Some(SubtreeRef {
                page,
                item: None,
                hash,
            });
        }
        let (page, next, hash) = self.rest.last()?;
        let item = next - 1;
        Some(SubtreeRef {
            page,
            item: Some(item),
            hash: item_hash(page, item, hash),
        })
    }
}

/// The hash of an item of a page that has the hash `hash`.
fn item_hash<'m>(page: &'m Page, item: usize, hash: &'m Hash) -> &'m Hash {
    page.slot(item)
        .map_or(hash, |(fork, side)| &page.children(fork)[side])
}
