//! What reading costs when there is much to read. Skipped unless `VIGILANCE_ROWS` says how many
//! records: `VIGILANCE_ROWS=1000000 cargo test --release -p vigilance --test scale -- --nocapture`.
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a failed unwrap is a failed test; numbers are drawn below small bounds"
)]

#[path = "common/dice.rs"]
mod dice;

use std::time::{Duration, Instant};

use dice::{Dice, number};
use vigilance::{
    Attack, Durability, Execution, ExecutionStatus, Filter, Options, PageFrom, Period, Record,
    Severity, SignerKey, Text, Trail,
};

const BEGIN_NS: u64 = 1_770_000_000_000_000_000;

/// A record of about 900 bytes; every fourth is an attack.
fn record(dice: &mut Dice, nth: u64) -> Record {
    let event_ns = BEGIN_NS + nth * 20_000_000;
    let intent = ["transfer", "mint", "burn", "check_balance", "vote"][dice.below(5) as usize];
    let rest = "lorem ipsum dolor sit amet ".repeat(12);
    if nth.is_multiple_of(4) {
        let attack_type = ["injection", "overflow", "trojan"][dice.below(3) as usize];
        let severity = Severity::from_micros(dice.below(1_000_001) as u32).unwrap();
        let mut it = Attack::new(
            format!("{nth:016x}"),
            attack_type,
            "code",
            "input_sanitizer",
            severity,
            event_ns,
        );
        it.code_snippet = Some(Text::plain(format!(
            "DROP TABLE table{} -- {rest}",
            dice.below(10_000)
        )));
        return it.into();
    }
    let status = ExecutionStatus::ALL[(dice.below(20) / 17) as usize];
    let mut it = Execution::new(format!("{nth:016x}"), intent, status, event_ns);
    it.bundle_hash = Some(format!("{:064x}", dice.below(100)));
    it.elapsed_ns = Some(10_000_000 + dice.below(90_000_000));
    it.layer_results.insert("z3_prover".into(), true.into());
    it.telemetry.insert("cpu_time_ms".into(), 42.0);
    it.telemetry
        .insert(format!("note {rest}").chars().take(200).collect(), 1.0);
    it.into()
}

fn measure(name: &str, goal_ms: f64, mut run: impl FnMut()) {
    let mut times: Vec<Duration> = (0..400)
        .map(|_| {
            let begin = Instant::now();
            run();
            begin.elapsed()
        })
        .collect();
    times.sort_unstable();
    let ms = |at: usize| times[at].as_secs_f64() * 1e3;
    let met = if ms(395) <= goal_ms { "yes" } else { "**no**" };
    println!(
        "| {name} | {:.3} | {:.3} | <= {goal_ms} | {met} |",
        ms(200),
        ms(395)
    );
}

#[test]
fn what_reading_costs() {
    let rows = number("VIGILANCE_ROWS", 0);
    if rows == 0 {
        println!("skipped: set VIGILANCE_ROWS");
        return;
    }
    let mut dice = Dice(number("VIGILANCE_SEED", 20_261_129));
    let folder = tempfile::tempdir().unwrap();
    let key = SignerKey::from_seed("example.com/trail", &[7; 32]).unwrap();
    let options = Options::new().origin("example.com/trail").signer(key);
    let trail = Trail::open(folder.path(), &options).unwrap();
    let begin = Instant::now();
    let mut tickets = std::collections::VecDeque::new();
    let mut nth = 0;
    while nth < rows {
        let batch: Vec<_> = (nth..rows.min(nth + 4_096))
            .map(|nth| record(&mut dice, nth))
            .collect();
        nth += batch.len() as u64;
        tickets.push_back(trail.submit(batch, Durability::Durable).unwrap());
        if tickets.len() > 4 {
            tickets.pop_front().unwrap().wait().unwrap();
        }
    }
    tickets
        .into_iter()
        .for_each(|ticket| drop(ticket.wait().unwrap()));
    let spent = begin.elapsed().as_secs_f64();
    println!(
        "{rows} records appended in {spent:.1} s: {:.0} a second",
        f64::from(rows as u32) / spent
    );

    println!("| at {rows} records | median ms | p99 ms | goal | met |\n|---|---|---|---|---|");
    measure("execution_stats", 0.5, || {
        drop(trail.execution_stats().unwrap())
    });
    measure("attack_stats", 0.5, || drop(trail.attack_stats().unwrap()));
    measure("a day of minutes", 50.0, || {
        let day = 86_400_000_000_000;
        drop(
            trail
                .execution_series(Period::Minute, BEGIN_NS, BEGIN_NS + day)
                .unwrap(),
        );
    });
    let all = Filter::executions();
    measure("newest page of 50", 2.0, || {
        drop(trail.page(&all, PageFrom::Newest, 50).unwrap())
    });
    let filters = [
        ("deep page, all executions", all.clone()),
        ("deep page, by intent", all.clone().intent("vote")),
        (
            "deep page, by status",
            all.clone().status(ExecutionStatus::Failed),
        ),
        (
            "deep page, by intent and status",
            all.clone().intent("vote").status(ExecutionStatus::Failed),
        ),
        (
            "deep page, by type",
            Filter::attacks().attack_type("trojan"),
        ),
        (
            "deep page, severe attacks",
            Filter::attacks().severity_at_least(Severity::from_micros(950_000).unwrap()),
        ),
    ];
    for (name, filter) in filters {
        measure(name, 2.0, || {
            // Anywhere in the list: a cursor at that time is where a page would begin.
            let until = BEGIN_NS + dice.below(rows) * 20_000_000;
            let page = trail
                .page(&filter.clone().between(0, until), PageFrom::Newest, 50)
                .unwrap();
            assert!(page.records.len() <= 50);
        });
    }
    let mut page = trail.page(&all, PageFrom::Oldest, 50).unwrap();
    measure("page after page, upwards", 2.0, || {
        page = trail
            .page(&all, PageFrom::Newer(page.newer.unwrap()), 50)
            .unwrap();
    });
    measure("selective search", 50.0, || {
        let query = format!("drop table{}", dice.below(10_000)).parse().unwrap();
        drop(
            trail
                .page(&Filter::attacks().text(query), PageFrom::Newest, 50)
                .unwrap(),
        );
    });
}
