//! House rules that no compiler knows, as tests over the files of the checkout.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::links;
use crate::repo::Repo;

/// A longer file is usually two.
const LINES_MAX: usize = 800;

/// A text file of the checkout.
struct Source {
    path: PathBuf,
    text: String,
}

/// The text files of the checkout; none where there is no git to ask.
fn sources() -> Vec<Source> {
    let repo = Repo::here().unwrap();
    let files = match repo.files() {
        Ok(files) => files,
        Err(error) => {
            assert!(std::env::var_os("CI").is_none(), "{error:#}");
            println!("skipped: no git to ask for the files ({error:#})");
            return Vec::new();
        }
    };
    let read = |path: PathBuf| {
        let text = fs::read_to_string(repo.root().join(&path)).ok()?; // not UTF-8: not text
        Some(Source { path, text })
    };
    files.into_iter().filter_map(read).collect()
}

/// Fails with every finding of `check`, each with its file.
fn each_file(check: impl Fn(&Source) -> Option<String>) {
    let findings = sources().into_iter().filter_map(|source| {
        let finding = check(&source)?;
        Some(format!("{}: {finding}", source.path.display()))
    });
    let findings: Vec<_> = findings.collect();
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}

/// The folders directly under `crates/`.
fn crate_folders() -> Vec<PathBuf> {
    let crates = Repo::here().unwrap().root().join("crates");
    let folders = fs::read_dir(crates)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    folders.filter(|folder| folder.is_dir()).collect()
}

fn is_rust(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "rs")
}

/// The first absolute path in `text` that can exist on one machine only.
fn machine_path(text: &str) -> Option<String> {
    for folder in ["root", "home", "work", "tmp", "Users"] {
        let path = format!("/{folder}/");
        for (at, _) in text.match_indices(&path) {
            // `a/tmp/b`, `./tmp/b` and `host.org/home/` are no absolute paths.
            let before = text[..at].chars().next_back();
            let continues = |c: char| c.is_alphanumeric() || "._-}~".contains(c);
            if !before.is_some_and(continues) {
                return Some(text[at..].chars().take(40).collect());
            }
        }
    }
    None
}

#[test]
fn no_file_names_a_path_of_one_machine() {
    let this_file = Path::new("xtask/src/tidy.rs"); // its tests show such paths
    each_file(|source| machine_path(&source.text).filter(|_| source.path != this_file));
}

#[test]
fn tells_machine_paths_from_others() {
    assert_eq!(
        machine_path("see /home/ada/notes").as_deref(),
        Some("/home/ada/notes")
    );
    assert!(machine_path("\"/tmp/store\"").is_some());
    assert_eq!(
        machine_path("target/tmp/x, ./work/y, example.com/root/z, /tmpfs"),
        None
    );
}

#[test]
fn every_crate_has_readme_changelog_and_the_workspace_lints() {
    for folder in crate_folders() {
        for file in ["README.md", "CHANGELOG.md"] {
            assert!(
                folder.join(file).is_file(),
                "{} has no {file}",
                folder.display()
            );
        }
        let changelog = fs::read_to_string(folder.join("CHANGELOG.md")).unwrap();
        let has_format = changelog.contains("### Format");
        assert!(
            has_format,
            "{}: no heading `Format` in CHANGELOG.md",
            folder.display()
        );
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
        let has_lints = manifest.contains("[lints]\nworkspace = true");
        assert!(
            has_lints,
            "{}: `[lints] workspace = true` is missing",
            folder.display()
        );
    }
}

#[test]
fn every_markdown_link_leads_somewhere() {
    if sources().is_empty() {
        return;
    }
    let broken = links::broken(&Repo::here().unwrap()).unwrap();
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}

#[test]
fn files_are_short() {
    each_file(|source| {
        let lines = source.text.lines().count();
        let too_long = is_rust(&source.path) && lines > LINES_MAX;
        too_long.then(|| format!("{lines} lines, more than {LINES_MAX}: it is two files"))
    });
}

#[test]
fn modules_are_named_by_their_file() {
    each_file(|source| {
        source
            .path
            .ends_with("mod.rs")
            .then(|| "name it foo.rs".to_owned())
    });
}

#[test]
fn chores_are_xtasks_not_shell_scripts() {
    each_file(|source| {
        let is_script = source
            .path
            .extension()
            .is_some_and(|extension| extension == "sh");
        is_script.then(|| "make it an xtask".to_owned())
    });
}

#[test]
fn every_decision_has_a_number_of_its_own_and_a_line_in_the_index() {
    let folder = Repo::here().unwrap().root().join("docs/decisions");
    let index = fs::read_to_string(folder.join("README.md")).unwrap();
    let names = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    let mut numbers = BTreeSet::new();
    for name in names
        .map(|name| name.into_string().unwrap())
        .filter(|name| name != "README.md")
    {
        let known = index.contains(&format!("]({name})"));
        assert!(known, "docs/decisions/README.md does not list {name}");
        let number = name.split('-').next().map(str::to_owned);
        assert!(
            numbers.insert(number),
            "{name}: another decision has this number"
        );
    }
}
