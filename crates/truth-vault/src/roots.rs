//! What is not to be collected: pins, leases, and the bundles that are not meant any more.
//!
//! The bytes are specified in `docs/formats/vault.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use crate::checked::{self, take};
use crate::volume::{self, Volume};
use crate::{Address, BundleAddress, GetError};

/// Its name in the vault's folder.
pub(crate) const NAME: &str = "roots";

/// Held by whoever changes it.
pub(crate) const LOCK: &str = "roots.lock";

const MAGIC: &[u8; 8] = b"d360rts\x01";

/// A blob that somebody needs until a time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Lease {
    /// Who needs it.
    pub owner: String,
    /// The blob, or the manifest of a bundle and with it the parts.
    pub address: Address,
    /// From when on it is as if there were no lease: nanoseconds since 1970.
    pub expires_ns: u64,
}

impl Lease {
    /// Most bytes of an owner's name.
    pub const OWNER_BYTES_MAX: usize = 1024;
}

/// Why a blob is not collected.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Reference {
    /// It is pinned.
    Pin,
    /// It is leased.
    Lease(Lease),
    /// A bundle needs it, or it is the bundle's manifest.
    Bundle(BundleAddress),
}

/// Why the roots could not be read or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RootError {
    /// The file `roots` is gone or not as it was written, so nobody knows what is pinned: nothing is
    /// collected. See [`Vault::reset_roots`](crate::Vault::reset_roots).
    #[error("the file of pins and leases is damaged or gone")]
    Damaged,
    /// The bytes are not those of such a file, or not as they were written.
    #[error("these are not the bytes of a list of pins and leases")]
    NotRoots,
    /// The name of an owner is longer than [`Lease::OWNER_BYTES_MAX`].
    #[error("the owner's name has {bytes} bytes")]
    OwnerTooLong {
        /// Its length.
        bytes: usize,
    },
    /// The blob could not be made safe: what is stored of it is damaged, or the file system failed. The
    /// root itself stands.
    #[error("the root stands, and its blob could not be made safe")]
    Blob(#[source] GetError),
    /// The file system.
    #[error("the file of pins and leases could not be used")]
    Storage(#[from] io::Error),
}

/// All of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Roots {
    pub(crate) pins: BTreeSet<Address>,
    /// When each expires, by owner and blob.
    pub(crate) leases: BTreeMap<(String, Address), u64>,
    /// Bundles that are roots no more.
    pub(crate) retired: BTreeSet<BundleAddress>,
}

impl Roots {
    pub(crate) fn read(volume: &dyn Volume) -> Result<Self, RootError> {
        let file = match volume.open(NAME) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(RootError::Damaged);
            }
            file => file?,
        };
        Self::decode(&volume::read(&*file)?).ok_or(RootError::Damaged)
    }

    /// Puts it in place of what was there. The lock is held.
    pub(crate) fn write(&self, volume: &dyn Volume) -> io::Result<()> {
        volume::replace(volume, NAME, &self.encode())
    }

    /// The leases, by owner and blob.
    pub(crate) fn leases(&self) -> impl Iterator<Item = Lease> + '_ {
        let leases = self.leases.iter();
        leases.map(|((owner, address), expires_ns)| Lease {
            owner: owner.clone(),
            address: *address,
            expires_ns: *expires_ns,
        })
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend((self.pins.len() as u64).to_le_bytes());
        for address in &self.pins {
            bytes.extend(address.as_bytes());
        }
        bytes.extend((self.retired.len() as u64).to_le_bytes());
        for bundle in &self.retired {
            bytes.extend(bundle.address().as_bytes());
        }
        for ((owner, address), expires_ns) in &self.leases {
            let length = u16::try_from(owner.len()).expect("owners' names are shorter");
            bytes.extend(length.to_le_bytes());
            bytes.extend(owner.as_bytes());
            bytes.extend(address.as_bytes());
            bytes.extend(expires_ns.to_le_bytes());
        }
        checked::close(bytes)
    }

    /// `None` for bytes that are not as they were written.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut rest = checked::open(bytes, MAGIC)?;
        let mut roots = Self::default();
        for _ in 0..u64::from_le_bytes(take(&mut rest)?) {
            roots.pins.insert(Address::from_bytes(take(&mut rest)?));
        }
        for _ in 0..u64::from_le_bytes(take(&mut rest)?) {
            let address = Address::from_bytes(take(&mut rest)?);
            roots.retired.insert(BundleAddress::from_address(address));
        }
        while !rest.is_empty() {
            let length = u16::from_le_bytes(take(&mut rest)?);
            let (owner, behind) = rest.split_at_checked(usize::from(length))?;
            rest = behind;
            let owner = str::from_utf8(owner).ok()?.to_owned();
            let address = Address::from_bytes(take(&mut rest)?);
            let expires_ns = u64::from_le_bytes(take(&mut rest)?);
            roots.leases.insert((owner, address), expires_ns);
        }
        Some(roots)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn are_read_back_and_no_changed_bit_is() {
        let (one, two) = (Address::of(b"one"), Address::of(b"two"));
        let roots = Roots {
            pins: BTreeSet::from([one]),
            leases: BTreeMap::from([(("judge".to_owned(), two), 7), ((String::new(), one), 9)]),
            retired: BTreeSet::from([BundleAddress::from_address(two)]),
        };
        for roots in [roots, Roots::default()] {
            let bytes = roots.encode();
            assert_eq!(Roots::decode(&bytes).as_ref(), Some(&roots));
            for bit in 0..bytes.len() * 8 {
                let mut flipped = bytes.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(Roots::decode(&flipped), None, "bit {bit}");
            }
        }
    }
}
