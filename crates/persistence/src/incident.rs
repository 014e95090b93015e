//! What went wrong and what was done about it, in a file beside the stores.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

use vigilance::{Event, EventKind, Text};

use crate::{Cause, Config, Persistence, StorageError, WayOut};

/// Something that went wrong, or that was done about it.
///
/// Kept in the file `incidents.jsonl` of the data folder, one JSON object a line, so that it is there
/// whatever became of the stores. It is a help, not evidence: a way out that was taken is in the log too,
/// and so is an act of an administrator once the log takes records again.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct Incident {
    /// The time that was known then, in nanoseconds since 1970: of the opening, or of the newest commit.
    pub time_ns: u64,
    /// What it was.
    pub kind: IncidentKind,
    /// The store that is to blame, or none: `state`, `vault`, `audit trail`, `seals`.
    pub store: Option<String>,
    /// The cause in words; or the way out, and why it was taken; or the act, and whose it was.
    pub text: String,
    /// The program that an act went through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
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
    /// An act of an administrator that the log did not take.
    Act,
    /// From here on, the log has the acts before.
    Recorded,
    /// A line of the file that cannot be read.
    Unreadable,
}

impl fmt::Display for IncidentKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Panic => "panic",
            Self::Recovered => "recovered",
            Self::Act => "act",
            Self::Recorded => "recorded",
            Self::Unreadable => "unreadable",
        })
    }
}

impl Incident {
    pub(crate) fn panic(time_ns: u64, cause: &Cause) -> Self {
        Self {
            time_ns,
            kind: IncidentKind::Panic,
            store: Some(cause.store().to_string()),
            text: cause.to_string(),
            source: None,
        }
    }

    pub(crate) fn recovered(config: &Config, way: &WayOut, reason: &str) -> Self {
        Self {
            time_ns: config.time_ns,
            kind: IncidentKind::Recovered,
            store: None,
            text: format!("{way:?}: {reason}"),
            source: None,
        }
    }

    fn act(time_ns: u64, source: &str, text: &str) -> Self {
        Self {
            time_ns,
            kind: IncidentKind::Act,
            store: None,
            text: text[..text.floor_char_boundary(ACT_BYTES_MAX)].to_owned(),
            source: Some(source.to_owned()),
        }
    }

    fn recorded(time_ns: u64, acts: usize) -> Self {
        Self {
            time_ns,
            kind: IncidentKind::Recorded,
            store: None,
            text: format!("{acts} acts are in the log"),
            source: None,
        }
    }

    /// What the log says of an act.
    fn event(&self) -> Event {
        let mut event = Event::new(EventKind::Note, self.time_ns);
        event.source.clone_from(&self.source);
        event.message = Some(Text::plain(&self.text));
        event
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
            source: None,
        })
    };
    Ok(text.lines().map(read).collect())
}

/// Notes an act of an administrator beside stores that cannot be opened; the next opening that finds them
/// sound records it in the log. [`Persistence::log_act`] is for stores that are open.
///
/// # Errors
///
/// [`StorageError::File`]: it is noted nowhere.
pub fn note_act(
    config: &Config,
    time_ns: u64,
    source: &str,
    text: &str,
) -> Result<(), StorageError> {
    let act = Incident::act(time_ns, source, text);
    append(config, &act).map_err(StorageError::file(&path(config)))
}

impl Persistence {
    /// Records an act of an administrator. If the log does not take it, as in panic mode, it is among the
    /// [incidents], durably, and the next opening that finds the stores sound records it in the log.
    ///
    /// After a crash at the wrong moment an act may be in the log twice; it is never lost.
    ///
    /// # Errors
    ///
    /// [`StorageError::File`]: it is recorded nowhere.
    pub fn log_act(&self, time_ns: u64, source: &str, text: &str) -> Result<(), StorageError> {
        let act = Incident::act(time_ns, source, text);
        let Err(error) = self.log_event(act.event()) else {
            return Ok(());
        };
        tracing::warn!(%error, "an act is among the incidents until the log takes it");
        let config = &self.shared().config;
        append(config, &act).map_err(StorageError::file(&path(config)))
    }

    /// What went wrong so far, and what was done about it, oldest first: see [`incidents`].
    ///
    /// # Errors
    ///
    /// [`StorageError::File`].
    pub fn incidents(&self) -> Result<Vec<Incident>, StorageError> {
        incidents(&self.shared().config)
    }

    /// Records in the log the acts that it did not take when they were done.
    pub(crate) fn log_noted_acts(&self) {
        let config = &self.shared().config;
        let known = incidents(config).unwrap_or_default();
        let since = known.rsplit(|it| it.kind == IncidentKind::Recorded).next();
        let acts = since.unwrap_or_default().iter();
        let acts: Vec<_> = acts.filter(|it| it.kind == IncidentKind::Act).collect();
        if acts.is_empty() {
            return;
        }
        for act in &acts {
            let mut event = act.event();
            event.observed_ns = event.observed_ns.max(config.time_ns);
            if let Err(error) = self.log_event(event) {
                // They stay among the incidents, for the next opening.
                return tracing::warn!(%error, "acts are not in the log yet");
            }
        }
        if let Err(error) = append(config, &Incident::recorded(config.time_ns, acts.len())) {
            tracing::warn!(%error, "acts that are in the log may be recorded again");
        }
    }
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
    let path = path(config);
    let mut file = OpenOptions::new()
        .create(true)
        .read(true)
        .append(true)
        .open(&path)?;
    let mut line = Vec::new();
    match file.seek(SeekFrom::End(-1)) {
        Ok(_) => {
            // A crash may have cut off the last line: it is not to take this one with it.
            let mut last = [0];
            file.read_exact(&mut last)?;
            if last != *b"\n" {
                line.push(b'\n');
            }
        }
        Err(_) => File::open(&config.data_dir)?.sync_all()?, // it is new: so is its name
    }
    serde_json::to_writer(&mut line, incident)?;
    line.push(b'\n');
    file.write_all(&line)?;
    file.sync_data()
}

fn path(config: &Config) -> PathBuf {
    config.data_dir.join("incidents.jsonl")
}

/// Most bytes of an act.
const ACT_BYTES_MAX: usize = 4000;
