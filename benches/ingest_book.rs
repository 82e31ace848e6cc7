//! Measures decoding and the book without a database: events per second on one core.
//!
//! `cargo bench --bench ingest_book -- FILE` (a LOBSTER message file or a native event file).

use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use msv::market::book::{Book, Moment};
use msv::market::feeds::{Decoder, FeedOptions};

const ROUNDS: u32 = 10;

fn main() {
    let Some(path) = std::env::args()
        .skip(1)
        .find(|text| !text.starts_with("--"))
    else {
        return;
    };
    let text = std::fs::read(&path).expect("a readable file");
    let lines: Vec<&[u8]> = text
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .collect();
    let first = String::from_utf8_lossy(lines[0]);
    let options = FeedOptions::default();
    let open = || {
        Decoder::open(Path::new(&path), &path, &first, &options, &mut Vec::new())
            .expect("a known format")
    };
    let skipped = usize::from(open().has_header());
    let run = |has_book: bool| {
        let (mut events, mut seconds) = (0u32, f64::MAX);
        for _ in 0..ROUNDS {
            let mut decoder = open();
            let mut books = std::collections::HashMap::<String, Book>::new();
            let started = Instant::now();
            events = 0;
            for line in &lines[skipped..] {
                let Ok(event) = decoder.decode(line) else {
                    continue;
                };
                events += 1;
                if !has_book {
                    std::hint::black_box(&event);
                    continue;
                }
                if !books.contains_key(event.symbol) {
                    books.insert(event.symbol.to_owned(), Book::default());
                }
                if let Some(book) = books.get_mut(event.symbol) {
                    let moment = Moment {
                        is_continuous: true,
                        account: 0,
                    };
                    std::hint::black_box(book.apply(&event, moment));
                }
            }
            seconds = seconds.min(started.elapsed().as_secs_f64());
        }
        (events, seconds)
    };
    let (events, decoding) = run(false);
    let (_, both) = run(true);
    let speed = |seconds: f64| f64::from(events) / seconds / 1e6;
    let _ = writeln!(
        std::io::stdout(),
        "{events} events, best of {ROUNDS}: decode {:.2} M/s, decode + book + stamp {:.2} M/s, \
         book + stamp alone {:.2} M/s",
        speed(decoding),
        speed(both),
        speed(both - decoding)
    );
}
