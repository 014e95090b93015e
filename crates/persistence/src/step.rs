//! The steps of the protocol, for tests that stop the process between every two of them.

/// A step of the protocol that was just taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A bundle is durable in the vault.
    BundleStored,
    /// Erasable texts are durable beside the audit trail.
    Erasable,
    /// A group is ready to be committed.
    Staged,
    /// It is durable in the journal.
    Committed,
    /// Receipts can be made of it, callers have their answers.
    Published,
    /// The audit trail has it.
    Applied,
    /// The audit trail has made it durable.
    Synced,
    /// A seal is signed.
    Signed,
    /// It is recorded.
    SealRecorded,
    /// It is in its file.
    SealWritten,
    /// A store is open.
    Opened,
    /// The audit trail has what the journal has.
    Reconciled,
}

/// Says that a step was taken.
#[cfg(not(test))]
pub(crate) fn reached(_: Step) {}

#[cfg(test)]
pub(crate) use crate::tests::steps::reached;
