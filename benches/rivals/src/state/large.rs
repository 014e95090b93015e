//! Ten million keys, where the tree is larger than the memory that it may take: ours within 1 GiB beside QMDB,
//! and within 4 GiB beside itself with a tenth of the keys.

use std::time::Duration;

use super::opening::after_kill_and_close;
use super::resident::{Keys, Resident, Updates};
use super::store::Kind;
use crate::report::Report;
use crate::row::{Goal, Row};

/// How long each store is updated, and what it is given before to fill its caches.
const TURN: Duration = Duration::from_secs(20);

/// Keys that are read and that are proved; some stores go to the disk for each.
const KEYS: Keys = Keys {
    seed: 700,
    count: 50_000,
};

/// How long opening may take, in milliseconds.
const OPEN_MS: f64 = 500.0;

/// What was seen of one store.
#[derive(Clone, Copy)]
struct Seen {
    updates: f64,
    longest_commit_ms: f64,
    reads: f64,
    proofs: f64,
    memory_mib: f64,
    open_after_kill_ms: f64,
    open_after_close_ms: f64,
}

/// Reports the rows.
pub(super) fn rows(report: &mut Report) {
    let size = report.size(10_000_000, 200_000);
    let turn = if report.quick { TURN / 10 } else { TURN };
    let one = see(Kind::OneGib, size, turn);
    let qmdb = report.peers().iter().find(|peer| peer.name == "qmdb");
    let qmdb = qmdb.map(|peer| see(Kind::Peer(*peer), size, turn));
    let four = see(Kind::FourGib, size, turn);
    let small = see(Kind::FourGib, size / 10, turn);

    let mut row = |name: &str, unit, of: fn(&Seen) -> f64, goal: Option<Goal>| {
        let row = Row::new(
            "state",
            format!("large::{name}/size={size}"),
            unit,
            of(&one),
        );
        let row = row.peer("4gib", of(&four)).peer("a tenth", of(&small));
        let row = match &qmdb {
            Some(qmdb) => row.peer("qmdb", of(qmdb)),
            None => row,
        };
        report.row(&match goal {
            Some(goal) => row.goal(goal),
            None => row,
        });
    };
    let over_qmdb = qmdb.map(|qmdb| Goal::AtLeast(2.0 * qmdb.updates));
    row(
        "updates/batch=1000",
        "updates/s",
        |it| it.updates,
        over_qmdb,
    );
    row("longest", "ms", |it| it.longest_commit_ms, None);
    row("get", "reads/s", |it| it.reads, None);
    row("proved", "proofs/s", |it| it.proofs, None);
    row(
        "memory",
        "MiB",
        |it| it.memory_mib,
        Some(Goal::AtMost(1024.0)),
    );
    let open = Some(Goal::AtMost(OPEN_MS));
    row("open::after_kill", "ms", |it| it.open_after_kill_ms, open);
    row("open::after_close", "ms", |it| it.open_after_close_ms, open);
    let share = four.updates / small.updates;
    let row = Row::new(
        "state",
        format!("large::updates_4gib/size={size}"),
        "x a tenth of the keys",
        share,
    );
    report.row(&row.goal(Goal::AtLeast(0.7)));
    let row = Row::new(
        "state",
        format!("large::memory_4gib/size={size}"),
        "MiB",
        four.memory_mib,
    );
    report.row(&row.goal(Goal::AtMost(4096.0)));
}

fn see(kind: Kind, size: usize, turn: Duration) -> Seen {
    let folder = tempfile::tempdir().expect("a folder");
    let store = folder.path().join("store");
    let mut resident = Resident::loaded(kind, &store, size);
    let mut update = |seed, limit| {
        resident.commit(Updates {
            seed,
            count: usize::MAX,
            len: 1_000,
            limit,
        })
    };
    update(500, turn / 4);
    let done = update(501, turn);
    resident.read(KEYS);
    let reads = resident.read(KEYS);
    let proved = resident.prove(KEYS).expect("these prove");
    let memory_mib = resident.memory_mib();
    resident.kill();
    let (open_after_kill_ms, open_after_close_ms) = after_kill_and_close(kind, &store, size);
    Seen {
        updates: (done.times.len() * 1_000) as f64 / done.total().as_secs_f64(),
        longest_commit_ms: done.longest_ms(),
        reads,
        proofs: KEYS.count as f64 / proved.made.as_secs_f64(),
        memory_mib,
        open_after_kill_ms,
        open_after_close_ms,
    }
}
