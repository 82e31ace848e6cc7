//! One file through the pipeline: one thread reads, decodes, stamps and encodes, the other
//! copies batches to the server and commits each with the position it reaches.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use crate::feeds::Decoder;
use crate::load::batch::{Batch, FLAG_COUNT, SHOWN_REJECTS};
use crate::load::engine::Engine;
use crate::load::registry::{self, unreadable};
use crate::load::tables;
use crate::nanos::{Day, Nanos};
use msv_diagnostics::Diagnostic;
use msv_postgres::{Error, Session};

/// Rows a batch holds before it is cut: enough that a commit costs nothing beside them, few
/// enough that two batches stay near 20 MB.
const BATCH_ROWS: u64 = 16_384;

const READ_BYTES: usize = 1 << 20;

/// A longer line is no event of any format.
const LONGEST_LINE: u64 = 1 << 20;

const CHUNK_BYTES: usize = 256 * 1024;

/// Where reading starts.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Position {
    pub(crate) bytes: u64,
    pub(crate) lines: i64,
}

/// What one file gave.
#[derive(Clone, Debug, Default)]
pub(crate) struct Loaded {
    pub(crate) events: u64,
    pub(crate) trades: u64,
    pub(crate) rejects: u64,
    pub(crate) flagged: u64,
    pub(crate) flag_counts: [u64; FLAG_COUNT],
    pub(crate) first_rejects: Vec<(i64, String)>,
    pub(crate) bytes: u64,
}

/// Why a load stopped.
#[derive(Debug)]
pub(crate) enum Stopped {
    File(Box<Diagnostic>),
    Database(Error),
}

impl From<Error> for Stopped {
    fn from(error: Error) -> Self {
        Stopped::Database(error)
    }
}

/// Loads what a file holds behind `from`.
pub(crate) fn load_file(
    session: &mut Session,
    path: &Path,
    from: Position,
    file_id: i64,
    decoder: Decoder,
    engine: Engine,
    advanced: &mut dyn FnMut(&Loaded),
) -> Result<Loaded, Stopped> {
    let (sender, receiver) = sync_channel(1);
    thread::scope(|scope| {
        let reader = scope.spawn(move || read_batches(path, from, decoder, engine, &sender));
        let written = write_batches(session, file_id, receiver, advanced);
        let read = reader
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let loaded = written?;
        read?;
        // Complete only when the indexes stand, so that a load killed here is taken up again.
        tables::create_indexes(session)?;
        if loaded.events > 0 {
            tables::analyze(session)?;
        }
        registry::complete(session, file_id)?;
        Ok(loaded)
    })
}

/// Reads lines until the file ends or nobody takes batches any more.
fn read_batches(
    path: &Path,
    from: Position,
    mut decoder: Decoder,
    mut engine: Engine,
    sender: &SyncSender<Batch>,
) -> Result<(), Stopped> {
    let failed = |error: std::io::Error| Stopped::File(Box::new(unreadable(path, &error)));
    let mut file = File::open(path).map_err(failed)?;
    file.seek(SeekFrom::Start(from.bytes)).map_err(failed)?;
    let mut reader = BufReader::with_capacity(READ_BYTES, file);
    let mut at = from;
    let mut clock: Option<Nanos> = None;
    let mut line = Vec::with_capacity(256);
    let mut is_header = from.bytes == 0 && decoder.has_header();
    let mut is_tail = false;
    loop {
        line.clear();
        let read = reader
            .by_ref()
            .take(LONGEST_LINE)
            .read_until(b'\n', &mut line)
            .map_err(failed)?;
        if read == 0 {
            break;
        }
        let start = at;
        let is_whole = line.last() == Some(&b'\n') || (read as u64) < LONGEST_LINE;
        at.bytes += read as u64;
        at.lines += i64::from(!is_tail);
        let was_tail = std::mem::replace(&mut is_tail, !is_whole);
        if std::mem::take(&mut is_header) {
            continue;
        }
        let text = without_line_end(&line);
        if text.is_empty() {
            continue;
        }
        if was_tail || !is_whole {
            if !was_tail {
                engine.reject(
                    at.lines,
                    &text[..256.min(text.len())],
                    "is longer than 1 MiB",
                );
            }
            continue;
        }
        let decoded = if text.contains(&0) {
            Err("holds a NUL byte".to_owned())
        } else {
            decoder.decode(text)
        };
        match decoded {
            Ok(event) => {
                if clock != Some(event.at) {
                    clock = Some(event.at);
                    engine.settle_trades();
                    if engine.batch.rows() >= BATCH_ROWS && !send(&mut engine, start, sender) {
                        return Ok(());
                    }
                }
                engine.apply(&event, at.lines)?;
            }
            Err(reason) => {
                engine.reject(at.lines, text, &reason);
                // A file of nothing but rejects has no clock that moves on.
                if engine.batch.rejects.count() >= BATCH_ROWS {
                    engine.settle_trades();
                    if !send(&mut engine, at, sender) {
                        return Ok(());
                    }
                }
            }
        }
    }
    engine.settle_trades();
    send(&mut engine, at, sender);
    Ok(())
}

/// Hands the batch over; false when nobody takes it.
fn send(engine: &mut Engine, at: Position, sender: &SyncSender<Batch>) -> bool {
    let mut batch = std::mem::take(&mut engine.batch);
    batch.byte_position = at.bytes;
    batch.line_position = at.lines;
    sender.send(batch).is_ok()
}

fn without_line_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

fn write_batches(
    session: &mut Session,
    file_id: i64,
    receiver: Receiver<Batch>,
    advanced: &mut dyn FnMut(&Loaded),
) -> Result<Loaded, Error> {
    let mut loaded = Loaded::default();
    let mut days: Vec<Day> = Vec::new();
    for mut batch in receiver {
        for day in &batch.days {
            if !days.contains(day) {
                tables::create_partitions(session, *day)?;
                days.push(*day);
            }
        }
        loaded.events += batch.events.count();
        loaded.trades += batch.trades.count();
        loaded.rejects += batch.rejects.count();
        loaded.flagged += batch.flagged;
        loaded.bytes = batch.byte_position;
        for (sum, count) in loaded.flag_counts.iter_mut().zip(&batch.flag_counts) {
            *sum += count;
        }
        let room = SHOWN_REJECTS.saturating_sub(loaded.first_rejects.len());
        let shown = batch.first_rejects.drain(..).take(room);
        loaded.first_rejects.extend(shown);
        session.transaction(|session| write_batch(session, file_id, batch))?;
        advanced(&loaded);
    }
    Ok(loaded)
}

/// Copies a batch and moves the file's position, all or nothing.
fn write_batch(session: &mut Session, file_id: i64, batch: Batch) -> Result<(), Error> {
    let counts = [
        batch.events.count(),
        batch.trades.count(),
        batch.rejects.count(),
        batch.flagged,
    ];
    let daily = [
        ("order_events", batch.events),
        ("trades", batch.trades),
        ("bbo", batch.bbo),
    ];
    for (table, rows) in daily {
        if rows.count() == 0 {
            continue;
        }
        // Most batches lie in one day: its partition is named and no row needs routing.
        let relation = match batch.days.as_slice() {
            [day] => tables::partition(table, *day),
            _ => format!("raw.{table}"),
        };
        copy(session, &relation, &rows.finish())?;
    }
    if batch.rejects.count() > 0 {
        copy(
            session,
            "raw.rejected_events (file_id, line_number, raw_text, reason)",
            &batch.rejects.finish(),
        )?;
    }
    let [events, trades, rejects, flagged] = counts;
    let last_seq = batch
        .last_seq
        .map_or("last_event_seq".to_owned(), |seq| seq.to_string());
    session.execute(&format!(
        "update raw.ingested_files set byte_position = {}, line_position = {}, \
         last_event_seq = {last_seq}, event_count = event_count + {events}, \
         trade_count = trade_count + {trades}, reject_count = reject_count + {rejects}, \
         flagged_count = flagged_count + {flagged} where file_id = {file_id}",
        batch.byte_position, batch.line_position,
    ))?;
    Ok(())
}

fn copy(session: &mut Session, relation: &str, bytes: &[u8]) -> Result<(), Error> {
    let mut copy = session.copy_in(&format!("copy {relation} from stdin (format binary)"))?;
    for chunk in bytes.chunks(CHUNK_BYTES) {
        copy.send(chunk)?;
    }
    copy.finish().map(drop)
}
