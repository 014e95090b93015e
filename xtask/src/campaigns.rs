//! `cargo xtask campaigns`: processes killed, bytes changed, power lost, more often than `test` does it.

use std::time::Instant;

use anyhow::{Result, ensure};

use crate::{process, repo::Repo};

/// A test that takes from its environment how much it does.
struct Campaign {
    package: &'static str,
    /// The file in `tests/`, without its ending.
    test: &'static str,
    /// What CI sets. Numbers among them are what `--times` multiplies.
    environment: &'static [(&'static str, u32)],
}

/// One line a campaign. Each takes about a minute on two cores as it is here.
#[rustfmt::skip]
const CAMPAIGNS: &[Campaign] = &[
    Campaign { package: "reality-db", test: "crash", environment: &[("REALITY_DB_KILLS", 300)] },
    Campaign { package: "reality-db", test: "tamper", environment: &[("REALITY_DB_FLIPS", 2_000)] },
    Campaign { package: "reality-db", test: "power_loss", environment: &[("REALITY_DB_POWER_LOSSES", 300)] },
    Campaign { package: "reality-db", test: "full_disk", environment: &[] },
    Campaign { package: "truth-vault", test: "crash", environment: &[("TRUTH_VAULT_KILLS", 300)] },
    Campaign { package: "truth-vault", test: "full_disk", environment: &[] },
    Campaign { package: "vigilance", test: "crash", environment: &[("VIGILANCE_KILLS", 300)] },
    Campaign { package: "vigilance", test: "tamper", environment: &[("VIGILANCE_ATTACKS", 1_008)] },
    Campaign { package: "vigilance", test: "full_disk", environment: &[] },
    Campaign { package: "diotec360", test: "crash", environment: &[("DIOTEC360_KILLS", 20)] },
    Campaign { package: "persistence", test: "crash", environment: &[("PERSISTENCE_KILLS", 200)] },
    Campaign { package: "persistence", test: "tamper", environment: &[("PERSISTENCE_TAMPERINGS", 60)] },
];

/// Runs the campaigns of the packages `names`, or all if there are none, `times` as long as CI does.
pub(crate) fn run(repo: &Repo, names: &[String], times: u32) -> Result<()> {
    for name in names {
        let known = CAMPAIGNS.iter().any(|campaign| campaign.package == name);
        ensure!(known, "no campaign of a package `{name}`");
    }
    let chosen = (CAMPAIGNS.iter())
        .filter(|campaign| names.is_empty() || names.iter().any(|name| name == campaign.package));
    let mut failed = Vec::new();
    for campaign in chosen {
        let name = format!("{} {}", campaign.package, campaign.test);
        let start = Instant::now();
        let ended = campaign.run(repo, times);
        let took = start.elapsed().as_secs_f64();
        match ended {
            Ok(()) => eprintln!("campaign {name}: clean, {took:.0} s"),
            Err(error) => {
                eprintln!("campaign {name}: {error:#}, {took:.0} s");
                failed.push(name);
            }
        }
    }
    ensure!(failed.is_empty(), "campaigns failed: {failed:?}");
    Ok(())
}

impl Campaign {
    fn run(&self, repo: &Repo, times: u32) -> Result<()> {
        let mut cargo = repo.cargo();
        cargo.args(["test", "--package", self.package, "--test", self.test]);
        // What the test counted is to be seen, not only that it passed.
        cargo.args(["--", "--nocapture"]);
        for (variable, number) in self.environment {
            let number = number.saturating_mul(times).to_string();
            eprintln!("{variable}={number}");
            cargo.env(variable, number);
        }
        process::run_showing(&mut cargo, |line| !line.starts_with("seed "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_campaign_is_a_test_that_there_is() {
        let repo = Repo::here().expect("a checkout");
        for Campaign { package, test, .. } in CAMPAIGNS {
            let file = format!("crates/{package}/tests/{test}.rs");
            let text = std::fs::read_to_string(repo.root().join(&file)).expect(&file);
            let known = CAMPAIGNS.iter().filter(|campaign| campaign.test == *test);
            for (variable, _) in known.flat_map(|campaign| campaign.environment) {
                let package = package.to_uppercase().replace('-', "_");
                let own = variable.starts_with(&package);
                assert!(
                    !own || text.contains(variable),
                    "{file} knows no {variable}"
                );
            }
        }
    }
}
