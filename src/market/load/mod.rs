//! Load: files in, rows of schema `raw` out, each line exactly once.
//!
//! 1. Compare the file with what is loaded of it ([`registry`]).
//! 2. Decode, stamp and encode its lines, batch by batch ([`pipeline`], [`engine`]).
//! 3. Commit each batch with the position it reaches, so that a load killed anywhere
//!    continues there ([`restore`]).
//!
//! Rules and alerts are SQL and no business of loading.

mod batch;
mod binary;
mod engine;
mod instruments;
mod phase;
mod pipeline;
mod registry;
mod restore;
mod tables;
mod trades;

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;

use crate::book::flags::Flags;
use crate::feeds::{Decoder, FeedOptions, Format, lobster};
use crate::load::engine::{Defaults, Engine};
use crate::load::instruments::Reference;
use crate::load::pipeline::{Loaded, Position, Stopped, load_file};
use crate::load::registry::{DiskFile, KnownFile, Plan, unreadable};
use crate::load::restore::Restorer;
use crate::price::Price;
use crate::reference::{self, ReferenceTable};
use msv_diagnostics::Diagnostic;
use msv_postgres::{ConnectOptions, Datum, Error, Session};

/// Two loads at once take turns at this advisory lock: event numbers count over all loads.
const LOAD_LOCK: &str = "7_310_308_418_126_211_423";

/// Nasdaq quotes prices from one dollar on in cents. Source: Regulation NMS, rule 612.
const LOBSTER_TICK: i64 = Price::SCALE / 100;

/// What happens while loading.
#[derive(Debug)]
pub enum Progress<'a> {
    /// Another load runs; this one waits for its end.
    Waiting,
    Warning(&'a Diagnostic),
    /// A file of order events begins; `done_bytes` were loaded before.
    Started {
        path: &'a Path,
        size_bytes: u64,
        done_bytes: u64,
    },
    /// Rows are committed.
    Advanced {
        done_bytes: u64,
        events: u64,
    },
    Finished(&'a FileSummary),
}

/// What became of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Loaded,
    /// A part was loaded before: a load was killed, or the file grew.
    Continued,
    /// All of it was loaded before.
    Unchanged,
    /// A reference file; `events` counts the rows that changed.
    Reference,
}

/// One file's figures; counts are of this load, not of earlier ones.
#[derive(Clone, Debug)]
pub struct FileSummary {
    pub path: PathBuf,
    pub outcome: Outcome,
    /// Where the same content was loaded from, when that is another path.
    pub loaded_as: Option<String>,
    pub events: u64,
    pub trades: u64,
    pub rejects: u64,
    pub flagged: u64,
    /// Events by quality flag, those that occurred.
    pub flags: Vec<(&'static str, u64)>,
    /// Line and reason of the first rejects.
    pub first_rejects: Vec<(i64, String)>,
    pub duration: Duration,
}

/// All files' figures.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    pub files: Vec<FileSummary>,
}

impl Summary {
    pub fn events(&self) -> u64 {
        self.order_files().map(|file| file.events).sum()
    }

    pub fn rejects(&self) -> u64 {
        self.order_files().map(|file| file.rejects).sum()
    }

    /// True when there was nothing to do.
    pub fn is_unchanged(&self) -> bool {
        let has_work = |file: &FileSummary| file.outcome != Outcome::Unchanged;
        !self.files.iter().any(has_work)
    }

    fn order_files(&self) -> impl Iterator<Item = &FileSummary> {
        let is_order_file = |file: &&FileSummary| file.outcome != Outcome::Reference;
        self.files.iter().filter(is_order_file)
    }
}

/// Loads files and folders, in the order given; a folder as `msv simulate` writes it.
///
/// Everything that is loaded already is left alone, so calling it again costs one query and a
/// look at each file.
///
/// # Errors
///
/// What keeps a file from being loaded; the files before it stay loaded. Lines that are no
/// events are no error: they are counted as rejects and kept.
pub fn ingest(
    options: &FeedOptions,
    connect: &ConnectOptions,
    paths: &[PathBuf],
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Summary, Vec<Diagnostic>> {
    let files = find_files(paths).map_err(|diagnostic| vec![*diagnostic])?;
    let mut session =
        Session::connect(connect).map_err(|error| vec![error.connect_diagnostic(connect)])?;
    let known = registry::known_files(&mut session).map_err(database)?;
    let mut disk = Vec::with_capacity(files.len());
    for (path, _) in &files {
        disk.push(DiskFile::look(path).map_err(|diagnostic| vec![*diagnostic])?);
    }
    let mut summary = Summary::default();
    if disk.iter().all(|file| file.is_loaded(&known)) {
        for ((path, _), file) in files.iter().zip(&disk) {
            let unchanged = FileSummary::unchanged(path, file, &file.path);
            progress(Progress::Finished(&unchanged));
            summary.files.push(unchanged);
        }
        return Ok(summary);
    }
    lock(&mut session, progress).map_err(database)?;
    tables::create(&mut session).map_err(database)?;
    for ((path, kind), file) in files.iter().zip(&disk) {
        let started = Instant::now();
        // Read again under the lock: another load may just have finished the same file.
        let known = registry::known_files(&mut session).map_err(database)?;
        let mut loaded = match kind {
            FileKind::Reference(table) => {
                load_reference(&mut session, path, file, &known, table, progress)
            }
            FileKind::Orders => {
                load_orders(&mut session, connect, options, path, file, &known, progress)
            }
        }?;
        loaded.duration = started.elapsed();
        progress(Progress::Finished(&loaded));
        summary.files.push(loaded);
    }
    Ok(summary)
}

/// Loads one folder: what `msv build` does for each entry of project.yml's `ingest:`.
///
/// # Errors
///
/// As [`ingest`].
pub fn ingest_folder(
    options: &FeedOptions,
    connect: &ConnectOptions,
    path: &Path,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Summary, Vec<Diagnostic>> {
    ingest(options, connect, &[path.to_owned()], progress)
}

#[derive(Clone, Copy, Debug)]
enum FileKind {
    Reference(&'static ReferenceTable),
    Orders,
}

/// Replaces each folder by the files in it that msv loads, reference files first.
fn find_files(paths: &[PathBuf]) -> Result<Vec<(PathBuf, FileKind)>, Box<Diagnostic>> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            let kind = reference::table_of(path).map_or(FileKind::Orders, FileKind::Reference);
            files.push((path.clone(), kind));
            continue;
        }
        let entries = std::fs::read_dir(path)
            .and_then(Iterator::collect::<std::io::Result<Vec<_>>>)
            .map_err(|error| Box::new(unreadable(path, &error)))?;
        let mut names: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
        names.sort();
        let mut orders = Vec::new();
        let before = files.len();
        for name in names {
            let file_name = name.file_name().unwrap_or_default().to_string_lossy();
            if let Some(table) = reference::table_of(&name) {
                files.push((name, FileKind::Reference(table)));
            } else if (file_name.starts_with("order_events") && file_name.ends_with(".csv"))
                || lobster::FileName::read(&name).is_some()
            {
                orders.push((name, FileKind::Orders));
            }
        }
        files.append(&mut orders);
        if files.len() == before {
            return Err(Box::new(
                Diagnostic::error(
                    "MSV0610",
                    format!("the folder `{}` holds nothing to load", path.display()),
                )
                .note(format!(
                    "a folder is searched for `order_events*.csv`, LOBSTER message files and {}",
                    reference::file_names()
                ))
                .help("name the files of another name one by one: `msv ingest FILE...`"),
            ));
        }
    }
    Ok(files)
}

/// Waits until no other load runs.
fn lock(session: &mut Session, progress: &mut dyn FnMut(Progress<'_>)) -> Result<(), Error> {
    let tried = session.query(&format!("select pg_try_advisory_lock({})", lock_number()))?;
    if tried.scalar() == Some(&Datum::Bool(true)) {
        return Ok(());
    }
    progress(Progress::Waiting);
    let wait = format!("select pg_advisory_lock({})", lock_number());
    session.query(&wait).map(drop)
}

fn lock_number() -> String {
    LOAD_LOCK.replace('_', "")
}

fn load_reference(
    session: &mut Session,
    path: &Path,
    file: &DiskFile,
    known: &[KnownFile],
    table: &ReferenceTable,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<FileSummary, Vec<Diagnostic>> {
    let plan = file
        .plan_reference(known)
        .map_err(|diagnostic| vec![*diagnostic])?;
    if let Plan::Unchanged { loaded_as } = &plan {
        return Ok(FileSummary::unchanged(path, file, loaded_as));
    }
    let mut warnings = Vec::new();
    let rows = reference::read(table, path, &mut warnings)?;
    for warning in &warnings {
        progress(Progress::Warning(warning));
    }
    let changed = session
        .transaction(|session| {
            let changed = reference::upsert(session, table, &rows)?;
            let file_id = registry::begin(session, file, &plan, "reference")?;
            registry::complete(session, file_id)?;
            Ok(changed)
        })
        .map_err(database)?;
    Ok(FileSummary {
        outcome: Outcome::Reference,
        events: changed,
        ..FileSummary::unchanged(path, file, &file.path)
    })
}

fn load_orders(
    session: &mut Session,
    connect: &ConnectOptions,
    options: &FeedOptions,
    path: &Path,
    file: &DiskFile,
    known: &[KnownFile],
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<FileSummary, Vec<Diagnostic>> {
    let plan = file.plan(known).map_err(|diagnostic| vec![*diagnostic])?;
    let (outcome, from) = match &plan {
        Plan::Unchanged { loaded_as } => {
            return Ok(FileSummary::unchanged(path, file, loaded_as));
        }
        Plan::Fresh { .. } => (Outcome::Loaded, Position::default()),
        Plan::Continue {
            byte_position,
            line_position,
            ..
        } => (
            Outcome::Continued,
            Position {
                bytes: *byte_position,
                lines: *line_position,
            },
        ),
    };
    let mut warnings = Vec::new();
    let (decoder, defaults) = open_decoder(path, options, &mut warnings)?;
    for warning in &warnings {
        progress(Progress::Warning(warning));
    }
    progress(Progress::Started {
        path,
        size_bytes: file.size_bytes,
        done_bytes: from.bytes,
    });
    let prepared = (|| {
        let reference = Reference::read(session)?;
        let days = tables::loaded_days(session)?;
        if !days.is_empty() {
            tables::create_indexes(session)?;
        }
        let first_seq = registry::next_seq(session)?;
        let file_id = registry::begin(session, file, &plan, decoder.format().as_str())?;
        let restorer = Restorer::new(connect, days, file_id, first_seq);
        let engine = Engine::new(reference, defaults, restorer, file_id, first_seq);
        Ok((file_id, engine))
    })();
    let (file_id, engine) = prepared.map_err(database)?;
    let mut advanced = |loaded: &Loaded| {
        progress(Progress::Advanced {
            done_bytes: loaded.bytes,
            events: loaded.events,
        });
    };
    let loaded = load_file(session, path, from, file_id, decoder, engine, &mut advanced).map_err(
        |stopped| match stopped {
            Stopped::File(diagnostic) => vec![*diagnostic],
            Stopped::Database(error) => database(error),
        },
    )?;
    Ok(FileSummary {
        outcome,
        events: loaded.events,
        trades: loaded.trades,
        rejects: loaded.rejects,
        flagged: loaded.flagged,
        flags: named_flags(&loaded),
        first_rejects: loaded.first_rejects,
        ..FileSummary::unchanged(path, file, &file.path)
    })
}

fn open_decoder(
    path: &Path,
    options: &FeedOptions,
    warnings: &mut Vec<Diagnostic>,
) -> Result<(Decoder, Defaults), Vec<Diagnostic>> {
    let mut first_line = Vec::new();
    File::open(path)
        .and_then(|file| {
            BufReader::new(file)
                .take(64 * 1024)
                .read_until(b'\n', &mut first_line)
        })
        .map_err(|error| vec![unreadable(path, &error)])?;
    let first_line = String::from_utf8_lossy(&first_line);
    let shown = path.display().to_string();
    let decoder = Decoder::open(path, &shown, first_line.trim_end(), options, warnings)?;
    let zone = match (&options.timezone, decoder.format()) {
        (Some(name), _) => lobster::zone(name),
        (None, Format::Lobster) => lobster::zone(lobster::ZONE),
        (None, _) => Ok(TimeZone::UTC),
    };
    let tick = (decoder.format() == Format::Lobster).then_some(LOBSTER_TICK);
    zone.map(|zone| (decoder, Defaults { zone, tick }))
        .map_err(|diagnostic| vec![*diagnostic])
}

fn named_flags(loaded: &Loaded) -> Vec<(&'static str, u64)> {
    let counts = loaded.flag_counts.iter().enumerate();
    counts
        .filter(|(_, count)| **count > 0)
        .filter_map(|(number, count)| Some((Flags::name(number)?, *count)))
        .collect()
}

impl FileSummary {
    fn unchanged(path: &Path, file: &DiskFile, loaded_as: &str) -> Self {
        FileSummary {
            path: path.to_owned(),
            outcome: Outcome::Unchanged,
            loaded_as: (loaded_as != file.path).then(|| loaded_as.to_owned()),
            events: 0,
            trades: 0,
            rejects: 0,
            flagged: 0,
            flags: Vec::new(),
            first_rejects: Vec::new(),
            duration: Duration::ZERO,
        }
    }
}

/// Says what the server refused while loading.
fn database(error: Error) -> Vec<Diagnostic> {
    let mut diagnostic = Diagnostic::error("MSV0613", "the database refused the load")
        .note(error.to_string())
        .help("what was committed stays; the same command goes on from there");
    if let Some(detail) = &error.detail {
        diagnostic = diagnostic.note(detail.clone());
    }
    vec![diagnostic]
}
