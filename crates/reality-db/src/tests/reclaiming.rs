//! Giving room on the disk back.

use std::ops::ControlFlow;

use super::stages::Stage;
use crate::engine::files::folder_bytes;
use crate::{Backend, Depth, Options, Retention};

#[test]
fn the_room_of_what_was_pruned_is_given_back() {
    let stage = Stage::disk(Backend::Sled);
    let options = Options::new()
        .background(false)
        .retention(Retention::Last(1));
    let value = |number: u64| vec![number.to_be_bytes()[7]; 60_000];
    let commits = 400_u64;
    {
        let db = stage.open(&options).unwrap();
        for number in 1..=commits {
            db.put(&(number % 7).to_be_bytes(), &value(number)).unwrap();
        }
        db.checkpoint(|_| ControlFlow::Continue(())).unwrap();
        // Without the log, whose length depends on how fast sled was.
        let bytes = folder_bytes(&stage.folder().join("journal")).unwrap();
        assert!(bytes <= 4 << 20, "{bytes}");
        db.put(b"another", b"value").unwrap();
    }
    let db = stage.open(&options).unwrap();
    assert_eq!(db.version().number, commits + 1);
    for number in commits - 6..=commits {
        let found = db.get(&(number % 7).to_be_bytes()).unwrap();
        assert_eq!(found, Some(value(number)));
    }
    let report = db.verify_integrity(Depth::Roots, |_| ControlFlow::Continue(()));
    assert_eq!(report.unwrap().damage, []);
}
