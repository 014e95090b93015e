//! Creating and opening a vault, and recovering what a process left that died.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, RwLock};

use super::{IGNORED, Shared, Vault};
use crate::collection::{self, Collection};
use crate::content;
use crate::group::Group;
use crate::index::{Index, IndexFile, Place};
use crate::large::Large;
use crate::roots::{self, Roots};
use crate::segment::{
    self, FILE_HEADER_BYTES, Found, HEADER_BYTES, Header, Kind, NotASegment, Scan,
};
use crate::volume::{DiskVolume, Sharing, VaultFile, Volume, create_scratch, sweep_scratch};
use crate::watched::{Content, Watched};
use crate::writer::{Active, Writer};
use crate::{Address, OpenError, Options};

/// What opening found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct OpenReport {
    /// Records read from segments because the index did not have them.
    pub replayed: u64,
    /// The index was missing or damaged, and was made again from the segments.
    pub index_rebuilt: bool,
    /// Ends of segments that were cut off: what a process was writing when it died.
    pub cuts: Vec<Cut>,
    /// Places in segments that should be records and are not, as file and byte: damage.
    pub gaps: Vec<(String, u64)>,
    /// Files that should be segments and are not, or that the index has and that are gone: damage.
    pub bad_files: Vec<String>,
}

/// The end of a segment that was cut off and lies in the folder `quarantine`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cut {
    /// The segment.
    pub file: String,
    /// Where it was cut.
    pub at: u64,
    /// How many bytes were cut off.
    pub bytes: u64,
    /// The blobs whose whole records are among them but not their right content. If one of them was
    /// acknowledged as durable, this is damage.
    pub blobs: Vec<Address>,
}

/// Its presence says that a folder is a vault.
const FORMAT_NAME: &str = "vault";
const FORMAT: &[u8; 8] = b"d360vlt\x01";

impl Vault {
    /// Opens the vault in the folder `path`, or creates it.
    ///
    /// Several processes may have it open. What a process left that died is put in order: see
    /// [`open_report`](Self::open_report). Costs reading the index, 44 bytes a blob, and what was put
    /// since it was written.
    ///
    /// # Errors
    ///
    /// [`OpenError`]. Damage is no error here: it is reported, and told by the read that meets it.
    pub fn open(path: impl AsRef<Path>, options: &Options) -> Result<Self, OpenError> {
        Self::open_on(path.as_ref(), options, &|volume| Box::new(volume))
    }

    /// The same, on files as `wrap` makes them.
    pub(super) fn open_on(
        path: &Path,
        options: &Options,
        wrap: &dyn Fn(DiskVolume) -> Box<dyn Volume>,
    ) -> Result<Self, OpenError> {
        if !options.create && !path.join(FORMAT_NAME).exists() {
            let path = path.to_owned();
            return Err(OpenError::Missing { path });
        }
        let root = wrap(DiskVolume::open(path)?);
        check_format(&*root, path)?;
        let folder = |name: &str| DiskVolume::open(&path.join(name)).map(wrap);
        let (segments, large) = (folder("segments")?, folder("large")?);
        let quarantine = folder("quarantine")?;
        sweep_scratch(&*root)?;
        sweep_scratch(&*large)?;
        Opening {
            options,
            root,
            segments,
            large,
            quarantine,
            index: Index::default(),
            files: HashMap::new(),
            known: BTreeMap::new(),
            report: OpenReport::default(),
            active: None,
            collection: Watched::new(collection::NAME, Collection::decode),
            roots: Watched::new(roots::NAME, Roots::decode),
        }
        .run(path)
    }
}

/// Checks that the folder is a vault, or makes it one if it is empty.
fn check_format(root: &dyn Volume, path: &Path) -> Result<(), OpenError> {
    match root.open(FORMAT_NAME) {
        Ok(file) => {
            let mut bytes = [0; FORMAT.len()];
            let read = file.read_at(0, &mut bytes);
            let same_name = bytes[..7] == FORMAT[..7];
            match read {
                Ok(()) if bytes == *FORMAT && file.len()? == FORMAT.len() as u64 => Ok(()),
                Ok(()) if same_name => Err(OpenError::UnknownVersion {
                    name: FORMAT_NAME.to_owned(),
                    found: bytes[7],
                }),
                Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => Err(error.into()),
                _ => Err(OpenError::NotAVault {
                    path: path.to_owned(),
                }),
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => create_format(root, path),
        Err(error) => Err(error.into()),
    }
}

fn create_format(root: &dyn Volume, path: &Path) -> Result<(), OpenError> {
    let names = [FORMAT_NAME, roots::NAME, roots::LOCK];
    let ours = |name: &String| name.ends_with(".tmp") || names.contains(&name.as_str());
    if !root.list()?.iter().all(ours) {
        return Err(OpenError::NotAVault {
            path: path.to_owned(),
        });
    }
    // From the first moment on there are roots: where there are none later, they were lost.
    {
        let _held = root.lock(roots::LOCK, Sharing::Alone)?;
        if root.identity(roots::NAME)?.is_none() {
            Roots::default().write(root)?;
        }
    }
    let (scratch, file) = create_scratch(root)?;
    file.write_at(0, FORMAT)?;
    file.sync()?;
    root.seal(&scratch)?;
    root.rename(&scratch, FORMAT_NAME)?;
    root.sync()?;
    Ok(())
}

/// A vault on its way to being open.
struct Opening<'o> {
    options: &'o Options,
    root: Box<dyn Volume>,
    segments: Box<dyn Volume>,
    large: Box<dyn Volume>,
    quarantine: Box<dyn Volume>,
    index: Index,
    files: HashMap<u32, Arc<dyn VaultFile>>,
    known: BTreeMap<u32, u64>,
    report: OpenReport,
    /// The segment that puts go on in.
    active: Option<Active>,
    collection: Watched<Collection>,
    roots: Watched<Roots>,
}

impl Opening<'_> {
    fn run(mut self, path: &Path) -> Result<Vault, OpenError> {
        // In this order: a segment that the index has and the list has not was collected, and what is read
        // last says so; or it was lost.
        let file = IndexFile::read(&*self.root)?;
        let names = self.segments.list()?;
        let mut numbers: Vec<u32> = names
            .iter()
            .filter_map(|name| segment::number(name))
            .collect();
        numbers.sort_unstable();
        let collection = match self.collection.get(&*self.root)? {
            Content::Whole(collection) => collection,
            Content::Missing => Arc::default(),
            Content::Damaged => {
                self.report.bad_files.push(collection::NAME.to_owned());
                Arc::default()
            }
        };
        if !matches!(self.roots.get(&*self.root)?, Content::Whole(_)) {
            self.report.bad_files.push(roots::NAME.to_owned());
        }
        let covered = self.take_index(file, &numbers, &collection);
        for &number in &numbers {
            let condemned = collection.takes(number);
            self.segment(number, covered.get(&number).copied(), condemned)?;
        }
        let next = numbers.last().map_or(1, |last| last.saturating_add(1));
        let writer = Writer::new(self.active, next, self.options.segment_bytes);
        Ok(Vault {
            shared: Arc::new(Shared {
                path: path.to_owned(),
                options: self.options.clone(),
                root: self.root,
                segments: self.segments,
                quarantine: self.quarantine,
                large: Large::new(self.large),
                writer: Mutex::new(writer),
                group: Group::default(),
                index: RwLock::new(self.index),
                files: RwLock::new(self.files),
                known: Mutex::new(self.known),
                complete: Mutex::default(),
                settling: Mutex::new(()),
                report: self.report,
                catalogue: Mutex::new(None),
                addresses: Mutex::default(),
                collection: self.collection,
                roots: self.roots,
            }),
        })
    }

    /// Takes the index file, if it can be used, and says how far it covers each segment.
    fn take_index(
        &mut self,
        file: Option<IndexFile>,
        numbers: &[u32],
        collection: &Collection,
    ) -> BTreeMap<u32, u64> {
        let Some(file) = file else {
            self.report.index_rebuilt = !numbers.is_empty();
            return BTreeMap::new();
        };
        self.index = Index::from_file(file.run, file.others);
        let gone = (file.covered.iter())
            .map(|covered| covered.segment)
            .filter(|segment| !numbers.contains(segment));
        let (collected, lost): (BTreeSet<u32>, BTreeSet<u32>) =
            gone.partition(|segment| collection.takes(*segment));
        if !collected.is_empty() {
            self.index.remove_segments(&collected);
        }
        // What was in them is missed, and said to be damaged, when it is read.
        self.report
            .bad_files
            .extend(lost.into_iter().map(segment::name));
        (file.covered.iter())
            .map(|covered| (covered.segment, covered.bytes))
            .collect()
    }

    fn segment(
        &mut self,
        number: u32,
        covered: Option<u64>,
        condemned: bool,
    ) -> Result<(), OpenError> {
        let name = segment::name(number);
        // Nothing is written to one that goes, whatever somebody did to its permissions.
        let held = match condemned {
            true => Ok(None),
            false => self.segments.hold(&name),
        };
        let file = held.and_then(|held| match held {
            Some(file) => Ok((Some(Arc::clone(&file)), file)),
            None => Ok((None, self.segments.open(&name)?)),
        });
        let (held, file) = match file {
            // Collected since it was listed: the first refresh forgets what was in it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.known.insert(number, IGNORED);
                return Ok(());
            }
            file => file?,
        };
        self.known.insert(number, IGNORED);
        match segment::check_file_header(&*file, number)? {
            // Nothing was ever acknowledged in it. It stays, as an empty one: were it the last, its number
            // would be given again.
            Err(NotASegment::Short) if held.is_some() => {
                let completed = (file.truncate(0))
                    .and_then(|()| file.write_at(0, &segment::file_header(number)))
                    .and_then(|()| file.sync())
                    .and_then(|()| self.segments.sync());
                if completed.is_err() {
                    // There is no room for it, which is no reason not to read the others.
                    self.known.remove(&number);
                    return Ok(());
                }
            }
            Err(NotASegment::Short) => {
                self.known.remove(&number); // its process is about to write it
                return Ok(());
            }
            Err(NotASegment::Version(found)) => {
                return Err(OpenError::UnknownVersion { name, found });
            }
            // Its records say what they are themselves.
            Err(NotASegment::Damaged) => self.report.bad_files.push(name),
            Ok(()) => {}
        }
        let mut from = covered.unwrap_or(FILE_HEADER_BYTES as u64);
        let is_an_end = from >= FILE_HEADER_BYTES as u64 && from.is_multiple_of(8);
        if from > file.len()? || !is_an_end {
            self.report.bad_files.push(segment::name(number));
            from = FILE_HEADER_BYTES as u64;
        }
        let end = self.records(number, &*file, from, held.is_some())?;
        self.known.insert(number, end);
        if let Some(file) = held {
            self.recover(number, &file, from, end)?;
        } else {
            self.files.insert(number, file);
        }
        Ok(())
    }

    /// Enters the records from `from` on, and says where they end. In a segment that nobody writes,
    /// those at the end that have another content than their address says do not count.
    fn records(
        &mut self,
        number: u32,
        file: &dyn VaultFile,
        from: u64,
        dead: bool,
    ) -> io::Result<u64> {
        let mut end = from;
        let mut bad: Vec<(Address, Place)> = Vec::new();
        let mut gaps = Vec::new();
        for found in Scan::new(file, from)? {
            let (at, header) = match found? {
                Found::Record { at, header } => (at, header),
                Found::Gap { at_end: true, .. } => break,
                Found::Gap { at, .. } => {
                    gaps.push((segment::name(number), at));
                    continue;
                }
            };
            let place = Place::new(number, at, &header);
            if dead && !is_good(file, at, &header)? {
                bad.push((header.address, place));
                continue;
            }
            // Something good comes behind them: they are damage, and stay to be told of.
            bad.push((header.address, place));
            for (address, place) in bad.drain(..) {
                self.report.replayed += 1;
                match place.at == at {
                    true => self.index.insert(address, place),
                    false => self.index.enter(address, place),
                }
            }
            self.report.gaps.append(&mut gaps);
            end = at + header.record_bytes();
        }
        if dead && end < file.len()? {
            self.report.cuts.push(Cut {
                file: segment::name(number),
                at: end,
                bytes: file.len()? - end,
                blobs: bad.into_iter().map(|(address, _)| address).collect(),
            });
        }
        Ok(end)
    }

    /// Puts a segment in order that no process writes any more, and goes on in it.
    fn recover(
        &mut self,
        number: u32,
        file: &Arc<dyn VaultFile>,
        from: u64,
        end: u64,
    ) -> io::Result<()> {
        let len = file.len()?;
        if end < len {
            self.keep_cut(number, &**file, end, len)?;
            file.truncate(end)?;
        }
        if from < len {
            file.sync()?;
        }
        let before = self.active.replace(Active {
            number,
            file: Arc::clone(file),
            len: end,
            synced: end,
        });
        // One is enough to go on in, and others are left to other processes.
        drop(before);
        Ok(())
    }

    fn keep_cut(&self, number: u32, file: &dyn VaultFile, end: u64, len: u64) -> io::Result<()> {
        let name = format!("{number:010}-{end}.cut");
        self.quarantine.remove(&name)?;
        let kept = self.quarantine.create(&name)?;
        let mut buffer = vec![0; 64 << 10];
        let mut at = end;
        while at < len {
            let part = buffer
                .len()
                .min(usize::try_from(len - at).unwrap_or(usize::MAX));
            file.read_at(at, &mut buffer[..part])?;
            kept.write_at(at - end, &buffer[..part])?;
            at += part as u64;
        }
        kept.sync()?;
        self.quarantine.sync()
    }
}

/// Whether a record has the content that its address says.
fn is_good(file: &dyn VaultFile, at: u64, header: &Header) -> io::Result<bool> {
    if header.kind == Kind::Large {
        return Ok(true); // checked by whoever reads it
    }
    let stored = usize::try_from(header.stored_bytes).expect("bounded where it was read");
    let mut record = vec![0; HEADER_BYTES + stored];
    file.read_at(at, &mut record)?;
    Ok(content::decode(record, &header.address).is_ok())
}
