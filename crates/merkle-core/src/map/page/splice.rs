//! Adding and removing one item of a page where it lies.

use alloc::vec::Vec;

use super::{Bit, Fork, Held, ITEMS_MAX, Item, Page, Slot, Value, append, text_bytes};
use crate::Hash;

impl Page {
    /// Adds a leaf whose key parts at `bit` from all that its bits lead to, and answers with its
    /// place. `top` is the hash of the page. Hashes above the new inner node stay as they were.
    ///
    /// INVARIANT: the page has fewer than `ITEMS_MAX` items.
    pub(crate) fn insert_leaf(
        &mut self,
        (key, value): (&[u8], Value<'_>),
        bit: Bit,
        leaf: Hash,
        top: Hash,
    ) -> usize {
        self.make_room();
        let more = text_bytes(key, Some(value));
        if self.text.capacity() - self.text.len() < more {
            // A quarter to spare: doubling would waste memory, which is dearer than moving.
            self.text.reserve_exact(more + self.text.len() / 4);
        }
        let (low, high, at, slot) = self.parting(key, bit);
        let sibling = slot.map_or(top, |(fork, side)| self.hashes[fork][side]);
        let is_last = bit.of(key);
        let (item, fork) = if is_last {
            (high + 1, high)
        } else {
            (low, low)
        };

        let last = self.len();
        self.items.copy_within(item..last, item + 1);
        open_gap(&mut self.pages, item);
        open_gap(&mut self.beside, item);
        self.forks.copy_within(fork..last - 1, fork + 1);
        self.hashes.copy_within(fork..last - 1, fork + 1);
        self.len += 1;
        // The fork of a child that has none means nothing, but stays a place.
        self.renumber(|at| (at + u8::from(usize::from(at) >= fork)) % PLACES);
        let moved = |at: usize| at + usize::from(at >= fork);
        self.hang(slot.map(|(above, side)| (moved(above), side)), place(fork));
        let at = place(moved(at) % ITEMS_MAX);
        self.forks[fork] = Fork {
            bit,
            left: at,
            right: at,
        };
        self.hashes[fork] = if is_last {
            [sibling, leaf]
        } else {
            [leaf, sibling]
        };

        let key = append(&mut self.text, &[key]);
        let value = self.hold(item, value);
        self.items[item] = Item::Leaf { key, value };
        item
    }

    /// Removes `item`, and answers with the place of the nearest item in what was its sibling.
    /// Hashes above that stay as they were.
    ///
    /// INVARIANT: the page has another item.
    pub(crate) fn remove(&mut self, item: usize) -> usize {
        let (mut slot, mut above) = (None, None);
        self.path(item, |fork, side| slot = above.replace((fork, side)));
        let Some((fork, side)) = above else {
            return item;
        };
        if let Some((above, above_side)) = slot {
            self.hashes[above][above_side] = self.hashes[fork][1 - side];
        }
        let Fork { left, right, .. } = self.forks[fork];
        self.hang(slot, if side == 0 { right } else { left });
        self.garbage += match self.items[item] {
            Item::Leaf {
                key,
                value: Held::Inline(value) | Held::Digest(value),
            } => key.len + value.len,
            Item::Leaf { key, .. } => key.len,
            Item::Stub { prefix, .. } => prefix.len,
            Item::Page | Item::Open(_) => 0,
        };

        let last = self.len();
        self.items.copy_within(item + 1..last, item);
        close_gap(&mut self.pages, item);
        close_gap(&mut self.beside, item);
        self.forks.copy_within(fork + 1..last - 1, fork);
        self.hashes.copy_within(fork + 1..last - 1, fork);
        self.len -= 1;
        self.renumber(|at| at - u8::from(usize::from(at) > fork));
        self.make_room();
        item - side
    }

    /// Says again what all keys below share, given one of them, if that has changed.
    pub(crate) fn set_prefix(&mut self, representative: &[u8]) {
        let len = self.bit().bytes_before().min(representative.len());
        if self.prefix() != &representative[..len] {
            self.garbage += self.prefix.len;
            self.prefix.len = 0;
            self.make_room();
            self.prefix = append(&mut self.text, &[&representative[..len]]);
        }
    }

    /// The subtree that becomes the sibling of `key`, which parts from it at `bit`: its first and
    /// last item, its fork and its slot.
    pub(super) fn parting(&self, key: &[u8], bit: Bit) -> (usize, usize, usize, Option<Slot>) {
        let (mut low, mut high, mut at) = (0, self.len() - 1, self.root());
        let mut slot = None;
        while low < high && self.forks[at].bit < bit {
            let fork = self.forks[at];
            if fork.bit.of(key) {
                slot = Some((at, 1));
                low = at + 1;
                at = usize::from(fork.right);
            } else {
                slot = Some((at, 0));
                high = at;
                at = usize::from(fork.left);
            }
        }
        (low, high, at, slot)
    }

    /// Hangs the subtree with the fork `fork` at `slot`; on top if there is none.
    fn hang(&mut self, slot: Option<Slot>, fork: u8) {
        match slot {
            Some((above, 0)) => self.forks[above].left = fork,
            Some((above, _)) => self.forks[above].right = fork,
            None => self.root = fork,
        }
    }

    /// Forks have moved: changes all that name one.
    fn renumber(&mut self, moved: impl Fn(u8) -> u8) {
        self.root = moved(self.root);
        for fork in &mut self.forks[..usize::from(self.len) - 1] {
            (fork.left, fork.right) = (moved(fork.left), moved(fork.right));
        }
    }
}

/// `ITEMS_MAX` as the places of a page are counted.
const PLACES: u8 = place(ITEMS_MAX);

/// INVARIANT: places in a page are at most `ITEMS_MAX`.
#[expect(clippy::cast_possible_truncation, reason = "see the invariant")]
const fn place(at: usize) -> u8 {
    at as u8
}

fn open_gap<T>(places: &mut Vec<Option<T>>, item: usize) {
    if item < places.len() {
        places.insert(item, None);
    }
}

fn close_gap<T>(places: &mut Vec<Option<T>>, item: usize) {
    if item < places.len() {
        places.remove(item);
    }
}
