//! Opening the data directory for a command.

use anyhow::Context as _;
use persistence::{Config, OpenError, OpenReport, Persistence};

use crate::cli::Globals;
use crate::clock::now_ns;
use crate::exit::{Code, Failure};

/// What the command line, the environment and the configuration file say, the first counting most.
pub(crate) fn config(globals: &Globals) -> anyhow::Result<Config> {
    let mut config = Config::new(&globals.data);
    if let Some(file) = &globals.config {
        config = config.read(file)?;
    }
    Ok(config.from_environment()?.time_ns(now_ns()))
}

/// Opens the stores to write to them; makes them if they are not there.
pub(crate) fn open(globals: &Globals) -> anyhow::Result<Persistence> {
    Ok(open_with(config(globals)?)?.0)
}

/// Opens stores that are there.
pub(crate) fn open_existing(globals: &Globals) -> anyhow::Result<Persistence> {
    let config = config(globals)?;
    if !config.state_path().exists() {
        let message = format!("there is no data in {}", config.data_dir().display());
        return Err(Failure::new(Code::NotFound, message)
            .hint("name another directory with --data, or begin with `diotec360 put` or `diotec360 serve`")
            .into());
    }
    Ok(open_with(config.create(false))?.0)
}

/// Opens the stores as configured, and says what to do if that fails.
pub(crate) fn open_with(config: Config) -> anyhow::Result<(Persistence, OpenReport)> {
    Persistence::open(config.clone()).map_err(|error| open_failure(&config, error))
}

/// Why the stores were not opened, and what to do next.
pub(crate) fn open_failure(config: &Config, error: OpenError) -> anyhow::Error {
    let folder = config.data_dir().display();
    if error.is_locked() {
        let message = format!("{folder} is in use by another process");
        return Failure::new(Code::InUse, message)
            .hint("stop the server that runs on it, or ask that server over HTTP instead")
            .into();
    }
    let message = match &error {
        OpenError::Damaged(panic) => format!("what is stored is not what was proved: {panic}"),
        error if !error.ways_out().is_empty() => format!("{folder} could not be opened: {error}"),
        _ => return anyhow::Error::from(error).context(format!("{folder} could not be opened")),
    };
    Failure::new(Code::Damaged, message)
        .hint("copy the directory; then `diotec360 doctor` says what is damaged, `diotec360 recover` the ways out")
        .into()
}

/// Reads a file that a command was given.
pub(crate) fn read_file(path: &std::path::Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Writes a file that a command makes: all of it, or none.
pub(crate) fn write_file(path: &std::path::Path, bytes: &[u8]) -> anyhow::Result<()> {
    let said = || format!("cannot write {}", path.display());
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    std::fs::write(&name, bytes).with_context(said)?;
    std::fs::rename(&name, path).with_context(said)
}
