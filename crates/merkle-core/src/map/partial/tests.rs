use proptest::prelude::*;

use super::*;
use crate::testing::{Changes, Model, apply_to_model, batch, map_of};

fn key() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        3 => proptest::collection::vec(0u8..6, 1..5),
        3 => proptest::collection::vec(any::<u8>(), 2),
        1 => (1usize..40).prop_map(|len| vec![0; len]),
    ]
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => proptest::collection::vec(any::<u8>(), 0..9),
        1 => (250usize..300).prop_map(|len| vec![7; len]),
    ]
}

fn changes(len: usize) -> impl Strategy<Value = Changes> {
    proptest::collection::vec((key(), proptest::option::weighted(0.7, value())), 0..len)
}

fn supply(map: &mut PartialMap, missing: &Missing, model: &Model) {
    assert!(!missing.subtrees.is_empty());
    for subtree in &missing.subtrees {
        let mut entries = Batch::new();
        for (key, value) in model.iter().filter(|(key, _)| subtree.contains(key)) {
            entries.put(key, value).unwrap();
        }
        map.supply(subtree, &entries).unwrap();
    }
}

/// Asks until nothing is missing.
fn with_supplies<T>(
    map: &mut PartialMap,
    model: &Model,
    ask: impl Fn(&mut PartialMap) -> Result<T, Missing>,
) -> T {
    loop {
        match ask(map) {
            Ok(answer) => return answer,
            Err(missing) => supply(map, &missing, model),
        }
    }
}

/// All ways to go over the subtrees of a map come by the same ones, and their entries.
fn goes_over_all(map: &PartialMap, model: &Model) {
    let subtrees = map.subtrees();
    let has = |found: SubtreeRef<'_>, subtree: &Subtree| {
        assert_eq!(found.to_subtree(), *subtree);
        assert_eq!(found.hash(), subtree.hash());
        assert_eq!(found.is_in_memory(), map.entries(subtree).is_some());
        if let Some(entries) = found.entries() {
            let expected = model.iter().filter(|(key, _)| subtree.contains(key));
            assert!(
                entries
                    .map(|(key, _)| key)
                    .eq(expected.map(|(key, _)| &key[..]))
            );
        }
    };
    let in_memory = map.subtrees_after(None).in_memory();
    assert!(
        in_memory.map(|found| found.to_subtree()).eq(subtrees
            .iter()
            .filter(|it| map.entries(it).is_some())
            .cloned())
    );
    for at in 0..subtrees.len() {
        let behind = map.subtrees_after(Some(subtrees[at].prefix()));
        let behind: Vec<_> = behind.map(|found| found.to_subtree()).collect();
        assert_eq!(behind, subtrees[at + 1..]);
    }
    for shared in [Some(map.clone()), None] {
        let mut parts = shared.as_ref().unwrap_or(map).clone().into_subtrees();
        for subtree in &subtrees {
            has(parts.next().unwrap(), subtree);
        }
        assert!(parts.next().is_none());
    }
    let root = PartialMap::root_of(&Sha256, subtrees);
    assert_eq!(root, Ok(map.root()));
}

proptest! {
    #[test]
    fn does_what_the_whole_map_does(
        model in proptest::collection::btree_map(key(), value(), 0..300),
        steps in proptest::collection::vec((changes(12), any::<u64>()), 1..6),
        through_bytes in any::<bool>(),
    ) {
        let mut model = model;
        let mut whole = map_of(Sha256, &model);
        let mut partial = PartialMap::from(whole.clone());
        for (changes, evicted) in steps {
            for (at, subtree) in partial.subtrees().iter().enumerate() {
                let entries = partial.entries(subtree).map(Iterator::collect::<Vec<_>>);
                if let Some(entries) = entries {
                    let expected = model.iter().filter(|(key, _)| subtree.contains(key));
                    prop_assert!(entries.iter().map(|(key, _)| *key).eq(expected.map(|(key, _)| &key[..])));
                }
                if evicted >> (at % 64) & 1 == 1 {
                    let was_there = partial.entries(subtree).is_some();
                    prop_assert_eq!(partial.evict(subtree), was_there);
                    prop_assert!(partial.entries(subtree).is_none());
                    prop_assert!(!partial.evict(subtree));
                }
            }
            goes_over_all(&partial, &model);
            if through_bytes {
                let subtrees: Vec<_> = (partial.subtrees().iter())
                    .map(|subtree| Subtree::decode(&subtree.encode()).unwrap())
                    .collect();
                partial = PartialMap::assemble(Sha256, whole.root(), &subtrees).unwrap();
            }
            let before = partial.clone();
            for (key, _) in &changes {
                if let Ok(value) = partial.get(key) {
                    prop_assert_eq!(value, whole.get(key));
                }
            }
            let keys = || changes.iter().map(|(key, _)| &key[..]).chain(model.keys().map(|key| &key[..]));
            let answers: Vec<_> = keys().map(|key| partial.get(key)).collect();
            match partial.get_many(keys()) {
                Ok(values) => prop_assert_eq!(values.into_iter().map(Ok).collect::<Vec<_>>(), answers),
                Err(Missing { subtrees }) => {
                    let needed: Vec<_> = (partial.subtrees().into_iter())
                        .filter(|subtree| answers.iter().flat_map(|answer| answer.as_ref().err()).any(|missing| missing.subtrees[0] == *subtree))
                        .collect();
                    prop_assert!(!needed.is_empty());
                    prop_assert_eq!(subtrees, needed);
                }
            }
            let values = with_supplies(&mut partial.clone(), &model, |map| {
                map.get_many(keys()).map(|values| values.iter().map(|value| value.map(|value| value.hash(&Sha256))).collect::<Vec<_>>())
            });
            prop_assert!(values.into_iter().eq(keys().map(|key| whole.get(key).map(|value| value.hash(&Sha256)))));
            let batch = batch(&changes);
            let proof = with_supplies(&mut partial.clone(), &model, |map| map.prove_update(&batch));
            prop_assert_eq!(proof, whole.prove_update(&batch));
            let query = Query::new().keys(changes.iter().map(|(key, _)| &key[..])).prefix(b"\x01");
            let proof = with_supplies(&mut partial.clone(), &model, |map| map.prove_query(&query));
            prop_assert_eq!(proof, whole.prove_query(&query));
            let mut in_halves = partial.clone();
            let tally = with_supplies(&mut partial, &model, |map| map.update(&batch));
            let halves = with_supplies(&mut in_halves, &model, |map| {
                map.update_in_halves(&batch, |left, right| {
                    right();
                    left();
                })
            });
            prop_assert_eq!((halves.added, halves.removed), (tally.added, tally.removed));
            prop_assert_eq!(before.root(), whole.root());
            let len = whole.len();
            whole.update(&batch);
            apply_to_model(&mut model, &changes);
            prop_assert_eq!(partial.root(), whole.root());
            prop_assert_eq!(in_halves.root(), whole.root());
            prop_assert_eq!(len + tally.added - tally.removed, whole.len());
        }
        let mut all = partial.clone();
        with_supplies(&mut all, &model, |map| map.range(..).map(|_| ()));
        prop_assert!(all.range(..).unwrap().eq(whole.iter()));
    }

    #[test]
    fn refuses_wrong_supplies(model in proptest::collection::btree_map(key(), value(), 2..200), at in any::<prop::sample::Index>()) {
        let mut partial = PartialMap::from(map_of(Sha256, &model));
        let subtrees = partial.subtrees();
        let subtree = at.get(&subtrees);
        let entries: Model = (model.iter())
            .filter(|(key, _)| subtree.contains(key))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        let offer = |partial: &mut PartialMap, entries: &Model| {
            let mut batch = Batch::new();
            for (key, value) in entries {
                batch.put(key, value).unwrap();
            }
            partial.supply(subtree, &batch)
        };
        prop_assert_eq!(offer(&mut partial, &entries), Err(SupplyError::NotMissing));
        prop_assert!(partial.evict(subtree));
        let mut fewer = entries.clone();
        fewer.pop_first();
        let refused = matches!(offer(&mut partial, &fewer), Err(SupplyError::HashMismatch { .. }));
        prop_assert!(refused);
        let mut other = entries.clone();
        other.first_entry().unwrap().get_mut().push(0);
        let refused = matches!(offer(&mut partial, &other), Err(SupplyError::HashMismatch { .. }));
        prop_assert!(refused);
        if let Some((key, value)) = model.iter().find(|(key, _)| !subtree.contains(key)) {
            let mut more = entries.clone();
            more.insert(key.clone(), value.clone());
            let refused = matches!(offer(&mut partial, &more), Err(SupplyError::Misplaced { .. }));
            prop_assert!(refused);
        }
        prop_assert_eq!(offer(&mut partial, &entries), Ok(()));
        prop_assert_eq!(offer(&mut partial, &entries), Err(SupplyError::NotMissing));
        prop_assert!(partial.range(..).unwrap().eq(map_of(Sha256, &model).iter()));
    }

    #[test]
    fn halves_make_a_whole(model in proptest::collection::btree_map(key(), value(), 0..200), changes in changes(60), lazy in any::<bool>()) {
        let mut map = map_of(Sha256, &model);
        let expected = map.apply(&batch(&changes));
        map.update_in_halves(&batch(&changes), |left, right| {
            if !lazy {
                std::thread::scope(|threads| {
                    threads.spawn(left);
                    right();
                });
            }
        });
        prop_assert_eq!(map.root(), expected.root());
        prop_assert_eq!(map.len(), expected.len());
        prop_assert!(map.iter().eq(expected.iter()));
    }
}

#[test]
fn refuses_subtrees_out_of_order() {
    let keys: Vec<_> = (0..200_u8).map(|byte| [byte]).collect();
    let mut batch = Batch::new();
    for key in &keys {
        batch.put(key, b"value").unwrap();
    }
    let mut map = Map::<Sha256>::new();
    map.update(&batch);
    let root = map.root();
    let mut subtrees = PartialMap::from(map).subtrees();
    assert!(PartialMap::assemble(Sha256, root, &subtrees).is_ok());
    subtrees.swap(1, 2);
    let refused = PartialMap::assemble(Sha256, root, &subtrees);
    let disorder = AssembleError::Disorder { subtree: 2 };
    assert_eq!(refused.err(), Some(disorder));
    assert_eq!(
        PartialMap::root_of(&Sha256, subtrees.clone()),
        Err(disorder)
    );
    subtrees.swap(1, 2);
    subtrees.pop();
    let refused = PartialMap::assemble(Sha256, root, &subtrees);
    assert!(matches!(refused, Err(AssembleError::RootMismatch { .. })));
}

#[test]
fn lets_go_only_of_what_it_is_cut_into() {
    let single = |key: u8| Model::from([(vec![key], vec![1])]);
    let alone = PartialMap::from(map_of(Sha256, &single(0))).subtrees();
    let mut both = single(0);
    both.extend(single(1));
    // The leaf is as it was, but it lies in a page with another one now.
    let mut partial = PartialMap::from(map_of(Sha256, &both));
    assert!(!partial.evict(&alone[0]));
    assert_eq!(partial.get(&[1]), Ok(Some(Value::Bytes(&[1]))));
    let subtrees = partial.subtrees();
    assert_eq!(subtrees.len(), 1);
    assert!(partial.evict(&subtrees[0]));
}

/// So many entries, their keys spread evenly.
fn spread(entries: u32) -> Model {
    let key = |at: u32| Sha256.value(&at.to_be_bytes()).as_ref().to_vec();
    (0..entries).map(|at| (key(at), vec![1])).collect()
}

#[test]
fn checks_many_subtrees_as_it_checks_one() {
    let model = spread(3000);
    let mut map = PartialMap::from(map_of(Sha256, &model));
    let subtrees = map.subtrees();
    let entries = |subtree: &Subtree| {
        let mut batch = Batch::new();
        for (key, value) in model.iter().filter(|(key, _)| subtree.contains(key)) {
            batch.put(key, value).unwrap();
        }
        batch
    };
    let mut batches: Vec<_> = subtrees.iter().map(entries).collect();
    for subtree in &subtrees {
        assert!(map.evict(subtree));
    }
    let (changed, misplaced) = (3, 7);
    let key = model.keys().find(|key| subtrees[changed].contains(key));
    batches[changed].put(key.unwrap(), b"other").unwrap();
    batches[misplaced] = entries(&subtrees[misplaced + 1]);
    let fetched: Vec<_> = subtrees.iter().zip(&batches).collect();
    let checked = Fetched::check_all(&Sha256, &fetched);
    assert_eq!(checked.len(), subtrees.len());
    for (at, checked) in checked.into_iter().enumerate() {
        match checked {
            Ok(fetched) => map.put(fetched).unwrap(),
            Err(SupplyError::HashMismatch { expected, .. }) => {
                assert_eq!((at, expected), (changed, subtrees[at].hash()));
            }
            Err(error) => {
                assert_eq!(
                    (at, error),
                    (misplaced, SupplyError::Misplaced { entry: 0 })
                );
            }
        }
    }
    assert_eq!(
        map.subtrees_after(None).in_memory().count(),
        subtrees.len() - 2
    );
    supply(
        &mut map,
        &Missing {
            subtrees: vec![subtrees[changed].clone(), subtrees[misplaced].clone()],
        },
        &model,
    );
    assert!(map.range(..).unwrap().eq(map_of(Sha256, &model).iter()));
}

#[test]
fn letting_go_and_bringing_back_leaves_nothing_behind() {
    let model = spread(2000);
    let mut map = PartialMap::from(map_of(Sha256, &model));
    let subtree = map.subtrees().swap_remove(0);
    let copied = |map: &PartialMap| {
        let key = model.keys().find(|key| subtree.contains(key)).unwrap();
        let mut batch = Batch::new();
        batch.put(key, b"2").unwrap();
        map.clone().update(&batch).unwrap().copied_bytes
    };
    let before = copied(&map);
    let missing = Missing {
        subtrees: vec![subtree.clone()],
    };
    for _ in 0..10_000 {
        assert!(map.evict(&subtree));
        supply(&mut map, &missing, &model);
    }
    let after = copied(&map);
    assert!(after < 2 * before, "{before} bytes before, {after} after");
}

#[test]
fn a_map_taken_apart_lets_go_of_what_nobody_shares() {
    let keys: Vec<_> = (0..2000_u32)
        .map(|key| Sha256.value(&key.to_be_bytes()))
        .collect();
    let puts = |value: &'static [u8]| {
        let mut batch = Batch::new();
        for key in &keys {
            batch.put(key.as_ref(), value).unwrap();
        }
        batch
    };
    let mut map = Map::<Sha256>::new();
    map.update(&puts(b"1"));
    let mut map = PartialMap::from(map);
    let mut parts = map.clone().into_subtrees();
    let half = map.subtrees().len() / 2;
    for _ in 0..half {
        parts.next().unwrap();
    }
    // What was handed out is the map's alone again, and changes where it is.
    let first = map.update(&puts(b"2")).unwrap().copied_bytes;
    let second = map.update(&puts(b"3")).unwrap().copied_bytes;
    let whole = map.clone();
    let all = map.update(&puts(b"4")).unwrap().copied_bytes;
    assert!(
        first > all / 3 && first < all / 3 * 2,
        "{first} of {all} bytes"
    );
    assert_eq!(second, 0);
    drop(whole);
    let mut values = 0;
    while let Some(part) = parts.next() {
        values += part
            .entries()
            .unwrap()
            .filter(|(_, value)| *value == Value::Bytes(b"1"))
            .count();
    }
    assert!(values > 800, "{values} entries as they were");
}
