//! What every volume promises, asked of each of them.

use super::Volume;
use super::disk::DiskVolume;
use super::memory::MemoryVolume;

/// A promise, and what checks it on a fresh volume.
type Promise = (&'static str, fn(&dyn Volume));

const PROMISES: &[Promise] = &[
    ("reads what was appended", reads_what_was_appended),
    ("refuses to read past the end", refuses_to_read_past_the_end),
    ("overwrites in place", overwrites_in_place),
    (
        "replaces a file when creating",
        replaces_a_file_when_creating,
    ),
    ("renames over another file", renames_over_another_file),
    (
        "reads a removed file to its end",
        reads_a_removed_file_to_its_end,
    ),
    ("misses absent files", misses_absent_files),
    ("lists its files", lists_its_files),
    (
        "refuses names that lead elsewhere",
        refuses_names_that_lead_elsewhere,
    ),
];

fn keep(make: impl Fn() -> Box<dyn Volume>) {
    for (promise, check) in PROMISES {
        println!("{promise}");
        check(&*make());
    }
}

#[test]
fn disk_keeps_the_promises() {
    let folder = tempfile::tempdir().unwrap();
    let made = std::cell::Cell::new(0);
    keep(|| {
        made.set(made.get() + 1);
        let path = folder.path().join("volumes").join(made.get().to_string());
        Box::new(DiskVolume::open(&path).unwrap())
    });
}

#[test]
fn memory_keeps_the_promises() {
    keep(|| Box::new(MemoryVolume::default()));
}

fn write(volume: &dyn Volume, name: &str, bytes: &[u8]) {
    let mut sink = volume.create(name).unwrap();
    sink.append(bytes).unwrap();
    sink.sync().unwrap();
}

fn read(volume: &dyn Volume, name: &str) -> Vec<u8> {
    let source = volume.open(name).unwrap();
    let mut bytes = vec![0; usize::try_from(source.len().unwrap()).unwrap()];
    source.read_at(0, &mut bytes).unwrap();
    bytes
}

fn names(volume: &dyn Volume) -> Vec<String> {
    let mut names = volume.list().unwrap();
    names.sort();
    names
}

fn reads_what_was_appended(volume: &dyn Volume) {
    let mut sink = volume.create("file").unwrap();
    assert_eq!(read(volume, "file"), b"");
    sink.append(b"ab").unwrap();
    sink.append(b"").unwrap();
    let early = volume.open("file").unwrap();
    sink.append(b"cdef").unwrap();
    assert_eq!(early.len().unwrap(), 6);
    sink.sync().unwrap();
    assert_eq!(read(volume, "file"), b"abcdef");
    let mut middle = [0; 3];
    early.read_at(1, &mut middle).unwrap();
    assert_eq!(&middle, b"bcd");
}

fn refuses_to_read_past_the_end(volume: &dyn Volume) {
    write(volume, "file", b"abc");
    let source = volume.open("file").unwrap();
    source.read_at(3, &mut []).unwrap();
    for (at, len) in [(0, 4), (3, 1), (4, 1), (u64::MAX >> 1, 1), (u64::MAX, 1)] {
        let error = source.read_at(at, &mut vec![0; len]).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof, "{at}");
    }
}

fn overwrites_in_place(volume: &dyn Volume) {
    write(volume, "file", b"abcdef");
    let source = volume.open("file").unwrap();
    volume.overwrite("file", 1, b"XY").unwrap();
    assert_eq!(read(volume, "file"), b"aXYdef");
    volume.overwrite("file", 5, b"ZZ").unwrap();
    assert_eq!(read(volume, "file"), b"aXYdeZZ");
    volume.overwrite("file", 9, b"!").unwrap();
    assert_eq!(read(volume, "file"), b"aXYdeZZ\0\0!");
    assert_eq!(source.len().unwrap(), 10);
}

fn replaces_a_file_when_creating(volume: &dyn Volume) {
    write(volume, "file", b"old");
    let old = volume.open("file").unwrap();
    write(volume, "file", b"newer");
    assert_eq!(read(volume, "file"), b"newer");
    let mut bytes = [0; 3];
    old.read_at(0, &mut bytes).unwrap();
    assert_eq!(&bytes, b"old");
    assert_eq!(names(volume), ["file"]);
}

fn renames_over_another_file(volume: &dyn Volume) {
    write(volume, "a", b"1");
    write(volume, "b", b"2");
    volume.rename("a", "b").unwrap();
    volume.sync().unwrap();
    assert_eq!(names(volume), ["b"]);
    assert_eq!(read(volume, "b"), b"1");
    volume.rename("b", "b").unwrap();
    assert_eq!(read(volume, "b"), b"1");
}

fn reads_a_removed_file_to_its_end(volume: &dyn Volume) {
    write(volume, "file", b"bytes");
    let source = volume.open("file").unwrap();
    volume.remove("file").unwrap();
    volume.remove("file").unwrap();
    volume.sync().unwrap();
    let mut bytes = [0; 5];
    source.read_at(0, &mut bytes).unwrap();
    assert_eq!(&bytes, b"bytes");
}

fn misses_absent_files(volume: &dyn Volume) {
    let errors = [
        volume.open("absent").err(),
        volume.overwrite("absent", 0, b"x").err(),
        volume.rename("absent", "other").err(),
    ];
    for error in errors {
        assert_eq!(error.unwrap().kind(), std::io::ErrorKind::NotFound);
    }
    assert_eq!(names(volume), <[&str; 0]>::default());
}

fn lists_its_files(volume: &dyn Volume) {
    for name in ["b", "a.checkpoint", "HEAD", "x-1_2"] {
        write(volume, name, name.as_bytes());
    }
    volume.remove("b").unwrap();
    assert_eq!(names(volume), ["HEAD", "a.checkpoint", "x-1_2"]);
}

fn refuses_names_that_lead_elsewhere(volume: &dyn Volume) {
    write(volume, "file", b"x");
    let long = "x".repeat(256);
    for name in [
        "", ".", "..", ".hidden", "a/b", "/a", "a\\b", "a\0", "ä", &long,
    ] {
        let errors = [
            volume.create(name).err(),
            volume.open(name).err(),
            volume.overwrite(name, 0, b"x").err(),
            volume.rename("file", name).err(),
            volume.rename(name, "file").err(),
            volume.remove(name).err(),
        ];
        for error in errors {
            let kind = error.unwrap().kind();
            assert_eq!(kind, std::io::ErrorKind::InvalidInput, "{name}");
        }
    }
    assert_eq!(names(volume), ["file"]);
}
