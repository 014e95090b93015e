//! The mark of an import that did not come to its end: until then the folder holds no database.

use std::io;

use super::ExportHeader;
use super::header::HEADER_BYTES;
use crate::record::CommitKind;
use crate::volume::Volume;
use crate::{Damage, Fault, OpenError, journal::Journal};

/// Name of the file: the header of the export.
pub(crate) const NAME: &str = "IMPORTING";
pub(crate) const NEW_NAME: &str = "IMPORTING.new";

/// Says that an import of what `header` describes begins. Durable before anything else is.
pub(super) fn write(folder: &dyn Volume, header: &ExportHeader) -> io::Result<()> {
    let mut file = folder.create(NEW_NAME)?;
    file.append(&header.encode())?;
    file.sync()?;
    folder.rename(NEW_NAME, NAME)?;
    folder.sync()
}

/// The export whose import was begun; none if none is unfinished.
pub(super) fn read(folder: &dyn Volume) -> Result<Option<ExportHeader>, OpenError> {
    let file = match folder.open(NAME) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let mut bytes = [0; HEADER_BYTES];
    let damaged = || OpenError::Damaged(Damage::Format);
    if file.len()? != HEADER_BYTES as u64 {
        return Err(damaged());
    }
    file.read_at(0, &mut bytes)?;
    let header = ExportHeader::decode(&bytes).map_err(|_| damaged())?;
    Ok(Some(header))
}

/// Says that the import is finished, once all of it is durable.
pub(super) fn remove(folder: &dyn Volume) -> io::Result<()> {
    folder.remove(NAME)?;
    folder.sync()
}

/// Refuses a folder whose import is unfinished.
pub(crate) fn refuse(folder: &dyn Volume) -> Result<(), OpenError> {
    match read(folder)? {
        None => Ok(()),
        Some(header) => Err(OpenError::ImportUnfinished {
            version: header.version.number,
        }),
    }
}

/// Number of the version that the journal begins to import; 0 if it does not begin so.
///
/// What it has of the versions before is only the beginning of that one's content.
///
/// # Errors
///
/// [`Damage::Record`] if the import has an end up to version `newest` and its record is not there.
pub(crate) fn imported(journal: &Journal, newest: u64) -> Result<u64, Fault> {
    let imported = |from| match journal.peek(from) {
        Ok(Some((version, header))) => Ok(match header.kind {
            CommitKind::Import { version: exported } => Some((version, exported)),
            _ => None,
        }),
        Ok(None) => Ok(None),
        Err(fault) => Err(fault),
    };
    let Some((first, exported)) = imported(1)? else {
        return Ok(0);
    };
    if exported <= newest && imported(exported)? != Some((exported, exported)) {
        return Err(Damage::Record { version: first }.into());
    }
    Ok(exported)
}
