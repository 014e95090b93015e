//! Proofs: how fast they are made and verified, and how long they are.

use std::any::Any;
use std::hint::black_box;

use merkle_core::{Batch, Lookup, Map, Proof, Query};
use nomt_core::hasher::ValueHasher;
use nomt_core::proof::{MultiProof, PathProof, verify_multi_proof, verify_multi_proof_update};
use nomt_core::trie::LeafData;

use super::entries::{Entries, Random, VALUE_BYTES, put};
use super::profile::Profile;
use super::rival::nomt::Nomt;
use crate::measure::rates;
use crate::report::Report;
use crate::row::{Goal, Row};

/// Keys proved in a round, one by one or together.
const PROVED: usize = 20_000;

/// Keys of a multiproof, and of a transition.
const MANY: usize = 1_000;

/// Entries of a range proof.
const RANGE: usize = 10_000;

/// Bytes of an entry: its key and its value.
const ENTRY_BYTES: usize = 32 + VALUE_BYTES;

/// Reports the rows.
pub(super) fn rows<H: Profile>(report: &mut Report, entries: &Entries, map: &Map<H>) {
    let hash_value = <H::Nomt as ValueHasher>::hash_value;
    let nomt = Nomt::new::<H::Nomt>(entries.iter().map(|(key, value)| (*key, hash_value(value))));
    let prover = Prover { entries, map, nomt };
    prover.one_key(report);
    prover.many_keys(report);
    prover.transition(report);
    prover.range(report);
}

/// What is proved from: our map, and the same entries in nomt-core's trie.
struct Prover<'a, H> {
    entries: &'a Entries,
    map: &'a Map<H>,
    nomt: Nomt,
}

impl<H: Profile> Prover<'_, H> {
    fn row(&self, operation: &str, unit: &'static str, ours: f64) -> Row {
        let size = self.entries.len();
        Row::new(
            "merkle",
            format!("proof::{operation}_{}/size={size}", H::NAME),
            unit,
            ours,
        )
    }

    /// Rows on lengths, which no profile changes.
    fn length(&self, report: &mut Report, operation: &str, unit: &'static str, length: Length) {
        if !H::IS_SHA256 {
            return;
        }
        let size = self.entries.len();
        let name = format!("proof::{operation}/size={size}");
        let row = Row::new("merkle", name, unit, length.ours);
        report.row(&match length.goal {
            Some(goal) => row.goal(Goal::AtMost(goal)),
            None => row,
        });
    }

    fn one_key(&self, report: &mut Report) {
        let places = Random::new(20).places(PROVED, self.entries.len());
        let keys: Vec<_> = places.iter().map(|at| self.entries.keys()[*at]).collect();
        let proofs: Vec<_> = keys.iter().map(|key| self.map.prove(key)).collect();
        let encoded: Vec<_> = proofs.iter().map(Proof::encode).collect();
        let theirs: Vec<_> = keys
            .iter()
            .map(|key| self.nomt.prove::<H::Nomt>(key))
            .collect();

        let [made, verified, decoded, nomt] = rates([
            (PROVED, &mut || {
                let proofs = keys.iter().map(|key| self.map.prove(black_box(key)));
                Box::new(proofs.collect::<Vec<_>>())
            }),
            (PROVED, &mut || {
                let present = keys.iter().zip(black_box(&proofs));
                counted(
                    PROVED,
                    present.filter(|(key, proof)| self.shows(key, proof)),
                )
            }),
            (PROVED, &mut || {
                let present = keys.iter().zip(black_box(&encoded)).filter(|(key, bytes)| {
                    Proof::decode(bytes).is_ok_and(|proof| self.shows(key, &proof))
                });
                counted(PROVED, present)
            }),
            (PROVED, &mut || {
                let present = places.iter().zip(black_box(&theirs));
                counted(
                    PROVED,
                    present.filter(|(at, proof)| self.nomt_shows(**at, proof)),
                )
            }),
        ]);
        let goal = Goal::AtLeast(5e5);
        report.row(&self.row("prove", "proofs/s", made).goal(goal));
        let row = self.row("verify", "proofs/s", verified);
        report.row(&row.peer("nomt-core", nomt).goal(Goal::AtLeast(nomt)));
        report.row(&self.row("decode_verify", "proofs/s", decoded));

        let bytes: usize = encoded.iter().map(Vec::len).sum();
        let digests = keys.iter().map(|key| {
            let query = Query::new().key(key).digests();
            self.map.prove_query(&query).encode().len()
        });
        let digests: usize = digests.sum();
        let mean = |bytes: usize| bytes as f64 / PROVED as f64;
        self.length(report, "one", "bytes", Length::at_most(mean(bytes), 800.0));
        self.length(report, "one_digest", "bytes", Length::of(mean(digests)));
    }

    /// Whether the proof holds and shows an entry with this key.
    fn shows(&self, key: &[u8; 32], proof: &Proof) -> bool {
        let view = proof.verify(&H::default(), &self.map.root());
        view.is_ok_and(|view| matches!(view.get(key), Lookup::Present(_)))
    }

    /// The same of nomt-core, whose proof has the value's hash where ours has the value.
    fn nomt_shows(&self, place: usize, proof: &PathProof) -> bool {
        let leaf = self.nomt_leaf(place);
        let verified = proof.verify::<H::Nomt>(proof.terminal.path(), self.nomt.root);
        verified.is_ok_and(|path| matches!(path.confirm_value(&leaf), Ok(true)))
    }

    fn nomt_leaf(&self, place: usize) -> LeafData {
        LeafData {
            key_path: self.entries.keys()[place],
            value_hash: H::Nomt::hash_value(self.entries.value(place, 0)),
        }
    }

    fn many_keys(&self, report: &mut Report) {
        let sets = self.sets(21);
        let keys = |places: &[usize]| -> Vec<_> {
            places.iter().map(|at| self.entries.keys()[*at]).collect()
        };
        let keys: Vec<_> = sets.iter().map(|places| keys(places)).collect();
        let queries: Vec<_> = (keys.iter())
            .map(|keys| Query::new().keys(keys.iter().map(|key| &key[..])))
            .collect();
        let prove = |query| self.map.prove_query(query);
        let proofs: Vec<_> = queries.iter().map(prove).collect();
        let theirs: Vec<_> = (keys.iter())
            .map(|keys| self.nomt.prove_many::<H::Nomt>(keys))
            .collect();

        let [made, verified, nomt] = rates([
            (PROVED, &mut || {
                Box::new(black_box(&queries).iter().map(prove).collect::<Vec<_>>())
            }),
            (PROVED, &mut || {
                let held = keys.iter().zip(black_box(&proofs)).filter(|(keys, proof)| {
                    let view = proof.verify(&H::default(), &self.map.root());
                    let present = |key: &[u8; 32]| {
                        (view.as_ref())
                            .is_ok_and(|view| matches!(view.get(key), Lookup::Present(_)))
                    };
                    keys.iter().all(present)
                });
                counted(PROVED / MANY, held)
            }),
            (PROVED, &mut || {
                let held = sets.iter().zip(black_box(&theirs));
                counted(
                    PROVED / MANY,
                    held.filter(|(places, proof)| self.nomt_shows_all(places, proof)),
                )
            }),
        ]);
        report.row(&self.row("prove_1000", "keys/s", made));
        let row = self.row("verify_1000", "keys/s", verified);
        report.row(&row.peer("nomt-core", nomt).goal(Goal::AtLeast(nomt)));

        let bytes: usize = proofs.iter().map(|proof| proof.encode().len()).sum();
        let each = bytes as f64 / PROVED as f64;
        let beside = Length::at_most(each - ENTRY_BYTES as f64, 330.0);
        self.length(report, "multi_beside_entries", "bytes/key", beside);
        self.length(report, "multi_whole", "bytes/key", Length::of(each));
    }

    fn nomt_shows_all(&self, places: &[usize], proof: &MultiProof) -> bool {
        let verified = verify_multi_proof::<H::Nomt>(proof, self.nomt.root);
        verified.is_ok_and(|paths| {
            let mut leaves = places.iter().map(|place| self.nomt_leaf(*place));
            leaves.all(|leaf| matches!(paths.confirm_value(&leaf), Ok(true)))
        })
    }

    fn transition(&self, report: &mut Report) {
        let sets = self.sets(22);
        let batch = |places: &[usize]| {
            let mut batch = Batch::with_capacity(places.len());
            for place in places {
                let value = self.entries.value(*place, 1);
                put(&mut batch, &self.entries.keys()[*place], value);
            }
            batch
        };
        let batches: Vec<_> = sets.iter().map(|places| batch(places)).collect();
        let prove = |batch| self.map.prove_update(batch);
        let proofs: Vec<_> = batches.iter().map(prove).collect();
        let theirs: Vec<_> = (sets.iter())
            .map(|places| {
                let keys: Vec<_> = places.iter().map(|at| self.entries.keys()[*at]).collect();
                self.nomt.prove_many::<H::Nomt>(&keys)
            })
            .collect();

        let [made, applied, nomt] = rates([
            (PROVED, &mut || {
                Box::new(black_box(&batches).iter().map(prove).collect::<Vec<_>>())
            }),
            (PROVED, &mut || {
                let applied = batches
                    .iter()
                    .zip(black_box(&proofs))
                    .filter(|(batch, proof)| {
                        let view = proof.verify(&H::default(), &self.map.root());
                        view.is_ok_and(|view| view.apply(batch).is_ok())
                    });
                counted(PROVED / MANY, applied)
            }),
            (PROVED, &mut || {
                let applied = sets.iter().zip(black_box(&theirs));
                counted(
                    PROVED / MANY,
                    applied.filter(|(places, proof)| self.nomt_applies(places, proof)),
                )
            }),
        ]);
        report.row(&self.row("prove_update_1000", "updates/s", made));
        let row = self.row("apply_1000", "updates/s", applied);
        report.row(&row.peer("nomt-core", nomt));
        let bytes: usize = proofs.iter().map(|proof| proof.encode().len()).sum();
        let each = Length::of(bytes as f64 / PROVED as f64);
        self.length(report, "transition", "bytes/update", each);
    }

    fn nomt_applies(&self, places: &[usize], proof: &MultiProof) -> bool {
        let writes = places.iter().map(|place| {
            let value = H::Nomt::hash_value(self.entries.value(*place, 1));
            (self.entries.keys()[*place], Some(value))
        });
        let verified = verify_multi_proof::<H::Nomt>(proof, self.nomt.root);
        verified.is_ok_and(|paths| {
            verify_multi_proof_update::<H::Nomt>(&paths, writes.collect()).is_ok()
        })
    }

    fn range(&self, report: &mut Report) {
        let range = RANGE.min(self.entries.len() / 2);
        let first = self.entries.len() / 3;
        let (from, to) = (
            &self.entries.keys()[first],
            &self.entries.keys()[first + range],
        );
        let query = Query::new().range(&from[..]..&to[..]);
        let proof = self.map.prove_query(&query);

        let [made, verified] = rates([
            (range, &mut || {
                Box::new(self.map.prove_query(black_box(&query)))
            }),
            (range, &mut || {
                let view = black_box(&proof).verify(&H::default(), &self.map.root());
                let view = view.expect("the proof is of this map");
                let all = view
                    .range(&from[..]..&to[..])
                    .expect("the proof is of this range");
                counted(range, all)
            }),
        ]);
        report.row(&self.row("prove_range_10000", "entries/s", made));
        report.row(&self.row("verify_range_10000", "entries/s", verified));
        let ratio = proof.encode().len() as f64 / (range * ENTRY_BYTES) as f64;
        self.length(
            report,
            "range_10000",
            "x leaves' bytes",
            Length::at_most(ratio, 2.0),
        );
    }

    /// Sets of [`MANY`] places in order, [`PROVED`] in all.
    fn sets(&self, seed: u64) -> Vec<Vec<usize>> {
        let mut random = Random::new(seed);
        let set = |_| {
            let mut places = std::collections::BTreeSet::new();
            while places.len() < MANY {
                places.insert(random.below(self.entries.len()));
            }
            places.into_iter().collect()
        };
        (0..PROVED / MANY).map(set).collect()
    }
}

/// A length and what it may be at most.
struct Length {
    ours: f64,
    goal: Option<f64>,
}

impl Length {
    fn of(ours: f64) -> Self {
        Self { ours, goal: None }
    }

    fn at_most(ours: f64, goal: f64) -> Self {
        let goal = Some(goal);
        Self { ours, goal }
    }
}

/// Counts what held. All must: a proof that fails has not been measured.
fn counted(expected: usize, held: impl Iterator) -> Box<dyn Any> {
    let count = held.count();
    assert_eq!(count, expected, "proofs that hold");
    Box::new(count)
}
