//! Search while the text index has not taken up the newest records yet.

use std::ops::ControlFlow;
use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::*;

use super::basics::{attack, open};
use crate::*;

#[derive(Clone, Debug)]
enum Step {
    Append(u64),
    /// Closed and opened again: what waits is on the disk alone.
    Reopen,
    Erase(prop::sample::Index),
    Rebuild,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1..7_u64).prop_map(Step::Append),
        1 => Just(Step::Append(30)),
        2 => Just(Step::Reopen),
        2 => any::<prop::sample::Index>().prop_map(Step::Erase),
        1 => Just(Step::Rebuild),
    ]
}

/// An attack whose snippet has a word that every third one has.
fn record(number: u64) -> Record {
    let Record::Attack(mut it) = attack(number) else {
        unreachable!()
    };
    let text = format!("drop table word{}", number % 3);
    let salt = Salt::random().unwrap();
    it.code_snippet = Some(Text::erasable(ErasableField::CodeSnippet, &text, salt));
    it.into()
}

/// All that a query finds, in pages of three, towards older or newer records.
fn found(trail: &Trail, query: &str, is_upwards: bool) -> Vec<u64> {
    let filter = Filter::attacks().text(query.parse().unwrap());
    let mut from = if is_upwards {
        PageFrom::Oldest
    } else {
        PageFrom::Newest
    };
    let mut all = Vec::new();
    loop {
        let page = trail.page(&filter, from, 3).unwrap();
        let indexes = page.records.iter().map(|it| it.index);
        if is_upwards {
            all.extend(indexes.rev());
        } else {
            all.extend(indexes);
        }
        from = match (is_upwards, page.older, page.newer) {
            (false, Some(older), _) => PageFrom::Older(older),
            (true, _, Some(newer)) if !page.records.is_empty() => PageFrom::Newer(newer),
            _ => break,
        };
    }
    if !is_upwards {
        all.reverse();
    }
    all
}

fn life(folder: &Path, steps: Vec<Step>) -> Result<(), TestCaseError> {
    let mut trail = open(folder);
    // Which records are attacks whose snippet is there.
    let mut there: Vec<bool> = Vec::new();
    for step in steps {
        match step {
            Step::Append(count) => {
                let first = there.len() as u64;
                let records = (first..first + count).map(record).collect();
                trail.append_all(records).unwrap();
                there.extend((0..count).map(|_| true));
            }
            Step::Reopen => {
                drop(trail);
                trail = open(folder);
            }
            Step::Erase(at) if !there.is_empty() => {
                let at = at.index(there.len());
                let erased = trail
                    .erase(&Erasure::Records([at as u64].into()), 1)
                    .unwrap();
                there[at] = false;
                there.extend(erased.redactions.iter().map(|_| false));
            }
            Step::Erase(_) => {}
            Step::Rebuild => {
                let report = trail.rebuild(|_| ControlFlow::Continue(())).unwrap();
                prop_assert_eq!(report.damage, vec![]);
            }
        }
        for (query, word) in [("drop", None), ("word1", Some(1)), ("drop -word2", Some(3))] {
            let matches = |index: u64| match word {
                None => true,
                Some(3) => index % 3 != 2,
                Some(word) => index % 3 == word,
            };
            let expected: Vec<u64> = (0..there.len() as u64)
                .filter(|index| there[usize::try_from(*index).unwrap()] && matches(*index))
                .collect();
            prop_assert_eq!(&found(&trail, query, false), &expected, "{}", query);
            prop_assert_eq!(&found(&trail, query, true), &expected, "{}", query);
        }
        let report = trail
            .verify(Depth::Content, |_| ControlFlow::Continue(()))
            .unwrap();
        prop_assert_eq!(report.damage, vec![]);
    }
    Ok(())
}

#[test]
fn a_changed_number_of_what_the_index_has_is_found_and_made_good() {
    for change in [
        "DELETE FROM meta WHERE name = 'worded'",
        "UPDATE meta SET value = 'many' WHERE name = 'worded'",
        "UPDATE meta SET value = -1 WHERE name = 'worded'",
        "UPDATE meta SET value = 0 WHERE name = 'worded'",
        "UPDATE meta SET value = value - 1 WHERE name = 'worded'",
        "UPDATE meta SET value = value + 1 WHERE name = 'worded'",
        "UPDATE meta SET value = 1000000 WHERE name = 'worded'",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let trail = open(folder.path());
        for group in [0..30, 30..33] {
            trail.append_all(group.map(record).collect()).unwrap();
        }
        drop(trail);
        let conn = rusqlite::Connection::open(folder.path().join("trail.db")).unwrap();
        conn.execute(change, []).unwrap();
        drop(conn);
        let trail = open(folder.path());
        let check = trail.verify(Depth::Content, |_| ControlFlow::Continue(()));
        assert_ne!(check.unwrap().damage, [], "{change}");
        let again = trail.rebuild(|_| ControlFlow::Continue(())).unwrap();
        assert_eq!(again.damage, [], "{change}");
        assert_eq!(found(&trail, "drop", false).len(), 33, "{change}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn every_record_is_found_wherever_its_words_are(steps in vec(step(), 1..14)) {
        let folder = tempfile::tempdir().unwrap();
        life(folder.path(), steps)?;
    }
}

/// What the index has not taken up when it is moved out is not in the database for it afterwards.
#[test]
fn records_are_taken_up_before_they_are_moved_out() {
    let folder = tempfile::tempdir().unwrap();
    let trail = open(folder.path());
    // In groups that are taken up at once, since eight may wait at most; then four that wait.
    for first in (0..253).step_by(11) {
        let group = (first..first + 11).map(record).collect();
        trail.append_all(group).unwrap();
    }
    trail.append_all((253..257).map(record).collect()).unwrap();
    let sealed = trail.seal(256, Some(0)).unwrap().unwrap();
    assert_eq!((sealed.first, sealed.past), (0, 256));
    drop(trail);
    let trail = open(folder.path());
    trail.append_all((300..320).map(record).collect()).unwrap();
    let report = trail.verify(Depth::Pages, |_| ControlFlow::Continue(()));
    assert_eq!(report.unwrap().damage, []);
    assert_eq!(trail.health(), Health::Sound);
}
