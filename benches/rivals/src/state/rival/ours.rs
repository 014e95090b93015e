//! reality-db, with its default options.

use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};

use merkle_core::Lookup;
use reality_db::{Batch, Depth, Options, Profile, RealityDb, Retention};

use super::super::store::{Kind, Proved, Store, each};
use super::super::workload::{Change, Key};

pub(crate) struct Ours {
    db: RealityDb,
}

impl Ours {
    pub(crate) fn open(kind: Kind, folder: &Path) -> Self {
        let options = match kind {
            Kind::Blake3 => Options::new().profile(Profile::Blake3),
            Kind::Pruned => Options::new().retention(Retention::Last(1)),
            Kind::OneGib => Options::new().cache_bytes(340 << 20),
            Kind::FourGib => Options::new().cache_bytes(3200 << 20),
            _ => Options::new(),
        };
        let db = RealityDb::open(folder, &options).expect("a folder of this run");
        Self { db }
    }

    /// Versions that opening would take from the journal now.
    pub(crate) fn behind_checkpoint(&self) -> u64 {
        let stats = self.db.stats().expect("sound");
        stats.version.number - stats.checkpoint
    }

    /// Bytes of the journal that opening has replayed.
    pub(crate) fn replayed_bytes(&self) -> u64 {
        self.db.open_report().replayed_bytes
    }

    /// Checks everything on disk.
    pub(crate) fn verify(&self) {
        let report = self
            .db
            .verify_integrity(Depth::Stored, |_| ControlFlow::Continue(()))
            .expect("sound");
        assert!(report.complete && report.damage.is_empty());
    }

    /// Writes the newest version to disk, and lets go of what is not retained.
    pub(crate) fn checkpoint(&self) {
        let written = self.db.checkpoint(|_| ControlFlow::Continue(()));
        written.expect("sound");
    }
}

impl Store for Ours {
    fn commit(&mut self, batches: Vec<Vec<Change>>, limit: Duration) -> Vec<Duration> {
        each(&batches, limit, |changes| {
            let mut batch = Batch::with_capacity(changes.len());
            for (key, value) in changes {
                batch.put(key, value).expect("32 bytes");
            }
            self.db.commit(&batch).expect("sound");
        })
    }

    fn read(&mut self, keys: &[Key]) -> usize {
        let there = |key: &&Key| self.db.get(*key).expect("sound").is_some();
        keys.iter().filter(there).count()
    }

    fn prove(&mut self, keys: &[Key]) -> Option<Proved> {
        let snapshot = self.db.snapshot().expect("sound");
        let start = Instant::now();
        let proofs: Vec<_> = keys
            .iter()
            .map(|key| snapshot.prove(key).expect("sound"))
            .collect();
        let made = start.elapsed();
        let (profile, root) = (self.db.profile(), snapshot.version().root);
        let start = Instant::now();
        let right = keys.iter().zip(&proofs).filter(|(key, proof)| {
            let view = proof.verify(&profile, &root);
            view.is_ok_and(|view| matches!(view.get(*key), Lookup::Present(_)))
        });
        assert_eq!(right.count(), keys.len());
        let verified = start.elapsed();
        let bytes: usize = proofs.iter().map(|proof| proof.encode().len()).sum();
        Some(Proved {
            made,
            verified,
            bytes: Some(bytes as f64 / keys.len() as f64),
        })
    }
}
