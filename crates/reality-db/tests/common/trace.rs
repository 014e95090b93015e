//! What a process did to its files, as `strace` tells it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::disk::Disk;

/// The calls that change files, or say how far others do.
pub(crate) const CALLS: &str = "trace=open,openat,creat,close,read,write,pwrite64,writev,pwritev,pwritev2,\
    ftruncate,truncate,fallocate,fsync,fdatasync,sync,syncfs,msync,rename,renameat,renameat2,unlink,unlinkat,mkdir,\
    mkdirat,rmdir,link,linkat,symlink,lseek,dup,dup2,dup3,fcntl,copy_file_range,sendfile,io_uring_setup";

/// Follows a trace, one line after the other.
pub(crate) struct Trace {
    pub(crate) disk: Disk,
    root: PathBuf,
    /// Calls that have begun: the line so far, and what a sync found when it began.
    begun: HashMap<String, (String, Option<usize>)>,
    /// Where in its file the next write without a place goes.
    places: HashMap<String, u64>,
}

impl Trace {
    pub(crate) fn new(root: &Path) -> Self {
        Self {
            disk: Disk::new(root),
            root: root.to_owned(),
            begun: HashMap::new(),
            places: HashMap::new(),
        }
    }

    /// Takes in a line. What the process said in it, if it did.
    pub(crate) fn follow(&mut self, line: &str) -> Option<String> {
        let (process, line) = line.split_once(' ')?;
        let line = line.trim_start();
        if let Some(start) = line.strip_suffix(" <unfinished ...>") {
            let found = self.begins(start);
            self.begun
                .insert(process.to_owned(), (start.to_owned(), found));
            return None;
        }
        if line.starts_with("<... ") {
            let (_, end) = line.split_once(" resumed>")?;
            let (start, found) = self.begun.remove(process)?;
            return self.ended(&format!("{start}{end}"), found);
        }
        let found = self.begins(line);
        self.ended(line, found)
    }

    /// A sync covers what was there when it began.
    fn begins(&mut self, line: &str) -> Option<usize> {
        let (call, arguments) = line.split_once('(')?;
        let path = match call {
            "fsync" | "fdatasync" => descriptor(arguments)?.1,
            _ => return None,
        };
        Some(self.disk.unsynced(&path))
    }

    fn ended(&mut self, line: &str, found: Option<usize>) -> Option<String> {
        let (call, rest) = line.split_once('(')?;
        let (arguments, result) = rest.rsplit_once(" = ")?;
        let result: u64 = match result.split(['<', ' ']).next()?.parse() {
            Ok(result) => result,
            Err(_) => return None, // it failed
        };
        let arguments = arguments.trim_end().strip_suffix(')')?;
        if call == "write" && arguments.starts_with("1<") {
            return Some(String::from_utf8(bytes(strings(arguments).next()?)).unwrap());
        }
        self.change(call, arguments, result, found);
        None
    }

    fn change(&mut self, call: &str, arguments: &str, result: u64, found: Option<usize>) {
        let mut paths = strings(arguments).map(|text| PathBuf::from(self::text(text)));
        match call {
            "open" | "openat" | "creat" => {
                let path = paths.next().unwrap();
                self.places.insert(result.to_string(), 0);
                if path.starts_with(&self.root) && arguments.contains("O_CREAT") {
                    match self.disk.knows(&path) {
                        false => self.disk.create(&path),
                        true if arguments.contains("O_TRUNC") => self.disk.resize(&path, 0),
                        true => {}
                    }
                    assert!(!arguments.contains("O_APPEND"), "{arguments}");
                }
                return;
            }
            "mkdir" | "mkdirat" => {
                let path = paths.next().unwrap();
                if path.starts_with(&self.root) {
                    self.disk.make_folder(&path);
                }
                return;
            }
            "rename" | "renameat" | "renameat2" => {
                let (from, to) = (paths.next().unwrap(), paths.next().unwrap());
                if to.starts_with(&self.root) {
                    self.disk.rename(&from, &to);
                }
                return;
            }
            "unlink" | "unlinkat" | "rmdir" => {
                let name = paths.next().unwrap();
                // In the folder that comes before it, unless it says itself where it is.
                let path = match descriptor(arguments) {
                    Some((_, folder)) => folder.join(name),
                    None => name,
                };
                if path.starts_with(&self.root) {
                    self.disk.remove(&path);
                }
                return;
            }
            _ => {}
        }
        drop(paths);
        let Some((number, path)) = descriptor(arguments) else {
            return;
        };
        if !path.starts_with(&self.root) {
            return;
        }
        let last = || arguments.rsplit_once(", ").unwrap().1.parse().unwrap();
        match call {
            "read" => *self.places.entry(number).or_default() += result,
            "lseek" => drop(self.places.insert(number, result)),
            "write" => {
                let at = self.places.entry(number).or_default();
                let place = *at;
                *at += result;
                self.disk.write(&path, place, written(arguments, result));
            }
            "pwrite64" => self.disk.write(&path, last(), written(arguments, result)),
            "ftruncate" => self.disk.resize(&path, last()),
            // Room on the disk: the file stays as long as it was.
            "fallocate" if arguments.contains("FALLOC_FL_KEEP_SIZE") => {}
            "fallocate" => {
                let end: Vec<u64> = (arguments.rsplitn(3, ", ").take(2))
                    .map(|number| number.parse().unwrap())
                    .collect();
                let len = self.disk.len(&path).max(end[0] + end[1]);
                self.disk.resize(&path, len);
            }
            "fsync" | "fdatasync" => self.disk.sync(&path, found.unwrap()),
            "close" | "fcntl" => {}
            other => panic!("a call that is not followed: {other}({arguments})"),
        }
    }
}

/// Number and path of the first argument, `7<\x2f…>`.
fn descriptor(arguments: &str) -> Option<(String, PathBuf)> {
    let (number, rest) = arguments.split_once('<')?;
    let (path, _) = rest.split_once('>')?;
    Some((number.to_owned(), PathBuf::from(text(path))))
}

/// The arguments in quotation marks.
fn strings(arguments: &str) -> impl Iterator<Item = &str> {
    arguments.split('"').skip(1).step_by(2)
}

fn written(arguments: &str, result: u64) -> Vec<u8> {
    let mut bytes = bytes(strings(arguments).next().unwrap());
    assert!(bytes.len() as u64 >= result, "the trace is cut short");
    bytes.truncate(usize::try_from(result).unwrap());
    bytes
}

fn text(hex: &str) -> String {
    String::from_utf8(bytes(hex)).unwrap()
}

/// `\x2f\x66`.
fn bytes(hex: &str) -> Vec<u8> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => byte - b'0',
        _ => byte - b'a' + 10,
    };
    let (chunks, rest) = hex.as_bytes().as_chunks::<4>();
    assert!(rest.is_empty(), "{hex}");
    chunks
        .iter()
        .map(|[_, _, high, low]| digit(*high) << 4 | digit(*low))
        .collect()
}
