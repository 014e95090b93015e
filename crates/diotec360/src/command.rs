//! The commands, one a file.

pub(crate) mod attack;
pub(crate) mod audit;
pub(crate) mod backup;
pub(crate) mod completions;
pub(crate) mod demo;
pub(crate) mod diff;
pub(crate) mod doctor;
pub(crate) mod erase;
pub(crate) mod exec;
pub(crate) mod gc;
pub(crate) mod get;
pub(crate) mod history;
pub(crate) mod import_legacy;
pub(crate) mod key;
pub(crate) mod list;
pub(crate) mod load;
pub(crate) mod man;
pub(crate) mod prove;
pub(crate) mod pull;
pub(crate) mod put;
pub(crate) mod receipt;
pub(crate) mod recover;
pub(crate) mod report;
pub(crate) mod scrub;
pub(crate) mod seal;
pub(crate) mod serve;
pub(crate) mod snapshot;
pub(crate) mod stats;
pub(crate) mod time_travel;
pub(crate) mod token;
pub(crate) mod vault;
pub(crate) mod verify_all;
pub(crate) mod verify_proof;
pub(crate) mod verify_receipt;
pub(crate) mod verify_report;
pub(crate) mod verify_seal;

use crate::cli::{Cli, Command, Globals};
use crate::exit::Code;
use crate::output::Output;

/// What a command works with.
pub(crate) struct Context<'c> {
    pub(crate) globals: &'c Globals,
    pub(crate) output: &'c Output,
}

/// Runs the command that was given.
pub(crate) fn run(cli: &Cli, output: &Output) -> anyhow::Result<Code> {
    let context = &Context {
        globals: &cli.globals,
        output,
    };
    match &cli.command {
        Command::Serve(it) => it.run(context),
        Command::Load(it) => it.run(context),
        Command::Demo(it) => it.run(context),
        Command::Put(it) => it.run(context),
        Command::Get(it) => it.run(context),
        Command::List(it) => it.run(context),
        Command::Prove(it) => it.run(context),
        Command::VerifyProof(it) => it.run(context),
        Command::History(it) => it.run(context),
        Command::Diff(it) => it.run(context),
        Command::Exec(it) => it.run(context),
        Command::Receipt(it) => it.run(context),
        Command::VerifyReceipt(it) => it.run(context),
        Command::Attack(it) => it.run(context),
        Command::Audit(it) => it.run(context),
        Command::Report(it) => it.run(context),
        Command::VerifyReport(it) => it.run(context),
        Command::Stats(it) => it.run(context),
        Command::Vault(it) => it.run(context),
        Command::VerifyAll(it) => it.run(context),
        Command::Seal(it) => it.run(context),
        Command::VerifySeal(it) => it.run(context),
        Command::Doctor(it) => it.run(context),
        Command::Backup(it) => it.run(context),
        Command::Restore(it) => it.run(context),
        Command::Snapshot(it) => it.run(context),
        Command::TimeTravel(it) => it.run(context),
        Command::ImportLegacy(it) => it.run(context),
        Command::Recover(it) => it.run(context),
        Command::Erase(it) => it.run(context),
        Command::Scrub(it) => it.run(context),
        Command::Key(it) => it.run(context),
        Command::Token(it) => it.run(context),
        Command::Completions(it) => it.run(context),
        Command::Man(it) => it.run(context),
    }
}
