//! `doctor`: what is wrong with a data directory.

use clap::Args;
use persistence::Health;
use serde_json::json;

use super::Context;
use crate::exit::Code;
use crate::output::Paint;
use crate::store;

/// Diagnose a data directory: what is there, whether the stores agree, and what is damaged.
///
/// Opens the stores as the server does, which makes good what a killed process left. Nothing is written
/// to stores that are damaged.
#[derive(Args, Debug)]
pub(crate) struct Doctor;

impl Doctor {
    pub(crate) fn run(&self, context: &Context<'_>) -> anyhow::Result<Code> {
        let config = store::config(context.globals)?
            .create(false)
            .accept_damage(true);
        let places = [
            ("state", config.state_path()),
            ("vault", config.vault_path()),
            ("audit", config.audit_path()),
            ("seals", config.seals_path()),
            ("key", config.key_path()),
        ];
        let (store, report) = store::open_with(config)?;
        let version = store.state().version();
        let seal = store.last_seal().map(|(seal, _)| seal);
        let causes: Vec<_> = (report.causes.iter())
            .map(|cause| json!({"store": cause.store().to_string(), "cause": cause.to_string()}))
            .collect();
        let sound = store.health() == Health::Sound;
        let json = json!({
            "sound": sound, "causes": causes, "version": version.number, "root": version.root.to_string(),
            "records_applied": report.records_applied, "seals_restored": report.seals_restored,
            "last_seal": seal.as_ref().map(|seal| seal.version),
            "durations_ms": report.durations.iter().map(|(what, time)| (*what, time.as_secs_f64() * 1e3)).collect::<std::collections::BTreeMap<_, _>>(),
        });
        context.output.show(&json, |output| {
            let mut text = String::new();
            for (what, path) in &places {
                let there = if path.exists() {
                    output.paint(Paint::Good, "there")
                } else {
                    output.paint(Paint::Bad, "missing")
                };
                text += &format!("{what:<8} {there}  {}\n", path.display());
            }
            text += &format!("version  {}\nroot     {}\n", version.number, version.root);
            if let Some(seal) = &seal {
                text += &format!("sealed   up to version {}\n", seal.version);
            }
            if report.records_applied > 0 {
                text += &format!(
                    "made good: {} records that the audit trail lacked\n",
                    report.records_applied
                );
            }
            for (what, time) in &report.durations {
                text += &output.paint(
                    Paint::Faint,
                    &format!("{:>8.1} ms  {what}\n", time.as_secs_f64() * 1e3),
                );
            }
            for cause in &report.causes {
                text += &format!(
                    "{} {}: {cause}\n",
                    output.paint(Paint::Bad, "damaged"),
                    cause.store()
                );
            }
            text + &match sound {
                true => output.paint(Paint::Good, "sound"),
                false => format!(
                    "{}: writes are refused; sound reads go on; `diotec360 recover` shows the ways out",
                    output.paint(Paint::Bad, "panic")
                ),
            }
        })?;
        Ok(if sound { Code::Done } else { Code::Damaged })
    }
}
