//! Changing the shape of a page by a few leaves where it lies.

use core::{cmp::Reverse, mem::take};

use super::{Above, Edit, Update, What, number, small};
use crate::{
    Hasher,
    map::{
        bit::Bit,
        page::{ITEMS_MAX, ITEMS_MIN, Item},
    },
};

impl<H: Hasher> Update<'_, H> {
    /// Does the edits of the page `at` one by one, if they are leaves that come or go and the page
    /// stays of a good size. Whether it did.
    pub(super) fn splice(&mut self, at: usize) -> bool {
        let page = self.open[at].page();
        let (mut inserted, mut removed) = (0, 0);
        for edit in &self.open[at].edits {
            match edit.what {
                What::Insert(_) => inserted += 1,
                What::Remove => removed += 1,
                What::Replace(_) => return false,
            }
        }
        if page.len() < removed + ITEMS_MIN || page.len() - removed + inserted > ITEMS_MAX {
            return false;
        }
        let top = self.hash_before(at);
        let mut edits = take(&mut self.open[at].edits);
        // From the back, so that places in front stay; insertions look for theirs when all are done.
        edits.sort_unstable_by_key(|edit| Reverse(edit.item));
        for Edit { item, what } in &edits {
            if let What::Remove = what {
                let open = &mut self.open[at];
                let beside = open.page_mut().remove(*item);
                open.touched = without(open.touched, *item) | 1 << beside;
            }
        }
        for Edit { what, .. } in &edits {
            if let What::Insert(change) = *what
                && let (key, Some(value)) = self.changes[change]
            {
                let found = self.open[at].page().find(key);
                let bit = Bit::between(key, self.key_below(at, found)).unwrap_or(Bit::END);
                let leaf = self.leaf_hash(change);
                let open = &mut self.open[at];
                let item = open.page_mut().insert_leaf((key, value), bit, leaf, top);
                open.touched = with(open.touched, item);
            }
        }
        self.after_splice(at);
        true
    }

    /// Notes again, by their new places, what is to be hashed in the page `at`, and tells the open
    /// pages among its items where they are.
    fn after_splice(&mut self, at: usize) {
        let first = self.key_below(at, 0).to_vec();
        let open = &mut self.open[at];
        open.page_mut().set_prefix(&first);
        (open.forks, open.noted) = (0, 0..0);
        for item in 0..self.open[at].page().len() {
            if self.open[at].touched >> item & 1 == 0 {
                continue;
            }
            let slot = self.note(at, item);
            if let Item::Open(below) = self.open[at].page().item(item) {
                self.open[below as usize].above = Some(Above {
                    page: number(at),
                    item: small(item),
                    slot,
                });
            }
        }
    }

    /// A key below an item of the page `at`, or as much of it as all keys below share.
    fn key_below(&self, at: usize, item: usize) -> &[u8] {
        let page = self.open[at].page();
        match page.item(item) {
            Item::Open(below) => self.open[below as usize].page().prefix(),
            _ => page.representative(item).unwrap_or_default(),
        }
    }
}

/// The set of places once one more stands at `item`, which belongs to it.
fn with(places: u64, item: usize) -> u64 {
    let before = (1 << item) - 1;
    places & before | (places & !before) << 1 | 1 << item
}

/// The set of places once `item` is gone.
fn without(places: u64, item: usize) -> u64 {
    let before = (1 << item) - 1;
    places & before | places >> 1 & !before
}

#[cfg(test)]
mod tests;
