//! Pages: pieces of the trie that lie together in memory and are shared between versions.

use alloc::{sync::Arc, vec::Vec};

use super::{batch::Value, bit::Bit};
use crate::Hash;

/// Most items of a page. A page fits the 64 bits of a mask, and its forks are counted in a byte.
pub(crate) const ITEMS_MAX: usize = 32;

/// Fewest items for which a page of their own is worth it; fewer lie in the parent page.
pub(crate) const ITEMS_MIN: usize = 8;

/// Values up to this many bytes lie in the page; longer ones beside it, shared between versions.
const INLINE_BYTES_MAX: usize = 256;

/// A connected piece of the trie: some inner nodes, with all that hangs below them as *items*.
///
/// Items stand in key order. Between each two neighbours lies exactly one inner node, the *fork*
/// that parts them, so `forks[i]` parts `items[i]` from `items[i + 1]`. The hashes of a fork's two
/// children lie with the fork: on the way up from a change no sibling is visited. How the trie is
/// cut into pages depends on its past; no hash does.
///
/// INVARIANT: `items` has 1 to `ITEMS_MAX` members, `forks` and `hashes` one less. The forks are
/// the Cartesian tree of their branch positions: a fork's position lies before those below it.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    root: u8,
    forks: Vec<Fork>,
    hashes: Vec<[Hash; 2]>,
    items: Vec<Item>,
    /// In `bytes`: as much of a key below this page as all of them share.
    prefix: Span,
    bytes: Vec<u8>,
    /// How many of `bytes` nothing points to.
    garbage: usize,
}

/// An inner node: where its two subtrees part, and the forks at their tops.
///
/// A child that is an item has no fork; which item follows from the fork's own place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fork {
    pub(crate) bit: Bit,
    pub(crate) left: u8,
    pub(crate) right: u8,
}

/// What hangs below the forks of a page.
#[derive(Clone, Debug)]
pub(crate) enum Item {
    /// An entry.
    Leaf { key: Span, value: Held },
    /// A subtree with a page of its own.
    Page(Arc<Page>),
    /// A subtree of which only the hash is known, and the prefix that its keys share before `bit`,
    /// where they part. A single leaf parts nowhere: its prefix is its key and `bit` is the end.
    Stub { prefix: Span, bit: Bit },
    /// A page that an update has opened: its number there. Never outlives the update.
    Open(u32),
}

/// Where the value of a leaf is.
#[derive(Clone, Debug)]
pub(crate) enum Held {
    Inline(Span),
    Beside(Arc<[u8]>),
    /// Digest, then reference.
    Digest(Span),
}

/// A run of a page's bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Span {
    start: u32,
    len: u32,
}

/// Where a key belongs in a page.
pub(crate) enum Place {
    /// The leaf at this item has the key.
    At(usize),
    /// In the subtree of this item.
    Below(usize),
    /// Nowhere yet: it parts from everything here at this bit.
    Apart(Bit),
}

/// A child slot: the fork that holds it, and the side.
pub(crate) type Slot = (usize, usize);

impl Page {
    pub(crate) fn with_capacity(items: usize) -> Self {
        Self {
            root: 0,
            forks: Vec::with_capacity(items - 1),
            hashes: Vec::with_capacity(items - 1),
            items: Vec::with_capacity(items),
            prefix: Span::default(),
            bytes: Vec::new(),
            garbage: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    pub(crate) fn items(&self) -> &[Item] {
        &self.items
    }

    pub(crate) fn fork(&self, at: usize) -> Fork {
        self.forks[at]
    }

    pub(crate) fn root(&self) -> usize {
        usize::from(self.root)
    }

    /// Branch position of the topmost fork.
    pub(crate) fn bit(&self) -> Bit {
        self.forks.get(self.root()).map_or(Bit::END, |fork| fork.bit)
    }

    pub(crate) fn prefix(&self) -> &[u8] {
        self.text(self.prefix)
    }

    pub(crate) fn children(&self, fork: usize) -> &[Hash; 2] {
        &self.hashes[fork]
    }

    pub(crate) fn set_child(&mut self, (fork, side): Slot, hash: Hash) {
        self.hashes[fork][side] = hash;
    }

    pub(crate) fn text(&self, span: Span) -> &[u8] {
        &self.bytes[span.start as usize..][..span.len as usize]
    }

    pub(crate) fn value<'p>(&'p self, held: &'p Held) -> Value<'p> {
        match held {
            Held::Inline(span) => Value::Bytes(self.text(*span)),
            Held::Beside(bytes) => Value::Bytes(bytes),
            Held::Digest(span) => {
                let text = self.text(*span);
                let mut hash = [0; Hash::LEN];
                hash.copy_from_slice(&text[..Hash::LEN]);
                Value::Digest { hash: Hash::from_bytes(hash), reference: &text[Hash::LEN..] }
            }
        }
    }

    /// A key below `item`, or as much of it as all keys below share.
    pub(crate) fn representative(&self, item: usize) -> &[u8] {
        match &self.items[item] {
            Item::Leaf { key, .. } => self.text(*key),
            Item::Stub { prefix, .. } => self.text(*prefix),
            Item::Page(page) => page.prefix(),
            Item::Open(_) => unreachable!("open pages are asked in the update that opened them"),
        }
    }

    /// The item to which the bits of `key` lead, whether or not it holds the key.
    pub(crate) fn find(&self, key: &[u8]) -> usize {
        let (mut low, mut high) = (0, self.items.len() - 1);
        let mut at = self.root();
        while low < high {
            let fork = self.forks[at];
            if fork.bit.of(key) {
                low = at + 1;
                at = usize::from(fork.right);
            } else {
                high = at;
                at = usize::from(fork.left);
            }
        }
        low
    }

    /// Where `key` belongs, given the item to which its bits lead.
    pub(crate) fn place(&self, key: &[u8], item: usize) -> Place {
        let (representative, end) = match &self.items[item] {
            Item::Leaf { key, .. } => (self.text(*key), Bit::END),
            Item::Page(page) => (page.prefix(), page.bit()),
            Item::Stub { prefix, bit } => (self.text(*prefix), *bit),
            Item::Open(_) => unreachable!("open pages are asked in the update that opened them"),
        };
        match Bit::between(key, representative) {
            Some(bit) if bit < end => Place::Apart(bit),
            _ if matches!(self.items[item], Item::Leaf { .. }) => Place::At(item),
            _ => Place::Below(item),
        }
    }

    /// The items among which `key` would stand if it parts from them at `bit`: it comes before all
    /// of them or after all of them, and after if its bit there is 1.
    pub(crate) fn apart(&self, key: &[u8], bit: Bit) -> (usize, usize) {
        let (mut low, mut high) = (0, self.items.len() - 1);
        let mut at = self.root();
        while low < high && self.forks[at].bit < bit {
            let fork = self.forks[at];
            if fork.bit.of(key) {
                low = at + 1;
                at = usize::from(fork.right);
            } else {
                high = at;
                at = usize::from(fork.left);
            }
        }
        (low, high)
    }

    /// The place before which `key`, which parts from everything here at `bit`, would stand.
    pub(crate) fn insertion(&self, key: &[u8], bit: Bit) -> usize {
        let (low, high) = self.apart(key, bit);
        if bit.of(key) { high + 1 } else { low }
    }

    /// Calls `visit` with each fork on the way from the top to `item`, and the side taken there.
    pub(crate) fn path(&self, item: usize, mut visit: impl FnMut(usize, usize)) {
        let (mut low, mut high) = (0, self.items.len() - 1);
        let mut at = self.root();
        while low < high {
            let fork = self.forks[at];
            if item > at {
                visit(at, 1);
                low = at + 1;
                at = usize::from(fork.right);
            } else {
                visit(at, 0);
                high = at;
                at = usize::from(fork.left);
            }
        }
    }

    /// The slot of `item`; none if the page has no fork.
    pub(crate) fn slot(&self, item: usize) -> Option<Slot> {
        let mut slot = None;
        self.path(item, |fork, side| slot = Some((fork, side)));
        slot
    }

    /// Replaces the value of the leaf at `item`.
    pub(crate) fn set_value(&mut self, item: usize, value: Value<'_>) {
        let Item::Leaf { value: held, .. } = &self.items[item] else {
            unreachable!("only leaves have values");
        };
        match (held, value) {
            (Held::Inline(span), Value::Bytes(bytes)) if span.len as usize == bytes.len() => {
                let start = span.start as usize;
                self.bytes[start..start + bytes.len()].copy_from_slice(bytes);
            }
            (Held::Inline(span) | Held::Digest(span), _) => {
                self.garbage += span.len as usize;
                self.move_value(item, value);
            }
            (Held::Beside(_), _) => self.move_value(item, value),
        }
    }

    fn move_value(&mut self, item: usize, new: Value<'_>) {
        let held = self.hold(new);
        if let Item::Leaf { value, .. } = &mut self.items[item] {
            *value = held;
        }
        if self.garbage > self.bytes.len() / 2 {
            self.compact();
        }
    }

    /// Copies the bytes that are still pointed to, dropping the others.
    fn compact(&mut self) {
        let old = core::mem::take(&mut self.bytes);
        let mut bytes = Vec::with_capacity(old.len() - self.garbage);
        let mut keep = |span: &mut Span| {
            let text = &old[span.start as usize..][..span.len as usize];
            *span = append(&mut bytes, &[text]);
        };
        keep(&mut self.prefix);
        for item in &mut self.items {
            match item {
                Item::Leaf { key, value } => {
                    keep(key);
                    if let Held::Inline(span) | Held::Digest(span) = value {
                        keep(span);
                    }
                }
                Item::Stub { prefix, .. } => keep(prefix),
                Item::Page(_) | Item::Open(_) => {}
            }
        }
        self.bytes = bytes;
        self.garbage = 0;
    }

    fn hold(&mut self, value: Value<'_>) -> Held {
        match value {
            Value::Bytes(bytes) if bytes.len() <= INLINE_BYTES_MAX => {
                Held::Inline(append(&mut self.bytes, &[bytes]))
            }
            Value::Bytes(bytes) => Held::Beside(Arc::from(bytes)),
            Value::Digest { hash, reference } => {
                Held::Digest(append(&mut self.bytes, &[hash.as_ref(), reference]))
            }
        }
    }

    /// Adds a leaf behind the last item. A value held beside `source` is shared, not copied.
    pub(crate) fn push_leaf(&mut self, key: &[u8], value: Value<'_>, source: Option<&Held>) {
        let key = append(&mut self.bytes, &[key]);
        let value = match source {
            Some(Held::Beside(bytes)) => Held::Beside(Arc::clone(bytes)),
            _ => self.hold(value),
        };
        self.items.push(Item::Leaf { key, value });
    }

    /// Adds a subtree known by its hash behind the last item.
    pub(crate) fn push_stub(&mut self, prefix: &[u8], bit: Bit) {
        let prefix = append(&mut self.bytes, &[prefix]);
        self.items.push(Item::Stub { prefix, bit });
    }

    /// Adds a page, or an open one, behind the last item.
    pub(crate) fn push_item(&mut self, item: Item) {
        self.items.push(item);
    }

    /// Adds the fork between the last item and the next.
    pub(crate) fn push_fork(&mut self, fork: Fork, hashes: [Hash; 2]) {
        self.forks.push(fork);
        self.hashes.push(hashes);
    }

    /// Says which fork is on top, and a key below this page.
    pub(crate) fn finish(&mut self, root: u8, representative: &[u8]) {
        self.root = root;
        let len = self.bit().bytes_before().min(representative.len());
        self.prefix = append(&mut self.bytes, &[&representative[..len]]);
    }

    /// Takes `item` out to put `other` in its place.
    pub(crate) fn replace_item(&mut self, item: usize, other: Item) -> Item {
        core::mem::replace(&mut self.items[item], other)
    }
}

/// Dropping a deep tree must not recurse: the depth is the writer's choice.
impl Drop for Page {
    fn drop(&mut self) {
        let mut doomed: Vec<Arc<Self>> = Vec::new();
        take_pages(&mut self.items, &mut doomed);
        while let Some(page) = doomed.pop() {
            if let Some(mut page) = Arc::into_inner(page) {
                take_pages(&mut page.items, &mut doomed);
            }
        }
    }
}

fn take_pages(items: &mut Vec<Item>, into: &mut Vec<Arc<Page>>) {
    if items.iter().any(|item| matches!(item, Item::Page(_))) {
        into.extend(items.drain(..).filter_map(|item| match item {
            Item::Page(page) => Some(page),
            _ => None,
        }));
    }
}

/// INVARIANT: a page holds at most `ITEMS_MAX` keys, values up to `INLINE_BYTES_MAX` and
/// references, and compacts when half of it is garbage, so its bytes are counted in 32 bits.
#[expect(clippy::cast_possible_truncation, reason = "see the invariant")]
fn append(bytes: &mut Vec<u8>, parts: &[&[u8]]) -> Span {
    let start = bytes.len();
    for part in parts {
        bytes.extend_from_slice(part);
    }
    debug_assert!(u32::try_from(bytes.len()).is_ok());
    Span { start: start as u32, len: (bytes.len() - start) as u32 }
}
