//! Writing an export.

use std::io::Write;
use std::ops::{Bound, ControlFlow};

use merkle_core::{Proof, Query, Subtree};

use super::chunk::{CHUNK_BYTES_MAX, CONTENT_BYTES_MAX, Chunk, ENTRIES_MAX, range};
use super::file::{CHUNK, TRAILER, sum};
use super::{Control, ExportError, ExportHeader, TransferProgress};
use crate::state::State;
use crate::{Fault, Snapshot, Version};

/// Subtrees that are loaded together.
const SUBTREES_TOGETHER: usize = 64;

/// How a version is exported.
///
/// ```no_run
/// # use std::{fs::File, ops::ControlFlow};
/// # use reality_db::{ExportOptions, Options, RealityDb};
/// let db = RealityDb::open("accounts.db", &Options::new())?;
/// let file = File::create("accounts.export")?;
/// let options = ExportOptions::new().chunk_bytes(1 << 18);
/// let report = db.snapshot()?.export(&file, &options, |progress| {
///     eprintln!("{} of {} entries", progress.entries, progress.entries_total);
///     ControlFlow::Continue(())
/// })?;
/// file.sync_all()?;
/// println!("version {} in {} bytes", report.version.number, report.bytes);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ExportOptions {
    chunk_bytes: usize,
}

impl Default for ExportOptions {
    fn default() -> Self {
        Self {
            chunk_bytes: 1 << 20,
        }
    }
}

impl ExportOptions {
    /// Chunks of 1 MiB.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Bytes of keys and values at which a chunk ends; 16 MiB at most. A chunk costs up to 2 kB
    /// beside its entries, and is what a reader holds in memory.
    #[must_use]
    pub fn chunk_bytes(mut self, bytes: usize) -> Self {
        self.chunk_bytes = bytes.min(CONTENT_BYTES_MAX);
        self
    }
}

/// What was exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExportReport {
    /// The version.
    pub version: Version,
    /// Its entries.
    pub entries: u64,
    /// Chunks of the file.
    pub chunks: u64,
    /// Bytes of the file.
    pub bytes: u64,
    /// Bytes of keys and values alone.
    pub content_bytes: u64,
}

impl Snapshot {
    /// Writes this version as a file that proves itself: [`RealityDb::import`] makes a database of
    /// it, [`verify_export`] checks it without one.
    ///
    /// The content only: neither earlier versions nor the commit's time and metadata. `writer` is
    /// given about a chunk at a time, needs no buffer, and is flushed at the end; making the file
    /// durable is up to the caller. `control` is called after each chunk and may end the export.
    ///
    /// Memory for a chunk is all that it takes: what is loaded from disk is let go. Commits, and
    /// reads of this snapshot, go on meanwhile.
    ///
    /// [`RealityDb::import`]: crate::RealityDb::import
    /// [`verify_export`]: crate::verify_export
    ///
    /// # Errors
    ///
    /// [`ExportError`]; what was written then is refused by every reader.
    pub fn export(
        &self,
        writer: impl Write,
        options: &ExportOptions,
        mut control: impl FnMut(TransferProgress) -> ControlFlow<()>,
    ) -> Result<ExportReport, ExportError> {
        let _span = tracing::debug_span!("export", version = self.version().number).entered();
        let state = self.noticed(self.state())?;
        let header = ExportHeader {
            version: self.version(),
            profile: self.shared.format.profile,
            key_mode: self.shared.format.key_mode,
            entries: state.link().entries,
        };
        let cutter = Cutter {
            state,
            chunk_bytes: options.chunk_bytes,
            loaded: Vec::new(),
        };
        let output = Output {
            writer,
            sum: sum(),
            report: ExportReport {
                version: self.version(),
                entries: 0,
                chunks: 0,
                bytes: 0,
                content_bytes: 0,
            },
        };
        self.write(cutter, output, &header, &mut control)
    }

    fn write<W: Write>(
        &self,
        mut cutter: Cutter,
        mut output: Output<W>,
        header: &ExportHeader,
        control: &mut Control<'_>,
    ) -> Result<ExportReport, ExportError> {
        output.write(&header.encode())?;
        let mut after = Vec::new();
        loop {
            let cut = self.noticed(cutter.cut(&after))?;
            let proof = self.noticed(cutter.prove(&after, &cut))?;
            let chunk = Chunk::new(&after, &cut.to, &proof);
            output.write_chunk(&chunk, &cut)?;
            let progress = output.progress(header);
            if control(progress).is_break() {
                return Err(ExportError::Cancelled {
                    chunks: progress.chunks,
                });
            }
            if chunk.is_last() {
                return output.finish();
            }
            cutter.let_go(&cut.to);
            after = cut.to;
        }
    }
}

/// Where a chunk ends, and how much is in it.
#[derive(Clone, Debug, Default)]
struct Cut {
    /// Its last key; empty if it goes to the end.
    to: Vec<u8>,
    entries: usize,
    content_bytes: usize,
}

/// Cuts a version into chunks.
struct Cutter {
    /// Our own, so that what we load and let go is nobody else's.
    state: State,
    chunk_bytes: usize,
    /// What was loaded and not yet let go.
    loaded: Vec<Subtree>,
}

impl Cutter {
    /// Finds where the chunk ends that begins after the key `after`.
    fn cut(&mut self, after: &[u8]) -> Result<Cut, Fault> {
        let catalogue = self.state.catalogue().cloned();
        let mut cut = Cut::default();
        let mut from = range(after, &[]).0;
        loop {
            let start = match from {
                Bound::Included(key) | Bound::Excluded(key) => key,
                Bound::Unbounded => &[],
            };
            // No further than the subtrees that are loaded together.
            let boundary = (catalogue.as_ref())
                .and_then(|catalogue| catalogue.boundary_after(start, SUBTREES_TOGETHER));
            let to = boundary.map_or(Bound::Unbounded, Bound::Excluded);
            let chunk_bytes = self.chunk_bytes;
            let filled = self.state.ask_noting(&mut self.loaded, |map| {
                let mut filled = cut.clone();
                let mut is_full = false;
                for (key, value) in map.range((from, to))? {
                    is_full = filled.entries > 0
                        && (filled.entries >= ENTRIES_MAX || filled.content_bytes >= chunk_bytes);
                    if is_full {
                        break;
                    }
                    filled.entries += 1;
                    filled.content_bytes += key.len() + value.bytes().map_or(0, <[u8]>::len);
                    filled.to.clear();
                    filled.to.extend(key);
                }
                Ok((filled, is_full))
            })?;
            cut = filled.0;
            match boundary {
                _ if filled.1 => return Ok(cut),
                Some(boundary) => from = Bound::Included(boundary),
                None => {
                    cut.to.clear();
                    return Ok(cut);
                }
            }
        }
    }

    /// Proves what is in the chunk.
    fn prove(&mut self, after: &[u8], cut: &Cut) -> Result<Proof, Fault> {
        let query = Query::new().range(range(after, &cut.to));
        (self.state).ask_noting(&mut self.loaded, |map| map.prove_query(&query))
    }

    /// Lets go of what was loaded and lies before the key `to`.
    fn let_go(&mut self, to: &[u8]) {
        let Self { state, loaded, .. } = self;
        loaded.retain(|subtree| {
            let is_needed = subtree.prefix() > to || subtree.contains(to);
            if !is_needed {
                state.evict(subtree);
            }
            is_needed
        });
    }
}

/// A file being written.
struct Output<W> {
    writer: W,
    sum: blake3::Hasher,
    report: ExportReport,
}

impl<W: Write> Output<W> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), ExportError> {
        self.writer.write_all(bytes)?;
        self.sum.update(bytes);
        self.report.bytes += bytes.len() as u64;
        Ok(())
    }

    fn write_chunk(&mut self, chunk: &Chunk, cut: &Cut) -> Result<(), ExportError> {
        let bytes = chunk.bytes();
        let len = u32::try_from(bytes.len()).ok();
        let Some(len) = len.filter(|_| bytes.len() <= CHUNK_BYTES_MAX) else {
            return Err(ExportError::ChunkTooLarge {
                after: chunk.after().to_vec(),
            });
        };
        self.write(&[CHUNK])?;
        self.write(&len.to_be_bytes())?;
        self.write(bytes)?;
        self.report.chunks += 1;
        self.report.entries += cut.entries as u64;
        self.report.content_bytes += cut.content_bytes as u64;
        Ok(())
    }

    fn progress(&self, header: &ExportHeader) -> TransferProgress {
        TransferProgress {
            chunks: self.report.chunks,
            entries: self.report.entries,
            entries_total: header.entries,
            bytes: self.report.bytes,
        }
    }

    fn finish(mut self) -> Result<ExportReport, ExportError> {
        self.write(&[TRAILER])?;
        self.write(&self.report.chunks.to_be_bytes())?;
        let sum = self.sum.finalize();
        self.write(sum.as_bytes())?;
        self.writer.flush()?;
        Ok(self.report)
    }
}

const _: () = assert!(CHUNK_BYTES_MAX <= u32::MAX as usize);
