//! Applying a batch: open the pages it touches, change them, rebuild what grew or shrank, and hash
//! what changed from the bottom up, many nodes at a time.

use alloc::{vec, vec::Vec};
use core::ops::Range;

use triomphe::{Arc, UniqueArc};

use super::{
    batch::Change,
    bit::Bit,
    fragment::{self, Child, Fragment, Known, Part, Piece, Shape},
    page::{Fork, ITEMS_MIN, Item, Page, Slot},
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
        next: (1..=number(changes.len())).collect(),
        open: Vec::with_capacity(changes.len().min(1 << 16)),
        jobs: Vec::new(),
        tally: Tally::default(),
    };
    let top = match root {
        Some(page) => {
            update.open(
                unique(page),
                hash,
                None,
                changes.len().checked_sub(1).map(|last| (0, last)),
            );
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
    for (changes, hashes) in changes
        .chunks(HASHED_TOGETHER)
        .zip(hashes.chunks_mut(HASHED_TOGETHER))
    {
        values.clear();
        values.extend(changes.iter().map(|(_, change)| {
            change
                .and_then(super::batch::Value::bytes)
                .unwrap_or_default()
        }));
        hasher.value_many(&values, &mut digests[..changes.len()]);
        leaves.clear();
        leaves.extend(
            changes
                .iter()
                .zip(&digests)
                .map(|((key, change), digest)| match change {
                    Some(super::batch::Value::Digest { hash, .. }) => (*key, *hash),
                    _ => (*key, *digest),
                }),
        );
        hasher.leaf_many(&leaves, hashes);
    }
    hashes
}

/// An update under way.
struct Update<'b, H> {
    hasher: &'b H,
    changes: &'b [(&'b [u8], Change<'b>)],
    leaf_hashes: Vec<Hash>,
    /// The change that follows each change in the list of its page.
    next: Vec<u32>,
    open: Vec<Open>,
    /// Inner nodes to hash, by the height of their page.
    jobs: Vec<Level>,
    tally: Tally,
}

/// A page that an update works on, with its place in the tree.
struct Open {
    /// None once it was given back to the page above.
    page: Option<UniqueArc<Page>>,
    /// Hash of its topmost node: as it was, and in the end as it is.
    hash: Hash,
    /// Where it hangs; none for the topmost.
    above: Option<Above>,
    /// Items that have changed.
    touched: u64,
    /// The changes whose bits lead here: the first and the last of a list, see `Update::next`.
    changes: Option<(usize, usize)>,
    /// What must be done with items, in any order.
    edits: Vec<Edit>,
    height: u32,
}

/// The place of a page in the page above it.
#[derive(Clone, Copy)]
struct Above {
    page: u32,
    item: u8,
    /// None if the page above has no fork.
    slot: Option<Slot>,
}

struct Edit {
    item: usize,
    what: What,
}

impl Open {
    fn page(&self) -> &Page {
        self.page.as_deref().expect(GIVEN_BACK)
    }

    fn page_mut(&mut self) -> &mut Page {
        self.page.as_deref_mut().expect(GIVEN_BACK)
    }
}

const GIVEN_BACK: &str = "a page is given back once, after all else";

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
        page: UniqueArc<Page>,
        hash: Hash,
        above: Option<Above>,
        changes: Option<(usize, usize)>,
    ) -> u32 {
        let open = Open {
            page: Some(page),
            hash,
            above,
            touched: 0,
            changes,
            edits: Vec::new(),
            height: 0,
        };
        self.open.push(open);
        number(self.open.len() - 1)
    }

    /// Brings each change to its page, a level of pages at a time. Values change at once; what
    /// alters the shape is noted.
    ///
    /// Each level is walked in short loops whose rounds do not depend on one another, so that the
    /// cache misses of different changes overlap.
    fn descend(&mut self) {
        let mut items = vec![0_u8; self.changes.len()];
        let mut level = 0..1;
        while !level.is_empty() {
            for open in &self.open[level.clone()] {
                for change in self.list(open.changes) {
                    items[change] = small(open.page().find(self.changes[change].0));
                }
            }
            self.touch(&level, &items);
            for at in level.clone() {
                self.distribute(at, &items);
            }
            level = level.end..self.open.len();
        }
    }

    /// Reads, without any use for it, what `distribute` and the next level will read.
    fn touch(&self, level: &Range<usize>, items: &[u8]) {
        let mut sum = 0_usize;
        for open in &self.open[level.clone()] {
            for change in self.list(open.changes) {
                let item = usize::from(items[change]);
                sum ^= match (open.page().page(item), open.page().representative(item)) {
                    (Some(below), _) => below.first_touch(),
                    (None, Some(key)) => usize::from(key.last().copied().unwrap_or_default()),
                    (None, None) => 0,
                };
            }
        }
        core::hint::black_box(sum);
    }

    /// Brings the changes of one page to its items.
    fn distribute(&mut self, at: usize, items: &[u8]) {
        let mut following = self.open[at].changes;
        while let Some((change, last)) = following {
            following = (change != last).then(|| (self.next[change] as usize, last));
            let item = usize::from(items[change]);
            let page = &self.open[at].page();
            let (key, new) = self.changes[change];
            let apart = match page.item(item) {
                Item::Page => {
                    self.open_below(at, item, change);
                    continue;
                }
                Item::Open(below) => {
                    if let Some((_, last)) = &mut self.open[below as usize].changes {
                        self.next[*last] = number(change);
                        *last = change;
                    }
                    continue;
                }
                Item::Leaf { key: found, .. } => Bit::between(key, page.text(found)),
                Item::Stub { prefix, .. } => Bit::between(key, page.text(prefix)),
            };
            match (apart, new) {
                (None, Some(value)) => {
                    let hash = self.leaf_hashes[change];
                    let open = &mut self.open[at];
                    let page = open.page_mut();
                    page.set_value(item, value);
                    match page.slot(item) {
                        Some(slot) => page.set_child(slot, hash),
                        None => open.hash = hash,
                    }
                    open.touched |= 1 << item;
                }
                (None, None) => {
                    self.tally.removed += 1;
                    self.open[at].edits.push(Edit {
                        item,
                        what: What::Remove,
                    });
                }
                (Some(bit), Some(_)) => self.insert(at, bit, change),
                (Some(_), None) => {}
            }
        }
    }

    /// The changes of a list.
    fn list(&self, list: Option<(usize, usize)>) -> impl Iterator<Item = usize> {
        let mut following = list;
        core::iter::from_fn(move || {
            let (change, last) = following?;
            following = (change != last).then(|| (self.next[change] as usize, last));
            Some(change)
        })
    }

    /// Notes a new leaf whose key parts at `bit` from all that its bits lead to. The search went
    /// down to the page `at`, but the fork to be may lie above it.
    fn insert(&mut self, mut at: usize, bit: Bit, change: usize) {
        while let Some(above) = self.open[at].above
            && bit < self.open[at].page().bit()
        {
            at = above.page as usize;
        }
        self.tally.added += 1;
        let item = self.open[at].page().insertion(self.changes[change].0, bit);
        self.open[at].edits.push(Edit {
            item,
            what: What::Insert(change),
        });
    }

    /// Opens the page that is an item of the page `at`, for the change `change` and maybe more.
    fn open_below(&mut self, at: usize, item: usize, change: usize) {
        let number_below = number(self.open.len());
        let open = &mut self.open[at];
        let whole = open.hash;
        let page = open.page_mut();
        let slot = page.slot(item);
        let hash = slot.map_or(whole, |(fork, side)| page.children(fork)[side]);
        let Some(below) = page.take_page(item, number_below) else {
            return;
        };
        open.touched |= 1 << item;
        let above = Above {
            page: number(at),
            item: small(item),
            slot,
        };
        self.open(unique(below), hash, Some(above), Some((change, change)));
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
            let Some(above) = self.open[at].above else {
                return outcome;
            };
            let item = usize::from(above.item);
            let open = &mut self.open[above.page as usize];
            let what = match outcome {
                Outcome::Page(page) => {
                    open.page_mut().set_open(item, page);
                    self.open[page as usize].above = Some(above);
                    continue;
                }
                Outcome::Gone => What::Remove,
                Outcome::Loose(fragment) => What::Replace(fragment),
            };
            open.edits.push(Edit { item, what });
        }
        unreachable!("the topmost page hangs nowhere")
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
        for item in 0..=self.open[at].page().len() {
            while let Some(edit) =
                edits.next_if(|edit| edit.item == item && matches!(edit.what, What::Insert(_)))
            {
                if let What::Insert(change) = edit.what {
                    self.push(
                        &mut fragment,
                        Part::New {
                            change: number(change),
                        },
                        change,
                    );
                    last = None;
                }
            }
            if item == self.open[at].page().len() {
                break;
            }
            let pieces = match edits
                .next_if(|edit| edit.item == item)
                .map(|edit| edit.what)
            {
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
                        fragment.push_gap(self.open[at].page().fork(last).bit, Some(known[last]));
                    }
                    Some(last) => {
                        let page = &self.open[at].page();
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
                self.push(
                    &mut fragment,
                    Part::New {
                        change: number(change),
                    },
                    change,
                );
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
        fragment.push(Piece {
            part,
            hash: self.leaf_hashes[change],
            dirty: true,
        });
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
                let page = &self.open[*page as usize].page();
                page.representative(usize::from(*item)).unwrap_or_default()
            }
            Part::New { change } => self.changes[*change as usize].0,
            Part::Page(page) => page.prefix(),
            Part::Open(page) => self.open[*page as usize].page().prefix(),
        }
    }

    /// The item of a page that is taken apart, as a piece.
    fn piece(&mut self, at: usize, item: usize, hash: Hash) -> Fragment {
        let open = &mut self.open[at];
        let dirty = open.touched >> item & 1 == 1;
        let part = match (open.page().item(item), open.page().page(item)) {
            (_, Some(page)) => Part::Page(Arc::clone(page)),
            (Item::Open(page), _) => Part::Open(page),
            _ => Part::Old {
                page: number(at),
                item: small(item),
            },
        };
        let mut fragment = Fragment::default();
        fragment.push(Piece { part, hash, dirty });
        fragment
    }

    /// Hashes of the items of a page, and of its inner nodes as they were.
    fn as_it_was(&self, at: usize) -> (Vec<Hash>, Vec<Known>) {
        let Open { hash, .. } = &self.open[at];
        let page = self.open[at].page();
        let none = Known {
            hash: Hash::default(),
            left: 0,
            right: 0,
        };
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
                        let page = self.open(unique(page), hash, None, None);
                        self.keep(page);
                        return Outcome::Page(page);
                    }
                    part => {
                        let mut page = Page::new();
                        self.lay(&mut page, part);
                        page.finish(0, self.representative(part));
                        let hash = fragment.pieces[0].hash;
                        let page = self.open(UniqueArc::new(page), hash, None, None);
                        self.keep(page);
                        page
                    }
                };
                self.open[page as usize].above = None;
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
        let mut page = Page::new();
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
                first = first.or(Some(self.open[below as usize].page().prefix()));
                page.push_open(below);
            }
        });
        let rank = |fork: usize| small(ranks.binary_search(&fork).unwrap_or_default());
        for (at, &fork) in ranks.iter().enumerate() {
            let children = [shape.child(fork, 0), shape.child(fork, 1)];
            let [left, right] = children.map(|child| match child {
                Child::Fork(fork) => rank(fork),
                _ => 0,
            });
            let hashes = children.map(|child| shape.hash(fragment, child).unwrap_or_default());
            page.set_fork(
                at,
                Fork {
                    bit: fragment.gaps[fork].bit,
                    left,
                    right,
                },
                hashes,
            );
        }
        page.finish(rank(top), first.unwrap_or_default());
        let hash = shape.hash(fragment, Child::Fork(top)).unwrap_or_default();
        let at = self.open(UniqueArc::new(page), hash, None, None);
        let level = self.adopt(at, u64::MAX >> (64 - items));
        let mut rest = vec![(top, 0, None)];
        while let Some((fork, depth, slot)) = rest.pop() {
            if shape.is_clean(fragment, Child::Fork(fork)) {
                continue;
            }
            level.jobs.push(Job {
                page: at,
                fork: rank(fork),
                depth,
                slot,
            });
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
                    page.push_leaf(key, value);
                }
            }
            Part::Old { page: old, item } => {
                page.push_from(&self.open[*old as usize].page(), usize::from(*item));
            }
            Part::Page(below) => page.push_page(Arc::clone(below)),
            Part::Open(below) => page.push_open(*below),
        }
    }

    /// Settles a page whose shape stays: notes the inner nodes above its changed items.
    fn keep(&mut self, at: u32) {
        let touched = self.open[at as usize].touched;
        self.adopt(at, touched);
        let Self { open, jobs, .. } = self;
        let open = &open[at as usize];
        let jobs = &mut jobs[open.height as usize].jobs;
        let mut noted = 0_u64;
        for item in places(touched) {
            let (mut depth, mut slot) = (0, None);
            open.page().path(item, |fork, side| {
                if noted >> fork & 1 == 0 {
                    noted |= 1 << fork;
                    jobs.push(Job {
                        page: at,
                        fork: small(fork),
                        depth,
                        slot,
                    });
                }
                slot = Some((small(fork), side == 1));
                depth += 1;
            });
        }
    }

    /// Tells the open pages among `items` of `at` where they are, and puts `at` on the level above
    /// them.
    fn adopt(&mut self, at: u32, items: u64) -> &mut Level {
        let mut height = 0;
        for item in places(items) {
            let page = self.open[at as usize].page();
            if let Item::Open(below) = page.item(item) {
                let above = Above {
                    page: at,
                    item: small(item),
                    slot: page.slot(item),
                };
                let below = &mut self.open[below as usize];
                below.above = Some(above);
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
                        *self.open[job.page as usize]
                            .page()
                            .children(usize::from(job.fork))
                    }));
                    hashes.resize(nodes.len(), Hash::default());
                    self.hasher.inner_many(&nodes, &mut hashes);
                    for (job, hash) in jobs.iter().zip(&hashes) {
                        let open = &mut self.open[job.page as usize];
                        match job.slot {
                            Some((fork, side)) => open
                                .page_mut()
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
        let open = self.open.swap_remove(top as usize);
        (open.page.expect(GIVEN_BACK).shareable(), open.hash)
    }

    /// Gives a finished page back to the page above it.
    fn put_back(&mut self, at: u32) {
        let open = &mut self.open[at as usize];
        let Open {
            hash,
            above: Some(above),
            ..
        } = *open
        else {
            return;
        };
        let Some(page) = open.page.take() else { return };
        let open = &mut self.open[above.page as usize];
        match above.slot {
            Some(slot) => open.page_mut().set_child(slot, hash),
            None => open.hash = hash,
        }
        open.page_mut()
            .put_page(usize::from(above.item), page.shareable());
    }
}

/// The page for us alone: itself if nobody else holds it, otherwise a copy.
fn unique(page: Arc<Page>) -> UniqueArc<Page> {
    Arc::try_unique(page).unwrap_or_else(|page| UniqueArc::new(Page::clone(&page)))
}

/// The places of the ones in a mask.
fn places(mut mask: u64) -> impl Iterator<Item = usize> {
    core::iter::from_fn(move || {
        let place = (mask != 0).then(|| mask.trailing_zeros() as usize)?;
        mask &= mask - 1;
        Some(place)
    })
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
