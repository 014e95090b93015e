//! `snapshot`: versions with names, which are kept whatever is pruned.

use clap::Subcommand;
use persistence::Persistence;
use serde_json::json;

use super::Context;
use super::exec::not_found;
use crate::clock::now_ns;
use crate::exit::Code;
use crate::output::Paint;
use crate::store;

/// Give versions names, which keep them; list the names; take one away.
#[derive(Debug, Subcommand)]
pub(crate) enum Snapshot {
    /// Give a version a name. It and all after it are kept.
    Create {
        /// The name.
        name: String,
        /// The version; the newest one otherwise.
        #[arg(long, value_name = "VERSION")]
        at: Option<u64>,
    },
    /// List the named versions.
    List,
    /// Take a name away. What it kept may be pruned then.
    Forget {
        /// The name.
        name: String,
    },
}

impl Snapshot {
    pub(crate) fn run(&self, context: &Context<'_>) -> anyhow::Result<Code> {
        let store = store::open_existing(context.globals)?;
        match self {
            Self::Create { name, at } => {
                let version = at.unwrap_or_else(|| store.state().version().number);
                let made = store.state().name_snapshot(name, version)?;
                record(&store, &format!("version {version} named {name:?}"))?;
                let (version, root) = (made.version.number, made.version.root);
                let json = json!({"name": name, "version": version, "root": root.to_string()});
                context
                    .output
                    .show(&json, |_| format!("{name}: version {version}, root {root}"))?;
            }
            Self::List => {
                for named in store.state().named_snapshots()? {
                    let (version, root) = (named.version.number, named.version.root);
                    let json =
                        json!({"name": named.name, "version": version, "root": root.to_string()});
                    context.output.show(&json, |output| {
                        let version = output.paint(Paint::Strong, &format!("{version:>8}"));
                        format!("{version}  {root}  {}", named.name)
                    })?;
                }
            }
            Self::Forget { name } => {
                if !store.state().forget_snapshot(name)? {
                    return Err(not_found(format!("there is no snapshot {name:?}")));
                }
                record(
                    &store,
                    &format!("the name {name:?} of a version taken away"),
                )?;
                context.output.show(&json!({"forgotten": name}), |_| {
                    format!("{name} is forgotten")
                })?;
            }
        }
        Ok(Code::Done)
    }
}

/// Who says so in the log.
pub(crate) const SOURCE: &str = "diotec360";

/// Puts an act of an administrator on record.
pub(crate) fn record(store: &Persistence, what: &str) -> anyhow::Result<()> {
    Ok(store.log_act(now_ns(), SOURCE, what)?)
}
