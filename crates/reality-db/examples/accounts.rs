//! Accounts on real files: commits, a proof that travels, history, damage and the way out.
//!
//! `cargo run -p reality-db --example accounts [FOLDER]`

use std::error::Error;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::{env, fs};

use merkle_core::{Lookup, Proof};
use reality_db::{Batch, CommitOptions, Depth, OpenError, Options, RealityDb};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = env::args_os().nth(1).map_or_else(
        || env::temp_dir().join(format!("accounts-{}", std::process::id())),
        PathBuf::from,
    );
    let options = Options::new();
    let db = RealityDb::open(&folder, &options)?;
    println!(
        "opened {} at version {}",
        folder.display(),
        db.version().number
    );

    let mut batch = Batch::new();
    batch
        .put(b"account/alice", b"900")?
        .put(b"account/bob", b"100")?;
    let first = db.commit_with(&batch, &CommitOptions::new().metadata(b"opening balances"))?;
    println!("version {}: root {}", first.number, first.root);

    let mut transfer = Batch::new();
    transfer
        .put(b"account/alice", b"850")?
        .put(b"account/bob", b"150")?;
    let second = db.commit_with(&transfer, &CommitOptions::new().metadata(b"invoice 17"))?;
    println!("version {}: root {}", second.number, second.root);

    // What a verifier gets: bytes. What it has: a root.
    let proof = db.at(first.number)?.prove(b"account/alice")?.encode();
    let received = Proof::decode(&proof)?;
    let view = received.verify(&db.profile(), &first.root)?;
    let Lookup::Present(balance) = view.get(b"account/alice") else {
        return Err("the proof shows no balance".into());
    };
    let balance = String::from_utf8_lossy(balance.bytes().unwrap_or_default()).into_owned();
    println!(
        "{} bytes prove that alice had {balance} at version {}",
        proof.len(),
        first.number
    );
    if received.verify(&db.profile(), &second.root).is_ok() {
        return Err("the proof holds for another root".into());
    }

    for difference in db.diff(first.number, second.number)? {
        let text = |value: &Option<Vec<u8>>| {
            String::from_utf8_lossy(value.as_deref().unwrap_or_default()).into_owned()
        };
        let key = String::from_utf8_lossy(&difference.key).into_owned();
        println!(
            "{key}: {} -> {}",
            text(&difference.before),
            text(&difference.after)
        );
    }

    db.checkpoint(|_| ControlFlow::Continue(()))?;
    let report = db.verify_integrity(Depth::Roots, |_| ControlFlow::Continue(()))?;
    println!(
        "checked: {} versions, {} entries, damage: {:?}",
        report.versions, report.entries, report.damage
    );
    drop(db);

    // An older copy is perfect in itself. Who knows a later root is not fooled.
    let later = Options::new().expect(second.number + 1, second.root);
    match RealityDb::open(&folder, &later) {
        Err(error @ OpenError::Unexpected { .. }) => println!("refused: {error}"),
        Err(error) => return Err(error.into()),
        Ok(_) => return Err("a copy that is too old was opened".into()),
    }
    if env::args_os().nth(1).is_none() {
        fs::remove_dir_all(&folder)?;
    }
    Ok(())
}
