#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod bytes;
mod cli;
mod clock;
mod command;
mod exit;
mod ledger;
mod output;
mod proof_file;
mod remote;
mod store;

use std::process::ExitCode;

use clap::Parser;

// A tree that is copied a little at a time for as long as a process lives: docs/decisions/0065.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let output = output::Output::new(&cli.globals);
    match command::run(&cli, &output) {
        Ok(code) => code.into(),
        Err(error) => output.fail(&error).into(),
    }
}
