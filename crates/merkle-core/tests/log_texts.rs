//! Our own published vectors of the log's tiles, checkpoints and notes, in `tests/vectors/log`.
//!
//! Kept and changed like those of the encodings: see `log_encodings.rs`.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

#[path = "common/vectors.rs"]
mod vectors;

use merkle_core::{Checkpoint, EntryBundle, Tile, TileKind};
use serde_json::json;
use vectors::{hex, verdict};

#[test]
fn tile_paths_are_judged_as_published() {
    let mut cases = vec![];
    let mut case = |name: &'static str, path: &str, expected: &str| {
        let tile = path.parse::<Tile>();
        if let Ok(tile) = tile {
            assert_eq!(tile.to_string(), path);
        }
        assert_eq!(verdict(tile), expected, "{name}");
        let level = |tile: Tile| match tile.kind() {
            TileKind::Entries => json!("entries"),
            _ => json!(tile.level()),
        };
        let tile = tile
            .ok()
            .map(|it| json!([level(it), it.index(), it.width()]));
        cases.push((
            name,
            json!({ "path": path, "tile": tile, "verdict": expected }),
        ));
    };
    case("good", "tile/0/x001/x234/067", "accepted");
    case("good-partial", "tile/1/x001/067.p/8", "accepted");
    case("good-entries", "tile/entries/000.p/255", "accepted");
    case("good-level-7", "tile/7/000.p/255", "accepted");
    case(
        "good-last",
        "tile/0/x072/x057/x594/x037/x927/935.p/255",
        "accepted",
    );
    case("empty", "", "NotATile");
    case("leading-slash", "/tile/0/000", "NotATile");
    case("trailing-slash", "tile/0/000/", "BadIndex");
    case("no-level", "tile/000", "NotATile");
    case("level-8", "tile/8/000", "BadLevel");
    case("level-padded", "tile/00/000", "BadLevel");
    case("level-signed", "tile/+1/000", "BadLevel");
    case("level-data", "tile/data/000", "BadLevel");
    case("index-short", "tile/0/00", "BadIndex");
    case("index-long", "tile/0/0000", "BadIndex");
    case("index-without-x", "tile/0/001/067", "BadIndex");
    case("index-x-on-last", "tile/0/x001/x067", "BadIndex");
    case("index-capital-x", "tile/0/X001/067", "BadIndex");
    case("index-two-x", "tile/0/xx01/067", "BadIndex");
    case("index-needless-element", "tile/0/x000/067", "BadIndex");
    case("index-empty-element", "tile/0//067", "BadIndex");
    case("index-signed", "tile/0/+67", "BadIndex");
    case("index-other-digits", "tile/0/٠٦٧", "BadIndex");
    case(
        "index-beyond-64-bits",
        "tile/0/x018/x446/x744/x073/x709/x551/616",
        "OutOfRange",
    );
    case(
        "index-beyond-any-log",
        "tile/0/x072/x057/x594/x037/x927/936",
        "OutOfRange",
    );
    case("index-beyond-level-7", "tile/7/001.p/1", "OutOfRange");
    case("full-at-level-7", "tile/7/000", "OutOfRange");
    case("width-0", "tile/0/000.p/0", "BadWidth");
    case("width-256", "tile/0/000.p/256", "BadWidth");
    case("width-padded", "tile/0/000.p/08", "BadWidth");
    case("width-signed", "tile/0/000.p/+8", "BadWidth");
    case("width-missing", "tile/0/000.p/", "BadWidth");
    case("width-trailing", "tile/0/000.p/8/", "BadWidth");
    case("width-twice", "tile/0/000.p/8.p/8", "BadWidth");
    case("width-negative", "tile/0/000.p/-8", "BadWidth");
    vectors::publish("log/tile-path", cases);
}

#[test]
fn bundles_are_judged_as_published() {
    let tile = Tile::new(TileKind::Entries, 0, 3).unwrap();
    let good = EntryBundle::encode(&["one", "", "three"]).unwrap();
    let mut cases = vec![];
    let mut case = |name: &'static str, bytes: &[u8], expected: &str| {
        assert_eq!(
            verdict(EntryBundle::decode(tile, bytes)),
            expected,
            "{name}"
        );
        let case = json!({ "bundle": hex(bytes), "width": 3, "verdict": expected });
        cases.push((name, case));
    };
    case("good", &good, "accepted");
    case("empty", &[], "BundleTruncated");
    case("entry-missing", &good[..7], "BundleTruncated");
    case("length-cut", &good[..8], "BundleTruncated");
    case(
        "last-byte-dropped",
        &good[..good.len() - 1],
        "BundleTruncated",
    );
    case(
        "byte-appended",
        &[&good[..], &[0]].concat(),
        "BundleTrailingBytes",
    );
    case(
        "entry-appended",
        &[&good[..], &[0, 1, b'x']].concat(),
        "BundleTrailingBytes",
    );
    let mut bytes = good.clone();
    bytes[..2].copy_from_slice(&[0xff, 0xff]);
    case("length-largest", &bytes, "BundleTruncated");
    bytes[..2].copy_from_slice(&[3, 0]);
    case("length-little-endian", &bytes, "BundleTruncated");
    vectors::publish("log/bundle", cases);
}

#[test]
fn checkpoints_are_judged_as_published() {
    const ROOT: &str = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
    let good = format!("example.com/log\n0\n{ROOT}\n");
    let mut cases = vec![];
    let mut case = |name: &'static str, text: &str, expected: &str| {
        let checkpoint = text.parse::<Checkpoint>();
        if let Ok(checkpoint) = &checkpoint {
            assert_eq!(checkpoint.to_string(), text);
        }
        assert_eq!(verdict(checkpoint), expected, "{name}");
        cases.push((name, json!({ "text": text, "verdict": expected })));
    };
    case("good", &good, "accepted");
    case(
        "good-largest-size",
        &good.replace("\n0\n", "\n18446744073709551615\n"),
        "accepted",
    );
    case("good-extensions", &format!("{good}one\ntwo \n"), "accepted");
    case(
        "good-origin-with-spaces",
        &good.replace("log", "log of é + more"),
        "accepted",
    );
    case("empty", "", "NoFinalNewline");
    case("origin-alone", "example.com/log\n", "TooFewLines");
    case("root-missing", "example.com/log\n0\n", "TooFewLines");
    case("final-newline-missing", good.trim_end(), "NoFinalNewline");
    case(
        "final-newline-doubled",
        &format!("{good}\n"),
        "BadExtension",
    );
    case(
        "extension-empty",
        &format!("{good}one\n\ntwo\n"),
        "BadExtension",
    );
    case(
        "extension-control",
        &format!("{good}one\ttwo\n"),
        "BadExtension",
    );
    case(
        "extensions-65",
        &format!("{good}{}", "x\n".repeat(65)),
        "TooManyExtensions",
    );
    case(
        "origin-empty",
        &good.replace("example.com/log", ""),
        "BadOrigin",
    );
    case("origin-control", &good.replace("log", "log\r"), "BadOrigin");
    case(
        "origin-too-long",
        &good.replace("log", &"g".repeat(1024)),
        "BadOrigin",
    );
    case("size-empty", &good.replace("\n0\n", "\n\n"), "BadSize");
    case("size-padded", &good.replace("\n0\n", "\n00\n"), "BadSize");
    case("size-signed", &good.replace("\n0\n", "\n+1\n"), "BadSize");
    case("size-negative", &good.replace("\n0\n", "\n-1\n"), "BadSize");
    case(
        "size-with-space",
        &good.replace("\n0\n", "\n0 \n"),
        "BadSize",
    );
    case(
        "size-carriage-return",
        &good.replace("\n0\n", "\n0\r\n"),
        "BadSize",
    );
    case(
        "size-beyond-64-bits",
        &good.replace("\n0\n", "\n18446744073709551616\n"),
        "BadSize",
    );
    case("root-empty", &good.replace(ROOT, ""), "BadRoot");
    case("root-unpadded", &good.replace("U=\n", "U\n"), "BadRoot");
    case(
        "root-other-trailing-bits",
        &good.replace("U=\n", "V=\n"),
        "BadRoot",
    );
    case("root-url-alphabet", &good.replace("+/", "-_"), "BadRoot");
    case(
        "root-31-bytes",
        &good.replace(ROOT, &format!("{}==", &ROOT[..42])),
        "BadRoot",
    );
    case("root-33-bytes", &good.replace("U=\n", "UA\n"), "BadRoot");
    case("root-with-space", &good.replace("U=\n", "U= \n"), "BadRoot");
    vectors::publish("log/checkpoint", cases);
}

#[cfg(feature = "note")]
#[test]
fn notes_are_judged_as_published() {
    use merkle_core::{SignedNote, SignerKey, VerifierKey};

    let keys = [1, 2, 3].map(|seed| SignerKey::from_seed("example.com/log", &[seed; 32]).unwrap());
    let trusted = [keys[0].verifier_key(), keys[1].verifier_key()];
    let texts = trusted.each_ref().map(VerifierKey::to_string);
    let good = SignedNote::sign("one\n\ntwo\n", &keys[0]).unwrap();
    let with = |key: &SignerKey| {
        let mut note = good.clone();
        note.countersign(key).unwrap();
        note.to_string()
    };
    let (good, second, unknown) = (good.to_string(), with(&keys[1]), with(&keys[2]));
    let line = &good[good.find('—').unwrap()..];
    let alone = SignedNote::sign("one\n\ntwo\n", &keys[2])
        .unwrap()
        .to_string();

    let mut cases = vec![];
    let mut case = |name: &'static str, text: &str, expected: &str| {
        let judged = match SignedNote::parse(text.as_bytes()) {
            Ok(note) => {
                assert_eq!(note.to_string(), text);
                verdict(note.verify(&trusted))
            }
            Err(error) => verdict(Err::<(), _>(error)),
        };
        assert_eq!(judged, expected, "{name}");
        cases.push((
            name,
            json!({ "note": text, "trusted": texts, "verdict": expected }),
        ));
    };
    case("good", &good, "accepted");
    case("good-two-trusted", &second, "accepted");
    case("good-one-unknown", &unknown, "accepted");
    case(
        "good-doubled-signature",
        &format!("{good}{line}"),
        "accepted",
    );
    case("unknown-alone", &alone, "Unverified");
    case("text-changed", &good.replace("two", "twO"), "BadSignature");
    case(
        "text-line-added",
        &good.replace("two", "two\ntwo"),
        "BadSignature",
    );
    case(
        "name-changed",
        &good.replace("— example", "— Example"),
        "Unverified",
    );
    case(
        "key-id-changed",
        &good.replace(&line[20..24], "AAAA"),
        "Unverified",
    );
    case(
        "signature-changed",
        &good.replace(&line[40..44], "AAAA"),
        "BadSignature",
    );
    let short = line.trim_end().split_at(line.len() - 9).0;
    case(
        "signature-cut",
        &good.replace(line.trim_end(), short),
        "BadSignature",
    );
    case(
        "signature-of-other-text",
        &{
            let other = SignedNote::sign("other\n", &keys[1]).unwrap().to_string();
            format!("{good}{}", &other[other.find('—').unwrap()..])
        },
        "BadSignature",
    );
    case("empty", "", "NoSignatures");
    case("text-alone", "one\n\ntwo\n", "BadSignatureLine");
    case(
        "text-empty",
        &format!("\n\n{line}").replacen('\n', "", 1),
        "NoSignatures",
    );
    case(
        "blank-line-missing",
        &format!("one\n{line}"),
        "NoSignatures",
    );
    case(
        "blank-line-after-signatures",
        &format!("{good}\n"),
        "NoSignatures",
    );
    case("final-newline-missing", good.trim_end(), "NoSignatures");
    case("text-with-tab", &good.replace("two", "\ttwo"), "BadText");
    case(
        "text-with-carriage-return",
        &good.replace("two\n", "two\r\n"),
        "BadText",
    );
    case(
        "dash-is-hyphen",
        &good.replace('—', "-"),
        "BadSignatureLine",
    );
    case("two-spaces", &good.replace("— ", "—  "), "BadSignatureLine");
    case(
        "name-missing",
        &good.replace("example.com/log ", ""),
        "BadSignatureLine",
    );
    case(
        "name-with-plus",
        &good.replace("/log ", "+log "),
        "BadSignatureLine",
    );
    case(
        "name-with-no-break-space",
        &good.replace("/log ", "\u{a0}log "),
        "BadSignatureLine",
    );
    case(
        "base64-unpadded",
        &good.replace("=\n", "\n"),
        "BadSignatureLine",
    );
    case(
        "base64-space-after",
        &good.replace("=\n", "= \n"),
        "BadSignatureLine",
    );
    case(
        "base64-empty",
        "one\n\n— example.com/log \n",
        "BadSignatureLine",
    );
    case(
        "key-id-cut",
        "one\n\n— example.com/log AAAA\n",
        "BadSignatureLine",
    );
    case(
        "signature-empty",
        "one\n\n— example.com/log AAAAAA==\n",
        "BadSignatureLine",
    );
    case(
        "signatures-101",
        &format!("{good}{}", line.repeat(100)),
        "TooManySignatures",
    );
    vectors::publish("log/note", cases);
}
