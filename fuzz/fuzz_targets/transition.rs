//! Small maps, pruned anywhere, and any batch: the view tells the root that the batch leads to, or
//! that the proof does not cover it.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use merkle_core::{Map, Proof, Query, Sha256};
use merkle_fuzz::{Change, Edit, Model, PrunedTree, batch, check_view};

/// A few of 16 keys, and little that happens to them: any input is one of many small cases.
#[derive(Arbitrary, Debug)]
struct Input {
    keys: Keys,
    entries: u16,
    pruned: [Option<u8>; 4],
    changes: [Option<(u8, bool)>; 4],
}

#[derive(Arbitrary, Debug)]
enum Keys {
    /// One byte: all branches lie next to each other.
    Bytes,
    /// All words of up to three letters of two: prefixes of each other.
    Words,
    /// The same byte 1 to 16 times: one branch in each byte.
    Lengths,
}

impl Keys {
    fn list(&self) -> Vec<Vec<u8>> {
        let word = |number: u8| {
            let letters = (0..number.ilog2()).rev();
            letters.map(|place| number >> place & 1).collect()
        };
        match self {
            Self::Bytes => (0..16).map(|place| vec![place << 4]).collect(),
            Self::Words => (2..18).map(word).collect(),
            Self::Lengths => (1..=16).map(|len| vec![0xff; len]).collect(),
        }
    }
}

fuzz_target!(|input: Input| {
    let keys = input.keys.list();
    let entries: Vec<Change> = (keys.iter().enumerate())
        .filter(|(place, _)| input.entries >> place & 1 == 1)
        .map(|(_, key)| (key.clone(), Some(vec![1])))
        .collect();
    let model: Model = (entries.iter())
        .map(|(key, _)| (key.clone(), vec![1]))
        .collect();
    let map = Map::<Sha256>::new().apply(&batch(&entries));
    let changes: Vec<Change> = (input.changes.iter().flatten())
        .map(|(place, put)| (keys[usize::from(place % 16)].clone(), put.then(|| vec![2])))
        .collect();

    let mut tree = PrunedTree::parse(&map.prove_query(&Query::new().range(..)).encode());
    for node in input.pruned.into_iter().flatten() {
        tree.edit(&Sha256, &Edit::Prune { node: node.into() });
    }
    let proof = Proof::decode(&tree.encode()).expect("it is a tree");
    let view = proof
        .verify(&Sha256, &map.root())
        .expect("pruning keeps the root");
    check_view(&Sha256, &view, &model, &keys, &[], &changes);

    // What the map itself makes for the batch must cover it.
    let proof = map.prove_update(&batch(&changes));
    let view = proof.verify(&Sha256, &map.root()).expect("its own proof");
    assert_eq!(
        view.apply(&batch(&changes)),
        Ok(map.apply(&batch(&changes)).root())
    );
});
