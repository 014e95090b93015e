//! Ways out that somebody does not wait for.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Health, RecoveryError, Stage, WayOut, filled, harm_record, options};
use crate::{RecoveryProgress, SearchProgress};

#[test]
fn a_way_out_that_is_ended_is_not_taken_or_taken_in_full() {
    let (mut looking, mut checking) = (0, 0);
    for nth in 1.. {
        let stage = Stage::memory();
        drop(filled(&stage));
        harm_record(&stage, 8);
        let db = stage.open(&options().accept_damage(true)).unwrap();
        let (before, health) = (db.version(), db.health());
        let way = WayOut::GoBack { to: before };
        let calls = AtomicUsize::new(0);
        let taken = db.take_way_out_with(&way, "in a hurry", |_| {
            match calls.fetch_add(1, Ordering::SeqCst) + 1 == nth {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        });
        assert!(calls.into_inner() <= nth);
        assert_eq!(db.version(), before);
        let is_taken = match taken {
            Err(RecoveryError::Ended) => false,
            Err(error) => panic!("{error}"),
            Ok(report) if report.complete => {
                assert!(looking > 2 && checking > 2, "{looking} {checking}");
                return;
            }
            Ok(_) => true,
        };
        if is_taken {
            checking += 1;
            assert_eq!(db.health(), Health::Sound);
            db.put(b"k", b"v").unwrap();
        } else {
            looking += 1;
            assert_eq!(db.health(), health);
            assert!(db.incidents().unwrap().is_empty());
        }
        drop(db);
        assert_eq!(stage.open(&options()).is_ok(), is_taken);
    }
}

#[test]
fn a_search_for_ways_out_tells_how_far_it_is_and_can_be_ended() {
    let stage = Stage::memory();
    drop(filled(&stage));
    harm_record(&stage, 8);
    let db = stage.open(&options().accept_damage(true)).unwrap();
    let all = db.ways_out().unwrap();
    for nth in 1.. {
        let calls = AtomicUsize::new(0);
        let found = db.ways_out_with(|progress| {
            assert!(matches!(
                progress,
                RecoveryProgress::Looking(SearchProgress { tried, total: 2, .. }) if tried <= 2
            ));
            match calls.fetch_add(1, Ordering::SeqCst) + 1 == nth {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        });
        match found.unwrap() {
            None => assert_eq!(calls.into_inner(), nth),
            Some(ways) => {
                assert!(nth > 4);
                assert_eq!(ways, all);
                return;
            }
        }
    }
}
