//! What a sound store answers, and whether one that was tampered with answers anything else.

use std::ops::ControlFlow;
use std::path::Path;

use merkle_core::Hash;
use reality_db::{Damage, Depth, Health, KeyMode, OpenError, ReadError, RealityDb};

use crate::shape::{Content, Shape};

/// What a sound store answers.
pub(crate) struct Truth {
    shape: Shape,
    contents: Vec<Content>,
    roots: Vec<Hash>,
    oldest: u64,
}

/// What came of one changed byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
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
    pub(crate) fn new(shape: Shape, folder: &Path) -> Self {
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
    pub(crate) fn examine(&self, folder: &Path, changed: &Path) -> Result<Outcome, String> {
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
