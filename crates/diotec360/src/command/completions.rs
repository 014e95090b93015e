//! `completions`: for shells.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::Context;
use crate::cli::Cli;
use crate::exit::Code;

/// Print a script of completions for a shell.
#[derive(Args, Debug)]
pub(crate) struct Completions {
    /// The shell.
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(&self, context: &Context<'_>) -> anyhow::Result<Code> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "diotec360", &mut script);
        context.output.write(&script)?;
        Ok(Code::Done)
    }
}
