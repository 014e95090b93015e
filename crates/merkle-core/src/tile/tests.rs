#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use alloc::vec;
use alloc::vec::Vec;

use super::*;
use crate::{InclusionPlan, LeafIndex, Log, RootPlan, TreeHead};

fn log(size: u32) -> Log {
    (0..size).map(u32::to_be_bytes).collect()
}

fn contents(log: &Log, tiles: &[Tile]) -> Vec<Vec<u8>> {
    let node = |id| log.node(id).copied().ok_or(());
    tiles
        .iter()
        .map(|tile| tile.encode(node).unwrap())
        .collect()
}

fn head_at(log: &Log, size: u64) -> TreeHead {
    let size = TreeSize::new(size);
    TreeHead::new(size, log.root_at(size).unwrap())
}

#[test]
fn every_changed_byte_of_every_tile_is_detected() {
    let log = log(70_000);
    for (size, index) in [
        (1, 0),
        (255, 9),
        (256, 9),
        (257, 9),
        (600, 300),
        (70_000, 5),
    ] {
        let head = head_at(&log, size);
        let plan = InclusionPlan::new(LeafIndex::new(index), head.size).unwrap();
        let tiles = TilePlan::new(head, plan.node_ids()).unwrap();
        let mut contents = contents(&log, tiles.tiles());
        assert!(tiles.finish(&contents).is_ok());
        for (at, tile) in tiles.tiles().iter().enumerate() {
            let step = contents[at].len() / 64 + 1;
            for byte in (0..contents[at].len()).step_by(step) {
                contents[at][byte] ^= 0x10;
                match tiles.finish(&contents) {
                    Err(TileError::Tampered { tile: named }) if tile.is_full() => {
                        assert_eq!(named, *tile);
                    }
                    Err(TileError::RootMismatch { expected, .. }) if !tile.is_full() => {
                        assert_eq!(expected, head.root);
                    }
                    other => panic!("{tile}, byte {byte}: {other:?}"),
                }
                contents[at][byte] ^= 0x10;
            }
        }
    }
}

#[test]
fn tiles_of_another_width_number_or_order_are_refused() {
    let log = log(600);
    let plan = InclusionPlan::new(LeafIndex::new(300), log.size()).unwrap();
    let tiles = TilePlan::new(log.head(), plan.node_ids()).unwrap();
    let good = contents(&log, tiles.tiles());

    let (expected, found) = (good.len(), good.len() - 1);
    let refused = tiles.finish(&good[..found]);
    assert_eq!(refused, Err(TileError::WrongTileCount { expected, found }));
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at].truncate(good[at].len() - 32);
        assert!(matches!(
            tiles.finish(&bad),
            Err(TileError::WrongLength { .. })
        ));
        bad[at].resize(good[at].len() + 1, 0);
        assert!(matches!(
            tiles.finish(&bad),
            Err(TileError::WrongLength { .. })
        ));
    }
    let mut bad = good.clone();
    bad.swap(0, 1);
    assert!(tiles.finish(&bad).is_err());
    let other = TilePlan::new(head_at(&log, 600), plan.node_ids()).unwrap();
    assert!(other.finish(&good).is_ok());
    let head = TreeHead::new(log.size(), Hash::default());
    let other = TilePlan::new(head, plan.node_ids()).unwrap();
    assert!(matches!(
        other.finish(&good),
        Err(TileError::RootMismatch { .. })
    ));
}

#[test]
fn every_node_can_be_read_through_tiles() {
    let log = log(600);
    for size in [1, 2, 255, 256, 257, 511, 512, 513, 600] {
        let head = head_at(&log, size);
        for level in 0..10 {
            for index in (0..size >> level).step_by(7) {
                let id = NodeId::new(level, index).unwrap();
                let plan = TilePlan::new(head, [id]).unwrap();
                let tiles = plan.finish(&contents(&log, plan.tiles())).unwrap();
                assert_eq!(
                    tiles.node(id).as_ref().ok(),
                    log.node(id),
                    "{id:?} of {size}"
                );
                assert_eq!(tiles.head(), head);
            }
        }
    }
}

#[test]
fn an_empty_log_needs_no_tiles_and_has_one_root() {
    let plan = TilePlan::new(TreeHead::EMPTY, []).unwrap();
    assert_eq!(plan.tiles(), []);
    assert!(plan.finish::<&[u8]>(&[]).is_ok());
    let lie = TilePlan::new(TreeHead::new(TreeSize::EMPTY, Hash::default()), []).unwrap();
    assert!(matches!(
        lie.finish::<&[u8]>(&[]),
        Err(TileError::RootMismatch { .. })
    ));
}

#[test]
fn nodes_outside_the_log_or_the_plan_are_refused() {
    let log = log(600);
    let leaf = |index| NodeId::new(0, index).unwrap();
    let refused = TilePlan::new(log.head(), [leaf(600)]);
    assert_eq!(
        refused,
        Err(TileError::NodeOutOfRange {
            complete_at: 601,
            size: 600
        })
    );
    let plan = TilePlan::new(log.head(), [leaf(0)]).unwrap();
    let tiles = plan.finish(&contents(&log, plan.tiles())).unwrap();
    assert!(tiles.node(leaf(255)).is_ok());
    assert_eq!(
        tiles.node(leaf(256)),
        Err(TileError::NotPlanned {
            level: 0,
            index: 256
        })
    );
    assert!(tiles.node(leaf(600)).is_err());
}

#[test]
fn the_largest_logs_need_at_most_16_tiles_a_proof() {
    for size in [u64::MAX, u64::MAX - 1, 1 << 63, (1 << 56) + 1] {
        let head = TreeHead::new(TreeSize::new(size), Hash::default());
        for index in [0, 1, size / 2, size / 3, size - 1] {
            let plan = InclusionPlan::new(LeafIndex::new(index), head.size).unwrap();
            let tiles = TilePlan::new(head, plan.node_ids()).unwrap();
            assert!(tiles.tiles().len() <= 16, "{}", tiles.tiles().len());
        }
        let root = RootPlan::new(head.size);
        assert!(TilePlan::new(head, root.node_ids()).unwrap().tiles().len() <= 8);
    }
}

#[test]
fn a_log_of_70_000_has_the_tiles_that_the_specification_counts() {
    let tiles: Vec<Tile> = Tile::grown(TreeSize::EMPTY, TreeSize::new(70_000)).collect();
    let count = |level, full| {
        tiles
            .iter()
            .filter(|tile| tile.level() == level && tile.is_full() == full)
            .count()
    };
    assert_eq!(
        [count(0, true), count(1, true), count(2, true)],
        [273, 1, 0]
    );
    let partial = tiles
        .iter()
        .filter(|tile| !tile.is_full())
        .map(|tile| tile.width());
    assert_eq!(partial.collect::<Vec<_>>(), [112, 17, 1]);
    assert!(
        tiles
            .iter()
            .all(|it| Tile::at(it.level(), it.index(), TreeSize::new(70_000)) == Some(*it))
    );
    assert_eq!(Tile::grown(TreeSize::new(9), TreeSize::new(9)).count(), 0);
    assert_eq!(Tile::grown(TreeSize::new(9), TreeSize::new(8)).count(), 0);
    let widest = Tile::grown(TreeSize::new(u64::MAX - 1), TreeSize::new(u64::MAX));
    assert_eq!(widest.collect::<Vec<_>>().len(), 1);
}

#[test]
fn tiles_that_no_log_has_have_no_name() {
    let new = |level, index, width| Tile::new(TileKind::Hashes { level }, index, width);
    assert!(new(0, 0, 0).is_none());
    assert!(new(0, 0, 257).is_none());
    assert!(new(8, 0, 1).is_none());
    assert!(new(7, 0, 256).is_none());
    assert!(new(7, 1, 1).is_none());
    assert!(new(0, u64::MAX, 1).is_none());
    assert!(new(0, u64::MAX / 256, 255).is_some());
    assert!(new(0, u64::MAX / 256, 256).is_none());
    assert!(Tile::at(8, 0, TreeSize::new(u64::MAX)).is_none());
    assert!(Tile::at(0, 1, TreeSize::new(256)).is_none());
}

#[test]
fn bundles_are_checked_entry_by_entry() {
    let log = log(600);
    for index in [1, 2] {
        let tile = Tile::at(0, index, log.size()).unwrap();
        let plan = TilePlan::new(log.head(), tile.node_ids()).unwrap();
        let tiles = plan.finish(&contents(&log, plan.tiles())).unwrap();
        let first = u32::try_from(index * 256).unwrap();
        let entries = first..first + u32::from(tile.width());
        let mut bytes =
            EntryBundle::encode(&entries.map(u32::to_be_bytes).collect::<Vec<_>>()).unwrap();
        let bundle = EntryBundle::decode(tile.entries().unwrap(), &bytes).unwrap();
        assert_eq!(bundle.verify(&tiles), Ok(()));
        bytes[6 * 5 + 5] ^= 1;
        let bundle = EntryBundle::decode(tile.entries().unwrap(), &bytes).unwrap();
        let index = index * 256 + 5;
        assert_eq!(
            bundle.verify(&tiles),
            Err(TileError::EntryMismatch { index })
        );
    }
}

#[test]
fn entries_that_do_not_fit_are_refused() {
    let long = vec![0; EntryBundle::ENTRY_BYTES_MAX + 1];
    assert!(EntryBundle::encode(&[&long[1..]]).is_ok());
    let refused = EntryBundle::encode(&[&long]);
    assert_eq!(refused, Err(TileError::EntryTooLong { bytes: long.len() }));
    for found in [0, 257] {
        let refused = EntryBundle::encode(&vec![b"x"; found]);
        assert_eq!(refused, Err(TileError::WrongEntryCount { found }));
    }
    let tile = Tile::new(TileKind::Hashes { level: 0 }, 0, 1).unwrap();
    assert_eq!(
        EntryBundle::decode(tile, b"\0\0"),
        Err(TileError::WrongKind { tile })
    );
    let above = Tile::new(TileKind::Hashes { level: 1 }, 0, 1).unwrap();
    assert_eq!(above.entries(), None);
}
