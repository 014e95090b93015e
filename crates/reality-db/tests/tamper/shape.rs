//! Stores to be tampered with, and what was put into them.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;

use merkle_core::{Hash, Hasher, Map};
use reality_db::{Batch, KeyMode, Options, Profile, RealityDb, Retention};

use crate::dice::Dice;
use crate::{backend, copy};

/// A store to be tampered with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    profile: Profile,
    pub(crate) key_mode: KeyMode,
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

pub(crate) const SHAPES: [Shape; 6] = [
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

pub(crate) type Content = BTreeMap<Vec<u8>, Vec<u8>>;

impl Shape {
    pub(crate) fn options(&self) -> Options {
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
    pub(crate) fn contents(&self) -> Vec<Content> {
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

    pub(crate) fn build(&self, folder: &Path) {
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

    pub(crate) fn root(&self, content: &Content) -> Hash {
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
