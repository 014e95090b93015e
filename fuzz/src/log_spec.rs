//! The log as RFC 9162 defines it: slow on purpose.

use merkle_core::{EMPTY_LOG_ROOT, Hash, log_inner_hash};

/// Section 2.1.1: the root of the tree over these leaves.
pub fn log_root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => EMPTY_LOG_ROOT,
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(split(leaves.len()));
            log_inner_hash(&log_root(left), &log_root(right))
        }
    }
}

/// Section 2.1.3.1: the path that proves that leaf `index` is in the tree.
pub fn log_inclusion(index: usize, leaves: &[Hash]) -> Vec<Hash> {
    if leaves.len() <= 1 {
        return Vec::new();
    }
    let middle = split(leaves.len());
    let (left, right) = leaves.split_at(middle);
    let (mut path, sibling) = if index < middle {
        (log_inclusion(index, left), right)
    } else {
        (log_inclusion(index - middle, right), left)
    };
    path.push(log_root(sibling));
    path
}

/// Section 2.1.4.1: the proof that the tree over the first `old` leaves is a prefix.
pub fn log_consistency(old: usize, leaves: &[Hash]) -> Vec<Hash> {
    if old == 0 || old == leaves.len() {
        return Vec::new();
    }
    subproof(old, leaves, true)
}

fn subproof(old: usize, leaves: &[Hash], whole: bool) -> Vec<Hash> {
    if old == leaves.len() {
        return if whole {
            Vec::new()
        } else {
            vec![log_root(leaves)]
        };
    }
    let middle = split(leaves.len());
    let (left, right) = leaves.split_at(middle);
    let (mut proof, sibling) = if old <= middle {
        (subproof(old, left, whole), right)
    } else {
        (subproof(old - middle, right, false), left)
    };
    proof.push(log_root(sibling));
    proof
}

/// The largest power of two smaller than `len`.
fn split(len: usize) -> usize {
    1 << (len - 1).ilog2()
}
