//! What a process commits until it ends, and what must be there afterwards.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Display;
use std::io::Write;
use std::path::Path;

use merkle_core::{Hash, Map};
use reality_db::{
    Batch, CommitOptions, Depth, Health, KeyMode, Options, Profile, RealityDb, Retention,
};

use crate::backend;
use crate::dice::{Dice, number};

/// Versions that stay readable, at least.
const RETAINED: u64 = 6;

/// Keys that there may be.
const KEYS: u64 = 4000;

/// Versions that carry a name at a time, each so many after the last.
const NAME_EVERY: u64 = 11;

/// What the process said before it was killed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    /// The last version that it was about to commit.
    pub(crate) going: u64,
    pub(crate) acknowledged: Option<(u64, String)>,
    pub(crate) named: BTreeMap<u64, bool>,
}

impl Told {
    /// Takes in a line of its output.
    pub(crate) fn hear(&mut self, line: &str) {
        // The first line begins with what the test harness says.
        let Some((_, words)) = line.split_once("child: ") else {
            return;
        };
        let mut words = words.split(' ');
        let what = words.next().unwrap();
        let number: u64 = words.next().unwrap().parse().unwrap();
        match what {
            "going" => self.going = number,
            "acknowledged" => {
                self.acknowledged = Some((number, words.next().unwrap().to_owned()));
            }
            "named" => drop(self.named.insert(number, true)),
            "forgetting" => drop(self.named.insert(number, false)),
            other => panic!("{other}"),
        }
    }
}

/// What the child does: commits until it is killed, or until `REALITY_DB_VERSIONS`.
pub(crate) fn run(folder: &Path) {
    let mut model = Model::new(number("REALITY_DB_SEED", 1));
    let mut dice = Dice(model.seed ^ (number("REALITY_DB_KILL", 0) << 32));
    if let Err(error) = commit(folder, &mut model, &mut dice) {
        eprintln!("{error:?}");
        std::process::exit(1);
    }
}

fn commit(folder: &Path, model: &mut Model, dice: &mut Dice) -> Result<(), Box<dyn Error>> {
    let db = RealityDb::open(folder, &model.options())?;
    let last_version = number("REALITY_DB_VERSIONS", u64::MAX);
    loop {
        let newest = db.version().number;
        if newest >= last_version {
            return Ok(());
        }
        let group = match dice.below(4) {
            0 => dice.below(4) + 1,
            _ => 1,
        };
        let last = newest + group;
        say(format_args!("going {last}"));
        if let (Some(to), 1) = (model.rolls_back(last), group) {
            let version = db.rollback(to, &CommitOptions::new())?;
            say(format_args!("acknowledged {last} {}", version.root));
        } else if (newest + 1..=last).any(|version| model.rolls_back(version).is_some()) {
            continue;
        } else {
            let changes: Vec<_> = (newest + 1..=last).map(|at| model.changes(at)).collect();
            let batches: Vec<_> = changes.iter().map(batch).collect();
            let commits: Vec<_> = (batches.iter())
                .map(|batch| (batch, CommitOptions::new()))
                .collect();
            let versions = db.commit_all(&commits)?;
            say(format_args!(
                "acknowledged {last} {}",
                versions.last().ok_or("no version")?.root
            ));
        }
        if last % NAME_EVERY == 0 {
            db.name_snapshot(&last.to_string(), last)?;
            say(format_args!("named {last}"));
            for named in db.named_snapshots()? {
                if named.version.number + 2 * NAME_EVERY < last {
                    say(format_args!("forgetting {}", named.version.number));
                    db.forget_snapshot(&named.name)?;
                }
            }
        }
    }
}

fn say(words: impl Display) {
    // One write: the other side sees all of a line or nothing.
    let line = format!("child: {words}\n");
    std::io::stdout().write_all(line.as_bytes()).unwrap();
}

type Content = BTreeMap<Vec<u8>, Vec<u8>>;
type Changes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// What a store holds at each version: it depends on the seed and the version alone.
#[derive(Clone)]
pub(crate) struct Model {
    seed: u64,
    pub(crate) version: u64,
    content: Content,
    map: Map<Profile>,
    /// Contents and roots of the versions before, as many as a rollback goes back at most.
    before: Vec<(u64, Content)>,
    roots: BTreeMap<u64, Hash>,
    /// Versions that surely carry a name.
    pub(crate) named: BTreeMap<u64, bool>,
}

impl Model {
    pub(crate) fn new(seed: u64) -> Self {
        let map = Map::with_hasher(profile(seed));
        Self {
            seed,
            version: 0,
            content: Content::new(),
            roots: BTreeMap::from([(0, map.root())]),
            map,
            before: vec![(0, Content::new())],
            named: BTreeMap::new(),
        }
    }

    pub(crate) fn options(&self) -> Options {
        let options = backend::options()
            .profile(profile(self.seed))
            .checkpoint_bytes(20_000 << (self.seed % 4))
            .cache_bytes([0, 50_000, 1 << 30][self.index(3)])
            .key_mode([KeyMode::Ordered, KeyMode::Ordered, KeyMode::Hashed][self.index(3)]);
        match self.seed % 4 {
            0 => options,
            _ => options.retention(Retention::Last(RETAINED)),
        }
    }

    fn index(&self, len: u64) -> usize {
        usize::try_from(self.seed % len).unwrap()
    }

    /// Which version's content this one brings back, if it is a rollback.
    fn rolls_back(&self, version: u64) -> Option<u64> {
        (version % 9 == 7).then(|| version - 3)
    }

    fn changes(&self, version: u64) -> Changes {
        let mut dice = Dice(self.seed.wrapping_mul(1_000_003) ^ version);
        let size = match dice.below(8) {
            0 => dice.below(2000) + 1,
            1..4 => dice.below(200) + 1,
            _ => dice.below(8) + 1,
        };
        let change = |_| {
            let key = dice.below(KEYS);
            let key = [&key.to_be_bytes()[6..], &[7; 20]].concat();
            let value = match dice.below(100) {
                0 => Some(vec![1; 6000]),
                1..10 => None,
                len => Some(
                    dice.below(u64::MAX)
                        .to_le_bytes()
                        .repeat(usize::try_from(len / 8).unwrap()),
                ),
            };
            (key, value)
        };
        (0..size).map(change).collect()
    }

    /// Takes in what is acknowledged.
    pub(crate) fn take_in(&mut self, told: &Told) {
        if let Some((version, root)) = &told.acknowledged {
            self.go_to(*version);
            assert_eq!(&self.root().to_string(), root, "{told:?}");
        }
        for (version, kept) in &told.named {
            match kept {
                true => self.named.insert(*version, true),
                false => self.named.remove(version),
            };
        }
    }

    pub(crate) fn go_to(&mut self, version: u64) {
        while self.version < version {
            self.version += 1;
            let changes = match self.rolls_back(self.version) {
                Some(to) => self.back(to),
                None => self.changes(self.version),
            };
            let profile = self.options_profile();
            if self.is_hashed() {
                let hashed: Vec<_> = (changes.iter())
                    .map(|(key, value)| (merkle_core::Hasher::value(&profile, key), value))
                    .collect();
                let mut batch = Batch::new();
                for (key, value) in &hashed {
                    change(&mut batch, key.as_ref(), value.as_deref());
                }
                self.map.update(&batch);
            } else {
                self.map.update(&batch(&changes));
            }
            for (key, value) in changes {
                match value {
                    Some(value) => self.content.insert(key, value),
                    None => self.content.remove(&key),
                };
            }
            self.roots.insert(self.version, self.map.root());
            self.before.push((self.version, self.content.clone()));
            if self.before.len() > 5 {
                self.before.remove(0);
            }
        }
    }

    fn options_profile(&self) -> Profile {
        profile(self.seed)
    }

    fn is_hashed(&self) -> bool {
        self.index(3) == 2
    }

    /// The changes that bring back the content of version `to`.
    fn back(&self, to: u64) -> Changes {
        let (_, content) = self.before.iter().find(|(at, _)| *at == to).unwrap();
        let keys = self.content.keys().chain(content.keys());
        keys.map(|key| (key.clone(), content.get(key).cloned()))
            .filter(|(key, value)| self.content.get(key) != value.as_ref())
            .collect()
    }

    pub(crate) fn root(&self) -> Hash {
        self.map.root()
    }

    pub(crate) fn check(&self, db: &RealityDb, context: &str, thoroughly: bool) {
        assert_eq!(db.health(), Health::Sound, "{context}");
        assert_eq!(db.open_report().passed_over, [], "{context}");
        assert_eq!(db.version().root, self.root(), "{context}");
        let snapshot = db.snapshot().unwrap();
        assert_eq!(snapshot.len().unwrap(), self.content.len() as u64);
        if self.is_hashed() {
            for key in 0..KEYS {
                let key = [&key.to_be_bytes()[6..], &[7; 20]].concat();
                assert_eq!(snapshot.get(&key).unwrap().as_ref(), self.content.get(&key));
            }
        } else {
            let entries = snapshot.iter().unwrap().map(Result::unwrap);
            let expected = self.content.iter();
            let expected = expected.map(|(key, value)| (key.clone(), value.clone()));
            assert!(entries.eq(expected), "{context}");
        }
        for (key, value) in self.content.iter().step_by(37) {
            assert_eq!(db.get(key).unwrap().as_ref(), Some(value), "{context}");
        }
        let named = db.named_snapshots().unwrap();
        for version in self.named.keys() {
            let found = named.iter().find(|named| named.version.number == *version);
            assert_eq!(found.unwrap().version.root, self.roots[version]);
        }
        if !thoroughly {
            return;
        }
        let must_stay = (self.version + 1).saturating_sub(RETAINED);
        let must_stay = self.named.keys().copied().fold(must_stay, u64::min);
        assert!(db.oldest().unwrap() <= must_stay, "{context}");
        for version in (db.oldest().unwrap()..=self.version).rev().take(9) {
            let root = db.at(version).unwrap().version().root;
            assert_eq!(root, self.roots[&version], "{context}: version {version}");
        }
        let go_on = |_| std::ops::ControlFlow::Continue(());
        let report = db.verify_integrity(Depth::Stored, go_on).unwrap();
        assert_eq!(report.damage, [], "{context}");
    }
}

fn profile(seed: u64) -> Profile {
    [Profile::Sha256, Profile::Blake3][usize::from(seed.is_multiple_of(2))]
}

fn batch(changes: &Changes) -> Batch<'_> {
    let mut batch = Batch::new();
    for (key, value) in changes {
        change(&mut batch, key, value.as_deref());
    }
    batch
}

fn change<'b>(batch: &mut Batch<'b>, key: &'b [u8], value: Option<&'b [u8]>) {
    match value {
        Some(value) => batch.put(key, value).unwrap(),
        None => batch.delete(key).unwrap(),
    };
}
