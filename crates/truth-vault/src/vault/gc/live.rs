//! What is needed, at one moment.

use std::collections::{BTreeSet, HashSet};

use super::GcError;
use crate::roots::Roots;
use crate::segment::Kind;
use crate::vault::Shared;
use crate::{Address, BundleAddress, BundleManifest, GetError};

impl Shared {
    /// All that pins, leases and bundles need at `now_ns`.
    pub(super) fn live(&self, now_ns: u64) -> Result<HashSet<Address>, GcError> {
        // One file, read at once: all pins and leases of one moment. Whoever adds one later finds out
        // by itself what was condemned before.
        let roots = Roots::read(&*self.root)?;
        let held: BTreeSet<Address> = (roots.leases())
            .filter(|lease| lease.expires_ns > now_ns)
            .map(|lease| lease.address)
            .chain(roots.pins.iter().copied())
            .collect();
        self.refresh()?;
        let manifests: Vec<Address> = (self.index().all().into_iter())
            .filter(|(_, place)| place.kind == Kind::Manifest)
            .map(|(address, _)| address)
            .collect();
        let mut live: HashSet<Address> = held.iter().copied().collect();
        for address in manifests {
            let bundle = BundleAddress::from_address(address);
            if roots.retired.contains(&bundle) && !held.contains(&address) {
                continue;
            }
            live.insert(address);
            live.extend(self.parts_needed(bundle)?);
        }
        Ok(live)
    }

    fn parts_needed(&self, bundle: BundleAddress) -> Result<Vec<Address>, GcError> {
        let address = bundle.address();
        let manifest = match self.found(&address, |place| self.read_checked(&address, place)) {
            Ok(Some(manifest)) => manifest,
            // Nobody removes a bundle that is meant: it was retired and collected meanwhile.
            Ok(None) => return Ok(Vec::new()),
            Err(GetError::Storage(error)) => return Err(error.into()),
            Err(error) => {
                let source = Some(error);
                return Err(GcError::Manifest { bundle, source });
            }
        };
        match BundleManifest::decode(&manifest) {
            Ok(manifest) => Ok(manifest.parts().map(|part| part.address).collect()),
            Err(_) => Err(GcError::Manifest {
                bundle,
                source: None,
            }),
        }
    }
}
