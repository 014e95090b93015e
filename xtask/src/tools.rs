//! Programs that CI needs beyond the Rust toolchain, at pinned versions.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::{cache, process, repo::Repo};

/// A cargo subcommand that is installed from the registry.
pub(crate) struct Tool {
    /// Its package, `cargo-` and the subcommand.
    package: &'static str,
    version: &'static str,
}

pub(crate) const DENY: Tool = Tool {
    package: "cargo-deny",
    version: "0.20.2",
};
pub(crate) const FUZZ: Tool = Tool {
    package: "cargo-fuzz",
    version: "0.13.2",
};
pub(crate) const MUTANTS: Tool = Tool {
    package: "cargo-mutants",
    version: "27.1.0",
};

impl Tool {
    /// The tool as a command to be run at the root, at exactly its version.
    ///
    /// Taken from `PATH` or the cache; installed into the cache if neither has that version.
    pub(crate) fn command(&self, repo: &Repo) -> Result<Command> {
        let program = self.find_or_install(repo, &cache::folder("tools")?)?;
        // What cargo itself would call for `cargo deny`: the program, then the subcommand.
        let mut command = Command::new(program);
        command
            .arg(self.subcommand())
            .current_dir(repo.root())
            .env_remove("CARGO");
        if let Some(dir) = &repo.target_dir {
            command.env("CARGO_TARGET_DIR", dir);
        }
        Ok(command)
    }

    fn find_or_install(&self, repo: &Repo, root: &Path) -> Result<PathBuf> {
        let installed = root.join("bin").join(self.package);
        for program in [PathBuf::from(self.package), installed.clone()] {
            if self.version_of(&program).as_deref() == Some(self.version) {
                return Ok(program);
            }
        }
        let mut install = repo.cargo();
        install.args(["install", "--locked", "--root"]).arg(root);
        install.arg(format!("{}@{}", self.package, self.version));
        install.env("CARGO_TARGET_DIR", root.join("build"));
        process::run(&mut install)
            .with_context(|| format!("cannot install {} {}", self.package, self.version))?;
        match self.version_of(&installed) {
            Some(version) if version == self.version => Ok(installed),
            found => bail!(
                "{} is {found:?} after its install, not {}",
                self.package,
                self.version
            ),
        }
    }

    /// What `program` calls its version; `None` when it cannot be run.
    fn version_of(&self, program: &Path) -> Option<String> {
        let mut command = Command::new(program);
        command
            .args([self.subcommand(), "--version"])
            .stderr(Stdio::null());
        let output = command.output().ok()?;
        version_in(&String::from_utf8(output.stdout).ok()?)
    }

    fn subcommand(&self) -> &str {
        self.package.trim_start_matches("cargo-")
    }
}

/// The version in what a program answers to `--version`: the word after its name.
fn version_in(answer: &str) -> Option<String> {
    answer.split_whitespace().nth(1).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_version_whatever_follows_it() {
        assert_eq!(version_in("cargo-deny 0.20.2\n").as_deref(), Some("0.20.2"));
        assert_eq!(
            version_in("clippy 0.1.95 (59807616e1 2026-04-14)").as_deref(),
            Some("0.1.95")
        );
        assert_eq!(version_in(""), None);
    }

    #[test]
    fn finds_no_version_of_a_program_that_is_not_there() {
        assert_eq!(
            DENY.version_of(Path::new("no-such-folder/cargo-deny")),
            None
        );
    }
}
