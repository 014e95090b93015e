//! The log: appending, its proofs, and reading them from tiles.

use std::any::Any;
use std::collections::HashMap;
use std::hint::black_box;

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use merkle_core::{
    CompactRange, Hash, InclusionPlan, LeafIndex, Log, NodeId, Tile, TilePlan, TreeHead, TreeSize,
    log_inner_hash,
};
use rs_merkle::MerkleTree;
use rs_merkle::algorithms::Sha256;

use super::entries::Random;
use crate::measure::{per_second, rates};
use crate::report::Report;
use crate::row::{Goal, Row};

/// Proofs made and verified in a round.
const PROOFS: usize = 10_000;

/// ct-merkle hashes its items itself: here leaf hashes, of which it makes leaves once more.
type CtMerkle = MemoryBackedTree<sha2::Sha256, [u8; 32]>;

/// Reports the rows.
pub(super) fn rows(report: &mut Report) {
    let size = report.size(1_000_000, 100_000);
    let mut random = Random::new(30);
    let leaves: Vec<_> = (0..size).map(|_| random.key()).collect();
    append(report, &leaves);

    let mut log = Log::with_capacity(size);
    let mut peer = CtMerkle::new();
    for leaf in &leaves {
        log.append_leaf(&Hash::from_bytes(*leaf));
        peer.push(*leaf);
    }
    inclusion(report, &log, &peer);
    consistency(report, &log, &peer);
    tiles(report, &log);
}

fn row(operation: &str, size: usize, unit: &'static str, ours: f64) -> Row {
    let name = format!("log::{operation}/size={size}");
    Row::new("merkle", name, unit, ours)
}

fn append(report: &mut Report, leaves: &[[u8; 32]]) {
    let size = leaves.len();
    let hashes: Vec<_> = leaves.iter().map(|leaf| Hash::from_bytes(*leaf)).collect();
    let [ours, compact, floor, ct_merkle, rs_merkle] = rates([
        (size, &mut || {
            let mut log = Log::new();
            for leaf in black_box(&hashes) {
                log.append_leaf(leaf);
            }
            Box::new(log.head())
        }),
        (size, &mut || {
            let mut range = CompactRange::new();
            let appended = range.append_all(black_box(&hashes));
            appended.expect("there is room for a million leaves");
            Box::new(range.head())
        }),
        (size, &mut || {
            for pair in black_box(&hashes).windows(2) {
                black_box(log_inner_hash(&pair[0], &pair[1]));
            }
            Box::new(())
        }),
        (size, &mut || {
            let mut tree = CtMerkle::new();
            for leaf in black_box(leaves) {
                tree.push(*leaf);
            }
            Box::new(tree.len())
        }),
        // All at once: to append one by one it would copy its tree each time.
        (size, &mut || {
            Box::new(MerkleTree::<Sha256>::from_leaves(black_box(leaves)).root())
        }),
    ]);
    let row = |name, ours| row(name, size, "appends/s", ours);
    report.row(
        &row("append", ours)
            .peer("hash floor", floor)
            .peer("ct-merkle", ct_merkle)
            .peer("rs_merkle", rs_merkle)
            .goal(Goal::AtLeast(3e6)),
    );
    report.row(&row("append_compact", compact).peer("hash floor", floor));
}

fn inclusion(report: &mut Report, log: &Log, peer: &CtMerkle) {
    let size = log.size();
    let count = peer.items().len();
    let places = Random::new(31).places(PROOFS, count);
    let index = |at: usize| LeafIndex::new(at as u64);
    let prove = |at: &usize| log.prove_inclusion(index(*at), size).expect("in the log");
    let proofs: Vec<_> = places.iter().map(prove).collect();
    let theirs: Vec<_> = places.iter().map(|at| peer.prove_inclusion(*at)).collect();
    let (head, root) = (log.head(), peer.root());

    let [made, verified, their_made, their_verified] = rates([
        (PROOFS, &mut || {
            Box::new(places.iter().map(prove).collect::<Vec<_>>())
        }),
        (PROOFS, &mut || {
            all(places.iter().zip(black_box(&proofs)).map(|(at, proof)| {
                let leaf = log.leaf(index(*at)).copied().unwrap_or_default();
                proof.verify(&leaf, &head).is_ok()
            }))
        }),
        (PROOFS, &mut || {
            let proofs = places.iter().map(|at| peer.prove_inclusion(*at));
            Box::new(proofs.collect::<Vec<_>>())
        }),
        (PROOFS, &mut || {
            all(places.iter().zip(black_box(&theirs)).map(|(at, proof)| {
                let item = &peer.items()[*at];
                root.verify_inclusion(item, *at as u64, proof).is_ok()
            }))
        }),
    ]);
    let row = |name, ours| row(name, count, "proofs/s", ours);
    report.row(&row("prove_inclusion", made).peer("ct-merkle", their_made));
    report.row(&row("verify_inclusion", verified).peer("ct-merkle", their_verified));
}

fn consistency(report: &mut Report, log: &Log, peer: &CtMerkle) {
    let count = peer.items().len();
    let size = log.size();
    // Sizes from 1 to one below all.
    let olds = Random::new(32).places(PROOFS, count - 1);
    let olds: Vec<_> = olds.into_iter().map(|old| old + 1).collect();
    let old_size = |old: usize| TreeSize::new(old as u64);
    let prove = |old: &usize| {
        log.prove_consistency(old_size(*old), size)
            .expect("in the log")
    };
    let proofs: Vec<_> = olds.iter().map(prove).collect();
    let heads: Vec<_> = (olds.iter())
        .map(|old| {
            TreeHead::new(
                old_size(*old),
                log.root_at(old_size(*old)).expect("in the log"),
            )
        })
        .collect();
    let new = log.head();

    // ct-merkle knows the roots of its present size alone, and so verifies nothing here.
    let [made, verified, their_made] = rates([
        (PROOFS, &mut || {
            Box::new(olds.iter().map(prove).collect::<Vec<_>>())
        }),
        (PROOFS, &mut || {
            let held = heads.iter().zip(black_box(&proofs));
            all(held.map(|(old, proof)| proof.verify(old, &new).is_ok()))
        }),
        (PROOFS, &mut || {
            let proofs = olds.iter().map(|old| peer.prove_consistency(count - old));
            Box::new(proofs.collect::<Vec<_>>())
        }),
    ]);
    let row = |name, ours| row(name, count, "proofs/s", ours);
    report.row(&row("prove_consistency", made).peer("ct-merkle", their_made));
    report.row(&row("verify_consistency", verified));
}

/// Proofs by somebody who has the head and may read tiles, none of which is trusted.
fn tiles(report: &mut Report, log: &Log) {
    let size = log.size();
    let count = usize::try_from(size.get()).expect("a million");
    let node = |id: NodeId| log.node(id).copied().ok_or(());
    let files: HashMap<Tile, Vec<u8>> = Tile::grown(TreeSize::EMPTY, size)
        .map(|tile| (tile, tile.encode(node).expect("the log has its nodes")))
        .collect();
    let places = Random::new(33).places(PROOFS / 10, count);
    let plan = |at: usize| {
        let index = LeafIndex::new(at as u64);
        let plan = InclusionPlan::new(index, size).expect("in the log");
        let tiles = TilePlan::new(log.head(), plan.node_ids()).expect("in the log");
        (plan, tiles)
    };

    let [rate] = per_second(
        places.len(),
        [&mut || {
            for at in &places {
                let (plan, tiles) = plan(*at);
                let read: Vec<_> = tiles.tiles().iter().map(|tile| &files[tile]).collect();
                let tiles = tiles.finish(&read).expect("the tiles are of this log");
                let proof = plan.resolve(|id| tiles.node(id)).expect("planned");
                black_box(proof);
            }
        }],
    );
    report.row(&row("prove_inclusion_from_tiles", count, "proofs/s", rate));

    let read = places.iter().map(|at| plan(*at).1.tiles().len());
    let mean = read.sum::<usize>() as f64 / places.len() as f64;
    // O(log n): a level of tiles is eight levels of the tree, and each has at most the tile on the
    // way up and the one on the edge.
    let levels = f64::from(count.ilog2() / 8 + 1);
    let goal = Goal::AtMost(2.0 * levels);
    report.row(&row("tiles_read", count, "tiles/proof", mean).goal(goal));
}

/// Whether all hold. They must: a proof that fails has not been measured.
fn all(mut held: impl Iterator<Item = bool>) -> Box<dyn Any> {
    assert!(held.all(|holds| holds), "every proof holds");
    Box::new(())
}
