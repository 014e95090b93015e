//! A ledger that proves what it says: accounts in a map, transfers in a log.
//!
//! Run it with `cargo run -p merkle-core --example ledger`. It prints what a bank would publish and
//! what a customer checks with nothing but that.

use std::error::Error;

use merkle_core::{Batch, LeafIndex, Log, Lookup, Map, Proof, Query, Sha256, Value};

fn main() -> Result<(), Box<dyn Error>> {
    println!("1. The bank opens accounts.");
    let mut opening = Batch::new();
    opening
        .put(b"account/alice", b"900")?
        .put(b"account/bob", b"100")?
        .put(b"account/dave", b"0")?
        .put(b"bank/name", b"First Provable")?;
    let mut accounts = Map::<Sha256>::new();
    let mut history = Log::new();
    accounts.update(&opening);
    history.append(accounts.root().as_bytes());
    println!("   root of all accounts: {}", accounts.root());

    println!("2. Alice asks for her balance, and whether there is an account for Carol.");
    for key in [&b"account/alice"[..], b"account/carol"] {
        let bytes = accounts.prove(key).encode();
        let proof = Proof::decode(&bytes)?;
        let view = proof.verify(&Sha256, &accounts.root())?;
        let name = String::from_utf8_lossy(key);
        match view.get(key) {
            Lookup::Present(Value::Bytes(value)) => {
                println!(
                    "   {name} = {}, proved in {} bytes",
                    String::from_utf8_lossy(value),
                    bytes.len()
                );
            }
            Lookup::Absent => println!("   {name} is not there, proved in {} bytes", bytes.len()),
            other => return Err(format!("the proof does not show {name}: {other:?}").into()),
        }
    }

    println!("3. Alice sends 250 to Carol. The bank proves what the transfer did.");
    let mut transfer = Batch::new();
    transfer
        .put(b"account/alice", b"650")?
        .put(b"account/carol", b"250")?;
    let before = accounts.clone();
    let proof = before.prove_update(&transfer);
    accounts.update(&transfer);
    history.append(accounts.root().as_bytes());
    let claimed = proof.verify(&Sha256, &before.root())?.apply(&transfer)?;
    if claimed != accounts.root() {
        return Err("the transfer does not lead to the published root".into());
    }
    println!("   old root + transfer = new root, checked without the accounts: {claimed}");

    println!("4. An auditor sums up all accounts, and knows that none was left out.");
    let proof = accounts.prove_query(&Query::new().prefix(b"account/"));
    let view = proof.verify(&Sha256, &accounts.root())?;
    let mut total = 0_u64;
    for (key, value) in view.prefix(b"account/")? {
        let value = value.bytes().ok_or("the proof shows values")?;
        let value = std::str::from_utf8(value)?;
        println!("   {} = {value}", String::from_utf8_lossy(key));
        total += value.parse::<u64>()?;
    }
    println!("   total: {total}");
    if total != 1000 {
        return Err("money was made or lost".into());
    }

    println!("5. The old root is in the log of roots, and the log only ever grew.");
    let head = history.head();
    let proof = history.prove_inclusion(LeafIndex::new(0), head.size)?;
    proof.verify_entry(before.root().as_bytes(), &head)?;
    println!("   root 0 is in the log of {} roots", head.size.get());

    println!("6. Somebody changes one bit of Bob's balance in a proof.");
    let mut bytes = accounts.prove(b"account/bob").encode();
    let place = bytes
        .windows(3)
        .position(|window| window == b"100")
        .ok_or("the value is there")?;
    bytes[place] ^= 0x08;
    match Proof::decode(&bytes)?.verify(&Sha256, &accounts.root()) {
        Ok(_) => Err("a forged proof was accepted".into()),
        Err(error) => {
            println!("   refused: {error}");
            Ok(())
        }
    }
}
