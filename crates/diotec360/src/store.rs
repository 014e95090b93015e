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
    let folder = config.data_dir().to_owned();
    Persistence::open(config).map_err(|error| {
        let failure = if let OpenError::Damaged(panic) = &error {
            Failure::new(
                Code::Damaged,
                format!("what is stored is not what was proved: {panic}"),
            )
            .hint(
                "`diotec360 doctor` says what is damaged, what is still provable, and the ways out",
            )
        } else if error.is_locked() {
            Failure::new(
                Code::InUse,
                format!("{} is in use by another process", folder.display()),
            )
            .hint("stop the server that runs on it, or ask that server over HTTP instead")
        } else {
            return anyhow::Error::from(error)
                .context(format!("{} could not be opened", folder.display()));
        };
        failure.into()
    })
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
