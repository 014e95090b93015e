//! Opening the three stores together, and holding them against one another.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Condvar, Mutex, RwLock};
use std::thread;
use std::time::{Duration, Instant};
use std::{fs, io};

use merkle_core::{Hash, NoteKeyError, SignerKey, VerifierKey};
use reality_db::{Options, RealityDb};

use crate::audit::{Audit, AuditError};
use crate::follower;
use crate::ids::Ids;
use crate::incident::Incident;
use crate::recent::{Recent, Transitions};
use crate::reconcile::{Reconciled, reconcile};
use crate::seal::{SealFolder, write_whole};
use crate::sealing::{Chain, Sealed};
use crate::shared::{Head, Shared, Trail};
use crate::step::{Step, reached};
use crate::vault::{Code, VaultError};
use crate::writer::Writer;
use crate::{
    Cause, Config, ExecuteError, Health, Panic, Persistence, Seal, SealError, StorageError,
};

/// Why the stores were not opened. Nothing that was acknowledged is lost by it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The state could not be opened.
    #[error("the state could not be opened")]
    State(#[source] reality_db::OpenError),
    /// The audit trail could not be opened.
    #[error("the audit trail could not be opened")]
    Audit(#[source] AuditError),
    /// The vault could not be opened.
    #[error("the vault could not be opened")]
    Vault(#[source] VaultError),
    /// Damage was found: [`Config::accept_damage`] opens all the same, in panic mode.
    #[error("damage was found: {0}")]
    Damaged(Panic),
    /// A file could not be read or written.
    #[error("{} could not be used", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The key in the file is none.
    #[error("{} holds no key", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// Why.
        source: NoteKeyError,
    },
    /// The trusted seal is none, or nobody signed it who is trusted.
    #[error("the trusted seal cannot be read")]
    TrustedSeal(#[source] SealError),
    /// A store failed while the stores were held against one another.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// It could not be recorded which texts are lost.
    #[error("it could not be recorded which texts are lost")]
    Redact(#[source] Box<ExecuteError>),
    /// The first seal could not be made.
    #[error("the genesis seal could not be made")]
    Genesis(#[source] Box<ExecuteError>),
}

impl OpenError {
    /// Whether another process has one of the stores open.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        match self {
            Self::State(error) => matches!(error, reality_db::OpenError::Locked { .. }),
            Self::Audit(error) => error.is_locked(),
            _ => false,
        }
    }
}

/// How the stores were opened: what was found, and what was made good.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct OpenReport {
    /// They were made anew.
    pub created: bool,
    /// How the state was opened.
    pub state: reality_db::OpenReport,
    /// Records that the journal had and the audit trail had not: it has them now.
    pub records_applied: u64,
    /// Records whose erasable texts were lost with the trail that was made again: the log says so now.
    pub texts_lost: u64,
    /// Seals whose files were missing and were written again, from the log.
    pub seals_restored: u64,
    /// What is not as it was proved: then everything is in panic mode.
    pub causes: Vec<Cause>,
    /// How long each step took.
    pub durations: Vec<(&'static str, Duration)>,
}

impl Persistence {
    /// Opens the three stores and holds them against one another: what the journal of the state has
    /// and the audit trail has not is made good; whatever else differs is damage.
    ///
    /// # Errors
    ///
    /// [`OpenError`].
    pub fn open(config: Config) -> Result<(Self, OpenReport), OpenError> {
        let (known, time_ns) = (config.clone(), config.time_ns);
        let opened = Self::open_stores(config);
        let causes = match &opened {
            Ok((_, report)) => &report.causes[..],
            Err(OpenError::Damaged(panic)) => &panic.causes,
            Err(_) => &[],
        };
        for cause in causes {
            crate::incident::note(&known, &Incident::panic(time_ns, cause));
        }
        if let Ok((persistence, _)) = &opened
            && persistence.health() == Health::Sound
        {
            persistence.log_noted_acts();
        }
        opened
    }

    fn open_stores(config: Config) -> Result<(Self, OpenReport), OpenError> {
        let mut clock = Clock::new();
        let mut report = OpenReport::default();
        let signer = signer(&config)?;
        let mut keys = vec![signer.verifier_key()];
        keys.extend(config.trusted_keys.iter().cloned());
        let seals_path = config.seals_path();
        let seals = SealFolder::open(&seals_path).map_err(file(&seals_path))?;
        let trusted = trusted_seal(&config, &keys)?;
        let stores = Stores::open(&config, &signer)?;
        clock.lap("open the stores");
        let Stores { db, audit, code } = stores;
        report.state = db.open_report().clone();
        report.created = db.version().number == 0;

        let mut anchors = Vec::new();
        let folder = read_folder(&seals, &keys, &seals_path, &mut report.causes)?;
        anchors.extend(folder.iter().map(|sealed| sealed.seal.clone()));
        anchors.extend(read_mark(&config, &keys, &mut report.causes)?);
        anchors.extend(trusted);
        if let reality_db::Health::Panic(damage) = db.health() {
            report.causes.push(Cause::State(damage));
        }
        report.causes.extend(audit.damage());
        let reconciled = reconcile(
            &db,
            &audit,
            &code,
            &anchors,
            config.rebuild,
            &mut report.causes,
        )?;
        reached(Step::Reconciled);
        clock.lap("hold them against one another");
        report.records_applied = reconciled.applied;
        if !report.causes.is_empty() && !config.accept_damage {
            let causes = report.causes;
            return Err(OpenError::Damaged(Panic { causes }));
        }
        let Reconciled {
            log, head, time_ns, ..
        } = reconciled;
        let health = match report.causes.is_empty() {
            true => Health::Sound,
            false => Health::Panic(Panic {
                causes: report.causes.clone(),
            }),
        };
        let chain = Chain {
            last: folder.map(Arc::new),
            between: None,
        };
        let config_path = config.clone();
        let shared = Arc::new(Shared {
            config,
            db,
            audit,
            code,
            signer,
            keys,
            seals,
            chain: Mutex::new(chain),
            head: RwLock::new(head),
            trail: Mutex::new(Trail::new(head)),
            trail_changed: Condvar::new(),
            transitions: Mutex::new(Transitions::default()),
            ids: Ids::default(),
            closing: AtomicBool::new(false),
            health: RwLock::new(health),
        });
        if shared.health() == Health::Sound {
            shared.audit.sweep().map_err(StorageError::from)?;
            report.seals_restored = shared.restore_seals(reconciled.seals)?;
        }
        let writer = Writer {
            recent: Recent::new(log.end()),
            log,
            time_ns: time_ns.max(shared.config.time_ns),
            interrupted: false,
            shared: shared.clone(),
        };
        let persistence = start(shared, writer).map_err(file(config_path.data_dir()))?;
        clock.lap("start");
        if persistence.last_seal().is_none() && persistence.health() == Health::Sound {
            let sealed = persistence.seal(config_path.time_ns);
            sealed.map_err(|error| OpenError::Genesis(Box::new(error)))?;
            clock.lap("make the genesis seal");
        }
        if config_path.rebuild && persistence.health() == Health::Sound {
            let lost = persistence.redact_lost(config_path.time_ns);
            report.texts_lost = lost.map_err(|error| OpenError::Redact(Box::new(error)))?;
            clock.lap("look for texts that are lost");
        }
        report.durations = clock.laps;
        Ok((persistence, report))
    }
}

/// The three stores, open.
struct Stores {
    db: RealityDb,
    audit: Audit,
    code: Code,
}

impl Stores {
    /// Opens all three at the same time: the state takes longest.
    fn open(config: &Config, signer: &SignerKey) -> Result<Self, OpenError> {
        fs::create_dir_all(&config.data_dir).map_err(file(&config.data_dir))?;
        let mut options = Options::new()
            .create(config.create)
            .cache_bytes(config.cache_bytes)
            .accept_damage(config.accept_damage);
        if let Some(profile) = config.profile {
            options = options.profile(profile);
        }
        thread::scope(|threads| {
            let state = threads.spawn(|| RealityDb::open(config.state_path(), &options));
            let audit = threads.spawn(|| Audit::open(config, signer));
            let code = Code::open(config);
            let (state, audit) = (state.join(), audit.join());
            let broken = || io::Error::other("a thread that opened a store panicked");
            let db = state.map_err(|_| OpenError::State(broken().into()))?;
            let audit = audit.map_err(|_| OpenError::File {
                path: config.audit_path(),
                source: broken(),
            })?;
            reached(Step::Opened);
            Ok(Self {
                db: db.map_err(|error| match error {
                    reality_db::OpenError::Damaged(damage) => OpenError::Damaged(Panic {
                        causes: vec![Cause::State(damage)],
                    }),
                    error => OpenError::State(error),
                })?,
                audit: audit.map_err(|error| match error.cause() {
                    Some(cause) => OpenError::Damaged(Panic {
                        causes: vec![cause],
                    }),
                    None => OpenError::Audit(error),
                })?,
                code: code.map_err(OpenError::Vault)?,
            })
        })
    }
}

/// Starts the thread that commits and the one that follows it.
fn start(shared: Arc<Shared>, writer: Writer) -> io::Result<Persistence> {
    let (to, from) = sync_channel(shared.config.queue);
    let follower = {
        let shared = shared.clone();
        thread::Builder::new()
            .name("audit follower".to_owned())
            .spawn(move || follower::run(&shared))?
    };
    let committer = {
        let shared = shared.clone();
        thread::Builder::new()
            .name("committer".to_owned())
            .spawn(move || {
                writer.run(&from);
                shared.close_trail();
            })?
    };
    let loader = {
        let shared = shared.clone();
        let size = shared.applied();
        thread::Builder::new()
            .name("identifiers".to_owned())
            .spawn(move || shared.load_ids(size))?
    };
    Ok(Persistence::new(
        shared,
        to,
        vec![committer, follower, loader],
    ))
}

/// The key that signs: the one given, the one in the file, or a new one that is written there.
pub(crate) fn signer(config: &Config) -> Result<SignerKey, OpenError> {
    if let Some(signer) = &config.signer {
        return Ok(signer.clone());
    }
    let path = config.key_path();
    let key = |source| OpenError::Key {
        path: path.clone(),
        source,
    };
    match fs::read_to_string(&path) {
        Ok(text) => text.trim_end().parse().map_err(key),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mut seed = [0; 32];
            getrandom::fill(&mut seed).map_err(|error| file(&path)(io::Error::other(error)))?;
            let signer = SignerKey::from_seed(&config.name, &seed).map_err(key)?;
            write_secret(&path, &signer.to_secret_text()).map_err(file(&path))?;
            Ok(signer)
        }
        Err(error) => Err(file(&path)(error)),
    }
}

/// Writes a file that only its owner can read.
fn write_secret(path: &Path, text: &str) -> io::Result<()> {
    use std::io::Write;
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    fs::File::open(folder)?.sync_all()
}

fn trusted_seal(config: &Config, keys: &[VerifierKey]) -> Result<Option<Seal>, OpenError> {
    let note = match (&config.trusted_seal, &config.trusted_seal_path) {
        (Some(note), _) => note.clone(),
        (None, Some(path)) => fs::read(path).map_err(file(path))?,
        (None, None) => return Ok(None),
    };
    let seal = Seal::verify(&note, keys).map_err(OpenError::TrustedSeal)?;
    Ok(Some(seal))
}

/// The newest seal in the folder.
fn read_folder(
    seals: &SealFolder,
    keys: &[VerifierKey],
    path: &Path,
    causes: &mut Vec<Cause>,
) -> Result<Option<Sealed>, OpenError> {
    let numbers = seals.numbers().map_err(file(path))?;
    let Some(&number) = numbers.last() else {
        return Ok(None);
    };
    let note = seals.read(number).map_err(file(path))?;
    match Seal::verify(&note, keys) {
        Ok(seal) if seal.number == Some(number) => Ok(Some(Sealed { seal, note })),
        _ => {
            causes.push(Cause::Seal { number });
            Ok(None)
        }
    }
}

/// The mark that was left when the audit trail was last made durable.
fn read_mark(
    config: &Config,
    keys: &[VerifierKey],
    causes: &mut Vec<Cause>,
) -> Result<Option<Seal>, OpenError> {
    let path = config.data_dir.join(MARK);
    match fs::read(&path) {
        Ok(note) => {
            let mark = Seal::verify(&note, keys).ok();
            // It is written whole or not at all.
            if mark.is_none() {
                causes.push(Cause::Mark);
            }
            Ok(mark)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(file(&path)(error)),
    }
}

impl Shared {
    /// Leaves a mark of what is durable in all stores, signed: older copies are found by it.
    pub(crate) fn leave_mark(&self, head: &Head) -> Result<(), StorageError> {
        let previous = {
            let chain = crate::shared::lock(&self.chain);
            chain.last.as_ref().map(|last| last.seal.digest())
        };
        let previous = previous.unwrap_or_else(Hash::default);
        let sealed = self.seal_at(head, None, Some(previous), 0)?;
        let written = write_whole(&self.config.data_dir, MARK, &sealed.note);
        written.map_err(StorageError::file(&self.config.data_dir))
    }
}

/// Name of the file that holds the mark.
pub(crate) const MARK: &str = "mark";

fn file(path: &Path) -> impl Fn(io::Error) -> OpenError {
    let path = path.to_owned();
    move |source| OpenError::File {
        path: path.clone(),
        source,
    }
}

/// How long each step took.
struct Clock {
    since: Instant,
    laps: Vec<(&'static str, Duration)>,
}

impl Clock {
    fn new() -> Self {
        Self {
            since: Instant::now(),
            laps: Vec::new(),
        }
    }

    fn lap(&mut self, step: &'static str) {
        let now = Instant::now();
        self.laps.push((step, now - self.since));
        self.since = now;
    }
}

impl Trail {
    fn new(head: Head) -> Self {
        Self {
            work: std::collections::VecDeque::new(),
            applied: head,
            waiting: 0,
            failure: None,
            closed: false,
        }
    }
}
