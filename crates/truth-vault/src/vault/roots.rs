//! Pins, leases, retired bundles: what collections go by.

use std::collections::BTreeSet;
use std::io;

use super::check::parts_of;
use super::{Shared, Vault};
use crate::roots::{self, RootError, Roots};
use crate::segment::Kind;
use crate::volume::Sharing;
use crate::watched::Content;
use crate::{Address, BundleAddress, GetError, Lease, Reference};

impl Vault {
    /// Pins blobs: none of them is collected until it is unpinned. A pinned manifest keeps the parts of
    /// its bundle. Answers which of all these are not there: pins stand nevertheless, and hold from the
    /// moment such a blob is put.
    ///
    /// Durable when it returns. Each call writes the list of all roots: give many at a time.
    ///
    /// ```
    /// use truth_vault::{Durability, Options, Vault};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// let vault = Vault::open(folder.path(), &Options::new())?;
    /// let address = vault.put(b"no bundle names it", Durability::Each)?;
    /// assert!(vault.pin(&[address])?.is_empty());
    /// assert_eq!(vault.pins()?, [address]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`RootError`].
    pub fn pin(&self, addresses: &[Address]) -> Result<Vec<Address>, RootError> {
        self.shared
            .change_roots(|roots| roots.pins.extend(addresses))?;
        self.shared.missing(addresses)
    }

    /// Removes pins. Answers how many there were.
    ///
    /// # Errors
    ///
    /// [`RootError::Damaged`] or [`RootError::Storage`].
    pub fn unpin(&self, addresses: &[Address]) -> Result<usize, RootError> {
        self.shared.change_roots(|roots| {
            let removed = addresses.iter().filter(|it| roots.pins.remove(it));
            removed.count()
        })
    }

    /// The pinned blobs, in order.
    ///
    /// # Errors
    ///
    /// As [`unpin`](Self::unpin).
    pub fn pins(&self) -> Result<Vec<Address>, RootError> {
        let roots = Roots::read(&*self.shared.root)?;
        Ok(roots.pins.into_iter().collect())
    }

    /// Keeps blobs from collections until `expires_ns`, in nanoseconds since 1970, in the name of
    /// `owner`, or renews its lease of them. Otherwise as [`pin`](Self::pin).
    ///
    /// # Errors
    ///
    /// [`RootError`].
    pub fn lease(
        &self,
        owner: &str,
        addresses: &[Address],
        expires_ns: u64,
    ) -> Result<Vec<Address>, RootError> {
        if owner.len() > Lease::OWNER_BYTES_MAX {
            let bytes = owner.len();
            return Err(RootError::OwnerTooLong { bytes });
        }
        self.shared.change_roots(|roots| {
            for address in addresses {
                roots
                    .leases
                    .insert((owner.to_owned(), *address), expires_ns);
            }
        })?;
        self.shared.missing(addresses)
    }

    /// Ends the leases of `owner` on `addresses`. Answers how many there were.
    ///
    /// # Errors
    ///
    /// As [`unpin`](Self::unpin).
    pub fn release(&self, owner: &str, addresses: &[Address]) -> Result<usize, RootError> {
        self.shared.change_roots(|roots| {
            let key = |address: &Address| (owner.to_owned(), *address);
            let removed = addresses
                .iter()
                .filter(|it| roots.leases.remove(&key(it)).is_some());
            removed.count()
        })
    }

    /// All leases, by owner and blob. Those that have expired are there until the next collection.
    ///
    /// # Errors
    ///
    /// As [`unpin`](Self::unpin).
    pub fn leases(&self) -> Result<Vec<Lease>, RootError> {
        Ok(Roots::read(&*self.shared.root)?.leases().collect())
    }

    /// Says that a bundle is not meant any more: it is collected, with those of its parts that nothing
    /// else needs. Until then it is found as before, though its parts may go first; putting it again
    /// takes this back. Pins and leases count nevertheless. Answers whether it was a root before.
    ///
    /// # Errors
    ///
    /// As [`unpin`](Self::unpin).
    pub fn retire(&self, bundle: &BundleAddress) -> Result<bool, RootError> {
        self.shared
            .change_roots(|roots| roots.retired.insert(*bundle))
    }

    /// The bundles that are retired and not collected yet.
    ///
    /// # Errors
    ///
    /// As [`unpin`](Self::unpin).
    pub fn retired(&self) -> Result<Vec<BundleAddress>, RootError> {
        let roots = Roots::read(&*self.shared.root)?;
        Ok(roots.retired.into_iter().collect())
    }

    /// Why a blob is not collected: pins and leases on it, and the bundles that need it, those that are
    /// themselves retired left out unless they are pinned or leased. Reads every manifest.
    ///
    /// # Errors
    ///
    /// [`RootError`].
    pub fn references(&self, address: &Address) -> Result<Vec<Reference>, RootError> {
        self.shared.refresh()?;
        let roots = Roots::read(&*self.shared.root)?;
        let mut found = Vec::new();
        if roots.pins.contains(address) {
            found.push(Reference::Pin);
        }
        let leases = roots.leases().filter(|lease| lease.address == *address);
        found.extend(leases.map(Reference::Lease));
        let held: BTreeSet<Address> = (roots.leases().map(|lease| lease.address))
            .chain(roots.pins.iter().copied())
            .collect();
        let place = self.shared.index().get(address);
        if let Some(place) = place {
            let bundles = self.shared.needed_by(*address, place).into_iter();
            let meant = |bundle: &BundleAddress| {
                !roots.retired.contains(bundle) || held.contains(&bundle.address())
            };
            found.extend(bundles.filter(meant).map(Reference::Bundle));
        }
        Ok(found)
    }

    /// All pins, leases and retired bundles as of one moment: the bytes of the file `roots` as
    /// `docs/formats/vault.md` has them, for [`import_roots`](Self::import_roots).
    ///
    /// # Errors
    ///
    /// As [`unpin`](Self::unpin).
    pub fn export_roots(&self) -> Result<Vec<u8>, RootError> {
        Ok(Roots::read(&*self.shared.root)?.encode())
    }

    /// Adds pins, leases and retired bundles that [`export_roots`](Self::export_roots) gave; of two times at
    /// which a lease expires the later counts. Durable when it returns.
    ///
    /// ```
    /// use truth_vault::{Durability, Options, Vault};
    ///
    /// # let (one, two) = (tempfile::tempdir()?, tempfile::tempdir()?);
    /// let from = Vault::open(one.path(), &Options::new())?;
    /// let address = from.put(b"no bundle names it", Durability::Each)?;
    /// from.pin(&[address])?;
    /// let to = Vault::open(two.path(), &Options::new())?;
    /// to.import_roots(&from.export_roots()?)?;
    /// assert_eq!(to.pins()?, [address]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`RootError::NotRoots`] for other bytes, and as [`unpin`](Self::unpin).
    pub fn import_roots(&self, bytes: &[u8]) -> Result<(), RootError> {
        let added = Roots::decode(bytes).ok_or(RootError::NotRoots)?;
        self.shared.change_roots(|roots| {
            roots.pins.extend(added.pins);
            roots.retired.extend(added.retired);
            for (lease, expires_ns) in added.leases {
                let known = roots.leases.entry(lease).or_default();
                *known = expires_ns.max(*known);
            }
        })
    }

    /// Begins an empty list of pins, leases and retired bundles in place of one that is damaged or gone.
    /// Whoever calls it says that nothing but bundles is to be kept, or pins it again before the next
    /// collection.
    ///
    /// # Errors
    ///
    /// [`RootError::Storage`].
    pub fn reset_roots(&self) -> Result<(), RootError> {
        let _held = self.shared.root.lock(roots::LOCK, Sharing::Alone)?;
        Ok(Roots::default().write(&*self.shared.root)?)
    }
}

impl Shared {
    /// Changes the list of roots, all or nothing, and durably. It is left alone if nothing changes.
    pub(super) fn change_roots<T>(
        &self,
        change: impl FnOnce(&mut Roots) -> T,
    ) -> Result<T, RootError> {
        let _held = self.root.lock(roots::LOCK, Sharing::Alone)?;
        let before = Roots::read(&*self.root)?;
        let mut roots = before.clone();
        let answer = change(&mut roots);
        if roots != before {
            roots.write(&*self.root)?;
        }
        Ok(answer)
    }

    /// Which of `addresses`, and of the parts that they name, are not there. After the roots were written:
    /// what was condemned until then is written anew, and whatever is condemned later is held against
    /// them.
    fn missing(&self, addresses: &[Address]) -> Result<Vec<Address>, RootError> {
        let mut missing = Vec::new();
        for address in addresses {
            let Some(place) = self.safe_place(address).map_err(of_blob)? else {
                missing.push(*address);
                continue;
            };
            if place.kind != Kind::Manifest {
                continue;
            }
            let manifest = self.found(address, |place| self.read_checked(address, place));
            let manifest = manifest.map_err(of_blob)?.unwrap_or_default();
            for part in parts_of(&manifest) {
                if self.safe_place(&part).map_err(of_blob)?.is_none() {
                    missing.push(part);
                }
            }
        }
        Ok(missing)
    }

    /// Takes back that a bundle was retired. That the list is damaged stops collections, and no put.
    pub(super) fn unretire(&self, bundle: &BundleAddress) -> io::Result<()> {
        match self.roots.get(&*self.root)? {
            Content::Whole(roots) if roots.retired.contains(bundle) => {}
            _ => return Ok(()),
        }
        match self.change_roots(|roots| roots.retired.remove(bundle)) {
            Err(RootError::Storage(error)) => Err(error),
            _ => Ok(()),
        }
    }
}

fn of_blob(error: GetError) -> RootError {
    match error {
        GetError::Storage(error) => RootError::Storage(error),
        error => RootError::Blob(error),
    }
}
