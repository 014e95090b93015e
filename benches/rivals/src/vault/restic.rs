//! restic: files cut into chunks by content, compressed, encrypted, in packs that are synced.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::store::{BlobStore, VaultPeer};

/// A backup of a folder of files, one for each blob, written before the clock runs.
pub(super) const RESTIC: VaultPeer = VaultPeer {
    name: "restic",
    open: |folder| {
        let restic = Restic {
            folder: folder.to_owned(),
            puts: 0,
        };
        let init = restic.command(&["init"]).status();
        init.ok().filter(|status| status.success())?;
        Some(Box::new(restic))
    },
};

struct Restic {
    folder: PathBuf,
    puts: usize,
}

impl Restic {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut restic = Command::new("restic");
        restic.env("RESTIC_PASSWORD", "bench").arg("--repo");
        restic
            .arg(self.folder.join("repository"))
            .args(["--no-cache", "--quiet"]);
        restic
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        restic
    }

    fn files(&self) -> PathBuf {
        self.folder.join(format!("files-{}", self.puts))
    }
}

impl BlobStore for Restic {
    fn prepare(&mut self, blobs: &[Vec<u8>]) {
        fs::create_dir(self.files()).expect("room");
        for (at, blob) in blobs.iter().enumerate() {
            fs::write(self.files().join(format!("{at:08}")), blob).expect("room");
        }
    }

    fn put(&mut self, _: &[Vec<u8>]) {
        let files = self.files();
        let path: &Path = &files;
        let mut backup = self.command(&["backup"]);
        let status = backup.arg(path).status().expect("restic starts");
        assert!(status.success(), "restic backup: {status}");
        self.puts += 1;
    }

    fn get(&mut self, _: usize) -> Option<usize> {
        None
    }
}
