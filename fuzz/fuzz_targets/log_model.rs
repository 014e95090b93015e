//! A log, its compact ranges, proofs and tiles against RFC 9162 taken literally.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use merkle_core::{
    CompactRange, ConsistencyPlan, ConsistencyProof, EntryBundle, Hash, InclusionPlan,
    InclusionProof, LeafIndex, Log, NodeId, RootPlan, Tile, TilePlan, TreeHead, TreeSize,
    log_leaf_hash,
};
use merkle_fuzz::{Mutation, log_consistency, log_inclusion, log_root, mutate};

#[derive(Arbitrary, Debug)]
struct Input {
    /// Of the log, and of an earlier state of it.
    sizes: [u16; 2],
    index: u16,
    /// How many different entries there are.
    entries: u8,
    /// Where the log is cut into ranges that are built apart.
    cuts: [u16; 3],
    mutations: Vec<Mutation>,
    /// Index and size where no test has a log.
    far: [u64; 2],
}

/// Three full tiles and a partial one; most logs have fewer leaves, which is faster.
const LEAVES_MAX: u16 = 900;

fuzz_target!(|input: Input| {
    let limit = if input.entries >= 0xc0 {
        LEAVES_MAX
    } else {
        70
    };
    let size = input.sizes[0] % (limit + 1);
    let old = input.sizes[1] % (size + 1);
    let entries: Vec<Vec<u8>> = (0..size)
        .map(|index| {
            (index % (1 + u16::from(input.entries)))
                .to_string()
                .into_bytes()
        })
        .collect();
    let log: Log = entries.iter().collect();
    let leaves: Vec<Hash> = entries.iter().map(|entry| log_leaf_hash(entry)).collect();
    let old_head = TreeHead::new(
        TreeSize::new(old.into()),
        log_root(&leaves[..usize::from(old)]),
    );
    assert_eq!(
        log.head(),
        TreeHead::new(TreeSize::new(size.into()), log_root(&leaves))
    );
    assert_eq!(log.root_at(old_head.size), Ok(old_head.root));

    check_ranges(&log, &leaves, input.cuts);
    check_consistency(&log, &leaves, &old_head, &input.mutations);
    if size > 0 {
        let index = input.index % size;
        check_inclusion(&log, &leaves, index.into(), &input.mutations);
        check_tiles(
            &log,
            &entries,
            old_head.size,
            index.into(),
            &input.mutations,
        );
    }
    check_far(input.far);
});

/// Ranges built apart, sent as bytes and merged are the range built at once.
fn check_ranges(log: &Log, leaves: &[Hash], cuts: [u16; 3]) {
    let mut cuts = cuts.map(|cut| usize::from(cut) % (leaves.len() + 1));
    cuts.sort_unstable();
    let [a, b, c] = cuts;
    let ranges = [0..a, a..b, b..c, c..leaves.len()].map(|part| {
        let mut range = CompactRange::starting_at(part.start as u64);
        range.append_all(&leaves[part]).expect("far from full");
        CompactRange::decode(&range.encode()).expect("its own bytes")
    });
    let [first, second, third, fourth] = &ranges;
    let mut left = first.clone();
    for range in [second, third, fourth] {
        left.merge(range).expect("they are neighbours");
    }
    assert_eq!(&left, log.range());
    let (mut right, mut whole) = (third.clone(), first.clone());
    right.merge(fourth).expect("they are neighbours");
    whole.merge(second).expect("they are neighbours");
    whole.merge(&right).expect("they are neighbours");
    assert_eq!(&whole, log.range());
    assert_eq!(whole.merge(first).is_ok(), whole.end() == 0);
}

fn check_inclusion(log: &Log, leaves: &[Hash], index: usize, mutations: &[Mutation]) {
    let (leaf, head) = (leaves[index], log.head());
    let place = LeafIndex::new(index as u64);
    let proof = log.prove_inclusion(place, head.size).expect("it is there");
    assert_eq!(proof.hashes(), log_inclusion(index, leaves));
    assert!(proof.verify(&leaf, &head).is_ok());
    let mut bytes = proof.encode();
    mutate(&mut bytes, mutations);
    let Ok(changed) = InclusionProof::decode(&bytes) else {
        return;
    };
    assert_eq!(changed.encode(), bytes);
    if let Ok(proven) = changed.verify(&leaf, &head) {
        // A leaf can be in the log more than once, but nowhere where it is not.
        let at = proven.index().get() as usize;
        assert_eq!(leaves.get(at), Some(&leaf));
        assert_eq!(changed.hashes(), log_inclusion(at, leaves));
    }
}

fn check_consistency(log: &Log, leaves: &[Hash], old: &TreeHead, mutations: &[Mutation]) {
    let head = log.head();
    let proof = log
        .prove_consistency(old.size, head.size)
        .expect("both are there");
    assert_eq!(
        proof.hashes(),
        log_consistency(old.size.get() as usize, leaves)
    );
    assert!(proof.verify(old, &head).is_ok());
    let other = TreeHead::new(old.size, Hash::default());
    assert!(proof.verify(&other, &head).is_err());
    let mut bytes = proof.encode();
    mutate(&mut bytes, mutations);
    let Ok(changed) = ConsistencyProof::decode(&bytes) else {
        return;
    };
    assert_eq!(changed.encode(), bytes);
    assert_eq!(changed.verify(old, &head).is_ok(), changed == proof);
}

/// From genuine tiles comes the log's proof; one changed tile is refused.
fn check_tiles(log: &Log, entries: &[Vec<u8>], old: TreeSize, index: u64, mutations: &[Mutation]) {
    let head = log.head();
    let node = |id: NodeId| log.node(id).copied().ok_or(());
    let inclusion = InclusionPlan::new(LeafIndex::new(index), head.size).expect("it is there");
    let consistency = ConsistencyPlan::new(old, head.size).expect("old is older");
    let bundle = Tile::at(0, index / 256, head.size).expect("it is there");
    let wanted = (inclusion.node_ids().chain(consistency.node_ids())).chain(bundle.node_ids());
    let plan = TilePlan::new(head, wanted).expect("the log has them");
    let mut contents: Vec<Vec<u8>> = (plan.tiles().iter())
        .map(|tile| tile.encode(node).expect("the log has them"))
        .collect();

    let tiles = plan.finish(&contents).expect("they are genuine");
    let proof = inclusion.resolve(|id| tiles.node(id));
    assert_eq!(
        proof.ok(),
        log.prove_inclusion(LeafIndex::new(index), head.size).ok()
    );
    let proof = consistency.resolve(|id| tiles.node(id));
    assert_eq!(proof.ok(), log.prove_consistency(old, head.size).ok());

    let first = index as usize / 256 * 256;
    let entries = &entries[first..first + usize::from(bundle.width())];
    let bundle = bundle.entries().expect("it is of level 0");
    let genuine = EntryBundle::encode(entries).expect("they fit");
    let mut bytes = genuine.clone();
    mutate(&mut bytes, mutations);
    if let Ok(decoded) = EntryBundle::decode(bundle, &bytes) {
        assert_eq!(decoded.verify(&tiles).is_ok(), bytes == genuine);
    }

    let changed = index as usize % contents.len();
    let genuine = contents[changed].clone();
    mutate(&mut contents[changed], mutations);
    assert_eq!(plan.finish(&contents).is_ok(), contents[changed] == genuine);
}

/// Plans of any size name as many nodes as the proof takes, and few tiles.
fn check_far([index, size]: [u64; 2]) {
    let (place, size) = (LeafIndex::new(index), TreeSize::new(size));
    let head = TreeHead::new(size, Hash::default());
    let any = |_| Ok::<_, ()>(Hash::default());
    if let Ok(plan) = InclusionPlan::new(place, size) {
        let proof = plan.resolve(any).expect("nothing fails");
        assert_eq!(
            InclusionProof::hash_count(place, size),
            Ok(proof.hashes().len())
        );
        assert_eq!(InclusionProof::decode(&proof.encode()), Ok(proof));
        let tiles = TilePlan::new(head, plan.node_ids()).expect("the log has them");
        assert!(tiles.tiles().len() <= 16);
    }
    if let Ok(plan) = ConsistencyPlan::new(TreeSize::new(index), size) {
        let proof = plan.resolve(any).expect("nothing fails");
        assert_eq!(ConsistencyProof::decode(&proof.encode()), Ok(proof));
        let tiles = TilePlan::new(head, plan.node_ids()).expect("the log has them");
        assert!(tiles.tiles().len() <= 16);
    }
    if let Ok(count) = CompactRange::hash_count(index, size.get()) {
        let range = CompactRange::from_parts(index, size.get(), vec![Hash::default(); count]);
        let mut range = range.expect("that many belong there");
        assert_eq!(
            range.append(&Hash::default()).is_err(),
            size.get() == u64::MAX
        );
        assert_eq!(range.hashes().len(), range.node_ids().count());
    }
    assert!(RootPlan::new(size).node_ids().count() <= 64);
}
