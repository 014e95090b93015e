//! Changing a map in batches.

use std::any::Any;
use std::cell::RefCell;
use std::hint::black_box;

use merkle_core::{Batch, Map};

use super::entries::{Entries, Random, put};
use super::profile::Profile;
use super::rival::{jmt::Jmt, smt::Smt};
use crate::measure::{ROUNDS, rates};
use crate::report::Report;
use crate::row::{Goal, Row};

/// The batch that goals are set for.
const BATCH: usize = 1_000;

/// Changes in a round, whatever the batches.
const CHANGES: usize = 50_000;

/// Reports the rows; leaves the map with the same keys and other values.
pub(super) fn rows<H: Profile>(
    report: &mut Report,
    entries: &Entries,
    map: &mut Map<H>,
    jmt: Option<&mut Jmt>,
) {
    let size = entries.len();
    let goal = Goal::AtLeast(H::UPDATES_GOAL);
    let row = |operation: &str, batch, rate| {
        let name = format!("map::{operation}_{}/size={size}/batch={batch}", H::NAME);
        Row::new("merkle", name, "updates/s", rate)
    };

    let [in_place, kept, jmt] = updates(entries, map, jmt);
    let mut update = row("update", BATCH, in_place).goal(goal);
    let mut apply = row("apply", BATCH, kept).goal(goal);
    if H::IS_SHA256 {
        update = update.peer("jmt", jmt);
        apply = apply.peer("jmt", jmt);
    }
    report.row(&update);
    report.row(&apply);
    if H::IS_SHA256 {
        // jmt holds one version here: what in place compares with. To keep the old one is more.
        for (operation, rate) in [("update", in_place), ("apply", kept)] {
            let name = format!("map::{operation}_over_jmt_sha256/size={size}/batch={BATCH}");
            let row = Row::new("merkle", name, "x jmt", rate / jmt);
            report.row(&row.goal(Goal::AtLeast(10.0)));
        }
    }

    for batch in [1, 10_000] {
        let changes = changes(entries, 10 + batch as u64, batch);
        let batches = batches(&changes);
        let mut rounds = batches.chunks(CHANGES / batch);
        let [rate] = rates([(CHANGES, &mut || update_all(map, rounds.next()))]);
        report.row(&row("update", batch, rate));
    }
    let [insert, delete] = come_and_go(entries, map);
    report.row(&row("insert", BATCH, insert));
    report.row(&row("delete", BATCH, delete));
    if H::IS_SHA256 {
        all_levels(report, entries);
    }
}

/// New values for random keys: in place, with the old version still there, and jmt.
fn updates<H: Profile>(entries: &Entries, map: &mut Map<H>, mut jmt: Option<&mut Jmt>) -> [f64; 3] {
    let [first, second] = [3, 4].map(|seed| changes(entries, seed, BATCH));
    let [in_place, kept] = [&first, &second].map(|changes| batches(changes));
    let [mut in_place, mut kept] = [&in_place, &kept].map(|all| all.chunks(CHANGES / BATCH));
    let mut theirs = first.chunks(CHANGES / BATCH);
    let map = RefCell::new(map);
    rates([
        (CHANGES, &mut || {
            update_all(*map.borrow_mut(), in_place.next())
        }),
        (CHANGES, &mut || {
            let mut map = map.borrow_mut();
            for batch in kept.next().expect("one a round") {
                let next = map.apply(black_box(batch));
                **map = next;
            }
            Box::new(())
        }),
        (CHANGES, &mut || {
            let batches = theirs.next().expect("one a round");
            if let Some(jmt) = &mut jmt {
                for batch in batches {
                    jmt.update(batch.iter().copied());
                }
            }
            Box::new(())
        }),
    ])
}

/// New keys come, and go again.
fn come_and_go<H: Profile>(entries: &Entries, map: &mut Map<H>) -> [f64; 2] {
    let mut random = Random::new(5);
    let keys: Vec<_> = (0..CHANGES).map(|_| random.key()).collect();
    let [mut come, mut go] = [Vec::new(), Vec::new()];
    for keys in keys.chunks(BATCH) {
        let mut puts = Batch::with_capacity(BATCH);
        let mut deletes = Batch::with_capacity(BATCH);
        for (place, key) in keys.iter().enumerate() {
            put(&mut puts, key, entries.value(place, 0));
            deletes.delete(key).expect("keys of 32 bytes are right");
        }
        come.push(puts);
        go.push(deletes);
    }
    let map = RefCell::new(map);
    rates([
        (CHANGES, &mut || update_all(*map.borrow_mut(), Some(&come))),
        (CHANGES, &mut || update_all(*map.borrow_mut(), Some(&go))),
    ])
}

/// A peer that keeps 256 nodes an entry: it has no room for more than a small tree.
fn all_levels(report: &mut Report, entries: &Entries) {
    let size = entries.len() / 100;
    let few: Vec<_> = entries.iter().step_by(100).collect();
    let mut random = Random::new(6);
    let batches: Vec<Vec<_>> = (1..=ROUNDS)
        .map(|change| {
            let places = random.places(BATCH, size);
            let change = |place: usize| (few[place].0, entries.value(place, change));
            places.into_iter().map(change).collect()
        })
        .collect();
    let mut map = Map::<merkle_core::Sha256>::new();
    let mut jmt = Jmt::default();
    let mut smt = Smt::default();
    map.update(&batch(&few));
    jmt.update(few.iter().copied());
    smt.update(few.iter().copied());

    let [mut first, mut second, mut third] = [(); 3].map(|()| batches.iter());
    let [ours, jmt, smt] = rates([
        (BATCH, &mut || {
            map.update(&batch(first.next().expect("one a round")));
            Box::new(())
        }),
        (BATCH, &mut || {
            jmt.update(second.next().expect("one a round").iter().copied());
            Box::new(())
        }),
        (BATCH, &mut || {
            smt.update(third.next().expect("one a round").iter().copied());
            Box::new(())
        }),
    ]);
    let name = format!("map::update_sha256/size={size}/batch={BATCH}");
    let row = Row::new("merkle", name, "updates/s", ours);
    report.row(&row.peer("jmt", jmt).peer("sparse-merkle-tree", smt));
}

/// Applies the batches of a round.
fn update_all<H: Profile>(map: &mut Map<H>, batches: Option<&[Batch<'_>]>) -> Box<dyn Any> {
    for batch in batches.expect("one a round") {
        map.update(black_box(batch));
    }
    Box::new(())
}

/// A key and its new value.
type Change<'a> = (&'a [u8; 32], &'a [u8]);

/// New values for random keys, in batches of `batch`; no round sets a value that is there already.
fn changes(entries: &Entries, seed: u64, batch: usize) -> Vec<Vec<Change<'_>>> {
    let places = Random::new(seed).places(ROUNDS * CHANGES, entries.len());
    let round = |at: usize| at * batch / CHANGES;
    let change = |at: usize, place: usize| {
        let changes = usize::try_from(seed).expect("small") * ROUNDS + round(at);
        (&entries.keys()[place], entries.value(place, changes))
    };
    let batches = places.chunks(batch).enumerate();
    batches
        .map(|(at, places)| places.iter().map(|place| change(at, *place)).collect())
        .collect()
}

fn batches<'a>(changes: &[Vec<Change<'a>>]) -> Vec<Batch<'a>> {
    changes.iter().map(|changes| batch(changes)).collect()
}

fn batch<'a>(changes: &[Change<'a>]) -> Batch<'a> {
    let mut batch = Batch::with_capacity(changes.len());
    for (key, value) in changes {
        put(&mut batch, key, value);
    }
    batch
}
