//! `backup` and `restore`: all of it, elsewhere, and back to the exact root.

use std::ops::ControlFlow;
use std::path::PathBuf;

use clap::Args;
use indicatif::ProgressBar;
use persistence::{BackupError, CopyProgress, OpenReport, Persistence};
use serde_json::json;

use super::Context;
use super::snapshot::record;
use crate::exit::{Code, Failure};
use crate::output::Paint;
use crate::store;

/// Back everything up into a folder, or add to the backup there what came since.
///
/// What is written is read again and checked, and a signed seal says how far it goes. Texts that can be
/// erased are not in it, nor is the key of the seals: keep that one elsewhere, by itself.
#[derive(Args, Debug)]
pub(crate) struct Backup {
    /// The folder of the backup: on another disk, if it is to be of use.
    folder: PathBuf,
}

/// Make the stores again from a backup, into a data directory that has none: to the exact root.
///
/// The key that signed the backup must be in the data directory first (`key`, as `diotec360 doctor` shows it),
/// or its public key be trusted in the configuration.
#[derive(Args, Debug)]
pub(crate) struct Restore {
    /// The folder of the backup.
    folder: PathBuf,
}

impl Backup {
    pub(crate) fn run(&self, context: &Context<'_>) -> anyhow::Result<Code> {
        let store = store::open_existing(context.globals)?;
        record(&store, &format!("backup into {}", self.folder.display()))?; // and it is in the backup
        let bar = context.output.bar("backing up");
        let report = store.backup_with(&self.folder, &mut |told| show(&bar, told));
        bar.finish_and_clear();
        let report = report.map_err(|error| failure(error, "backup"))?;
        let json = json!({
            "folder": self.folder, "version": report.version, "root": report.root.to_string(),
            "versions_added": report.versions, "objects_added": report.objects,
        });
        context.output.show(&json, |output| {
            format!(
                "{}: up to version {}, root {}\n  added  {} versions, {} objects",
                output.paint(Paint::Strong, &self.folder.display().to_string()),
                report.version,
                report.root,
                report.versions,
                report.objects,
            )
        })?;
        Ok(Code::Done)
    }
}

impl Restore {
    pub(crate) fn run(&self, context: &Context<'_>) -> anyhow::Result<Code> {
        if !self.folder.is_dir() {
            let message = format!("there is no backup in {}", self.folder.display());
            return Err(Failure::new(Code::NotFound, message).into());
        }
        let config = store::config(context.globals)?;
        let bar = context.output.bar("restoring");
        let restored =
            Persistence::restore_with(config, &self.folder, &mut |told| show(&bar, told));
        bar.finish_and_clear();
        let restored: Result<(Persistence, OpenReport), _> = restored;
        let (store, _) = restored.map_err(|error| failure(error, "restore"))?;
        let (version, heads) = (store.state().version(), store.catch_up()?);
        let json = json!({
            "data": context.globals.data, "version": version.number, "root": version.root.to_string(),
            "log_size": heads.log.size.get(), "log_root": heads.log.root.to_string(),
            "objects": heads.vault_objects, "vault_root": heads.vault_root.to_string(),
        });
        context.output.show(&json, |output| {
            format!(
                "{} is as it was at version {}\n  root   {}\n  log    {} records, root {}\n  vault  {} objects, root {}",
                output.paint(Paint::Strong, &context.globals.data.display().to_string()),
                version.number,
                version.root,
                heads.log.size.get(),
                heads.log.root,
                heads.vault_objects,
                heads.vault_root,
            )
        })?;
        Ok(Code::Done)
    }
}

fn show(bar: &ProgressBar, told: CopyProgress) -> ControlFlow<()> {
    bar.set_message(told.store.to_string());
    bar.set_length(told.total);
    bar.set_position(told.done);
    ControlFlow::Continue(())
}

/// What to do next about a backup that is not what it should be.
fn failure(error: BackupError, verb: &str) -> anyhow::Error {
    let (code, hint) = match &error {
        BackupError::NotEmpty { .. } => (
            Code::Failed,
            "restore into a directory of its own: --data DIR; nothing is overwritten",
        ),
        BackupError::Seal(_) => (
            Code::Refuted,
            "copy the key that signed the backup into the data directory, or trust its public key in the configuration",
        ),
        BackupError::Damaged { .. } | BackupError::OtherRoot { .. } => (
            Code::Damaged,
            "take another copy of the backup; what it proves ends before the damage",
        ),
        BackupError::OtherStores { .. } => (
            Code::Refuted,
            "this backup is of other stores: begin another one in an empty folder",
        ),
        BackupError::Open(error) if error.is_locked() => (
            Code::InUse,
            "a server has the directory: ask it, with POST /api/v1/backups",
        ),
        _ => return anyhow::Error::new(error).context(format!("the {verb} failed")),
    };
    Failure::new(code, error.to_string()).hint(hint).into()
}
