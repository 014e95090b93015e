//! A disk with a file system on it, which forgets what was not synced when the power goes.
//!
//! What it promises is what Linux file systems that journal their metadata promise: the bytes of a
//! file are there once it is synced, and so is its name if it is new; other changes of names once
//! their folder is synced, and never a later one without those before it. Of what was not synced,
//! anything may be there: each write, none of it, its beginning or its end, in sectors.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::dice::Dice;

/// What a disk writes whole or not at all.
const SECTOR_BYTES: u64 = 512;

#[derive(Default)]
pub(crate) struct Disk {
    files: Vec<File>,
    /// Names as the process sees them.
    names: Names,
    durable: Names,
    /// Changes of names that are not durable, first to last.
    pending: Vec<(PathBuf, Change)>,
}

type Names = BTreeMap<PathBuf, Entry>;

#[derive(Clone, Copy, Debug)]
enum Entry {
    Folder,
    /// Which of the files.
    File(usize),
}

#[derive(Clone, Debug)]
enum Change {
    Put(Entry),
    Rename(PathBuf),
    Remove,
}

#[derive(Default)]
struct File {
    synced: Vec<u8>,
    unsynced: Vec<Write>,
    len: u64,
}

enum Write {
    Bytes(u64, Vec<u8>),
    Resize(u64),
}

impl Disk {
    /// A disk with this folder, durably.
    pub(crate) fn new(root: &Path) -> Self {
        let names = Names::from([(root.to_owned(), Entry::Folder)]);
        Self {
            durable: names.clone(),
            names,
            ..Self::default()
        }
    }

    pub(crate) fn knows(&self, path: &Path) -> bool {
        self.names.contains_key(path)
    }

    pub(crate) fn make_folder(&mut self, path: &Path) {
        self.change(path, Change::Put(Entry::Folder));
    }

    pub(crate) fn create(&mut self, path: &Path) {
        self.files.push(File::default());
        self.change(path, Change::Put(Entry::File(self.files.len() - 1)));
    }

    pub(crate) fn rename(&mut self, from: &Path, to: &Path) {
        self.change(from, Change::Rename(to.to_owned()));
    }

    pub(crate) fn remove(&mut self, path: &Path) {
        self.change(path, Change::Remove);
    }

    fn change(&mut self, path: &Path, change: Change) {
        apply(&mut self.names, path, &change);
        self.pending.push((path.to_owned(), change));
    }

    /// None if it is no file with a name: of another folder, or removed.
    fn file(&mut self, path: &Path) -> Option<&mut File> {
        match self.names.get(path)? {
            Entry::File(at) => self.files.get_mut(*at),
            Entry::Folder => None,
        }
    }

    pub(crate) fn len(&mut self, path: &Path) -> u64 {
        self.file(path).map_or(0, |file| file.len)
    }

    pub(crate) fn write(&mut self, path: &Path, at: u64, bytes: Vec<u8>) {
        if let Some(file) = self.file(path) {
            file.len = file.len.max(at + bytes.len() as u64);
            file.unsynced.push(Write::Bytes(at, bytes));
        }
    }

    pub(crate) fn resize(&mut self, path: &Path, len: u64) {
        if let Some(file) = self.file(path) {
            file.len = len;
            file.unsynced.push(Write::Resize(len));
        }
    }

    /// How many changes a sync that begins now makes durable.
    pub(crate) fn unsynced(&mut self, path: &Path) -> usize {
        let folder = self.pending.len();
        self.file(path).map_or(folder, |file| file.unsynced.len())
    }

    /// A sync has ended that began when there were so many changes.
    pub(crate) fn sync(&mut self, path: &Path, count: usize) {
        match self.names.get(path).copied() {
            Some(Entry::Folder) => {
                let is_own =
                    |at: usize, changed: &Path| at < count && changed.parent() == Some(path);
                self.make_durable(is_own);
            }
            Some(Entry::File(at)) => {
                let file = &mut self.files[at];
                for write in file.unsynced.drain(..count) {
                    write.apply(&mut file.synced);
                }
                self.make_durable(|_, changed| changed == path);
            }
            None => {}
        }
    }

    fn make_durable(&mut self, which: impl Fn(usize, &Path) -> bool) {
        let mut left: Vec<(PathBuf, Change)> = Vec::new();
        for (at, (path, change)) in std::mem::take(&mut self.pending).into_iter().enumerate() {
            if which(at, &path) {
                apply(&mut self.durable, &path, &change);
                // What is not durable yet of the content of a folder goes with it.
                match &change {
                    Change::Rename(to) => {
                        for (left, _) in &mut left {
                            move_along(left, &path, to);
                        }
                    }
                    Change::Remove => left.retain(|(left, _)| !left.starts_with(&path)),
                    Change::Put(_) => {}
                }
            } else {
                left.push((path, change));
            }
        }
        self.pending = left;
    }

    /// The power goes: puts into the folder `to` what is left of the folder `root`.
    pub(crate) fn lose_power(&self, root: &Path, to: &Path, dice: &mut Dice) {
        let mut names = self.durable.clone();
        let kept = below(dice, self.pending.len() + 1);
        for (path, change) in &self.pending[..kept] {
            apply(&mut names, path, change);
        }
        for (path, entry) in &names {
            let Ok(inner) = path.strip_prefix(root) else {
                continue;
            };
            let to = to.join(inner);
            match entry {
                Entry::Folder => fs::create_dir_all(&to).unwrap(),
                // Without its folder it is not to be found.
                Entry::File(_) if !to.parent().is_some_and(Path::is_dir) => {}
                Entry::File(at) => fs::write(&to, self.files[*at].what_is_left(dice)).unwrap(),
            }
        }
    }
}

fn apply(names: &mut Names, path: &Path, change: &Change) {
    match change {
        Change::Put(entry) => drop(names.insert(path.to_owned(), *entry)),
        // With what was in it, whose own removal may not be durable by itself.
        Change::Remove => names.retain(|name, _| !name.starts_with(path)),
        Change::Rename(to) => {
            let moved = names.extract_if(.., |name, _| name.starts_with(path));
            for (mut name, entry) in moved.collect::<Vec<_>>() {
                move_along(&mut name, path, to);
                names.insert(name, entry);
            }
        }
    }
}

/// The new name of what lies in `from`, or is `from`, once that is called `to`.
fn move_along(name: &mut PathBuf, from: &Path, to: &Path) {
    if let Ok(inner) = name.strip_prefix(from) {
        *name = match inner.as_os_str().is_empty() {
            true => to.to_owned(),
            false => to.join(inner),
        };
    }
}

impl File {
    fn what_is_left(&self, dice: &mut Dice) -> Vec<u8> {
        let mut left = self.synced.clone();
        for write in &self.unsynced {
            let write = match write {
                Write::Resize(_) if dice.below(2) == 0 => continue,
                Write::Resize(len) => Write::Resize(*len),
                Write::Bytes(at, bytes) => {
                    let cut = at + dice.below(bytes.len() as u64 + 1);
                    let cut = (cut / SECTOR_BYTES * SECTOR_BYTES).saturating_sub(*at);
                    let cut = usize::try_from(cut).unwrap();
                    match dice.below(4) {
                        0 => Write::Bytes(*at, bytes.clone()),
                        1 => Write::Bytes(*at, bytes[..cut].to_vec()),
                        2 => Write::Bytes(at + cut as u64, bytes[cut..].to_vec()),
                        // Nothing of it, but perhaps its length.
                        _ if dice.below(2) == 0 => {
                            Write::Bytes(at + bytes.len() as u64, Vec::new())
                        }
                        _ => continue,
                    }
                }
            };
            write.apply(&mut left);
        }
        left
    }
}

impl Write {
    fn apply(&self, file: &mut Vec<u8>) {
        match self {
            Self::Resize(len) => file.resize(usize::try_from(*len).unwrap(), 0),
            Self::Bytes(at, bytes) => {
                let at = usize::try_from(*at).unwrap();
                file.resize(file.len().max(at + bytes.len()), 0);
                file[at..at + bytes.len()].copy_from_slice(bytes);
            }
        }
    }
}

fn below(dice: &mut Dice, sides: usize) -> usize {
    usize::try_from(dice.below(sides as u64)).unwrap()
}
