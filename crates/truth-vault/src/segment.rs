//! A segment: a file of records, each a blob with its address, one behind the other.
//!
//! The bytes are specified in `docs/formats/vault.md`.

mod record;
mod scan;

pub(crate) use record::{BLOB_BYTES_MAX, Coding, HEADER_BYTES, Header, Kind, padded};
pub(crate) use scan::{Found, Scan};

use crate::volume::{VaultFile, Volume};

/// Bytes before the first record.
pub(crate) const FILE_HEADER_BYTES: usize = 32;

const MAGIC: &[u8; 7] = b"d360seg";
const VERSION: u8 = 1;

/// Why a file is not a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotASegment {
    /// Cut off within its header, as a process that dies while making it leaves it.
    Short,
    /// Something else.
    Damaged,
    /// A segment of a version that is not known here.
    Version(u8),
}

/// The first bytes of segment `number`.
pub(crate) fn file_header(number: u32) -> [u8; FILE_HEADER_BYTES] {
    let mut bytes = [0; FILE_HEADER_BYTES];
    bytes[..7].copy_from_slice(MAGIC);
    bytes[7] = VERSION;
    bytes[8..12].copy_from_slice(&number.to_le_bytes());
    let check = record::check(&bytes[..24]);
    bytes[24..].copy_from_slice(&check);
    bytes
}

/// Checks the first bytes of segment `number`.
pub(crate) fn check_file_header(
    file: &dyn VaultFile,
    number: u32,
) -> std::io::Result<Result<(), NotASegment>> {
    if file.len()? < FILE_HEADER_BYTES as u64 {
        return Ok(Err(NotASegment::Short));
    }
    let mut bytes = [0; FILE_HEADER_BYTES];
    file.read_at(0, &mut bytes)?;
    Ok(if bytes == file_header(number) {
        Ok(())
    } else if bytes[..7] == *MAGIC
        && bytes[24..] == record::check(&bytes[..24])
        && bytes[7] != VERSION
    {
        Err(NotASegment::Version(bytes[7]))
    } else {
        Err(NotASegment::Damaged)
    })
}

/// The file of segment `number`.
pub(crate) fn name(number: u32) -> String {
    format!("{number:010}.seg")
}

/// The number of the segment in the file `name`, if it is one.
pub(crate) fn number(file: &str) -> Option<u32> {
    let number = file.strip_suffix(".seg")?.parse().ok()?;
    (name(number) == file).then_some(number)
}

/// The highest number that a segment in the folder has.
pub(crate) fn last(volume: &dyn Volume) -> std::io::Result<Option<u32>> {
    let names = volume.list()?;
    Ok(names.iter().filter_map(|name| number(name)).max())
}

#[cfg(test)]
mod tests;
