//! Acts of administrators that the log could not take when they were done.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;

use super::{check, config, transfer};
use crate::{
    EventKind, Health, IncidentKind, Persistence, Record, RecoverError, WayOut, incidents, note_act,
};

/// Stores with one execution, whose trail is gone.
fn damaged(folder: &Path) {
    let (persistence, _) = Persistence::open(config(folder)).unwrap();
    persistence.execute(transfer(1)).unwrap();
    drop(persistence);
    fs::remove_dir_all(config(folder).audit_path()).unwrap();
}

/// Time and text of the events of a kind, as the log has them.
fn events(persistence: &Persistence, kind: EventKind) -> Vec<(u64, String)> {
    persistence.catch_up().unwrap();
    let size = persistence.audit().size();
    let records = (0..size).map(|index| persistence.audit().record(index).unwrap().record);
    let events = records.filter_map(|record| match record {
        Record::Event(event) if event.kind == kind => {
            let text = event.message.unwrap();
            Some((event.event_ns, text.as_str().unwrap().to_owned()))
        }
        _ => None,
    });
    events.collect()
}

#[test]
fn an_act_in_panic_mode_is_kept_and_in_the_log_once_it_takes_records() {
    let folder = tempfile::tempdir().unwrap();
    damaged(folder.path());
    let (persistence, _) = Persistence::open(config(folder.path()).accept_damage(true)).unwrap();
    assert_ne!(persistence.health(), Health::Sound);
    persistence
        .log_act(5, "test", "a backup, by alice")
        .unwrap();
    let known = persistence.incidents().unwrap();
    let act = known.last().unwrap();
    assert_eq!((act.kind, act.time_ns), (IncidentKind::Act, 5));
    drop(persistence);
    // Opened in panic mode once more, it stays where it is.
    drop(Persistence::open(config(folder.path()).accept_damage(true)).unwrap());
    let nowhere = Persistence::recover(config(folder.path()), &WayOut::Restore, "no reason");
    assert!(matches!(nowhere, Err(RecoverError::NoBackup)));

    let recover = config(folder.path()).time_ns(9);
    let (persistence, _) = Persistence::recover(recover, &WayOut::RebuildTrail, "a test").unwrap();
    let acts = events(&persistence, EventKind::Note);
    assert_eq!(acts[0], (5, "a backup, by alice".to_owned()));
    assert!(
        acts[1].1.starts_with("the way out Restore led nowhere"),
        "{acts:?}"
    );
    assert_eq!(acts.len(), 2, "{acts:?}");
    assert_eq!(events(&persistence, EventKind::Recovered).len(), 1);
    assert_eq!(check(&persistence).causes, []);
    drop(persistence);
    let (persistence, _) = Persistence::open(config(folder.path())).unwrap();
    assert_eq!(events(&persistence, EventKind::Note), acts);
}

#[test]
fn an_act_beside_closed_stores_is_in_the_log_from_the_next_opening_on() {
    let folder = tempfile::tempdir().unwrap();
    drop(Persistence::open(config(folder.path())).unwrap());
    let long = "é".repeat(4000);
    note_act(&config(folder.path()), 3, "test", &long).unwrap();
    // A crash cut a line off; the next one stands by itself.
    let path = folder.path().join("incidents.jsonl");
    let mut file = OpenOptions::new().append(true).open(path).unwrap();
    file.write_all(b"{\"time_ns\":4,\"ki").unwrap();
    note_act(&config(folder.path()), 5, "test", "a token, by bob").unwrap();
    let kinds: Vec<_> = (incidents(&config(folder.path())).unwrap().iter())
        .map(|it| it.kind)
        .collect();
    let (act, cut) = (IncidentKind::Act, IncidentKind::Unreadable);
    assert_eq!(kinds, [act, cut, act]);

    let (persistence, _) = Persistence::open(config(folder.path())).unwrap();
    let acts = events(&persistence, EventKind::Note);
    assert_eq!((acts[0].0, acts[0].1.len()), (3, 4000));
    assert_eq!(acts[1], (5, "a token, by bob".to_owned()));
    // While the log takes records, an act is in it at once.
    persistence.log_act(6, "test", "a seal, by eve").unwrap();
    assert_eq!(events(&persistence, EventKind::Note).len(), 3);
    assert_eq!(check(&persistence).causes, []);
}
