//! What went wrong and what was done about it, in a file beside the stores.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;

use crate::{Cause, Config, StorageError, WayOut};

/// Something that went wrong, or that was done about it.
///
/// Kept in the file `incidents.jsonl` of the data folder, one JSON object a line, so that it is there
/// whatever became of the stores. It is a help, not evidence: a way out that was taken is in the log too.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct Incident {
    /// The time that was known then, in nanoseconds since 1970: of the opening, or of the newest commit.
    pub time_ns: u64,
    /// What it was.
    pub kind: IncidentKind,
    /// The store that is to blame, or none: `state`, `vault`, `audit trail`, `seals`.
    pub store: Option<String>,
    /// The cause in words; or the way out, and why it was taken.
    pub text: String,
}

/// What kind of incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum IncidentKind {
    /// Damage was found: writes are refused from then on.
    Panic,
    /// A way out was taken.
    Recovered,
    /// A line of the file that cannot be read.
    Unreadable,
}

impl Incident {
    pub(crate) fn panic(time_ns: u64, cause: &Cause) -> Self {
        Self {
            time_ns,
            kind: IncidentKind::Panic,
            store: Some(cause.store().to_string()),
            text: cause.to_string(),
        }
    }

    pub(crate) fn recovered(config: &Config, way: &WayOut, reason: &str) -> Self {
        Self {
            time_ns: config.time_ns,
            kind: IncidentKind::Recovered,
            store: None,
            text: format!("{way:?}: {reason}"),
        }
    }
}

/// What went wrong so far with the stores of `config`, and which ways out were taken, oldest first.
///
/// Needs no store to be open, or whole.
///
/// # Errors
///
/// [`StorageError::File`].
pub fn incidents(config: &Config) -> Result<Vec<Incident>, StorageError> {
    let path = path(config);
    let text = match fs::read(&path) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(StorageError::file(&path)(error)),
    };
    let read = |line: &str| {
        serde_json::from_str(line).unwrap_or_else(|_| Incident {
            time_ns: 0,
            kind: IncidentKind::Unreadable,
            store: None,
            text: line.to_owned(),
        })
    };
    Ok(text.lines().map(read).collect())
}

/// Adds an incident. One that was noted since the last way out is not noted again.
///
/// That it cannot be written does not keep anybody from panic mode, nor from leaving it.
pub(crate) fn note(config: &Config, incident: &Incident) {
    let known = incidents(config).unwrap_or_default();
    let since = known.rsplit(|it| it.kind == IncidentKind::Recovered).next();
    let same = |it: &Incident| (&it.store, &it.text) == (&incident.store, &incident.text);
    if incident.kind == IncidentKind::Panic && since.unwrap_or_default().iter().any(same) {
        return;
    }
    if let Err(error) = append(config, incident) {
        tracing::error!(%error, text = incident.text, "an incident was not noted");
    }
}

fn append(config: &Config, incident: &Incident) -> io::Result<()> {
    let mut line = serde_json::to_vec(incident)?;
    line.push(b'\n');
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(path(config))?;
    file.write_all(&line)?;
    file.sync_data()
}

fn path(config: &Config) -> PathBuf {
    config.data_dir.join("incidents.jsonl")
}
