//! Blobs out of the vault and into it, as CAR files.

use std::io::{self, Read, Seek, Write};

use super::Vault;
use crate::{
    Address, CarCid, CarError, CarReader, CarWriter, Durability, GetError, IndexedCarWriter,
    PutError, PutOptions,
};

impl Vault {
    /// Writes blobs as a CARv1, in the order given, which names `roots`. Says how many and how long
    /// they are.
    ///
    /// # Errors
    ///
    /// [`CarExportError`]; what was written is of no use then.
    pub fn export_car(
        &self,
        out: impl Write,
        roots: &[Address],
        blobs: impl IntoIterator<Item = Address>,
    ) -> Result<CarReport, CarExportError> {
        let mut writer = CarWriter::new(out, roots)?;
        let report = self.export_to(&mut writer, blobs)?;
        writer.finish()?;
        Ok(report)
    }

    /// As [`export_car`](Self::export_car), as a CARv2 with an index.
    ///
    /// # Errors
    ///
    /// [`CarExportError`]; what was written is of no use then.
    pub fn export_indexed_car(
        &self,
        out: impl Write + Seek,
        roots: &[Address],
        blobs: impl IntoIterator<Item = Address>,
    ) -> Result<CarReport, CarExportError> {
        let mut writer = IndexedCarWriter::new(out, roots)?;
        let report = self.export_to(&mut writer, blobs)?;
        writer.finish()?;
        Ok(report)
    }

    /// Puts every block of a CAR file whose CID has a SHA-256, whatever its codec, in constant memory.
    /// Others are counted and skipped.
    ///
    /// # Errors
    ///
    /// [`CarImportError`]; the blobs before are in, and durable only if a later call makes them so.
    pub fn import_car(
        &self,
        input: impl Read,
        durability: Durability,
    ) -> Result<CarReport, CarImportError> {
        let mut reader = CarReader::new(input)?;
        let mut report = CarReport {
            roots: reader.roots().to_vec(),
            ..CarReport::default()
        };
        let class = durability.min(Durability::Batch); // one sync at the end
        while let Some(mut block) = reader.next_block()? {
            let Some(address) = block.cid().address() else {
                report.skipped += 1;
                continue;
            };
            let bytes = block.length();
            // An address that is expected would keep what was read of a bad block, to be resumed.
            let options = PutOptions::new().durability(class);
            let put = self.put_reader(&mut block, &options);
            let put = put.map_err(|error| match error {
                PutError::Source(error) => CarImportError::Car(CarError::unwrapped(error)),
                error => CarImportError::Put(error),
            })?;
            debug_assert_eq!(put, address, "the block was held against its CID");
            report.blobs += 1;
            report.bytes += bytes;
        }
        if durability == Durability::Each {
            self.sync()?;
        }
        Ok(report)
    }

    fn export_to(
        &self,
        writer: &mut impl Append,
        blobs: impl IntoIterator<Item = Address>,
    ) -> Result<CarReport, CarExportError> {
        let mut report = CarReport::default();
        for address in blobs {
            let missing = CarExportError::Missing { address };
            let bytes = self.stat(&address)?.ok_or(missing)?.bytes;
            let content = BlobReader {
                vault: self,
                address,
                at: 0,
                bytes,
                step: Vec::new(),
                taken: 0,
            };
            let appended = writer.append(address, bytes, content);
            appended.map_err(|error| match error {
                CarError::Io(error) => match error.downcast::<GetError>() {
                    Ok(error) => CarExportError::Get(error),
                    Err(error) => CarExportError::Car(error.into()),
                },
                error => CarExportError::Car(error),
            })?;
            report.blobs += 1;
            report.bytes += bytes;
        }
        Ok(report)
    }
}

/// What was exported or imported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CarReport {
    /// How many blobs.
    pub blobs: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Import: blocks under other hash functions than SHA-256, which were left out.
    pub skipped: u64,
    /// Import: the roots that the file names.
    pub roots: Vec<CarCid>,
}

/// Why blobs were not exported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CarExportError {
    /// The vault does not have a blob.
    #[error("the vault does not have {address}")]
    Missing {
        /// The blob.
        address: Address,
    },
    /// A blob is damaged or cannot be read.
    #[error("a blob was not got")]
    Get(#[from] GetError),
    /// The file could not be written.
    #[error("the CAR file was not written")]
    Car(#[from] CarError),
}

/// Why blobs were not imported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CarImportError {
    /// The file was refused.
    #[error("the CAR file was refused")]
    Car(#[from] CarError),
    /// A blob could not be put.
    #[error("a blob was not put")]
    Put(#[from] PutError),
}

/// A CAR file of either version.
trait Append {
    fn append(&mut self, address: Address, bytes: u64, content: impl Read) -> Result<(), CarError>;
}

impl<W: Write> Append for CarWriter<W> {
    fn append(&mut self, address: Address, bytes: u64, content: impl Read) -> Result<(), CarError> {
        self.append_reader(address, bytes, content)
    }
}

impl<W: Write + Seek> Append for IndexedCarWriter<W> {
    fn append(&mut self, address: Address, bytes: u64, content: impl Read) -> Result<(), CarError> {
        self.append_reader(address, bytes, content)
    }
}

/// A blob as a stream, checked step by step.
struct BlobReader<'v> {
    vault: &'v Vault,
    address: Address,
    /// Where the next step begins.
    at: u64,
    bytes: u64,
    step: Vec<u8>,
    /// How much of the step was given out.
    taken: usize,
}

impl Read for BlobReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.taken == self.step.len() && self.at < self.bytes {
            let end = self.bytes.min(self.at + STEP_BYTES);
            let step = self.vault.get_range(&self.address, self.at..end);
            let step = step.map_err(io::Error::other)?;
            self.step = step.ok_or(io::ErrorKind::NotFound)?;
            self.taken = 0;
            self.at = end;
        }
        let count = buffer.len().min(self.step.len() - self.taken);
        buffer[..count].copy_from_slice(&self.step[self.taken..self.taken + count]);
        self.taken += count;
        Ok(count)
    }
}

/// What is read at a time.
const STEP_BYTES: u64 = 1 << 20;
