//! Where rows go: the sizes to measure at, and the output.

use crate::{Peer, Row, VaultPeer};

/// One run of the program.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// Print JSON lines rather than a table.
    pub(crate) json: bool,
    /// Measure at sizes that end within two minutes, and judge no goal by them.
    pub(crate) quick: bool,
    /// Measure at the largest sizes too that any goal is set for: this takes many minutes.
    pub(crate) full: bool,
    /// Leave peers out where they take minutes.
    pub(crate) alone: bool,
    /// The stores that take turns with ours.
    peers: &'static [Peer],
    /// The heavy stores that take turns with our vault.
    vault_peers: &'static [VaultPeer],
    lines: usize,
}

impl Report {
    /// A report of ours beside `peers`.
    pub(crate) fn beside(peers: &'static [Peer], vault_peers: &'static [VaultPeer]) -> Self {
        Self {
            peers,
            vault_peers,
            ..Self::default()
        }
    }

    /// The stores that take turns with ours; none if ours are to be alone.
    pub(crate) fn peers(&self) -> &'static [Peer] {
        if self.alone { &[] } else { self.peers }
    }

    /// The heavy stores that take turns with our vault; none if ours is to be alone.
    pub(crate) fn vault_peers(&self) -> &'static [VaultPeer] {
        if self.alone { &[] } else { self.vault_peers }
    }

    /// The size to measure at: `full`, for which goals are set, or `quick`.
    pub(crate) fn size(&self, full: usize, quick: usize) -> usize {
        if self.quick { quick } else { full }
    }

    /// Prints a row at once: later ones may take minutes.
    pub(crate) fn row(&mut self, row: &Row) {
        if self.json {
            println!("{}", row.json(!self.quick));
            return;
        }
        if self.lines == 0 {
            println!("{}", Row::table_head());
        }
        self.lines += 1;
        println!("{}", row.table_line(!self.quick));
    }
}
