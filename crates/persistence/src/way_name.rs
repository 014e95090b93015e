//! Ways out by their names, for people and programs.

use std::fmt;

use crate::WayOut;

impl WayOut {
    /// Its name, by which people and programs ask for it; no two that are open at a time share one.
    ///
    /// ```
    /// use persistence::WayOut;
    ///
    /// assert_eq!(WayOut::AcceptState { version: 17 }.name(), "accept-state-17");
    /// ```
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::RewriteSeals => "rewrite-seals".to_owned(),
            Self::RebuildTrail => "rebuild-trail".to_owned(),
            Self::RebuildVault => "rebuild-vault".to_owned(),
            Self::State(reality_db::WayOut::Rebuild) => "rebuild-state".to_owned(),
            Self::State(reality_db::WayOut::ForgetHistory { before }) => {
                format!("forget-history-before-{before}")
            }
            Self::State(reality_db::WayOut::GoBack { to }) => format!("go-back-to-{}", to.number),
            Self::State(_) => "state".to_owned(),
            Self::Restore => "restore".to_owned(),
            Self::AcceptState { version } => format!("accept-state-{version}"),
        }
    }
}

/// What it does and what it costs, in a sentence.
impl fmt::Display for WayOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RewriteSeals => "write the files of the seals again from the log: nothing is lost",
            Self::RebuildTrail => {
                "make the audit trail again from the journal of the state, to the exact root: \
                 texts that can be erased are lost"
            }
            Self::RebuildVault => {
                "make the vault again from its sound objects, and those of the backup if one is named"
            }
            Self::State(reality_db::WayOut::Rebuild) => {
                "make the state again from its journal, to the exact root: nothing is lost"
            }
            Self::State(reality_db::WayOut::ForgetHistory { before }) => {
                return write!(
                    f,
                    "keep the newest state, which is sound, and give up the versions before {before}"
                );
            }
            Self::State(reality_db::WayOut::GoBack { to }) => {
                let (number, root) = (to.number, to.root);
                return write!(
                    f,
                    "go back to version {number} with the root {root}, the last that can be proved"
                );
            }
            Self::State(_) => "a way out of the state's own",
            Self::Restore => {
                "make everything again from the backup: what was committed after it is given up"
            }
            Self::AcceptState { version } => {
                return write!(
                    f,
                    "believe the state as it is, an older copy at version {version}: what came after \
                     is given up"
                );
            }
        })
    }
}
