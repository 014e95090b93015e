//! Imports that end early and go on.

use super::*;
use crate::engine::memory::MemoryEngine;
use crate::fault::{Effect, Faults, Then};
use crate::format;
use crate::storage::{Reopen, Storage};
use crate::volume::memory::MemoryVolume;
use crate::{ExportFileError, OpenError};

/// Lets so many chunks go by.
fn chunks(chunks: u64) -> impl FnMut(TransferProgress) -> ControlFlow<()> {
    move |progress| match progress.chunks >= chunks {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    }
}

fn assert_unfinished(stage: &Stage) {
    let refused = stage.open(&options()).map(|_| ());
    assert!(
        matches!(refused, Err(OpenError::ImportUnfinished { version: 40 })),
        "{refused:?}"
    );
}

fn stages() -> Vec<Stage> {
    vec![
        Stage::memory(),
        #[cfg(feature = "sled")]
        Stage::disk(Backend::Sled),
        #[cfg(feature = "rocksdb")]
        Stage::disk(Backend::RocksDb),
    ]
}

#[test]
fn goes_on_after_being_ended_at_any_chunk() {
    let content = content();
    let db = database(&content, 40, &options());
    let file = export(&db, 150);
    let mut total = 0;
    verify_export(&file[..], None, |progress| {
        total = progress.chunks;
        ControlFlow::Continue(())
    })
    .unwrap();
    assert!(total > 8);
    for ended in 1..=total {
        for stage in stages() {
            let error = import_on(&stage, &options(), &file, 0, &mut chunks(ended))
                .err()
                .unwrap();
            let is_cancelled = matches!(
                error,
                ImportError::File(ExportFileError::Cancelled { chunks }) if chunks == ended
            );
            assert!(is_cancelled, "{error}");
            assert_unfinished(&stage);
            // Goes on with an export that is cut elsewhere, too.
            let other = export(&db, [150, 70, 1 << 20][(ended % 3) as usize]);
            let mut first = None;
            let copy = import_on(&stage, &options(), &other, 0, &mut |progress| {
                first.get_or_insert(progress.entries);
                ControlFlow::Continue(())
            });
            let copy = copy.unwrap();
            // What was durable was not brought in again.
            assert!(
                first.unwrap() > ended,
                "{first:?} entries after {ended} chunks"
            );
            assert_same(&copy, &db, &content);
            assert_one_version(&copy);
            drop(copy);
            let again = import_on(&stage, &options(), &file, 0, &mut go_on).unwrap();
            assert_same(&again, &db, &content);
        }
    }
}

#[test]
fn goes_on_after_being_ended_again_and_again() {
    let content = content();
    let db = database(&content, 40, &options());
    let file = export(&db, 150);
    let stage = Stage::memory();
    let mut calls = 0;
    let copy = loop {
        calls += 1;
        match import_on(&stage, &options(), &file, 0, &mut chunks(calls)) {
            Ok(copy) => break copy,
            Err(_) => assert_unfinished(&stage),
        }
    };
    assert!(calls > 8);
    assert_same(&copy, &db, &content);
}

#[test]
fn goes_on_after_the_file_broke_off() {
    let content = content();
    let db = database(&content, 40, &options());
    let file = export(&db, 150);
    let stage = Stage::memory();
    for end in (100..file.len()).step_by(131) {
        let error = import_on(&stage, &options(), &file[..end], 200, &mut go_on)
            .err()
            .unwrap();
        assert!(
            matches!(error, ImportError::File(ExportFileError::Truncated { .. })),
            "{error}"
        );
        assert_unfinished(&stage);
    }
    let copy = import_on(&stage, &options(), &file, 200, &mut go_on).unwrap();
    assert_same(&copy, &db, &content);
}

#[test]
fn a_version_of_a_low_number_comes_in_one_commit() {
    let content = content();
    for number in 1..4 {
        let db = database(&content, number, &options());
        let file = export(&db, 100);
        let copy = import_on(&Stage::memory(), &options(), &file, 0, &mut go_on).unwrap();
        assert_same(&copy, &db, &content);
        assert_one_version(&copy);
    }
}

#[test]
fn does_not_mix_databases() {
    let db = database(&content(), 40, &options());
    let file = export(&db, 150);
    let other = database(&content(), 41, &options());
    let other_file = export(&other, 150);

    // Another export than the one that was begun.
    let stage = Stage::memory();
    import_on(&stage, &options(), &file, 0, &mut chunks(3))
        .err()
        .unwrap();
    let error = import_on(&stage, &options(), &other_file, 0, &mut go_on)
        .err()
        .unwrap();
    assert!(matches!(error, ImportError::OtherExport { begun } if begun == db.version()));

    // A database that is there, an import that has gone on since.
    let stage = Stage::memory();
    drop(stage.open(&options()).unwrap());
    let error = import_on(&stage, &options(), &file, 0, &mut go_on)
        .err()
        .unwrap();
    assert!(matches!(error, ImportError::Exists { found } if found.number == 0));
    let stage = Stage::memory();
    let copy = import_on(&stage, &options(), &file, 0, &mut go_on).unwrap();
    copy.put(b"more", b"1").unwrap();
    drop(copy);
    let error = import_on(&stage, &options(), &file, 0, &mut go_on)
        .err()
        .unwrap();
    assert!(matches!(error, ImportError::Exists { found } if found.number == 41));

    // Options that contradict the export.
    let asked = options().profile(Profile::Blake3);
    let error = import_on(&Stage::memory(), &asked, &file, 0, &mut go_on)
        .err()
        .unwrap();
    let is_refused = matches!(
        error,
        ImportError::Open(OpenError::OtherOption {
            option: "profile",
            ..
        })
    );
    assert!(is_refused, "{error}");
    let asked = options().key_mode(KeyMode::Hashed);
    assert!(import_on(&Stage::memory(), &asked, &file, 0, &mut go_on).is_err());
}

/// The process ends at the nth write, sync, creation, renaming or removal, and the power with it.
#[test]
fn goes_on_wherever_the_process_ended() {
    let content = content();
    let db = database(&content, 40, &options());
    let file = export(&db, 150);
    let options = options().checkpoint_bytes(300);
    for effect in [Effect::None, Effect::Half, Effect::Full] {
        for nth in 0.. {
            let engine = MemoryEngine::default();
            let volumes = [MemoryVolume::default(), MemoryVolume::default()];
            let faults = Faults::at(nth, effect, Then::Stop);
            let storage = |faults: Faults| {
                let (engine, held) = (engine.clone(), faults.clone());
                let open = move || {
                    let engine: Box<dyn crate::engine::Engine> =
                        Box::new(held.engine(engine.clone()));
                    Ok(engine)
                };
                let [folder, checkpoints] = volumes.clone().map(|volume| faults.volume(volume));
                Storage {
                    engine: std::sync::Arc::new(Reopen::new(Box::new(open)).unwrap()),
                    folder: std::sync::Arc::new(folder),
                    checkpoints: std::sync::Arc::new(checkpoints),
                    _lock: None,
                }
            };
            let run = |faults: Faults| {
                let format = format::read(&volumes[0])?;
                let file = ExportFile::open(&file[..], None)?;
                let options = options_of(file.header(), &options)?;
                import(storage(faults), format, &options, file, 200, &mut go_on)
            };
            let first = run(faults.clone());
            if !faults.fired() {
                assert_same(&first.unwrap(), &db, &content);
                assert!(nth > 20, "{nth}");
                break;
            }
            drop(first);
            engine.lose_power(usize::try_from(nth % 3).unwrap());
            for volume in &volumes {
                volume.lose_power(nth);
            }
            let format = format::read(&volumes[0]).unwrap();
            match RealityDb::start(storage(Faults::none()), format, &options) {
                // Nothing was begun, or all was done.
                Ok(db) if db.version().number == 0 => {
                    assert!(format.is_none(), "{nth} {effect:?}");
                    continue;
                }
                Ok(copy) => assert_same(&copy, &db, &content),
                Err(OpenError::ImportUnfinished { version: 40 }) => {}
                Err(error) => panic!("{nth} {effect:?}: {error}"),
            }
            let copy = run(Faults::none());
            let copy = copy.unwrap_or_else(|error| panic!("{nth} {effect:?}: {error}"));
            assert_same(&copy, &db, &content);
            assert_one_version(&copy);
        }
    }
}
