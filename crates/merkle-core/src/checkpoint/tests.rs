#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use alloc::string::{String, ToString};

use super::*;

#[test]
fn reads_what_it_writes_up_to_the_limits() {
    let head = TreeHead::new(TreeSize::new(u64::MAX), Hash::from_bytes([0xfe; 32]));
    let origin = "o".repeat(Checkpoint::ORIGIN_BYTES_MAX);
    let mut checkpoint = Checkpoint::new(&origin, head).unwrap();
    for _ in 0..Checkpoint::EXTENSIONS_MAX {
        checkpoint = checkpoint.with_extension(&"e".repeat(900)).unwrap();
    }
    assert_eq!(checkpoint.to_string().parse(), Ok(checkpoint.clone()));
    assert_eq!(checkpoint.extensions().len(), 64);
    assert_eq!(
        (checkpoint.origin(), checkpoint.head()),
        (&origin[..], head)
    );
    let refused = checkpoint.with_extension("one more");
    assert_eq!(refused, Err(CheckpointError::TooManyExtensions));
}

#[test]
fn what_it_would_not_read_it_does_not_make() {
    let new = |origin: &str| Checkpoint::new(origin, TreeHead::EMPTY);
    for origin in [
        "",
        "two\nlines",
        "a\0b",
        &"o".repeat(Checkpoint::ORIGIN_BYTES_MAX + 1),
    ] {
        assert_eq!(new(origin), Err(CheckpointError::BadOrigin));
    }
    for line in ["", "two\nlines", "\r"] {
        let refused = new("origin").unwrap().with_extension(line);
        assert_eq!(refused, Err(CheckpointError::BadExtension { line: 0 }));
    }
    let long = new("origin")
        .unwrap()
        .with_extension(&"e".repeat(Checkpoint::TEXT_BYTES_MAX));
    assert!(matches!(long, Err(CheckpointError::TooLong { .. })));
    let text = "\n".repeat(Checkpoint::TEXT_BYTES_MAX + 1);
    let refused = text.parse::<Checkpoint>();
    assert_eq!(refused, Err(CheckpointError::TooLong { bytes: text.len() }));
}

#[test]
fn every_cut_and_every_changed_byte_gives_another_checkpoint_or_none() {
    let head = TreeHead::new(TreeSize::new(1234), Hash::from_bytes([0x5a; 32]));
    let checkpoint = Checkpoint::new("example.com/log", head).unwrap();
    let text = checkpoint.with_extension("extension").unwrap().to_string();
    for at in 0..text.len() {
        if let Ok(other) = text[..at].parse::<Checkpoint>() {
            assert_eq!(other.to_string(), text[..at]);
        }
        for byte in 0..0x80 {
            let mut changed = text.clone().into_bytes();
            changed[at] = byte;
            let changed = String::from_utf8(changed).unwrap();
            if let Ok(other) = changed.parse::<Checkpoint>() {
                assert_eq!(other.to_string(), changed);
            }
        }
    }
}
