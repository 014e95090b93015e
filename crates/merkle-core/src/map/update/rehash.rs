//! Hashing what changed, from the bottom up and many nodes at a time, and putting the pages
//! together again.

use alloc::vec::Vec;

use triomphe::UniqueArc;

use super::{Above, Open, Outcome, Top, Update, small};
use crate::{
    Hash, Hasher,
    map::page::{Item, Slot},
};

/// The pages of one height and the inner nodes to hash in them, by their depth in their page.
#[derive(Default)]
pub(super) struct Level {
    pages: Vec<u32>,
    jobs: Vec<Vec<Job>>,
}

/// An inner node to hash, and where its hash goes.
#[derive(Clone, Copy)]
pub(super) struct Job {
    pub(super) page: u32,
    pub(super) fork: u8,
    /// Forks above it in its page.
    pub(super) depth: u8,
    /// The slot above it in its page; none for the topmost.
    pub(super) slot: Option<(u8, bool)>,
}

impl Job {
    pub(super) fn above((fork, side): Slot) -> (u8, bool) {
        (small(fork), side == 1)
    }
}

impl Level {
    pub(super) fn push(&mut self, job: Job) {
        let depth = usize::from(job.depth);
        if self.jobs.len() <= depth {
            self.jobs.resize_with(depth + 1, Vec::new);
        }
        self.jobs[depth].push(job);
    }
}

impl<H: Hasher> Update<'_, H> {
    /// Settles a page whose shape stays.
    pub(super) fn keep(&mut self, at: u32) {
        let open = &self.open[at as usize];
        let (height, noted) = (open.height as usize, open.noted.clone());
        let level = level(&mut self.levels, height);
        level.pages.push(at);
        for job in &self.noted[noted] {
            level.push(*job);
        }
    }

    /// Settles a new page: tells the open pages among its items where they are.
    pub(super) fn adopt(&mut self, at: u32) -> &mut Level {
        let mut height = 0;
        for item in 0..self.open[at as usize].page().len() {
            let page = self.open[at as usize].page();
            if let Item::Open(below) = page.item(item) {
                let above = Above {
                    page: at,
                    item: small(item),
                    slot: page.slot(item),
                };
                let open = &mut self.open[below as usize];
                open.above = Some(above);
                if open.done {
                    self.put_back(below);
                } else {
                    height = height.max(open.height + 1);
                }
            }
        }
        self.open[at as usize].height = height;
        let level = level(&mut self.levels, height as usize);
        level.pages.push(at);
        level
    }

    /// Hashes what changed, lower pages first, and puts the pages together again.
    pub(super) fn hash_all(&mut self) {
        let mut nodes: Vec<[Hash; 2]> = Vec::new();
        let mut hashes: Vec<Hash> = Vec::new();
        let mut levels = core::mem::take(&mut self.levels);
        for level in &mut levels {
            for jobs in level.jobs.iter_mut().rev() {
                for jobs in jobs.chunks(JOBS_TOGETHER) {
                    nodes.clear();
                    nodes.extend(jobs.iter().map(|job| {
                        let page = self.open[job.page as usize].page();
                        *page.children(usize::from(job.fork))
                    }));
                    hashes.resize(nodes.len(), Hash::default());
                    self.hasher.inner_many(&nodes, &mut hashes);
                    for (job, hash) in jobs.iter().zip(&hashes) {
                        let open = &mut self.open[job.page as usize];
                        match job.slot {
                            Some((fork, side)) => {
                                let slot = (usize::from(fork), usize::from(side));
                                open.page_mut().set_child(slot, *hash);
                            }
                            None => open.hash = Some(*hash),
                        }
                    }
                }
                jobs.clear();
            }
            for at in level.pages.drain(..) {
                self.open[at as usize].done = true;
                self.put_back(at);
            }
        }
        // For the next run, with the room that they have.
        self.levels = levels;
    }

    /// Takes a finished tree out of the update.
    pub(super) fn take(&mut self, outcome: &Outcome) -> Top {
        match outcome {
            Outcome::Page(top) => {
                let open = &mut self.open[*top as usize];
                (
                    open.page.take().map(UniqueArc::shareable),
                    open.hash.unwrap_or_default(),
                )
            }
            _ => (None, self.hasher.empty()),
        }
    }

    /// Gives a finished page back to the page above it.
    fn put_back(&mut self, at: u32) {
        let open = &mut self.open[at as usize];
        let Open {
            hash,
            above: Some(above),
            ..
        } = *open
        else {
            return;
        };
        let Some(page) = open.page.take() else { return };
        let open = &mut self.open[above.page as usize];
        match (above.slot, hash) {
            (Some(slot), Some(hash)) => open.page_mut().set_child(slot, hash),
            (None, Some(_)) => open.hash = hash,
            // Nothing has changed below.
            (_, None) => {}
        }
        open.page_mut()
            .put_page(usize::from(above.item), page.shareable());
    }
}

/// The level of this height.
fn level(levels: &mut Vec<Level>, height: usize) -> &mut Level {
    if levels.len() <= height {
        levels.resize_with(height + 1, Level::default);
    }
    &mut levels[height]
}

/// Inner nodes gathered for one call of the hasher: what is gathered stays in the cache.
const JOBS_TOGETHER: usize = 512;
