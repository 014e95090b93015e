//! Published vectors: RFC 6962 proofs of transparency-dev/merkle, and the test log of
//! transparency-dev/tessera.
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a failed unwrap is a failed test, and the sizes here are small"
)]

use std::fs;
use std::path::{Path, PathBuf};

use base64ct::{Base64, Encoding};
use merkle_core::{
    ConsistencyProof, EntryBundle, Hash, InclusionPlan, InclusionProof, LeafIndex, Log, Tile,
    TileKind, TilePlan, TreeHead, TreeSize, log_leaf_hash,
};
use serde_json::Value;

const ENTRIES: &str =
    "one two three four five six seven eit nain ten ileven twelf threeten fourten fivten";

/// The folder of vectors, which a checkout elsewhere does not have.
fn vectors(name: &str) -> Option<PathBuf> {
    let folder = Path::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../../shared/vectors"
    ))
    .join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    assert!(
        std::env::var("CI").as_deref() != Ok("true"),
        "no vectors at {}",
        folder.display()
    );
    println!("skipped: no vectors at {}", folder.display());
    None
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = vec![];
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_below(&path))
        } else {
            files.push(path)
        }
    }
    files.sort();
    files
}

fn cases(folder: &Path) -> Vec<(PathBuf, Value)> {
    let read = |path: PathBuf| {
        let value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        (path, value)
    };
    files_below(folder).into_iter().map(read).collect()
}

/// A hash in base64; `None` where the vector has one of another length, which no `Hash` can be.
fn hash(value: &Value) -> Option<Hash> {
    let bytes = Base64::decode_vec(value.as_str().unwrap()).unwrap();
    Some(Hash::from_bytes(bytes.try_into().ok()?))
}

fn hashes(value: &Value) -> Option<Vec<Hash>> {
    value
        .as_array()
        .map_or(Some(vec![]), |all| all.iter().map(hash).collect())
}

fn size(value: &Value) -> TreeSize {
    TreeSize::new(value.as_u64().unwrap())
}

#[test]
fn inclusion_proofs_of_rfc6962_are_judged_as_published() {
    let Some(folder) = vectors("rfc6962/inclusion") else {
        return;
    };
    let mut judged = [0, 0];
    for (path, case) in cases(&folder) {
        let verify = || {
            let index = LeafIndex::new(case["leafIdx"].as_u64()?);
            let head = TreeHead::new(size(&case["treeSize"]), hash(&case["root"])?);
            let proof = InclusionProof::from_parts(index, head.size, hashes(&case["proof"])?);
            proof.ok()?.verify(&hash(&case["leafHash"])?, &head).ok()
        };
        let refused = case["wantErr"].as_bool().unwrap();
        assert_eq!(verify().is_none(), refused, "{}", path.display());
        judged[usize::from(refused)] += 1;
    }
    assert_eq!(judged, [6, 80]);
}

#[test]
fn consistency_proofs_of_rfc6962_are_judged_as_published() {
    let Some(folder) = vectors("rfc6962/consistency") else {
        return;
    };
    let mut judged = [0, 0];
    for (path, case) in cases(&folder) {
        let verify = || {
            let old = TreeHead::new(size(&case["size1"]), hash(&case["root1"])?);
            let new = TreeHead::new(size(&case["size2"]), hash(&case["root2"])?);
            let proof = ConsistencyProof::from_parts(old.size, new.size, hashes(&case["proof"])?);
            proof.ok()?.verify(&old, &new).ok()
        };
        let refused = case["wantErr"].as_bool().unwrap();
        assert_eq!(verify().is_none(), refused, "{}", path.display());
        judged[usize::from(refused)] += 1;
    }
    assert_eq!(judged, [5, 79]);
}

fn published_log() -> Log {
    ENTRIES.split(' ').collect()
}

#[test]
fn every_file_of_the_published_log_is_reproduced() {
    let Some(folder) = vectors("tlog-log") else {
        return;
    };
    let (log, entries) = (published_log(), ENTRIES.split(' ').collect::<Vec<_>>());
    let mut seen = std::collections::BTreeSet::new();
    for path in files_below(&folder.join("tile")) {
        let name = path.strip_prefix(&folder).unwrap().to_str().unwrap();
        let tile: Tile = name.parse().unwrap();
        assert_eq!(tile.to_string(), name);
        let content = fs::read(&path).unwrap();
        let width = usize::from(tile.width());
        let ours = match tile.kind() {
            TileKind::Entries => EntryBundle::encode(&entries[..width]).unwrap(),
            _ => tile.encode(|id| log.node(id).copied().ok_or(())).unwrap(),
        };
        assert_eq!(ours, content, "{name}");
        if tile.kind() == TileKind::Entries {
            let bundle = EntryBundle::decode(tile, &content).unwrap();
            assert!(
                bundle
                    .entries()
                    .iter()
                    .zip(&entries)
                    .all(|(a, b)| *a == b.as_bytes())
            );
        }
        seen.insert(tile);
    }
    // The log grew one by one, so it has a file for each tile and bundle that growing asks for.
    let mut expected = std::collections::BTreeSet::new();
    for size in 1..=15 {
        for tile in Tile::grown(TreeSize::new(size - 1), TreeSize::new(size)) {
            expected.extend([Some(tile), tile.entries()].into_iter().flatten());
        }
    }
    assert_eq!(seen, expected);
    assert_eq!(seen.len(), 30);
}

#[test]
fn proofs_from_the_published_tiles_verify() {
    let Some(folder) = vectors("tlog-log") else {
        return;
    };
    let (log, entries) = (published_log(), ENTRIES.split(' ').collect::<Vec<_>>());
    for size in 1..=15 {
        let size = TreeSize::new(size);
        let head = TreeHead::new(size, log.root_at(size).unwrap());
        for index in 0..size.get() {
            let plan = InclusionPlan::new(LeafIndex::new(index), size).unwrap();
            let tiles = TilePlan::new(head, plan.node_ids()).unwrap();
            let contents: Vec<_> = tiles
                .tiles()
                .iter()
                .map(|tile| fs::read(folder.join(tile.to_string())).unwrap())
                .collect();
            let verified = tiles.finish(&contents).unwrap();
            let proof = plan.resolve(|id| verified.node(id)).unwrap();
            let entry = entries[usize::try_from(index).unwrap()];
            assert!(proof.verify_entry(entry.as_bytes(), &head).is_ok());
            assert_eq!(
                log.leaf(LeafIndex::new(index)),
                Some(&log_leaf_hash(entry.as_bytes()))
            );
        }
    }
}

#[cfg(feature = "note")]
mod checkpoints {
    use super::*;
    use merkle_core::{Checkpoint, SignedNote, SignerKey, VerifierKey};

    const ORIGIN: &str = "example.com/log/testdata";
    const PUBLIC: &str =
        "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx";
    const SECRET: &str = "PRIVATE+KEY+example.com/log/testdata+33d7b496+\
                          AeymY/SZAX0jZcJ8enZ5FY1Dz+wTML2yWSkK+9DSF3eg";

    fn published_heads(folder: &Path) -> Vec<TreeHead> {
        let trusted = [PUBLIC.parse::<VerifierKey>().unwrap()];
        let head = |size| {
            let bytes = fs::read(folder.join(format!("checkpoint.{size}"))).unwrap();
            let note = SignedNote::parse(&bytes).unwrap();
            note.verify(&trusted)
                .unwrap()
                .checkpoint(ORIGIN)
                .unwrap()
                .head()
        };
        (0..=15).map(head).collect()
    }

    #[test]
    fn all_sixteen_checkpoints_are_verified_and_reproduced() {
        let Some(folder) = vectors("tlog-log") else {
            return;
        };
        let (log, key) = (published_log(), SECRET.parse::<SignerKey>().unwrap());
        assert_eq!(key.verifier_key().to_string(), PUBLIC);
        assert_eq!(key.to_secret_text(), SECRET);
        for (size, head) in published_heads(&folder).into_iter().enumerate() {
            let size = TreeSize::new(size as u64);
            assert_eq!(head, TreeHead::new(size, log.root_at(size).unwrap()));
            let checkpoint = Checkpoint::new(ORIGIN, head).unwrap();
            let ours = SignedNote::sign(&checkpoint.to_string(), &key)
                .unwrap()
                .to_string();
            let published = fs::read(folder.join(format!("checkpoint.{size}"))).unwrap();
            assert_eq!(ours.as_bytes(), published, "checkpoint.{size}");
        }
        let newest = fs::read(folder.join("checkpoint")).unwrap();
        assert_eq!(newest, fs::read(folder.join("checkpoint.15")).unwrap());
    }

    #[test]
    fn all_pairs_of_published_checkpoints_are_consistent() {
        let Some(folder) = vectors("tlog-log") else {
            return;
        };
        let (log, heads) = (published_log(), published_heads(&folder));
        let mut pairs = 0;
        for new in &heads {
            for old in heads.iter().filter(|old| old.size <= new.size) {
                let proof = log.prove_consistency(old.size, new.size).unwrap();
                assert!(
                    proof.verify(old, new).is_ok(),
                    "{} to {}",
                    old.size,
                    new.size
                );
                assert_eq!(proof.verify(new, old).is_ok(), old == new);
                pairs += 1;
            }
        }
        assert_eq!(pairs, 136);
    }
}
