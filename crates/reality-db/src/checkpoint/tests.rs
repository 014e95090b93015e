//! What holds for checkpoints as a whole.

mod model;
mod tamper;

use std::{cell::Cell, collections::BTreeMap, ops::ControlFlow, sync::Arc};

use merkle_core::{Batch, Hash, Map, Missing, PartialMap, Subtree};

use super::{bucket::Bucket, pointer::PointerError, row::Location, *};
use crate::{
    Profile,
    fault::{Effect, Faults, Then},
    tests::stages::go_on,
    volume::{Volume, memory::MemoryVolume},
};

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

/// A tree, what it should hold, and its newest checkpoint.
struct Store {
    volume: MemoryVolume,
    profile: Profile,
    model: Model,
    map: PartialMap<Profile>,
    catalogue: Option<Arc<Catalogue>>,
    version: u64,
}

impl Store {
    fn new(profile: Profile) -> Self {
        Self {
            volume: MemoryVolume::default(),
            profile,
            model: Model::new(),
            map: PartialMap::from(Map::with_hasher(profile)),
            catalogue: None,
            version: 0,
        }
    }

    /// With `entries` entries whose keys are spread evenly, in one checkpoint.
    fn with_entries(entries: u32) -> Self {
        let mut store = Self::new(Profile::Blake3);
        let changes: Vec<_> = (0..entries)
            .map(|at| (key(at), Some(vec![1; 20])))
            .collect();
        store.update(&changes);
        store.checkpoint().unwrap();
        store
    }

    fn catalogue(&self) -> &Catalogue {
        self.catalogue.as_deref().unwrap()
    }

    fn update(&mut self, changes: &[(Vec<u8>, Option<Vec<u8>>)]) {
        let mut batch = Batch::new();
        for (key, value) in changes {
            match value {
                Some(value) => batch.put(key, value).unwrap(),
                None => batch.delete(key).unwrap(),
            };
        }
        while let Err(missing) = self.map.update(&batch).map(drop) {
            self.supply(&missing);
        }
        for (key, value) in changes {
            match value {
                Some(value) => self.model.insert(key.clone(), value.clone()),
                None => self.model.remove(key),
            };
        }
        self.version += 1;
    }

    fn supply(&mut self, missing: &Missing) {
        let catalogue = self.catalogue.clone().unwrap();
        let buckets = catalogue.load_all(&missing.subtrees).unwrap();
        for (subtree, bucket) in missing.subtrees.iter().zip(buckets) {
            let alone = load(&catalogue, subtree);
            assert_eq!(alone.bytes(), bucket.bytes());
            self.map.supply(subtree, &bucket.batch().unwrap()).unwrap();
        }
    }

    fn places(&self) -> Places {
        self.catalogue
            .clone()
            .map_or_else(Places::default, Places::of)
    }

    fn usage(&self, places: &Places) -> Usage {
        let mut counting = Counting::new(places);
        for subtree in self.map.subtrees_after(None) {
            counting.count(&subtree);
        }
        counting.usage()
    }

    /// Hands a checkpoint that is to be written to `write`.
    fn new_checkpoint<T>(&self, write: impl FnOnce(NewCheckpoint<'_>) -> T) -> T {
        let places = self.places();
        write(NewCheckpoint {
            number: Numbers::default().take(&self.volume).unwrap(),
            version: self.version,
            record: Hash::from_bytes([7; 32]),
            entries: self.model.len() as u64,
            journal_bytes: 1000 * self.version,
            profile: self.profile,
            map: self.map.clone(),
            places: &places,
            usage: &self.usage(&places),
            passing: &Passing::default(),
        })
    }

    fn write(&self, volume: &dyn Volume) -> Result<Catalogue, CheckpointError> {
        self.new_checkpoint(|new| new.write(volume, &mut go_on))
    }

    /// Removes what no checkpoint but `kept` needs; how many files that is.
    fn remove_all_but(&self, kept: &[&Catalogue]) -> usize {
        let files = kept.iter().flat_map(|catalogue| catalogue.files());
        let needed = files.map(|file| file.number).collect();
        remove_unreferenced(&self.volume, || Ok::<_, std::io::Error>(needed)).unwrap()
    }

    fn checkpoint(&mut self) -> Result<(), CheckpointError> {
        let written = self.write(&self.volume)?;
        self.catalogue = Some(Arc::new(written));
        Ok(())
    }

    /// All entries, as a reader of the checkpoint alone finds them.
    fn restored(&self) -> Model {
        let pointer = Pointer::decode(&self.catalogue().pointer().encode()).unwrap();
        let catalogue = Catalogue::open(&self.volume, &pointer).unwrap();
        let mut map = catalogue.assemble(self.profile).unwrap();
        for subtree in catalogue.subtrees() {
            let bucket = load(&catalogue, &subtree);
            map.supply(&subtree, &bucket.batch().unwrap()).unwrap();
        }
        entries(&map)
    }

    fn names(&self) -> Vec<String> {
        let mut names = self.volume.list().unwrap();
        names.sort();
        names
    }

    fn read(&self, file: u64) -> Vec<u8> {
        let source = self.volume.open(&file::name(file)).unwrap();
        let mut bytes = vec![0; usize::try_from(source.len().unwrap()).unwrap()];
        source.read_at(0, &mut bytes).unwrap();
        bytes
    }
}

fn entries(map: &PartialMap<Profile>) -> Model {
    let entries = map.range(..).unwrap();
    entries
        .map(|(key, value)| (key.to_vec(), value.bytes().unwrap().to_vec()))
        .collect()
}

fn key(at: u32) -> Vec<u8> {
    blake3::hash(&at.to_be_bytes()).as_bytes()[..8].to_vec()
}

fn load(catalogue: &Catalogue, subtree: &Subtree) -> Bucket {
    let mut buckets = catalogue.load_all(std::slice::from_ref(subtree)).unwrap();
    assert_eq!(buckets.len(), 1);
    buckets.remove(0)
}

#[test]
fn holds_trees_of_every_small_size() {
    for entries in 0..80 {
        let mut store = Store::with_entries(entries);
        assert_eq!(store.restored(), store.model, "{entries} entries");
        let report = store.catalogue().verify(store.profile, 1, &go_on).unwrap();
        assert_eq!((report.entries, report.bad.len()), (u64::from(entries), 0));
        store.map = store.catalogue().assemble(store.profile).unwrap();
        store.update(&[(b"another".to_vec(), Some(b"value".to_vec()))]);
        store.checkpoint().unwrap();
        assert_eq!(store.restored(), store.model, "{entries} entries and one");
    }
}

#[test]
fn writes_again_what_lies_in_files_of_little_use() {
    let mut store = Store::with_entries(1000);
    for round in 0..30_u8 {
        let changes: Vec<_> = (0..300)
            .map(|at| {
                (
                    key((u32::from(round) * 77 + at) % 1000),
                    Some(vec![round; 20]),
                )
            })
            .collect();
        store.update(&changes);
        // What stays evicted must be copied from its file.
        for subtree in store.catalogue().subtrees().collect::<Vec<_>>() {
            store.map.evict(&subtree);
        }
        store.checkpoint().unwrap();
        let catalogue = store.catalogue.clone().unwrap();
        store.remove_all_but(&[&catalogue]);
        let (own, older) = catalogue.files().split_last().unwrap();
        assert!(older.iter().all(|file| 2 * file.live_bytes + 1 >= file.len));
        let disk: u64 = catalogue.files().iter().map(|file| file.len).sum();
        let catalogue_len = catalogue.pointer().catalogue_len;
        assert!(disk <= 2 * catalogue.pointer().live_bytes + catalogue_len + file::HEADER_LEN);
        assert_eq!(own.number, catalogue.pointer().file);
        assert_eq!(store.restored(), store.model);
    }
}

#[test]
fn does_not_copy_damage() {
    let mut store = Store::with_entries(1000);
    let first = store.catalogue.clone().unwrap();
    let (subtree, location) = first.get(first.len() / 2).unwrap();
    let changed = |at: &u32| !subtree.contains(&key(*at)) && !at.is_multiple_of(4);
    let changes: Vec<_> = (0..1000)
        .filter(changed)
        .map(|at| (key(at), None))
        .collect();
    assert!(store.map.evict(&subtree));
    store.update(&changes);
    let name = file::name(first.pointer().file);
    store
        .volume
        .overwrite(&name, location.offset + 5, b"?")
        .unwrap();
    let Err(CheckpointError::Damaged { file, offset, .. }) = store.checkpoint() else {
        panic!("the damage was copied");
    };
    assert_eq!((file, offset), (first.pointer().file, location.offset));
    assert_eq!(store.names(), [name]);
}

#[test]
fn removed_files_stay_readable() {
    let mut store = Store::with_entries(500);
    let first = store.catalogue.clone().unwrap();
    let model = store.model.clone();
    let changes: Vec<_> = (0..500).map(|at| (key(at), Some(vec![2; 30]))).collect();
    store.update(&changes);
    store.checkpoint().unwrap();
    assert_eq!(store.remove_all_but(&[&first, store.catalogue()]), 0);
    assert_eq!(store.remove_all_but(&[store.catalogue()]), 1);
    assert_eq!(
        store.names(),
        [file::name(store.catalogue().pointer().file)]
    );
    let mut map = first.assemble(store.profile).unwrap();
    for subtree in first.subtrees() {
        let bucket = load(&first, &subtree);
        map.supply(&subtree, &bucket.batch().unwrap()).unwrap();
    }
    assert_eq!(entries(&map), model);
    let numbers = Numbers::default();
    assert_eq!(numbers.take(&store.volume).unwrap(), 3);
    // Not there yet, but somebody will make it.
    assert_eq!(numbers.take(&store.volume).unwrap(), 4);
}

#[test]
fn a_failed_write_changes_nothing() {
    for then in [Then::GoOn, Then::Stop] {
        for effect in [Effect::None, Effect::Half, Effect::Full] {
            for nth in 0.. {
                let mut store = Store::with_entries(200);
                let before = (store.restored(), store.names());
                store.update(&[(key(5), None), (key(1000), Some(vec![9; 9]))]);
                let faults = Faults::at(nth, effect, then);
                let volume = faults.volume(store.volume.clone());
                let written = store.write(&volume);
                if !faults.fired() {
                    assert!(written.is_ok());
                    break;
                }
                assert!(
                    matches!(written, Err(CheckpointError::Io { .. })),
                    "change {nth}"
                );
                if then == Then::GoOn {
                    assert_eq!(store.names(), before.1, "change {nth}");
                }
                assert_eq!(store.restored(), before.0, "change {nth}");
                store.checkpoint().unwrap();
                assert_eq!(store.restored(), store.model, "change {nth}");
            }
        }
    }
}

#[test]
fn a_written_checkpoint_survives_a_loss_of_power() {
    for seed in 0..20 {
        let mut store = Store::with_entries(200);
        store.update(&[(key(5), None), (key(1000), Some(vec![9; 9]))]);
        store.checkpoint().unwrap();
        store.volume.lose_power(seed);
        assert_eq!(store.restored(), store.model, "seed {seed}");
    }
}

#[test]
fn can_be_cancelled_at_every_step() {
    let mut store = Store::with_entries(3000);
    let names = store.names();
    let large = vec![5; 1 << 20];
    store.update(&[(key(1), Some(large.clone())), (key(2), Some(large))]);
    let mut last = CheckpointProgress::default();
    for nth in 0.. {
        let calls = Cell::new(0);
        let mut control = |progress: CheckpointProgress| {
            assert!(progress.bytes_written >= progress.bytes_verified);
            assert!(progress.subtrees_done <= progress.subtrees_total);
            last = progress;
            let call = calls.replace(calls.get() + 1);
            match call == nth {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        };
        let written = store.new_checkpoint(|new| new.write(&store.volume, &mut control));
        match written {
            Err(CheckpointError::Cancelled) => assert_eq!(store.names(), names),
            Err(error) => panic!("call {nth}: {error}"),
            Ok(written) => {
                assert!(nth > 16, "{nth} calls for 4 MiB in pieces of 256 KiB");
                assert_eq!(last.bytes_verified, written.pointer().file_bytes());
                assert_eq!(last.subtrees_done, written.len());
                break;
            }
        }
    }
}

#[test]
fn says_what_the_caller_got_wrong() {
    let mut store = Store::with_entries(100);
    store.update(&[(key(1), None)]);
    let refused = |wrong: &dyn Fn(&mut NewCheckpoint<'_>)| {
        store.new_checkpoint(|mut new| {
            wrong(&mut new);
            new.write(&store.volume, &mut go_on)
        })
    };
    let count = refused(&|new| new.entries = 98);
    assert!(matches!(
        count,
        Err(CheckpointError::EntryCount {
            expected: 98,
            found: 99
        })
    ));
    let used = refused(&|new| new.number = 1);
    assert!(matches!(used, Err(CheckpointError::InUse { file: 1 })));
    let (evicted, nowhere) = (
        store.catalogue().assemble(store.profile).unwrap(),
        Places::default(),
    );
    let not_stored = store.new_checkpoint(|new| {
        let wrong = NewCheckpoint {
            map: evicted,
            places: &nowhere,
            ..new
        };
        wrong.write(&store.volume, &mut go_on)
    });
    assert!(matches!(not_stored, Err(CheckpointError::NotStored { .. })));
    let mut map = Map::with_hasher(store.profile);
    let mut batch = Batch::new();
    batch.put_digest(b"key", Hash::default(), b"").unwrap();
    map.update(&batch);
    let map = PartialMap::from(map);
    let elsewhere = refused(&|new| new.map = map.clone());
    assert!(matches!(elsewhere, Err(CheckpointError::ValueElsewhere { key }) if key == b"key"));
    assert_eq!(store.names(), [file::name(1)]);
}

#[test]
fn the_format_does_not_change_by_accident() {
    let mut store = Store::with_entries(150);
    store.update(&[(key(3), Some(vec![3; 300])), (key(4), None)]);
    store.checkpoint().unwrap();
    let pointer = store.catalogue().pointer().encode();
    let bytes = [store.read(1), store.read(2), pointer].concat();
    let digest = Hash::from_bytes(*blake3::hash(&bytes).as_bytes());
    let expected = "f0d7bae60b77012d169a4c85804903411fd191d0cce8da0f735b389a88a31c7e";
    assert_eq!(digest.to_string(), expected);
}

#[test]
fn knows_its_files_by_their_names() {
    assert_eq!(file::name(7), "00000000000000000007.checkpoint");
    for number in [0, 1, 12_345, u64::MAX] {
        assert_eq!(file::number(&file::name(number)), Some(number));
    }
    for other in [
        "7.checkpoint",
        "00000000000000000007",
        "+0000000000000000007.checkpoint",
        "LOCK",
    ] {
        assert_eq!(file::number(other), None);
    }
}

#[test]
fn boundaries_cut_the_keys_into_stretches() {
    let store = Store::with_entries(1000);
    let catalogue = store.catalogue();
    let mut from = Vec::new();
    let mut stretches = 1;
    while let Some(boundary) = catalogue.boundary_after(&from, 10) {
        assert!(boundary > &from[..]);
        from = boundary.to_vec();
        stretches += 1;
    }
    let possible = catalogue.len().div_ceil(11)..=catalogue.len().div_ceil(10);
    assert!(possible.contains(&stretches), "{stretches} stretches");
}

#[test]
fn finds_subtrees_whose_keys_begin_alike() {
    let mut store = Store::new(Profile::Blake3);
    let shared = [
        &b""[..],
        b"account/",
        b"account/\0\0\0",
        b"account/of/somebody/",
    ];
    let changes: Vec<_> = (shared.iter())
        .flat_map(|shared| (0..300).map(move |at| [shared, &key(at)[..]].concat()))
        .map(|key| (key, Some(vec![1; 20])))
        .collect();
    store.update(&changes);
    store.checkpoint().unwrap();
    let catalogue = store.catalogue();
    let subtrees: Vec<Subtree> = catalogue.subtrees().collect();
    assert!(subtrees.len() > 40);
    let mut ends = 0;
    for (at, subtree) in subtrees.iter().enumerate() {
        let bucket = load(catalogue, subtree);
        assert_eq!(bucket.entries(), bucket.batch().unwrap().len() as u64);
        ends += bucket.entries();
        let behind = catalogue.boundary_after(subtree.prefix(), 0);
        assert_eq!(behind, subtrees.get(at + 1).map(Subtree::prefix));
        // Behind what lies between this one and the next, too.
        let between = [subtree.prefix(), &[0]].concat();
        assert_eq!(catalogue.boundary_after(&between, 0), behind);
    }
    assert_eq!(ends, 1200);
}
