use std::fs;
use std::path::Path;

use super::*;

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    (pairs.iter())
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

#[test]
fn the_environment_counts_more_than_the_file_and_the_file_more_than_the_code() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("diotec360.toml");
    fs::write(
        &file,
        "data_dir = \"data\"\nvault_path = \"/elsewhere/vault\"\nseal_every = 7\nprofile = \"blake3\"\n",
    )
    .unwrap();
    let config = Config::new("ignored")
        .seal_every(3)
        .variables(pairs(&[
            ("DIOTEC360_CONFIG", file.to_str().unwrap()),
            ("DIOTEC360_STATE_PATH", "fast/state"),
            ("DIOTEC360_SEAL_EVERY", "9"),
            ("DIOTEC360_AUDIT_PATH", ""),
            ("DIOTEC360_LISTEN", "somebody else's"),
            ("HOME", "/nowhere"),
        ]))
        .unwrap();
    assert_eq!(config.data_dir(), folder.path().join("data"));
    assert_eq!(config.state_path(), Path::new("fast/state"));
    assert_eq!(config.vault_path(), Path::new("/elsewhere/vault"));
    assert_eq!(config.audit_path(), folder.path().join("data/audit"));
    assert_eq!(config.seal_every, 9);
    assert_eq!(config.profile, Some(Profile::Blake3));
}

#[test]
fn what_nobody_knows_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("diotec360.toml");
    for text in [
        "data_dri = \"typo\"",
        "queue = -1",
        "profile = \"md5\"",
        "=",
    ] {
        fs::write(&file, text).unwrap();
        assert!(Config::new("data").read(&file).is_err(), "{text}");
    }
    let bad = pairs(&[("DIOTEC360_SEAL_EVERY", "often")]);
    let refused = Config::new("data").variables(bad).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "DIOTEC360_SEAL_EVERY cannot be \"often\""
    );
    assert!(Config::new("data").read(folder.path()).is_err());
}

#[test]
fn the_secret_is_not_shown() {
    let key = SignerKey::from_seed("example", &[7; 32]).unwrap();
    let shown = format!("{:?}", Config::new("data").signer(key.clone()));
    assert!(!shown.contains("example") && !shown.contains(&key.to_secret_text()));
}
