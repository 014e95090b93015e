//! Records of every kind, with texts, the same for the same number.

use vigilance::{
    Attack, ErasableField, ErasableText, Event, EventKind, Execution, ExecutionStatus, Hash,
    Metric, Options, Record, Salt, Severity, SignerKey, Text,
};

use crate::dice::Dice;

/// The name of the log.
pub(crate) const ORIGIN: &str = "example.com/trail";

/// The key that signs.
pub(crate) fn key() -> SignerKey {
    SignerKey::from_seed(ORIGIN, &[7; 32]).unwrap()
}

/// How the trails of these tests are opened.
pub(crate) fn options() -> Options {
    Options::new()
        .origin(ORIGIN)
        .signer(key())
        .checkpoint_every(200)
}

/// The record of a number. Most are executions, some attacks, metrics and events.
pub(crate) fn record(number: u64) -> Record {
    let mut dice = Dice(number ^ 0x5eed);
    match dice.below(10) {
        0..5 => execution(number, &mut dice),
        5..8 => attack(number, &mut dice),
        8 => {
            let name = *dice.choose(&["latency_ms", "queue"]);
            let value = u32::try_from(dice.below(100_000)).unwrap();
            Metric::new(
                format!("tx {number}"),
                name,
                f64::from(value) / 16.0,
                time(number),
            )
            .into()
        }
        _ => {
            let mut it = Event::new(EventKind::Note, time(number));
            it.source = Some("test".to_owned());
            it.count = Some(number);
            it.message = Some(Text::plain(format!("note number{number}")));
            it.into()
        }
    }
}

fn time(number: u64) -> u64 {
    1_770_000_000_000_000_000 + number * 1_000_000_007
}

fn salt(dice: &mut Dice) -> Salt {
    let mut bytes = [1; 32];
    bytes[..8].copy_from_slice(&dice.below(u64::MAX).to_le_bytes());
    Salt::from_bytes(bytes)
}

fn root(number: u64) -> Hash {
    let mut bytes = [3; 32];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    Hash::from_bytes(bytes)
}

fn execution(number: u64, dice: &mut Dice) -> Record {
    let status = *dice.choose(&ExecutionStatus::ALL);
    let intent = *dice.choose(&["transfer", "mint", "vote"]);
    let mut it = Execution::new(format!("tx {number}"), intent, status, time(number));
    it.observed_ns += dice.below(1000);
    it.bundle_hash = Some(format!("{:064x}", dice.below(40)));
    it.result = Some(Text::plain(format!(
        "{{\"message\":\"result number{number}\"}}"
    )));
    it.merkle_root_before = Some(root(number / 7));
    it.merkle_root_after = Some(root(number / 7));
    it.state_version = Some(number);
    it.elapsed_ns = Some(dice.below(1_000_000_000));
    for layer in ["conservation", "overflow", "z3_prover"] {
        it.layer_results
            .insert(layer.to_owned(), (dice.below(9) > 0).into());
    }
    it.telemetry.insert("cpu_time_ms".to_owned(), 42.5);
    it.into()
}

fn attack(number: u64, dice: &mut Dice) -> Record {
    let severity = Severity::from_micros(u32::try_from(dice.below(1_000_001)).unwrap()).unwrap();
    let kind = *dice.choose(&["injection", "overflow", "trojan"]);
    let layer = *dice.choose(&["input_sanitizer", "z3_prover"]);
    let id = format!("attack {number}");
    let mut it = Attack::new(id, kind, "code", layer, severity, time(number));
    let snippet = format!("drop table number{number};");
    it.code_snippet = Some(Text::erasable(
        ErasableField::CodeSnippet,
        &snippet,
        salt(dice),
    ));
    it.detection_method = Some("regex_pattern".to_owned());
    it.metadata = Some(Text::plain("{\"risk\":\"high\"}"));
    it.tx_id = Some(format!("tx {number}"));
    let subject = format!("user {}", dice.below(30));
    it.subject = Some(ErasableText::new(
        ErasableField::Subject,
        &subject,
        salt(dice),
    ));
    it.into()
}
