//! Sequences of updates, checkpoints, evictions and reopenings, against a map of the standard library.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Update(Vec<(Vec<u8>, Option<Vec<u8>>)>),
    Checkpoint,
    /// Lets go of the subtrees that the bits choose.
    Evict(u64),
    Reopen,
    /// Forgets the files that the newest checkpoint does not need.
    Remove,
}

fn a_key() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        3 => proptest::collection::vec(0_u8..6, 1..5),
        3 => proptest::collection::vec(any::<u8>(), 2),
        1 => (1_usize..40).prop_map(|len| vec![0; len]),
    ]
}

fn changes() -> impl Strategy<Value = Vec<(Vec<u8>, Option<Vec<u8>>)>> {
    let value = proptest::collection::vec(any::<u8>(), 0..200);
    let change = (a_key(), proptest::option::weighted(0.75, value)).boxed();
    prop_oneof![
        2 => proptest::collection::vec(change.clone(), 0..10),
        1 => proptest::collection::vec(change, 0..300),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => changes().prop_map(Step::Update),
        3 => Just(Step::Checkpoint),
        2 => any::<u64>().prop_map(Step::Evict),
        1 => Just(Step::Reopen),
        1 => Just(Step::Remove),
    ]
}

/// Where the subtrees of a checkpoint lie: by the name and hash of the subtree, file and place.
fn places(catalogue: &Catalogue) -> BTreeMap<Vec<u8>, (u64, Location)> {
    let rows = (0..catalogue.len()).filter_map(|at| catalogue.get(at));
    rows.map(|(subtree, location)| {
        let file = catalogue.file_number(&location);
        (subtree.encode(), (file, location))
    })
    .collect()
}

/// What is new in a checkpoint is written once, and nothing else but what lies in files that go.
fn writes_nothing_twice(before: Option<&Catalogue>, after: &Catalogue) {
    let old = before.map(places).unwrap_or_default();
    let stay: Vec<u64> = after.files().iter().map(|file| file.number).collect();
    let mut written = file::HEADER_LEN;
    for (name, (file, location)) in places(after) {
        if file == after.pointer().file {
            written += location.len as u64;
        }
        if let Some((old_file, old)) = old.get(&name)
            && stay.contains(old_file)
        {
            assert_eq!((file, location.offset), (*old_file, old.offset));
        }
    }
    assert_eq!(written, after.pointer().catalogue_at);
}

proptest! {
    #[test]
    fn everything_comes_back(steps in proptest::collection::vec(step(), 1..20), blake3 in any::<bool>()) {
        let mut store = Store::new(if blake3 { Profile::Blake3 } else { Profile::Sha256 });
        for step in steps {
            match (step, store.catalogue.clone()) {
                (Step::Update(changes), _) => store.update(&changes),
                (Step::Checkpoint, before) => {
                    store.checkpoint().unwrap();
                    writes_nothing_twice(before.as_deref(), store.catalogue());
                    prop_assert_eq!(store.restored(), store.model.clone());
                    let report = store.catalogue().verify(store.profile, 2, &go_on).unwrap();
                    prop_assert_eq!(report.entries, store.model.len() as u64);
                    prop_assert_eq!(report.buckets, report.buckets_total);
                    prop_assert!(report.bad.is_empty());
                }
                (Step::Evict(which), Some(catalogue)) => {
                    for (at, subtree) in catalogue.subtrees().enumerate() {
                        if which >> (at % 64) & 1 == 1 {
                            store.map.evict(&subtree);
                        }
                    }
                }
                (Step::Reopen, Some(_)) => {
                    store.checkpoint().unwrap();
                    let pointer = *store.catalogue().pointer();
                    let catalogue = Catalogue::open(&store.volume, &pointer).unwrap();
                    store.map = catalogue.assemble(store.profile).unwrap();
                    store.catalogue = Some(Arc::new(catalogue));
                }
                (Step::Remove, Some(catalogue)) => {
                    store.remove_all_but(&[&catalogue]);
                    prop_assert_eq!(store.names().len(), catalogue.files().len());
                }
                (Step::Evict(_) | Step::Reopen | Step::Remove, None) => {}
            }
        }
        while let Err(missing) = store.map.range(..).map(drop) {
            store.supply(&missing);
        }
        prop_assert_eq!(entries(&store.map), store.model);
    }
}
