//! The trie as a whole: its topmost page and its root.

use core::hint::black_box;

use triomphe::Arc;

use super::{
    batch::{Batch, Change, Value},
    bit::Bit,
    node::Node,
    page::{Item, Page},
    subtree::Subtree,
    undo::Undo,
    update::{Tally, Top, join, split, update},
};
use crate::{Hash, Hasher};

/// An ordered authenticated tree, some of whose subtrees may be known only by their hash.
#[derive(Clone, Debug)]
pub(crate) struct Tree<H> {
    pub(crate) hasher: H,
    pub(crate) top: Option<Arc<Page>>,
    pub(crate) root: Hash,
}

/// What a search finds: a value or none, or the item of a page that stands for a subtree known by
/// its hash, in which the key lies if it is anywhere.
pub(crate) type Found<'t> = Result<Option<Value<'t>>, (&'t Page, usize)>;

impl<H: Hasher> Tree<H> {
    pub(crate) fn new(hasher: H) -> Self {
        let root = hasher.empty();
        Self {
            hasher,
            top: None,
            root,
        }
    }

    /// The value of `key`, or the place where the search ended at a subtree known by its hash.
    pub(crate) fn get(&self, key: &[u8]) -> Found<'_> {
        let Some(mut page) = self.top.as_deref() else {
            return Ok(None);
        };
        loop {
            // All that the search of a page needs first comes from memory together.
            black_box(page.first_touch());
            let item = page.find(key);
            match page.below(item) {
                Some(below) => page = below,
                None => return page.answer(item, key),
            }
        }
    }

    /// Whether `subtree` is in memory, as a page of leaves or as a leaf of its own.
    pub(crate) fn has_in_memory(&self, subtree: &Subtree) -> bool {
        let Some(mut page) = self.top.as_deref() else {
            return false;
        };
        let mut hash = self.root;
        loop {
            let is_whole = page.bit() == subtree.bit && page.is_lowest();
            let item = page.find(subtree.prefix());
            hash = if is_whole {
                hash
            } else {
                page.hash(item).unwrap_or(hash)
            };
            let prefix = match (page.page(item), page.item(item)) {
                (Some(below), _) => {
                    page = below;
                    continue;
                }
                _ if is_whole => page.prefix(),
                // Of a page of leaves no single one goes: the page as a whole is the subtree.
                (_, Item::Leaf { key, .. }) if subtree.bit == Bit::END && !page.is_lowest() => {
                    page.text(key)
                }
                _ => return false,
            };
            return prefix == subtree.prefix() && hash == subtree.hash();
        }
    }

    /// Changes the item that stands for `subtree`, in a page that is ours alone.
    pub(crate) fn change_item(&mut self, subtree: &Subtree, change: impl FnOnce(&mut Page, usize)) {
        let mut place = self.top.as_mut();
        while let Some(page) = place {
            let page: &mut Page = Arc::make_unique(page);
            let item = page.find(subtree.prefix());
            if page
                .page(item)
                .is_none_or(|below| below.bit() >= subtree.bit)
            {
                change(page, item);
                return;
            }
            place = page.page_mut(item);
        }
    }

    /// The topmost node.
    pub(crate) fn node(&self) -> Option<Node<'_>> {
        self.top.as_deref().map(|page| Node::top(page, &self.root))
    }

    /// Applies `batch`. Where it needs a subtree known only by its hash, the caller has supplied
    /// that before.
    pub(crate) fn update(&mut self, batch: &Batch<'_>, undo: Option<&mut Undo>) -> Tally {
        let top = (self.top.take(), self.root);
        let (top, tally) = update(&self.hasher, top, &batch.sorted(), undo);
        (self.top, self.root) = top;
        tally
    }

    /// Applies `batch`, each half of the tree in a closure of its own.
    pub(crate) fn update_in_halves(
        &mut self,
        batch: &Batch<'_>,
        mut undo: Option<&mut Undo>,
        both: impl FnOnce(&mut (dyn FnMut() + Send), &mut (dyn FnMut() + Send)),
    ) -> Tally {
        let changes = batch.sorted();
        let Some(middle) = self.middle(&changes) else {
            return self.update(batch, undo);
        };
        let root = core::mem::replace(&mut self.root, self.hasher.empty());
        let [left, right] = match split(&self.hasher, (self.top.take(), root)) {
            Ok(halves) => halves,
            Err(top) => {
                (self.top, self.root) = top;
                return self.update(batch, undo);
            }
        };
        let (left_changes, right_changes) = changes.split_at(middle);
        let mut undos = [(); 2].map(|()| undo.as_ref().map(|_| Undo::default()));
        let [left_undo, right_undo] = undos.each_mut().map(Option::as_mut);
        let mut left = Half::Before(left, left_undo);
        let mut right = Half::Before(right, right_undo);
        both(&mut || left.update(&self.hasher, left_changes), &mut || {
            right.update(&self.hasher, right_changes);
        });
        let halves = [(left, left_changes), (right, right_changes)]
            .map(|(half, changes)| half.into_after(&self.hasher, changes));
        if let Some(undo) = &mut undo {
            undos
                .into_iter()
                .flatten()
                .for_each(|half| undo.append(half));
        }
        let mut tally = Tally::default();
        halves.iter().for_each(|(_, part)| tally.add(*part));
        (self.top, self.root) = join(&self.hasher, halves.map(|(top, _)| top));
        tally
    }

    /// How many of the changes belong left of the topmost inner node; none if one belongs to
    /// neither side.
    fn middle(&self, changes: &[(&[u8], Change<'_>)]) -> Option<usize> {
        let top = self.top.as_deref()?;
        let [first, last] = [changes.first()?, changes.last()?];
        let agrees =
            |key: &[u8]| Bit::between(key, top.prefix()).is_none_or(|apart| apart >= top.bit());
        let has_halves = top.len() > 1 && agrees(first.0) && agrees(last.0);
        has_halves.then(|| changes.partition_point(|(key, _)| !top.bit().of(key)))
    }
}

/// Half a tree, before or after its update.
enum Half<'u> {
    Before(Top, Option<&'u mut Undo>),
    After(Top, Tally),
}

impl Half<'_> {
    /// Updates the half, once.
    fn update<H: Hasher>(&mut self, hasher: &H, changes: &[(&[u8], Change<'_>)]) {
        if let Self::Before(top, undo) = self {
            let top = core::mem::replace(top, (None, hasher.empty()));
            let (top, tally) = update(hasher, top, changes, undo.take());
            *self = Self::After(top, tally);
        }
    }

    /// The updated half, whether or not that was done before.
    fn into_after<H: Hasher>(self, hasher: &H, changes: &[(&[u8], Change<'_>)]) -> (Top, Tally) {
        match self {
            Self::Before(top, undo) => update(hasher, top, changes, undo),
            Self::After(top, tally) => (top, tally),
        }
    }
}
