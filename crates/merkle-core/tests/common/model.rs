//! The map and its proofs as `docs/formats/map.md` writes them down: naive, recursive, slow on
//! purpose, and without a line of the crate's own code.
#![allow(dead_code, reason = "each test crate uses a part of it")]

use std::collections::{BTreeMap, BTreeSet};

use sha2::Digest;

pub(crate) type Digest32 = [u8; 32];
pub(crate) type Entries = BTreeMap<Vec<u8>, Vec<u8>>;
/// What happens to each key: it gets a value, or it goes.
pub(crate) type Changes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    Sha256,
    Blake3,
}

pub(crate) const PROFILES: [Profile; 2] = [Profile::Sha256, Profile::Blake3];

/// The pruned tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Tree {
    Pruned(Digest32),
    Digest { key: Vec<u8>, digest: Digest32 },
    Value { key: Vec<u8>, value: Vec<u8> },
    Inner(Box<[Tree; 2]>),
}

impl Profile {
    pub(crate) fn empty(self) -> Digest32 {
        match self {
            Self::Sha256 => sha2::Sha256::digest([]).into(),
            Self::Blake3 => blake3::derive_key("DIOTEC360 merkle-core 2026 map empty", &[]),
        }
    }

    pub(crate) fn value(self, value: &[u8]) -> Digest32 {
        match self {
            Self::Sha256 => sha2::Sha256::digest(value).into(),
            Self::Blake3 => *blake3::hash(value).as_bytes(),
        }
    }

    pub(crate) fn leaf(self, key: &[u8], digest: &Digest32) -> Digest32 {
        match self {
            Self::Sha256 => {
                let head = [&[0], &varint(key.len())[..], key, &[32]].concat();
                sha2::Sha256::digest([&head[..], digest].concat()).into()
            }
            Self::Blake3 => {
                let context = "DIOTEC360 merkle-core 2026 map leaf";
                let message = [key, digest].concat();
                *blake3::keyed_hash(&blake3::derive_key(context, &[]), &message).as_bytes()
            }
        }
    }

    pub(crate) fn inner(self, left: &Digest32, right: &Digest32) -> Digest32 {
        match self {
            Self::Sha256 => sha2::Sha256::digest([&[1], &left[..], right].concat()).into(),
            Self::Blake3 => *blake3::hash(&[*left, *right].concat()).as_bytes(),
        }
    }

    /// Root of the map with these entries.
    pub(crate) fn root(self, entries: &Entries) -> Digest32 {
        let tree = prune(self, entries, &BTreeSet::new(), &|_| None, &mut |_| false);
        tree.map_or(self.empty(), |tree| tree.root(self))
    }
}

/// The prefix-free form of a key: a 1 and its bits for each byte, a 0 at the end.
fn bits(key: &[u8]) -> Vec<bool> {
    let mut bits = vec![];
    for byte in key {
        bits.push(true);
        bits.extend((0..8).rev().map(|i| byte >> i & 1 == 1));
    }
    bits.push(false);
    bits
}

/// Parts sorted keys at the first bit in which any of them differ: how many go left.
fn part<T>(entries: &[(&Vec<u8>, T)]) -> usize {
    // Sorted, so that what the outermost two share, all share.
    let (first, last) = (bits(entries[0].0), bits(entries[entries.len() - 1].0));
    let place = first.iter().zip(&last).position(|(a, b)| a != b);
    let place = place.expect("keys are different, and none is a prefix in this form");
    entries.partition_point(|(key, _)| !bits(key)[place])
}

/// The tree over `entries` in which the keys `revealed` are leaves, with the value `value` says or
/// else a digest. Where nothing is revealed `open` may still ask for the nodes above the hashes.
pub(crate) fn prune(
    profile: Profile,
    entries: &Entries,
    revealed: &BTreeSet<Vec<u8>>,
    value: &dyn Fn(&[u8]) -> Option<Vec<u8>>,
    open: &mut dyn FnMut(usize) -> bool,
) -> Option<Tree> {
    fn build(
        profile: Profile,
        entries: &[(&Vec<u8>, &Vec<u8>)],
        revealed: &BTreeSet<Vec<u8>>,
        value: &dyn Fn(&[u8]) -> Option<Vec<u8>>,
        open: &mut dyn FnMut(usize) -> bool,
    ) -> Tree {
        if let [(key, held)] = entries {
            let digest = profile.value(held);
            if !revealed.contains(*key) {
                return Tree::Pruned(profile.leaf(key, &digest));
            }
            let key = (*key).clone();
            return match value(&key) {
                Some(value) => Tree::Value { key, value },
                None => Tree::Digest { key, digest },
            };
        }
        let (left, right) = entries.split_at(part(entries));
        let children = [left, right].map(|half| build(profile, half, revealed, value, open));
        let hidden = !entries.iter().any(|(key, _)| revealed.contains(*key));
        let tree = Tree::Inner(Box::new(children));
        if hidden && !open(entries.len()) {
            return Tree::Pruned(tree.root(profile));
        }
        tree
    }
    let entries: Vec<_> = entries.iter().collect();
    (!entries.is_empty()).then(|| build(profile, &entries, revealed, value, open))
}

impl Tree {
    pub(crate) fn root(&self, profile: Profile) -> Digest32 {
        match self {
            Self::Pruned(hash) => *hash,
            Self::Digest { key, digest } => profile.leaf(key, digest),
            Self::Value { key, value } => profile.leaf(key, &profile.value(value)),
            Self::Inner(children) => {
                let [left, right] = children.each_ref().map(|child| child.root(profile));
                profile.inner(&left, &right)
            }
        }
    }

    /// The nodes in pre-order.
    pub(crate) fn nodes(&self) -> Vec<&Self> {
        let mut nodes = vec![self];
        if let Self::Inner(children) = self {
            nodes.extend(children.iter().flat_map(Self::nodes));
        }
        nodes
    }

    /// The node at `place` in pre-order.
    pub(crate) fn node_mut(&mut self, place: usize) -> &mut Self {
        if place == 0 {
            return self;
        }
        let Self::Inner(children) = self else {
            panic!("no such node");
        };
        let [left, right] = &mut **children;
        let len = left.nodes().len();
        if place <= len {
            left.node_mut(place - 1)
        } else {
            right.node_mut(place - 1 - len)
        }
    }
}

pub(crate) fn varint(mut number: usize) -> Vec<u8> {
    let mut bytes = vec![];
    loop {
        let low = u8::try_from(number % 128).expect("below 128");
        number /= 128;
        if number == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

/// Version 1 of the encoding.
pub(crate) fn encode(tree: Option<&Tree>) -> Vec<u8> {
    let nodes = tree.map(Tree::nodes).unwrap_or_default();
    let mut packed = vec![0_u8; nodes.len().div_ceil(4)];
    let mut rest = vec![];
    for (place, node) in nodes.iter().enumerate() {
        let code = match node {
            Tree::Pruned(hash) => {
                rest.extend(hash);
                0
            }
            Tree::Digest { key, digest } => {
                rest.extend([varint(key.len()), key.clone(), digest.to_vec()].concat());
                1
            }
            Tree::Value { key, value } => {
                let lens = [varint(key.len()), varint(value.len())];
                rest.extend([&lens[0], key, &lens[1], value].map(Vec::as_slice).concat());
                2
            }
            Tree::Inner(_) => 3,
        };
        packed[place / 4] |= code << (2 * (place % 4));
    }
    [vec![b'M', 1], varint(nodes.len()), packed, rest].concat()
}

/// What a proof has to reveal to show all keys from `start` to `end`: those between, and where the
/// ends are not keys themselves, a neighbour beyond each.
pub(crate) fn to_reveal(
    entries: &Entries,
    start: Option<&[u8]>,
    end: Option<&[u8]>,
) -> BTreeSet<Vec<u8>> {
    let before = |key: &&Vec<u8>| start.is_some_and(|start| &key[..] <= start);
    let behind = |key: &&Vec<u8>| end.is_some_and(|end| &key[..] >= end);
    let first = entries.keys().rfind(before).or(entries.keys().next());
    let last = entries.keys().find(behind).or(entries.keys().next_back());
    let (Some(first), Some(last)) = (first, last) else {
        return BTreeSet::new();
    };
    let all = entries.keys();
    all.filter(|key| (first..=last).contains(key))
        .cloned()
        .collect()
}

pub(crate) fn changed(entries: &Entries, changes: &Changes) -> Entries {
    let mut after = entries.clone();
    for (key, value) in changes {
        match value {
            Some(value) => after.insert(key.clone(), value.clone()),
            None => after.remove(key),
        };
    }
    after
}
