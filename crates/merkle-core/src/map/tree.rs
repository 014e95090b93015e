//! The trie as a whole: its topmost page and its root.

use triomphe::Arc;

use super::{
    batch::{Batch, Value},
    bit::Bit,
    node::Node,
    page::{Item, Page},
    update::{Tally, update},
};
use crate::{Hash, Hasher};

/// Changes that one update takes: its places are counted in 32 bits.
const CHANGES_MAX: usize = 1 << 30;

/// An ordered authenticated tree, some of whose subtrees may be known only by their hash.
#[derive(Clone, Debug)]
pub(crate) struct Tree<H> {
    pub(crate) hasher: H,
    pub(crate) top: Option<Arc<Page>>,
    pub(crate) root: Hash,
}

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
    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Value<'_>>, (&Page, usize)> {
        let Some(mut page) = self.top.as_deref() else {
            return Ok(None);
        };
        loop {
            let item = page.find(key);
            match page.item(item) {
                Item::Leaf { key: found, .. } if page.text(found) == key => {
                    return Ok(page.value(item));
                }
                Item::Stub { prefix, bit }
                    if Bit::between(key, page.text(prefix)).is_none_or(|apart| apart >= bit) =>
                {
                    return Err((page, item));
                }
                Item::Leaf { .. } | Item::Stub { .. } => return Ok(None),
                Item::Page | Item::Open(_) => match page.page(item) {
                    Some(below) => page = below,
                    None => return Ok(None),
                },
            }
        }
    }

    /// The topmost node.
    pub(crate) fn node(&self) -> Option<Node<'_>> {
        self.top.as_deref().map(|page| Node::top(page, &self.root))
    }

    /// Applies `batch`. Where it needs a subtree known only by its hash, the caller has supplied
    /// that before.
    pub(crate) fn update(&mut self, batch: &Batch<'_>) -> Tally {
        let mut tally = Tally::default();
        for changes in batch.sorted().chunks(CHANGES_MAX) {
            let (top, root, part) = update(&self.hasher, self.top.take(), self.root, changes);
            self.top = top;
            self.root = root;
            tally.added += part.added;
            tally.removed += part.removed;
        }
        tally
    }
}
