//! Two vaults made the same: what differs is found by hashes of ranges of addresses.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::ops::ControlFlow;

use merkle_core::Hash;

use crate::{Address, Durability, GetError, Progressed, PutError, PutOptions, Vault};

/// The addresses of a vault that begin with the same bytes, as one hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "whoever carries it over a network makes it"
)]
pub struct Summary {
    /// How many there are.
    pub blobs: u64,
    /// The BLAKE3 of them, one behind the other in ascending order.
    pub hash: [u8; 32],
}

/// Another vault, wherever it is. A [`Vault`] is one; whoever has a network writes another.
///
/// Nothing it says is believed: a blob is taken only if its bytes have its address.
pub trait SyncPeer {
    /// The root over all its addresses: [`VaultHead::root`](crate::VaultHead::root).
    ///
    /// # Errors
    ///
    /// [`SyncError::Peer`], or whatever happened.
    fn root(&mut self) -> Result<Hash, SyncError>;

    /// Of the addresses that begin with `prefix`, 256 summaries: by the byte behind it.
    ///
    /// # Errors
    ///
    /// As [`root`](Self::root).
    fn summaries(&mut self, prefix: &[u8]) -> Result<Vec<Summary>, SyncError>;

    /// The addresses that begin with `prefix`, ascending.
    ///
    /// # Errors
    ///
    /// As [`root`](Self::root).
    fn addresses(&mut self, prefix: &[u8]) -> Result<Vec<Address>, SyncError>;

    /// The bytes of a blob; `None` if it does not have it, or not good.
    ///
    /// # Errors
    ///
    /// As [`root`](Self::root).
    fn blob<'p>(&'p mut self, address: &Address) -> Result<Option<Box<dyn Read + 'p>>, SyncError>;
}

/// Why two vaults were not made the same. What was taken before stays.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SyncError {
    /// The other vault could not be reached or read.
    #[error("the other vault did not answer")]
    Peer(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// What it says does not fit together.
    #[error("what the other vault says of its addresses does not fit together")]
    Inconsistent,
    /// This vault could not be read.
    #[error("this vault could not be read")]
    Get(#[from] GetError),
    /// This vault did not take a blob.
    #[error("this vault did not take a blob")]
    Put(#[from] PutError),
    /// The caller said to stop.
    #[error("cancelled")]
    Cancelled,
}

/// What [`Vault::sync_from`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SyncReport {
    /// Blobs that were taken.
    pub blobs: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Questions asked of the other vault before the first blob: about the logarithm of the number of
    /// blobs for each difference.
    pub questions: u64,
    /// Blobs that it says it has and did not give, or gave other bytes for.
    pub refused: Vec<Address>,
}

/// Ranges of no more addresses than this are told address by address.
const LIST_MAX: u64 = 64;

impl Vault {
    /// Takes every blob that `peer` has and this vault does not, each checked against its address.
    ///
    /// Equal vaults find out by one question; otherwise what is asked grows with the difference, not
    /// with the vaults. For both directions, call it on both. `progress` is told how
    /// many blobs were asked for, and answers whether to go on.
    ///
    /// ```
    /// use std::ops::ControlFlow;
    /// use truth_vault::{Durability, Options, Vault};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// let mut office = Vault::open(folder.path().join("office"), &Options::new())?;
    /// let backup = Vault::open(folder.path().join("backup"), &Options::new())?;
    /// office.put(b"intent pay(...)", Durability::Each)?;
    /// let report = backup.sync_from(&mut office, Durability::Each, &mut |_| ControlFlow::Continue(()))?;
    /// assert_eq!(report.blobs, 1);
    /// assert_eq!(backup.head()?, office.head()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`SyncError`]. A blob that the peer does not give is no error: see [`SyncReport::refused`].
    pub fn sync_from(
        &self,
        peer: &mut dyn SyncPeer,
        durability: Durability,
        progress: &mut dyn FnMut(Progressed) -> ControlFlow<()>,
    ) -> Result<SyncReport, SyncError> {
        let mut report = SyncReport::default();
        let wanted = self.wanted(peer, &mut report)?;
        let class = match durability {
            Durability::None => Durability::None,
            Durability::Batch | Durability::Each => Durability::Batch,
        };
        let total = wanted.len() as u64;
        for (done, address) in (1..).zip(&wanted) {
            self.take(peer, address, class, &mut report)?;
            if progress(Progressed { done, total }).is_break() {
                return Err(SyncError::Cancelled);
            }
        }
        if durability == Durability::Each {
            self.sync()?;
        }
        Ok(report)
    }

    /// The addresses that `peer` has and this vault does not.
    fn wanted(
        &self,
        peer: &mut dyn SyncPeer,
        report: &mut SyncReport,
    ) -> Result<BTreeSet<Address>, SyncError> {
        let mut wanted = BTreeSet::new();
        report.questions = 1;
        if peer.root()? == self.head()?.root {
            return Ok(wanted);
        }
        let mut ours = self.clone();
        let mut open: Vec<(Vec<u8>, Option<u64>)> = vec![(Vec::new(), None)];
        while let Some((prefix, blobs)) = open.pop() {
            report.questions += 1;
            let theirs = peer.summaries(&prefix)?;
            let sum = (theirs.iter()).try_fold(0_u64, |sum, range| sum.checked_add(range.blobs));
            if theirs.len() != 256 || blobs.is_some_and(|blobs| sum != Some(blobs)) {
                return Err(SyncError::Inconsistent);
            }
            let ours_here = SyncPeer::summaries(&mut ours, &prefix)?;
            for (byte, (theirs, here)) in (0..=u8::MAX).zip(theirs.iter().zip(&ours_here)) {
                if theirs.blobs == 0 || theirs == here {
                    continue;
                }
                let range = [&prefix[..], &[byte]].concat();
                if theirs.blobs > LIST_MAX {
                    if range.len() >= Address::LEN {
                        return Err(SyncError::Inconsistent);
                    }
                    open.push((range, Some(theirs.blobs)));
                    continue;
                }
                report.questions += 1;
                let listed = peer.addresses(&range)?;
                let fits = |address: &Address| address.as_bytes().starts_with(&range);
                if listed.len() as u64 != theirs.blobs || !listed.iter().all(fits) {
                    return Err(SyncError::Inconsistent);
                }
                for address in listed {
                    if !self.has(&address)? {
                        wanted.insert(address);
                    }
                }
            }
        }
        Ok(wanted)
    }

    fn take(
        &self,
        peer: &mut dyn SyncPeer,
        address: &Address,
        class: Durability,
        report: &mut SyncReport,
    ) -> Result<(), SyncError> {
        let Some(bytes) = peer.blob(address)? else {
            report.refused.push(*address);
            return Ok(());
        };
        let mut counted = Counted { bytes, count: 0 };
        let options = PutOptions::new().durability(class).expect(*address);
        match self.put_reader(&mut counted, &options) {
            Ok(_) => {
                report.blobs += 1;
                report.bytes += counted.count;
                Ok(())
            }
            Err(PutError::OtherAddress { .. } | PutError::Source(_)) => {
                report.refused.push(*address);
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// A vault in a folder of this machine.
impl SyncPeer for Vault {
    fn root(&mut self) -> Result<Hash, SyncError> {
        Ok(self.head()?.root)
    }

    fn summaries(&mut self, prefix: &[u8]) -> Result<Vec<Summary>, SyncError> {
        let map = self.shared.address_map()?;
        let mut ranges: Vec<_> = (0..256).map(|_| (0, blake3::Hasher::new())).collect();
        for (key, _) in map.prefix(prefix) {
            if let Some(byte) = key.get(prefix.len()) {
                let (blobs, hasher) = &mut ranges[usize::from(*byte)];
                *blobs += 1;
                hasher.update(key);
            }
        }
        let summary = |(blobs, hasher): (u64, blake3::Hasher)| Summary {
            blobs,
            hash: hasher.finalize().into(),
        };
        Ok(ranges.into_iter().map(summary).collect())
    }

    fn addresses(&mut self, prefix: &[u8]) -> Result<Vec<Address>, SyncError> {
        let map = self.shared.address_map()?;
        let keys = map.prefix(prefix).map(|(key, _)| key.as_ref().try_into());
        let addresses = keys.map(|key| key.map(Address::from_bytes));
        addresses
            .collect::<Result<_, _>>()
            .map_err(|_| SyncError::Inconsistent)
    }

    fn blob<'p>(&'p mut self, address: &Address) -> Result<Option<Box<dyn Read + 'p>>, SyncError> {
        match self.stat(address) {
            Ok(Some(stat)) => Ok(Some(Box::new(BlobReader {
                vault: self,
                address: *address,
                at: 0,
                bytes: stat.bytes,
                step: Vec::new(),
                used: 0,
            }))),
            Ok(None) | Err(GetError::Damaged { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// The bytes of a blob, each part checked before it is given.
struct BlobReader<'v> {
    vault: &'v Vault,
    address: Address,
    at: u64,
    bytes: u64,
    step: Vec<u8>,
    used: usize,
}

/// What is read at a time.
const STEP_BYTES: u64 = 1 << 20;

impl Read for BlobReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.used == self.step.len() && self.at < self.bytes {
            let end = self.bytes.min(self.at + STEP_BYTES);
            let step = self.vault.get_range(&self.address, self.at..end);
            let step = step.map_err(io::Error::other)?;
            self.step = step.ok_or(io::ErrorKind::NotFound)?;
            self.used = 0;
            self.at = end;
        }
        let part = buffer.len().min(self.step.len() - self.used);
        buffer[..part].copy_from_slice(&self.step[self.used..][..part]);
        self.used += part;
        Ok(part)
    }
}

/// How much came out of a reader.
struct Counted<R> {
    bytes: R,
    count: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let part = self.bytes.read(buffer)?;
        self.count += part as u64;
        Ok(part)
    }
}
