//! Links in Markdown files: each relative one leads to a file, and to a heading in it.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::repo::Repo;

/// The links of all Markdown files that lead nowhere, as `file: link`.
///
/// Links to other hosts are not followed: a test needs no network.
pub(crate) fn broken(repo: &Repo) -> Result<Vec<String>> {
    let mut broken = Vec::new();
    for file in repo
        .files()?
        .iter()
        .filter(|file| file.extension().is_some_and(|e| e == "md"))
    {
        let path = repo.root().join(file);
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {file:?}"))?;
        let mut links = targets(&text);
        links.retain(|link| !leads_somewhere(&path, link));
        broken.extend(
            links
                .iter()
                .map(|link| format!("{}: {link}", file.display())),
        );
    }
    Ok(broken)
}

/// Whether `link`, standing in the Markdown file `from`, is another host's or resolves.
fn leads_somewhere(from: &Path, link: &str) -> bool {
    let elsewhere = link.contains("://") || link.starts_with("mailto:");
    // A README that is also crate documentation links to items, which rustdoc checks.
    if elsewhere || link.contains("::") {
        return true;
    }
    let (path, heading) = link.split_once('#').unwrap_or((link, ""));
    let to = if path.is_empty() {
        from.to_owned()
    } else {
        from.with_file_name(path)
    };
    if heading.is_empty() {
        return to.exists();
    }
    fs::read_to_string(&to).is_ok_and(|text| slugs(&text).any(|slug| slug == heading))
}

/// What the links in `markdown` point to: inline `[..](target)` and reference `[..]: target`.
fn targets(markdown: &str) -> Vec<String> {
    let mut targets = Vec::new();
    for line in prose(markdown) {
        if let Some((label, target)) = line.split_once("]: ")
            && label.starts_with('[')
        {
            targets.extend(target.split_whitespace().next().map(str::to_owned));
        }
        let mut rest = line.as_str();
        while let Some((_, after)) = rest.split_once("](") {
            let (target, tail) = after.split_once(')').unwrap_or((after, ""));
            targets.extend(target.split_whitespace().next().map(str::to_owned));
            rest = tail;
        }
    }
    targets
}

/// The anchors that the headings of `markdown` get: lower case, words joined by `-`.
fn slugs(markdown: &str) -> impl Iterator<Item = String> {
    let lines = fenced(markdown)
        .filter(|(_, in_fence)| !in_fence)
        .map(|(line, _)| line);
    let headings = lines.filter(|line| line.starts_with('#'));
    headings.map(|heading| {
        let text = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = text
            .chars()
            .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    })
}

/// The lines of `markdown` outside fences, with code spans taken out.
fn prose(markdown: &str) -> impl Iterator<Item = String> {
    let lines = fenced(markdown).filter(|(_, in_fence)| !in_fence);
    lines.map(|(line, _)| line.split('`').step_by(2).collect())
}

/// The lines of `markdown`, each with whether it belongs to a fenced block.
fn fenced(markdown: &str) -> impl Iterator<Item = (&str, bool)> {
    let mut open = false;
    markdown.lines().map(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        open ^= is_fence;
        (line, open || is_fence)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_links_in_prose_only() {
        let markdown = "See [one](a.md), [`two`](b.md#part \"title\") and `[no](code.md)`.\n\
                        ```text\n[no](fence.md)\n```\n[three]: c/d.md\n";
        assert_eq!(targets(markdown), ["a.md", "b.md#part", "c/d.md"]);
    }

    #[test]
    fn makes_anchors_of_headings() {
        let markdown = "# Bird's eye view\n```sh\n# no heading\n```\n## `no_std`, 2 ways\n";
        assert_eq!(
            slugs(markdown).collect::<Vec<_>>(),
            ["birds-eye-view", "no_std-2-ways"]
        );
    }

    #[test]
    fn refuses_a_link_that_leads_nowhere() {
        let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
        assert!(leads_somewhere(&readme, "LICENSE-MIT"));
        assert!(leads_somewhere(&readme, "xtask/src"));
        assert!(leads_somewhere(&readme, "https://example.com/no-such-page"));
        assert!(!leads_somewhere(&readme, "no-such-file.md"));
        assert!(!leads_somewhere(&readme, "README.md#no-such-heading"));
    }
}
