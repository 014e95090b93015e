//! What is asked of every store: ours and the peers alike.

use std::path::Path;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::rival::ours::Ours;
use super::workload::{Change, Key};

/// A store of 32-byte keys and 100-byte values.
///
/// Whole lists are handed over, because a store may live in a thread of its own.
pub trait Store {
    /// Commits each batch durably, in order, until `limit` has passed; how long each commit took.
    fn commit(&mut self, batches: Vec<Vec<Change>>, limit: Duration) -> Vec<Duration>;

    /// Reads the keys, as whoever uses the store does; how many were there.
    fn read(&mut self, keys: &[Key]) -> usize;

    /// Makes a proof for each key, and then verifies them; `None` if it proves nothing.
    fn prove(&mut self, _keys: &[Key]) -> Option<Proved> {
        None
    }
}

/// Proofs of single keys that were made and found right.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "each store makes one")]
pub struct Proved {
    /// How long it took to make them.
    pub made: Duration,
    /// How long it took to verify them, values included.
    pub verified: Duration,
    /// Mean length of one, encoded, if the store has an encoding.
    pub bytes: Option<f64>,
}

/// A store of others, to be measured beside ours.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "each program makes its own")]
pub struct Peer {
    /// How rows name it.
    pub name: &'static str,
    /// Opens the store in a folder, or makes one there that is to hold about so many keys.
    pub open: fn(&Path, usize) -> Box<dyn Store>,
}

/// The stores there are.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// Ours, as it is by default: SHA-256, every version kept.
    Sha256,
    /// Ours with BLAKE3, every version kept.
    Blake3,
    /// Ours as by default, but the newest version alone is kept.
    Pruned,
    /// Ours with a cache such that the process stays within 1 GiB.
    OneGib,
    /// Ours with a cache such that the process stays within 4 GiB.
    FourGib,
    /// Another's.
    Peer(Peer),
}

/// The same store: what names it says.
impl PartialEq for Kind {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Kind {
    /// Ours, in all ways that are measured.
    const OURS: [Self; 5] = [
        Self::Sha256,
        Self::Blake3,
        Self::Pruned,
        Self::OneGib,
        Self::FourGib,
    ];

    /// Those that take turns.
    pub(super) fn served(peers: &[Peer]) -> Vec<Self> {
        let ours = [Self::Sha256, Self::Blake3].into_iter();
        ours.chain(peers.iter().copied().map(Self::Peer)).collect()
    }

    /// How rows name it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Blake3 => "blake3",
            Self::Pruned => "pruned",
            Self::OneGib => "1gib",
            Self::FourGib => "4gib",
            Self::Peer(peer) => peer.name,
        }
    }

    /// The one of this name.
    pub(super) fn of(name: &str, peers: &[Peer]) -> Option<Self> {
        let mut all = (Self::OURS.into_iter()).chain(peers.iter().copied().map(Self::Peer));
        all.find(|kind| kind.name() == name)
    }

    /// Whether it is a store of ours.
    pub(super) fn is_ours(self) -> bool {
        !matches!(self, Self::Peer(_))
    }

    /// Opens the store in `folder`, or makes one there for about `size` keys.
    pub(super) fn open(self, folder: &Path, size: usize) -> Box<dyn Store> {
        match self {
            Self::Peer(peer) => (peer.open)(folder, size),
            ours => Box::new(Ours::open(ours, folder)),
        }
    }
}

/// Times each commit until the limit has passed.
pub fn each<B>(
    batches: impl IntoIterator<Item = B>,
    limit: Duration,
    mut commit: impl FnMut(B),
) -> Vec<Duration> {
    let mut spent = Duration::ZERO;
    let mut times = Vec::new();
    for batch in batches {
        let start = Instant::now();
        commit(batch);
        times.push(start.elapsed());
        spent += start.elapsed();
        if spent >= limit {
            break;
        }
    }
    times
}
