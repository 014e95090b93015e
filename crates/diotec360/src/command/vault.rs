//! `vault`: code, proofs and certificates by their addresses.

use std::io::{self, Write as _};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Subcommand, ValueEnum};
use persistence::{Address, Bundle, BundleAddress, Persistence};
use serde_json::json;
use truth_vault::{GetError, PutOptions, Trust, VerificationStatus, verify_membership};

use super::Context;
use super::exec::not_found;
use super::snapshot::record;
use crate::clock::now_ns;
use crate::exit::Code;
use crate::output::Paint;
use crate::proof_file::refuted;
use crate::store;

/// Store and read code, proofs and certificates by their addresses.
#[derive(Debug, Subcommand)]
pub(crate) enum Vault {
    /// Store a file of any length; prints its address, which is its SHA-256.
    Put {
        /// The file.
        file: PathBuf,
    },
    /// Read a blob: to a file, or to standard output. Every byte is checked before it is written.
    Get {
        /// Its address: 64 hexadecimal digits, or a CID.
        address: Address,
        /// The file.
        #[arg(long, short, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// List the addresses of all blobs.
    List {
        /// How many at most.
        #[arg(long, short = 'n', value_name = "COUNT", default_value_t = 1000)]
        limit: usize,
    },
    /// Store code as a bundle, with the intent that it is for and how its verification ended.
    Bundle {
        /// The file with the code.
        file: PathBuf,
        /// Name of the intent.
        #[arg(long)]
        intent: String,
        /// How its verification ended.
        #[arg(long, default_value = "proved")]
        status: Status,
    },
    /// Store a bundle from an `.ae_bundle` file, once every layer of it was verified.
    Import {
        /// The file.
        file: PathBuf,
    },
    /// Write a bundle to an `.ae_bundle` file.
    Export {
        /// Its address.
        address: BundleAddress,
        /// The file.
        #[arg(long, short, value_name = "FILE")]
        out: PathBuf,
    },
    /// Keep blobs whatever is collected. Bundles are kept anyway.
    Pin {
        /// Their addresses.
        #[arg(required = true)]
        addresses: Vec<Address>,
    },
    /// Keep blobs no longer.
    Unpin {
        /// Their addresses.
        #[arg(required = true)]
        addresses: Vec<Address>,
    },
    /// Collect the blobs that neither a pin, nor a lease, nor a bundle needs.
    Gc(super::gc::Gc),
    /// Take from another vault every blob that this one does not have, each checked against its address.
    Pull(super::pull::Pull),
    /// Show how many blobs there are, and the root over all of them.
    Head,
    /// Prove that blobs are in the vault, or that they are not.
    Prove {
        /// Their addresses.
        #[arg(required = true)]
        addresses: Vec<Address>,
        /// The file.
        #[arg(long, short, value_name = "FILE")]
        out: PathBuf,
    },
}

/// How a verification ended.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Status {
    Proved,
    Failed,
    Unverified,
}

impl Vault {
    pub(crate) fn run(&self, context: &Context<'_>) -> anyhow::Result<Code> {
        let writes = matches!(
            self,
            Self::Put { .. } | Self::Bundle { .. } | Self::Import { .. } | Self::Pull(_)
        );
        let store = match writes {
            true => store::open(context.globals)?,
            false => store::open_existing(context.globals)?,
        };
        match self {
            Self::Put { file } => put(context, &store, file),
            Self::Get { address, out } => get(context, &store, address, out.as_deref()),
            Self::List { limit } => {
                for address in store.vault().list(None, *limit)? {
                    context
                        .output
                        .show(&json!({"address": address.to_string()}), |_| {
                            address.to_string()
                        })?;
                }
                Ok(Code::Done)
            }
            Self::Bundle {
                file,
                intent,
                status,
            } => {
                let status = match status {
                    Status::Proved => VerificationStatus::Proved,
                    Status::Failed => VerificationStatus::Failed,
                    Status::Unverified => VerificationStatus::Unverified,
                };
                let bundle = Bundle::new(store::read_file(file)?, intent, status, now_ns())?;
                put_bundle(context, &store, &bundle)
            }
            Self::Import { file } => {
                let bundle = Bundle::import(&store::read_file(file)?, &Trust::Integrity).map_err(
                    |error| refuted(format!("{} does not hold: {error}", file.display())),
                )?;
                put_bundle(context, &store, &bundle)
            }
            Self::Export { address, out } => {
                let bundle = store.vault().bundle(address)?;
                let bundle =
                    bundle.ok_or_else(|| not_found(format!("there is no bundle {address}")))?;
                store::write_file(out, &bundle.export())?;
                context
                    .output
                    .show(&json!({"file": out}), |_| out.display().to_string())?;
                Ok(Code::Done)
            }
            Self::Pull(pull) => pull.run(context, &store),
            Self::Gc(gc) => gc.run(context, &store),
            Self::Pin { addresses } => {
                for address in addresses {
                    if !store.vault().has(address)? {
                        return Err(not_found(format!("there is no blob {address}")));
                    }
                }
                store.vault().pin(addresses)?;
                record(&store, &format!("{} blobs pinned", addresses.len()))?;
                pinned(context, addresses, true)
            }
            Self::Unpin { addresses } => {
                store.vault().unpin(addresses)?;
                record(&store, &format!("{} blobs unpinned", addresses.len()))?;
                pinned(context, addresses, false)
            }
            Self::Head => {
                let head = store.vault().head()?;
                let json = json!({"blobs": head.blobs, "root": head.root.to_string()});
                context.output.show(&json, |_| {
                    format!("blobs  {}\nroot   {}", head.blobs, head.root)
                })?;
                Ok(Code::Done)
            }
            Self::Prove { addresses, out } => prove(context, &store, addresses, out),
        }
    }
}

fn pinned(context: &Context<'_>, addresses: &[Address], kept: bool) -> anyhow::Result<Code> {
    for address in addresses {
        let json = json!({"address": address.to_string(), "pinned": kept});
        let said = if kept { "kept" } else { "no longer kept" };
        context
            .output
            .show(&json, |_| format!("{address} {said}"))?;
    }
    Ok(Code::Done)
}

fn put(context: &Context<'_>, store: &Persistence, path: &Path) -> anyhow::Result<Code> {
    let mut file =
        std::fs::File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let bar = context.output.bar("storing");
    bar.set_length(file.metadata()?.len());
    let options = PutOptions::new().time_ns(now_ns());
    let address = store
        .vault()
        .put_reader_with(&mut file, &options, &mut |done| {
            bar.set_position(done);
            ControlFlow::Continue(())
        })?;
    bar.finish_and_clear();
    let json = json!({"address": address.to_string(), "cid": address.to_cid()});
    context.output.show(&json, |_| address.to_string())?;
    Ok(Code::Done)
}

fn get(
    context: &Context<'_>,
    store: &Persistence,
    address: &Address,
    out: Option<&Path>,
) -> anyhow::Result<Code> {
    let missing = || not_found(format!("there is no blob {address}"));
    let go_on = &mut |_| ControlFlow::Continue(());
    let Some(path) = out else {
        let mut stdout = std::io::stdout().lock();
        let written = store.vault().get_to(address, &mut stdout, go_on);
        let flushed = stdout.flush();
        return match (written, flushed) {
            // Whoever reads has enough: that is no failure of ours.
            (Err(GetError::Sink(error)), _) | (Ok(Some(_)), Err(error))
                if error.kind() == io::ErrorKind::BrokenPipe =>
            {
                Ok(Code::Done)
            }
            (written, flushed) => {
                written?.ok_or_else(missing)?;
                flushed?;
                Ok(Code::Done)
            }
        };
    };
    if !store.vault().has(address)? {
        return Err(missing());
    }
    let mut file =
        std::fs::File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    let bytes = store
        .vault()
        .get_to(address, &mut file, go_on)?
        .ok_or_else(missing)?;
    context
        .output
        .show(&json!({"file": path, "bytes": bytes}), |_| {
            format!("{}: {bytes} bytes", path.display())
        })?;
    Ok(Code::Done)
}

fn put_bundle(context: &Context<'_>, store: &Persistence, bundle: &Bundle) -> anyhow::Result<Code> {
    let address = store.put_bundle(bundle, now_ns())?;
    let json = json!({"address": address.to_string(), "intent": bundle.intent(), "code": Address::of(bundle.code()).to_string()});
    context.output.show(&json, |_| {
        format!(
            "{address}\n  intent  {}\n  code    {}",
            bundle.intent(),
            Address::of(bundle.code())
        )
    })?;
    Ok(Code::Done)
}

fn prove(
    context: &Context<'_>,
    store: &Persistence,
    addresses: &[Address],
    out: &Path,
) -> anyhow::Result<Code> {
    let (head, proof) = store.vault().prove(addresses)?;
    let found = verify_membership(&proof, &head.root, addresses)?;
    let members: Vec<_> = (addresses.iter().zip(&found))
        .map(|(address, there)| json!({"address": address.to_string(), "present": there}))
        .collect();
    let file =
        json!({"root": head.root.to_string(), "members": members, "proof_hex": hex::encode(proof)});
    store::write_file(out, format!("{file}\n").as_bytes())?;
    context.output.show(&file, |output| {
        let mut text = format!("{}: root {}\n", out.display(), head.root);
        for (address, there) in addresses.iter().zip(&found) {
            let is = if *there {
                output.paint(Paint::Good, "in the vault")
            } else {
                output.paint(Paint::Bad, "not in it")
            };
            text += &format!("  {address}  {is}\n");
        }
        text
    })?;
    Ok(Code::Done)
}
