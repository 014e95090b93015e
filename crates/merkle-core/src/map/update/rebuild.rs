//! Rebuilding pages whose shape changes: taken apart, edited, linked anew and laid out again.

use alloc::vec::Vec;
use core::ops::Range;

use triomphe::UniqueArc;

use super::{Above, Outcome, Update, What, number, rehash::Job, small, unique};
use crate::{
    Hash, Hasher,
    map::{
        bit::Bit,
        fragment::{Child, Fragment, Known, Part, Piece, Shape},
        page::{Fork, ITEMS_MAX, ITEMS_MIN, Item, Page, text_bytes},
    },
};

/// Leaves of a new tree that are laid out together: few enough to stay in the cache.
const LAID_TOGETHER: usize = 2048;

impl<H: Hasher> Update<'_, H> {
    /// Takes some items of the page `at` apart and does their edits. An edit behind the last item
    /// belongs to it.
    pub(super) fn rebuild(&mut self, at: usize, items: Range<usize>) -> Fragment {
        let mut edits = core::mem::take(&mut self.open[at].edits);
        edits.sort_unstable_by_key(|edit| match edit.what {
            What::Insert(change) => (edit.item, change),
            What::Remove | What::Replace(_) => (edit.item, usize::MAX),
        });
        let (hashes, known) = self.as_it_was(at);
        let mut fragment = Fragment::with_capacity(items.len() + edits.len());
        // The item that the last piece comes from; none if it is new.
        let mut last: Option<usize> = None;
        let mut edits = edits.into_iter().peekable();
        for item in items.start..=items.end {
            while let Some(edit) = edits.next_if(|edit| edit.item == item) {
                match edit.what {
                    What::Insert(change) => {
                        self.push_new(&mut fragment, change);
                        last = None;
                        continue;
                    }
                    What::Remove => {}
                    What::Replace(mut pieces) => {
                        // Whatever its pieces are, together they are not what stood here.
                        pieces.pieces[0].dirty = true;
                        self.push_gap(at, &mut fragment, last, item, &known, &pieces.pieces[0]);
                        fragment.append(pieces);
                        last = Some(item);
                    }
                }
                self.open[at].gone |= 1 << item;
            }
            if item < items.end && self.open[at].gone >> item & 1 == 0 {
                let hash = hashes.get(item).copied().unwrap_or_default();
                let piece = self.piece(at, item, hash);
                self.push_gap(at, &mut fragment, last, item, &known, &piece);
                fragment.push(piece);
                last = Some(item);
            }
        }
        fragment
    }

    /// Adds the gap before `piece`, which comes from `item`, if it is not the first piece.
    fn push_gap(
        &self,
        at: usize,
        fragment: &mut Fragment,
        last: Option<usize>,
        item: usize,
        known: &[Known; ITEMS_MAX],
        piece: &Piece,
    ) {
        let page = self.open[at].page();
        match (fragment.pieces.last(), last) {
            (None, _) => {}
            (_, Some(last)) if last + 1 == item => {
                fragment.push_gap(page.fork(last).bit, Some(known[last]));
            }
            // Of the inner nodes around leaves that go, the uppermost stays.
            (_, Some(last)) => {
                let bit = (last..item).map(|fork| page.fork(fork).bit).min();
                fragment.push_gap(bit.unwrap_or(Bit::END), None);
            }
            (Some(before), None) => {
                let bit = self.parting(before, piece);
                fragment.push_gap(bit, None);
            }
        }
    }

    /// Lays out a tree that had no entry.
    pub(super) fn lay_fresh(&mut self) -> Outcome {
        let changes: Vec<usize> = (0..self.changes.len())
            .filter(|&change| self.changes[change].1.is_some())
            .collect();
        self.tally.added += changes.len() as u64;
        if let Some(undo) = &mut self.undo {
            for &change in &changes {
                undo.note(self.changes[change].0, None);
            }
        }
        let key = |leaf: usize| self.changes[changes[leaf]].0;
        let runs = runs(changes.len(), |leaf| {
            Bit::between(key(leaf), key(leaf + 1)).unwrap_or(Bit::END)
        });
        // Subtrees of a size that stays in the cache first, then what is above them.
        let mut fragment = Fragment::default();
        for (run, gap) in runs {
            if let Some(bit) = gap {
                fragment.push_gap(bit, None);
            }
            let (first, last) = (changes[run.start], changes[run.end - 1]);
            self.hash_leaves(first..last + 1);
            let mut below = Fragment::with_capacity(run.len());
            for &change in &changes[run] {
                self.push_new(&mut below, change);
            }
            let outcome = self.settle(below, false);
            self.hash_all();
            match outcome {
                Outcome::Gone => {}
                Outcome::Page(page) => {
                    let part = Part::Open(page);
                    fragment.push(Piece {
                        part,
                        hash: Hash::default(),
                        dirty: true,
                    });
                }
                Outcome::Loose(pieces) => fragment.append(pieces),
            }
        }
        self.settle(fragment, true)
    }

    /// The leaves that some changes write, which are hashed already.
    pub(super) fn fresh(&self, changes: Range<usize>) -> Fragment {
        let mut fragment = Fragment::with_capacity(changes.len());
        for change in changes {
            self.push_new(&mut fragment, change);
        }
        fragment
    }

    /// Adds the leaf that a change writes, with the gap before it.
    fn push_new(&self, fragment: &mut Fragment, change: usize) {
        let part = Part::New {
            change: number(change),
        };
        let piece = Piece {
            part,
            hash: self.leaf_hash(change),
            dirty: true,
        };
        if let Some(last) = fragment.pieces.last() {
            let bit = self.parting(last, &piece);
            fragment.push_gap(bit, None);
        }
        fragment.push(piece);
    }

    /// Where two pieces part.
    pub(super) fn parting(&self, left: &Piece, right: &Piece) -> Bit {
        Bit::between(
            self.representative(&left.part),
            self.representative(&right.part),
        )
        .unwrap_or(Bit::END)
    }

    /// A key below a piece, or as much of it as all keys below share.
    fn representative<'s>(&'s self, part: &'s Part) -> &'s [u8] {
        match part {
            Part::Old { page, item } => {
                let page = self.open[*page as usize].page();
                page.representative(usize::from(*item)).unwrap_or_default()
            }
            Part::New { change } => self.changes[*change as usize].0,
            Part::Stub { subtree } => self.subtrees[*subtree as usize].prefix(),
            Part::Open(page) => self.open[*page as usize].page().prefix(),
        }
    }

    /// The item of a page that is taken apart, as a piece.
    fn piece(&self, at: usize, item: usize, hash: Hash) -> Piece {
        let open = &self.open[at];
        let dirty = open.touched >> item & 1 == 1;
        let part = match open.page().item(item) {
            Item::Open(page) => Part::Open(page),
            _ => Part::Old {
                page: number(at),
                item: small(item),
            },
        };
        Piece { part, hash, dirty }
    }

    /// Hashes of the items of a page, and of its inner nodes as they were.
    fn as_it_was(&self, at: usize) -> ([Hash; ITEMS_MAX], [Known; ITEMS_MAX]) {
        let page = self.open[at].page();
        let mut items = [Hash::default(); ITEMS_MAX];
        let mut known = [Known {
            hash: Hash::default(),
            left: 0,
            right: 0,
        }; ITEMS_MAX];
        let mut rest = Vec::with_capacity(ITEMS_MAX);
        rest.push((page.root(), 0, page.len() - 1, self.hash_before(at)));
        while let Some((fork, low, high, hash)) = rest.pop() {
            if low == high {
                items[low] = hash;
                continue;
            }
            let (left, right) = (number(fork - low + 1), number(high - fork));
            known[fork] = Known { hash, left, right };
            let Fork { left, right, .. } = page.fork(fork);
            let [left_hash, right_hash] = *page.children(fork);
            rest.push((usize::from(left), low, fork, left_hash));
            rest.push((usize::from(right), fork + 1, high, right_hash));
        }
        (items, known)
    }

    /// The hash of an open page as it was before the update.
    pub(super) fn hash_before(&self, at: usize) -> Hash {
        let mut at = at;
        loop {
            let open = &self.open[at];
            match (open.hash, open.above) {
                (Some(hash), _) => return hash,
                (
                    None,
                    Some(Above {
                        page,
                        slot: Some((fork, side)),
                        ..
                    }),
                ) => {
                    return self.open[page as usize].page().children(fork)[side];
                }
                // The only item of the page above has that page's hash.
                (
                    None,
                    Some(Above {
                        page, slot: None, ..
                    }),
                ) => at = page as usize,
                (None, None) => return Hash::default(),
            }
        }
    }

    /// Cuts a fragment into pages. The `topmost` of a tree is a page however small it is.
    pub(super) fn settle(&mut self, mut fragment: Fragment, topmost: bool) -> Outcome {
        match fragment.pieces.len() {
            0 => return Outcome::Gone,
            1 if topmost => {
                return match fragment.pieces.pop() {
                    Some(piece) => Outcome::Page(self.settle_alone(piece)),
                    None => Outcome::Gone,
                };
            }
            1 => return Outcome::Loose(fragment),
            _ => {}
        }
        let shape = Shape::link(&fragment, |shape, top| self.emit(&fragment, shape, top));
        let weight = usize::from(shape.weight(Child::Fork(shape.root)));
        if topmost || weight >= ITEMS_MIN {
            Outcome::Page(self.emit(&fragment, &shape, shape.root))
        } else {
            Outcome::Loose(fragment.into_top(&shape))
        }
    }

    /// Makes the only piece of a tree its topmost page.
    fn settle_alone(&mut self, piece: Piece) -> u32 {
        let page = match piece.part {
            Part::Open(page) => {
                let open = &mut self.open[page as usize];
                open.above = None;
                // The slot that had it as it was is gone.
                open.hash = open.hash.or(Some(piece.hash));
                return page;
            }
            part => {
                let key = self.representative(&part).to_vec();
                let mut page = Page::with_text(self.text_bytes(&part));
                self.lay(&mut page, &part);
                match page.take_page(0, 0) {
                    Some(below) => unique(below),
                    None => {
                        page.finish(0, &key);
                        UniqueArc::new(page)
                    }
                }
            }
        };
        let page = self.open(page, Some(piece.hash), None, None);
        self.keep(page);
        page
    }

    /// Lays the part of a fragment that starts at the inner node `top` into a new page.
    fn emit(&mut self, fragment: &Fragment, shape: &Shape, top: usize) -> u32 {
        let (mut text, mut first) = (0, None);
        shape.walk(top, |child| {
            if let Child::Piece(piece) = child {
                text += self.text_bytes(&fragment.pieces[piece].part);
            }
            if !matches!(child, Child::Fork(_)) {
                first.get_or_insert(child);
            }
        });
        // A copy: what it is part of may move to the new page.
        let first = match first {
            Some(Child::Piece(piece)) => self.representative(&fragment.pieces[piece].part),
            Some(Child::Cut { page, .. }) => self.open[page as usize].page().prefix(),
            _ => &[],
        }
        .to_vec();
        // Some bytes for the prefix.
        let text = text + text / 32 + 8;
        let mut page = self
            .spare
            .pop()
            .unwrap_or_else(|| UniqueArc::new(Page::with_text(text)));
        page.reserve_text(text);
        // The inner nodes of the page in key order: their ranks are their places in the page.
        let mut forks = Vec::with_capacity(ITEMS_MAX);
        shape.walk(top, |child| match child {
            Child::Fork(fork) => forks.push(fork),
            Child::Piece(piece) => {
                let part = &fragment.pieces[piece].part;
                self.lay(&mut page, part);
            }
            Child::Cut { page: below, .. } => page.push_open(below),
        });
        let rank = |fork: usize| small(forks.binary_search(&fork).unwrap_or_default());
        for (place, &fork) in forks.iter().enumerate() {
            let children = [shape.child(fork, 0), shape.child(fork, 1)];
            let [left, right] = children.map(|child| match child {
                Child::Fork(fork) => rank(fork),
                _ => 0,
            });
            let hashes = children.map(|child| shape.hash(fragment, child).unwrap_or_default());
            page.set_fork(
                place,
                Fork {
                    bit: fragment.gaps[fork].bit,
                    left,
                    right,
                },
                hashes,
            );
        }
        page.finish(rank(top), &first);
        let hash = shape.hash(fragment, Child::Fork(top));
        let at = self.open(page, hash, None, None);
        let level = self.adopt(at);
        let mut rest = Vec::with_capacity(ITEMS_MAX);
        rest.push((top, 0, None));
        while let Some((fork, depth, slot)) = rest.pop() {
            if shape.is_clean(fragment, Child::Fork(fork)) {
                continue;
            }
            let place = rank(fork);
            level.push(Job {
                page: at,
                fork: place,
                depth,
                slot,
            });
            for side in [0, 1] {
                if let Child::Fork(below) = shape.child(fork, side) {
                    rest.push((below, depth + 1, Some((place, side == 1))));
                }
            }
        }
        at
    }

    /// Bytes of text that a piece takes in its page.
    fn text_bytes(&self, part: &Part) -> usize {
        match part {
            Part::New { change } => {
                let (key, value) = self.changes[*change as usize];
                text_bytes(key, value)
            }
            Part::Old { page, item } => self.open[*page as usize]
                .page()
                .text_bytes(usize::from(*item)),
            Part::Stub { subtree } => self.subtrees[*subtree as usize].prefix().len(),
            Part::Open(_) => 0,
        }
    }

    /// Adds a piece to a page as its next item.
    fn lay(&mut self, page: &mut Page, part: &Part) {
        match part {
            Part::New { change } => {
                let (key, value) = self.changes[*change as usize];
                if let Some(value) = value {
                    page.push_leaf(key, value);
                }
            }
            Part::Old { page: old, item } => {
                let old = self.open[*old as usize].page_mut();
                page.push_from(old, usize::from(*item));
            }
            Part::Stub { subtree } => {
                let subtree = &self.subtrees[*subtree as usize];
                page.push_stub(subtree.prefix(), subtree.bit);
            }
            Part::Open(below) => page.push_open(*below),
        }
    }
}

/// Cuts a sequence of `leaves` leaves into whole subtrees of at most `LAID_TOGETHER`, each with the
/// bit at which it parts from the one before it. `parting` says where a leaf and the next part.
fn runs(leaves: usize, parting: impl Fn(usize) -> Bit) -> Vec<(Range<usize>, Option<Bit>)> {
    let mut runs = Vec::new();
    if (1..=LAID_TOGETHER).contains(&leaves) {
        runs.push(0..leaves);
    }
    let mut close = |at: usize, start: usize, end: usize| {
        if end - start > LAID_TOGETHER {
            let halves = [start..at + 1, at + 1..end];
            runs.extend(
                halves
                    .into_iter()
                    .filter(|half| half.len() <= LAID_TOGETHER),
            );
        }
    };
    // The right spine of the tree so far: each inner node with the first leaf below it.
    let mut spine: Vec<(Bit, usize, usize)> = Vec::new();
    for at in 0..leaves.saturating_sub(1) {
        let bit = parting(at);
        let mut start = at;
        while let Some((_, upper, first)) = spine.pop_if(|(upper, ..)| *upper > bit) {
            close(upper, first, at + 1);
            start = first;
        }
        spine.push((bit, at, start));
    }
    while let Some((_, at, start)) = spine.pop() {
        close(at, start, leaves);
    }
    runs.sort_unstable_by_key(|run| run.start);
    let gap = |run: &Range<usize>| run.start.checked_sub(1).map(&parting);
    runs.into_iter()
        .map(|run| (run.clone(), gap(&run)))
        .collect()
}
