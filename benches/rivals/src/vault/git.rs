//! git: blobs as objects, by SHA-1 of a header and the bytes, deflated.
//!
//! It takes files or a stream; files are written before the clock runs, and reading them back, warm,
//! is part of its work, as starting the program is.

use std::fmt::Write as _;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::store::{BlobStore, VaultPeer};

/// An object a file, each synced by itself.
pub(super) const LOOSE: VaultPeer = VaultPeer {
    name: "git loose",
    open: |folder| open(folder, Mode::Loose),
};

/// An object a file, all synced together at the end (`core.fsyncMethod=batch`).
pub(super) const BATCH: VaultPeer = VaultPeer {
    name: "git batch",
    open: |folder| open(folder, Mode::Batch),
};

/// One pack, by `git fast-import`, synced at the end.
pub(super) const PACKED: VaultPeer = VaultPeer {
    name: "git packed",
    open: |folder| open(folder, Mode::Packed),
};

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Loose,
    Batch,
    Packed,
}

struct Git {
    folder: PathBuf,
    mode: Mode,
    files: usize,
}

fn open(folder: &Path, mode: Mode) -> Option<Box<dyn BlobStore>> {
    let mut init = Command::new("git");
    init.args(["init", "--quiet"]).arg(folder);
    init.status().ok().filter(|status| status.success())?;
    Some(Box::new(Git {
        folder: folder.to_owned(),
        mode,
        files: 0,
    }))
}

impl Git {
    fn run(&self, arguments: &[&str], input: &[u8]) {
        let mut git = Command::new("git");
        git.arg("-C").arg(&self.folder).args(arguments);
        git.stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut child = git.spawn().expect("git starts");
        let mut stdin = child.stdin.take().expect("piped");
        stdin.write_all(input).expect("git reads");
        drop(stdin);
        assert!(child.wait().expect("git ends").success(), "{arguments:?}");
    }
}

impl BlobStore for Git {
    fn prepare(&mut self, blobs: &[Vec<u8>]) {
        if self.mode == Mode::Packed {
            return;
        }
        for (at, blob) in blobs.iter().enumerate() {
            let name = format!("{:08}", self.files + at);
            fs::write(self.folder.join(name), blob).expect("room");
        }
    }

    fn put(&mut self, blobs: &[Vec<u8>]) {
        let mut names = String::new();
        for at in self.files..self.files + blobs.len() {
            writeln!(names, "{at:08}").expect("a string takes all");
        }
        self.files += blobs.len();
        match self.mode {
            Mode::Loose => {
                let sync = [
                    "-c",
                    "core.fsync=loose-object",
                    "-c",
                    "core.fsyncMethod=fsync",
                ];
                let put = ["hash-object", "-w", "--no-filters", "--stdin-paths"];
                self.run(&[&sync[..], &put].concat(), names.as_bytes());
            }
            Mode::Batch => {
                let sync = [
                    "-c",
                    "core.fsync=loose-object",
                    "-c",
                    "core.fsyncMethod=batch",
                ];
                let put = ["update-index", "--add", "--stdin"];
                self.run(&[&sync[..], &put].concat(), names.as_bytes());
            }
            Mode::Packed => {
                let mut stream = Vec::new();
                for blob in blobs {
                    writeln!(stream, "blob\ndata {}", blob.len()).expect("a vector takes all");
                    stream.extend(blob);
                    stream.push(b'\n');
                }
                let sync = ["-c", "core.fsync=all"];
                self.run(&[&sync[..], &["fast-import", "--quiet"]].concat(), &stream);
            }
        }
    }

    fn get(&mut self, _: usize) -> Option<usize> {
        None
    }
}
