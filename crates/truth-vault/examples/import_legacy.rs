//! Imports a vault of the original system, says what is odd about it, and hands all of it on as a CAR
//! file.
//!
//! `cargo run --example import_legacy -- OLD_FOLDER NEW_FOLDER FILE.car`

use std::env;
use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use truth_vault::{BundleQuery, LegacyVault, Options, Vault};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [old, new, car] = &arguments[..] else {
        return Err("usage: import_legacy OLD_FOLDER NEW_FOLDER FILE.car".into());
    };
    let vault = Vault::open(new, &Options::new())?;
    let report = vault.import_legacy(LegacyVault::open(Path::new(old))?, |_| false)?;
    for imported in &report.imported {
        println!("{} is {}", imported.path.display(), imported.bundle);
        for note in &imported.notes {
            println!("    {note}");
        }
    }
    for refused in &report.refused {
        println!("not imported: {refused:?}");
    }
    for bundle in vault.bundles(&BundleQuery::new())? {
        println!(
            "{} {} {}",
            bundle.status,
            bundle.intent,
            bundle.code.to_cid()
        );
    }

    let all = vault.list(None, usize::MAX)?;
    let mut file = BufWriter::new(File::create(car)?);
    let exported = vault.export_indexed_car(&mut file, &[], all)?;
    file.flush()?;
    println!(
        "{} blobs, {} bytes in {car}",
        exported.blobs, exported.bytes
    );
    Ok(())
}
