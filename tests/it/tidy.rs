//! Keeps the house in order: reads the sources and fails where they leave the written rules.
//!
//! A rule is a function from files to violations; each says file, line and what to do. The layer
//! table is read from `ARCHITECTURE.md`, so that page cannot go stale. Below the rules, small
//! inputs show that each of them can fail.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use regex::Regex;
use walkdir::WalkDir;

/// Past this a file has a second thing in it.
const MAX_LINES: usize = 700;

/// Names that say nothing about what is inside.
const DRAWER_NAMES: [&str; 9] = [
    "core", "common", "util", "utils", "helper", "helpers", "misc", "imp", "manager",
];

const LEAVES: [&str; 2] = ["diagnostics", "relation"];

/// Codes whose page is still to be written. This list only ever gets shorter.
const CODES_WITHOUT_PAGE: &[&str] = &[];

/// The same mistake found by two modules: a wrong type, a name nobody has.
const SHARED_CODES: [&str; 3] = ["MSV0103", "MSV0201", "MSV0208"];

/// One file, its path relative to the repository with `/`.
struct Source {
    path: String,
    text: String,
}

#[derive(Debug, PartialEq)]
struct Violation {
    path: String,
    line: usize,
    message: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.message)
    }
}

impl Source {
    fn violation(&self, line: usize, message: impl Into<String>) -> Violation {
        Violation {
            path: self.path.clone(),
            line,
            message: message.into(),
        }
    }

    /// Lines of code with their number; comment lines may name anything.
    fn code_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text
            .lines()
            .enumerate()
            .filter(|(_, line)| !line.trim_start().starts_with("//"))
            .map(|(index, line)| (index + 1, line))
    }

    /// First folder or file below `src/`: `run` for `src/run/event.rs`, `relation` for
    /// `src/main.rs`. None for the crate roots, which tie everything together.
    fn module(&self) -> Option<&str> {
        let inside = self.path.strip_prefix("src/")?;
        let module = inside.split('/').next()?.trim_end_matches(".rs");
        (module != "main" && module != "lib").then_some(module)
    }
}

fn read_tree(folder: &str, extension: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    WalkDir::new(root.join(folder))
        .sort_by_file_name()
        .into_iter()
        .filter_map(Result::ok)
        .filter(|entry| entry.path().extension().is_some_and(|e| e == extension))
        .map(|entry| Source {
            path: entry
                .path()
                .strip_prefix(root)
                .unwrap()
                .to_str()
                .unwrap()
                .replace('\\', "/"),
            text: fs::read_to_string(entry.path()).unwrap(),
        })
        .collect()
}

fn read_file(path: &str) -> Source {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path));
    Source {
        path: path.to_owned(),
        text: text.unwrap(),
    }
}

fn assert_tidy(violations: Vec<Violation>) {
    let lines: Vec<String> = violations.iter().map(Violation::to_string).collect();
    assert!(lines.is_empty(), "\n{}\n", lines.join("\n"));
}

type Layers = BTreeMap<String, Option<BTreeSet<String>>>;

/// Reads the table `| module | may use |`; `None` stands for everything.
fn read_layers(page: &str) -> Layers {
    page.lines()
        .skip_while(|line| *line != "| module | may use |")
        .skip(2)
        .map_while(|line| {
            line.strip_prefix("| ")?
                .strip_suffix(" |")?
                .split_once(" | ")
        })
        .map(|(module, uses)| {
            let allowed = match uses {
                "everything" => None,
                "nothing" | "leaves" => Some(BTreeSet::new()),
                list => Some(list.split(", ").map(str::to_owned).collect()),
            };
            (module.to_owned(), allowed)
        })
        .collect()
}

/// The stages that a file names, with the line of each: `crate::graph` in the root crate,
/// `msv_graph` in a stage that is a workspace member.
fn modules_used(source: &Source) -> Vec<(usize, String)> {
    static ONE: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"\b(?:crate::|msv_)([a-z_]+)").unwrap());
    static GROUP: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\bcrate::\{").unwrap());
    let mut found = Vec::new();
    for (line, code) in source.code_lines() {
        for name in ONE.captures_iter(code) {
            found.push((line, name[1].to_owned()));
        }
        if GROUP.is_match(code) {
            let rest: String = source
                .text
                .split_inclusive('\n')
                .skip(line - 1)
                .collect::<String>();
            let start = GROUP.find(&rest).map_or(0, |group| group.end());
            for name in outermost_names(&rest[start..]) {
                found.push((line, name));
            }
        }
    }
    found
}

/// `a::{b, c}, d}` has the outermost names `a` and `d`.
fn outermost_names(group: &str) -> Vec<String> {
    let mut depth = 1;
    let mut outermost = String::new();
    for letter in group.chars() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ if depth == 1 => outermost.push(letter),
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    outermost
        .split(',')
        .filter_map(|path| path.trim().split("::").next())
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

fn layer_violations(layers: &Layers, sources: &[Source]) -> Vec<Violation> {
    static CLIMB: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\bsuper::super\b").unwrap());
    let mut found = Vec::new();
    for source in sources {
        let Some(module) = source.module() else {
            continue;
        };
        for (line, code) in source.code_lines() {
            let is_top = source.path == format!("src/{module}/mod.rs")
                || source.path == format!("src/{module}.rs");
            if CLIMB.is_match(code) || is_top && code.starts_with("use super::") {
                found.push(source.violation(line, "write the path from `crate::`"));
            }
        }
        let Some(allowed) = layers.get(module) else {
            let message = format!("add a row for `{module}` to the layer table of ARCHITECTURE.md");
            found.push(source.violation(1, message));
            continue;
        };
        let Some(allowed) = allowed else { continue };
        for (line, used) in modules_used(source) {
            let is_leaf = LEAVES.contains(&used.as_str()) && !LEAVES.contains(&module);
            if layers.contains_key(&used) && used != module && !is_leaf && !allowed.contains(&used)
            {
                let message = format!(
                    "`{module}` may not use `{used}`: pass plain data or a trait in, or move the \
                     code (layer table of ARCHITECTURE.md)"
                );
                found.push(source.violation(line, message));
            }
        }
    }
    found
}

/// Reports each code line that matches `pattern` in a file where `is_home` is false.
fn found_outside(
    sources: &[Source],
    pattern: &str,
    is_home: impl Fn(&str) -> bool,
    message: &str,
) -> Vec<Violation> {
    let pattern = Regex::new(pattern).unwrap();
    let mut found = Vec::new();
    for source in sources.iter().filter(|source| !is_home(&source.path)) {
        for (line, code) in source.code_lines() {
            if pattern.is_match(code) {
                found.push(source.violation(line, message));
            }
        }
    }
    found
}

fn home_violations(sources: &[Source]) -> Vec<Violation> {
    let mut found = found_outside(
        sources,
        r"\bsqlx\b",
        |path| path.starts_with("src/postgres/"),
        "only src/postgres/ names the driver: add what you need to its facade",
    );
    found.extend(found_outside(
        sources,
        r"\b(serde_yaml|saphyr_parser|saphyr)\b",
        |path| path == "src/project/yaml.rs",
        "only src/project/yaml.rs names a YAML crate: call it instead",
    ));
    found.extend(found_outside(
        sources,
        r"\b(print|println|eprint|eprintln|dbg)!\s*[(\[{]",
        |path| path.starts_with("src/cli/") || path == "src/report/console.rs",
        "print only in src/cli/ and src/report/console.rs: return a value or emit an event",
    ));
    found.extend(found_outside(
        sources,
        r"#!?\[allow\(",
        |_| false,
        "write `#[expect(lint, reason = \"…\")]` instead of allowing a lint",
    ));
    found
}

fn file_violations(sources: &[Source]) -> Vec<Violation> {
    let mut found = Vec::new();
    for source in sources {
        if !source.text.starts_with("//! ") {
            let message = "begin with `//! ` and say what the file turns into what";
            found.push(source.violation(1, message));
        }
        let lines = source.text.lines().count();
        if lines > MAX_LINES {
            let message = format!("{lines} lines, at most {MAX_LINES}: move the second thing out");
            found.push(source.violation(lines, message));
        }
        for part in source.path.trim_end_matches(".rs").split('/') {
            if DRAWER_NAMES.contains(&part) {
                let message = format!("`{part}` names no thing: call the module what is inside");
                found.push(source.violation(1, message));
            }
        }
    }
    let names = DRAWER_NAMES.join("|");
    found.extend(found_outside(
        sources,
        &format!(r"\bmod ({names})\b"),
        |_| false,
        "this module name says nothing: call it what is inside",
    ));
    found
}

/// Every code in a source file, with the place of its first use.
fn codes_used(sources: &[Source]) -> BTreeMap<String, (String, usize)> {
    static CODE: LazyLock<Regex> = LazyLock::new(|| Regex::new(r#""(MSV\d{4})""#).unwrap());
    let mut codes = BTreeMap::new();
    for source in sources {
        for (line, code) in source.code_lines() {
            for found in CODE.captures_iter(code) {
                codes
                    .entry(found[1].to_owned())
                    .or_insert((source.path.clone(), line));
            }
        }
    }
    codes
}

fn page_violations(sources: &[Source], pages: &[String], without_page: &[&str]) -> Vec<Violation> {
    let at = |path: &str, line, message: String| Violation {
        path: path.to_owned(),
        line,
        message,
    };
    let codes = codes_used(sources);
    let mut found = Vec::new();
    let mut explained = BTreeMap::new();
    for page in pages {
        let path = format!("tests/errors/{page}.md");
        let code = page.split('-').next().unwrap_or_default().to_owned();
        if !codes.contains_key(&code) {
            found.push(at(
                &path,
                1,
                format!("no source raises `{code}`: delete the page"),
            ));
        }
        if let Some(other) = explained.insert(code.clone(), page) {
            found.push(at(
                &path,
                1,
                format!("`{code}` already has the page {other}.md"),
            ));
        }
        if without_page.contains(&code.as_str()) {
            found.push(at(
                &path,
                1,
                format!("take `{code}` off CODES_WITHOUT_PAGE"),
            ));
        }
    }
    for (code, (path, line)) in &codes {
        if !explained.contains_key(code) && !without_page.contains(&code.as_str()) {
            let message = format!("write tests/errors/{code}-what-is-wrong.md for this code");
            found.push(at(path, *line, message));
        }
    }
    for code in without_page
        .iter()
        .filter(|code| !codes.contains_key(**code))
    {
        let message = format!("no source raises `{code}`: take it off CODES_WITHOUT_PAGE");
        found.push(at("tests/it/tidy.rs", 1, message));
    }
    found
}

/// A code means one thing, so one module raises it. Tests may repeat it.
fn shared_code_violations(sources: &[Source]) -> Vec<Violation> {
    let mut raised: BTreeMap<String, String> = BTreeMap::new();
    let mut found = Vec::new();
    for source in sources {
        let module = source.module().unwrap_or_default();
        let code_only = source.text.split("#[cfg(test)]").next().unwrap_or_default();
        let is_test = source.path.ends_with("/tests.rs") || source.path.contains("/tests/");
        if is_test || module == "diagnostics" {
            continue;
        }
        let raises = Source {
            path: source.path.clone(),
            text: code_only.to_owned(),
        };
        for (code, (_, line)) in codes_used(&[raises]) {
            if SHARED_CODES.contains(&code.as_str()) {
                continue;
            }
            let owner = raised
                .entry(code.clone())
                .or_insert_with(|| module.to_owned());
            if owner != module {
                let message = format!("`{code}` belongs to `{owner}`: take a code that is free");
                found.push(source.violation(line, message));
            }
        }
    }
    found
}

/// `msv explain` embeds its pages by a list, which has to name exactly the files there are.
fn explain_violations(explain: &Source, pages: &[String]) -> Vec<Violation> {
    static NAME: LazyLock<Regex> = LazyLock::new(|| Regex::new(r#""(MSV\d{4}-[^"]+)""#).unwrap());
    let listed: Vec<(usize, String)> = explain
        .code_lines()
        .flat_map(|(line, code)| {
            NAME.captures_iter(code)
                .map(move |name| (line, name[1].to_owned()))
        })
        .collect();
    let mut found = Vec::new();
    for page in pages {
        if !listed.iter().any(|(_, name)| name == page) {
            found.push(explain.violation(1, format!("add \"{page}\" to the list of pages")));
        }
    }
    for pair in listed.windows(2).filter(|pair| pair[0].1 >= pair[1].1) {
        found.push(explain.violation(pair[1].0, "keep the list of pages in order"));
    }
    found
}

fn embedding_violations(rust: &[Source], builtins: &[Source]) -> Vec<Violation> {
    let code: String = rust
        .iter()
        .filter(|source| source.path.starts_with("src/jinja/"))
        .map(|source| source.text.as_str())
        .collect();
    if code.contains("include_dir!(") {
        return Vec::new();
    }
    builtins
        .iter()
        .filter(|sql| {
            let name = sql.path.rsplit('/').next().unwrap_or_default();
            let named = format!("{name}\"");
            let stem = format!("\"{}\"", name.trim_end_matches(".sql"));
            !code.contains(&named) && !code.contains(&stem)
        })
        .map(|sql| {
            sql.violation(
                1,
                "embed this file where src/jinja/ lists the built-in macros",
            )
        })
        .collect()
}

fn page_names() -> Vec<String> {
    read_tree("tests/errors", "md")
        .iter()
        .filter_map(|page| {
            Path::new(&page.path)
                .file_stem()?
                .to_str()
                .map(str::to_owned)
        })
        .collect()
}

#[test]
fn modules_use_only_what_their_layer_allows() {
    let layers = read_layers(&read_file("ARCHITECTURE.md").text);
    assert!(layers.len() > 10, "the layer table was not found");
    assert_tidy(layer_violations(&layers, &read_tree("src", "rs")));
}

#[test]
fn drivers_yaml_and_printing_stay_at_home() {
    assert_tidy(home_violations(&read_tree("src", "rs")));
}

#[test]
fn files_have_a_header_a_name_and_a_size() {
    assert_tidy(file_violations(&read_tree("src", "rs")));
}

#[test]
fn unsafe_code_is_forbidden() {
    let manifest = read_file("Cargo.toml").text;
    assert!(
        manifest
            .lines()
            .any(|line| line == "unsafe_code = \"forbid\""),
        "Cargo.toml: put `unsafe_code = \"forbid\"` back under [workspace.lints.rust]"
    );
}

#[test]
fn every_code_has_one_page() {
    let sources = read_tree("src", "rs");
    assert_tidy(page_violations(&sources, &page_names(), CODES_WITHOUT_PAGE));
}

#[test]
fn every_code_belongs_to_one_module() {
    assert_tidy(shared_code_violations(&read_tree("src", "rs")));
}

#[test]
fn every_page_is_explained() {
    let explain = read_file("src/cli/explain.rs");
    assert_tidy(explain_violations(&explain, &page_names()));
}

#[test]
fn every_builtin_macro_file_is_embedded() {
    let builtins = read_tree("src/jinja/builtins", "sql");
    assert_tidy(embedding_violations(&read_tree("src", "rs"), &builtins));
}

mod checks_can_fail {
    use super::*;

    fn source(path: &str, text: &str) -> Source {
        Source {
            path: path.to_owned(),
            text: text.to_owned(),
        }
    }

    fn layers() -> Layers {
        read_layers(
            "| module | may use |\n|---|---|\n| diagnostics | nothing |\n| parse | leaves |\n\
             | graph | parse |\n| cli | everything |\n\ntext",
        )
    }

    fn lines(violations: &[Violation]) -> Vec<usize> {
        violations.iter().map(|violation| violation.line).collect()
    }

    #[test]
    fn an_upward_import_is_named_with_its_line() {
        let sources = [
            source("src/graph/mod.rs", "//! x\nuse crate::parse::Node;\n"),
            source(
                "src/parse/mod.rs",
                "//! x\n// see crate::graph\nuse crate::graph::Dag;\n",
            ),
            source("src/cli/mod.rs", "//! x\nuse crate::graph::Dag;\n"),
            source("src/parse/a.rs", "//! x\nuse msv_graph::Dag;\n"),
        ];
        let found = layer_violations(&layers(), &sources);
        assert_eq!(lines(&found), [3, 2]);
        assert!(
            found[0]
                .to_string()
                .starts_with("src/parse/mod.rs:3: `parse` may not use `graph`"),
            "{}",
            found[0]
        );
    }

    #[test]
    fn an_upward_import_is_seen_in_groups_and_in_test_modules() {
        let text = "//! x\n#[cfg(test)]\nmod tests {\n    use crate::{\n        diagnostics::{Place, cli},\n        graph::Dag,\n    };\n}\n";
        let found = layer_violations(&layers(), &[source("src/parse/a.rs", text)]);
        assert_eq!(lines(&found), [4]);
    }

    #[test]
    fn a_leaf_uses_nothing_and_a_new_module_needs_a_row() {
        let sources = [
            source("src/diagnostics/mod.rs", "use crate::parse::Node;"),
            source("src/serve/mod.rs", "//! x"),
        ];
        assert_eq!(layer_violations(&layers(), &sources).len(), 2);
    }

    #[test]
    fn climbing_out_of_a_module_is_found() {
        let text = "//! x\nuse super::graph::Dag;\nfn f() { super::super::graph::go() }\n";
        let found = layer_violations(&layers(), &[source("src/parse/mod.rs", text)]);
        assert_eq!(lines(&found), [2, 3]);
    }

    #[test]
    fn names_away_from_home_are_found() {
        let text = "//! sqlx\nuse sqlx::Row;\nuse serde_yaml::Value;\nprintln!(\"x\");\n#[allow(dead_code)]\nwriteln!(out)";
        let found = home_violations(&[source("src/run/mod.rs", text)]);
        assert_eq!(lines(&found), [2, 3, 4, 5]);
        let at_home = [
            source("src/postgres/a.rs", "use sqlx::Row;"),
            source("src/project/yaml.rs", "use serde_yaml::Value;"),
            source("src/cli/a.rs", "println!()"),
        ];
        assert_eq!(home_violations(&at_home), []);
    }

    #[test]
    fn headless_long_and_nameless_files_are_found() {
        let long = format!("//! x\n{}", "\n".repeat(MAX_LINES));
        let sources = [
            source("src/run/a.rs", "use std::fmt;\n"),
            source("src/run/b.rs", &long),
            source("src/run/utils/c.rs", "//! x\nmod helpers;\n"),
        ];
        assert_eq!(lines(&file_violations(&sources)), [1, 701, 1, 2]);
    }

    #[test]
    fn a_code_without_page_and_a_page_without_code_are_found() {
        let sources = [source("src/run/a.rs", "f(\"MSV0301\");\ng(\"MSV0302\")")];
        let pages = ["MSV0301-one".to_owned(), "MSV0399-gone".to_owned()];
        let found = page_violations(&sources, &pages, &[]);
        let places: Vec<&str> = found.iter().map(|found| found.path.as_str()).collect();
        assert_eq!(places, ["tests/errors/MSV0399-gone.md", "src/run/a.rs"]);
        assert_eq!(page_violations(&sources, &pages[..1], &["MSV0302"]), []);
        assert_eq!(
            page_violations(&sources, &pages[..1], &["MSV0301", "MSV0302", "MSV0303"]).len(),
            2
        );
    }

    #[test]
    fn a_code_of_two_modules_is_found() {
        let sources = [
            source("src/run/a.rs", "f(\"MSV0401\")"),
            source("src/run/b.rs", "f(\"MSV0401\")"),
            source("src/serve/c.rs", "f(\"MSV0401\")"),
            source("src/serve/d.rs", "#[cfg(test)]\nf(\"MSV0401\")"),
        ];
        let found = shared_code_violations(&sources);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].path, "src/serve/c.rs");
    }

    #[test]
    fn an_unlisted_page_is_found() {
        let explain = source(
            "src/cli/explain.rs",
            "//! x\n\"MSV0202-b\",\n\"MSV0201-a\",\n",
        );
        let pages = ["MSV0201-a", "MSV0202-b", "MSV0203-c"].map(str::to_owned);
        assert_eq!(lines(&explain_violations(&explain, &pages)), [1, 3]);
    }

    #[test]
    fn a_forgotten_builtin_is_found() {
        let rust = [source(
            "src/jinja/mod.rs",
            "include_str!(\"builtins/a.sql\")",
        )];
        let builtins = ["a", "b"].map(|name| source(&format!("src/jinja/builtins/{name}.sql"), ""));
        let found = embedding_violations(&rust, &builtins);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].path, "src/jinja/builtins/b.sql");
    }
}
