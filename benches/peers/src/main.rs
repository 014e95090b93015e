//! Every peer that is measured beside reality-db, and ours: `cargo xtask bench state`.
//!
//! What a store is asked, and the rows, are those of the package `rivals`; here are the peers that
//! weigh too much, or bring what the rest of this repository refuses (`docs/decisions/0029`).

mod jmt;
mod nomt;
mod qmdb;
mod rocks;

use anyhow::Result;
use rivals::Peer;

/// In the order in which they take turns.
const PEERS: &[Peer] = &[
    rivals::SLED,
    rocks::ROCKSDB,
    qmdb::QMDB,
    nomt::NOMT,
    jmt::JMT,
];

fn main() -> Result<()> {
    rivals::run(PEERS)
}
