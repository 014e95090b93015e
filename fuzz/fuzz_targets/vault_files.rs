//! A vault whose segments, index, list of collections or list of roots were changed by somebody: opening
//! never panics, what is read is what was put, and what is put again is there again.
#![no_main]

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use merkle_fuzz::{Mutation, mutate};
use truth_vault::{Address, Durability, GcOptions, Options, ScrubOptions, Vault};

#[derive(Arbitrary, Debug)]
struct Input {
    blobs: Vec<(u8, u16)>,
    compress: bool,
    collected: bool,
    /// What is done to which file; the check at the end of a file made good again, if it is to be.
    damage: Vec<(u8, Mutation, bool)>,
    /// A segment that somebody wrote.
    segment: Option<Vec<u8>>,
}

static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let memory = Path::new("/dev/shm");
    let parent = match memory.is_dir() {
        true => memory.to_owned(),
        false => std::env::temp_dir(),
    };
    parent.join(format!("vault-files-{}", std::process::id()))
});

fuzz_target!(|input: Input| {
    let folder = FOLDER.as_path();
    let _ = fs::remove_dir_all(folder);
    let options = match input.compress {
        true => Options::new().segment_bytes(4096).compress(1),
        false => Options::new().segment_bytes(4096),
    };
    let blobs: Vec<Vec<u8>> = (input.blobs.iter().take(12))
        .map(|(byte, len)| vec![*byte; usize::from(*len) % 2000])
        .collect();
    fill(folder, &blobs, &options, input.collected);
    let mut files = Vec::new();
    for folder in [folder.to_owned(), folder.join("segments")] {
        let found = fs::read_dir(folder).expect("it was made").flatten();
        files.extend(
            found
                .map(|entry| entry.path())
                .filter(|path| path.is_file()),
        );
    }
    files.sort();
    for (at, mutation, checked) in input.damage.iter().take(6) {
        damage(&files[usize::from(*at) % files.len()], mutation, *checked);
    }
    if let Some(mut segment) = input.segment {
        segment.truncate(5000);
        fs::write(folder.join("segments/0000000777.seg"), segment).expect("a folder of ours");
    }
    let Ok(vault) = Vault::open(folder, &options) else {
        return; // of another version, it may say
    };
    check(&vault, &blobs);
    for blob in &blobs {
        let put = vault.put(blob, Durability::Batch).expect("there is room");
        assert_eq!(vault.get(&put).expect("just put").as_ref(), Some(blob));
    }
    drop(vault);
    if let Ok(vault) = Vault::open(folder, &options) {
        for blob in &blobs {
            let found = vault.get(&Address::of(blob)).expect("there is a good copy");
            assert_eq!(found.as_ref(), Some(blob));
        }
    }
});

fn go_on<T>(_: T) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn fill(folder: &Path, blobs: &[Vec<u8>], options: &Options, collected: bool) {
    let vault = Vault::open(folder, options).expect("an empty folder");
    for (number, blob) in blobs.iter().enumerate() {
        let address = vault.put(blob, Durability::None).expect("there is room");
        if number % 2 == 0 {
            vault.pin(&[address]).expect("they are sound");
        }
    }
    if collected {
        for now_ns in 0..2 {
            let options = GcOptions::new(now_ns).grace(Duration::ZERO).dead_percent(0);
            vault.collect(&options, &mut go_on).expect("all is sound");
        }
    }
}

/// Changes a file, read-only or not. With its check made good, the change itself is looked at.
fn damage(file: &Path, mutation: &Mutation, checked: bool) {
    let mut bytes = fs::read(file).expect("it was there");
    let permissions = fs::metadata(file).expect("it was there").permissions();
    mutate(&mut bytes, std::slice::from_ref(mutation));
    bytes.truncate(1 << 20);
    if checked && file.extension().is_none() && bytes.len() > 32 {
        let content = bytes.len() - 32;
        let hash = blake3::hash(&bytes[..content]);
        bytes[content..].copy_from_slice(hash.as_bytes());
    }
    fs::remove_file(file).expect("it was there");
    fs::write(file, bytes).expect("a folder of ours");
    fs::set_permissions(file, permissions).expect("a file of ours");
}

/// Whatever is given out is what was put under that address.
fn check(vault: &Vault, blobs: &[Vec<u8>]) {
    for blob in blobs {
        let address = Address::of(blob);
        if let Ok(Some(found)) = vault.get(&address) {
            assert_eq!(&found, blob);
        }
        let _ = (vault.has(&address), vault.stat(&address));
    }
    for address in vault.list(None, usize::MAX).unwrap_or_default() {
        if let Ok(Some(found)) = vault.get(&address) {
            assert_eq!(Address::of(&found), address);
        }
    }
    let _ = vault.verify(&mut go_on);
    let _ = vault.scrub(&ScrubOptions::new(1), &mut go_on);
    for now_ns in 0..2 {
        let options = GcOptions::new(now_ns).grace(Duration::ZERO).dead_percent(0);
        let _ = vault.collect(&options, &mut go_on);
    }
    let _ = vault.head();
}
