//! Checking the tree: checkpoints, and what the records make of them.

use super::Check;
use crate::checkpoint::{BadPart, Catalogue, Pointer};
use crate::error::Fault;
use crate::open::genesis;
use crate::provable::{Content, KeyRange, Start};
use crate::replay::{Roots, replay_watched};
use crate::{Damage, Depth, IntegrityReport};

/// Threads that check buckets, beside the one that checks the journal.
const THREADS: usize = 2;

/// What a check found of the checkpoints.
#[derive(Default)]
pub(super) struct Tree {
    /// Checkpoints whose catalogues were checked.
    pub(super) checkpoints: u64,
    /// Buckets that were checked.
    pub(super) buckets: u64,
    /// Entries of the last checkpoint whose buckets were.
    pub(super) entries: u64,
    pub(super) damage: Vec<Damage>,
    /// What versions can be made from.
    pub(super) starts: Vec<Start>,
}

impl Check<'_> {
    /// Every catalogue against its root, buckets against the tree.
    pub(super) fn tree(&self, depth: Depth) -> Result<Tree, Fault> {
        let mut found = Tree::default();
        let begins = self.pointers.first().is_none_or(|first| first.version > 0);
        if begins && self.oldest == 0 {
            found.starts.push(Start {
                version: 0,
                is_checkpoint: false,
                content: match self.journal.read(0) {
                    Ok(Some(record)) if record == genesis(&self.shared.format).1 => Content::Whole,
                    Ok(_) | Err(Fault::Damage(_)) => Content::Unusable,
                    Err(fault) => return Err(fault),
                },
            });
        }
        for (at, pointer) in self.pointers.iter().chain(&self.beyond).enumerate() {
            let is_needed = at + 1 >= self.pointers.len()
                || self.made_from == Some(pointer.version)
                || (at == 0 && self.oldest > 0)
                || depth == Depth::Roots;
            let content = match self.checkpoint(pointer, is_needed, &mut found) {
                Err(Fault::Damage(damage)) => {
                    found.damage.push(damage);
                    Content::Unusable
                }
                content => content?,
            };
            if at < self.pointers.len() {
                found.starts.push(Start {
                    version: pointer.version,
                    is_checkpoint: true,
                    content,
                });
            }
            if self.progress.is_ended() {
                break;
            }
        }
        Ok(found)
    }

    fn checkpoint(
        &self,
        pointer: &Pointer,
        is_needed: bool,
        tree: &mut Tree,
    ) -> Result<Content, Fault> {
        let profile = self.shared.format.profile;
        let catalogue = Catalogue::open(&*self.shared.storage.checkpoints, pointer)?;
        tree.checkpoints += 1;
        // The others are spare: their buckets are checked when they are read.
        if !is_needed {
            catalogue.assemble(profile)?;
            return Ok(Content::Whole);
        }
        let before = tree.buckets;
        self.show(|progress| progress.buckets_total += catalogue.len() as u64);
        let found = catalogue.verify(profile, THREADS, &|checked| {
            // Of two threads the one that was first may come second.
            let buckets = before + checked.buckets as u64;
            self.progress
                .show(|progress| progress.buckets = progress.buckets.max(buckets))
        })?;
        tree.buckets += found.buckets as u64;
        tree.entries = found.entries;
        let content = match found.bad.iter().any(|bad| bad.subtree.is_none()) {
            true => Content::Unusable,
            false if found.bad.is_empty() => Content::Whole,
            false => {
                let subtrees = found.bad.iter().filter_map(|bad| bad.subtree.as_ref());
                Content::except(subtrees.map(KeyRange::of).collect())
            }
        };
        tree.damage.extend(found.bad.into_iter().map(damage_of));
        Ok(content)
    }

    /// That records lead from a checkpoint to the newest root, or from the oldest version to every
    /// one.
    pub(super) fn roots(&self, depth: Depth, report: &mut IntegrityReport) -> Result<(), Fault> {
        let pointer = match depth {
            Depth::Stored => self.pointers.last(),
            Depth::Roots => (self.pointers.iter()).rfind(|pointer| pointer.version <= self.oldest),
        };
        let begin = || self.shared.begin(&self.journal, pointer);
        let roots = match depth {
            Depth::Stored => Roots::Last,
            Depth::Roots => Roots::Every,
        };
        let from = pointer.map_or(0, |pointer| pointer.version);
        let total = self.head.version - from;
        self.show(|progress| progress.replayed_total = total);
        let watch = |version: u64| {
            // To find the first wrong root it goes back.
            let replayed = version - from;
            self.progress
                .show(|progress| progress.replayed = progress.replayed.max(replayed))
        };
        if self.progress.is_ended() {
            return Ok(());
        }
        let made = replay_watched(&self.journal, &begin, self.head.version, roots, &watch);
        let made = match made {
            Ok(None) => return Ok(()),
            Ok(Some(made)) => {
                report.replayed = made.state.link().version - from;
                made.sound().map(|state| state.link())
            }
            Err(fault) => Err(fault),
        };
        let damage = match made {
            Err(Fault::Damage(damage)) => damage,
            made => {
                let made = made?;
                if made == self.head {
                    return Ok(());
                }
                Damage::Root {
                    version: self.head.version,
                    recorded: self.head.root,
                    computed: made.root,
                }
            }
        };
        report.complete = false;
        if !report.damage.contains(&damage) {
            report.damage.push(damage);
        }
        Ok(())
    }
}

fn damage_of(bad: BadPart) -> Damage {
    match bad.subtree {
        Some(subtree) => Damage::Bucket {
            file: bad.file,
            offset: bad.offset,
            prefix: subtree.prefix().to_vec(),
        },
        None => Damage::Checkpoint {
            file: bad.file,
            offset: bad.offset,
            what: bad.damage,
        },
    }
}
