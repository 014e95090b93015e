//! Records of about 900 bytes: executions as the original writes them.

use vigilance::{Execution, ExecutionStatus, Hash, Record, Text};

use crate::random::Random;

/// The record of a number.
pub(super) fn record(number: usize) -> Record {
    let mut random = Random::new(number as u64);
    let tx_id = format!("{:016x}", random.next());
    let intent = ["transfer", "mint", "burn", "vote"][random.below(4)];
    let status = ExecutionStatus::ALL[random.below(13) / 4];
    let time = 1_770_000_000_000_000_000 + number as u64 % (1 << 32) * 1_000_000;
    let mut it = Execution::new(tx_id, intent, status, time);
    it.bundle_hash = Some(format!("{:064x}", random.below(1000)));
    let trace: String = (0..24)
        .map(|_| format!("{:016x} ", random.next() % 4096))
        .collect();
    // Common words, words of one record in 170, and one of a record or a few.
    it.result = Some(Text::plain(format!(
        "{{\"success\":true,\"message\":\"Transfer verified\",\"order\":\"{}\",\"trace\":\"{trace}\"}}",
        order(number)
    )));
    it.merkle_root_before = Some(Hash::from_bytes([random.next().to_le_bytes()[0]; 32]));
    it.merkle_root_after = Some(Hash::from_bytes([random.next().to_le_bytes()[0]; 32]));
    it.state_version = Some(number as u64);
    it.elapsed_ns = Some(random.next() % 100_000_000);
    for layer in LAYERS {
        it.layer_results.insert(layer.to_owned(), true.into());
    }
    for name in ["anomaly_score", "cpu_time_ms", "memory_delta_mb"] {
        let value = random.below(1_000) as f64 / 8.0;
        it.telemetry.insert(name.to_owned(), value);
    }
    it.into()
}

/// A word that few records have.
pub(super) fn order(number: usize) -> String {
    format!("order{:08x}", number / 8)
}

const LAYERS: [&str; 5] = [
    "conservation",
    "input_sanitizer",
    "overflow",
    "semantic_sanitizer",
    "z3_prover",
];
