//! A changed export, with the hashes in its header and at its end made to fit: it is refused, or it
//! is another way to cut the same content; then the import has the same root. Nothing panics.
#![no_main]

use std::ops::ControlFlow;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use merkle_fuzz::{Change, Content, Key, Mutation, batch, mutate};
use reality_db::{Backend, ExportOptions, KeyMode, Options, RealityDb, verify_export};

#[derive(Arbitrary, Debug)]
struct Input {
    entries: Vec<(Key, Content)>,
    chunk_bytes: u8,
    mutations: Vec<Mutation>,
    /// Makes the hash of the header right again, and that at the end.
    mend_header: bool,
    mend_trailer: bool,
    /// Not an export, but these bytes behind a sound header.
    other: Option<Vec<u8>>,
}

const HEADER_LEN: usize = 91;

fuzz_target!(|input: Input| {
    let options = Options::new().backend(Backend::Memory).background(false);
    let db = RealityDb::open("nowhere", &options).expect("in memory");
    let changes: Vec<Change> = (input.entries.iter().take(30))
        .map(|(key, value)| (key.bytes(), Some(value.bytes())))
        .collect();
    let version = db.commit(&batch(&changes)).expect("in memory");
    let go_on = |_| ControlFlow::Continue(());
    let mut sound = Vec::new();
    let cut = ExportOptions::new().chunk_bytes(usize::from(input.chunk_bytes) + 1);
    let snapshot = db.snapshot().expect("sound");
    snapshot
        .export(&mut sound, &cut, go_on)
        .expect("into memory");

    let mut file = sound.clone();
    mutate(&mut file, &input.mutations);
    if let Some(other) = input.other {
        file.truncate(HEADER_LEN);
        file.extend(other);
    }
    if input.mend_header && file.len() >= HEADER_LEN {
        let (body, hash) = file[..HEADER_LEN].split_at_mut(HEADER_LEN - 32);
        hash.copy_from_slice(&blake3::derive_key(
            "reality-db 2026-11 export header",
            body,
        ));
    }
    if input.mend_trailer && file.len() >= HEADER_LEN + 41 {
        let at = file.len() - 32;
        let (body, hash) = file.split_at_mut(at);
        hash.copy_from_slice(&blake3::derive_key("reality-db 2026-11 export", body));
    }

    let expected = Some((version.number, version.root));
    let verified = verify_export(&file[..], expected, go_on);
    let itself = verify_export(&file[..], None, go_on);
    assert!(
        itself.is_ok() || verified.is_err(),
        "knowing more accepts more"
    );
    assert!(
        verified.is_ok() || file != sound,
        "a sound export is refused"
    );

    let into = options
        .key_mode(KeyMode::Ordered)
        .expect(version.number, version.root);
    let imported = RealityDb::import("nowhere", &into, &file[..], go_on);
    // The root says nothing of how keys become places, so who imports does.
    let taken = verified.is_ok_and(|header| header.key_mode == KeyMode::Ordered);
    assert_eq!(imported.is_ok(), taken, "they disagree");
    if let Ok(copy) = imported {
        assert_eq!(copy.version(), version);
        let entries = copy.snapshot().expect("sound");
        let entries = entries.iter().expect("keys are ordered").flatten();
        let own = snapshot.iter().expect("keys are ordered").flatten();
        assert!(entries.eq(own), "the content differs");
    }
});
