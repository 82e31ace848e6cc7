//! What the log of a run says, line by line, without times.

use std::sync::Arc;

use msv::diagnostics::{Diagnostic, Place};
use msv::parse::Node;
use msv::report::lines::{Style, explanation, finished_line, heading, verdict};
use msv::report::log_event::Fields;
use msv::report::node_event::node_end;
use msv::report::summary::{Counts, kinds};
use msv::run::{NodeResult, Position, Status};
use serde_json::json;

use crate::nodes::{generic_test, model, with_config};

const PLAIN: Style = Style {
    has_colours: false,
    width: 100,
    shortens_names: false,
};

fn result(node: Node, status: Status, message: &str) -> NodeResult {
    NodeResult {
        node: Arc::new(node),
        status,
        message: message.to_owned(),
        failures: None,
        rows: None,
        adapter_response: json!({}),
        timing: Vec::new(),
        thread: 2,
        execution_seconds: 0.125,
        compiled_code: None,
        compiled_path: None,
        batch_results: None,
        rejected_by: Vec::new(),
        diagnostic: None,
    }
}

fn table(name: &str) -> Node {
    with_config(
        model(&format!("marts/{name}.sql"), &[]),
        "materialized",
        json!("table"),
    )
}

fn position(index: usize) -> Position {
    Position { index, total: 14 }
}

#[test]
fn a_finished_node_is_one_line() {
    let mut built = result(table("fct_alerts"), Status::Success, "SELECT 1234567");
    built.rows = Some(1_234_567);
    assert_eq!(
        finished_line(PLAIN, &built, position(3)),
        " 3 of 14  OK       table        public.fct_alerts ................ 1,234,567 rows    0.12s"
    );
    let mut failed = result(
        generic_test("unique", "fct_alerts", "id", &[]),
        Status::Fail,
        "Got 3 results, configured to fail if != 0",
    );
    failed.failures = Some(3);
    assert_eq!(
        finished_line(PLAIN, &failed, position(14)),
        "14 of 14  FAIL 3   data test    unique_fct_alerts_id ...............                 0.12s"
    );
    let skipped = result(table("agg"), Status::Skipped, "");
    assert_eq!(
        finished_line(PLAIN, &skipped, position(1)),
        " 1 of 14  SKIP     table        public.agg ........................."
    );
}

#[test]
fn failures_and_warnings_have_headings_that_log_readers_know() {
    let warning = result(
        generic_test("unique", "fct_alerts", "id", &[]),
        Status::Warn,
        "Got 3 results, configured to warn if != 0",
    );
    assert_eq!(
        heading(&warning),
        "Warning in test unique_fct_alerts_id (models/unique_fct_alerts_id.sql)"
    );
    let text = "select a\nfrom b\n";
    let mut error = result(table("fct_alerts"), Status::Error, "column does not exist");
    error.diagnostic = Some(
        Diagnostic::error("MSV0402", "column `a` does not exist").at(
            Place::new("models/marts/fct_alerts.sql", text, 7..8),
            "here",
        ),
    );
    assert_eq!(
        heading(&error),
        "Database Error in model fct_alerts (models/marts/fct_alerts.sql)"
    );
    assert_eq!(
        explanation(PLAIN, &error),
        "\
error[MSV0402]: column `a` does not exist
 --> models/marts/fct_alerts.sql:1:8
  |
1 | select a
  |        ^ here"
    );
}

#[test]
fn the_count_ends_the_run() {
    let results = [
        Arc::new(result(table("a"), Status::Success, "")),
        Arc::new(result(table("b"), Status::Skipped, "")),
        Arc::new(result(
            generic_test("unique", "a", "id", &[]),
            Status::Warn,
            "",
        )),
    ];
    assert_eq!(
        Counts::of(&results).to_string(),
        "Done. PASS=1 WARN=1 ERROR=0 SKIP=1 NO-OP=0 TOTAL=3"
    );
    assert_eq!(kinds(&results), "1 data test, 2 table models");
    assert_eq!(verdict(&results).0, "Completed with 1 warning:");
}

#[test]
fn programs_read_how_a_node_ended() {
    let built = result(table("fct_alerts"), Status::Success, "SELECT 5");
    let events = node_end(&built, position(3), Fields::Told);
    let names: Vec<&str> = events.iter().map(|event| event.name).collect();
    assert_eq!(names, ["LogModelResult", "NodeFinished"]);
    let finished = &events[1];
    assert_eq!(finished.thread, "Thread-3");
    assert_eq!(
        finished.data["node_info"]["unique_id"],
        "model.shop.fct_alerts"
    );
    assert_eq!(finished.data["node_info"]["node_status"], "success");
    assert_eq!(finished.data["run_result"]["message"], "SELECT 5");
}
