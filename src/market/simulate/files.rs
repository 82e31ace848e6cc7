//! Files: reference data, labels and decoys of a simulated day as CSV text.

use std::fmt::Write;

use crate::simulate::day::{Day, Record};
use crate::simulate::rows::append_time;
use crate::simulate::universe::{Instrument, Kind, VENUE};

/// Share of continuous trading in which a maker must quote.
///
/// Source: Delegated Regulation (EU) 2017/578, article 2.
const PRESENCE: &str = "0.5";

pub(super) fn instruments(day: &Day) -> String {
    let mut text = String::from(
        "symbol,venue,tick_size,lot_size,currency,session_open,session_close,timezone,\
         liquidity_tier,aliases\n",
    );
    for one in &day.universe.instruments {
        let symbol = &one.symbol;
        line(
            &mut text,
            format_args!(
                "{symbol},{VENUE},{},1,EUR,09:30:00,16:00:00,UTC,{},{symbol}.X|{symbol} XS",
                decimal(one.tick_e4),
                one.tier
            ),
        );
    }
    text
}

pub(super) fn accounts(day: &Day) -> String {
    let mut text = String::from(
        "account_id,trader_id,participant_id,owner_id,link_group,is_market_maker,is_algo\n",
    );
    for account in &day.universe.accounts {
        let owner = &day.universe.owners[account.owner];
        let group = match owner.link_group {
            0 => String::new(),
            group => format!("L{group:03}"),
        };
        let is_maker = owner.kind == Kind::Maker;
        let is_algo = matches!(owner.kind, Kind::Maker | Kind::Fast);
        line(
            &mut text,
            format_args!(
                "{},{},{},{},{group},{is_maker},{is_algo}",
                account.name, account.trader, account.participant, owner.name
            ),
        );
    }
    text
}

pub(super) fn obligations(day: &Day) -> String {
    let mut text = String::from("market_maker,symbol,max_spread,min_quantity,presence\n");
    for (one, makers) in day.universe.instruments.iter().zip(&day.universe.makers) {
        let max_spread = decimal(one.max_spread_ticks() * one.tick_e4);
        for &maker in makers {
            line(
                &mut text,
                format_args!(
                    "{},{},{max_spread},{},{PRESENCE}",
                    day.universe.owners[maker].name,
                    one.symbol,
                    Instrument::min_quantity(one)
                ),
            );
        }
    }
    text
}

pub(super) fn news(day: &Day, date: &str) -> String {
    let mut text = String::from("published_at,venue,symbol,headline\n");
    let mut all: Vec<_> = day.news.iter().collect();
    all.sort_by_key(|news| (news.at_ns, news.symbol));
    for news in all {
        let symbol = &day.universe.instruments[news.symbol].symbol;
        line(
            &mut text,
            format_args!(
                "{},{VENUE},{symbol},{symbol} {}",
                moment(date, news.at_ns),
                news.headline
            ),
        );
    }
    text
}

pub(super) fn calendar(date: &str) -> String {
    format!(
        "venue,trading_date,session_open,session_close,is_half_day\n\
         {VENUE},{date},09:30:00,16:00:00,false\n"
    )
}

/// Writes episodes (`kinds` false) or decoys, numbered in the order of their start.
pub(super) fn records(day: &Day, records: &[Record], date: &str, kinds: bool) -> String {
    let mut text =
        String::from("episode_id,rule,venue,symbol,owner_id,started_at,ended_at,difficulty");
    text.push_str(if kinds { ",kind\n" } else { "\n" });
    let mut sorted: Vec<&Record> = records.iter().collect();
    sorted.sort_by_key(|record| (record.started_ns, record.rule, record.symbol, record.owner));
    for (number, record) in sorted.into_iter().enumerate() {
        let prefix = if kinds { 'D' } else { 'E' };
        let separator = if kinds { "," } else { "" };
        line(
            &mut text,
            format_args!(
                "{prefix}{:04},{},{VENUE},{},{},{},{},{}{separator}{}",
                number + 1,
                record.rule,
                day.universe.instruments[record.symbol].symbol,
                day.universe.owners[record.owner].name,
                moment(date, record.started_ns),
                moment(date, record.ended_ns),
                record.difficulty,
                record.kind
            ),
        );
    }
    text
}

fn moment(date: &str, time_ns: u64) -> String {
    let mut bytes = date.as_bytes().to_vec();
    append_time(&mut bytes, time_ns);
    bytes.into_iter().map(char::from).collect()
}

fn decimal(price_e4: i64) -> String {
    format!("{}.{:02}", price_e4 / 10_000, price_e4 / 100 % 100)
}

fn line(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    text.write_fmt(arguments)
        .expect("writing to a string cannot fail");
    text.push('\n');
}
