//! What is asked of the database, and what the model says to it.

use std::ops::Bound;

use merkle_core::{Lookup, Map, Query, Value};

use super::*;
use crate::ReadError;

/// Most keys whose history is asked for at the end of a run.
const HISTORIES_MAX: usize = 16;

/// Content by where it is in the tree.
type Tree<'c> = BTreeMap<Vec<u8>, &'c [u8]>;

impl Run<'_> {
    pub(super) fn diff(&self, first: &(u64, Content), second: &(u64, Content)) {
        let differences = self.db.diff(first.0, second.0).unwrap();
        let keys: BTreeSet<_> = first.1.keys().chain(second.1.keys()).collect();
        let mut expected: Vec<_> = (keys.into_iter())
            .map(|key| {
                (
                    self.db.tree_key(key).unwrap(),
                    first.1.get(key),
                    second.1.get(key),
                )
            })
            .filter(|(_, before, after)| before != after)
            .collect();
        expected.sort();
        let found: Vec<_> = (differences.iter())
            .map(|difference| {
                (
                    difference.key.clone(),
                    difference.before.as_ref(),
                    difference.after.as_ref(),
                )
            })
            .collect();
        assert_eq!(found, expected);
    }

    /// Everything that can be asked of a version.
    pub(super) fn check(&self, snapshot: &Snapshot, content: &Content) {
        let root = snapshot.version().root;
        assert_eq!(snapshot.len().unwrap(), content.len() as u64);
        assert_eq!(snapshot.is_empty(), content.is_empty());
        let tree: Tree<'_> = (content.iter())
            .map(|(key, value)| (self.db.tree_key(key).unwrap(), &value[..]))
            .collect();
        let mut whole = Batch::new();
        for (key, value) in &tree {
            whole.put(key, value).unwrap();
        }
        let mut map = Map::with_hasher(self.db.profile());
        map.update(&whole);
        assert_eq!(root, map.root());
        for key in content.keys().take(9).chain([&vec![3, 3, 3, 3, 3]]) {
            assert_eq!(snapshot.get(key).unwrap().as_ref(), content.get(key));
            let proof = snapshot.prove(key).unwrap();
            let view = proof.verify(&self.db.profile(), &root).unwrap();
            let proved = proved(view.get(&self.db.tree_key(key).unwrap()));
            assert_eq!(proved, content.get(key).map(Vec::as_slice));
        }
        let absent = vec![3, 3, 3, 3, 3];
        let keys: Vec<_> = content.keys().rev().chain([&absent]).collect();
        let values = snapshot.get_many(keys.iter().map(|key| &key[..])).unwrap();
        assert!((values.iter().map(Option::as_ref)).eq(keys.iter().map(|key| content.get(*key))));
        self.check_queries(snapshot, &tree);
        if self.db.key_mode() == KeyMode::Hashed {
            assert!(matches!(snapshot.iter().err(), Some(ReadError::NoKeyOrder)));
            return;
        }
        let found: Content = snapshot.iter().unwrap().map(Result::unwrap).collect();
        assert_eq!(&found, content);
        let (from, to) = (vec![1], vec![3, 2]);
        let range = (Bound::Excluded(&from[..]), Bound::Included(&to[..]));
        let found = snapshot.range(range).unwrap().map(Result::unwrap);
        let expected = content.range::<[u8], _>(range);
        assert!(found.eq(expected.map(|(key, value)| (key.clone(), value.clone()))));
        let found = snapshot.prefix(&[1]).unwrap().map(|entry| entry.unwrap().0);
        assert!(found.eq(content.keys().filter(|key| key[0] == 1).cloned()));
    }

    /// Proofs of ranges, of prefixes and of many keys: complete, and with the values.
    fn check_queries(&self, snapshot: &Snapshot, tree: &Tree<'_>) {
        let (profile, root) = (self.db.profile(), snapshot.version().root);
        let [one, two, low, high] = [&[1][..], &[3, 2], &[0x40], &[0xc0]];
        let ranges = [
            (Bound::Unbounded, Bound::Unbounded),
            (Bound::Excluded(one), Bound::Included(two)),
            (Bound::Included(low), Bound::Excluded(high)), // half of the keys that are hashes
            (Bound::Included(high), Bound::Unbounded),
        ];
        for range in ranges {
            let proof = snapshot.prove_query(&Query::new().range(range)).unwrap();
            let view = proof.verify(&profile, &root).unwrap();
            let proved = view.range(range).unwrap().map(entry);
            assert!(
                proved.eq(tree
                    .range::<[u8], _>(range)
                    .map(|(key, value)| (&key[..], *value)))
            );
        }
        let ends = [tree.first_key_value(), tree.last_key_value()];
        let known = ends.into_iter().flatten().map(|(key, _)| &key[..1]);
        for prefix in known.chain([&[1][..], &[1, 1], &[2, 0, 4]]) {
            let proof = snapshot.prove_query(&Query::new().prefix(prefix)).unwrap();
            let view = proof.verify(&profile, &root).unwrap();
            let proved = view.prefix(prefix).unwrap().map(entry);
            let expected = tree.iter().filter(|(key, _)| key.starts_with(prefix));
            assert!(proved.eq(expected.map(|(key, value)| (&key[..], *value))));
        }
        let keys: Vec<_> = (tree.keys().step_by(3).map(Vec::as_slice))
            .chain([&[3, 3, 3, 3, 3][..], &[0xff; 40]])
            .collect();
        let query = Query::new().keys(keys.iter().copied());
        let proof = snapshot.prove_query(&query).unwrap();
        let view = proof.verify(&profile, &root).unwrap();
        for key in keys {
            assert_eq!(proved(view.get(key)), tree.get(key).copied());
        }
    }

    pub(super) fn check_all(&self) {
        for (snapshot, content) in &self.held {
            self.check(snapshot, content);
        }
        let (number, content) = self.head();
        assert_eq!(self.db.version().number, *number);
        self.check(&self.db.snapshot().unwrap(), content);
        let values = self.db.get_many(content.keys().map(|key| &key[..]));
        assert!(values.unwrap().iter().flatten().eq(content.values()));
        let oldest = self.versions[0].0;
        let infos = self.db.infos(oldest..=u64::MAX).unwrap();
        let numbers: Vec<_> = infos.map(|info| info.unwrap().version.number).collect();
        assert!(
            numbers
                .iter()
                .eq(self.versions.iter().map(|(number, _)| number))
        );
        self.check_pruned(oldest);
        self.check_transitions();
        self.check_histories();
    }

    /// What is pruned is so by whatever way it is asked for.
    pub(super) fn check_pruned(&self, oldest: u64) {
        let Some(last) = oldest.checked_sub(1) else {
            return;
        };
        let (db, newest) = (&self.db, self.db.version().number);
        for version in [0, last / 2, last] {
            let refusals = [
                ("at", db.at(version).err()),
                ("info", db.info(version).err()),
                ("infos", db.infos(version..=newest).err()),
                ("commits", db.commits(version..=newest).err()),
                ("diff from it", db.diff(version, newest).err()),
                ("diff to it", db.diff(newest, version).err()),
                (
                    "key_history",
                    db.key_history(b"key", version..=newest).err(),
                ),
            ];
            for (what, refusal) in refusals {
                let is_pruned = matches!(
                    refusal,
                    Some(ReadError::Pruned { version: of, oldest: left })
                        if (of, left) == (version, oldest)
                );
                assert!(is_pruned, "{what} of {version}: {refusal:?}");
            }
        }
    }

    /// From each retained version its successor's changes lead to its successor's root, provably.
    fn check_transitions(&self) {
        let profile = self.db.profile();
        for pair in self.versions.windows(2) {
            let [(before, content), (after, _)] = pair else {
                unreachable!("windows of two");
            };
            let snapshot = self.db.at(*before).unwrap();
            self.check(&snapshot, content);
            let changes: Changes = (self.changed[after].iter())
                .map(|(key, value)| (self.db.tree_key(key).unwrap(), value.clone()))
                .collect();
            let batch = batch(&changes);
            let root_after = self.db.info(*after).unwrap().version.root;
            let proof = snapshot.prove_update(&batch).unwrap();
            let root_before = snapshot.version().root;
            let view = proof.verify(&profile, &root_before).unwrap();
            assert_eq!(view.apply(&batch).unwrap(), root_after);
            let other = proof.verify(&profile, &root_after);
            assert!(other.is_err() || root_before == root_after);
        }
    }

    /// The whole history of keys, those that are gone and those that never were among them.
    fn check_histories(&self) {
        let oldest = self.versions[0].0;
        let middle = self.versions[self.versions.len() / 2].0;
        let keys: BTreeSet<_> = self.changed.values().flat_map(Changed::keys).collect();
        let some = keys.iter().step_by(keys.len() / HISTORIES_MAX + 1);
        let never = vec![9; 9];
        for key in some.copied().chain([&never]) {
            for versions in [oldest..=u64::MAX, oldest..=middle, middle..=self.head().0] {
                let found: Vec<_> = (self.db.key_history(key, versions.clone()).unwrap())
                    .map(Result::unwrap)
                    .map(|change| (change.version.number, change.time_ns, change.value))
                    .collect();
                let expected: Vec<_> = (self.changed.range(versions))
                    .filter_map(|(number, changed)| {
                        let value = changed.get(key)?.clone();
                        Some((*number, self.times[number], value))
                    })
                    .collect();
                assert_eq!(found, expected, "{key:?}");
            }
        }
    }
}

fn entry<'p>((key, value): (&'p [u8], Value<'p>)) -> (&'p [u8], &'p [u8]) {
    (key, value.bytes().unwrap())
}

fn proved(lookup: Lookup<'_>) -> Option<&[u8]> {
    match lookup {
        Lookup::Present(value) => Some(value.bytes().unwrap()),
        Lookup::Absent => None,
        other => panic!("{other:?}"),
    }
}
