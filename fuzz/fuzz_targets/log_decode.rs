//! Bytes that claim to be part of a log: never a panic, and one form of what is accepted.
#![no_main]

use libfuzzer_sys::fuzz_target;
use merkle_core::{
    CompactRange, ConsistencyProof, EntryBundle, Hash, InclusionProof, Tile, TileKind, TilePlan,
    TreeHead,
};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(proof) = InclusionProof::decode(bytes) {
        assert_eq!(proof.encode(), bytes);
        assert!(proof.hashes().len() <= InclusionProof::HASHES_MAX);
        let head = TreeHead::new(proof.size(), proof.root_for(&Hash::default()));
        assert!(proof.verify(&Hash::default(), &head).is_ok());
    }
    if let Ok(proof) = ConsistencyProof::decode(bytes) {
        assert_eq!(proof.encode(), bytes);
        assert!(proof.hashes().len() <= ConsistencyProof::HASHES_MAX);
        let [old, new] =
            [proof.old_size(), proof.new_size()].map(|size| TreeHead::new(size, Hash::default()));
        // Two trees of one size are the same tree, empty or not.
        let same = old.size == new.size && old.size.get() > 0;
        assert_eq!(proof.verify(&old, &new).is_ok(), same);
    }
    if let Ok(mut range) = CompactRange::decode(bytes) {
        assert_eq!(range.encode(), bytes);
        assert_eq!(range.head().is_some(), range.begin() == 0);
        // One leaf more, twice: appended, and as a range of its own.
        let end = range.end();
        let appended = range.append_entry(bytes).is_ok();
        let mut right = CompactRange::starting_at(range.end());
        let merged = right.append_entry(b"").is_ok();
        assert!(range.merge(&right).is_ok());
        assert_eq!(range.end() - end, u64::from(appended) + u64::from(merged));
        assert_eq!(CompactRange::decode(&range.encode()), Ok(range));
    }
    if let Ok(path) = str::from_utf8(bytes)
        && let Ok(tile) = path.parse::<Tile>()
    {
        assert_eq!(tile.to_string(), path);
        assert_eq!(tile.node_ids().count(), usize::from(tile.width()));
    }
    if let Some((width, content)) = bytes.split_first() {
        check_contents(u16::from(*width) + 1, content);
    }
});

/// A bundle of entries, and a tile of hashes, of this width.
fn check_contents(width: u16, content: &[u8]) {
    let tile = Tile::new(TileKind::Entries, 0, width).expect("1 to 256");
    if let Ok(bundle) = EntryBundle::decode(tile, content) {
        assert_eq!(bundle.entries().len(), usize::from(width));
        assert_eq!(
            EntryBundle::encode(bundle.entries()).as_deref(),
            Ok(content)
        );
    }
    let tile = Tile::new(TileKind::Hashes { level: 0 }, 0, width).expect("1 to 256");
    if let Ok(hashes) = tile.decode(content) {
        let mut next = hashes.iter();
        let encoded = tile.encode(|_| next.next().copied().ok_or(()));
        assert_eq!(encoded.as_deref(), Ok(content));
    }
    let head = TreeHead::new(u64::from(width).into(), Hash::default());
    let plan = TilePlan::new(head, []).expect("nothing is asked for");
    // A root of zeros is that of one hash, the zeros themselves, and of nothing else.
    let zeros = plan.tiles()[0].width() == 1 && content == [0; Hash::LEN];
    assert_eq!(plan.finish(&[content]).is_ok(), zeros);
}
