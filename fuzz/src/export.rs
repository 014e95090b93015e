//! Changes to proofs of ICS-23 that somebody hostile could make.

use arbitrary::Arbitrary;
use ics23::commitment_proof::Proof::{Exist, Nonexist};
use ics23::{CommitmentProof, ExistenceProof};

use crate::{Mutation, mutate};

/// One change. Leaves and steps count modulo their number.
#[derive(Arbitrary, Clone, Debug)]
pub enum ExportEdit {
    /// Puts the leaf of another proof in the place of this one.
    Replace {
        leaf: bool,
        other: u8,
        of_other: bool,
    },
    /// Leaves out a neighbour of a key that is absent.
    Omit {
        right: bool,
    },
    /// Lets the neighbours of a key that is absent change places.
    Cross,
    Leaf {
        leaf: bool,
        part: LeafPart,
    },
    Step {
        leaf: bool,
        step: u8,
        part: StepPart,
    },
}

/// What changes in a leaf.
#[derive(Arbitrary, Clone, Debug)]
pub enum LeafPart {
    Key(Mutation),
    Value(Mutation),
    Prefix(u8),
    Hash(i8),
    PrehashKey(i8),
    PrehashValue(i8),
    Length(i8),
    /// How to hash the leaf is left out.
    Nothing,
}

/// What changes in the path of a leaf.
#[derive(Arbitrary, Clone, Debug)]
pub enum StepPart {
    Prefix(Mutation),
    Suffix(Mutation),
    Hash(i8),
    /// The sibling changes sides.
    Turn,
    Remove,
    Repeat,
    Swap {
        with: u8,
    },
}

impl ExportEdit {
    /// Makes the change; `others` are proofs of the same map.
    pub fn apply(&self, proof: &mut CommitmentProof, others: &[CommitmentProof]) {
        match self {
            Self::Replace {
                leaf,
                other,
                of_other,
            } => {
                let other = others.get(usize::from(*other) % others.len().max(1));
                let mut other = other.cloned().unwrap_or_default();
                if let (Some(place), Some(found)) =
                    (chosen(proof, *leaf), chosen(&mut other, *of_other))
                {
                    *place = found.clone();
                }
            }
            Self::Omit { right } => match &mut proof.proof {
                Some(Nonexist(absence)) if *right => absence.right = None,
                Some(Nonexist(absence)) => absence.left = None,
                _ => {}
            },
            Self::Cross => {
                if let Some(Nonexist(absence)) = &mut proof.proof {
                    std::mem::swap(&mut absence.left, &mut absence.right);
                }
            }
            Self::Leaf { leaf, part } => {
                if let Some(leaf) = chosen(proof, *leaf) {
                    part.change(leaf);
                }
            }
            Self::Step { leaf, step, part } => match chosen(proof, *leaf) {
                Some(leaf) if !leaf.path.is_empty() => part.change(leaf, *step),
                _ => {}
            },
        }
    }
}

impl LeafPart {
    fn change(&self, leaf: &mut ExistenceProof) {
        if let Self::Key(mutation) = self {
            return mutate(&mut leaf.key, &[*mutation]);
        }
        if let Self::Value(mutation) = self {
            return mutate(&mut leaf.value, &[*mutation]);
        }
        let Some(op) = &mut leaf.leaf else { return };
        match self {
            Self::Key(_) | Self::Value(_) => {}
            Self::Prefix(byte) => op.prefix = vec![*byte],
            Self::Hash(hash) => op.hash = (*hash).into(),
            Self::PrehashKey(hash) => op.prehash_key = (*hash).into(),
            Self::PrehashValue(hash) => op.prehash_value = (*hash).into(),
            Self::Length(length) => op.length = (*length).into(),
            Self::Nothing => leaf.leaf = None,
        }
    }
}

impl StepPart {
    /// Changes a path, which is not empty.
    fn change(&self, leaf: &mut ExistenceProof, step: u8) {
        let path = &mut leaf.path;
        let place = |step: u8| usize::from(step) % path.len();
        let (at, other) = match self {
            Self::Swap { with } => (place(step), place(*with)),
            _ => (place(step), 0),
        };
        let step = &mut path[at];
        match self {
            Self::Prefix(mutation) => mutate(&mut step.prefix, &[*mutation]),
            Self::Suffix(mutation) => mutate(&mut step.suffix, &[*mutation]),
            Self::Hash(hash) => step.hash = (*hash).into(),
            Self::Turn if step.suffix.is_empty() && !step.prefix.is_empty() => {
                step.suffix = step.prefix.split_off(1);
            }
            Self::Turn => step.prefix.append(&mut step.suffix),
            Self::Remove => drop(path.remove(at)),
            Self::Repeat => path.insert(at, path[at].clone()),
            Self::Swap { .. } => path.swap(at, other),
        }
    }
}

/// The leaf of an existence proof, or a neighbour in a non-existence proof.
fn chosen(proof: &mut CommitmentProof, right: bool) -> Option<&mut ExistenceProof> {
    match proof.proof.as_mut()? {
        Exist(leaf) => Some(leaf),
        Nonexist(absence) => {
            let neighbour = if right {
                &mut absence.right
            } else {
                &mut absence.left
            };
            neighbour.as_mut()
        }
        _ => None,
    }
}
