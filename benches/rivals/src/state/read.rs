//! Reading one key after another, and proving them.

use super::commit::Rates;
use super::resident::{Keys, Resident};
use super::store::Kind;
use crate::measure::{ROUNDS, median};
use crate::report::Report;
use crate::row::{Goal, Row};

/// Keys that are read in a turn.
const READS: usize = 100_000;

/// Keys that are proved in a turn.
const PROOFS: usize = 10_000;

/// Reports the rows.
pub(super) fn rows(report: &mut Report, size: usize, stores: &mut [Resident]) {
    reads(report, size, stores);
    proofs(report, size, stores);
}

fn reads(report: &mut Report, size: usize, stores: &mut [Resident]) {
    let mut rates = vec![Vec::new(); stores.len()];
    for round in 0..ROUNDS {
        let keys = Keys {
            seed: 200 + round as u64,
            count: READS,
        };
        for (store, rates) in stores.iter_mut().zip(&mut rates) {
            rates.push(store.read(keys));
        }
    }
    let rates: Vec<_> = rates.iter_mut().map(|rates| median(rates)).collect();
    let rates = Rates::new(stores, &rates);
    let name = format!("read::get/size={size}");
    let row = rates.beside(Row::new("state", name, "reads/s", rates.of(Kind::Sha256)));
    report.row(&match rates.peer("qmdb") {
        Some(rate) => row.goal(Goal::AtLeast(2.0 * rate)),
        None => row,
    });
}

fn proofs(report: &mut Report, size: usize, stores: &mut [Resident]) {
    let mut made = vec![Vec::new(); stores.len()];
    let mut verified = vec![Vec::new(); stores.len()];
    let mut bytes = vec![f64::NAN; stores.len()];
    for round in 0..ROUNDS {
        let keys = Keys {
            seed: 300 + round as u64,
            count: PROOFS,
        };
        for (at, store) in stores.iter_mut().enumerate() {
            if let Some(proved) = store.prove(keys) {
                made[at].push(PROOFS as f64 / proved.made.as_secs_f64());
                verified[at].push(PROOFS as f64 / proved.verified.as_secs_f64());
                bytes[at] = proved.bytes.unwrap_or(f64::NAN);
            }
        }
    }
    for (operation, figures, by) in [("made", made, 5.0), ("verified", verified, 1.0)] {
        let medians: Vec<_> = figures
            .into_iter()
            .map(|mut rates| median(&mut rates))
            .collect();
        let rates = Rates::new(stores, &medians);
        for kind in [Kind::Sha256, Kind::Blake3] {
            let name = format!("proof::{operation}_{}/size={size}", kind.name());
            let row = rates.beside(Row::new("state", name, "proofs/s", rates.of(kind)));
            report.row(&match rates.peer("nomt") {
                Some(rate) => row.goal(Goal::AtLeast(by * rate)),
                None => row,
            });
        }
    }
    let bytes = Rates::new(stores, &bytes);
    let name = format!("proof::length/size={size}");
    report.row(&bytes.beside(Row::new("state", name, "bytes", bytes.of(Kind::Sha256))));
}
