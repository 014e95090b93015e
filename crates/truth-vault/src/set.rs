//! The set of all addresses as one authenticated map: which blobs there are, and which are not.

use std::sync::MutexGuard;

use merkle_core::{Batch, Hash, Lookup, Map, Proof, Query, Sha256};

use crate::vault::Shared;
use crate::{Address, GetError, Vault};

/// What a vault holds at one moment: how many blobs, and the root over all of their addresses.
///
/// Two vaults with the same root hold the same blobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VaultHead {
    /// How many blobs.
    pub blobs: u64,
    /// Root of the map in which every address has the value `0x01`, with the profile `Sha256`:
    /// `docs/formats/vault.md`.
    pub root: Hash,
}

/// What every address has as its value: ICS-23 knows no empty ones.
const PRESENT: &[u8] = &[1];

impl Vault {
    /// How many blobs there are and the root over them. The first call builds the map, at about two
    /// million blobs a second; later ones cost what came since.
    ///
    /// # Errors
    ///
    /// [`GetError::Storage`].
    pub fn head(&self) -> Result<VaultHead, GetError> {
        let map = self.shared.address_map()?;
        Ok(VaultHead {
            blobs: map.len(),
            root: map.root(),
        })
    }

    /// The same as far as this handle knows, without a look at what other processes put since it looked
    /// last: no I/O, for whoever asks at every commit.
    #[must_use]
    pub fn known_head(&self) -> VaultHead {
        let map = self.shared.known_addresses();
        VaultHead {
            blobs: map.len(),
            root: map.root(),
        }
    }

    /// Proves of each address that its blob is in the vault, or that it is not; with the head that the
    /// proof leads to. Anybody checks it with [`verify_membership`].
    ///
    /// ```
    /// use truth_vault::{Address, Durability, Options, Vault, verify_membership};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// let vault = Vault::open(folder.path(), &Options::new())?;
    /// let known = vault.put(b"audited", Durability::Each)?;
    /// let other = Address::of(b"never audited");
    /// let (head, proof) = vault.prove(&[known, other])?;
    /// let found = verify_membership(&proof, &head.root, &[known, other])?;
    /// assert_eq!(found, [true, false]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`GetError::Storage`].
    pub fn prove(&self, addresses: &[Address]) -> Result<(VaultHead, Vec<u8>), GetError> {
        let map = self.shared.address_map()?;
        let keys = addresses.iter().map(|address| &address.as_bytes()[..]);
        let proof = map.prove_query(&Query::new().keys(keys));
        let head = VaultHead {
            blobs: map.len(),
            root: map.root(),
        };
        Ok((head, proof.encode()))
    }
}

impl Shared {
    /// The map over all addresses as of now.
    pub(crate) fn address_map(&self) -> Result<Map<Sha256>, GetError> {
        self.refresh()?;
        Ok(self.known_addresses().clone())
    }

    /// The map over all addresses that the index has.
    fn known_addresses(&self) -> MutexGuard<'_, Map<Sha256>> {
        let mut map = self.addresses();
        let mut batch = Batch::new();
        let (changed, all);
        {
            let mut index = self.index_mut();
            match index.take_unset() {
                Some(unset) => {
                    let is_there = |address: Address| (address, index.get(&address).is_some());
                    (changed, all) = (unset.into_iter().map(is_there).collect(), Vec::new());
                }
                None => (changed, all) = (Vec::new(), index.all()),
            }
        }
        let there = all.iter().map(|(address, _)| (address, true));
        let there = there.chain(changed.iter().map(|(address, there)| (address, *there)));
        for (address, there) in there {
            let written = match there {
                true => batch.put(address.as_bytes(), PRESENT),
                false => batch.delete(address.as_bytes()),
            };
            written.expect("32 bytes are a key");
        }
        map.update(&batch);
        drop(batch);
        map
    }
}

/// Which of `addresses` are in the vault whose set has this root, as `proof` shows.
///
/// # Errors
///
/// [`MembershipError`]. Never panics, whatever the bytes.
pub fn verify_membership(
    proof: &[u8],
    root: &Hash,
    addresses: &[Address],
) -> Result<Vec<bool>, MembershipError> {
    let proof = Proof::decode(proof)?;
    let view = proof.verify(&Sha256, root)?;
    let shown = |address: &Address| match view.get(address.as_bytes()) {
        Lookup::Present(_) => Ok(true),
        Lookup::Absent => Ok(false),
        _ => Err(MembershipError::NotCovered { address: *address }),
    };
    addresses.iter().map(shown).collect()
}

/// Why a proof of membership was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MembershipError {
    /// The bytes are no proof.
    #[error("the bytes are no proof: {0}")]
    Malformed(#[from] merkle_core::ProofDecodeError),
    /// It is a proof about another set.
    #[error(transparent)]
    OtherRoot(#[from] merkle_core::ProofError),
    /// It says nothing of an address.
    #[error("the proof says nothing of {address}")]
    NotCovered {
        /// The address.
        address: Address,
    },
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use merkle_core::{Batch, Map, Sha256};
    use proptest::prelude::*;

    use super::{PRESENT, verify_membership};
    use crate::{Address, Durability, Options, Vault};

    fn model(addresses: &BTreeSet<Address>) -> Map<Sha256> {
        let mut batch = Batch::new();
        for address in addresses {
            batch.put(address.as_bytes(), PRESENT).unwrap();
        }
        let mut map = Map::new();
        map.update(&batch);
        map
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn the_root_is_that_of_all_addresses(groups in prop::collection::vec(prop::collection::vec(0..60_u8, 0..20), 1..6)) {
            let folder = tempfile::tempdir().unwrap();
            let vault = Vault::open(folder.path(), &Options::new()).unwrap();
            let mut all = BTreeSet::new();
            for (number, group) in groups.iter().enumerate() {
                // Every other group comes from another process.
                let other = Vault::open(folder.path(), &Options::new()).unwrap();
                for blob in group {
                    let to = if number % 2 == 0 { &vault } else { &other };
                    all.insert(to.put(&[*blob], Durability::None).unwrap());
                }
                let head = vault.head().unwrap();
                prop_assert_eq!((head.blobs, head.root), (all.len() as u64, model(&all).root()));
                prop_assert_eq!(vault.known_head(), head);
            }
            let asked: Vec<_> = (0..80_u8).map(|blob| Address::of(&[blob])).collect();
            let (head, proof) = vault.prove(&asked).unwrap();
            let found = verify_membership(&proof, &head.root, &asked).unwrap();
            let there: Vec<_> = asked.iter().map(|address| all.contains(address)).collect();
            prop_assert_eq!(found, there);
        }
    }
}
