//! Texts that can be erased: erased on the record, and told to be lost where they are.

use std::path::Path;

use vigilance::{ErasableField, Salt};

use super::{check, config, transfer};
use crate::{
    Attack, Erasure, Incident, IncidentKind, Persistence, Record, Severity, Text, WayOut, incidents,
};

fn attack(id: u64) -> Attack {
    let text = format!("'; DROP TABLE accounts_{id}; --");
    let mut attack = Attack::new(
        id.to_string(),
        "injection",
        "code",
        "layer",
        Severity::MAX,
        id,
    );
    let salt = Salt::random().unwrap();
    attack.code_snippet = Some(Text::erasable(ErasableField::CodeSnippet, &text, salt));
    attack
}

fn text(persistence: &Persistence, index: u64) -> Option<String> {
    persistence.catch_up().unwrap();
    let Record::Attack(attack) = persistence.audit().record(index).unwrap().record else {
        panic!("record {index} is no attack");
    };
    attack.code_snippet.unwrap().as_str().map(str::to_owned)
}

fn live(folder: &Path) -> (Persistence, Vec<u64>) {
    let (persistence, _) = Persistence::open(config(folder)).unwrap();
    let mut attacks = Vec::new();
    for id in 1..6 {
        attacks.push(persistence.save_attack(attack(id)).unwrap().index);
        persistence.execute(transfer(id)).unwrap();
    }
    (persistence, attacks)
}

#[test]
fn what_is_erased_is_gone_and_everything_is_proved_as_before() {
    let folder = tempfile::tempdir().unwrap();
    let (persistence, attacks) = live(folder.path());
    let receipt = persistence.receipt("tx_3").unwrap();
    let what = Erasure::Records([attacks[1], attacks[2]].into());
    let erased = persistence.erase(&what, 50).unwrap();
    assert_eq!((erased.records.len(), erased.redactions.len()), (2, 1));
    assert!(erased.is_scrubbed);
    assert_eq!(text(&persistence, attacks[1]), None);
    assert!(text(&persistence, attacks[0]).is_some());
    assert_eq!(check(&persistence).causes, []);
    // It is by way of the journal: opened again, the trail and the journal agree on it.
    drop(persistence);
    let (persistence, _) = Persistence::open(config(folder.path())).unwrap();
    assert_eq!(text(&persistence, attacks[2]), None);
    assert_eq!(check(&persistence).causes, []);
    let key = persistence.verifier_key();
    crate::verify_receipt(&receipt.encode(), &key).unwrap();
    // Nothing is left to be erased.
    let again = persistence.erase(&what, 60).unwrap();
    assert!(again.redactions.is_empty());
}

#[test]
fn texts_lost_with_the_trail_are_told_to_be_lost() {
    let folder = tempfile::tempdir().unwrap();
    let (persistence, attacks) = live(folder.path());
    persistence
        .erase(&Erasure::Records([attacks[4]].into()), 40)
        .unwrap();
    drop(persistence);
    let recover = || {
        let config = config(folder.path()).time_ns(70);
        Persistence::recover(config, &WayOut::RebuildTrail, "a test").unwrap()
    };
    let (persistence, report) = recover();
    assert_eq!(report.texts_lost, 4);
    assert_eq!(text(&persistence, attacks[0]), None);
    assert_eq!(check(&persistence).causes, []);
    // What comes later is kept; and is not said to be lost if it is not.
    let kept = persistence.save_attack(attack(9)).unwrap().index;
    assert!(text(&persistence, kept).is_some());
    assert_eq!(check(&persistence).causes, []);
    drop(persistence);
    let (persistence, report) = recover();
    assert_eq!(report.texts_lost, 1);
    assert_eq!(check(&persistence).causes, []);
    drop(persistence);
    let (persistence, report) = recover();
    assert_eq!(report.texts_lost, 0);
    drop(persistence);
    let known = incidents(&config(folder.path())).unwrap();
    let taken = |it: &&Incident| it.kind == IncidentKind::Recovered && it.time_ns == 70;
    assert_eq!(known.iter().filter(taken).count(), 3, "{known:?}");
}
