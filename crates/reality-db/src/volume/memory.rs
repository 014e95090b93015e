//! A folder in memory, which forgets what was not synced when the power goes.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Edit, Sink, Source, Volume, check_name};

/// A folder in memory. Its clones are the same folder, as two openings of a real one are.
#[derive(Clone, Default)]
pub(crate) struct MemoryVolume {
    folder: Arc<Mutex<Folder>>,
}

/// Bytes that have, perhaps, a name.
type File = Arc<Mutex<Content>>;

#[derive(Default)]
struct Folder {
    files: BTreeMap<String, File>,
    /// For each change of a name since the last sync, the names it changed and whose they were.
    unsynced: Vec<Vec<(String, Option<File>)>>,
}

impl Folder {
    /// Gives `names` to other files, or to none, in one step.
    fn change<const N: usize>(&mut self, names: [(&str, Option<File>); N]) {
        let mut before = Vec::with_capacity(N);
        for (name, file) in names {
            before.push((name.to_owned(), self.put(name, file)));
        }
        self.unsynced.push(before);
    }

    fn put(&mut self, name: &str, file: Option<File>) -> Option<File> {
        match file {
            Some(file) => self.files.insert(name.to_owned(), file),
            None => self.files.remove(name),
        }
    }

    fn file(&self, name: &str) -> io::Result<File> {
        let file = self.files.get(name).cloned();
        file.ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

#[derive(Default)]
struct Content {
    bytes: Vec<u8>,
    /// Each write since the last sync, first to last.
    unsynced: Vec<Unsynced>,
}

/// A write that a loss of power may undo.
struct Unsynced {
    at: usize,
    len: usize,
    /// What it overwrote: less than `len` bytes if the file ended before.
    old: Vec<u8>,
    /// Length of the file before it.
    file_len: usize,
}

impl Content {
    fn write(&mut self, at: usize, new: &[u8]) {
        let file_len = self.bytes.len();
        let end = at + new.len();
        self.unsynced.push(Unsynced {
            at,
            len: new.len(),
            old: self.bytes[at.min(file_len)..end.min(file_len)].to_vec(),
            file_len,
        });
        if end > file_len {
            self.bytes.resize(end, 0);
        }
        self.bytes[at..end].copy_from_slice(new);
    }

    /// Undoes every write that was not synced.
    fn lose_all(&mut self) {
        for write in std::mem::take(&mut self.unsynced).into_iter().rev() {
            self.bytes.truncate(write.file_len);
            self.bytes[write.at.min(write.file_len)..][..write.old.len()]
                .copy_from_slice(&write.old);
        }
    }

    /// Undoes, of each write that was not synced, nothing, all, its start or its end: sectors that
    /// held something before are written whole or not at all, as disks do. A file that grew may keep
    /// its length, with zeros in it, or any length between.
    fn lose_some(&mut self, dice: &mut Dice) {
        let Some(first) = self.unsynced.first() else {
            return;
        };
        let synced_len = first.file_len;
        for write in std::mem::take(&mut self.unsynced).into_iter().rev() {
            let mut cut = dice.below(write.len + 1);
            if !write.old.is_empty() {
                let whole = (write.at + cut) / SECTOR_BYTES * SECTOR_BYTES;
                cut = whole.saturating_sub(write.at);
            }
            let undone = match dice.below(4) {
                0 => 0..0,
                1 => 0..write.len,
                2 => 0..cut,
                _ => cut..write.len,
            };
            for place in undone {
                self.bytes[write.at + place] = write.old.get(place).copied().unwrap_or(0);
            }
        }
        if dice.below(2) == 0 {
            let grown = self.bytes.len() - synced_len;
            self.bytes.truncate(synced_len + dice.below(grown + 1));
        }
    }
}

/// What a disk writes whole or not at all.
const SECTOR_BYTES: usize = 512;

/// Numbers that look random and are the same for the same seed (splitmix64).
struct Dice(u64);

impl Dice {
    /// A number below `sides`.
    fn below(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let wide = u128::from(mixed ^ (mixed >> 31)) * sides as u128;
        usize::try_from(wide >> 64).expect("below `sides`")
    }
}

impl MemoryVolume {
    /// The power goes. Of the changes of names since the last sync of the folder, some last ones
    /// are undone; of the writes to each file since its last sync, some are undone, in whole or in
    /// part. The same for the same `seed`; 0 undoes all of them.
    pub(crate) fn lose_power(&self, seed: u64) {
        let mut dice = Dice(seed);
        let mut folder = locked(&self.folder);
        let kept = match seed {
            0 => 0,
            _ => dice.below(folder.unsynced.len() + 1),
        };
        while folder.unsynced.len() > kept {
            for (name, file) in folder.unsynced.pop().into_iter().flatten().rev() {
                folder.put(&name, file);
            }
        }
        folder.unsynced.clear();
        for file in folder.files.values() {
            let mut content = locked(file);
            match seed {
                0 => content.lose_all(),
                _ => content.lose_some(&mut dice),
            }
        }
    }

    fn file(&self, name: &str) -> io::Result<File> {
        check_name(name)?;
        locked(&self.folder).file(name)
    }
}

impl Volume for MemoryVolume {
    fn list(&self) -> io::Result<Vec<String>> {
        Ok(locked(&self.folder).files.keys().cloned().collect())
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn Sink>> {
        check_name(name)?;
        let file = File::default();
        locked(&self.folder).change([(name, Some(file.clone()))]);
        Ok(Box::new(MemoryFile(file)))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn Source>> {
        Ok(Arc::new(MemoryFile(self.file(name)?)))
    }

    fn edit(&self, name: &str) -> io::Result<Box<dyn Edit>> {
        Ok(Box::new(MemoryFile(self.file(name)?)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        check_name(to)?;
        let file = self.file(from)?;
        // In this order: a file that gets its own name keeps it.
        locked(&self.folder).change([(from, None), (to, Some(file))]);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        check_name(name)?;
        let mut folder = locked(&self.folder);
        if folder.files.contains_key(name) {
            folder.change([(name, None)]);
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        locked(&self.folder).unsynced.clear();
        Ok(())
    }
}

/// A file being written, changed or read.
struct MemoryFile(File);

impl Sink for MemoryFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut content = locked(&self.0);
        let end = content.bytes.len();
        content.write(end, bytes);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        locked(&self.0).unsynced.clear();
        Ok(())
    }
}

impl Edit for MemoryFile {
    fn write_at(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        let at = usize::try_from(at).map_err(|_| io::ErrorKind::FileTooLarge)?;
        locked(&self.0).write(at, bytes);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        Sink::sync(self)
    }
}

impl Source for MemoryFile {
    fn len(&self) -> io::Result<u64> {
        Ok(locked(&self.0).bytes.len() as u64)
    }

    fn read_at(&self, at: u64, bytes: &mut [u8]) -> io::Result<()> {
        let content = locked(&self.0);
        let found = usize::try_from(at)
            .ok()
            .and_then(|at| content.bytes.get(at..)?.get(..bytes.len()))
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        bytes.copy_from_slice(found);
        Ok(())
    }
}

// Nothing panics while it is locked.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(volume: &MemoryVolume, name: &str) -> Option<Vec<u8>> {
        let file = volume.file(name).ok()?;
        Some(locked(&file).bytes.clone())
    }

    /// A volume with synced and unsynced changes of all kinds.
    fn busy() -> MemoryVolume {
        let volume = MemoryVolume::default();
        for name in ["a", "b", "c"] {
            let mut sink = volume.create(name).unwrap();
            sink.append(b"old-").unwrap();
            sink.append(name.as_bytes()).unwrap();
            sink.sync().unwrap();
        }
        volume.sync().unwrap();
        volume.overwrite("a", 1, b"XYZW").unwrap();
        volume.overwrite("a", 2, b"!").unwrap();
        volume.overwrite("a", 9, b"far").unwrap();
        let mut sink = volume.create("d").unwrap();
        sink.append(b"0123456789").unwrap();
        sink.sync().unwrap();
        sink.append(b"unsynced").unwrap();
        volume.rename("d", "b").unwrap();
        volume.remove("c").unwrap();
        volume
    }

    #[test]
    fn keeps_everything_while_the_power_is_on() {
        let volume = busy();
        assert_eq!(read(&volume, "a").unwrap(), b"oX!ZW\0\0\0\0far");
        assert_eq!(read(&volume, "b").unwrap(), b"0123456789unsynced");
        assert_eq!(volume.list().unwrap(), ["a", "b"]);
    }

    #[test]
    fn forgets_all_that_was_not_synced() {
        let volume = busy();
        volume.lose_power(0);
        for name in ["a", "b", "c"] {
            let expected = format!("old-{name}").into_bytes();
            assert_eq!(read(&volume, name), Some(expected));
        }
        assert_eq!(volume.list().unwrap(), ["a", "b", "c"]);
    }

    #[test]
    fn forgets_some_of_what_was_not_synced_and_nothing_else() {
        let mut outcomes = std::collections::BTreeSet::new();
        for seed in 1..2_000 {
            let volume = busy();
            volume.lose_power(seed);
            let a = read(&volume, "a").unwrap();
            assert_eq!(a[0], b'o', "seed {seed}");
            assert!((5..=12).contains(&a.len()), "seed {seed}");
            match volume.list().unwrap().join(" ").as_str() {
                "a b" => {
                    let b = read(&volume, "b").unwrap();
                    assert!(b.starts_with(b"0123456789"), "seed {seed}");
                }
                "a b c" => {}
                "a b c d" => assert_eq!(read(&volume, "b").unwrap(), b"old-b"),
                names => panic!("seed {seed}: {names}"),
            }
            outcomes.insert((volume.list().unwrap(), a));
        }
        assert!(outcomes.len() > 100, "{} outcomes", outcomes.len());
    }
}
