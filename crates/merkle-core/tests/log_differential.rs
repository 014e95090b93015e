//! The log against other implementations: `ct-merkle`, and Cloudflare's `tlog_tiles` and
//! `signed_note`.
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a failed unwrap is a failed test, and the sizes here are small"
)]

use ct_merkle::RootHash;
use ct_merkle::mem_backed_tree::MemoryBackedTree;
use merkle_core::{
    ConsistencyProof, Hash, InclusionPlan, InclusionProof, LeafIndex, Log, NodeId, Tile, TileKind,
    TilePlan, TreeHead, TreeSize,
};
use sha2::Sha256;

const SIZES: [u64; 12] = [1, 2, 3, 7, 8, 64, 255, 256, 257, 300, 511, 600];

fn entries(count: u64) -> Vec<Vec<u8>> {
    (0..count)
        .map(|i| format!("entry {i}").repeat(1 + i as usize % 9).into_bytes())
        .collect()
}

fn head_at(log: &Log, size: u64) -> TreeHead {
    let size = TreeSize::new(size);
    TreeHead::new(size, log.root_at(size).unwrap())
}

fn bytes(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| *hash.as_bytes()).collect()
}

fn ours(bytes: &[u8]) -> Vec<Hash> {
    let (hashes, rest) = bytes.as_chunks();
    assert!(rest.is_empty());
    hashes.iter().map(|hash| Hash::from_bytes(*hash)).collect()
}

#[test]
fn ct_merkle_makes_the_same_roots_and_proofs_and_each_verifies_the_other_s() {
    let entries = entries(70);
    let mut log = Log::new();
    let mut theirs = MemoryBackedTree::<Sha256, Vec<u8>>::new();
    let mut roots: Vec<RootHash<Sha256>> = vec![theirs.root()];
    for entry in &entries {
        log.append(entry);
        theirs.push(entry.clone());
        let (root, head) = (theirs.root(), log.head());
        assert_eq!(root.as_bytes()[..], head.root.as_bytes()[..]);

        for (at, entry) in entries[..head.size.get() as usize].iter().enumerate() {
            let index = LeafIndex::new(at as u64);
            let proof = log.prove_inclusion(index, head.size).unwrap();
            let their_proof = theirs.prove_inclusion(at);
            assert_eq!(bytes(proof.hashes()), their_proof.as_bytes());
            let carried = ct_merkle::InclusionProof::try_from_bytes(bytes(proof.hashes())).unwrap();
            assert!(root.verify_inclusion(entry, at as u64, &carried).is_ok());
            let hashes = ours(their_proof.as_bytes());
            let carried = InclusionProof::from_parts(index, head.size, hashes).unwrap();
            assert!(carried.verify_entry(entry, &head).is_ok());
        }
        for (old, old_root) in roots.iter().enumerate().skip(1) {
            let old_head = head_at(&log, old as u64);
            let proof = log.prove_consistency(old_head.size, head.size).unwrap();
            let their_proof = theirs.prove_consistency(head.size.get() as usize - old);
            assert_eq!(bytes(proof.hashes()), their_proof.as_bytes());
            let carried = ct_merkle::ConsistencyProof::try_from_bytes(bytes(proof.hashes()));
            assert!(root.verify_consistency(old_root, &carried.unwrap()).is_ok());
            let hashes = ours(their_proof.as_bytes());
            let carried = ConsistencyProof::from_parts(old_head.size, head.size, hashes).unwrap();
            assert!(carried.verify(&old_head, &head).is_ok());
        }
        roots.push(root);
    }
}

/// Lets `tlog_tiles` read our nodes by its own numbering.
struct Nodes<'l>(&'l Log);

impl tlog_tiles::HashReader for Nodes<'_> {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog_tiles::Hash>, tlog_tiles::Error> {
        let node = |index: &u64| {
            let (level, index) = tlog_tiles::split_stored_hash_index(*index);
            let id = NodeId::new(level, index).unwrap();
            tlog_tiles::Hash(*self.0.node(id).unwrap().as_bytes())
        };
        Ok(indexes.iter().map(node).collect())
    }
}

fn carry(hash: Hash) -> tlog_tiles::Hash {
    tlog_tiles::Hash(*hash.as_bytes())
}

/// Its paths are of the older form, with the tile height, and `data` for entries.
fn older_path(tile: Tile) -> String {
    let path = tile.to_string().replacen("tile/entries/", "tile/data/", 1);
    path.replacen("tile/", "tile/8/", 1)
}

#[test]
fn tlog_tiles_makes_the_same_roots_and_proofs_and_verifies_ours() {
    let log: Log = entries(600).iter().collect();
    for size in SIZES {
        let head = head_at(&log, size);
        let root = carry(head.root);
        assert!(tlog_tiles::tree_hash(size, &Nodes(&log)).unwrap() == root);
        for other in (0..size).step_by(1 + size as usize / 40).chain([size - 1]) {
            let index = LeafIndex::new(other);
            let proof = log.prove_inclusion(index, head.size).unwrap();
            let proof = proof
                .hashes()
                .iter()
                .copied()
                .map(carry)
                .collect::<Vec<_>>();
            assert!(proof == tlog_tiles::prove_record(size, other, &Nodes(&log)).unwrap());
            let leaf = carry(*log.leaf(index).unwrap());
            assert!(tlog_tiles::check_record(&proof, size, root, other, leaf).is_ok());
            if other > 0 {
                let old = head_at(&log, other);
                let proof = log.prove_consistency(old.size, head.size).unwrap();
                let proof = proof
                    .hashes()
                    .iter()
                    .copied()
                    .map(carry)
                    .collect::<Vec<_>>();
                assert!(proof == tlog_tiles::prove_tree(size, other, &Nodes(&log)).unwrap());
                assert!(tlog_tiles::check_tree(&proof, size, root, other, carry(old.root)).is_ok());
            }
        }
    }
}

#[test]
fn tlog_tiles_names_and_fills_the_same_tiles() {
    let log: Log = entries(600).iter().collect();
    for (at, new) in SIZES.into_iter().enumerate() {
        for old in [&[0], &SIZES[..at]].concat() {
            let ours: Vec<Tile> = Tile::grown(TreeSize::new(old), TreeSize::new(new)).collect();
            let theirs = tlog_tiles::Tile::new_tiles(8, old, new);
            let paths: Vec<String> = theirs.iter().map(tlog_tiles::Tile::path).collect();
            assert_eq!(
                ours.iter()
                    .map(|tile| older_path(*tile))
                    .collect::<Vec<_>>(),
                paths
            );
            for (ours, theirs) in ours.iter().zip(theirs) {
                let content = ours.encode(|id| log.node(id).copied().ok_or(())).unwrap();
                assert_eq!(content, theirs.read_data(&Nodes(&log)).unwrap());
                assert_eq!(ours.to_string().parse(), Ok(*ours));
            }
        }
    }
}

#[test]
fn tlog_tiles_agrees_on_paths() {
    for index in [
        0,
        1,
        9,
        999,
        1000,
        1067,
        999_999,
        1_000_000,
        123_456_789,
        u64::MAX / 256 - 1,
    ] {
        for (kind, width) in [(TileKind::Hashes { level: 0 }, 256), (TileKind::Entries, 8)] {
            let tile = Tile::new(kind, index, width).unwrap();
            let theirs = tlog_tiles::Tile::from_path(&older_path(tile)).unwrap();
            assert_eq!(
                (theirs.level_index(), theirs.width()),
                (index, u32::from(width))
            );
        }
    }
}

/// Reads only what `TilePlan` named, as a server would serve it.
struct Served<'t>(&'t [Tile], &'t [Vec<u8>]);

impl tlog_tiles::TileReader for Served<'_> {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(&self, tiles: &[tlog_tiles::Tile]) -> Result<Vec<Vec<u8>>, tlog_tiles::Error> {
        let content = |wanted: &tlog_tiles::Tile| {
            let named = |tile: &Tile| older_path(*tile) == wanted.path();
            self.1[self
                .0
                .iter()
                .position(named)
                .expect("a tile that we did not plan")]
            .clone()
        };
        Ok(tiles.iter().map(content).collect())
    }

    fn save_tiles(&self, _: &[tlog_tiles::Tile], _: &[Vec<u8>]) {}
}

#[test]
fn tlog_tiles_needs_no_other_tiles_and_authenticates_them_alike() {
    let log: Log = (0..70_000_u32).map(u32::to_be_bytes).collect();
    let head = log.head();
    for index in [0, 255, 256, 65_535, 65_536, 69_887, 69_888, 69_999] {
        let plan = InclusionPlan::new(LeafIndex::new(index), head.size).unwrap();
        let tiles = TilePlan::new(head, plan.node_ids()).unwrap();
        let node = |id| log.node(id).copied().ok_or(());
        let mut contents: Vec<_> = tiles
            .tiles()
            .iter()
            .map(|tile| tile.encode(node).unwrap())
            .collect();

        let served = Served(tiles.tiles(), &contents);
        let theirs = tlog_tiles::TileHashReader::new(head.size.get(), carry(head.root), &served);
        let their_proof = tlog_tiles::prove_record(head.size.get(), index, &theirs).unwrap();
        let verified = tiles.finish(&contents).unwrap();
        let proof = plan.resolve(|id| verified.node(id)).unwrap();
        assert_eq!(
            Ok(&proof),
            log.prove_inclusion(LeafIndex::new(index), head.size)
                .as_ref()
        );
        assert!(
            their_proof
                == proof
                    .hashes()
                    .iter()
                    .copied()
                    .map(carry)
                    .collect::<Vec<_>>()
        );

        for tampered in 0..contents.len() {
            contents[tampered][17] ^= 4;
            assert!(tiles.finish(&contents).is_err());
            contents[tampered][17] ^= 4;
        }
    }
}

#[cfg(feature = "note")]
mod notes {
    use super::*;
    use merkle_core::{Checkpoint, SignedNote, SignerKey, VerifierKey};

    #[test]
    fn signed_note_makes_the_same_notes_and_verifies_ours() {
        for seed in 0..20_u8 {
            let key = SignerKey::from_seed("example.com/log", &[seed; 32]).unwrap();
            let witness = SignerKey::from_seed("witness.example/é", &[!seed; 32]).unwrap();
            let text = format!("line {seed}\n\n{}\n", "\n".repeat(usize::from(seed) % 3));
            let mut note = SignedNote::sign(&text, &key).unwrap();
            note.countersign(&witness).unwrap();

            let signer = signed_note::StandardSigner::new(&key.to_secret_text()).unwrap();
            let second = signed_note::StandardSigner::new(&witness.to_secret_text()).unwrap();
            let mut theirs = signed_note::Note::new(text.as_bytes(), &[]).unwrap();
            theirs.add_sigs(&[&signer, &second]).unwrap();
            assert_eq!(theirs.to_bytes(), note.to_string().into_bytes());

            let verifier_text = key.verifier_key().to_string();
            let verifier = signed_note::StandardVerifier::new(&verifier_text).unwrap();
            let known = signed_note::VerifierList::new(vec![Box::new(verifier)]);
            let parsed = signed_note::Note::from_bytes(note.to_string().as_bytes()).unwrap();
            let (verified, unverified) = parsed.verify(&known).unwrap();
            assert_eq!((verified.len(), unverified.len()), (1, 1));

            let trusted = [verifier_text.parse::<VerifierKey>().unwrap()];
            let carried = SignedNote::parse(&theirs.to_bytes()).unwrap();
            assert_eq!(carried, note);
            assert_eq!(carried.verify(&trusted).unwrap().keys(), [&trusted[0]]);
        }
    }

    #[test]
    fn signed_note_refuses_what_we_refuse() {
        let key = SignerKey::from_seed("example.com/log", &[1; 32]).unwrap();
        let good = SignedNote::sign("one\ntwo\n", &key)
            .unwrap()
            .to_string()
            .into_bytes();
        for at in 0..good.len() {
            for change in [0x01, 0x20, 0x80, b'\n' ^ good[at], b'=' ^ good[at]] {
                let mut bad = good.clone();
                bad[at] ^= change;
                let (ours, theirs) = (SignedNote::parse(&bad), signed_note::Note::from_bytes(&bad));
                assert_eq!(ours.is_ok(), theirs.is_ok(), "byte {at} ^ {change:#x}");
                if let Ok(note) = ours {
                    assert_eq!(note.to_string().into_bytes(), bad);
                }
            }
        }
    }

    #[test]
    fn tlog_tiles_reads_our_checkpoints() {
        let log: Log = ["one", "two"].iter().collect();
        let checkpoint = Checkpoint::new("example.com/log", log.head()).unwrap();
        let checkpoint = checkpoint.with_extension("some thing").unwrap();
        let text = checkpoint.to_string();
        let theirs = tlog_tiles::Checkpoint::from_bytes(text.as_bytes()).unwrap();
        assert_eq!((theirs.origin(), theirs.size()), ("example.com/log", 2));
        assert!(*theirs.hash() == carry(log.head().root));
        assert_eq!(theirs.extension(), "some thing\n");
        assert_eq!(theirs.to_bytes(), text.as_bytes());
    }
}
