use alloc::{vec, vec::Vec};

use proptest::prelude::*;

use crate::{
    Map, Sha256,
    map::{
        Bit,
        page::{ITEMS_MAX, Item, Page},
    },
    testing::{Changes, Model, apply_to_model, batch, map_of},
};

/// Where the topmost page lies.
fn place(map: &Map<Sha256>) -> *const Page {
    map.tree.top.as_deref().unwrap()
}

/// Checks what a search relies on, in every page.
fn check_pages(map: &Map<Sha256>) -> Result<(), TestCaseError> {
    let mut rest: Vec<&Page> = map.tree.top.as_deref().into_iter().collect();
    while let Some(page) = rest.pop() {
        prop_assert!((1..=ITEMS_MAX).contains(&page.len()));
        let first = page.representative(0).unwrap();
        let prefix = &first[..page.bit().bytes_before().min(first.len())];
        prop_assert_eq!(page.prefix().len(), prefix.len());
        prop_assert!(
            Bit::between(page.prefix(), first).is_none_or(|apart| apart >= page.bit()),
            "the page's prefix is that of its keys"
        );
        // What lies above a page that is spliced keeps the bits behind its own branch position.
        prop_assert!(!page.is_lowest() || page.prefix() == prefix);
        let mut subtrees = vec![(page.root(), 0, page.len() - 1, None)];
        while let Some((at, low, high, above)) = subtrees.pop() {
            if low == high {
                continue;
            }
            let fork = page.fork(at);
            prop_assert!((low..high).contains(&at) && Some(fork.bit) > above);
            let parting = |item| {
                let keys = [item, item + 1].map(|item| page.representative(item).unwrap());
                Bit::between(keys[0], keys[1])
            };
            prop_assert_eq!(parting(at), Some(fork.bit));
            subtrees.push((usize::from(fork.left), low, at, Some(fork.bit)));
            subtrees.push((usize::from(fork.right), at + 1, high, Some(fork.bit)));
        }
        for item in 0..page.len() {
            prop_assert_eq!(
                page.page(item).is_some(),
                matches!(page.item(item), Item::Page)
            );
            rest.extend(page.page(item).map(|below| &**below));
        }
    }
    Ok(())
}

/// Keys that part early, late, or where one ends; few enough to be hit again.
fn key() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        any::<u8>().prop_map(|byte| vec![byte]),
        (0u8..4, 0u8..16).prop_map(|(a, b)| vec![a, 7, b]),
        (1usize..30).prop_map(|len| vec![9; len]),
    ]
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => proptest::collection::vec(any::<u8>(), 0..9),
        1 => (250usize..260, any::<u8>()).prop_map(|(len, byte)| vec![byte; len]),
    ]
}

fn changes() -> impl Strategy<Value = Changes> {
    proptest::collection::vec((key(), proptest::option::weighted(0.6, value())), 1..6)
}

proptest! {
    #[test]
    fn small_batches_leave_what_a_fresh_map_has(
        model in proptest::collection::btree_map(key(), value(), 8..80),
        batches in proptest::collection::vec(changes(), 1..40),
    ) {
        let mut model: Model = model;
        let mut map = map_of(Sha256, &model);
        for changes in &batches {
            let (before, root) = (map.clone(), map.root());
            if changes.len() > 1 {
                drop(before);
                map.update(&batch(changes));
            } else {
                map.update(&batch(changes));
                prop_assert_eq!(before.root(), root);
                check_pages(&before)?;
            }
            apply_to_model(&mut model, changes);
            prop_assert_eq!(map.root(), map_of(Sha256, &model).root());
            prop_assert!(map.iter().map(|(key, _)| key).eq(model.keys().map(|key| &key[..])));
            check_pages(&map)?;
        }
    }
}

#[test]
fn one_key_more_or_less_leaves_the_page_where_it_is() {
    let model: Model = (0..20).map(|key| (vec![2 * key + 2], vec![key])).collect();
    for key in [0, 1, 17, 41, 200] {
        let mut map = map_of(Sha256, &model);
        let (at, root) = (place(&map), map.root());
        map.update(&batch(&vec![(vec![key], Some(vec![1; 100]))]));
        assert_ne!(map.root(), root);
        assert_eq!(place(&map), at, "{key} added");
        map.update(&batch(&vec![(vec![key], None)]));
        assert_eq!(map.root(), root);
        assert_eq!(place(&map), at, "{key} removed");
    }
}
