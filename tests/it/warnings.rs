//! `tests/warnings.md`: small projects, each with the warning or the refusal it leads to.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use rayon::prelude::*;

use crate::compatibility::table;
use crate::support::database::TestDatabase;

const PROJECT: &str = "name: shop\nprofile: shop\n";

/// For commands that open no connection: nothing listens here.
const NO_DATABASE: &str = "\
shop:
  target: dev
  outputs:
    dev: {type: postgres, host: 127.0.0.1, port: 1, user: a, password: b, dbname: c, schema: d}
";

#[derive(Debug, PartialEq, Eq)]
enum Expected {
    /// dbt's event, and msv's code.
    Warning(String, String),
    Error(String),
    Silence(String),
}

struct Case {
    title: String,
    expected: Expected,
    /// Commands; the last one counts.
    commands: Vec<String>,
    files: Vec<(String, String)>,
}

fn cases() -> Vec<Case> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/warnings.md");
    let page = fs::read_to_string(path).unwrap();
    page.split("\n## ").skip(1).map(read).collect()
}

fn read(section: &str) -> Case {
    let (title, rest) = section.split_once('\n').unwrap();
    let line = rest.lines().find(|line| !line.is_empty()).unwrap();
    let (what, command) = line.split_once(": `msv ").expect(line);
    let quoted: Vec<String> = what.split('`').map(str::to_owned).collect();
    let expected = match what.split(' ').next().unwrap() {
        "warning" => Expected::Warning(quoted[1].clone(), quoted[3].clone()),
        "error" => Expected::Error(quoted[1].clone()),
        "silence" => Expected::Silence(quoted[1].clone()),
        other => panic!("{other}"),
    };
    let mut files = Vec::new();
    for block in rest.split("\n```").skip(1).step_by(2) {
        let (opening, text) = block.split_once('\n').expect(title);
        let (_, path) = opening.split_once(' ').expect(title);
        files.push((path.to_owned(), format!("{text}\n")));
    }
    Case {
        title: title.to_owned(),
        expected,
        commands: command
            .trim_end_matches('`')
            .split(" && ")
            .map(str::to_owned)
            .collect(),
        files,
    }
}

fn needs_database(command: &str) -> bool {
    let words = ["run", "compile", "source"];
    let mut parts = command.split(' ');
    parts.any(|part| words.contains(&part))
}

/// What the last command prints as events, and its exit code.
fn run(case: &Case) -> (String, i32) {
    let folder = tempfile::tempdir().unwrap();
    let database = case
        .commands
        .iter()
        .any(|command| needs_database(command))
        .then(TestDatabase::new);
    let profile = match &database {
        Some(database) => database.profiles_yml("shop", "analytics"),
        None => NO_DATABASE.to_owned(),
    };
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("dbt_project.yml", PROJECT);
    write("profiles.yml", &profile);
    for (path, text) in &case.files {
        write(path, text);
    }
    let mut last = (String::new(), 0);
    for line in &case.commands {
        let mut words: Vec<&str> = line.split(' ').collect();
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("msv"));
        command.env_clear().env("HOME", folder.path());
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        while let Some((name, value)) = words[0].split_once('=') {
            command.env(name, value);
            words.remove(0);
        }
        let output = command
            .args(&words)
            .args(["--log-format", "json"])
            .current_dir(folder.path())
            .output()
            .unwrap();
        let text = [output.stdout, output.stderr].concat();
        last = (
            String::from_utf8_lossy(&text).into_owned(),
            output.status.code().unwrap(),
        );
    }
    last
}

fn check(case: &Case) -> Option<String> {
    let (text, exit) = run(case);
    let has_event = |name: &str| text.contains(&format!("\"name\":\"{name}\""));
    let is_right = match &case.expected {
        Expected::Warning(event, code) => exit == 0 && has_event(event) && text.contains(code),
        Expected::Error(code) => exit != 0 && text.contains(code),
        Expected::Silence(event) => exit == 0 && !has_event(event),
    };
    (!is_right).then(|| format!("{}: exit code {exit}\n{text}", case.title))
}

#[test]
fn small_projects_are_warned_of_and_refused() {
    let wrong: Vec<String> = cases().par_iter().filter_map(check).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// The page lists every event of a warning, and what it says is there has a project above.
#[test]
fn the_page_of_compatibility_lists_events_and_refusals() {
    let cases = cases();
    let tried: BTreeSet<&str> = cases
        .iter()
        .filter_map(|case| match &case.expected {
            Expected::Warning(event, _) => Some(event.as_str()),
            _ => None,
        })
        .collect();
    let rows = table("Warnings", 4);
    let mut listed = BTreeSet::new();
    for row in &rows[2..] {
        let event = row[0].trim_matches('`').to_owned();
        let is_there = row[1] == "works" || row[1] == "differs";
        let elsewhere = row[3].contains("tried in");
        if !elsewhere {
            assert_eq!(is_there, tried.contains(event.as_str()), "{row:?}");
        }
        listed.insert(event);
    }
    for event in tried {
        assert!(listed.contains(event), "{event} is not on the page");
    }
    let refused: BTreeSet<&str> = cases
        .iter()
        .filter(|case| matches!(case.expected, Expected::Error(_)))
        .map(|case| case.title.as_str())
        .collect();
    for row in &table("Refusals", 4)[2..] {
        let is_there = row[1] == "works" || row[1] == "differs";
        assert_eq!(is_there, refused.contains(row[0].as_str()), "{row:?}");
    }
}
