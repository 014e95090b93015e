//! Objects of the vault in a backup: CAR files, each with a list of what is in it.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter};
use std::path::Path;

use merkle_core::{Batch, Map, Sha256};
use truth_vault::{Address, CarError, CarReader, Durability, Options, Vault};

use super::{BackupError, Control, damaged, told};
use crate::seal::write_whole;
use crate::shared::VaultHead;
use crate::{Config, Seal, StorageError, Store, VaultError};

/// Adds the objects that the backup does not have, which goes as far as `last`. How many they are, and
/// what it holds with them.
pub(super) fn back_up_vault(
    vault: &Vault,
    folder: &Path,
    last: Option<&Seal>,
    control: Control<'_>,
) -> Result<(u64, VaultHead), BackupError> {
    let (nth, mut known) = listed(folder, last.map_or(0, |last| last.vault_objects))?;
    let mut added = Vec::new();
    let mut after = None;
    loop {
        let page = vault.list(after.as_ref(), 4096).map_err(VaultError::from);
        let page = page.map_err(StorageError::from)?;
        let Some(last) = page.last() else { break };
        after = Some(*last);
        added.extend(page.into_iter().filter(|address| !known.contains(address)));
    }
    if added.is_empty() {
        return Ok((0, head_of(&known)));
    }
    let path = folder.join(car_name(nth));
    let file = File::create(&path).map_err(StorageError::file(&path))?;
    let mut out = BufWriter::new(file);
    let total = added.len() as u64;
    let mut go_on = Ok(());
    let objects = (0..).zip(&added).map_while(|(done, address)| {
        go_on = told(control, Store::Vault, done, total);
        go_on.is_ok().then_some(*address)
    });
    vault.export_car(&mut out, &[], objects)?;
    go_on?;
    let file = out.into_inner().map_err(|error| error.into_error());
    let synced = file.and_then(|file| file.sync_all());
    synced.map_err(StorageError::file(&path))?;
    let list: String = added.iter().map(|address| format!("{address}\n")).collect();
    let written = write_whole(folder, &list_name(nth), list.as_bytes());
    written.map_err(StorageError::file(folder))?;
    let count = added.len() as u64;
    known.extend(added);
    Ok((count, head_of(&known)))
}

/// How many lists of objects it takes to come to `objects`, and what is in them.
///
/// A list behind those belongs to a backup that was not finished: its files are written again.
fn listed(folder: &Path, objects: u64) -> Result<(u64, BTreeSet<Address>), BackupError> {
    let mut known = BTreeSet::new();
    for nth in 0.. {
        if known.len() as u64 >= objects {
            return Ok((nth, known));
        }
        let path = folder.join(list_name(nth));
        let list = match fs::read_to_string(&path) {
            Ok(list) => list,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((nth, known)),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                return Err(damaged(&path, "it is not a text"));
            }
            Err(error) => return Err(StorageError::file(&path)(error).into()),
        };
        for line in list.lines() {
            let address = line.parse::<Address>();
            known.insert(address.map_err(|_| damaged(&path, "a line is no address"))?);
        }
    }
    unreachable!("there are not as many files as numbers")
}

/// How many objects, and the root over their addresses.
fn head_of(addresses: &BTreeSet<Address>) -> VaultHead {
    let mut batch = Batch::with_capacity(addresses.len());
    for address in addresses {
        let put = batch.put(address.as_bytes(), &[1]);
        put.expect("32 bytes are a key");
    }
    let mut set = Map::<Sha256>::new();
    set.update(&batch);
    VaultHead {
        objects: set.len(),
        root: set.root(),
    }
}

pub(super) fn check_objects(folder: &Path, seal: &Seal) -> Result<(), BackupError> {
    let (count, known) = listed(folder, seal.vault_objects)?;
    let mut found = BTreeSet::new();
    for nth in 0..count {
        let path = folder.join(car_name(nth));
        let file = File::open(&path).map_err(StorageError::file(&path))?;
        let bad = |error: CarError| damaged(&path, &error.to_string());
        let mut reader = CarReader::new(BufReader::new(file)).map_err(bad)?;
        while let Some(mut block) = reader.next_block().map_err(bad)? {
            // A block that is read to its end was held against its address.
            io::copy(&mut block, &mut io::sink())
                .map_err(|error| damaged(&path, &error.to_string()))?;
            found.extend(block.cid().address());
        }
    }
    let head = head_of(&found);
    if found != known || (head.objects, head.root) != (seal.vault_objects, seal.vault_root) {
        return Err(damaged(
            folder,
            "its objects are not those that its seal says",
        ));
    }
    Ok(())
}

/// Puts the objects of a backup that goes as far as `seal` into the vault of `config`.
pub(super) fn restore_vault(
    config: &Config,
    folder: &Path,
    seal: &Seal,
) -> Result<Vault, BackupError> {
    let options = Options::new();
    let vault = Vault::open(config.vault_path(), &options).map_err(VaultError::from);
    let vault = vault.map_err(StorageError::from)?;
    for nth in 0..listed(folder, seal.vault_objects)?.0 {
        let path = folder.join(car_name(nth));
        let file = File::open(&path).map_err(StorageError::file(&path))?;
        vault.import_car(BufReader::new(file), Durability::Batch)?;
    }
    let synced = vault.sync().map_err(VaultError::from);
    synced.map_err(StorageError::from)?;
    Ok(vault)
}

fn car_name(nth: u64) -> String {
    format!("vault-{nth:06}.car")
}

fn list_name(nth: u64) -> String {
    format!("vault-{nth:06}.list")
}
