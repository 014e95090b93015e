//! Receipts: what proves an execution to anybody, without any store.
//!
//! `docs/formats/receipt.md` has the bytes.

mod codec;
mod make;
mod verify;

use merkle_core::InclusionProof;

use crate::Write;

pub use make::ReceiptError;
pub use verify::{VerifiedReceipt, VerifyError, verify_receipt};

/// What proves an execution to anybody who has the public key of whoever runs this.
///
/// It holds the record of the execution, its place in the log under a signed seal, what it wrote with
/// a proof that these writes lead from the root before to the root after, and the manifest and
/// certificate of the bundle that ran. Nothing of it is believed before
/// [`verify_receipt`] has said so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The canonical bytes of the record.
    record: Vec<u8>,
    /// That it is in the log which the seal signs.
    inclusion: InclusionProof,
    /// What it wrote, by key.
    writes: Vec<Write>,
    /// That these writes lead from root to root; empty where nothing was written.
    transition: Vec<u8>,
    /// The manifest of the bundle, whose hash the record has; empty for none.
    manifest: Vec<u8>,
    /// The certificate of the bundle, whose hash the manifest has; empty for none.
    certificate: Vec<u8>,
    /// The signed seal.
    seal: Vec<u8>,
}

#[cfg(test)]
impl Receipt {
    /// Receipts with one part of another in place of their own.
    pub(crate) fn mixed_with(&self, other: &Self) -> Vec<Self> {
        let mut mixes = vec![self.clone(); 5];
        mixes[0].record.clone_from(&other.record);
        mixes[1].inclusion.clone_from(&other.inclusion);
        mixes[2].writes.clone_from(&other.writes);
        mixes[3].transition.clone_from(&other.transition);
        mixes[4].writes.clone_from(&other.writes);
        mixes[4].transition.clone_from(&other.transition);
        mixes
    }
}
