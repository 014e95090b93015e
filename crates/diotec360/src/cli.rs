//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::{command, exit};

/// A database that proves its state, its code and its history.
///
/// State, code and audit trail live in one data directory. Every answer can come with a proof that
/// anybody can check offline; whatever is changed behind the program's back is found.
///
/// New here? `diotec360 demo` tells the whole story in a moment, on real stores, and
/// `diotec360 serve --example` starts the HTTP API and the dashboard over an example ledger.
#[derive(Debug, Parser)]
#[command(name = "diotec360", version, after_help = exit::HELP, propagate_version = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) globals: Globals,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Args, Debug)]
pub(crate) struct Globals {
    /// The data directory; made if it is not there.
    #[arg(
        long,
        short,
        global = true,
        value_name = "DIR",
        env = "DIOTEC360_DATA_DIR",
        default_value = "diotec360-data"
    )]
    pub(crate) data: PathBuf,
    /// A configuration file: docs/configuration.md has its fields.
    #[arg(long, global = true, value_name = "FILE", env = "DIOTEC360_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// JSON instead of text, results and errors alike.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Results only, no progress and no remarks.
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    /// Colours.
    #[arg(
        long = "color",
        global = true,
        value_name = "WHEN",
        default_value = "auto"
    )]
    pub(crate) colour: Colour,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Colour {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start the HTTP API and the dashboard.
    Serve(command::serve::Serve),
    /// Tell the story in six acts on real stores; exits with 0 only if every act proved itself.
    Demo(command::demo::Demo),
    /// Load executions, attacks and metrics from a file of JSON lines.
    Load(command::load::Load),

    /// Put a value, as an execution of its own.
    Put(command::put::Put),
    /// Read a value, now or at an earlier version.
    Get(command::get::Get),
    /// List keys and values in key order.
    List(command::list::List),
    /// Write a proof of a value, or of its absence, to a file.
    Prove(command::prove::Prove),
    /// Check a proof file offline: against its own root, or against one you trust.
    VerifyProof(command::verify_proof::VerifyProof),
    /// Show what the versions did: to everything, or to one key.
    History(command::history::History),
    /// Show what differs between two versions.
    Diff(command::diff::Diff),
    /// Give versions names, which keep them.
    #[command(subcommand)]
    Snapshot(command::snapshot::Snapshot),
    /// Look at everything as it was, or bring the state back to it.
    #[command(subcommand)]
    TimeTravel(command::time_travel::TimeTravel),

    /// Record an execution, with what it writes.
    Exec(command::exec::Exec),
    /// Write the receipt of an execution to a file.
    Receipt(command::receipt::ReceiptOf),
    /// Check a receipt offline with a public key.
    VerifyReceipt(command::verify_receipt::VerifyReceipt),
    /// Record an attack that was blocked.
    Attack(command::attack::AttackArgs),

    /// Read, search, export and check the audit trail.
    #[command(subcommand)]
    Audit(command::audit::Audit),
    /// Write a report over a period, with a proof that nothing was left out.
    Report(command::report::ReportArgs),
    /// Check a report offline with a public key.
    VerifyReport(command::verify_report::VerifyReport),
    /// Erase texts of the audit trail for good.
    Erase(command::erase::Erase),
    /// Show the numbers of the dashboard.
    Stats(command::stats::Stats),

    /// Store and read code, proofs and certificates by their addresses.
    #[command(subcommand)]
    Vault(command::vault::Vault),

    /// Check everything: each store by itself, and all of them against one another.
    VerifyAll(command::verify_all::VerifyAll),
    /// Make a seal over everything, and write it to a file for others to keep.
    Seal(command::seal::MakeSeal),
    /// Check a seal offline with a public key.
    VerifySeal(command::verify_seal::VerifySeal),
    /// Diagnose a data directory.
    Doctor(command::doctor::Doctor),
    /// Show the ways out of panic mode, or take one.
    Recover(command::recover::Recover),
    /// Read what the vault stores a little at a time, and set aside what is bad.
    Scrub(command::scrub::Scrub),

    /// Back everything up into a folder, or add what came since.
    Backup(command::backup::Backup),
    /// Make the stores again from a backup, to the exact root.
    Restore(command::backup::Restore),
    /// Import what the original system kept.
    ImportLegacy(command::import_legacy::ImportLegacy),

    /// Print the public key that seals and receipts are verified with.
    Key(command::key::Key),
    /// Make, list and revoke the tokens of the HTTP API.
    #[command(subcommand)]
    Token(command::token::Token),
    /// Print a script of completions for a shell.
    Completions(command::completions::Completions),
    /// Print the manual page, as roff; or write one per command to a folder.
    Man(command::man::Man),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Cli;

    #[test]
    fn every_command_line_can_be_parsed() {
        Cli::command().debug_assert();
    }
}
