//! Reading and proving what is not committed.

use merkle_core::{Batch, Lookup, Query};

use super::stages::Stage;
use crate::{KeyMode, Options, ReadError};

type Entries = Vec<(Vec<u8>, Vec<u8>)>;

fn entries(numbers: impl IntoIterator<Item = u16>, value: &[u8]) -> Entries {
    let entry = |number: u16| (number.to_be_bytes().to_vec(), value.to_vec());
    numbers.into_iter().map(entry).collect()
}

fn puts(entries: &Entries) -> Batch<'_> {
    let mut batch = Batch::new();
    for (key, value) in entries {
        batch.put(key, value).unwrap();
    }
    batch
}

#[test]
fn forks_on_forks_are_scanned_and_each_step_is_proved() {
    // Nothing stays in memory that can be let go.
    let options = Options::new().background(false).cache_bytes(0);
    let db = Stage::memory().open(&options).unwrap();
    let committed = entries(0..2000, b"committed");
    db.commit(&puts(&committed)).unwrap();
    db.checkpoint(|_| std::ops::ControlFlow::Continue(()))
        .unwrap();
    let (first, second) = (
        entries(1000..3000, b"first"),
        entries(2500..2600, b"second"),
    );
    let below = db.prepare(&puts(&first)).unwrap();
    let mut changes = puts(&second);
    for (key, _) in &committed[..500] {
        changes.delete(key).unwrap();
    }
    let above = below.prepare(&changes).unwrap();

    let expected = [
        entries(500..1000, b"committed"),
        entries(1000..2500, b"first"),
        second.clone(),
        entries(2600..3000, b"first"),
    ]
    .concat();
    let all: Entries = above.iter().unwrap().map(Result::unwrap).collect();
    assert_eq!(all, expected);
    let prefix: Entries = above.prefix(&[3]).unwrap().map(Result::unwrap).collect();
    assert_eq!(prefix, expected[3 * 256 - 500..4 * 256 - 500]);
    let (from, to) = (&expected[7].0[..], &expected[2200].0[..]);
    let range: Entries = above.range(from..to).unwrap().map(Result::unwrap).collect();
    assert_eq!(range, expected[7..2200]);
    let [gone, new] = [&committed[3].0[..], &second[3].0[..]];
    let values = above.get_many([new, gone]).unwrap();
    assert_eq!(values, [Some(b"second".to_vec()), None]);

    let profile = db.profile();
    let view = above.prove(new).unwrap();
    let view = view.verify(&profile, &above.root()).unwrap();
    assert!(matches!(view.get(new), Lookup::Present(value) if value.bytes() == Some(b"second")));
    let proof = above.prove_query(&Query::new().prefix(&[9])).unwrap();
    assert!(proof.verify(&profile, &above.root()).is_ok());
    let step = below.prove_update(&changes).unwrap();
    let view = step.verify(&profile, &below.root()).unwrap();
    assert_eq!(view.apply(&changes).unwrap(), above.root());

    // Neither the fork below nor the database has anything of it.
    let all: Entries = below.iter().unwrap().map(Result::unwrap).collect();
    assert_eq!(all, [&committed[..1000], &first].concat());
    let all = db.snapshot().unwrap().iter().unwrap();
    assert!(all.map(Result::unwrap).eq(committed));
}

#[test]
fn forks_of_hashed_keys_have_no_order() {
    let options = Options::new().background(false).key_mode(KeyMode::Hashed);
    let db = Stage::memory().open(&options).unwrap();
    let content = entries(0..20, b"value");
    let fork = db.prepare(&puts(&content)).unwrap();
    assert!(matches!(fork.iter().err(), Some(ReadError::NoKeyOrder)));
    assert!(matches!(
        fork.prefix(&[1]).err(),
        Some(ReadError::NoKeyOrder)
    ));
    let key = &content[7].0[..];
    let proof = fork.prove(key).unwrap();
    let view = proof.verify(&db.profile(), &fork.root()).unwrap();
    let place = db.tree_key(key).unwrap();
    assert!(matches!(view.get(&place), Lookup::Present(_)));
}
