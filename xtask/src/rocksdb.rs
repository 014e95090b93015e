//! `cargo xtask rocksdb`: what the feature `rocksdb` of reality-db brings, checked and tested.
//!
//! Apart from the rest: it compiles C++ for minutes, and needs libclang for that.

use std::path::Path;
use std::{env, fs};

use anyhow::Result;

use crate::{process, repo::Repo};

/// The feature that other steps leave out.
pub(crate) const FEATURE: &str = "rocksdb";

/// Why the feature is not to be built on this machine, if it is not.
pub(crate) fn missing() -> Option<String> {
    if env::var_os("XTASK_SKIP_ROCKSDB").is_some() {
        return Some("XTASK_SKIP_ROCKSDB is set".to_owned());
    }
    (!has_libclang()).then(|| "no libclang: install libclang-dev".to_owned())
}

pub(crate) fn run(repo: &Repo) -> Result<()> {
    let with = ["--package=reality-db", "--features=rocksdb"];
    process::run(repo.cargo().arg("clippy").args(with).args([
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ]))?;
    process::run(repo.cargo().arg("test").args(with))
}

/// Whether libclang is where bindgen looks for it.
fn has_libclang() -> bool {
    if env::var_os("LIBCLANG_PATH").is_some() {
        return true;
    }
    let mut folders: Vec<_> = ["/usr/lib", "/usr/lib64", "/usr/local/lib"]
        .map(Into::into)
        .to_vec();
    folders.push(Path::new("/usr/lib").join(format!("{}-linux-gnu", env::consts::ARCH)));
    let versions = fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    folders.extend(
        versions
            .filter(|entry| entry.file_name().to_string_lossy().starts_with("llvm-"))
            .map(|entry| entry.path().join("lib")),
    );
    folders.iter().any(|folder| {
        let mut entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries.any(|entry| is_libclang(&entry.file_name().to_string_lossy()))
    })
}

fn is_libclang(name: &str) -> bool {
    name.starts_with("libclang.so")
        || name.starts_with("libclang-") && {
            let version = name["libclang-".len()..].split(".so").next().unwrap_or("");
            name.contains(".so")
                && version
                    .bytes()
                    .all(|byte| byte.is_ascii_digit() || byte == b'.')
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_libclang_by_its_name() {
        for name in [
            "libclang.so",
            "libclang.so.1",
            "libclang-14.so.1",
            "libclang-14.0.6.so",
        ] {
            assert!(is_libclang(name), "{name}");
        }
        for name in [
            "libclang-cpp.so.14",
            "libclang.a",
            "libclangAST.a",
            "liblldb.so",
        ] {
            assert!(!is_libclang(name), "{name}");
        }
    }
}
