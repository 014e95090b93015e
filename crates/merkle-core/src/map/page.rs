//! Pages: pieces of the trie that lie together in memory and are shared between versions.

mod splice;

use alloc::vec::Vec;
use core::{fmt, hint::select_unpredictable};

use triomphe::Arc;

use super::{batch::Value, bit::Bit, tree::Found};
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
/// All but texts and children lies in one block of memory, what a search reads in front: with
/// millions of entries a page costs a few cache misses however it is laid out, so they are few.
///
/// INVARIANT: a page has 1 to `ITEMS_MAX` items and one fork less. The forks are the Cartesian tree
/// of their branch positions: a fork's position lies before those below it.
#[derive(Clone)]
#[repr(C)]
pub(crate) struct Page {
    len: u8,
    root: u8,
    /// Bytes of `text` to which nothing points.
    garbage: u16,
    /// In `text`: as much of a key below this page as all of them share.
    prefix: Span,
    forks: [Fork; ITEMS_MAX],
    items: [Item; ITEMS_MAX],
    /// Keys, short values, digests and prefixes.
    text: Vec<u8>,
    /// The pages among the items, each at its item's place; empty if there are none.
    pages: Vec<Option<Arc<Page>>>,
    /// The values that are too long to be copied with the page, each at its item's place; empty if
    /// there are none.
    beside: Vec<Option<Arc<[u8]>>>,
    hashes: [[Hash; 2]; ITEMS_MAX],
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
#[derive(Clone, Copy, Debug)]
pub(crate) enum Item {
    /// An entry.
    Leaf { key: Span, value: Held },
    /// A subtree with a page of its own.
    Page,
    /// A subtree of which only the hash is known, and the prefix that its keys share before `bit`,
    /// where they part. A single leaf parts nowhere: its prefix is its key and `bit` is the end.
    Stub { prefix: Span, bit: Bit },
    /// A page that an update has opened: its number there. Never outlives the update.
    Open(u32),
}

/// Where the value of a leaf is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Held {
    Inline(Span),
    Beside,
    /// Digest, then reference.
    Digest(Span),
}

/// A run of a page's text.
///
/// INVARIANT: a page holds at most `ITEMS_MAX` keys with short values, and its text is compacted
/// before it outgrows 16 bits.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Span {
    start: u16,
    len: u16,
}

/// A child slot: the fork that holds it, and the side.
pub(crate) type Slot = (usize, usize);

impl Page {
    /// A page without items, with room for so many bytes of text.
    pub(crate) fn with_text(bytes: usize) -> Self {
        Self {
            len: 0,
            root: 0,
            garbage: 0,
            prefix: Span::default(),
            forks: [Fork {
                bit: Bit::END,
                left: 0,
                right: 0,
            }; ITEMS_MAX],
            items: [Item::Page; ITEMS_MAX],
            text: Vec::with_capacity(bytes),
            hashes: [[Hash::default(); 2]; ITEMS_MAX],
            pages: Vec::new(),
            beside: Vec::new(),
        }
    }

    /// Empties the page, keeping its room.
    pub(crate) fn clear(&mut self) {
        self.len = 0;
        self.garbage = 0;
        self.text.clear();
        self.pages.clear();
        self.beside.clear();
    }

    /// Makes room for so many more bytes of text.
    pub(crate) fn reserve_text(&mut self, bytes: usize) {
        self.text.reserve(bytes);
    }

    pub(crate) fn len(&self) -> usize {
        usize::from(self.len)
    }

    pub(crate) fn item(&self, item: usize) -> Item {
        self.items[item]
    }

    pub(crate) fn fork(&self, at: usize) -> Fork {
        self.forks[at]
    }

    pub(crate) fn root(&self) -> usize {
        usize::from(self.root)
    }

    /// Branch position of the topmost fork.
    pub(crate) fn bit(&self) -> Bit {
        if self.len > 1 {
            self.forks[self.root()].bit
        } else {
            Bit::END
        }
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
        &self.text[usize::from(span.start)..][..usize::from(span.len)]
    }

    /// Reads one byte of each cache line that every search reads, whatever it looks for.
    pub(crate) fn first_touch(&self) -> usize {
        let forks = self.forks[ITEMS_MAX / 2].left ^ self.forks[ITEMS_MAX - 1].left;
        usize::from(self.len ^ forks) ^ self.text.len() ^ self.pages.len()
    }

    /// Reads the cache lines that say where the text of `item` or the page below is.
    pub(crate) fn touch_item(&self, item: usize) -> usize {
        let len = match self.items[item] {
            Item::Leaf { key, .. } => key.len,
            _ => 0,
        };
        usize::from(len) ^ self.text.len() ^ self.pages.len()
    }

    /// Reads the key and the value at `item`, or the first lines of the page below.
    pub(crate) fn touch_text(&self, item: usize) -> usize {
        match self.items[item] {
            Item::Leaf { key, .. } => {
                let start = usize::from(key.start);
                let mut sum = 0;
                for at in [start, start + 64, start + 128] {
                    sum ^= self.text.get(at).copied().unwrap_or_default();
                }
                usize::from(sum)
            }
            _ => self.page(item).map_or(0, |below| below.first_touch()),
        }
    }

    /// Reads the hashes above `item`.
    pub(crate) fn touch_hashes(&self, item: usize) -> usize {
        let mut sum = 0;
        self.path(item, |fork, _| {
            let [left, right] = &self.hashes[fork];
            sum ^= left.as_ref()[0] ^ right.as_ref()[31];
        });
        usize::from(sum)
    }

    /// The page at `item`, if that is one.
    pub(crate) fn page(&self, item: usize) -> Option<&Arc<Self>> {
        self.pages.get(item)?.as_ref()
    }

    /// Where a search that came to `item` goes on; none if it ends there.
    pub(crate) fn below(&self, item: usize) -> Option<&Self> {
        match self.items[item] {
            Item::Page | Item::Open(_) => self.page(item).map(|below| &**below),
            // Their page need not have been read any further.
            Item::Leaf { .. } | Item::Stub { .. } => None,
        }
    }

    /// What the search for `key` finds if it ends at `item`.
    pub(crate) fn answer(&self, item: usize, key: &[u8]) -> Found<'_> {
        match self.items[item] {
            Item::Leaf { key: found, .. } if self.text(found) == key => Ok(self.value(item)),
            Item::Stub { prefix, bit }
                if Bit::between(key, self.text(prefix)).is_none_or(|apart| apart >= bit) =>
            {
                Err((self, item))
            }
            _ => Ok(None),
        }
    }

    /// Bytes of text that `item` takes.
    pub(crate) fn text_bytes(&self, item: usize) -> usize {
        let [key, value] = match self.items[item] {
            Item::Leaf {
                key,
                value: Held::Inline(value) | Held::Digest(value),
            } => [key, value],
            Item::Leaf {
                key: span,
                value: Held::Beside,
            }
            | Item::Stub { prefix: span, .. } => [span, Span::default()],
            Item::Page | Item::Open(_) => [Span::default(); 2],
        };
        usize::from(key.len) + usize::from(value.len)
    }

    /// The page at `item`, to be changed.
    pub(crate) fn page_mut(&mut self, item: usize) -> Option<&mut Arc<Self>> {
        self.pages.get_mut(item)?.as_mut()
    }

    /// Whether all items are leaves.
    pub(crate) fn is_lowest(&self) -> bool {
        self.items[..self.len()]
            .iter()
            .all(|item| matches!(item, Item::Leaf { .. }))
    }

    /// The hash of `item`; none if the page has no fork, so that the hash lies above it.
    pub(crate) fn hash(&self, item: usize) -> Option<Hash> {
        self.slot(item).map(|(fork, side)| self.hashes[fork][side])
    }

    /// Puts a subtree known by its hash at `item`, for what is there.
    pub(crate) fn set_stub(&mut self, item: usize, prefix: &[u8], bit: Bit) {
        if let Item::Leaf { key, value } = self.items[item] {
            self.garbage += key.len;
            if let Held::Inline(span) | Held::Digest(span) = value {
                self.garbage += span.len;
            }
        }
        if let Some(page) = self.pages.get_mut(item) {
            *page = None;
        }
        if let Some(value) = self.beside.get_mut(item) {
            *value = None;
        }
        self.items[item] = Item::Page;
        self.make_room();
        let prefix = append(&mut self.text, &[prefix]);
        self.items[item] = Item::Stub { prefix, bit };
    }

    /// Takes the page at `item` out and notes its number in the update.
    pub(crate) fn take_page(&mut self, item: usize, number: u32) -> Option<Arc<Self>> {
        let page = self.pages.get_mut(item)?.take();
        self.items[item] = Item::Open(number);
        page
    }

    /// Takes the page at `item` out, for a page that nobody searches any more.
    pub(crate) fn take_child(&mut self, item: usize) -> Option<Arc<Self>> {
        self.pages.get_mut(item)?.take()
    }

    /// Puts a page at `item`, where an open one or a subtree known by its hash was.
    pub(crate) fn put_page(&mut self, item: usize, page: Arc<Self>) {
        if let Item::Stub { prefix, .. } = self.items[item] {
            self.garbage += prefix.len;
        }
        self.pages.resize(self.len(), None);
        self.pages[item] = Some(page);
        self.items[item] = Item::Page;
    }

    /// Replaces the number of the open page at `item`.
    pub(crate) fn set_open(&mut self, item: usize, number: u32) {
        self.items[item] = Item::Open(number);
    }

    pub(crate) fn value(&self, item: usize) -> Option<Value<'_>> {
        let Item::Leaf { value, .. } = self.items[item] else {
            return None;
        };
        Some(match value {
            Held::Inline(span) => Value::Bytes(self.text(span)),
            Held::Beside => Value::Bytes(self.beside.get(item)?.as_deref()?),
            Held::Digest(span) => {
                let (hash, reference) = self.text(span).split_first_chunk()?;
                Value::Digest {
                    hash: Hash::from_bytes(*hash),
                    reference,
                }
            }
        })
    }

    /// A key below `item`, or as much of it as all keys below share; none for an open page.
    pub(crate) fn representative(&self, item: usize) -> Option<&[u8]> {
        match self.items[item] {
            Item::Leaf { key, .. } => Some(self.text(key)),
            Item::Stub { prefix, .. } => Some(self.text(prefix)),
            Item::Page => self.page(item).map(|page| page.prefix()),
            Item::Open(_) => None,
        }
    }

    /// The item to which the bits of `key` lead, whether or not it holds the key.
    ///
    /// Which way a key goes cannot be foretold, so no branch depends on it.
    pub(crate) fn find(&self, key: &[u8]) -> usize {
        let (mut low, mut high) = (0, self.len() - 1);
        let mut at = self.root();
        while low < high {
            let fork = self.forks[at];
            let right = fork.bit.of(key);
            low = select_unpredictable(right, at + 1, low);
            high = select_unpredictable(right, high, at);
            at = usize::from(select_unpredictable(right, fork.right, fork.left));
        }
        low
    }

    /// The place before which `key`, which parts from everything here at `bit`, would stand.
    pub(crate) fn insertion(&self, key: &[u8], bit: Bit) -> usize {
        let (low, high, ..) = self.parting(key, bit);
        if bit.of(key) { high + 1 } else { low }
    }

    /// Calls `visit` with each fork on the way from the top to `item`, and the side taken there.
    pub(crate) fn path(&self, item: usize, mut visit: impl FnMut(usize, usize)) {
        let (mut low, mut high) = (0, self.len() - 1);
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
        let Item::Leaf { key, value: held } = self.items[item] else {
            return;
        };
        if let (Held::Inline(span), Value::Bytes(bytes)) = (held, value)
            && usize::from(span.len) == bytes.len()
        {
            self.text[usize::from(span.start)..][..bytes.len()].copy_from_slice(bytes);
            return;
        }
        match held {
            Held::Inline(span) | Held::Digest(span) => self.garbage += span.len,
            Held::Beside => self.beside[item] = None,
        }
        // The old value is let go before the text can be compacted.
        self.items[item] = Item::Leaf {
            key,
            value: Held::Beside,
        };
        self.make_room();
        let held = self.hold(item, value);
        if let Item::Leaf { value, .. } = &mut self.items[item] {
            *value = held;
        }
    }

    /// Makes room for another key and value.
    fn make_room(&mut self) {
        if usize::from(self.garbage) > self.text.len() / 2
            || self.text.len() + TEXT_BYTES_MAX > usize::from(u16::MAX)
        {
            self.compact();
        }
    }

    /// Copies the text that is still pointed to, dropping the rest.
    fn compact(&mut self) {
        let old = core::mem::take(&mut self.text);
        let kept = old.len().saturating_sub(usize::from(self.garbage));
        let mut text = Vec::with_capacity(old.len().min(2 * kept));
        let mut keep = |span: &mut Span| {
            *span = append(
                &mut text,
                &[&old[usize::from(span.start)..][..usize::from(span.len)]],
            );
        };
        keep(&mut self.prefix);
        for item in &mut self.items[..usize::from(self.len)] {
            match item {
                Item::Leaf { key, value } => {
                    keep(key);
                    if let Held::Inline(span) | Held::Digest(span) = value {
                        keep(span);
                    }
                }
                Item::Stub { prefix, .. } => keep(prefix),
                Item::Page | Item::Open(_) => {}
            }
        }
        self.text = text;
        self.garbage = 0;
    }

    /// Stores the value of the leaf at `item`.
    fn hold(&mut self, item: usize, value: Value<'_>) -> Held {
        match value {
            Value::Bytes(bytes) if bytes.len() <= INLINE_BYTES_MAX => {
                Held::Inline(append(&mut self.text, &[bytes]))
            }
            Value::Bytes(bytes) => self.put_beside(item, Arc::from(bytes)),
            Value::Digest { hash, reference } => {
                Held::Digest(append(&mut self.text, &[hash.as_ref(), reference]))
            }
        }
    }

    fn put_beside(&mut self, item: usize, value: Arc<[u8]>) -> Held {
        self.beside.resize(self.beside.len().max(item + 1), None);
        self.beside[item] = Some(value);
        Held::Beside
    }

    fn push(&mut self, item: Item) {
        self.items[usize::from(self.len)] = item;
        self.len += 1;
    }

    /// Adds a leaf behind the last item.
    pub(crate) fn push_leaf(&mut self, key: &[u8], value: Value<'_>) {
        let key = append(&mut self.text, &[key]);
        let value = self.hold(self.len(), value);
        self.push(Item::Leaf { key, value });
    }

    /// Adds the item at `item` of the page `from` behind the last item. A page is moved.
    pub(crate) fn push_from(&mut self, from: &mut Self, item: usize) {
        match from.items[item] {
            Item::Leaf { key, value } => {
                let key = append(&mut self.text, &[from.text(key)]);
                let value = match value {
                    Held::Inline(span) => Held::Inline(append(&mut self.text, &[from.text(span)])),
                    Held::Digest(span) => Held::Digest(append(&mut self.text, &[from.text(span)])),
                    Held::Beside => match from.beside.get(item) {
                        Some(Some(value)) => self.put_beside(self.len(), Arc::clone(value)),
                        _ => Held::Beside,
                    },
                };
                self.push(Item::Leaf { key, value });
            }
            Item::Stub { prefix, bit } => self.push_stub(from.text(prefix), bit),
            Item::Page => {
                self.push(Item::Page);
                if let Some(page) = from.pages.get_mut(item).and_then(Option::take) {
                    self.put_page(self.len() - 1, page);
                }
            }
            Item::Open(number) => self.push(Item::Open(number)),
        }
    }

    /// Bytes of memory that a copy of the page takes, but for the values that lie beside it.
    pub(crate) fn copied_bytes(&self) -> usize {
        let places = self.pages.len() + self.beside.len();
        size_of::<Self>() + self.text.len() + places * size_of::<usize>()
    }

    /// Adds a subtree known by its hash behind the last item.
    pub(crate) fn push_stub(&mut self, prefix: &[u8], bit: Bit) {
        let prefix = append(&mut self.text, &[prefix]);
        self.push(Item::Stub { prefix, bit });
    }

    /// Adds an open page behind the last item.
    pub(crate) fn push_open(&mut self, number: u32) {
        self.push(Item::Open(number));
    }

    /// Sets the fork that parts `items[at]` from the next item.
    pub(crate) fn set_fork(&mut self, at: usize, fork: Fork, hashes: [Hash; 2]) {
        self.forks[at] = fork;
        self.hashes[at] = hashes;
    }

    /// Says which fork is on top, and a key below this page.
    pub(crate) fn finish(&mut self, root: u8, representative: &[u8]) {
        self.root = root;
        let len = self.bit().bytes_before().min(representative.len());
        self.prefix = append(&mut self.text, &[&representative[..len]]);
    }
}

/// Bytes of text that the entry takes.
pub(crate) fn text_bytes(key: &[u8], value: Option<Value<'_>>) -> usize {
    key.len()
        + match value {
            Some(Value::Bytes(bytes)) if bytes.len() <= INLINE_BYTES_MAX => bytes.len(),
            Some(Value::Digest { reference, .. }) => Hash::LEN + reference.len(),
            Some(Value::Bytes(_)) | None => 0,
        }
}

/// Most that one value and its key add to a page's text.
const TEXT_BYTES_MAX: usize = super::KEY_BYTES_MAX + INLINE_BYTES_MAX;

/// Shows no page below: printing a deep tree must not recurse.
impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let items = &self.items[..self.len()];
        f.debug_struct("Page")
            .field("items", &items)
            .finish_non_exhaustive()
    }
}

/// Dropping a deep tree must not recurse: the depth is the writer's choice.
impl Drop for Page {
    fn drop(&mut self) {
        let mut doomed = core::mem::take(&mut self.pages);
        while let Some(page) = doomed.pop() {
            if let Some(mut page) = page.and_then(Arc::into_unique) {
                doomed.append(&mut page.pages);
            }
        }
    }
}

/// Adds `parts` to a page's text; the caller has seen to it that 16 bits will do.
#[expect(
    clippy::cast_possible_truncation,
    reason = "see the invariant of `Span`"
)]
fn append(text: &mut Vec<u8>, parts: &[&[u8]]) -> Span {
    let start = text.len();
    for part in parts {
        text.extend_from_slice(part);
    }
    debug_assert!(text.len() <= usize::from(u16::MAX));
    Span {
        start: start as u16,
        len: (text.len() - start) as u16,
    }
}
