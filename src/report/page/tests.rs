//! The page as a whole: what it must show, and what data must not be able to do to it.

use jiff::Timestamp;

use super::{Alert, AlertFacts, Coverage, Tally, render};

fn tally(key: &str, severity: &str, count: u64) -> Tally {
    Tally {
        key: key.to_owned(),
        severity: severity.to_owned(),
        count,
    }
}

fn facts() -> AlertFacts {
    AlertFacts {
        timezone: "America/New_York".to_owned(),
        is_built: true,
        coverage: Coverage {
            first_day: Some("2024-03-01".to_owned()),
            last_day: Some("2024-03-01".to_owned()),
            day_count: 1,
            event_count: 8_612,
            reject_count: 3,
            file_count: 7,
        },
        alert_count: 3,
        symbol_count: 1,
        anonymous_count: 0,
        by_day: vec![
            tally("2024-03-01", "high", 2),
            tally("2024-03-01", "low", 1),
        ],
        by_minute: vec![tally("09:31", "high", 2), tally("11:02", "low", 1)],
        by_rule: vec![tally("spoofing", "high", 2), tally("wash_trade", "low", 1)],
        by_symbol: vec![tally("ALFA", "high", 2), tally("ALFA", "low", 1)],
        top_alerts: vec![Alert {
            alert_id: "9f0c".to_owned(),
            rule_id: "spoofing".to_owned(),
            symbol: "ALFA".to_owned(),
            owner_id: Some("OWN-7".to_owned()),
            severity: "high".to_owned(),
            score: 71.4,
            score_magnitude: Some(0.9),
            narrative: Some("Showed 4,000 to sell, bought 100.".to_owned()),
            episode_count: 2,
            ..Alert::default()
        }],
    }
}

fn page(facts: &AlertFacts) -> String {
    render(facts, "surveillance", Timestamp::UNIX_EPOCH)
}

#[test]
fn the_page_says_how_much_was_found_in_how_much_data() {
    let page = page(&facts());
    for words in [
        "<b>3</b> alerts in <b>1</b> symbol",
        "8,612",
        "America&#x2f;New_York",
        "1970-01-01 00:00 UTC",
        "Showed 4,000 to sell, bought 100.",
        "OWN-7",
    ] {
        assert!(page.contains(words), "{words} is missing");
    }
}

#[test]
fn data_cannot_write_markup() {
    let evil = "\"onload=\"'></script><img src=x onerror=alert(1)>";
    let mut facts = facts();
    facts.timezone = evil.to_owned();
    facts.by_rule = vec![tally(evil, "high", 1)];
    facts.by_symbol = vec![tally(evil, "high", 1)];
    facts.by_day = vec![tally(evil, "high", 1)];
    facts.by_minute = vec![tally(evil, "high", 1), tally("09:<b>", "high", 1)];
    facts.coverage.day_count = 2;
    let alert = &mut facts.top_alerts[0];
    for field in [
        &mut alert.alert_id,
        &mut alert.rule_id,
        &mut alert.symbol,
        &mut alert.venue,
        &mut alert.severity,
        &mut alert.started_at,
    ] {
        *field = evil.to_owned();
    }
    alert.owner_id = Some(evil.to_owned());
    alert.narrative = Some(evil.to_owned());
    let page = render(&facts, evil, Timestamp::UNIX_EPOCH);
    assert!(!page.contains("<img"), "an element came through");
    assert!(!page.contains("09:<b>"), "an element came through");
    assert!(!page.contains("=\"\"onload"), "an attribute can be left");
}

#[test]
fn the_page_asks_the_network_for_nothing() {
    let page = page(&facts());
    for word in ["http://", "https://", "url(", "@import", "<script", "<link"] {
        assert!(!page.contains(word), "{word} is on the page");
    }
}

#[test]
fn a_project_without_data_is_told_what_to_run() {
    let mut facts = AlertFacts::default();
    assert!(page(&facts).contains("msv build"));
    facts.coverage.event_count = 10;
    assert!(page(&facts).contains("The rules have not run"));
    facts.is_built = true;
    assert!(page(&facts).contains("No rule fired"));
}
