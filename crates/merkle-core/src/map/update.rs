//! Applying a batch: open the pages it touches, change them, rebuild what grew or shrank, and hash
//! what changed from the bottom up, many nodes at a time.

use alloc::{sync::Arc, vec, vec::Vec};
use core::ops::Range;

use super::{
    batch::Change,
    bit::Bit,
    fragment::{self, Child, Fragment, Known, Part, Piece, Shape},
    page::{Fork, ITEMS_MIN, Item, Page, Place},
};
use crate::{Hash, Hasher};

/// Leaves hashed in one call.
const HASHED_TOGETHER: usize = 256;

/// Inner nodes gathered before they are hashed by depth: few enough to stay in the cache.
const JOBS_TOGETHER: usize = 8192;

/// What an update did to the number of entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) added: u64,
    pub(crate) removed: u64,
}

/// Applies `changes`, which are in key order, to the tree `root` with the hash `hash`.
///
/// Pages that only this tree holds are changed where they are; shared ones are copied first.
/// Returns the new root page, none if the tree is empty now, and the new root.
pub(crate) fn update<H: Hasher>(
    hasher: &H,
    root: Option<Arc<Page>>,
    hash: Hash,
    changes: &[(&[u8], Change<'_>)],
) -> (Option<Arc<Page>>, Hash, Tally) {
    let mut update = Update {
        hasher,
        changes,
        leaf_hashes: leaf_hashes(hasher, changes),
        open: Vec::with_capacity(changes.len().min(1 << 16)),
        jobs: Vec::new(),
        tally: Tally::default(),
        vacant: Arc::new(Page::with_capacity(1)),
    };
    let top = match root {
        Some(page) => {
            update.open(page, hash, None, 0..changes.len());
            update.descend();
            update.ascend()
        }
        None => {
            let fragment = update.fresh();
            update.settle(fragment, true)
        }
    };
    match top {
        Outcome::Gone => (None, hasher.empty(), update.tally),
        Outcome::Page(top) => {
            let (page, hash) = update.hash_all(top);
            (Some(page), hash, update.tally)
        }
        Outcome::Loose(_) => unreachable!("the top of a tree is settled as a page"),
    }
}

/// Hashes of the leaves that the changes write.
fn leaf_hashes<H: Hasher>(hasher: &H, changes: &[(&[u8], Change<'_>)]) -> Vec<Hash> {
    let mut hashes = vec![Hash::default(); changes.len()];
    let mut values: Vec<&[u8]> = Vec::with_capacity(HASHED_TOGETHER);
    let mut digests = [Hash::default(); HASHED_TOGETHER];
    let mut leaves: Vec<(&[u8], Hash)> = Vec::with_capacity(HASHED_TOGETHER);
    for (changes, hashes) in changes.chunks(HASHED_TOGETHER).zip(hashes.chunks_mut(HASHED_TOGETHER))
    {
        values.clear();
        values.extend(changes.iter().map(|(_, change)| {
            change.and_then(super::batch::Value::bytes).unwrap_or_default()
        }));
        hasher.value_many(&values, &mut digests[..changes.len()]);
        leaves.clear();
        leaves.extend(changes.iter().zip(&digests).map(|((key, change), digest)| match change {
            Some(super::batch::Value::Digest { hash, .. }) => (*key, *hash),
            _ => (*key, *digest),
        }));
        hasher.leaf_many(&leaves, hashes);
    }
    hashes
}

/// An update under way.
struct Update<'b, H> {
    hasher: &'b H,
    changes: &'b [(&'b [u8], Change<'b>)],
    leaf_hashes: Vec<Hash>,
    open: Vec<Open>,
    /// Inner nodes to hash, by the height of their page.
    jobs: Vec<Level>,
    tally: Tally,
    /// Stands where a page was before it was given back.
    vacant: Arc<Page>,
}

/// A page that an update works on, with its place in the tree.
struct Open {
    /// INVARIANT: nobody else holds it.
    page: Arc<Page>,
    /// Hash of its topmost node: as it was, and in the end as it is.
    hash: Hash,
    /// Number and item of the page above.
    parent: Option<(u32, u8)>,
    /// Items that have changed.
    touched: u64,
    /// The changes that belong here.
    changes: Range<usize>,
    /// What must be done with items, in any order.
    edits: Vec<Edit>,
    height: u32,
}

struct Edit {
    item: usize,
    what: What,
}

enum What {
    /// The leaf of this change comes before the item.
    Insert(usize),
    Remove,
    /// The item was a page, and its pieces come here.
    Replace(Fragment),
}

/// What has become of a fragment.
enum Outcome {
    Gone,
    Page(u32),
    /// Too little for a page, or left over above several pages: its pieces go to the page above.
    Loose(Fragment),
}

/// The pages of one height and the inner nodes to hash in them.
#[derive(Default)]
struct Level {
    pages: Vec<u32>,
    jobs: Vec<Job>,
}

/// An inner node to hash, and where its hash goes.
#[derive(Clone, Copy)]
struct Job {
    page: u32,
    fork: u8,
    /// Forks above it in its page.
    depth: u8,
    /// The slot above it in its page; none for the topmost.
    slot: Option<(u8, bool)>,
}

impl<H: Hasher> Update<'_, H> {
    /// Opens `page`, which becomes ours alone, for the changes in `changes`.
    fn open(
        &mut self,
        mut page: Arc<Page>,
        hash: Hash,
        parent: Option<(u32, u8)>,
        changes: Range<usize>,
    ) -> u32 {
        Arc::make_mut(&mut page);
        let open = Open { page, hash, parent, touched: 0, changes, edits: Vec::new(), height: 0 };
        self.open.push(open);
        number(self.open.len() - 1)
    }

    /// Brings each change to its page, parents before children. Values change at once; what alters
    /// the shape is noted.
    fn descend(&mut self) {
        let mut at = 0;
        while at < self.open.len() {
            self.distribute(at);
            at += 1;
        }
    }

    /// Brings the changes of one page to its items.
    fn distribute(&mut self, at: usize) {
        let changes = self.open[at].changes.clone();
        // The item whose page was opened last: the next change may belong there too.
        let mut below: Option<usize> = None;
        for change in changes {
            let (key, new) = self.changes[change];
            let page = &self.open[at].page;
            let item = page.find(key);
            if below == Some(item) {
                let child = self.open.len() - 1;
                let page = &self.open[child].page;
                if Bit::between(key, page.prefix()).is_none_or(|bit| bit >= page.bit()) {
                    self.open[child].changes.end = change + 1;
                    continue;
                }
            }
            if let Item::Open(child) = page.items()[item] {
                // It parts from the page opened last, or it comes after that page.
                let child = &self.open[child as usize].page;
                let bit = Bit::between(key, child.prefix());
                if new.is_some() {
                    let bit = bit.unwrap_or(Bit::END);
                    self.insert(at, page.insertion(key, bit), change);
                }
                continue;
            }
            match (page.place(key, item), new) {
                (Place::At(item), Some(value)) => {
                    let hash = self.leaf_hashes[change];
                    let open = &mut self.open[at];
                    let page = owned(&mut open.page);
                    page.set_value(item, value);
                    match page.slot(item) {
                        Some(slot) => page.set_child(slot, hash),
                        None => open.hash = hash,
                    }
                    open.touched |= 1 << item;
                }
                (Place::At(item), None) => {
                    self.tally.removed += 1;
                    self.open[at].edits.push(Edit { item, what: What::Remove });
                }
                (Place::Below(item), _) => {
                    self.open_below(at, item, change);
                    below = Some(item);
                }
                (Place::Apart(bit), Some(_)) => self.insert(at, page.insertion(key, bit), change),
                (Place::Apart(_), None) => {}
            }
        }
    }

    fn insert(&mut self, at: usize, item: usize, change: usize) {
        self.tally.added += 1;
        self.open[at].edits.push(Edit { item, what: What::Insert(change) });
    }

    /// Opens the page that is an item of the page `at`, for the change `change` and maybe more.
    fn open_below(&mut self, at: usize, item: usize, change: usize) {
        let child = number(self.open.len());
        let parent = &mut self.open[at];
        let page = owned(&mut parent.page);
        let hash = match page.slot(item) {
            Some((fork, side)) => page.children(fork)[side],
            None => parent.hash,
        };
        let Item::Page(below) = page.replace_item(item, Item::Open(child)) else {
            unreachable!("a subtree known only by its hash was asked for before the update");
        };
        parent.touched |= 1 << item;
        self.open(below, hash, Some((number(at), small(item))), change..change + 1);
    }

    /// Settles all pages that were opened, children before parents, and says what the topmost
    /// has become.
    fn ascend(&mut self) -> Outcome {
        for at in (0..self.open.len()).rev() {
            let outcome = if self.open[at].edits.is_empty() {
                self.keep(number(at));
                Outcome::Page(number(at))
            } else {
                let fragment = self.rebuild(at);
                self.settle(fragment, at == 0)
            };
            let Some((parent, item)) = self.open[at].parent else { return outcome };
            let what = match outcome {
                Outcome::Page(page) => {
                    self.open[page as usize].parent = Some((parent, item));
                    owned(&mut self.open[parent as usize].page)
                        .replace_item(usize::from(item), Item::Open(page));
                    continue;
                }
                Outcome::Gone => What::Remove,
                Outcome::Loose(fragment) => What::Replace(fragment),
            };
            self.open[parent as usize].edits.push(Edit { item: usize::from(item), what });
        }
        unreachable!("the topmost page has no parent")
    }

    /// Takes the page `at` apart and does its edits.
    fn rebuild(&mut self, at: usize) -> Fragment {
        let mut edits = core::mem::take(&mut self.open[at].edits);
        edits.sort_unstable_by_key(|edit| match edit.what {
            What::Insert(change) => (edit.item, change),
            What::Remove | What::Replace(_) => (edit.item, usize::MAX),
        });
        let (item_hashes, known) = self.as_it_was(at);
        let mut fragment = Fragment::default();
        // The item that the last piece comes from; none if it is new.
        let mut last: Option<usize> = None;
        let mut edits = edits.into_iter().peekable();
        for item in 0..=self.open[at].page.len() {
            while let Some(edit) = edits.next_if(|edit| {
                edit.item == item && matches!(edit.what, What::Insert(_))
            }) {
                if let What::Insert(change) = edit.what {
                    self.push(&mut fragment, Part::New { change: number(change) }, change);
                    last = None;
                }
            }
            if item == self.open[at].page.len() {
                break;
            }
            let pieces = match edits.next_if(|edit| edit.item == item).map(|edit| edit.what) {
                Some(What::Remove) => continue,
                Some(What::Replace(mut pieces)) => {
                    // Whatever its pieces are, together they are not what stood here.
                    pieces.pieces[0].dirty = true;
                    pieces
                }
                _ => self.piece(at, item, item_hashes[item]),
            };
            if !fragment.pieces.is_empty() {
                match last {
                    Some(last) if last + 1 == item => {
                        fragment.push_gap(self.open[at].page.fork(last).bit, Some(known[last]));
                    }
                    Some(last) => {
                        let page = &self.open[at].page;
                        let bit = (last..item).map(|fork| page.fork(fork).bit).min();
                        fragment.push_gap(bit.unwrap_or(Bit::END), None);
                    }
                    None => {
                        let bit = self.parting(&fragment, &pieces.pieces[0].part);
                        fragment.push_gap(bit, None);
                    }
                }
            }
            fragment.append(pieces);
            last = Some(item);
        }
        fragment
    }

    /// The pieces of a tree that had no entry.
    fn fresh(&mut self) -> Fragment {
        let mut fragment = Fragment::default();
        for (change, (_, new)) in self.changes.iter().enumerate() {
            if new.is_some() {
                self.tally.added += 1;
                self.push(&mut fragment, Part::New { change: number(change) }, change);
            }
        }
        fragment
    }

    /// Adds the leaf that a change writes, with the gap before it.
    fn push(&self, fragment: &mut Fragment, part: Part, change: usize) {
        if !fragment.pieces.is_empty() {
            let bit = self.parting(fragment, &part);
            fragment.push_gap(bit, None);
        }
        fragment.push(Piece { part, hash: self.leaf_hashes[change], dirty: true });
    }

    /// Where the last piece of `fragment` and `next` part.
    fn parting(&self, fragment: &Fragment, next: &Part) -> Bit {
        fragment
            .pieces
            .last()
            .and_then(|last| {
                Bit::between(self.representative(&last.part), self.representative(next))
            })
            .unwrap_or(Bit::END)
    }

    /// A key below a piece, or as much of it as all keys below share.
    fn representative<'s>(&'s self, part: &'s Part) -> &'s [u8] {
        match part {
            Part::Old { page, item } => {
                self.open[*page as usize].page.representative(usize::from(*item))
            }
            Part::New { change } => self.changes[*change as usize].0,
            Part::Page(page) => page.prefix(),
            Part::Open(page) => self.open[*page as usize].page.prefix(),
        }
    }

    /// The item of a page that is taken apart, as a piece.
    fn piece(&mut self, at: usize, item: usize, hash: Hash) -> Fragment {
        let open = &mut self.open[at];
        let dirty = open.touched >> item & 1 == 1;
        let part = match &open.page.items()[item] {
            Item::Leaf { .. } | Item::Stub { .. } => {
                Part::Old { page: number(at), item: small(item) }
            }
            Item::Open(page) => Part::Open(*page),
            Item::Page(page) => Part::Page(Arc::clone(page)),
        };
        let mut fragment = Fragment::default();
        fragment.push(Piece { part, hash, dirty });
        fragment
    }

    /// Hashes of the items of a page, and of its inner nodes as they were.
    fn as_it_was(&self, at: usize) -> (Vec<Hash>, Vec<Known>) {
        let Open { page, hash, .. } = &self.open[at];
        let none = Known { hash: Hash::default(), left: 0, right: 0 };
        let mut items = vec![Hash::default(); page.len()];
        let mut known = vec![none; page.len() - 1];
        let mut rest = vec![(page.root(), 0, page.len() - 1, *hash)];
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

    /// Cuts a fragment into pages. The `topmost` of a tree is a page however small it is.
    fn settle(&mut self, fragment: Fragment, topmost: bool) -> Outcome {
        match fragment.pieces.len() {
            0 => return Outcome::Gone,
            1 if topmost => {
                let page = match &fragment.pieces[0].part {
                    // A page that is left alone is the top itself.
                    Part::Open(page) => *page,
                    Part::Page(page) => {
                        let page = Arc::clone(page);
                        let hash = fragment.pieces[0].hash;
                        drop(fragment);
                        let page = self.open(page, hash, None, 0..0);
                        self.keep(page);
                        return Outcome::Page(page);
                    }
                    part => {
                        let mut page = Page::with_capacity(1);
                        self.lay(&mut page, part);
                        page.finish(0, self.representative(part));
                        let hash = fragment.pieces[0].hash;
                        let page = self.open(Arc::new(page), hash, None, 0..0);
                        self.keep(page);
                        page
                    }
                };
                self.open[page as usize].parent = None;
                return Outcome::Page(page);
            }
            1 => return Outcome::Loose(fragment),
            _ => {}
        }
        let shape = Shape::link(&fragment, |shape, top| self.emit(&fragment, shape, top));
        let weight = usize::from(shape.weight(Child::Fork(shape.root)));
        if topmost || weight >= ITEMS_MIN {
            Outcome::Page(self.emit(&fragment, &shape, shape.root))
        } else {
            Outcome::Loose(fragment::top(fragment, &shape))
        }
    }

    /// Lays the part of a fragment that starts at the inner node `top` into a new page.
    fn emit(&mut self, fragment: &Fragment, shape: &Shape, top: usize) -> u32 {
        let items = usize::from(shape.weight(Child::Fork(top)));
        let mut page = Page::with_capacity(items);
        let mut ranks: Vec<usize> = Vec::with_capacity(items - 1);
        let mut first = None;
        shape.walk(top, |child| match child {
            Child::Fork(fork) => ranks.push(fork),
            Child::Piece(piece) => {
                let part = &fragment.pieces[piece].part;
                first = first.or(Some(self.representative(part)));
                self.lay(&mut page, part);
            }
            Child::Cut { page: below, .. } => {
                first = first.or(Some(self.open[below as usize].page.prefix()));
                page.push_item(Item::Open(below));
            }
        });
        let rank = |fork: usize| small(ranks.binary_search(&fork).unwrap_or_default());
        for &fork in &ranks {
            let children = [shape.child(fork, 0), shape.child(fork, 1)];
            let [left, right] = children.map(|child| match child {
                Child::Fork(fork) => rank(fork),
                _ => 0,
            });
            let hashes = children.map(|child| shape.hash(fragment, child).unwrap_or_default());
            page.push_fork(Fork { bit: fragment.gaps[fork].bit, left, right }, hashes);
        }
        page.finish(rank(top), first.unwrap_or_default());
        let hash = shape.hash(fragment, Child::Fork(top)).unwrap_or_default();
        let at = self.open(Arc::new(page), hash, None, 0..0);
        let level = self.adopt(at);
        let mut rest = vec![(top, 0, None)];
        while let Some((fork, depth, slot)) = rest.pop() {
            if shape.is_clean(fragment, Child::Fork(fork)) {
                continue;
            }
            level.jobs.push(Job { page: at, fork: rank(fork), depth, slot });
            for side in [0, 1] {
                if let Child::Fork(below) = shape.child(fork, side) {
                    rest.push((below, depth + 1, Some((rank(fork), side == 1))));
                }
            }
        }
        at
    }

    /// Adds a piece to a page as its next item.
    fn lay(&self, page: &mut Page, part: &Part) {
        match part {
            Part::New { change } => {
                let (key, value) = self.changes[*change as usize];
                if let Some(value) = value {
                    page.push_leaf(key, value, None);
                }
            }
            Part::Old { page: old, item } => {
                let old = &self.open[*old as usize].page;
                match &old.items()[usize::from(*item)] {
                    Item::Leaf { key, value } => {
                        page.push_leaf(old.text(*key), old.value(value), Some(value));
                    }
                    Item::Stub { prefix, bit } => page.push_stub(old.text(*prefix), *bit),
                    Item::Page(_) | Item::Open(_) => unreachable!("pages are parts of their own"),
                }
            }
            Part::Page(below) => page.push_item(Item::Page(Arc::clone(below))),
            Part::Open(below) => page.push_item(Item::Open(*below)),
        }
    }

    /// Settles a page whose shape stays: notes the inner nodes above its changed items.
    fn keep(&mut self, at: u32) {
        self.adopt(at);
        let Self { open, jobs, .. } = self;
        let Open { page, touched, height, .. } = &open[at as usize];
        let jobs = &mut jobs[*height as usize].jobs;
        let mut noted = 0_u64;
        let mut touched = *touched;
        while touched != 0 {
            let item = touched.trailing_zeros() as usize;
            touched &= touched - 1;
            let (mut depth, mut slot) = (0, None);
            page.path(item, |fork, side| {
                if noted >> fork & 1 == 0 {
                    noted |= 1 << fork;
                    jobs.push(Job { page: at, fork: small(fork), depth, slot });
                }
                slot = Some((small(fork), side == 1));
                depth += 1;
            });
        }
    }

    /// Tells the open pages below `at` where they are, and puts `at` on the level above them.
    fn adopt(&mut self, at: u32) -> &mut Level {
        let mut height = 0;
        for item in 0..self.open[at as usize].page.len() {
            if let Item::Open(below) = self.open[at as usize].page.items()[item] {
                let below = &mut self.open[below as usize];
                below.parent = Some((at, small(item)));
                height = height.max(below.height + 1);
            }
        }
        self.open[at as usize].height = height;
        let height = height as usize;
        if self.jobs.len() <= height {
            self.jobs.resize_with(height + 1, Level::default);
        }
        self.jobs[height].pages.push(at);
        &mut self.jobs[height]
    }

    /// Hashes what changed, lower pages first, and puts the pages together again.
    fn hash_all(&mut self, top: u32) -> (Arc<Page>, Hash) {
        let mut nodes: Vec<[Hash; 2]> = Vec::new();
        let mut hashes: Vec<Hash> = Vec::new();
        for level in core::mem::take(&mut self.jobs) {
            let Level { pages, mut jobs } = level;
            // Whole pages only: a node must not be hashed before those below it.
            for jobs in page_runs(&mut jobs) {
                jobs.sort_unstable_by_key(|job| core::cmp::Reverse(job.depth));
                for jobs in jobs.chunk_by(|a, b| a.depth == b.depth) {
                    nodes.clear();
                    nodes.extend(jobs.iter().map(|job| {
                        *self.open[job.page as usize].page.children(usize::from(job.fork))
                    }));
                    hashes.resize(nodes.len(), Hash::default());
                    self.hasher.inner_many(&nodes, &mut hashes);
                    for (job, hash) in jobs.iter().zip(&hashes) {
                        let open = &mut self.open[job.page as usize];
                        match job.slot {
                            Some((fork, side)) => owned(&mut open.page)
                                .set_child((usize::from(fork), usize::from(side)), *hash),
                            None => open.hash = *hash,
                        }
                    }
                }
            }
            for at in pages {
                self.put_back(at);
            }
        }
        let Open { page, hash, .. } = self.open.swap_remove(top as usize);
        (page, hash)
    }

    /// Gives a finished page back to the page above it.
    fn put_back(&mut self, at: u32) {
        let Open { hash, parent: Some((parent, item)), .. } = self.open[at as usize] else {
            return;
        };
        let vacant = Arc::clone(&self.vacant);
        let page = core::mem::replace(&mut self.open[at as usize].page, vacant);
        let parent = &mut self.open[parent as usize];
        let above = owned(&mut parent.page);
        match above.slot(usize::from(item)) {
            Some(slot) => above.set_child(slot, hash),
            None => parent.hash = hash,
        }
        above.replace_item(usize::from(item), Item::Page(page));
    }
}

/// A page of an update, which nobody else holds.
fn owned(page: &mut Arc<Page>) -> &mut Page {
    debug_assert_eq!(Arc::strong_count(page), 1);
    Arc::make_mut(page)
}

/// Splits jobs into runs of whole pages of about `JOBS_TOGETHER`.
fn page_runs(jobs: &mut [Job]) -> impl Iterator<Item = &mut [Job]> {
    let mut rest = jobs;
    core::iter::from_fn(move || {
        let jobs = core::mem::take(&mut rest);
        if jobs.is_empty() {
            return None;
        }
        let mut end = jobs.len().min(JOBS_TOGETHER);
        while end < jobs.len() && jobs[end].page == jobs[end - 1].page {
            end += 1;
        }
        let (run, after) = jobs.split_at_mut(end);
        rest = after;
        Some(run)
    })
}

/// INVARIANT: an update has fewer than 2^32 - 1 changes and so opens fewer pages; see
/// [`Tree::update`](super::tree::Tree::update).
#[expect(clippy::cast_possible_truncation, reason = "see the invariant")]
fn number(place: usize) -> u32 {
    debug_assert!(place < u32::MAX as usize);
    place as u32
}

/// INVARIANT: places in a page are below `ITEMS_MAX`.
#[expect(clippy::cast_possible_truncation, reason = "see the invariant")]
fn small(place: usize) -> u8 {
    debug_assert!(place < super::page::ITEMS_MAX);
    place as u8
}
