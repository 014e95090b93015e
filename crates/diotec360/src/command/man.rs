//! `man`: the manual.

use std::path::PathBuf;

use clap::{Args, CommandFactory};

use super::Context;
use crate::cli::Cli;
use crate::exit::Code;

/// Print the manual page, as roff; or write one per command to a folder.
#[derive(Args, Debug)]
pub(crate) struct Man {
    /// The folder.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

impl Man {
    pub(crate) fn run(&self, context: &Context<'_>) -> anyhow::Result<Code> {
        if let Some(folder) = &self.out {
            std::fs::create_dir_all(folder)?;
            clap_mangen::generate_to(Cli::command(), folder)?;
            return Ok(Code::Done);
        }
        let mut page = Vec::new();
        clap_mangen::Man::new(Cli::command()).render(&mut page)?;
        context.output.write(&page)?;
        Ok(Code::Done)
    }
}
