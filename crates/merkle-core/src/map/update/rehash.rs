//! Hashing what changed, from the bottom up and many nodes at a time, and putting the pages
//! together again.

use alloc::vec::Vec;

use triomphe::UniqueArc;

use super::{Above, Open, Outcome, Top, Update, small};
use crate::{Hash, Hasher, map::page::Item};

/// Inner nodes gathered before they are hashed by depth: few enough for their pages to stay in the
/// cache.
const JOBS_TOGETHER: usize = 8192;

/// The pages of one height and the inner nodes to hash in them.
#[derive(Default)]
pub(super) struct Level {
    pages: Vec<u32>,
    pub(super) jobs: Vec<Job>,
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

impl<H: Hasher> Update<'_, H> {
    /// Settles a page whose shape stays: notes the inner nodes above its changed items.
    pub(super) fn keep(&mut self, at: u32) {
        let touched = self.open[at as usize].touched;
        self.adopt(at, touched);
        let Self { open, jobs, .. } = self;
        let open = &open[at as usize];
        let jobs = &mut jobs[open.height as usize].jobs;
        let mut noted = 0_u64;
        for item in places(touched) {
            let (mut depth, mut slot) = (0, None);
            open.page().path(item, |fork, side| {
                if noted >> fork & 1 == 0 {
                    noted |= 1 << fork;
                    jobs.push(Job {
                        page: at,
                        fork: small(fork),
                        depth,
                        slot,
                    });
                }
                slot = Some((small(fork), side == 1));
                depth += 1;
            });
        }
    }

    /// Tells the open pages among `items` of `at` where they are, and puts `at` on the level above
    /// them.
    pub(super) fn adopt(&mut self, at: u32, items: u64) -> &mut Level {
        let mut height = 0;
        for item in places(items) {
            let page = self.open[at as usize].page();
            if let Item::Open(below) = page.item(item) {
                let above = Above {
                    page: at,
                    item: small(item),
                    slot: page.slot(item),
                };
                let below = &mut self.open[below as usize];
                below.above = Some(above);
                height = height.max(below.height + 1);
            }
        }
        self.open[at as usize].height = height;
        let height = height as usize;
        if self.jobs.len() <= height {
            self.jobs.resize_with(height + 1, Level::default);
        }
        self.jobs[height].pages.push(at);
        &mut self.jobs[height]
    }

    /// Hashes what changed, lower pages first, and puts the pages together again.
    pub(super) fn hash_all(&mut self) {
        let mut nodes: Vec<[Hash; 2]> = Vec::new();
        let mut hashes: Vec<Hash> = Vec::new();
        for level in core::mem::take(&mut self.jobs) {
            let Level { pages, mut jobs } = level;
            // Whole pages only: a node must not be hashed before those below it.
            for jobs in page_runs(&mut jobs) {
                jobs.sort_unstable_by_key(|job| core::cmp::Reverse(job.depth));
                for jobs in jobs.chunk_by(|a, b| a.depth == b.depth) {
                    nodes.clear();
                    nodes.extend(jobs.iter().map(|job| {
                        *self.open[job.page as usize]
                            .page()
                            .children(usize::from(job.fork))
                    }));
                    hashes.resize(nodes.len(), Hash::default());
                    self.hasher.inner_many(&nodes, &mut hashes);
                    for (job, hash) in jobs.iter().zip(&hashes) {
                        let open = &mut self.open[job.page as usize];
                        match job.slot {
                            Some((fork, side)) => open
                                .page_mut()
                                .set_child((usize::from(fork), usize::from(side)), *hash),
                            None => open.hash = *hash,
                        }
                    }
                }
            }
            for at in pages {
                self.put_back(at);
            }
        }
    }

    /// Takes a finished tree out of the update.
    pub(super) fn take(&mut self, outcome: &Outcome) -> Top {
        match outcome {
            Outcome::Page(top) => {
                let open = &mut self.open[*top as usize];
                (open.page.take().map(UniqueArc::shareable), open.hash)
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
        match above.slot {
            Some(slot) => open.page_mut().set_child(slot, hash),
            None => open.hash = hash,
        }
        open.page_mut()
            .put_page(usize::from(above.item), page.shareable());
    }
}

/// Splits jobs into runs of whole pages of about `JOBS_TOGETHER`.
fn page_runs(jobs: &mut [Job]) -> impl Iterator<Item = &mut [Job]> {
    let mut rest = jobs;
    core::iter::from_fn(move || {
        let jobs = core::mem::take(&mut rest);
        if jobs.is_empty() {
            return None;
        }
        let mut end = jobs.len().min(JOBS_TOGETHER);
        while end < jobs.len() && jobs[end].page == jobs[end - 1].page {
            end += 1;
        }
        let (run, after) = jobs.split_at_mut(end);
        rest = after;
        Some(run)
    })
}

/// The places of the ones in a mask.
fn places(mut mask: u64) -> impl Iterator<Item = usize> {
    core::iter::from_fn(move || {
        let place = (mask != 0).then(|| mask.trailing_zeros() as usize)?;
        mask &= mask - 1;
        Some(place)
    })
}
