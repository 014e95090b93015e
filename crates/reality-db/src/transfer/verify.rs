//! Verifying an export without a database.

use std::io::Read;
use std::ops::ControlFlow;

use merkle_core::Hash;

use super::file::ExportFile;
use super::{ExportFileError, ExportHeader, TransferProgress};

/// Checks an export, every byte of it, without a database: what it is of, if it is sound.
///
/// `expected` is the version and the root that the caller knows from elsewhere. Without it, the
/// export is held against its own header: that finds damage, not forgery. `control` is called after
/// each chunk, and may end the verification. Holds one chunk in memory. The reader is read to its end;
/// it needs no buffer.
///
/// # Errors
///
/// [`ExportFileError`], naming the first bad chunk.
///
/// ```
/// # use std::ops::ControlFlow;
/// # use reality_db::{Backend, ExportOptions, Options, RealityDb, verify_export};
/// # let db = RealityDb::open("unused", &Options::new().backend(Backend::Memory))?;
/// let version = db.put(b"alice", b"900")?;
/// let mut file = Vec::new();
/// let go_on = |_| ControlFlow::Continue(());
/// db.snapshot()?.export(&mut file, &ExportOptions::new(), go_on)?;
///
/// let header = verify_export(&file[..], Some((version.number, version.root)), go_on)?;
/// assert_eq!(header.entries, 1);
///
/// let last = file.len() - 50;
/// file[last] ^= 1;
/// assert!(verify_export(&file[..], None, go_on).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn verify_export(
    reader: impl Read,
    expected: Option<(u64, Hash)>,
    mut control: impl FnMut(TransferProgress) -> ControlFlow<()>,
) -> Result<ExportHeader, ExportFileError> {
    let mut file = ExportFile::open(reader, expected)?;
    let header = *file.header();
    let mut entries = 0;
    while let Some(chunk) = file.next_chunk()? {
        let proof = chunk.proof().map_err(|fault| file.bad(&chunk, fault))?;
        let proved = chunk.verify(&proof, &header);
        entries += proved.map_err(|fault| file.bad(&chunk, fault))?.len() as u64;
        let progress = file.progress(entries);
        if control(progress).is_break() {
            return Err(ExportFileError::Cancelled {
                chunks: progress.chunks,
            });
        }
    }
    if entries != header.entries {
        return Err(ExportFileError::Entries {
            expected: header.entries,
            found: entries,
        });
    }
    Ok(header)
}
