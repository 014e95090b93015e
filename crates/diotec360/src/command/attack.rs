//! `attack`: an attack that was blocked.

use clap::Args;
use persistence::{Attack, Severity, Text};
use serde_json::json;
use vigilance::{ErasableField, ErasableText, Salt};

use super::Context;
use super::exec::new_tx_id;
use crate::clock::now_ns;
use crate::exit::Code;
use crate::store;

/// Record an attack that was blocked.
#[derive(Args, Debug)]
pub(crate) struct AttackArgs {
    /// What was tried: injection, overflow…
    attack_type: String,
    /// The kind of it.
    #[arg(long, default_value = "unknown")]
    category: String,
    /// The layer that stopped it.
    #[arg(long, value_name = "LAYER")]
    layer: String,
    /// How bad it would have been, from 0 to 1.
    #[arg(long, default_value_t = 0.5)]
    severity: f64,
    /// Name of the attack; a new one otherwise.
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// The code that was sent. It can be erased later, which leaves every proof as it is.
    #[arg(long, value_name = "TEXT")]
    snippet: Option<String>,
    /// Whom it is about: `diotec360 erase --subject` erases by that name. Can be erased itself.
    #[arg(long, value_name = "NAME")]
    subject: Option<String>,
}

impl AttackArgs {
    pub(crate) fn run(&self, context: &Context<'_>) -> anyhow::Result<Code> {
        let id = match &self.id {
            Some(id) => id.clone(),
            None => new_tx_id()?.replacen("tx", "attack", 1),
        };
        let severity = Severity::from_f64(self.severity)?;
        let mut attack = Attack::new(
            &id,
            &self.attack_type,
            &self.category,
            &self.layer,
            severity,
            now_ns(),
        );
        if let Some(snippet) = &self.snippet {
            let text = Text::erasable(ErasableField::CodeSnippet, snippet, Salt::random()?);
            attack.code_snippet = Some(text);
        }
        if let Some(subject) = &self.subject {
            let text = ErasableText::new(ErasableField::Subject, subject, Salt::random()?);
            attack.subject = Some(text);
        }
        let store = store::open(context.globals)?;
        let recorded = store.save_attack(attack)?;
        let json = json!({
            "attack_id": id, "index": recorded.index, "version": recorded.version, "repeated": recorded.repeated,
        });
        context.output.show(&json, |_| {
            format!("{id} recorded\n  log      {}", recorded.index)
        })?;
        Ok(Code::Done)
    }
}
