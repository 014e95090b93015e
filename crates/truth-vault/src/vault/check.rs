//! Reading what is stored only to see whether it is what it was.

use std::collections::HashMap;
use std::io;
use std::ops::ControlFlow;
use std::thread;

use sha2::{Digest, Sha256};

use super::{Shared, Vault};
use crate::index::Place;
use crate::segment::{self, FILE_HEADER_BYTES, Found, Kind, Scan};
use crate::watched::Content;
use crate::{Address, BundleAddress, BundleManifest, Damage, GetError};

/// An object that is not what it was, and what is affected.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BadObject {
    /// The blob.
    pub address: Address,
    /// The segment that its record is in.
    pub file: String,
    /// Where its record begins.
    pub at: u64,
    /// What is wrong.
    pub damage: Damage,
    /// The bundles that need it, or whose manifest it is.
    pub needed_by: Vec<BundleAddress>,
}

/// A part that a bundle names and the vault does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MissingPart {
    /// The part.
    pub address: Address,
    /// The bundle.
    pub bundle: BundleAddress,
}

/// What [`Vault::verify`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerifyReport {
    /// How many blobs were read.
    pub blobs: u64,
    /// How many bytes they have.
    pub bytes: u64,
    /// Blobs that cannot be read as they were put, by address.
    pub bad: Vec<BadObject>,
    /// Parts of bundles that are not there, retired bundles left out.
    pub missing: Vec<MissingPart>,
    /// Places in segments that should be records and are not, as file and byte.
    pub gaps: Vec<(String, u64)>,
}

impl VerifyReport {
    /// Whether all is as it was put.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.bad.is_empty() && self.missing.is_empty() && self.gaps.is_empty()
    }
}

/// So many blobs are given to the threads at a time.
const CHUNK: usize = 1024;

/// What is read of a large blob at a time.
const STEP_BYTES: u64 = 1 << 20;

/// Bundles by the parts that they name.
type Needs = HashMap<Address, Vec<BundleAddress>>;

/// What came of reading one blob.
struct Checked {
    bytes: u64,
    damage: Option<Damage>,
    /// The parts it names, if it is a manifest.
    parts: Vec<Address>,
}

impl Vault {
    /// Reads and hashes everything that is stored, on all cores, and names every object that is not
    /// what it was put as, with the bundles that need it. Changes nothing; see
    /// [`scrub`](Self::scrub) for checking a little at a time, and [`repair`](Self::repair).
    ///
    /// `progress` is told how many bytes were read, and answers whether to go on.
    ///
    /// # Errors
    ///
    /// [`GetError::Storage`] or [`GetError::Cancelled`]. Damage is no error here.
    pub fn verify(
        &self,
        progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Result<VerifyReport, GetError> {
        self.shared.refresh()?;
        let mut all = self.shared.index().all();
        // In the order in which they lie, so that the disk is read from start to end.
        all.sort_unstable_by_key(|(_, place)| (place.segment, place.at));
        let mut report = VerifyReport::default();
        let mut needs = Needs::new();
        let mut bad = Vec::new();
        for chunk in all.chunks(CHUNK) {
            let check = |(address, place): &(Address, Place)| self.shared.check(address, *place);
            for ((address, place), checked) in chunk.iter().zip(on_all_cores(chunk, check)) {
                let checked = checked?;
                report.blobs += 1;
                report.bytes += checked.bytes;
                let bundle = BundleAddress::from_address(*address);
                for part in checked.parts {
                    needs.entry(part).or_default().push(bundle);
                }
                if let Some(damage) = checked.damage {
                    bad.push((*address, *place, damage));
                }
            }
            if progress(report.bytes).is_break() {
                return Err(GetError::Cancelled);
            }
        }
        for (address, place, damage) in bad {
            report.bad.push(bad_object(address, place, damage, &needs));
        }
        report.bad.sort_unstable_by_key(|bad| bad.address);
        report.missing = self.shared.missing_parts(&needs)?;
        report.gaps = self.shared.gaps()?;
        Ok(report)
    }
}

/// Names what is bad, and what needs it.
fn bad_object(address: Address, place: Place, damage: Damage, needs: &Needs) -> BadObject {
    let mut needed_by = needs.get(&address).cloned().unwrap_or_default();
    if place.kind == Kind::Manifest {
        needed_by.push(BundleAddress::from_address(address));
    }
    needed_by.sort_unstable();
    BadObject {
        address,
        file: segment::name(place.segment),
        at: place.at,
        damage,
        needed_by,
    }
}

impl Shared {
    /// Reads one blob. Where it has been moved meanwhile, it is read from there.
    fn check(&self, address: &Address, place: Place) -> Result<Checked, GetError> {
        let found = self.found(address, |now| {
            // An entry that another process replaced is not asked for any more.
            let _ = place;
            self.read_whole(address, now)
        });
        match found {
            Ok(Some((bytes, parts))) => Ok(Checked {
                bytes,
                damage: None,
                parts,
            }),
            // Collected while this went on.
            Ok(None) => Ok(Checked {
                bytes: 0,
                damage: None,
                parts: Vec::new(),
            }),
            Err(GetError::Damaged { damage, .. }) => Ok(Checked {
                bytes: 0,
                damage: Some(damage),
                parts: Vec::new(),
            }),
            Err(error) => Err(error),
        }
    }

    /// Reads and hashes all of a blob at `place`: its length, and the parts that it names.
    pub(crate) fn read_whole(
        &self,
        address: &Address,
        place: Place,
    ) -> Result<(u64, Vec<Address>), GetError> {
        if place.kind != Kind::Large {
            let bytes = self.read_checked(address, place)?;
            let parts = match place.kind {
                Kind::Manifest => parts_of(&bytes),
                _ => Vec::new(),
            };
            return Ok((bytes.len() as u64, parts));
        }
        let bytes = self.read_header(address, place)?.plain_bytes;
        let mut hasher = Sha256::new();
        let mut at = 0;
        while at < bytes {
            let step = at..bytes.min(at + STEP_BYTES);
            hasher.update(self.read_range(address, place, &step)?);
            at = step.end;
        }
        match Address::from_bytes(hasher.finalize().into()) == *address {
            true => Ok((bytes, Vec::new())),
            false => Err(super::get::damaged(address, place, Damage::Content)),
        }
    }

    /// The parts that bundles name and that are not there. Those of retired bundles may be collected
    /// before their manifests are.
    fn missing_parts(&self, needs: &Needs) -> io::Result<Vec<MissingPart>> {
        let roots = self.roots.get(&*self.root)?;
        let is_retired = |bundle: &BundleAddress| match &roots {
            Content::Whole(roots) => roots.retired.contains(bundle),
            Content::Missing | Content::Damaged => false,
        };
        let index = self.index();
        let mut missing: Vec<_> = (needs.iter())
            .filter(|(address, _)| index.get(address).is_none())
            .flat_map(|(address, bundles)| {
                let meant = bundles.iter().filter(|bundle| !is_retired(bundle));
                meant.map(|bundle| MissingPart {
                    address: *address,
                    bundle: *bundle,
                })
            })
            .collect();
        missing.sort_unstable_by_key(|missing| (missing.address, missing.bundle));
        Ok(missing)
    }

    /// Which bundles need `address`.
    pub(crate) fn needed_by(&self, address: Address, place: Place) -> Vec<BundleAddress> {
        let mut needs = Needs::new();
        for (manifest, at) in self.index().all() {
            if at.kind == Kind::Manifest
                && let Ok(bytes) = self.read_checked(&manifest, at)
            {
                for part in parts_of(&bytes) {
                    let bundle = BundleAddress::from_address(manifest);
                    needs.entry(part).or_default().push(bundle);
                }
            }
        }
        bad_object(address, place, Damage::Content, &needs).needed_by
    }

    /// Bytes between records that are none. A segment's end may be being written.
    fn gaps(&self) -> Result<Vec<(String, u64)>, GetError> {
        let mut gaps = Vec::new();
        for name in self.segments.list()? {
            let Some(number) = segment::number(&name) else {
                continue;
            };
            let file = match self.file(number) {
                // Collected in this moment.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                file => file?,
            };
            for found in Scan::new(&*file, FILE_HEADER_BYTES as u64)? {
                if let Found::Gap {
                    at, at_end: false, ..
                } = found?
                {
                    gaps.push((name.clone(), at));
                }
            }
        }
        gaps.sort_unstable();
        Ok(gaps)
    }
}

/// Does something with each of `items`, on all cores; what came of it in their order.
pub(super) fn on_all_cores<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let share = items.len().div_ceil(cores).max(1);
    thread::scope(|scope| {
        let threads: Vec<_> = (items.chunks(share))
            .map(|share| scope.spawn(|| share.iter().map(&work).collect::<Vec<_>>()))
            .collect();
        (threads.into_iter())
            .flat_map(|thread| thread.join().expect("reading does not panic"))
            .collect()
    })
}

/// The parts that a manifest names; none if it is of a later release.
pub(crate) fn parts_of(manifest: &[u8]) -> Vec<Address> {
    match BundleManifest::decode(manifest) {
        Ok(manifest) => manifest.parts().map(|part| part.address).collect(),
        Err(_) => Vec::new(),
    }
}
