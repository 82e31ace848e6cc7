//! Snippets, and what Jinja2 as dbt configures it makes of them.
//!
//! `corpus/record.py` says what the files hold and writes down what Jinja2 answers;
//! `corpus/generate.py` writes random snippets. To compare a file of one's own:
//! `MSV_CORPUS=file.txt cargo test --test it corpus`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use msv::jinja::value::convert::from_json;
use msv::jinja::{Engine, Source, Value};

use super::host::{TestHost, try_engine};

/// What stands for a newline in a line of a file.
const NEWLINE: &str = "↵";

/// At most one in so many snippets may be a known difference.
const SNIPPETS_PER_DIFFERENCE: usize = 100;

/// Text, or the mistake that stands in its place.
type Outcome = Result<String, String>;

fn values() -> Vec<(String, Value)> {
    let json = serde_json::json!({
        "text": "The quick brown fox",
        "n": 42,
        "ratio": 2.5,
        "yes": true,
        "nothing": null,
        "numbers": [3, 1, 2],
        "names": ["b", "a", "C"],
        "row": {"id": 1, "name": "ada", "tags": ["x", "y"]},
        "rows": [
            {"id": 2, "name": "bob", "group": "g1", "on": true},
            {"id": 1, "name": "Ada", "group": "g2", "on": false},
            {"id": 3, "name": "cyd", "group": "g1", "on": true},
        ],
        "empty": [],
    });
    let entries = json.as_object().expect("the values are an object");
    entries
        .iter()
        .map(|(name, value)| (name.clone(), from_json(value)))
        .collect()
}

/// One snippet with the macros and modes of its paragraph.
struct Snippet {
    line: usize,
    macros: Vec<String>,
    is_parsing: bool,
    is_native: bool,
    template: String,
    expected: Outcome,
    /// What msv does instead, and why.
    differs: Option<Outcome>,
}

fn read(text: &str) -> Vec<Snippet> {
    let mut snippets: Vec<Snippet> = Vec::new();
    let (mut macros, mut is_parsing, mut is_native) = (Vec::new(), false, false);
    for (index, line) in text.lines().enumerate() {
        let plain = |start: usize| line.get(start..).unwrap_or("").replace(NEWLINE, "\n");
        if line.is_empty() {
            (macros, is_parsing, is_native) = (Vec::new(), false, false);
        } else if line.starts_with("@ ") {
            is_parsing |= line.contains("parsing");
            is_native |= line.contains("native");
        } else if line.starts_with("m ") {
            macros.push(plain(2));
        } else if line.starts_with("> ") {
            snippets.push(Snippet {
                line: index + 1,
                macros: macros.clone(),
                is_parsing,
                is_native,
                template: plain(2),
                expected: Err("nothing is recorded".to_owned()),
                differs: None,
            });
        } else if let Some(last) = snippets.last_mut() {
            if line.starts_with("= ") || line == "=" {
                last.expected = Ok(plain(2));
            } else if line.starts_with("! ") {
                last.expected = Err(plain(2));
            } else if line.starts_with("~=") {
                last.differs = Some(Ok(plain(3)));
            } else if line.starts_with("~!") {
                last.differs = Some(Err(String::new()));
            }
        }
    }
    snippets
}

fn engine(macros: &[String]) -> Result<Engine, String> {
    let names: Vec<String> = (0..macros.len())
        .map(|at| format!("macros/{at}.sql"))
        .collect();
    let files: Vec<(&str, &str, &str)> = names
        .iter()
        .zip(macros)
        .map(|(name, text)| ("shop", name.as_str(), text.as_str()))
        .collect();
    try_engine(&files).map_err(|mistakes| mistakes[0].render(false))
}

fn outcome(snippet: &Snippet, engine: &Engine) -> Outcome {
    let host = TestHost {
        is_parsing: snippet.is_parsing,
        ..TestHost::default()
    };
    let source = Source::whole("models/m.sql", snippet.template.as_str());
    if snippet.is_native {
        let mut host = host;
        host.values = values();
        return match engine.evaluate_source(&source, Arc::new(host)) {
            Ok(value) => Ok(native_text(&value)),
            Err(diagnostic) => Err(diagnostic.render(false)),
        };
    }
    engine
        .render_with(&source, Arc::new(host), values())
        .map(|rendered| rendered.text)
        .map_err(|diagnostic| diagnostic.render(false))
}

/// Python's type and repr of a value, as the recorder writes native results.
fn native_text(value: &Value) -> String {
    use minijinja::value::ValueKind;
    let kind = match value.kind() {
        ValueKind::Undefined => "Undefined",
        ValueKind::None => "NoneType",
        ValueKind::Bool => "bool",
        ValueKind::Number if value.is_integer() => "int",
        ValueKind::Number => "float",
        ValueKind::String => "str",
        ValueKind::Map => "dict",
        _ if value.is_tuple() => "tuple",
        _ => "list",
    };
    format!("{kind} {}", msv::jinja::value::text::repr(value))
}

fn compare(path: &Path) -> (usize, usize, String) {
    let text = std::fs::read_to_string(path).expect("the corpus can be read");
    let snippets = read(&text);
    let mut report = String::new();
    let mut differing = 0;
    let plain = engine(&[]).expect("an engine without macros");
    for snippet in &snippets {
        let own;
        let built = if snippet.macros.is_empty() {
            Ok(&plain)
        } else {
            own = engine(&snippet.macros);
            own.as_ref().map_err(Clone::clone)
        };
        let actual = built.and_then(|engine| outcome(snippet, engine));
        differing += usize::from(snippet.differs.is_some());
        let expected = snippet.differs.as_ref().unwrap_or(&snippet.expected);
        let is_same = match (expected, &actual) {
            (Ok(expected), Ok(actual)) => expected == actual,
            (Err(_), Err(message)) => !message.contains("MSV0000"),
            _ => false,
        };
        if !is_same {
            let place = path.file_name().unwrap_or_default().to_string_lossy();
            let _ = writeln!(
                report,
                "{place}:{}\n  > {:?}",
                snippet.line, snippet.template
            );
            let _ = writeln!(report, "  expected {expected:?}\n  actual   {actual:?}");
        }
    }
    (snippets.len(), differing, report)
}

#[test]
fn templates_become_what_jinja_makes_of_them() {
    let files: Vec<PathBuf> = match std::env::var_os("MSV_CORPUS") {
        Some(file) => vec![file.into()],
        None => {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/jinja/corpus");
            let entries = std::fs::read_dir(folder).expect("the corpus is there");
            entries
                .filter_map(|entry| Some(entry.ok()?.path()))
                .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
                .collect()
        }
    };
    let results: Vec<_> = files.iter().map(|file| compare(file)).collect();
    let count: usize = results.iter().map(|(count, ..)| count).sum();
    let differing: usize = results.iter().map(|(_, differing, _)| differing).sum();
    let report: String = results.into_iter().map(|(.., report)| report).collect();
    let failed = report.matches("\n  > ").count();
    assert!(
        report.is_empty(),
        "{report}{failed} of {count} snippets differ"
    );
    assert!(
        differing * SNIPPETS_PER_DIFFERENCE <= count,
        "{differing} known differences in {count} snippets"
    );
}
