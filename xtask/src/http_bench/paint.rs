//! How soon Chromium shows the dashboard.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::{cache, process, repo::Repo};

const CHROMIUM: &str = "/usr/bin/chromium";

/// Milliseconds until something is drawn, and until the root of the state is there: the middle of several
/// times each. None where there is no browser, or nothing to drive it with.
pub(super) fn measure(repo: &Repo, address: &str) -> Result<Option<[f64; 2]>> {
    if !Path::new(CHROMIUM).exists() || !super::runs("node") || !super::runs("npm") {
        return Ok(None);
    }
    let source = repo.root().join("crates/gateway/tests/browser");
    let modules = cache::folder("dashboard")?;
    fs::copy(source.join("package.json"), modules.join("package.json"))?;
    let mut install = Command::new("npm");
    install.args(["install", "--no-audit", "--no-fund", "--no-package-lock"]);
    process::capture(install.current_dir(&modules))?;
    let mut node = Command::new("node");
    node.arg(source.join("paint.mjs"));
    node.env("DASHBOARD_URL", format!("http://{address}/"))
        .env("DASHBOARD_MODULES", &modules)
        .env("DASHBOARD_CHROMIUM", CHROMIUM);
    let times: Vec<Value> = serde_json::from_str(&process::capture(&mut node)?)?;
    let middle = |name: &str| {
        let mut times: Vec<f64> = times.iter().filter_map(|it| it[name].as_f64()).collect();
        times.sort_by(f64::total_cmp);
        times.get(times.len() / 2).copied().context("no times")
    };
    Ok(Some([middle("paint")?, middle("root")?]))
}
