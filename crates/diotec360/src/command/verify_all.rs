//! `verify-all`: everything against everything.

use std::ops::ControlFlow;

use clap::Args;
use serde_json::json;

use super::Context;
use crate::exit::{Code, Failure};
use crate::output::Paint;
use crate::store;

/// Check everything: the state, the vault and the audit trail by themselves, and against one another.
#[derive(Args, Debug)]
pub(crate) struct VerifyAll;

impl VerifyAll {
    pub(crate) fn run(&self, context: &Context<'_>) -> anyhow::Result<Code> {
        let store = store::open_existing(context.globals)?;
        let bar = context.output.bar("checking");
        let report = store.verify_all(|progress| {
            bar.set_message(progress.store.to_string());
            bar.set_length(progress.total);
            bar.set_position(progress.checked);
            ControlFlow::Continue(())
        })?;
        bar.finish_and_clear();
        let causes: Vec<_> = (report.causes.iter())
            .map(|cause| json!({"store": cause.store().to_string(), "cause": cause.to_string()}))
            .collect();
        let json = json!({
            "sound": causes.is_empty(), "versions": report.versions, "records": report.records,
            "objects": report.objects, "bundles": report.bundles, "seals": report.seals, "causes": causes,
        });
        context.output.show(&json, |output| {
            let mut text = format!(
                "state    {} versions\naudit    {} records\nvault    {} objects, {} bundles that records name\nseals    {}\n",
                report.versions, report.records, report.objects, report.bundles, report.seals,
            );
            for cause in &report.causes {
                text += &format!("{} {}: {cause}\n", output.paint(Paint::Bad, "damaged"), cause.store());
            }
            if report.causes.is_empty() {
                text += &output.paint(Paint::Good, "sound");
            }
            text
        })?;
        if !report.causes.is_empty() {
            let message = format!("{} things are not as they were proved", report.causes.len());
            return Err(Failure::new(Code::Damaged, message)
                .hint("`diotec360 doctor` names the ways out")
                .into());
        }
        Ok(Code::Done)
    }
}
