//! `demo`: the story in six acts, on real stores.

use std::fs;
use std::ops::ControlFlow;
use std::path::PathBuf;

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use merkle_core::{Lookup, Proof};
use persistence::{
    Attack, Bundle, BundleAddress, Config, Conservation, Execution, ExecutionStatus, Health,
    OpenError, Persistence, Reading, Record, Severity, Text, verify_receipt,
};
use serde_json::json;
use truth_vault::{Address, VerificationStatus, verify_membership};

use super::Context;
use crate::clock::now_ns;
use crate::exit::{Code, Failure};
use crate::output::Paint;

/// Tell the story in six acts on real stores; exits with 0 only if every act proved itself.
///
/// Accounts are opened and money is moved; the code that moved it, who was stopped from cheating, and what
/// it all adds up to are kept and proved; then a store is lost, and comes back to the exact root.
#[derive(Args, Debug)]
pub(crate) struct Demo {
    /// Keep the stores in this directory, which must be empty or not there; a temporary one is used otherwise.
    #[arg(long = "keep", value_name = "DIR")]
    keep: Option<PathBuf>,
}

/// One act: its title, and what proves it.
type Act = (&'static str, fn(&mut Story) -> anyhow::Result<String>);

const ACTS: [Act; 6] = [
    ("State: every balance can be proved", state),
    (
        "Vault: the code that ran is the code that was proved",
        vault,
    ),
    ("Audit: who tried what, and nothing left out", audit),
    (
        "Statistics: the numbers follow from the records",
        statistics,
    ),
    ("Recent logs: each line with its proof", recent),
    (
        "Disaster: a store is lost, and comes back to the exact root",
        disaster,
    ),
];

impl Demo {
    pub(crate) fn run(&self, context: &Context<'_>) -> anyhow::Result<Code> {
        let folder = match &self.keep {
            Some(folder) => {
                let taken = fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some());
                ensure!(!taken, "{} is not empty", folder.display());
                folder.clone()
            }
            None => std::env::temp_dir().join(format!("diotec360-demo-{}", std::process::id())),
        };
        let ended = self.tell(context, &folder);
        if self.keep.is_none() {
            // What stays behind of it is in the system's folder for such things.
            let _ = fs::remove_dir_all(&folder);
        }
        ended
    }

    fn tell(&self, context: &Context<'_>, folder: &std::path::Path) -> anyhow::Result<Code> {
        let config = Config::new(folder).time_ns(now_ns()).invariant(
            Conservation::new("money", b"account:", Reading::json("/balance"))
                .except(&["open_accounts"]),
        );
        let (store, _) = Persistence::open(config.clone())?;
        let mut story = Story {
            config,
            store: Some(store),
            bundle: None,
        };
        let mut failed = 0;
        for (number, (title, act)) in (1..).zip(ACTS) {
            let ended = act(&mut story);
            let (proved, text) = match &ended {
                Ok(text) => (true, text.clone()),
                Err(error) => (false, format!("{error:#}")),
            };
            failed += u32::from(!proved);
            let json = json!({"act": number, "title": title, "proved": proved, "said": text});
            context.output.show(&json, |output| {
                let verdict = match proved {
                    true => output.paint(Paint::Good, "proved"),
                    false => output.paint(Paint::Bad, "NOT PROVED"),
                };
                let lines: String = text.lines().map(|line| format!("    {line}\n")).collect();
                format!(
                    "{}\n{lines}    {verdict}\n",
                    output.paint(Paint::Strong, &format!("Act {number}. {title}"))
                )
            })?;
            if !proved {
                break; // the later acts stand on this one
            }
        }
        if failed > 0 {
            return Err(Failure::new(Code::Failed, "an act did not prove itself").into());
        }
        if let Some(folder) = &self.keep {
            context.output.note(&format!(
                "the stores are in {}: try `diotec360 --data {} list`",
                folder.display(),
                folder.display()
            ));
        }
        Ok(Code::Done)
    }
}

/// What one act hands to the next.
struct Story {
    config: Config,
    /// None only while it is closed.
    store: Option<Persistence>,
    bundle: Option<BundleAddress>,
}

impl Story {
    fn store(&self) -> anyhow::Result<&Persistence> {
        self.store.as_ref().context("the stores are closed")
    }
}

fn account(balance: u64, nonce: u64) -> String {
    format!(r#"{{"balance":{balance},"nonce":{nonce}}}"#)
}

fn state(story: &mut Story) -> anyhow::Result<String> {
    let store = story.store()?;
    let opened = Execution::new(
        "genesis",
        "open_accounts",
        ExecutionStatus::Proved,
        now_ns(),
    )
    .put(b"account:alice", account(1000, 0).as_bytes())
    .put(b"account:bob", account(500, 0).as_bytes())
    .put(b"account:charlie", account(250, 0).as_bytes());
    let opened = store.execute(opened)?;
    let snapshot = store.state().snapshot()?;
    let bytes = snapshot.prove(b"account:alice")?.encode();
    // From here on as somebody else would: the root and the bytes, no store.
    let proof = Proof::decode(&bytes)?;
    let view = proof.verify(&store.state().profile(), &opened.root_after)?;
    let Lookup::Present(value) = view.get(b"account:alice") else {
        bail!("the proof does not show alice's account");
    };
    ensure!(
        value.bytes() == Some(account(1000, 0).as_bytes()),
        "the proof shows another balance"
    );
    let mut forged = bytes.clone();
    let at = forged.len() - 2;
    forged[at] ^= 1;
    let refused = Proof::decode(&forged).map_or(true, |proof| {
        proof
            .verify(&store.state().profile(), &opened.root_after)
            .is_err()
    });
    ensure!(refused, "a forged proof was believed");
    Ok(format!(
        "three accounts, root {}\nalice's balance is proved by {} bytes, and one changed bit in them is refused",
        opened.root_after,
        bytes.len(),
    ))
}

fn vault(story: &mut Story) -> anyhow::Result<String> {
    let store = story.store()?;
    let code = b"intent transfer(from, to, amount) { conserve sum(balance) }".to_vec();
    let bundle = Bundle::new(
        code.clone(),
        "transfer",
        VerificationStatus::Proved,
        now_ns(),
    )?;
    let address = store.put_bundle(&bundle, now_ns())?;
    let found = store
        .vault()
        .bundle(&address)?
        .context("the bundle is not there")?;
    ensure!(found.code() == code, "the vault gave other code");
    let (code, other) = (Address::of(&code), Address::of(b"code that nobody proved"));
    let (head, proof) = store.vault().prove(&[code, other])?;
    let there = verify_membership(&proof, &head.root, &[code, other])?;
    ensure!(there == [true, false], "the proof shows the opposite");
    story.bundle = Some(address);
    Ok(format!(
        "bundle {address}\nproved: the vault with the root {} has its code, and has not code that nobody proved",
        head.root,
    ))
}

fn audit(story: &mut Story) -> anyhow::Result<String> {
    let store = story.store()?;
    let bundle = story.bundle.context("there is no bundle")?;
    let transfer = Execution::new("tx_001", "transfer", ExecutionStatus::Proved, now_ns())
        .bundle(bundle)
        .put(b"account:alice", account(900, 1).as_bytes())
        .put(b"account:bob", account(600, 0).as_bytes())
        .elapsed_ns(45_200_000)
        .layer("conservation", true)
        .layer("z3_prover", true);
    let moved = store.execute(transfer)?;
    ensure!(
        moved.refusal.is_none(),
        "the transfer was refused: {:?}",
        moved.refusal
    );
    let theft = Execution::new("tx_002", "transfer", ExecutionStatus::Proved, now_ns())
        .bundle(bundle)
        .put(b"account:bob", account(10_600, 0).as_bytes());
    let stopped = store.execute(theft)?;
    let why = stopped.refusal.context("money was made of nothing")?;
    ensure!(
        stopped.root_after == moved.root_after,
        "what was refused changed the state"
    );
    let severity = Severity::from_f64(0.95)?;
    let mut attack = Attack::new(
        "attack_001",
        "conservation_violation",
        "mint",
        "conservation",
        severity,
        now_ns(),
    );
    attack.code_snippet = Some(Text::plain("bob.balance += 10000"));
    store.save_attack(attack)?;

    let receipt = store.receipt("tx_001")?.encode();
    let verified = verify_receipt(&receipt, &store.verifier_key())?;
    ensure!(
        verified.root_after == moved.root_after,
        "the receipt shows another root"
    );
    let mut forged = receipt.clone();
    forged[receipt.len() / 3] ^= 1;
    ensure!(
        verify_receipt(&forged, &store.verifier_key()).is_err(),
        "a forged receipt was believed"
    );
    Ok(format!(
        "alice pays bob 100: root {}\nsomebody tries to make 10,000 of nothing: refused, {why}\nthe receipt of the payment, {} bytes, is verified with the public key alone",
        moved.root_after,
        receipt.len(),
    ))
}

fn statistics(story: &mut Story) -> anyhow::Result<String> {
    let store = story.store()?;
    let stats = store.dashboard_stats()?;
    let (mut executions, mut attacks) = (0, 0);
    let trail = store.audit();
    for stored in trail.records(0, usize::try_from(trail.size())?)? {
        match stored.record {
            Record::Execution(_) => executions += 1,
            Record::Attack(_) => attacks += 1,
            _ => {}
        }
    }
    ensure!(
        (executions, attacks) == (3, 1),
        "{executions} executions and {attacks} attacks are in the log"
    );
    ensure!(
        stats.executions.total_executions == executions,
        "the number of executions is another"
    );
    ensure!(
        stats.attacks.total_attacks_blocked == attacks,
        "the number of attacks is another"
    );
    ensure!(
        stats.merkle_root == store.state().version().root.to_string(),
        "the root is another"
    );
    let statuses: Vec<_> = (stats.executions.status_breakdown.iter())
        .map(|(status, count)| format!("{count} {status}"))
        .collect();
    Ok(format!(
        "{executions} executions ({}), {attacks} attack blocked, {} bundle: counted again, record by record",
        statuses.join(", "),
        stats.total_bundles,
    ))
}

fn recent(story: &mut Story) -> anyhow::Result<String> {
    let trail = story.store()?.audit();
    let head = trail.head();
    let mut lines = Vec::new();
    for stored in trail.recent_executions(5)? {
        trail
            .prove_inclusion(stored.index, head.size.get())?
            .verify_entry(&stored.canonical, &head)?;
        if let Record::Execution(it) = &stored.record {
            lines.push(format!(
                "{:>3}  {:<8}  {:<8}  {}",
                stored.index,
                it.tx_id,
                it.status.as_str(),
                it.intent_name
            ));
        }
    }
    ensure!(
        lines.len() == 3,
        "{} executions were found, not 3",
        lines.len()
    );
    lines.push(format!(
        "each is in the log of {} records with the root {}",
        head.size.get(),
        head.root
    ));
    Ok(lines.join("\n"))
}

fn disaster(story: &mut Story) -> anyhow::Result<String> {
    let before = {
        let store = story.store()?;
        store.seal(now_ns())?;
        store.heads()
    };
    drop(story.store.take()); // closed
    let audit = story.config.audit_path();
    fs::remove_dir_all(&audit).with_context(|| format!("cannot remove {}", audit.display()))?;

    let refused = match Persistence::open(story.config.clone()) {
        Err(OpenError::Damaged(panic)) => panic.to_string(),
        Err(error) => return Err(error.into()),
        Ok(_) => bail!("nobody noticed that the audit trail was gone"),
    };
    let way = {
        let (store, _) = Persistence::open(story.config.clone().accept_damage(true))?;
        ensure!(
            store.health() != Health::Sound,
            "nobody noticed that the audit trail was gone"
        );
        store
            .ways_out()?
            .into_iter()
            .next()
            .context("there is no way out")?
    };
    let (store, _) =
        Persistence::recover(story.config.clone(), &way, "the demo lost the audit trail")?;
    let report = store.verify_all(|_| ControlFlow::Continue(()))?;
    ensure!(
        report.causes.is_empty(),
        "not all is sound: {:?}",
        report.causes
    );
    let root = store.audit().root_at(before.log.size.get())?;
    ensure!(
        root == before.log.root,
        "the log came back with the root {root}, not {}",
        before.log.root
    );
    ensure!(
        store.state().version().root == before.state_root,
        "the state has another root"
    );
    story.store = Some(store);
    Ok(format!(
        "the audit trail is deleted; opening refuses: {refused}\nit is made again from the journal: log root {}\nchecked: {} versions, {} records, {} objects, {} seals",
        before.log.root, report.versions, report.records, report.objects, report.seals,
    ))
}
