//! Published vectors: one JSON file a case, named by what was done to a good one.
#![allow(dead_code, reason = "each test crate uses a part of it")]

use std::{collections::BTreeMap, fmt::Debug, fs, path::Path};

use serde_json::Value;

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The variant's name, without its fields; `accepted` for a success.
pub(crate) fn verdict<T, E: Debug>(result: Result<T, E>) -> String {
    let name = result
        .err()
        .map_or("accepted".to_owned(), |error| format!("{error:?}"));
    name.split([' ', '{', '(']).take(1).collect()
}

/// Compares the cases of one format with the files in `folder`, or writes them where
/// `REGENERATE_VECTORS` is set.
pub(crate) fn publish<N: AsRef<str>>(folder: &str, cases: Vec<(N, Value)>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/vectors")
        .join(folder);
    let count = cases.len();
    let cases: BTreeMap<String, String> = cases
        .into_iter()
        .map(|(name, case)| (format!("{}.json", name.as_ref()), format!("{case:#}\n")))
        .collect();
    assert_eq!(cases.len(), count, "two cases of one name");
    if std::env::var_os("REGENERATE_VECTORS").is_some() {
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        for (name, case) in &cases {
            fs::write(folder.join(name), case).unwrap();
        }
    }
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        found.insert(name, fs::read_to_string(path).unwrap());
    }
    assert_eq!(found, cases);
}
