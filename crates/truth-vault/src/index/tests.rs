use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{Covered, Index, IndexFile, Place, Run};
use crate::Address;
use crate::segment::Kind;

fn place(at: u32) -> Place {
    Place {
        segment: at % 5,
        at: u64::from(at) * 8,
        stored_bytes: at % 1000,
        kind: Kind::ALL[at as usize % 3],
    }
}

fn address(number: u16) -> Address {
    Address::of(&number.to_le_bytes())
}

#[derive(Clone, Debug)]
enum Op {
    Insert(u16, u32),
    Enter(u16, u32),
    Remove(u16),
    RemoveSegment(u32),
    Settle,
    Reload,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => (0..300_u16, 0..100_000_u32).prop_map(|(key, at)| Op::Insert(key, at)),
        3 => (0..300_u16, 0..100_000_u32).prop_map(|(key, at)| Op::Enter(key, at)),
        3 => (0..300_u16).prop_map(Op::Remove),
        1 => (0..5_u32).prop_map(Op::RemoveSegment),
        1 => Just(Op::Settle),
        1 => Just(Op::Reload),
    ]
}

proptest! {
    #[test]
    fn an_index_is_a_map(ops in prop::collection::vec(op(), 0..400), after in any::<u16>(), limit in 0..50_usize) {
        let mut index = Index::default();
        // Copies of each, the one that is read last.
        let mut model: BTreeMap<Address, Vec<Place>> = BTreeMap::new();
        for op in ops {
            match op {
                Op::Insert(key, at) => {
                    index.insert(address(key), place(at));
                    let copies = model.entry(address(key)).or_default();
                    copies.retain(|copy| *copy != place(at));
                    copies.push(place(at));
                }
                Op::Enter(key, at) => {
                    index.enter(address(key), place(at));
                    let copies = model.entry(address(key)).or_default();
                    if !copies.contains(&place(at)) {
                        copies.insert(copies.len().saturating_sub(1), place(at));
                    }
                }
                Op::Remove(key) => {
                    let wrong = place(1_000_000);
                    prop_assert!(!index.remove(&address(key), wrong));
                    if let Some(copies) = model.get_mut(&address(key)) {
                        prop_assert!(index.remove(&address(key), copies.pop().unwrap()));
                    }
                }
                Op::RemoveSegment(segment) => {
                    index.remove_segments(&BTreeSet::from([segment]));
                    for copies in model.values_mut() {
                        copies.retain(|place| place.segment != segment);
                    }
                }
                Op::Settle => index.settle(Run::collect(index.all().into_iter())),
                Op::Reload => {
                    let run = Run::collect(index.all().into_iter());
                    let covered = vec![Covered { segment: 1, bytes: 32 }];
                    let others = index.others();
                    let file = IndexFile { covered: covered.clone(), run, others };
                    let read = IndexFile::decode(file.encode()).unwrap();
                    prop_assert_eq!(read.covered, covered);
                    index = Index::from_file(read.run, read.others);
                    for copies in model.values_mut() {
                        // The order of those that are not read is that of their places.
                        let others = copies.len() - 1;
                        copies[..others].sort_unstable();
                    }
                }
            }
            model.retain(|_, copies| !copies.is_empty());
            prop_assert_eq!(index.len(), model.len() as u64);
        }
        for key in 0..300 {
            let mut copies = model.get(&address(key)).cloned().unwrap_or_default();
            prop_assert_eq!(index.get(&address(key)), copies.last().copied());
            let mut found = index.copies(&address(key));
            copies.sort_unstable();
            found.sort_unstable();
            prop_assert_eq!(found, copies);
        }
        let after = address(after);
        let page: Vec<_> = model.range(after..).filter(|(key, _)| **key > after).take(limit).collect();
        let page: Vec<_> = page.into_iter().map(|(key, copies)| (key, copies.last().unwrap())).collect();
        let found = index.page(Some(&after), limit);
        prop_assert_eq!(found.iter().map(|(key, place)| (key, place)).collect::<Vec<_>>(), page);
    }
}

#[test]
fn finds_what_is_not_spread_evenly() {
    // As of somebody who can choose addresses: all of them close together.
    let close = |number: u32| {
        let mut bytes = [7; 32];
        bytes[28..].copy_from_slice(&number.to_be_bytes());
        Address::from_bytes(bytes)
    };
    let run = Run::collect((0..10_000).map(|number| (close(2 * number), place(number))));
    for number in 0..10_000 {
        assert_eq!(run.get(&close(2 * number)), Some(place(number)));
        assert_eq!(run.get(&close(2 * number + 1)), None);
    }
}

#[test]
fn refuses_every_changed_byte_of_a_file() {
    let run = Run::collect((0..3).map(|at| (Address::from_bytes([at; 32]), place(u32::from(at)))));
    let covered = vec![Covered {
        segment: 1,
        bytes: 64,
    }];
    let others = vec![(Address::from_bytes([1; 32]), place(9))];
    let file = IndexFile {
        covered,
        run,
        others,
    };
    let bytes = file.encode();
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 0x10;
        assert!(IndexFile::decode(changed).is_none(), "byte {at}");
        assert!(
            IndexFile::decode(bytes[..at].to_vec()).is_none(),
            "cut at {at}"
        );
    }
}
