//! Runs the pages under `tests/errors/`: each is explanation, fixture and test in one.
//!
//! A fenced block that opens with a language and a path is written to that path of an empty
//! project folder. A ```` ```console ```` block holds commands (`$ msv …`) and, below each, exactly
//! what it prints, standard output and standard error in the order they appear; an exit code other
//! than 0 follows as the last line, `[exit code 1]`. A page without `project.yml` or
//! `profiles.yml` gets plain ones; a command that needs a server gets a database of its own, and a
//! page that names it in its own profile finds it in `SHOP_HOST`, `SHOP_PORT`, `SHOP_USER` and
//! `SHOP_PASSWORD`. Settings may stand before a command: `$ NAME=value msv …`. Faults that no
//! project folder can cause are told in a ```` ```text ```` block and not run.
//! `UPDATE_EXPECT=1 cargo test` rewrites the output.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use rayon::prelude::*;
use regex::Regex;
use similar::TextDiff;

use crate::support::database::TestDatabase;

const PROJECT: &str = "name: shop\nprofile: shop\n";

/// For commands that open no connection: nothing listens here.
const NO_DATABASE: &str = "\
shop:
  target: dev
  outputs:
    dev:
      type: postgres
      host: 127.0.0.1
      port: 1
      user: analyst
      password: none
      dbname: shop
      schema: analytics
      threads: 1
";

/// Commands that open a connection.
const NEEDS_DATABASE: [&str; 13] = [
    "build",
    "compile",
    "evaluate",
    "freshness",
    "ingest",
    "report",
    "run",
    "run-operation",
    "seed",
    "show",
    "snapshot",
    "test",
    "unit-test",
];

struct Page {
    path: PathBuf,
    text: String,
    blocks: Vec<Block>,
}

/// One fenced block; `body` counts bytes of the page.
struct Block {
    language: String,
    target: Option<String>,
    body: std::ops::Range<usize>,
}

/// A command of a console block with the text below it.
struct Step {
    command: String,
    output: String,
}

fn parse_page(path: &Path, text: &str) -> Page {
    let mut blocks = Vec::new();
    let mut open: Option<(String, Option<String>, usize)> = None;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let next = at + line.len();
        if let Some(info) = line.trim_end().strip_prefix("```") {
            open = match open.take() {
                Some((language, target, start)) => {
                    blocks.push(Block {
                        language,
                        target,
                        body: start..at,
                    });
                    None
                }
                None => {
                    let mut words = info.split_whitespace();
                    let language = words.next().unwrap_or_default().to_owned();
                    Some((language, words.next().map(str::to_owned), next))
                }
            };
        }
        at = next;
    }
    assert!(open.is_none(), "{}: a block is not closed", path.display());
    Page {
        path: path.to_owned(),
        text: text.to_owned(),
        blocks,
    }
}

impl Page {
    fn has_file(&self, names: &[&str]) -> bool {
        self.blocks
            .iter()
            .filter_map(|block| block.target.as_deref())
            .any(|target| names.contains(&target))
    }

    fn steps(&self, block: &Block) -> Vec<Step> {
        let mut steps: Vec<Step> = Vec::new();
        for line in self.text[block.body.clone()].split_inclusive('\n') {
            if let Some(command) = line.strip_prefix("$ ") {
                steps.push(Step {
                    command: command.trim().to_owned(),
                    output: String::new(),
                });
            } else if let Some(step) = steps.last_mut() {
                step.output.push_str(line);
            }
        }
        steps
    }

    fn console_blocks(&self) -> impl DoubleEndedIterator<Item = &Block> {
        self.blocks
            .iter()
            .filter(|block| block.language == "console")
    }

    fn needs_database(&self) -> bool {
        if self.has_file(&["profiles.yml"]) {
            return self.text.contains("SHOP_PORT");
        }
        self.console_blocks()
            .flat_map(|block| self.steps(block))
            .any(|step| {
                step.command
                    .split_whitespace()
                    .any(|word| NEEDS_DATABASE.contains(&word))
            })
    }

    /// Writes the page's files, and the ones it leaves to us, into an empty folder.
    fn lay_out(&self, folder: &Path) -> Option<TestDatabase> {
        let write = |name: &str, text: &str| {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        for block in &self.blocks {
            if let Some(target) = &block.target {
                write(target, &self.text[block.body.clone()]);
            }
        }
        if !self.has_file(&["project.yml", "dbt_project.yml"]) {
            write("project.yml", PROJECT);
        }
        let database = self.needs_database().then(TestDatabase::new);
        if !self.has_file(&["profiles.yml"]) {
            match &database {
                Some(database) => {
                    write("profiles.yml", &database.profiles_yml("shop", "analytics"));
                }
                None => write("profiles.yml", NO_DATABASE),
            }
        }
        database
    }

    /// Runs every command and returns the page as it should read.
    fn run(&self) -> String {
        let folder = tempfile::tempdir().unwrap();
        let database = self.lay_out(folder.path());
        let mut outputs = Vec::new();
        for block in self.console_blocks() {
            let mut body = String::new();
            for step in self.steps(block) {
                let output = run_command(&step.command, folder.path(), database.as_ref());
                write!(body, "$ {}\n{output}", step.command).unwrap();
            }
            outputs.push((block.body.clone(), body));
        }
        drop(database);
        let mut text = self.text.clone();
        for (range, body) in outputs.into_iter().rev() {
            text.replace_range(range, &body);
        }
        text
    }
}

/// What a person would see on the terminal, times and folders made equal everywhere.
fn run_command(command: &str, folder: &Path, database: Option<&TestDatabase>) -> String {
    let words = command.split_whitespace();
    let (settings, words): (Vec<&str>, Vec<&str>) = words.partition(|word| {
        let (name, _) = word.split_once('=').unwrap_or_default();
        !name.is_empty() && name.chars().all(|c| c.is_ascii_uppercase() || c == '_')
    });
    assert_eq!(words[0], "msv", "only msv runs here: {command}");
    let (mut reader, writer) = io::pipe().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_msv"));
    child
        .args(&words[1..])
        .current_dir(folder)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", folder)
        .env("NO_COLOR", "1")
        // Two models side by side would end in either order.
        .env("MSV_THREADS", "1")
        .envs(
            settings
                .iter()
                .filter_map(|setting| setting.split_once('=')),
        )
        .envs(database.map(server_settings).into_iter().flatten())
        .stdin(std::process::Stdio::null())
        .stdout(writer.try_clone().unwrap())
        .stderr(writer);
    let mut running = child.spawn().unwrap();
    // The builder holds the write end; while it lives the pipe never ends.
    drop(child);
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes).unwrap();
    let status = running.wait().unwrap();
    let mut output = steady(&String::from_utf8_lossy(&bytes), folder);
    if !output.is_empty() && !output.ends_with('\n') {
        output.push('\n');
    }
    match status.code() {
        Some(0) => {}
        Some(code) => writeln!(output, "[exit code {code}]").unwrap(),
        None => writeln!(output, "[ended by a signal]").unwrap(),
    }
    output
}

fn server_settings(database: &TestDatabase) -> [(&'static str, String); 4] {
    let options = database.options();
    [
        ("SHOP_HOST", options.host),
        ("SHOP_PORT", options.port.to_string()),
        ("SHOP_USER", options.user),
        ("SHOP_PASSWORD", options.password.expose().to_owned()),
    ]
}

/// Replaces what differs between two runs by fixed words.
fn steady(output: &str, folder: &Path) -> String {
    static PATTERNS: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
        [
            (r"\b\d+\.\d+( ?s| seconds)\b", "0.00$1"),
            (r"\b\d{2}:\d{2}:\d{2}(\.\d+)?\b", "00:00:00"),
            (r"\b(127\.0\.0\.1|localhost):\d{4,5}\b", "$1:5432"),
            (r"\btest_\d+\b", "shop"),
            (r"\b[\d,]+ events/s\b", "0 events/s"),
        ]
        .map(|(pattern, with)| (Regex::new(pattern).unwrap(), with))
        .to_vec()
    });
    let mut output = output.replace("\r\n", "\n");
    for path in [folder.to_owned(), folder.canonicalize().unwrap()] {
        output = output.replace(path.to_str().unwrap(), "/shop");
    }
    for (pattern, with) in PATTERNS.iter() {
        output = pattern.replace_all(&output, *with).into_owned();
    }
    let lines: Vec<&str> = output.lines().map(str::trim_end).collect();
    lines.join("\n")
}

/// What is wrong with a page besides its output.
fn form_mistakes(page: &Page) -> Vec<String> {
    let name = page.path.file_stem().unwrap().to_str().unwrap();
    let code = name.split('-').next().unwrap();
    let mut mistakes = Vec::new();
    if !page.text.starts_with(&format!("# {code}: ")) {
        mistakes.push(format!("{name}: begin with `# {code}: title`"));
    }
    let is_shown = page
        .blocks
        .iter()
        .filter(|block| block.target.is_none())
        .any(|block| page.text[block.body.clone()].contains(&format!("[{code}]")));
    if !is_shown {
        mistakes.push(format!("{name}: no console block shows [{code}]"));
    }
    mistakes
}

#[test]
fn every_page_prints_what_it_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/errors");
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "md"))
        .collect();
    paths.sort();
    let rewrite = std::env::var_os("UPDATE_EXPECT").is_some();
    let failures: Vec<String> = paths
        .par_iter()
        .flat_map_iter(|path| {
            let page = parse_page(path, &fs::read_to_string(path).unwrap());
            let actual = page.run();
            if rewrite && actual != page.text {
                fs::write(path, &actual).unwrap();
            }
            let expected = if rewrite { &actual } else { &page.text };
            let mut failures = form_mistakes(&parse_page(path, expected));
            if *expected != actual {
                let name = path.file_name().unwrap().to_string_lossy();
                let diff = TextDiff::from_lines(expected.as_str(), actual.as_str());
                let diff = diff.unified_diff().header(&name, "now").to_string();
                failures.push(diff);
            }
            failures
        })
        .collect();
    assert!(
        failures.is_empty(),
        "\n{}\nIf the new output is right: UPDATE_EXPECT=1 cargo test error_pages\n",
        failures.join("\n")
    );
}

#[test]
fn a_page_is_read_into_files_and_steps() {
    let text = "# MSV0001: x\n\n```sql models/a.sql\nselect 1\n```\n\n```console\n$ msv parse\nno\n[exit code 1]\n$ msv ls\n```\n";
    let page = parse_page(Path::new("MSV0001-x.md"), text);
    assert!(page.has_file(&["models/a.sql"]));
    let steps = page.steps(&page.blocks[1]);
    assert_eq!(steps.len(), 2);
    assert_eq!(steps[0].output, "no\n[exit code 1]\n");
    assert!(!page.needs_database());
    assert_eq!(
        form_mistakes(&page),
        ["MSV0001-x: no console block shows [MSV0001]"]
    );
}

#[test]
fn times_ports_and_folders_are_steadied() {
    let folder = tempfile::tempdir().unwrap();
    let text = format!(
        "12:31:02 1 of 2 OK in 0.13s, 2.10 seconds\ncannot reach `127.0.0.1:54321` from {}\n",
        folder.path().display()
    );
    assert_eq!(
        steady(&text, folder.path()),
        "00:00:00 1 of 2 OK in 0.00s, 0.00 seconds\ncannot reach `127.0.0.1:5432` from /shop"
    );
}
