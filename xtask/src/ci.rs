//! `cargo xtask ci`: everything that must hold before a change lands.

use std::env;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::{
    cache, campaigns, docs, fuzz, judges, layering, no_std, process, repo::Repo, rocksdb, test,
    tools,
};

/// How long each fuzz target runs when `XTASK_FUZZ_SECONDS` does not say.
const FUZZ_SECONDS: u64 = 20;

/// How a step ended, if not in an error.
enum Outcome {
    Passed,
    /// Not run, and why that is no fault of the change.
    Skipped(String),
}

type Step = (&'static str, fn(&Repo) -> Result<Outcome>);

/// Cheap before dear. A red step does not stop the others: one run tells everything.
const STEPS: &[Step] = &[
    ("lock files", |repo| passed(lock_files(repo))),
    ("format", |repo| passed(format(repo))),
    ("layering", |repo| passed(layering::run(repo))),
    ("clippy", |repo| passed(clippy(repo))),
    ("test", |repo| passed(test::run(repo))),
    ("campaigns", |repo| passed(campaigns::run(repo, &[], 1))),
    ("rocksdb", with_rocksdb),
    ("judges", with_judges),
    ("rivals", |repo| passed(rivals(repo))),
    ("no_std", |repo| passed(no_std::run(repo))),
    ("docs", |repo| passed(docs::run(repo))),
    ("licences", |repo| passed(licences(repo))),
    ("advisories", advisories),
    ("fuzz", |repo| passed(fuzz_briefly(repo))),
];

/// Runs every step and prints what each took.
pub(crate) fn run(mut repo: Repo) -> Result<()> {
    cache::share_target_dir(&mut repo)?;
    let mut ended: Vec<(&str, Duration, Result<Outcome>)> = Vec::new();
    for (name, step) in STEPS {
        eprintln!("\n== {name}");
        let start = Instant::now();
        let outcome = step(&repo);
        if let Err(error) = &outcome {
            eprintln!("{name}: {error:#}");
        }
        ended.push((name, start.elapsed(), outcome));
    }

    let [mut passed, mut failed, mut skipped] = [0, 0, 0];
    println!();
    for (name, took, outcome) in &ended {
        let said = match outcome {
            Ok(Outcome::Passed) => (passed += 1, "ok".to_owned()).1,
            Ok(Outcome::Skipped(why)) => (skipped += 1, format!("skipped: {why}")).1,
            Err(error) => (failed += 1, format!("FAILED: {error}")).1,
        };
        println!("{:>7.1} s  {name:<11} {said}", took.as_secs_f64());
    }
    let total: Duration = ended.iter().map(|(_, took, _)| *took).sum();
    println!("{:>7.1} s  in all", total.as_secs_f64());
    println!("steps: {passed} passed, {failed} failed, {skipped} skipped");
    ensure!(failed == 0, "CI is red");
    Ok(())
}

fn passed(result: Result<()>) -> Result<Outcome> {
    result.map(|()| Outcome::Passed)
}

/// All lock files say what their manifests ask for: else every clone builds something else.
fn lock_files(repo: &Repo) -> Result<()> {
    for manifest in ["Cargo.toml", "fuzz/Cargo.toml", "benches/peers/Cargo.toml"] {
        let mut cargo = repo.cargo();
        cargo.args([
            "metadata",
            "--locked",
            "--format-version=1",
            "--manifest-path",
            manifest,
        ]);
        process::capture(&mut cargo)
            .with_context(|| format!("run `cargo metadata --manifest-path {manifest}`, commit"))?;
    }
    Ok(())
}

fn format(repo: &Repo) -> Result<()> {
    process::run(repo.cargo().args(["fmt", "--all", "--check"]))?;
    for apart in ["fuzz/Cargo.toml", "benches/peers/Cargo.toml"] {
        let manifest = format!("--manifest-path={apart}");
        process::run(repo.cargo().args(["fmt", &manifest, "--check"]))?;
    }
    Ok(())
}

/// All targets of all packages, so this also compiles every bench and example.
fn clippy(repo: &Repo) -> Result<()> {
    let mut cargo = repo.cargo();
    cargo.args(["clippy", "--workspace", "--all-targets"]);
    cargo.arg(repo.all_features(&[])?);
    cargo.args(["--", "-D", "warnings"]);
    process::run(&mut cargo)
}

/// The tests of the one package that `test` leaves out, for the weight of the peers in it.
fn rivals(repo: &Repo) -> Result<()> {
    process::run(repo.cargo().args(["test", "--package=rivals"]))
}

fn licences(repo: &Repo) -> Result<()> {
    let mut deny = tools::DENY.command(repo)?;
    process::run(deny.args(["--workspace", "check", "bans", "licenses", "sources"]))
}

/// Known vulnerabilities among our dependencies, from a database that other machines keep.
fn advisories(repo: &Repo) -> Result<Outcome> {
    // A machine that reaches the package registry only has no way to it, and that is no fault
    // of the change. Where it can be fetched, nothing is skipped.
    if let Err(error) = process::run(tools::DENY.command(repo)?.args(["fetch", "db"])) {
        return Ok(Outcome::Skipped(format!(
            "the advisory database is out of reach ({error})"
        )));
    }
    passed(process::run(tools::DENY.command(repo)?.args([
        "--workspace",
        "check",
        "advisories",
    ])))
}

/// The other engine, where its library can be had.
fn with_rocksdb(repo: &Repo) -> Result<Outcome> {
    match rocksdb::library() {
        Ok(library) => passed(rocksdb::run(repo, &library)),
        Err(why) => absent(why, on_ci()),
    }
}

/// The formats of truth-vault by others, where those can be had.
fn with_judges(repo: &Repo) -> Result<Outcome> {
    match judges::folder() {
        Ok(folder) => passed(judges::run(repo, &folder)),
        Err(why) => absent(why, on_ci()),
    }
}

/// Of a step that cannot run here: no fault of the change, but on a machine of CI nothing may be
/// missing.
fn absent(why: String, on_ci: bool) -> Result<Outcome> {
    match on_ci {
        true => bail!(why),
        false => Ok(Outcome::Skipped(why)),
    }
}

fn on_ci() -> bool {
    env::var_os("CI").is_some()
}

fn fuzz_briefly(repo: &Repo) -> Result<()> {
    let seconds = match env::var("XTASK_FUZZ_SECONDS") {
        Ok(text) => text.parse().context("XTASK_FUZZ_SECONDS is no number")?,
        Err(_) => FUZZ_SECONDS,
    };
    fuzz::run(repo, &[], seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_a_failure_on_a_machine_of_ci_alone() {
        let why = || "no library".to_owned();
        assert!(matches!(absent(why(), false), Ok(Outcome::Skipped(said)) if said == why()));
        let failed = absent(why(), true).err().map(|error| error.to_string());
        assert_eq!(failed, Some(why()));
    }
}
