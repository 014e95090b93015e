#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn row(seed: u8, intent: u8, status: u8, created_ns: u64, legacy: Option<u8>) -> Row {
    let address = Address::from_bytes([seed; 32]);
    Row {
        address: BundleAddress::from_address(address),
        code: Address::from_bytes([seed % 5; 32]),
        status: VerificationStatus::from_code(status % 5).unwrap(),
        created_ns,
        has_certificate: seed.is_multiple_of(2),
        legacy_key: legacy.map(|key| LegacyKey::from_bytes([key; 32])),
        intent: format!("intent {}", intent % 4).into(),
    }
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    vec(any::<u8>().prop_map(row_of), 0..60)
}

/// What a manifest says does not change: all of it follows from the seed.
fn row_of(seed: u8) -> Row {
    let legacy = seed.is_multiple_of(3).then_some(seed % 7);
    row(seed, seed / 3, seed / 7, u64::from(seed % 20), legacy)
}

proptest! {
    #[test]
    fn finds_what_a_look_at_every_row_finds(
        put in rows(),
        gone in vec(any::<prop::sample::Index>(), 0..20),
        intent in prop::option::of(0..5_u8),
        status in prop::option::of(0..5_u8),
        code in prop::option::of(0..6_u8),
        key in prop::option::of(0..7_u8),
        from in prop::option::of(0..22_u64),
        before in prop::option::of(0..22_u64),
        page in 1..8_usize,
    ) {
        let mut catalogue = Catalogue::default();
        let mut model: BTreeMap<Rank, Row> = BTreeMap::new();
        for row in &put {
            catalogue.insert(row.clone());
            model.insert(row.rank(), row.clone());
        }
        for gone in gone {
            if !put.is_empty() {
                let row = gone.get(&put);
                catalogue.remove(&row.address);
                model.remove(&row.rank());
            }
        }
        prop_assert_eq!(catalogue.len(), model.len());
        prop_assert!(catalogue.rows().eq(model.values()));

        let mut query = BundleQuery::new();
        let name = intent.map(|it| format!("intent {it}"));
        let status = status.map(|it| VerificationStatus::from_code(it).unwrap());
        let code = code.map(|it| Address::from_bytes([it; 32]));
        let key = key.map(|it| LegacyKey::from_bytes([it; 32]));
        if let Some(name) = &name { query = query.intent(name); }
        if let Some(status) = status { query = query.status(status); }
        if let Some(code) = code { query = query.code(code); }
        if let Some(key) = key { query = query.legacy_key(key); }
        if let Some(from) = from { query = query.created_from(from); }
        if let Some(before) = before { query = query.created_before(before); }
        let expected: Vec<BundleAddress> = (model.values())
            .filter(|row| name.as_deref().is_none_or(|it| it == &*row.intent))
            .filter(|row| status.is_none_or(|it| it == row.status))
            .filter(|row| code.is_none_or(|it| it == row.code))
            .filter(|row| key.is_none_or(|it| Some(it) == row.legacy_key))
            .filter(|row| from.is_none_or(|it| row.created_ns >= it))
            .filter(|row| before.is_none_or(|it| row.created_ns < it))
            .map(|row| row.address)
            .collect();
        let found: Vec<BundleAddress> = catalogue.find(&query).iter().map(|it| it.address).collect();
        prop_assert_eq!(&found, &expected);

        // The same page by page.
        let mut paged = Vec::new();
        let mut query = query.limit(page);
        loop {
            let found = catalogue.find(&query);
            paged.extend(found.iter().map(|it| it.address));
            match found.last() {
                Some(last) if found.len() == page => query = query.after(last),
                _ => break,
            }
        }
        prop_assert_eq!(paged, expected);

        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        for row in model.values() {
            *counts.entry(row.intent.to_string()).or_default() += 1;
        }
        prop_assert_eq!(catalogue.intents(None, 100), counts.into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn the_file_has_every_row(rows in rows()) {
        let bytes = encode(rows.iter());
        prop_assert_eq!(decode(&bytes), Some(rows));
    }
}

#[test]
fn a_changed_file_is_not_believed() {
    let bytes = encode([row(1, 1, 1, 1, Some(1)), row(2, 2, 2, 2, None)].iter());
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        assert_eq!(decode(&changed), None);
        assert_eq!(decode(&bytes[..at]), None);
    }
}

#[test]
fn a_legacy_key_is_found_by_its_first_digits() {
    let mut catalogue = Catalogue::default();
    for seed in 0..4 {
        catalogue.insert(row(seed, 0, 0, 0, Some(seed << 4 | 1)));
    }
    let found = |digits: &str| {
        catalogue
            .find(&BundleQuery::new().legacy_key_prefix(digits))
            .len()
    };
    assert_eq!(found("1"), 1);
    assert_eq!(found("11"), 1);
    assert_eq!(found("111"), 1);
    assert_eq!(found(""), 4);
    assert_eq!(found(&"01".repeat(32)), 1);
    for none in ["4", "12", "112", "g", "F", &"0".repeat(65), "é"] {
        assert_eq!(found(none), 0, "{none}");
    }
}

#[test]
fn intents_come_page_by_page() {
    let mut catalogue = Catalogue::default();
    for seed in 0..8 {
        catalogue.insert(row(seed, seed, 0, 0, None));
    }
    let page = catalogue.intents(Some("intent 1"), 2);
    assert_eq!(
        page,
        [("intent 2".to_owned(), 2), ("intent 3".to_owned(), 2)]
    );
}
