//! Every byte of every file of a store changed in turn: it is found, or nothing depends on it.
//!
//! `REALITY_DB_FLIPS` says how many bytes are changed in all, in equal parts of each shape of store;
//! `REALITY_DB_SHAPE` which shape alone gets them; `REALITY_DB_SEED` where the chances begin. Child
//! processes do it, so that neither an abort nor a hang goes unnoticed.
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a failed unwrap is a failed test; numbers are drawn below small bounds"
)]

#[path = "common/backend.rs"]
mod backend;
#[path = "common/dice.rs"]
mod dice;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use dice::{Dice, number};
use merkle_core::{Hash, Hasher, Map};
use reality_db::{
    Batch, Damage, Depth, Health, KeyMode, OpenError, Options, Profile, ReadError, RealityDb,
    Retention,
};

/// How long one changed byte may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A store to be tampered with.
#[derive(Clone, Copy, Debug)]
struct Shape {
    name: &'static str,
    profile: Profile,
    key_mode: KeyMode,
    retention: Retention,
    versions: u64,
    /// Most changes of a commit.
    changes: u64,
    /// Versions between two checkpoints.
    checkpoint_every: u64,
    /// Whether it is left as a killed process leaves it: much of it in the log alone.
    killed: bool,
}

const PLAIN: Shape = Shape {
    name: "small",
    profile: Profile::Sha256,
    key_mode: KeyMode::Ordered,
    retention: Retention::All,
    versions: 5,
    changes: 6,
    checkpoint_every: u64::MAX,
    killed: false,
};

const SHAPES: [Shape; 6] = [
    PLAIN,
    Shape {
        name: "killed",
        versions: 9,
        changes: 30,
        checkpoint_every: 5,
        killed: true,
        ..PLAIN
    },
    Shape {
        name: "with checkpoints",
        versions: 14,
        changes: 60,
        checkpoint_every: 4,
        ..PLAIN
    },
    Shape {
        name: "pruned",
        retention: Retention::Last(3),
        versions: 17,
        changes: 30,
        checkpoint_every: 3,
        ..PLAIN
    },
    Shape {
        name: "hashed keys",
        key_mode: KeyMode::Hashed,
        versions: 9,
        changes: 40,
        checkpoint_every: 4,
        ..PLAIN
    },
    Shape {
        name: "blake3",
        profile: Profile::Blake3,
        versions: 9,
        changes: 40,
        checkpoint_every: 5,
        ..PLAIN
    },
];

type Content = BTreeMap<Vec<u8>, Vec<u8>>;

impl Shape {
    fn options(&self) -> Options {
        backend::options()
            .profile(self.profile)
            .key_mode(self.key_mode)
            .retention(self.retention)
            .cache_bytes(0)
            .background(false)
    }

    fn changes(&self, version: u64) -> BTreeMap<Vec<u8>, Option<Vec<u8>>> {
        let mut dice = Dice(version);
        let mut change = |_| {
            let key = vec![1 + dice.below(3) as u8, dice.below(60) as u8];
            let value = match dice.below(40) {
                0..8 => None,
                8 => Some(vec![version as u8; 4500]), // more than one entry of the engine
                _ => Some(vec![dice.below(250) as u8; 12]),
            };
            (key, value)
        };
        (0..=version % self.changes).map(&mut change).collect()
    }

    /// The content of every version.
    fn contents(&self) -> Vec<Content> {
        let mut contents = vec![Content::new()];
        for version in 1..=self.versions {
            let mut content = contents[contents.len() - 1].clone();
            for (key, value) in self.changes(version) {
                match value {
                    Some(value) => content.insert(key, value),
                    None => content.remove(&key),
                };
            }
            contents.push(content);
        }
        contents
    }

    fn build(&self, folder: &Path) {
        let place = match self.killed {
            true => folder.with_extension("open"),
            false => folder.to_owned(),
        };
        let db = RealityDb::open(&place, &self.options()).unwrap();
        for version in 1..=self.versions {
            let changes = self.changes(version);
            let mut batch = Batch::new();
            for (key, value) in &changes {
                match value {
                    Some(value) => batch.put(key, value).unwrap(),
                    None => batch.delete(key).unwrap(),
                };
            }
            assert_eq!(db.commit(&batch).unwrap().number, version);
            if version % self.checkpoint_every == 0 {
                db.checkpoint(|_| ControlFlow::Continue(())).unwrap();
            }
        }
        db.name_snapshot("named", self.versions - 1).unwrap();
        if self.killed {
            std::mem::forget(db);
            copy(&place, folder);
        }
    }

    fn root(&self, content: &Content) -> Hash {
        let mut entries: Vec<(Vec<u8>, &Vec<u8>)> = (content.iter())
            .map(|(key, value)| match self.key_mode {
                KeyMode::Hashed => (self.profile.value(key).as_bytes().to_vec(), value),
                _ => (key.clone(), value),
            })
            .collect();
        entries.sort();
        let mut batch = Batch::new();
        for (key, value) in &entries {
            batch.put(key, value).unwrap();
        }
        let mut map = Map::with_hasher(self.profile);
        map.update(&batch);
        map.root()
    }
}

/// What a sound store answers.
struct Truth {
    shape: Shape,
    contents: Vec<Content>,
    roots: Vec<Hash>,
    oldest: u64,
}

/// What came of one changed byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    /// Every answer was right, and a check of everything found nothing.
    Harmless,
    /// Opened, and every answer was right; a check of everything found the damage, or opening got
    /// over it.
    Found,
    /// Opened; some answers were errors, all others right.
    Errors,
    /// Not opened, unless damage was accepted; then no answer was wrong.
    Refused,
    /// Not opened, whether damage was accepted or not.
    Shut,
}

/// What was said of the damage: by opening, by a check of everything.
#[derive(Default)]
struct Said {
    damage: Vec<Damage>,
    /// Whether opening named the description of the store.
    format: bool,
}

impl Said {
    fn at_opening(&mut self, error: OpenError) {
        match error {
            OpenError::Damaged(damage) => self.damage.push(damage),
            OpenError::UnknownFormat { .. } => self.format = true,
            _ => {}
        }
    }

    /// Whether it was said that this is where the damage is. Of the journal only that there is
    /// damage: its files are those of an engine.
    fn names(&self, file: &Path) -> bool {
        let mut damage = self.damage.iter();
        let name = file.file_name().unwrap().to_str().unwrap();
        if file == Path::new("FORMAT") {
            self.format || damage.any(|damage| *damage == Damage::Format)
        } else if file == Path::new("HEAD") {
            damage.any(|damage| *damage == Damage::Mark)
        } else if file.starts_with("checkpoints") {
            let number: u64 = name.split('.').next().unwrap().parse().unwrap();
            damage.any(|damage| match damage {
                Damage::Checkpoint { file, .. } | Damage::Bucket { file, .. } => *file == number,
                _ => false,
            })
        } else {
            true
        }
    }
}

impl Truth {
    fn new(shape: Shape, folder: &Path) -> Self {
        let contents = shape.contents();
        let roots = contents.iter().map(|content| shape.root(content)).collect();
        let db = RealityDb::open(folder, &shape.options()).unwrap();
        let oldest = db.oldest().unwrap();
        let truth = Self {
            shape,
            contents,
            roots,
            oldest,
        };
        assert_eq!(truth.ask(&db, &mut Said::default()), Ok(Outcome::Harmless));
        truth
    }

    /// Opens what was tampered with, and reads everything. Damage that shows is said to be where it is.
    fn examine(&self, folder: &Path, changed: &Path) -> Result<Outcome, String> {
        let mut said = Said::default();
        let outcome = self.open(folder, &mut said)?;
        if outcome > Outcome::Harmless && !said.names(changed) {
            return Err(format!("{outcome:?}, and said is {:?}", said.damage));
        }
        Ok(outcome)
    }

    fn open(&self, folder: &Path, said: &mut Said) -> Result<Outcome, String> {
        let options = self.shape.options();
        match RealityDb::open(folder, &options) {
            Ok(db) => return self.ask(&db, said),
            Err(OpenError::Locked { .. }) => return Err("locked".to_owned()),
            Err(error) => said.at_opening(error),
        }
        match RealityDb::open(folder, &options.accept_damage(true)) {
            Ok(db) => {
                // A file of sled's may be mended by its first opening: that is right too.
                self.ask(&db, said)?;
                Ok(Outcome::Refused)
            }
            Err(_) => Ok(Outcome::Shut),
        }
    }

    /// Asks everything; the reason if an answer is wrong.
    fn ask(&self, db: &RealityDb, said: &mut Said) -> Result<Outcome, String> {
        let sound = db.health() == Health::Sound;
        let newest = db.version();
        let last = self.contents.len() as u64 - 1;
        if sound && newest.number != last {
            return Err(format!("sound at version {}", newest.number));
        }
        if newest.root != *self.at(&self.roots, newest.number)? {
            return Err("the root at the head".to_owned());
        }
        let mut errors = 0;
        let head = self.at(&self.contents, newest.number)?;
        for (key, value) in head {
            match db.get(key) {
                Ok(found) if found.as_ref() == Some(value) => {}
                Ok(found) => return Err(format!("{key:?} is {found:?}")),
                Err(_) => errors += 1,
            }
        }
        match db.get(b"absent") {
            Ok(None) => {}
            Ok(Some(_)) => return Err("an absent key".to_owned()),
            Err(_) => errors += 1,
        }
        for version in self.oldest..=newest.number {
            errors += self.ask_version(db, version)?;
        }
        match db.named_snapshots() {
            Ok(named) if named.len() == 1 && named[0].version.number == last - 1 => {
                let root = named[0].version.root;
                if root != *self.at(&self.roots, last - 1)? {
                    return Err("the root of a name".to_owned());
                }
            }
            Ok(named) if sound => return Err(format!("the names are {named:?}")),
            Ok(_) | Err(_) => errors += 1,
        }
        let report = db.verify_integrity(Depth::Roots, |_| ControlFlow::Continue(()));
        let found = match report {
            Ok(report) => {
                let found = !report.damage.is_empty() || !report.complete;
                said.damage.extend(report.damage);
                found
            }
            Err(ReadError::Damaged(damage)) => {
                said.damage.push(damage);
                true
            }
            Err(ReadError::Storage(_)) => true, // the engine found it, and has its own words for it
            Err(error) => return Err(format!("the check: {error}")),
        };
        let passed_over = &db.open_report().passed_over;
        let got_over = !passed_over.is_empty();
        said.damage.extend_from_slice(passed_over);
        match (errors, found || got_over) {
            (0, false) => Ok(Outcome::Harmless),
            (0, true) => Ok(Outcome::Found),
            (_, false) if sound => Err(format!("{errors} errors, and nothing is found")),
            (_, _) => Ok(Outcome::Errors),
        }
    }

    fn ask_version(&self, db: &RealityDb, version: u64) -> Result<usize, String> {
        let content = self.at(&self.contents, version)?;
        let root = self.at(&self.roots, version)?;
        let mut errors = 0;
        match db.info(version) {
            Ok(info) if info.version.root == *root => {}
            Ok(info) => return Err(format!("of {version}: {info:?}")),
            Err(error) => errors += self.misled(db, version, &error)?,
        }
        let snapshot = match db.at(version) {
            Ok(snapshot) => snapshot,
            Err(error) => return Ok(errors + self.misled(db, version, &error)?),
        };
        if snapshot.version().root != *root {
            return Err(format!("the root of {version}"));
        }
        for (key, value) in content {
            match snapshot.get(key) {
                Ok(found) if found.as_ref() == Some(value) => {}
                Ok(found) => return Err(format!("{key:?} was {found:?} at {version}")),
                Err(_) => errors += 1,
            }
        }
        if self.shape.key_mode == KeyMode::Ordered {
            let entries: Result<Content, _> = snapshot
                .iter()
                .map_err(|error| error.to_string())?
                .collect();
            match entries {
                Ok(entries) if entries == *content => {}
                Ok(_) => return Err(format!("the entries of {version}")),
                Err(_) => errors += 1,
            }
        }
        Ok(errors)
    }

    /// A version that is retained is neither pruned nor unknown, unless the store says that it is
    /// damaged.
    fn misled(&self, db: &RealityDb, version: u64, error: &ReadError) -> Result<usize, String> {
        match error {
            ReadError::Pruned { .. } | ReadError::NoSuchVersion { .. }
                if db.health() == Health::Sound =>
            {
                Err(format!("of {version}: {error}"))
            }
            _ => Ok(1),
        }
    }

    fn at<'t, T>(&self, all: &'t [T], version: u64) -> Result<&'t T, String> {
        let found = usize::try_from(version).ok().and_then(|at| all.get(at));
        found.ok_or_else(|| format!("version {version} never was"))
    }
}

/// A bit of a byte of a file.
#[derive(Clone, Debug)]
struct Flip {
    file: PathBuf,
    at: usize,
    bits: u8,
}

impl Flip {
    /// The file or folder of the store that it is in.
    fn part(&self) -> &Path {
        Path::new(self.file.iter().next().unwrap())
    }
}

/// Which bytes to change: all of them if there are no more than `limit`, else some by chance, most
/// of them where there is something written, and as many in the journal as in the log. All that is
/// written comes before the last four fifths of the zeros.
fn flips(folder: &Path, seed: u64, limit: u64) -> Vec<Flip> {
    let mut written = BTreeMap::<_, Vec<_>>::new();
    let mut zeros = Vec::new();
    for file in files(folder) {
        let part = file.iter().next().unwrap().to_owned();
        let written = written.entry(part).or_default();
        for (at, byte) in fs::read(folder.join(&file))
            .unwrap()
            .into_iter()
            .enumerate()
        {
            let flip = Flip {
                file: file.clone(),
                at,
                bits: 1 << (at % 8),
            };
            match byte {
                0 => zeros.push(flip),
                _ => written.push(flip),
            }
        }
    }
    let mut dice = Dice(seed);
    let mut some = |mut all: Vec<Flip>, limit: u64| {
        while all.len() as u64 > limit {
            let at = usize::try_from(dice.below(all.len() as u64)).unwrap();
            all.swap_remove(at);
        }
        all
    };
    let all_written: u64 = written.values().map(|part| part.len() as u64).sum();
    let mut flips = some(zeros, limit.saturating_sub(all_written).max(limit / 5));
    // The longest last: what a short one has no use for is left to it.
    let mut parts: Vec<_> = written.into_values().collect();
    parts.sort_by_key(|part| Reverse(part.len()));
    while let Some(part) = parts.pop() {
        let left = limit - flips.len() as u64;
        flips.extend(some(part, left / (parts.len() as u64 + 1)));
    }
    flips
}

fn files(folder: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(inner) = folders.pop() {
        for entry in fs::read_dir(folder.join(&inner)).unwrap() {
            let entry = entry.unwrap();
            let path = inner.join(entry.file_name());
            match entry.file_type().unwrap().is_dir() {
                true => folders.push(path),
                false => drop(found.insert(path)),
            }
        }
    }
    found
}

fn copy(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    for file in files(from) {
        fs::create_dir_all(to.join(&file).parent().unwrap()).unwrap();
        fs::copy(from.join(&file), to.join(&file)).unwrap();
    }
}

#[test]
fn no_changed_byte_changes_an_answer() {
    let only = std::env::var("REALITY_DB_SHAPE").ok();
    let shapes = SHAPES.iter().enumerate();
    let shapes: Vec<_> = shapes
        .filter(|(_, shape)| only.as_deref().is_none_or(|name| name == shape.name))
        .collect();
    assert!(!shapes.is_empty(), "no shape is named {only:?}");
    let limit = number("REALITY_DB_FLIPS", 500) / shapes.len() as u64;
    let mut wrong = Vec::new();
    let mut all = Tally::default();
    for (at, shape) in shapes {
        let folder = tempfile::tempdir().unwrap();
        let sound = folder.path().join("sound");
        shape.build(&sound);
        let files = files(&sound);
        let lens = files
            .iter()
            .map(|file| sound.join(file).metadata().unwrap().len());
        let bytes: u64 = lens.sum();
        let mut tally = Tally::default();
        let mut next = 0;
        while let Some(flip) = tamper(folder.path(), at, limit, next, &mut tally, &mut wrong) {
            next = flip + 1;
        }
        println!(
            "{}, {} of {bytes} bytes changed:\n{tally}",
            shape.name,
            tally.flips()
        );
        assert_eq!(tally.flips(), limit.min(bytes), "{}", shape.name);
        all.add(&tally);
    }
    println!("{} bytes changed in all:\n{all}", all.flips());
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// What came of changed bytes: how often each thing, by the part of the store that they were in.
#[derive(Default)]
struct Tally(BTreeMap<String, BTreeMap<String, u64>>);

impl Tally {
    fn count(&mut self, part: &str, outcome: &str, flips: u64) {
        let part = self.0.entry(part.to_owned()).or_default();
        *part.entry(outcome.to_owned()).or_default() += flips;
    }

    fn add(&mut self, other: &Self) {
        for (part, outcomes) in &other.0 {
            for (outcome, flips) in outcomes {
                self.count(part, outcome, *flips);
            }
        }
    }

    fn flips(&self) -> u64 {
        self.0.values().flat_map(BTreeMap::values).sum()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (part, outcomes) in &self.0 {
            writeln!(f, "    {part}: {outcomes:?}")?;
        }
        Ok(())
    }
}

/// Lets a process go through the changes from `first` on. The one at which it ended, if it did not
/// come to the end.
fn tamper(
    folder: &Path,
    shape: usize,
    limit: u64,
    first: usize,
    tally: &mut Tally,
    wrong: &mut Vec<String>,
) -> Option<usize> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", CHILD, "--nocapture", "--test-threads=1"])
        .env("REALITY_DB_TAMPER_FOLDER", folder)
        .env("REALITY_DB_TAMPER_SHAPE", shape.to_string())
        .env("REALITY_DB_TAMPER_LIMIT", limit.to_string())
        .env("REALITY_DB_TAMPER_FIRST", first.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    let (say, hear) = mpsc::channel();
    let listener = thread::spawn(move || {
        for line in output.lines() {
            let _ = say.send(line.unwrap());
        }
    });
    let mut at = None;
    let name = SHAPES[shape].name;
    let ended = loop {
        let line = match hear.recv_timeout(PATIENCE) {
            Ok(line) => line,
            Err(mpsc::RecvTimeoutError::Timeout) => break Some("hangs"),
            Err(mpsc::RecvTimeoutError::Disconnected) => break Some("ended the process"),
        };
        let Some((_, words)) = line.split_once("child: ") else {
            continue;
        };
        let (word, rest) = words.split_once(' ').unwrap_or((words, ""));
        match (word, &at) {
            ("trying", _) => {
                let mut words = rest.splitn(3, ' ');
                let flip: usize = words.next().unwrap().parse().unwrap();
                let [part, flip_words] = [(); 2].map(|()| words.next().unwrap().to_owned());
                at = Some((flip, part, flip_words));
            }
            ("done", _) => break None,
            (outcome, Some((_, part, flip))) => {
                tally.count(part, outcome, 1);
                if outcome == "wrong" {
                    wrong.push(format!("{name}: {flip}: {rest}"));
                }
            }
            (other, None) => panic!("{name}: {other} before it began"),
        }
    };
    let _ = child.kill();
    child.wait().unwrap();
    listener.join().unwrap();
    let how = ended?;
    let (at, part, flip) =
        at.unwrap_or_else(|| panic!("{name}: the process {how} before it began"));
    tally.count(&part, how, 1);
    wrong.push(format!("{name}: {flip} {how}"));
    Some(at)
}

/// The name of the test that is the child.
const CHILD: &str = "tampers_with_a_store";

/// Not a test by itself: the process that changes bytes and asks.
#[test]
fn tampers_with_a_store() {
    let Some(folder) = std::env::var_os("REALITY_DB_TAMPER_FOLDER") else {
        return;
    };
    let sound = Path::new(&folder).join("sound");
    let work = Path::new(&folder).join("work");
    let at = usize::try_from(number("REALITY_DB_TAMPER_SHAPE", 0)).unwrap();
    copy(&sound, &work);
    let truth = Truth::new(SHAPES[at], &work);
    let limit = number("REALITY_DB_TAMPER_LIMIT", 0);
    let first = usize::try_from(number("REALITY_DB_TAMPER_FIRST", 0)).unwrap();
    let flips = flips(&sound, number("REALITY_DB_SEED", 1), limit);
    std::panic::set_hook(Box::new(|_| {}));
    for (number, flip) in flips.iter().enumerate().skip(first) {
        let part = flip.part().display();
        say(&format!("trying {number} {part} {flip:?}"));
        // Another folder each time: sled may not have let go of the last one.
        let work = Path::new(&folder).join(format!("work-{}", number % 7));
        copy(&sound, &work);
        let mut bytes = fs::read(work.join(&flip.file)).unwrap();
        bytes[flip.at] ^= flip.bits;
        fs::write(work.join(&flip.file), bytes).unwrap();
        match catch_unwind(AssertUnwindSafe(|| truth.examine(&work, &flip.file))) {
            Ok(Ok(outcome)) => say(&format!("{outcome:?}")),
            Ok(Err(why)) => say(&format!("wrong {why}")),
            Err(panic) => {
                let what = (panic.downcast_ref::<String>().cloned())
                    .or_else(|| panic.downcast_ref::<&str>().map(|what| (*what).to_owned()));
                say(&format!("wrong it panicked: {what:?}"));
            }
        }
    }
    say("done");
}

fn say(words: &str) {
    let line = format!("child: {}\n", words.replace('\n', " "));
    std::io::stdout().write_all(line.as_bytes()).unwrap();
}

#[test]
fn an_older_copy_is_refused_by_whoever_knows_better() {
    let folder = tempfile::tempdir().unwrap();
    let (now, before) = (folder.path().join("now"), folder.path().join("before"));
    for shape in SHAPES {
        let _ = fs::remove_dir_all(&now);
        shape.build(&now);
        copy(&now, &before);
        let db = RealityDb::open(&now, &shape.options()).unwrap();
        let version = db.put(b"key", b"value").unwrap();
        drop(db);
        let expecting = shape.options().expect(version.number, version.root);
        drop(RealityDb::open(&now, &expecting).unwrap());
        let refused = RealityDb::open(&before, &expecting).err().unwrap();
        assert!(matches!(refused, OpenError::Unexpected { .. }), "{refused}");
        // It is a sound store otherwise: only who kept the root can tell.
        let db = RealityDb::open(&before, &shape.options()).unwrap();
        assert_eq!(db.health(), Health::Sound);
    }
}
