//! Applying a batch: open the pages it touches, change them, rebuild what grew or shrank, and hash
//! what changed from the bottom up, many nodes at a time.

mod halves;
mod rebuild;
mod rehash;
mod splice;

use alloc::{vec, vec::Vec};
use core::ops::Range;

use triomphe::{Arc, UniqueArc};

use super::{
    batch::{Change, Value},
    bit::Bit,
    fragment::Fragment,
    page::{Item, Page, Slot},
    subtree::Subtree,
    undo::Undo,
};
use crate::{Hash, Hasher};
pub(crate) use halves::{assemble, join, split};
use rehash::{Job, Level};

/// Leaves hashed in one call.
const HASHED_TOGETHER: usize = 256;

/// Changes that go through a tree together: few enough that the pages of all of them stay in the
/// cache from the way down to the hashing, many enough to hash in full lanes.
const CHANGES_TOGETHER: usize = 512;

/// The same where a tree is new: places are counted in 32 bits.
const CHANGES_MAX: usize = 1 << 30;

/// Pages kept for reuse within an update.
const SPARE_MAX: usize = 64;

/// What an update did to the number of entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tally {
    /// Keys that were not there before.
    pub added: u64,
    /// Keys that are there no more.
    pub removed: u64,
    /// Bytes of memory that were copied since a clone shares them, and that it alone holds now.
    pub copied_bytes: u64,
}

impl Tally {
    /// Adds what another part of the same update did.
    pub(crate) fn add(&mut self, other: Self) {
        self.added += other.added;
        self.removed += other.removed;
        self.copied_bytes += other.copied_bytes;
    }
}

/// A tree: its topmost page, none if it is empty, and its root.
pub(crate) type Top = (Option<Arc<Page>>, Hash);

/// Applies `changes`, which are in key order, to a tree.
///
/// Pages that only this tree holds are changed where they are; shared ones are copied first. What
/// takes it back is added to `undo`, if there is one.
pub(crate) fn update<H: Hasher>(
    hasher: &H,
    mut top: Top,
    mut changes: &[(&[u8], Change<'_>)],
    mut undo: Option<&mut Undo>,
) -> (Top, Tally) {
    let mut tally = Tally::default();
    while !changes.is_empty() {
        let together = match top.0 {
            Some(_) => CHANGES_TOGETHER,
            None => CHANGES_MAX, // a new tree is laid out a part at a time anyway
        };
        let some;
        (some, changes) = changes.split_at(changes.len().min(together));
        let part;
        (top, part) = update_together(hasher, top, some, undo.as_deref_mut());
        tally.add(part);
    }
    (top, tally)
}

/// Lays out several trees, each of the entries up to its end in `ends`, which are in key order and have
/// values. They are hashed together.
pub(crate) fn build_all<H: Hasher>(
    hasher: &H,
    entries: &[(&[u8], Change<'_>)],
    ends: &[usize],
) -> Vec<Top> {
    let mut update = Update::new(hasher, entries, &[]);
    update.hash_leaves(0..entries.len());
    let mut start = 0;
    let outcomes: Vec<Outcome> = (ends.iter())
        .map(|&end| {
            let fragment = update.fresh(start..end);
            start = end;
            update.settle(fragment, true)
        })
        .collect();
    update.hash_all();
    let taken = outcomes.iter().map(|outcome| update.take(outcome));
    taken.collect()
}

/// The same as [`update`] for changes that are not many, each level of pages at a time.
fn update_together<H: Hasher>(
    hasher: &H,
    (top, root): Top,
    changes: &[(&[u8], Change<'_>)],
    undo: Option<&mut Undo>,
) -> (Top, Tally) {
    let mut update = Update::new(hasher, changes, &[]);
    update.undo = undo;
    let outcome = match top {
        Some(page) => {
            let page = update.own(page);
            update.open(page, Some(root), None, Some((0, changes.len() - 1)));
            update.hash_leaves(0..changes.len());
            update.descend();
            update.ascend()
        }
        None => update.lay_fresh(),
    };
    update.hash_all();
    (update.take(&outcome), update.tally)
}

/// An update under way.
struct Update<'b, H> {
    hasher: &'b H,
    changes: &'b [(&'b [u8], Change<'b>)],
    /// Hashes of the leaves that some of the changes write, and the first of those changes.
    leaf_hashes: Vec<Hash>,
    hashed_from: usize,
    /// The change that follows each change in the list of its page.
    next: Vec<u32>,
    open: Vec<Open>,
    /// Inner nodes to hash in pages that keep their shape.
    noted: Vec<Job>,
    /// Inner nodes to hash, by the height of their page.
    levels: Vec<Level>,
    tally: Tally,
    /// Pages that are used no more, for new ones to take their memory.
    spare: Vec<UniqueArc<Page>>,
    /// What the stubs of a tree under assembly stand for.
    subtrees: &'b [Subtree],
    /// What was there before, if somebody asks for that.
    undo: Option<&'b mut Undo>,
}

/// A page that an update works on, with its place in the tree.
struct Open {
    /// None once it was given back to the page above.
    page: Option<UniqueArc<Page>>,
    /// Hash of its topmost node. While it is not known, the slot above still has the hash as it was.
    hash: Option<Hash>,
    /// Where it hangs; none for the topmost.
    above: Option<Above>,
    /// Items that have changed.
    touched: u64,
    /// Items that were removed or replaced.
    gone: u64,
    /// The changes whose bits lead here: the first and the last of a list, see `Update::next`.
    changes: Option<(usize, usize)>,
    /// The inner nodes above them, also as jobs: a range of `Update::noted`.
    forks: u64,
    noted: Range<usize>,
    /// What must be done with items, in any order.
    edits: Vec<Edit>,
    height: u32,
    /// Whether `hash` is as it will be.
    done: bool,
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

impl<'b, H: Hasher> Update<'b, H> {
    fn new(hasher: &'b H, changes: &'b [(&'b [u8], Change<'b>)], subtrees: &'b [Subtree]) -> Self {
        Self {
            hasher,
            changes,
            leaf_hashes: Vec::new(),
            hashed_from: 0,
            next: Vec::new(),
            open: Vec::new(),
            noted: Vec::new(),
            levels: Vec::new(),
            tally: Tally::default(),
            spare: Vec::new(),
            subtrees,
            undo: None,
        }
    }

    /// Hashes the leaves that some of the changes write.
    fn hash_leaves(&mut self, changes: Range<usize>) {
        self.hashed_from = changes.start;
        self.leaf_hashes.resize(changes.len(), Hash::default());
        let mut values: Vec<&[u8]> = Vec::with_capacity(HASHED_TOGETHER);
        let mut digests = [Hash::default(); HASHED_TOGETHER];
        let mut leaves: Vec<(&[u8], Hash)> = Vec::with_capacity(HASHED_TOGETHER);
        let changes = self.changes[changes].chunks(HASHED_TOGETHER);
        for (changes, hashes) in changes.zip(self.leaf_hashes.chunks_mut(HASHED_TOGETHER)) {
            values.clear();
            values.extend(
                changes
                    .iter()
                    .map(|(_, change)| change.and_then(Value::bytes).unwrap_or_default()),
            );
            self.hasher
                .value_many(&values, &mut digests[..changes.len()]);
            leaves.clear();
            leaves.extend(changes.iter().zip(&digests).map(
                |((key, change), digest)| match change {
                    Some(Value::Digest { hash, .. }) => (*key, *hash),
                    _ => (*key, *digest),
                },
            ));
            self.hasher.leaf_many(&leaves, hashes);
        }
    }

    fn leaf_hash(&self, change: usize) -> Hash {
        self.leaf_hashes[change - self.hashed_from]
    }

    /// Opens `page`, which becomes ours alone, for the changes in `changes`.
    fn open(
        &mut self,
        page: UniqueArc<Page>,
        hash: Option<Hash>,
        above: Option<Above>,
        changes: Option<(usize, usize)>,
    ) -> u32 {
        let open = Open {
            page: Some(page),
            hash,
            above,
            touched: 0,
            gone: 0,
            forks: 0,
            noted: 0..0,
            changes,
            edits: Vec::new(),
            height: 0,
            done: false,
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
        self.next = (1..=number(self.changes.len())).collect();
        self.open.reserve(2 * self.changes.len().min(1 << 16));
        let mut level = 0..1;
        while !level.is_empty() {
            let mut found: Vec<(&Page, usize)> = Vec::with_capacity(level.len());
            for open in &self.open[level.clone()] {
                let page = open.page();
                for change in self.list(open.changes) {
                    let item = page.find(self.changes[change].0);
                    items[change] = small(item);
                    found.push((page, item));
                }
            }
            touch(&found);
            for at in level.clone() {
                self.distribute(at, &items);
            }
            level = level.end..self.open.len();
        }
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
                    let hash = self.leaf_hash(change);
                    let slot = self.note(at, item);
                    let open = &mut self.open[at];
                    if let Some(undo) = &mut self.undo {
                        undo.note(key, open.page().value(item));
                    }
                    open.page_mut().set_value(item, value);
                    match slot {
                        Some(slot) => open.page_mut().set_child(slot, hash),
                        None => open.hash = Some(hash),
                    }
                }
                (None, None) => {
                    self.tally.removed += 1;
                    if let Some(undo) = &mut self.undo {
                        undo.note(key, self.open[at].page().value(item));
                    }
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
        if let Some(undo) = &mut self.undo {
            undo.note(self.changes[change].0, None);
        }
        let item = self.open[at].page().insertion(self.changes[change].0, bit);
        self.open[at].edits.push(Edit {
            item,
            what: What::Insert(change),
        });
    }

    /// Opens the page that is an item of the page `at`, for the change `change` and maybe more.
    fn open_below(&mut self, at: usize, item: usize, change: usize) {
        let number_below = number(self.open.len());
        let slot = self.note(at, item);
        let Some(below) = self.open[at].page_mut().take_page(item, number_below) else {
            return;
        };
        let above = Above {
            page: number(at),
            item: small(item),
            slot,
        };
        let below = self.own(below);
        self.open(below, None, Some(above), Some((change, change)));
    }

    /// The page for us alone.
    fn own(&mut self, page: Arc<Page>) -> UniqueArc<Page> {
        if !page.is_unique() {
            self.tally.copied_bytes += page.copied_bytes() as u64;
        }
        unique(page)
    }

    /// Notes that an item of the page `at` changes: the inner nodes above it are to be hashed.
    /// Answers with the item's slot.
    fn note(&mut self, at: usize, item: usize) -> Option<Slot> {
        let Self { open, noted, .. } = self;
        let Open {
            page,
            touched,
            forks,
            noted: range,
            ..
        } = &mut open[at];
        *touched |= 1 << item;
        if range.start == range.end {
            *range = noted.len()..noted.len();
        }
        let (mut depth, mut slot) = (0, None);
        page.as_deref()?.path(item, |fork, side| {
            if *forks >> fork & 1 == 0 {
                *forks |= 1 << fork;
                noted.push(Job {
                    page: number(at),
                    fork: small(fork),
                    depth,
                    slot: slot.map(Job::above),
                });
            }
            slot = Some((fork, side));
            depth += 1;
        });
        range.end = noted.len();
        slot
    }

    /// Keeps the memory of a page whose pieces have all been laid out anew.
    fn recycle(&mut self, at: usize) {
        if let Some(mut page) = self.open[at].page.take()
            && self.spare.len() < SPARE_MAX
        {
            page.clear();
            self.spare.push(page);
        }
    }

    /// Settles all pages that were opened, children before parents, and says what the topmost
    /// has become.
    fn ascend(&mut self) -> Outcome {
        for at in (0..self.open.len()).rev() {
            let outcome = if self.open[at].edits.is_empty() || self.splice(at) {
                self.keep(number(at));
                Outcome::Page(number(at))
            } else {
                let fragment = self.rebuild(at, 0..self.open[at].page().len());
                let outcome = self.settle(fragment, at == 0);
                if let Outcome::Page(_) = outcome {
                    self.recycle(at);
                }
                outcome
            };
            let Some(above) = self.open[at].above else {
                return outcome;
            };
            let item = usize::from(above.item);
            let what = match outcome {
                Outcome::Page(page) => {
                    let below = &mut self.open[page as usize];
                    below.above = Some(above);
                    let height = below.height + 1;
                    let open = &mut self.open[above.page as usize];
                    open.page_mut().set_open(item, page);
                    open.height = open.height.max(height);
                    continue;
                }
                Outcome::Gone => What::Remove,
                Outcome::Loose(fragment) => What::Replace(fragment),
            };
            self.open[above.page as usize]
                .edits
                .push(Edit { item, what });
        }
        unreachable!("the topmost page hangs nowhere")
    }
}

/// Reads, without any use for it, what comes next at these items: their texts, the pages below and
/// the hashes above them. In loops this short one round does not wait for the misses of another.
fn touch(found: &[(&Page, usize)]) {
    let mut sum = 0;
    for (page, item) in found {
        sum ^= page.touch_item(*item);
    }
    for (page, item) in found {
        sum ^= page.touch_text(*item);
    }
    for (page, item) in found {
        sum ^= page.touch_hashes(*item);
    }
    core::hint::black_box(sum);
}

/// The page for us alone: itself if nobody else holds it, otherwise a copy.
fn unique(page: Arc<Page>) -> UniqueArc<Page> {
    Arc::try_unique(page).unwrap_or_else(|page| UniqueArc::new(Page::clone(&page)))
}

/// INVARIANT: an update has fewer than 2^32 - 1 changes and so opens fewer pages; see
/// [`CHANGES_MAX`].
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
