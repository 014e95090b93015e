//! Chores of the workspace. `cargo xtask --help` lists them; each has a file of its own.

mod bench;
mod cache;
mod campaigns;
mod ci;
mod debian;
mod docs;
mod fuzz;
mod http_bench;
mod judges;
mod layering;
mod links;
mod mutants;
mod no_std;
mod process;
mod repo;
mod rocksdb;
mod test;
#[cfg(test)]
mod tidy;
mod tools;

use std::process::ExitCode;

use anyhow::{Result, bail};
use lexopt::{Arg, ValueExt};

const HELP: &str = "\
Chores of the workspace. From any folder of the checkout:

    cargo xtask COMMAND

What everybody needs:
    test                 every test: all features but rocksdb, no features, doctests.
                         Needs Rust; what else they run is installed on a machine of CI.
    ci                   everything CI does, `test` included; `.ci/run` is this
    bench [AREA]         ours and its peers on the same work, one row a figure
                         `http` needs Debian's wrk, and is only run when it is named
          --json         one JSON object a line instead of a table
          --quick        smaller sizes, done within two minutes; goals are shown, not judged
          --full         larger sizes, where an area has goals for them: many minutes
          --alone        without the peers of `state`, which take most of its time, minutes to
                         build, and RocksDB's library (librocksdb-dev, libclang-dev)

One check of `ci` each:
    layering             dependencies between our crates point strictly down
    no-std               the crates that promise no_std keep it, feature by feature
    rocksdb              reality-db's other engine, with the system's library
    judges               our formats and the HTTP API against programs in JavaScript and Python
    docs                 rustdoc without a warning, every link in a *.md leads somewhere
    campaigns [PACKAGE]  processes killed, bytes changed, disks filled, hundreds of times
          --times N      N times as often as CI does it
    fuzz [TARGET...]     all fuzz targets, or those named; cargo-fuzz is installed if need be
          --seconds N    how long for each (default 60)

By hand:
    mutants FILE...      does a test notice when a line of FILE is broken? (cargo-mutants)

Environment:
    CI=true              what is missing on this machine is then a failure, not a skip
                         (but the advisory database, see docs/decisions/0013)
    CARGO_TARGET_DIR     where `ci` builds (default: a folder in the cache below)
    DIOTEC360_CACHE      tools, fuzz corpora, CI's builds
                         (default: diotec360-persistence in $XDG_CACHE_HOME or ~/.cache)
    XTASK_FUZZ_SECONDS   how long `ci` fuzzes each target (default 20)
";

fn main() -> ExitCode {
    // Not `-> Result`: that would print a backtrace below the summary that is to be read.
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let mut args = lexopt::Parser::from_env();
    let command = match args.next()? {
        None | Some(Arg::Short('h') | Arg::Long("help")) => "help".into(),
        Some(Arg::Value(command)) => command.to_string_lossy().into_owned(),
        Some(other) => return Err(other.unexpected().into()),
    };
    let mut options = Options::default();
    while let Some(arg) = args.next()? {
        match (command.as_str(), arg) {
            (_, Arg::Short('h') | Arg::Long("help")) => options.help = true,
            ("fuzz", Arg::Long("seconds")) => options.seconds = Some(args.value()?.parse()?),
            ("campaigns", Arg::Long("times")) => options.times = Some(args.value()?.parse()?),
            ("bench", Arg::Long(option @ ("json" | "quick" | "full" | "alone"))) => {
                options.flags.push(format!("--{option}"));
            }
            ("fuzz" | "bench" | "mutants" | "campaigns", Arg::Value(name)) => {
                options.names.push(name.to_string_lossy().into_owned());
            }
            (_, other) => return Err(other.unexpected().into()),
        }
    }
    if options.help {
        print!("{HELP}");
        return Ok(());
    }

    let repo = repo::Repo::here()?;
    match command.as_str() {
        "help" => print!("{HELP}"),
        "test" => test::run(&repo)?,
        "ci" => ci::run(repo)?,
        "bench" if options.names == ["http"] => http_bench::run(&repo, &options.flags)?,
        "bench" => bench::run(&repo, &options.names, &options.flags)?,
        "layering" => layering::run(&repo)?,
        "no-std" => no_std::run(&repo)?,
        "rocksdb" => {
            let library = rocksdb::library().map_err(anyhow::Error::msg)?;
            rocksdb::run(&repo, &library)?;
        }
        "judges" => {
            let folder = judges::folder().map_err(anyhow::Error::msg)?;
            judges::run(&repo, &folder)?;
        }
        "docs" => docs::run(&repo)?,
        "campaigns" => campaigns::run(&repo, &options.names, options.times.unwrap_or(1))?,
        "fuzz" => fuzz::run(&repo, &options.names, options.seconds.unwrap_or(60))?,
        "mutants" => mutants::run(&repo, &options.names)?,
        _ => bail!("no command `{command}`: see `cargo xtask --help`"),
    }
    Ok(())
}

/// What may follow a command's name; each command takes only what [`HELP`] gives it.
#[derive(Default)]
struct Options {
    help: bool,
    seconds: Option<u64>,
    times: Option<u32>,
    /// Of `bench`, which hands them on.
    flags: Vec<String>,
    names: Vec<String>,
}
