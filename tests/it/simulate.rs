//! `msv simulate` and `msv evaluate`: the stream replayed by the rules of a venue, and figures.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::Path;

use jiff::civil::date;
use msv::cli::evaluate::{AlertMode, EvaluateArgs, Output, run};
use msv::market::simulate::{Options, simulate};

use crate::support::database::TestDatabase;

const FILES: [&str; 8] = [
    "order_events.csv",
    "instruments.csv",
    "accounts.csv",
    "obligations.csv",
    "news.csv",
    "calendar.csv",
    "labels.csv",
    "decoys.csv",
];

const RULES: [&str; 7] = [
    "layering",
    "momentum_ignition",
    "order_to_trade_ratio",
    "quote_stuffing",
    "spoofing",
    "wash_trade",
    "wide_spread",
];

fn options(seed: u64, events: u64, symbols: usize) -> Options {
    Options {
        seed,
        events,
        symbols,
        episodes_per_rule: None,
        date: date(2024, 3, 1),
    }
}

type Line = HashMap<String, String>;

fn read(folder: &Path, name: &str) -> Vec<Line> {
    let mut reader = csv::Reader::from_path(folder.join(name)).unwrap();
    reader.deserialize().map(|line| line.unwrap()).collect()
}

struct Resting {
    symbol: String,
    side: String,
    price: Option<f64>,
    leaves: i64,
    owner: String,
    is_day: bool,
}

/// Replays a stream with nothing but its own rows, and collects what contradicts a venue.
#[derive(Default)]
struct Replay {
    orders: HashMap<String, Resting>,
    levels: BTreeMap<(String, String), BTreeMap<i64, i64>>,
    contradictions: Vec<String>,
    unpaired: HashMap<String, (String, String, String)>,
    self_matches: usize,
    /// Messages and trades by owner and symbol; a modification counts as two messages.
    tallies: BTreeMap<(String, String), (u64, u64)>,
    last_at: String,
    touched: BTreeSet<String>,
}

fn cents(price: f64) -> i64 {
    (price * 100.0).round() as i64
}

impl Replay {
    fn of(folder: &Path) -> Replay {
        let owners: HashMap<String, String> = read(folder, "accounts.csv")
            .into_iter()
            .map(|line| (line["account_id"].clone(), line["owner_id"].clone()))
            .collect();
        let mut replay = Replay::default();
        for line in read(folder, "order_events.csv") {
            replay.take(&line, &owners);
        }
        replay.check_books();
        replay
    }

    fn contradict(&mut self, line: &Line, what: &str) {
        let order = &line["order_id"];
        self.contradictions
            .push(format!("{} {order}: {what}", line["event_at"]));
    }

    fn add(&mut self, order: &str, change: i64) {
        let held = self.orders.get_mut(order).unwrap();
        held.leaves += change;
        if let (true, Some(price)) = (held.is_day, held.price) {
            let side = (held.symbol.clone(), held.side.clone());
            let level = self.levels.entry(side).or_default();
            *level.entry(cents(price)).or_default() += change;
            level.retain(|_, quantity| *quantity != 0);
        }
    }

    fn take(&mut self, line: &Line, owners: &HashMap<String, String>) {
        let at = line["event_at"].clone();
        if at < self.last_at {
            self.contradict(line, "goes back in time");
        }
        if at != self.last_at {
            self.check_books();
            self.last_at = at;
        }
        self.touched.insert(line["symbol"].clone());
        let order = line["order_id"].clone();
        let quantity: i64 = line["quantity"].parse().unwrap_or_default();
        let price: Option<f64> = line["price"].parse().ok();
        let kind = line["event_type"].as_str();
        if matches!(kind, "halt" | "resume" | "auction") {
            return;
        }
        let owner = owners[&line["account_id"]].clone();
        let tally = self
            .tallies
            .entry((owner.clone(), line["symbol"].clone()))
            .or_default();
        match kind {
            "new" | "cancel" => tally.0 += 1,
            "modify" => tally.0 += 2,
            _ => tally.1 += 1,
        }
        if kind == "new" {
            let resting = Resting {
                symbol: line["symbol"].clone(),
                side: line["side"].clone(),
                price,
                leaves: 0,
                owner,
                is_day: line["time_in_force"] == "day",
            };
            if self.orders.insert(order.clone(), resting).is_some() {
                self.contradict(line, "enters twice");
            }
            self.add(&order, quantity);
            return;
        }
        let Some(held) = self.orders.get(&order) else {
            self.contradict(line, "was never entered");
            return;
        };
        let (leaves, held_owner) = (held.leaves, held.owner.clone());
        if held_owner != owner {
            self.contradict(line, "changes its owner");
        }
        match kind {
            "modify" => {
                self.add(&order, -leaves);
                self.orders.get_mut(&order).unwrap().price = price;
                self.add(&order, quantity);
            }
            "cancel" | "execute" if leaves < quantity => {
                self.contradict(line, "gives more than it has");
            }
            "cancel" => self.add(&order, -quantity),
            "execute" => {
                self.add(&order, -quantity);
                self.pair(line, &owner);
            }
            other => self.contradict(line, other),
        }
    }

    fn pair(&mut self, line: &Line, owner: &str) {
        let trade = line["trade_id"].clone();
        let terms = format!("{} {}", line["price"], line["quantity"]);
        let Some((order, other_owner, other_terms)) = self.unpaired.remove(&trade) else {
            let first = (line["order_id"].clone(), owner.to_owned(), terms);
            self.unpaired.insert(trade, first);
            return;
        };
        if order != line["counterparty_order_id"] || terms != other_terms {
            self.contradict(line, "does not agree with its counterparty");
        }
        self.self_matches += usize::from(other_owner == owner);
    }

    /// Looks at the books that the last moment touched, while they trade continuously.
    fn check_books(&mut self) {
        let time = self.last_at.get(11..19).unwrap_or_default();
        let is_continuous = ("09:30:00".."16:00:00").contains(&time);
        for symbol in std::mem::take(&mut self.touched) {
            let side = |side: &str| self.levels.get(&(symbol.clone(), side.to_owned()));
            let bid = side("buy").and_then(|level| level.last_key_value());
            let ask = side("sell").and_then(|level| level.first_key_value());
            if let (true, Some((bid, _)), Some((ask, _))) = (is_continuous, bid, ask)
                && bid >= ask
            {
                self.contradictions
                    .push(format!("{} {symbol}: crossed", self.last_at));
            }
        }
    }
}

#[test]
fn the_stream_is_one_that_a_venue_could_have_sent() {
    for (seed, events, symbols) in [(11, 9_000, 3), (12, 40_000, 4)] {
        let folder = tempfile::tempdir().unwrap();
        let summary = simulate(&options(seed, events, symbols), folder.path()).unwrap();
        let off = summary.events.abs_diff(events) as f64 / events as f64;
        assert!(off < 0.25, "{} events for {events}", summary.events);
        let replay = Replay::of(folder.path());
        assert_eq!(replay.contradictions, Vec::<String>::new());
        assert!(replay.unpaired.is_empty());
        assert!(replay.self_matches > 0);
        assert_eq!(
            read(folder.path(), "order_events.csv").len() as u64,
            summary.events
        );
    }
}

#[test]
fn every_rule_has_its_episodes_and_three_kinds_of_decoys() {
    let folder = tempfile::tempdir().unwrap();
    simulate(&options(5, 100_000, 5), folder.path()).unwrap();
    let mut episodes: BTreeMap<String, usize> = BTreeMap::new();
    for line in read(folder.path(), "labels.csv") {
        assert!(["easy", "medium", "hard"].contains(&line["difficulty"].as_str()));
        assert!(line["started_at"] <= line["ended_at"]);
        *episodes.entry(line["rule"].clone()).or_default() += 1;
    }
    let mut kinds: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in read(folder.path(), "decoys.csv") {
        let of_rule = kinds.entry(line["rule"].clone()).or_default();
        of_rule.insert(line["kind"].clone());
    }
    assert_eq!(episodes.keys().collect::<Vec<_>>(), RULES);
    assert!(episodes.values().all(|count| *count >= 3), "{episodes:?}");
    assert_eq!(kinds.keys().collect::<Vec<_>>(), RULES);
    assert!(kinds.values().all(|kinds| kinds.len() >= 3), "{kinds:?}");
}

#[test]
fn only_labelled_owners_breach_the_order_to_trade_ratio() {
    let folder = tempfile::tempdir().unwrap();
    simulate(&options(6, 60_000, 4), folder.path()).unwrap();
    let makers: BTreeSet<String> = read(folder.path(), "accounts.csv")
        .into_iter()
        .filter(|line| line["is_market_maker"] == "true")
        .map(|line| line["owner_id"].clone())
        .collect();
    let labelled: BTreeSet<(String, String)> = read(folder.path(), "labels.csv")
        .into_iter()
        .filter(|line| line["rule"] == "order_to_trade_ratio")
        .map(|line| (line["owner_id"].clone(), line["symbol"].clone()))
        .collect();
    let breaches: BTreeSet<(String, String)> = Replay::of(folder.path())
        .tallies
        .into_iter()
        .filter(|((owner, _), _)| !makers.contains(owner))
        .filter(|(_, (messages, trades))| *messages as f64 / (*trades).max(1) as f64 - 1.0 > 500.0)
        .map(|(key, _)| key)
        .collect();
    assert_eq!(breaches, labelled);
}

#[test]
fn the_same_seed_writes_the_same_bytes_and_another_seed_others() {
    let write = |seed| {
        let folder = tempfile::tempdir().unwrap();
        simulate(&options(seed, 9_000, 3), folder.path()).unwrap();
        FILES.map(|name| fs::read(folder.path().join(name)).unwrap())
    };
    let first = write(3);
    assert_eq!(first, write(3));
    assert_ne!(first, write(4));
}

#[test]
fn the_sample_day_is_what_its_readme_says() {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds/sample_day");
    let folder = tempfile::tempdir().unwrap();
    let sample = Options {
        episodes_per_rule: Some(2),
        ..options(7, 9_000, 3)
    };
    simulate(&sample, folder.path()).unwrap();
    for name in FILES {
        let (shipped, fresh) = (shipped.join(name), folder.path().join(name));
        assert!(
            fs::read(&shipped).unwrap() == fs::read(fresh).unwrap(),
            "seeds/sample_day/{name} is out of date: see the README.md beside it"
        );
    }
}

#[test]
fn options_outside_what_can_be_simulated_are_refused_with_help() {
    let folder = tempfile::tempdir().unwrap();
    for (asked, help) in [
        (options(1, 10, 1), "--events 4000"),
        (options(1, 8_000, 20), "--symbols 8"),
        (
            Options {
                episodes_per_rule: Some(1_000),
                ..options(1, 9_000, 2)
            },
            "--episodes-per-rule 6",
        ),
    ] {
        let refused = simulate(&asked, folder.path()).unwrap_err();
        assert_eq!(refused.code, "MSV0641");
        assert!(refused.help[0].contains(help), "{refused}");
    }
}

const TABLES: &str = "
create schema marts;
create schema raw;
create table marts.fct_alerts (
    alert_id text, rule_id text, mode text, venue text, symbol text, owner_id text,
    trading_date date, started_at timestamptz, ended_at timestamptz
);
create table raw.accounts (account_id text, owner_id text, link_group text);
insert into raw.accounts values ('A1', 'O1', 'L1'), ('A2', 'O2', 'L1'), ('A3', 'O3', null);
create table raw.order_events (trading_date date, event_seq bigint, venue text, symbol text);
insert into raw.order_events select '2024-03-01', n, 'XSIM', 'ACME' from generate_series(1, 1000) n;
insert into marts.fct_alerts values
('a1', 'spoofing', 'participant', 'XSIM', 'ACME', 'O2', '2024-03-01',
 '2024-03-01 10:00:01.123456Z', '2024-03-01 10:00:01.123456Z'),
('a2', 'spoofing', 'participant', 'XSIM', 'ACME', 'O3', '2024-03-01',
 '2024-03-01 11:00:00Z', '2024-03-01 11:00:05Z'),
('a3', 'spoofing', 'participant', 'XSIM', 'ACME', 'O3', '2024-03-04',
 '2024-03-04 11:00:00Z', '2024-03-04 11:00:05Z'),
('a4', 'spoofing', 'anonymous', 'XSIM', 'ACME', null, '2024-03-01',
 '2024-03-01 10:00:00Z', '2024-03-01 10:00:02Z'),
('a5', 'spoofing', 'participant', 'XSIM', 'BOLT', 'O3', '2024-03-01',
 '2024-03-01 11:00:00Z', '2024-03-01 11:00:05Z');
";

const LABELS: &str = "\
episode_id,rule,venue,symbol,owner_id,started_at,ended_at,difficulty
E1,spoofing,XSIM,ACME,O1,2024-03-01T10:00:01.123456789Z,2024-03-01T10:00:01.123456789Z,easy
E2,spoofing,XSIM,ACME,O1,2024-03-01T12:00:00Z,2024-03-01T12:00:02Z,hard
";

const DECOYS: &str = "\
episode_id,rule,venue,symbol,owner_id,started_at,ended_at,difficulty,kind
D1,spoofing,XSIM,ACME,O3,2024-03-01T11:00:00Z,2024-03-01T11:00:09Z,,slow_cancel
";

fn evaluate_args(folder: &Path, mode: AlertMode, output: Output) -> EvaluateArgs {
    fs::write(folder.join("labels.csv"), LABELS).unwrap();
    fs::write(folder.join("decoys.csv"), DECOYS).unwrap();
    EvaluateArgs {
        labels: folder.join("labels.csv"),
        decoys: Some(folder.join("decoys.csv")),
        output,
        mode,
    }
}

#[test]
fn alerts_are_compared_within_the_labelled_days_and_symbols() {
    let database = TestDatabase::new();
    database.connect().execute(TABLES).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let args = evaluate_args(folder.path(), AlertMode::Participant, Output::Text);
    let expected = "\
1000 order events

rule      episodes  found  recall  alerts  true  again  false  precision  false/million  found by difficulty
spoofing         2      1   0.500       2     1      0      1      0.500         1000.0  easy 1/1, hard 0/1

decoys of rule  kind         decoys  hit
spoofing        slow_cancel       1    1
";
    assert_eq!(run(&args, &mut database.connect()).unwrap(), expected);
}

#[test]
fn anonymous_alerts_are_compared_without_an_owner_and_as_json() {
    let database = TestDatabase::new();
    database.connect().execute(TABLES).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let args = evaluate_args(folder.path(), AlertMode::Anonymous, Output::Json);
    let text = run(&args, &mut database.connect()).unwrap();
    let answer: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(answer["rules"][0]["found"], 1);
    assert_eq!(answer["rules"][0]["false"], 0);
    assert_eq!(answer["rules"][0]["missed"][0]["difficulty"], "hard");
}

#[test]
fn without_a_build_the_answer_says_what_to_run() {
    let database = TestDatabase::new();
    let folder = tempfile::tempdir().unwrap();
    let args = evaluate_args(folder.path(), AlertMode::Participant, Output::Text);
    let refused = run(&args, &mut database.connect()).unwrap_err();
    assert_eq!(refused[0].code, "MSV0644");
    assert!(refused[0].help[0].contains("msv build"));
}
