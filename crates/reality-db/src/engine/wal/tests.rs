use super::*;
use crate::engine::memory::MemoryEngine;
use crate::volume::memory::MemoryVolume;

#[derive(Clone, Default)]
struct Store {
    engine: MemoryEngine,
    volume: MemoryVolume,
}

impl Store {
    fn open(&self, file_bytes: u64) -> WalEngine {
        let options = WalOptions {
            file_bytes,
            thread: false,
        };
        WalEngine::open(
            Arc::new(self.volume.clone()),
            Box::new(self.engine.clone()),
            options,
        )
        .unwrap()
    }

    /// The power goes while `wal` is open.
    fn crash(&self, wal: WalEngine, seed: u64) {
        wal.abandon();
        let unsynced = self.engine.unsynced() as u64;
        let kept = usize::try_from(seed % (unsynced + 1)).unwrap();
        self.engine.lose_power(kept);
        self.volume.lose_power(seed);
    }
}

fn put(key: u32, bytes: usize) -> EngineBatch {
    let value = vec![u8::try_from(key % 251).unwrap(); bytes];
    let changes = vec![(key.to_be_bytes().to_vec(), Some(value))];
    EngineBatch { changes }
}

fn keys(engine: &dyn Engine) -> Vec<u32> {
    let found = engine.scan(b"", b"\xff", usize::MAX).unwrap();
    let number = |(key, _): &Entry| u32::from_be_bytes(key[..].try_into().unwrap());
    found.iter().map(number).collect()
}

#[test]
fn keeps_what_was_synced_whenever_the_power_goes() {
    for seed in 0..400 {
        let store = Store::default();
        let (mut written, mut synced) = (0, 0);
        for round in 0..6 {
            let wal = store.open(700 + 100 * (seed % 9));
            let found = keys(&wal);
            let len = u32::try_from(found.len()).unwrap();
            assert_eq!(found, (0..len).collect::<Vec<_>>(), "seed {seed}");
            assert!(
                (synced..=written).contains(&len),
                "seed {seed}: {synced} {len} {written}"
            );
            // What is read is durable, and goes on from there.
            (written, synced) = (len, len);
            for step in 0..seed % 13 + round {
                wal.write(put(written, usize::try_from(step * 37 % 300).unwrap()))
                    .unwrap();
                written += 1;
                if (seed + step) % 3 > 0 {
                    wal.sync().unwrap();
                    synced = written;
                }
            }
            match (seed + round) % 5 {
                0 => {
                    drop(wal);
                    synced = written;
                    assert_eq!(keys(&store.engine).len(), written as usize);
                }
                _ => store.crash(wal, seed * round),
            }
        }
    }
}

#[test]
fn goes_on_behind_the_last_whole_frame_and_nothing_older_comes_back() {
    for flipped in 0..7 * FRAME {
        let store = Store::default();
        let wal = store.open(1 << 20);
        for key in 0..6 {
            wal.write(put(key, 20)).unwrap();
        }
        wal.sync().unwrap();
        store.crash(wal, 0);
        let mut byte = [0];
        let source = store.volume.open("0.log").unwrap();
        source.read_at(flipped, &mut byte).unwrap();
        let mut edit = store.volume.edit("0.log").unwrap();
        edit.write_at(flipped, &[byte[0] ^ 0x10]).unwrap();

        let wal = store.open(1 << 20);
        let left = keys(&wal).len();
        assert!(
            left == 6 || u64::try_from(left).unwrap() == flipped / FRAME,
            "{flipped}: {left}"
        );
        // As long as those that were lost, so that they would follow if nothing but places counted.
        wal.write(put(100, 20)).unwrap();
        wal.sync().unwrap();
        store.crash(wal, 0);
        assert_eq!(keys(&store.open(1 << 20)).len(), left + 1);
    }
}

#[test]
fn overwrites_its_files_once_the_engine_has_them() {
    for thread in [false, true] {
        let store = Store::default();
        let options = WalOptions {
            file_bytes: 1_000,
            thread,
        };
        let volume: Arc<dyn Volume> = Arc::new(store.volume.clone());
        let wal = WalEngine::open(volume, Box::new(store.engine.clone()), options).unwrap();
        for key in 0..500 {
            wal.write(put(key, 100)).unwrap();
            wal.sync().unwrap();
            assert_eq!(wal.get(&key.to_be_bytes()).unwrap().unwrap().len(), 100);
        }
        assert!(wal.shared.log().disk_bytes().unwrap() <= 2 * ROOM);
        assert_eq!(keys(&wal), (0..500).collect::<Vec<_>>());
        assert!(keys(&store.engine).len() > 400);
        drop(wal);
        assert_eq!(keys(&store.engine).len(), 500);
        assert_eq!(stored(&store.engine).unwrap(), 500);
    }
}

#[test]
fn is_bounded_where_nobody_asks_for_a_sync() {
    for thread in [false, true] {
        let store = Store::default();
        let options = WalOptions {
            file_bytes: ROOM,
            thread,
        };
        let volume: Arc<dyn Volume> = Arc::new(store.volume.clone());
        let wal = WalEngine::open(volume, Box::new(store.engine.clone()), options).unwrap();
        for key in 0..4_000 {
            wal.write(put(key, 1_000)).unwrap();
        }
        // Two files, each as long as commits let it get while the engine is behind, and its last frame.
        let most = 2 * (FILES_MAX * ROOM + 2 * ROOM);
        assert!(wal.shared.log().disk_bytes().unwrap() <= most);
        assert_eq!(keys(&wal), (0..4_000).collect::<Vec<_>>());
        assert!(keys(&store.engine).len() > 3_000);
        wal.sync().unwrap();
        store.crash(wal, 0);
        assert_eq!(keys(&store.open(ROOM)).len(), 4_000);
    }
}

/// Bytes of a frame with one key of four bytes and a value of twenty.
const FRAME: u64 = 88 + 2 + 4 + 4 + 20;

/// The least room of a file.
const ROOM: u64 = 128 << 10;

#[test]
fn does_no_more_after_a_failure_until_it_is_opened_again() {
    use crate::fault::{Effect, Faults, Then};

    for nth in 0..40 {
        let store = Store::default();
        drop(store.open(400));
        let faults = Faults::at(nth, Effect::Half, Then::GoOn);
        let options = WalOptions {
            file_bytes: 400,
            thread: false,
        };
        let open = |faults: &Faults| {
            let volume = Arc::new(faults.volume(store.volume.clone()));
            let engine = Box::new(faults.engine(store.engine.clone()));
            WalEngine::open(volume, engine, options)
        };
        let Ok(wal) = open(&faults) else { continue };
        let (mut synced, mut failed) = (0, false);
        for key in 0..12 {
            let told = wal.write(put(key, 60)).and_then(|()| wal.sync());
            assert!(!(failed && told.is_ok()), "{nth}: {key} after a failure");
            failed |= told.is_err();
            if !failed {
                synced = key + 1;
            }
        }
        drop(wal);
        let found = keys(&open(&Faults::none()).unwrap()).len();
        assert!(
            (synced as usize..=synced as usize + 1).contains(&found),
            "{nth}"
        );
    }
}
