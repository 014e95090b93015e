//! Packages of Debian that a machine of CI installs for itself.

use std::env;
use std::process::{Command, Stdio};

use crate::process;

/// Installs `packages` on a machine of CI; elsewhere that is for its owner to do.
///
/// # Errors
///
/// Why they are not there.
pub(crate) fn install(packages: &[&str]) -> Result<(), String> {
    let wanted = packages.join(" ");
    if env::var_os("CI").is_none() {
        return Err(format!("install {wanted}"));
    }
    let apt = |arguments: &[&str]| {
        let mut apt = Command::new("apt-get");
        process::run(apt.args(arguments).stdout(Stdio::null()))
            .map_err(|error| format!("{wanted} cannot be installed: {error}"))
    };
    apt(&["update"])?;
    apt(&[
        &["install", "--yes", "--no-install-recommends"][..],
        packages,
    ]
    .concat())
}
