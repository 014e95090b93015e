//! Bytes that are not what was written, and bytes that nobody wrote.

use proptest::prelude::*;

use super::*;

/// A store with two files, both in use.
fn two_files() -> Store {
    let mut store = Store::with_entries(150);
    store.update(&[(key(3), Some(vec![3; 25])), (key(4), None)]);
    store.checkpoint().unwrap();
    assert_eq!(store.catalogue().files().len(), 2);
    store
}

/// The part of a checkpoint in which a byte lies: none if no reader of the checkpoint gets there.
fn part_of(catalogue: &Catalogue, file: u64, at: u64) -> Option<(u64, u64)> {
    let pointer = catalogue.pointer();
    let buckets = (0..catalogue.len())
        .filter_map(|row| catalogue.get(row))
        .filter(|(_, location)| catalogue.file_number(location) == file)
        .map(|(_, location)| (location.offset, location.len as u64));
    let own = [(pointer.catalogue_at, pointer.catalogue_len)];
    let own = own.into_iter().filter(|_| file == pointer.file);
    let header = [(0, file::HEADER_LEN)];
    let mut parts = buckets.chain(own).chain(header);
    parts.find(|(start, len)| (*start..start + len).contains(&at))
}

#[test]
fn every_flipped_byte_is_found_or_never_read() {
    let store = two_files();
    let mut unread = 0;
    for stored in store.catalogue().files() {
        let name = file::name(stored.number);
        let content = store.read(stored.number);
        for (at, byte) in content.iter().enumerate() {
            let flipped = byte ^ (1 << (at % 8));
            store
                .volume
                .overwrite(&name, at as u64, &[flipped])
                .unwrap();
            let part = part_of(store.catalogue(), stored.number, at as u64);
            // Whoever has it open finds it by verifying.
            let report = store.catalogue().verify(store.profile, 1, &go_on).unwrap();
            let found: Vec<_> = (report.bad.iter())
                .map(|bad| (bad.file, (bad.offset, bad.len)))
                .collect();
            let expected: Vec<_> = part.map(|part| (stored.number, part)).into_iter().collect();
            assert_eq!(found, expected, "{name} byte {at}");
            // Whoever opens it finds it on the way, or when it is read.
            let opened = Catalogue::open(&store.volume, store.catalogue().pointer());
            match (opened, part) {
                (Err(CheckpointError::Damaged { file, offset, .. }), Some((start, _))) => {
                    assert_eq!((file, offset), (stored.number, start));
                }
                (Err(error), _) => panic!("{name} byte {at}: {error}"),
                (Ok(catalogue), part) => {
                    let mut map = catalogue.assemble(store.profile).unwrap();
                    let mut refused = 0;
                    for subtree in catalogue.subtrees() {
                        let bucket = load(&catalogue, &subtree);
                        let supplied = (bucket.batch().ok())
                            .is_some_and(|batch| map.supply(&subtree, &batch).is_ok());
                        refused += usize::from(!supplied);
                    }
                    assert_eq!(refused, usize::from(part.is_some()), "{name} byte {at}");
                    unread += usize::from(part.is_none());
                }
            }
            store.volume.overwrite(&name, at as u64, &[*byte]).unwrap();
        }
    }
    // The old catalogue, and what the second checkpoint replaced.
    assert!(unread > 500, "{unread} bytes");
}

#[test]
fn every_other_length_of_a_file_is_refused() {
    let store = two_files();
    for stored in store.catalogue().files() {
        let content = store.read(stored.number);
        for len in (0..content.len()).chain([content.len() + 1]) {
            let mut other = content.clone();
            other.resize(len, 0);
            store.replace(stored.number, &other);
            let opened = Catalogue::open(&store.volume, store.catalogue().pointer());
            let Err(CheckpointError::Damaged { file, .. }) = opened else {
                panic!("{len} bytes of {}", content.len());
            };
            assert_eq!(file, stored.number);
        }
        store.replace(stored.number, &content);
    }
    let name = file::name(1);
    store.volume.remove(&name).unwrap();
    let opened = Catalogue::open(&store.volume, store.catalogue().pointer());
    assert!(matches!(opened, Err(CheckpointError::Io { file: 1, .. })));
}

#[test]
fn a_file_in_the_place_of_another_is_refused() {
    let store = two_files();
    let second = store.read(2);
    store.replace(1, &second);
    let opened = Catalogue::open(&store.volume, store.catalogue().pointer());
    let Err(CheckpointError::Damaged {
        file: 1,
        offset: 0,
        damage,
    }) = opened
    else {
        panic!("it was taken for the other");
    };
    assert_eq!(damage, Damage::Header { number: 1 });
    let mut newer = second;
    newer[7] += 1;
    store.replace(2, &newer);
    let opened = Catalogue::open(&store.volume, store.catalogue().pointer());
    let Err(CheckpointError::Damaged {
        file: 2, damage, ..
    }) = opened
    else {
        panic!("it was taken for a format that is known");
    };
    assert_eq!(damage, Damage::UnknownFormat { format: 2 });
}

#[test]
fn every_flipped_bit_of_a_pointer_is_refused() {
    let store = two_files();
    let pointer = store.catalogue().pointer();
    let bytes = pointer.encode();
    assert_eq!(bytes.len(), Pointer::LEN);
    assert_eq!(Pointer::decode(&bytes).as_ref(), Ok(pointer));
    for bit in 0..8 * bytes.len() {
        let mut other = bytes.clone();
        other[bit / 8] ^= 1 << (bit % 8);
        assert!(Pointer::decode(&other).is_err(), "bit {bit}");
    }
    for len in 0..bytes.len() {
        let refused = Pointer::decode(&bytes[..len]);
        assert_eq!(refused, Err(PointerError::Length { len }));
    }
}

#[test]
fn names_every_bad_bucket_and_goes_on() {
    let store = Store::with_entries(2000);
    let catalogue = store.catalogue();
    let bad: Vec<usize> = (0..catalogue.len()).filter(|row| row % 5 == 2).collect();
    let mut lost = 0;
    for row in &bad {
        let (_, location) = catalogue.get(*row).unwrap();
        lost += location.entries;
        let at = location.offset + location.len as u64 - 1;
        store.volume.overwrite(&file::name(1), at, b"?").unwrap();
    }
    for threads in [0, 1, 2, 5] {
        let report = catalogue.verify(store.profile, threads, &go_on).unwrap();
        let expected = bad.iter().map(|row| catalogue.get(*row).unwrap());
        let expected: Vec<_> = expected
            .map(|(subtree, at)| (Some(subtree), at.offset))
            .collect();
        let found = report.bad.into_iter().map(|bad| (bad.subtree, bad.offset));
        assert_eq!(found.collect::<Vec<_>>(), expected);
        assert_eq!(report.entries, 2000 - lost);
        assert_eq!(report.buckets, catalogue.len());
    }
}

#[test]
fn a_verification_ends_when_it_is_told_to() {
    let store = Store::with_entries(5000);
    let until_half = |progress: VerifyProgress| match 2 * progress.buckets > progress.buckets_total
    {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    };
    let report = store.catalogue().verify(store.profile, 1, &until_half);
    let report = report.unwrap();
    assert!(report.buckets < report.buckets_total);
    assert!(2 * report.buckets > report.buckets_total);
}

impl Store {
    fn replace(&self, file: u64, bytes: &[u8]) {
        let mut sink = self.volume.create(&file::name(file)).unwrap();
        sink.append(bytes).unwrap();
    }

    /// A checkpoint with this catalogue, whose hashes and lengths are right.
    fn with_catalogue(&self, catalogue: &[u8]) -> Pointer {
        let pointer = self.catalogue().pointer();
        let mut file = self.read(pointer.file);
        file.truncate(usize::try_from(pointer.catalogue_at).unwrap());
        file.extend_from_slice(catalogue);
        self.replace(pointer.file, &file);
        Pointer {
            catalogue_len: catalogue.len() as u64,
            catalogue_hash: super::super::catalogue::hash(catalogue),
            ..*pointer
        }
    }

    fn catalogue_bytes(&self) -> Vec<u8> {
        let pointer = self.catalogue().pointer();
        self.read(pointer.file)
            .split_off(usize::try_from(pointer.catalogue_at).unwrap())
    }
}

/// Does all that one does with a catalogue: there is nothing to fear from it.
fn exercise(store: &Store, pointer: &Pointer) {
    let Ok(catalogue) = Catalogue::open(&store.volume, pointer) else {
        return;
    };
    let report = catalogue.verify(store.profile, 1, &go_on).unwrap();
    assert_eq!(report.buckets, catalogue.len());
    let map = catalogue.assemble(store.profile);
    for subtree in catalogue.subtrees() {
        let bucket = load(&catalogue, &subtree);
        if let (Ok(map), Ok(batch)) = (&map, bucket.batch()) {
            let _ = map.clone().supply(&subtree, &batch);
        }
    }
}

proptest! {
    #[test]
    fn hostile_pointers_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..2 * Pointer::LEN)) {
        prop_assert!(Pointer::decode(&bytes).is_err());
    }

    #[test]
    fn hostile_catalogues_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let store = two_files();
        let pointer = store.with_catalogue(&bytes);
        exercise(&store, &pointer);
        let pointer = Pointer { catalogue_at: 0, catalogue_len: u64::MAX, ..pointer };
        exercise(&store, &pointer);
    }

    #[test]
    fn changed_catalogues_do_no_harm(at in any::<prop::sample::Index>(), bytes in proptest::collection::vec(any::<u8>(), 0..4), gone in 0_usize..4) {
        let store = two_files();
        let mut catalogue = store.catalogue_bytes();
        let start = at.index(catalogue.len());
        let end = catalogue.len().min(start + gone);
        catalogue.splice(start..end, bytes);
        let pointer = store.with_catalogue(&catalogue);
        exercise(&store, &pointer);
    }

    #[test]
    fn hostile_buckets_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..200), at in any::<prop::sample::Index>()) {
        let store = Store::with_entries(60);
        let catalogue = store.catalogue();
        let (subtree, location) = catalogue.get(at.index(catalogue.len())).unwrap();
        let bytes = &bytes[..bytes.len().min(location.len)];
        store.volume.overwrite(&file::name(1), location.offset, bytes).unwrap();
        let bucket = load(catalogue, &subtree);
        if let Ok(batch) = bucket.batch() {
            let mut map = catalogue.assemble(store.profile).unwrap();
            prop_assert!(bytes.is_empty() || map.supply(&subtree, &batch).is_err());
        }
    }
}
