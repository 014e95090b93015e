//! Maps exported to ICS-23: the `ics23` crate takes every export for what the map holds, and none
//! that somebody hostile has changed.
#![no_main]

use arbitrary::Arbitrary;
use ics23::commitment_proof::Proof::{Exist, Nonexist};
use ics23::{CommitmentProof, ExistenceProof, HostFunctionsManager};
use ics23::{tendermint_spec, verify_membership, verify_non_membership};
use libfuzzer_sys::fuzz_target;
use merkle_core::{Hash, Ics23Error, Map, Proof, Query, Sha256};
use merkle_fuzz::{
    Change, Content, Edit, ExportEdit, Key, Model, Mutation, PrunedTree, batch, mutate,
};
use prost::Message;

#[derive(Arbitrary, Debug)]
struct Input {
    entries: Vec<(Key, Content)>,
    ladder: u8,
    probes: Vec<Key>,
    /// What the proof that is exported lacks.
    pruned: Vec<Edit>,
    edits: Vec<ExportEdit>,
    mutations: Vec<Mutation>,
}

const ENTRIES_MAX: usize = 48;
const PROBES_MAX: usize = 8;

fuzz_target!(|input: Input| {
    let model = model(&input);
    let entries: Vec<Change> = (model.iter())
        .map(|(key, value)| (key.clone(), Some(value.clone())))
        .collect();
    let map = Map::<Sha256>::new().apply(&batch(&entries));
    let mut keys: Vec<_> = (input.probes.iter().take(PROBES_MAX))
        .map(Key::bytes)
        .collect();
    keys.extend(model.keys().take(PROBES_MAX).cloned());
    keys.extend(model.keys().next_back().cloned());
    keys.push(vec![]); // which no map has

    let query = Query::new().keys(keys.iter().map(Vec::as_slice));
    let mut tree = PrunedTree::parse(&map.prove_query(&query.with_neighbours()).encode());
    for edit in input.pruned.iter().filter(|edit| edit.keeps_root()) {
        tree.edit(&Sha256, edit);
    }
    let proof = Proof::decode(&tree.encode()).expect("it is a tree");
    let view = proof
        .verify(&Sha256, &map.root())
        .expect("pruning keeps the root");

    let judge = Judge {
        root: map.root(),
        model: &model,
        keys: &keys,
    };
    let (mut covered, mut exports) = (Vec::new(), Vec::new());
    for key in &keys {
        let bytes = match view.to_ics23(key) {
            Ok(bytes) => bytes,
            Err(error) => {
                judge.check_error(error, key, input.pruned.is_empty());
                continue;
            }
        };
        let export = CommitmentProof::decode(&bytes[..]).expect("it is a proof");
        assert_eq!(
            export.encode_to_vec(),
            bytes,
            "as another encoder writes it"
        );
        assert!(judge.takes(&export, key), "{key:02x?}");
        covered.push(key);
        exports.push(export);
    }
    for (key, export) in covered.iter().zip(&exports) {
        if !input.edits.is_empty() {
            let mut edited = export.clone();
            for edit in &input.edits {
                edit.apply(&mut edited, &exports);
            }
            judge.check_changed(edited, export, key);
        }
        if !input.mutations.is_empty() {
            let mut bytes = export.encode_to_vec();
            mutate(&mut bytes, &input.mutations);
            if let Ok(mutated) = CommitmentProof::decode(&bytes[..]) {
                judge.check_changed(mutated, export, key);
            }
        }
    }
});

/// The entries; a few inputs of all also have keys that are prefixes of each other, up to so many
/// that their leaves lie deeper than ICS-23 takes.
fn model(input: &Input) -> Model {
    let entries = input.entries.iter().take(ENTRIES_MAX);
    let mut model: Model = entries
        .map(|(key, value)| (key.bytes(), value.bytes()))
        .collect();
    for len in 1..=9 * usize::from(input.ladder.saturating_sub(0xf0)) {
        model.entry(vec![0; len]).or_insert_with(|| vec![1]);
    }
    model
}

/// Who knows what the map holds.
struct Judge<'j> {
    root: Hash,
    model: &'j Model,
    keys: &'j [Vec<u8>],
}

impl Judge<'_> {
    /// Whether `ics23` takes `proof` for what the map holds under `key`.
    fn takes(&self, proof: &CommitmentProof, key: &[u8]) -> bool {
        match self.model.get(key) {
            Some(value) => self.shows(proof, key, value),
            None => self.shows_absent(proof, key),
        }
    }

    fn shows(&self, proof: &CommitmentProof, key: &[u8], value: &[u8]) -> bool {
        let root = self.root.as_bytes().to_vec();
        verify_membership::<HostFunctionsManager>(proof, &tendermint_spec(), &root, key, value)
    }

    fn shows_absent(&self, proof: &CommitmentProof, key: &[u8]) -> bool {
        let root = self.root.as_bytes().to_vec();
        verify_non_membership::<HostFunctionsManager>(proof, &tendermint_spec(), &root, key)
    }

    /// `changed` came of `good`, the export for `key`.
    fn check_changed(&self, mut changed: CommitmentProof, good: &CommitmentProof, key: &[u8]) {
        let leaves = match &changed.proof {
            Some(Exist(leaf)) => [Some(leaf), None],
            Some(Nonexist(absence)) => [absence.left.as_ref(), absence.right.as_ref()],
            // Batches and compressed proofs are none that are exported.
            _ => return,
        };
        // With the Tendermint spec, ics23 0.12 lets a leaf's prefix be longer than the spec has it,
        // and so takes the end of a long key for a key of its own, if a length stands before it.
        // It can then be shown two neighbours that are one leaf, and panics, since their paths
        // never part. Whoever verifies should refuse such prefixes.
        let is_short = |leaf: &&ExistenceProof| leaf.leaf.iter().all(|op| op.prefix.len() <= 1);
        if !leaves.iter().flatten().all(is_short) {
            return;
        }
        match &changed.proof {
            Some(Exist(leaf)) if self.shows(&changed, &leaf.key, &leaf.value) => {
                assert_eq!(self.model.get(&leaf.key), Some(&leaf.value));
            }
            Some(Nonexist(_)) => {
                for key in self.model.keys().chain(self.keys) {
                    let is_absent = !self.model.contains_key(key);
                    assert!(is_absent || !self.shows_absent(&changed, key), "{key:02x?}");
                }
            }
            _ => {}
        }
        // The key in a non-existence proof is nothing that ics23 looks at: it asks for its own.
        if let (Some(Nonexist(changed)), Some(Nonexist(good))) = (&mut changed.proof, &good.proof) {
            changed.key.clone_from(&good.key);
        }
        assert_eq!(self.takes(&changed, key), changed == *good, "{changed:?}");
    }

    /// `error` was the answer for `key`, from a proof that was asked for it, or pruned after.
    fn check_error(&self, error: Ics23Error, key: &[u8], is_whole: bool) {
        match error {
            Ics23Error::EmptyMap => assert!(self.model.is_empty()),
            Ics23Error::EmptyValue { .. } => assert!(self.needed(key).any(<[u8]>::is_empty)),
            Ics23Error::TooDeep { depth, .. } => {
                assert!(depth > 128 && self.model.len() > depth);
            }
            error => assert!(!is_whole, "{error}"),
        }
    }

    /// The values that an export for `key` shows.
    fn needed(&self, key: &[u8]) -> impl Iterator<Item = &[u8]> {
        use std::ops::Bound::{Included, Unbounded};
        let (before, after) = (
            self.model.range::<[u8], _>((Unbounded, Included(key))),
            self.model.range::<[u8], _>((Included(key), Unbounded)),
        );
        let present = self.model.get(key);
        let before = before.map(|(_, value)| value).next_back();
        let after = after.map(|(_, value)| value).next();
        let neighbours = [before, after].into_iter().flatten();
        neighbours
            .filter(move |_| present.is_none())
            .chain(present)
            .map(Vec::as_slice)
    }
}
