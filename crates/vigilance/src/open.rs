//! Opening a trail: what is there, whether it is what it was, and where it goes on.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;
use std::thread;

use merkle_core::{EMPTY_LOG_ROOT, Hash, RootPlan, SignedNote, TreeHead, TreeSize, log_leaf_hash};
use rusqlite::{Connection, OptionalExtension};

use crate::background::Background;
use crate::connection::{self, DATABASE, Gate};
use crate::content::Contents;
use crate::edge::{Edge, LEVEL_MAX};
use crate::erase;
use crate::error::{Known, OpenError, ReadError, StorageError};
use crate::health::{Damage, Health, TileFault, Witness};
use crate::lock::FolderLock;
use crate::migration::{self, Step};
use crate::options::{Expected, Options};
use crate::outside::{self, Outside};
use crate::projection;
use crate::schema;
use crate::segment;
use crate::shared::Shared;
use crate::tiles::tile_id;
use crate::trail::{Handle, Trail};
use crate::writer::{Start, Writer, watch_wal};

/// What was found when a trail was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct OpenReport {
    /// Whether the trail was created.
    pub created: bool,
    /// The earlier layout of the database that it was brought from, if it was.
    pub migrated_from: Option<i64>,
    /// How many records there are.
    pub size: u64,
    /// The size that was marked outside, if there was a mark.
    pub marked: Option<u64>,
    /// How many erasable texts were overwritten because their record never came.
    pub swept: usize,
    /// What is wrong. Where it is not empty, the trail is in panic mode.
    pub damage: Vec<Damage>,
}

impl Trail {
    /// Opens the trail in the folder at `path`, or creates it.
    ///
    /// What it reads does not grow with the log: the right edge of the tree, the marks outside, and the
    /// root at each size that somebody vouches for. Where something is not as it was, the trail opens in
    /// panic mode ([`health`](Self::health)): it can be read, and not be written.
    ///
    /// A database of an earlier layout is brought to the present one first, in one transaction; its records
    /// and their proofs are what they were. An earlier release cannot open it afterwards.
    ///
    /// # Errors
    ///
    /// [`OpenError`]; nothing was changed then.
    pub fn open(path: impl AsRef<Path>, options: &Options) -> Result<Self, OpenError> {
        Self::open_with(path.as_ref(), options, migration::STEPS)
    }

    /// Opens it with other steps from earlier layouts.
    pub(crate) fn open_with(
        path: &Path,
        options: &Options,
        steps: &[Step],
    ) -> Result<Self, OpenError> {
        Self::open_at(path, options, steps).map_err(unreadable)
    }

    fn open_at(path: &Path, options: &Options, steps: &[Step]) -> Result<Self, OpenError> {
        let expected = expected(options)?;
        let outside_folder = options.outside.clone().unwrap_or_else(|| path.to_owned());
        let mut outside = Outside::new(&outside_folder, &options.origin, options.keys());
        if !path.join(DATABASE).exists() && !options.create && !outside.read()?.any {
            let path = path.to_owned();
            return Err(OpenError::NotFound { path });
        }
        fs::create_dir_all(path)?;
        fs::create_dir_all(&outside_folder)?;
        let lock = FolderLock::take(path)?;
        let marks = outside.read()?;
        let created = !path.join(DATABASE).exists();
        let marked = marks.known.iter().map(|(_, it)| it.size).max().unwrap_or(0);
        if created
            && (marked > 0 || !marks.damage.is_empty() || !options.create)
            && !options.catch_up
        {
            let damage = Damage::DatabaseLost { marked };
            let _ = outside.incident(&damage.to_string());
            return Err(OpenError::Damaged(Box::new(damage)));
        }
        if created && !marks.any {
            // Before anything is there to be lost, so that a mark that is missing later was removed.
            let text = outside::text_of(&options.origin, TreeHead::EMPTY, options.signer.as_ref());
            outside.mark(&text.map_err(|_| OpenError::BadOrigin)?)?;
            outside.sync()?;
            File::open(path)?.sync_all()?;
        }
        let (mut conn, migrated_from) = database(path, options, created, steps)?;
        let gate = Gate::default();
        let mut report = OpenReport {
            created,
            migrated_from,
            ..OpenReport::default()
        };
        if !created {
            report.damage.extend(schema::check(&conn)?);
            report.damage.extend(marks.damage);
            if !marks.known.iter().any(|(by, _)| *by == Witness::Mark)
                && report
                    .damage
                    .iter()
                    .all(|it| !matches!(it, Damage::Outside { .. }))
            {
                report.damage.push(Damage::Outside {
                    file: outside::MARK.to_owned(),
                    why: "missing".to_owned(),
                });
            }
        }
        let (edge, link, damage) = edge(&conn)?;
        report.size = edge.size();
        report.damage.extend(damage);
        let known = marks.known.iter().copied();
        let known: Vec<_> = known
            .chain(expected.map(|it| (Witness::Caller, it)))
            .collect();
        report.marked = (known.iter())
            .find(|(by, _)| *by == Witness::Mark)
            .map(|(_, it)| it.size);
        let shared = Shared::new(
            path,
            edge,
            Health::Sound,
            options.queue_records,
            options.cache_bytes,
        );
        for (by, known) in &known {
            report.damage.extend(against(&shared, *by, *known)?);
        }
        if let Some(damage) = report.damage.first() {
            let _ = outside.incident(&damage.to_string());
            shared.set_panic(damage);
        }
        let mut contents = Contents::load(&conn)?;
        let mut projections = projection::all();
        if report.damage.is_empty() {
            // From here on records may come: the mark does not say any more that it was closed.
            let head = shared.edge().head();
            let text = outside::text_of(&options.origin, head, options.signer.as_ref());
            outside.mark(&text.map_err(|_| OpenError::BadOrigin)?)?;
            conn.execute_batch("BEGIN IMMEDIATE")?;
            if !options.keep_staged {
                report.swept = contents.sweep(&conn)?;
            }
            conn.execute_batch("COMMIT")?;
            let scrub = "SELECT 1 FROM meta WHERE name = 'scrub'";
            if report.swept > 0 || conn.prepare(scrub)?.exists([])? {
                erase::scrub(&conn)?;
            }
        }
        // Also where nothing is appended: whatever is wrong with the tables, the log may be read.
        for projection in &mut projections {
            match projection.load(&conn) {
                Err(error) if report.damage.is_empty() => return Err(error.into()),
                _ => {}
            }
        }
        connection::guard(&mut conn, &gate)?;
        watch_wal(&mut conn)?;
        let shared = Arc::new(shared);
        let checkpointed = (known.iter())
            .find(|(by, _)| *by == Witness::Checkpoint)
            .map_or(0, |(_, it)| it.size);
        let background = Background::start(shared.database())?;
        let writer = Writer::new(Start {
            conn,
            shared: Arc::clone(&shared),
            projections,
            contents,
            link,
            outside,
            options: options.clone(),
            gate,
            checkpointed,
            known: expected.map(|it| (Witness::Caller, it)),
            background,
        });
        let thread = thread::Builder::new().name("vigilance".to_owned());
        let thread = thread.spawn(move || writer.run())?;
        Ok(Self::from_handle(Handle::new(
            shared,
            thread,
            lock,
            report,
            options.clone(),
        )))
    }
}

/// What the caller vouches for.
fn expected(options: &Options) -> Result<Option<Known>, OpenError> {
    if outside::text_of(&options.origin, TreeHead::EMPTY, None).is_err()
        || options.origin.len() > ORIGIN_BYTES_MAX
    {
        return Err(OpenError::BadOrigin);
    }
    match &options.expected {
        None => Ok(None),
        Some(Expected::Head(head)) => Ok(Some(Known {
            size: head.size.get(),
            root: head.root,
            is_closed: false,
        })),
        Some(Expected::Note(note)) => {
            let text = SignedNote::to_string(note);
            let known = outside::known(&text, &options.origin, &options.keys());
            known
                .map(Some)
                .map_err(|why| OpenError::BadCheckpoint { why })
        }
    }
}

/// Opens the database, creates what is in it if it is new, brings it to the present layout if it is of an
/// earlier one, which is given, and refuses what is not ours.
fn database(
    path: &Path,
    options: &Options,
    created: bool,
    steps: &[Step],
) -> Result<(Connection, Option<i64>), OpenError> {
    let file = path.join(DATABASE);
    let conn = connection::writer(&file, options.cache_bytes)?;
    let pragma = |name: &str| conn.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0));
    let (id, version): (i64, i64) = (pragma("application_id")?, pragma("user_version")?);
    let objects: i64 =
        conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    // A creation that a crash cut off left an empty database.
    if created || (objects == 0 && id == 0) {
        conn.execute_batch("BEGIN IMMEDIATE")?;
        schema::create(&conn)?;
        Contents::create(&conn)?;
        conn.execute_batch("COMMIT")?;
    } else if id != schema::APPLICATION_ID {
        return Err(OpenError::NotATrail { path: file });
    } else if version != schema::VERSION {
        migration::migrate(&conn, version, steps)?;
        return Ok((conn, Some(version)));
    }
    Ok((conn, None))
}

/// A file that cannot be read as the database that it was is damage.
fn unreadable(error: OpenError) -> OpenError {
    match &error {
        OpenError::Storage(storage) => match storage.as_damage() {
            Some(damage) => OpenError::Damaged(Box::new(damage)),
            None => error,
        },
        _ => error,
    }
}

/// The right edge of the tree and the end of the chain, and what is wrong with what they are made from.
fn edge(conn: &Connection) -> Result<(Edge, Hash, Vec<Damage>), OpenError> {
    let mut damage = Vec::new();
    let size: i64 = conn.query_row(
        "SELECT coalesce(max(idx), -1) + 1 FROM records",
        [],
        |row| row.get(0),
    )?;
    let size = u64::try_from(size).unwrap_or(0);
    let size = size.max(segment::pruned(conn)?);
    let mut partial = vec![leaves(conn, size & !0xff, size, &mut damage)?];
    for level in 1..=LEVEL_MAX {
        let nodes = size >> (8 * u32::from(level));
        partial.push(roots(conn, level - 1, nodes & !0xff, nodes, &mut damage)?);
    }
    let link = link(conn, size)?;
    match Edge::from_parts(size, partial) {
        Some(edge) => Ok((edge, link, damage)),
        None => Err(OpenError::Damaged(Box::new(
            damage
                .into_iter()
                .next()
                .unwrap_or(Damage::Missing { index: size }),
        ))),
    }
}

/// Leaves of the records `[begin, end)`, from their bytes.
fn leaves(
    conn: &Connection,
    begin: u64,
    end: u64,
    damage: &mut Vec<Damage>,
) -> rusqlite::Result<Vec<Hash>> {
    let mut select =
        conn.prepare("SELECT idx, canonical FROM records WHERE idx >= ? AND idx < ? ORDER BY idx")?;
    let mut rows = select.query([begin.cast_signed(), end.cast_signed()])?;
    let mut leaves = Vec::new();
    while let Some(row) = rows.next()? {
        let index = begin + leaves.len() as u64;
        if row.get::<_, i64>(0)? != index.cast_signed() {
            damage.push(Damage::Missing { index });
            return Ok(leaves);
        }
        leaves.push(log_leaf_hash(row.get_ref(1)?.as_blob().unwrap_or_default()));
    }
    Ok(leaves)
}

/// Roots of the full tiles `[begin, end)` of a level.
fn roots(
    conn: &Connection,
    level: u8,
    begin: u64,
    end: u64,
    damage: &mut Vec<Damage>,
) -> rusqlite::Result<Vec<Hash>> {
    let mut roots = Vec::new();
    let mut select = conn.prepare("SELECT root FROM tiles WHERE id = ?")?;
    for tile in begin..end {
        let root = select.query_row([tile_id(level, tile)], |row| row.get::<_, [u8; 32]>(0));
        match root.optional() {
            Ok(Some(root)) => roots.push(Hash::from_bytes(root)),
            Ok(None) => {
                let found = TileFault::Missing;
                damage.push(Damage::Tile { level, tile, found });
                break;
            }
            Err(rusqlite::Error::FromSqlConversionFailure(..)) => {
                let found = TileFault::WrongLength;
                damage.push(Damage::Tile { level, tile, found });
                break;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(roots)
}

/// The hash that the next record is chained to.
fn link(conn: &Connection, size: u64) -> rusqlite::Result<Hash> {
    let Some(last) = size.checked_sub(1) else {
        return Ok(EMPTY_LOG_ROOT);
    };
    let link = conn.query_row(
        "SELECT link FROM records WHERE idx = ?",
        [last.cast_signed()],
        |row| row.get::<_, [u8; 32]>(0),
    );
    // What is wrong with it, the check of the chain will say.
    Ok(link.optional()?.map_or(EMPTY_LOG_ROOT, Hash::from_bytes))
}

/// What contradicts somebody who knows the log.
pub(crate) fn against(
    shared: &Shared,
    by: Witness,
    known: Known,
) -> Result<Option<Damage>, StorageError> {
    let found = shared.edge().size();
    if known.size > found {
        let marked = known.size;
        return Ok(Some(Damage::TailLost { marked, found, by }));
    }
    if known.is_closed && known.size < found {
        let marked = known.size;
        return Ok(Some(Damage::Unmarked { marked, found }));
    }
    let plan = RootPlan::new(TreeSize::new(known.size));
    match shared.nodes(|nodes| plan.resolve(|id| nodes.node(id))) {
        Ok(root) if root == known.root => Ok(None),
        Ok(root) => Ok(Some(Damage::OtherRoot {
            size: known.size,
            marked: known.root,
            found: root,
            by,
        })),
        Err(ReadError::Damaged(damage)) => Ok(Some(*damage)),
        Err(ReadError::Storage(error)) => Err(error),
        Err(_) => Err(StorageError::other("a node within the log was not found")),
    }
}

/// Most bytes of an origin: a mark has little room.
const ORIGIN_BYTES_MAX: usize = 200;
