//! Every peer that is measured beside reality-db and truth-vault, and ours: `cargo xtask bench state`
//! and `cargo xtask bench vault`.
//!
//! What a store is asked, and the rows, are those of the package `rivals`; here are the peers that
//! weigh too much, or bring what the rest of this repository refuses (`docs/decisions/0029`).

#[cfg(feature = "vault")]
mod iroh;
#[cfg(feature = "state")]
mod jmt;
#[cfg(feature = "state")]
mod nomt;
#[cfg(feature = "state")]
mod qmdb;
#[cfg(feature = "state")]
mod rocks;

use anyhow::Result;
use rivals::{Peer, VaultPeer};

/// What the program `diotec360` runs on, for everybody here.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// In the order in which they take turns.
const PEERS: &[Peer] = &[
    rivals::SLED,
    #[cfg(feature = "state")]
    rocks::ROCKSDB,
    #[cfg(feature = "state")]
    qmdb::QMDB,
    #[cfg(feature = "state")]
    nomt::NOMT,
    #[cfg(feature = "state")]
    jmt::JMT,
];

/// Those of the vault.
const VAULT_PEERS: &[VaultPeer] = &[
    #[cfg(feature = "vault")]
    iroh::IROH,
];

fn main() -> Result<()> {
    rivals::run(PEERS, VAULT_PEERS)
}
