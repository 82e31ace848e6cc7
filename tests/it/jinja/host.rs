//! A host for tests: it knows a few names and remembers what it was asked.

use std::sync::{Arc, Mutex};

use indexmap::IndexMap;
use msv::diagnostics::Diagnostic;
use msv::jinja::{Block, Database, Engine, Host, HostError, Site, Source, Value, extract_blocks};
use msv::relation::Relation;

#[derive(Default)]
pub(super) struct TestHost {
    pub(super) is_parsing: bool,
    /// Further names of the context.
    pub(super) values: Vec<(String, Value)>,
    pub(super) log: Mutex<Vec<String>>,
    pub(super) config: Mutex<IndexMap<String, Value>>,
}

impl Host for TestHost {
    fn package(&self) -> &str {
        "shop"
    }

    fn is_execute(&self) -> bool {
        !self.is_parsing
    }

    fn reference(
        &self,
        package: Option<&str>,
        name: &str,
        version: Option<&Value>,
        site: Site,
    ) -> Result<Relation, HostError> {
        if name == "missing" {
            return Err(Diagnostic::error("MSV0201", "no model is named `missing`")
                .at(site.place(), "referenced here")
                .into());
        }
        let shown = &site.text[site.span];
        let mut log = self.log.lock().expect("no test panics while it logs");
        log.push(format!(
            "ref {package:?} {name} {version:?} {}: {shown}",
            site.file
        ));
        Ok(Relation::new("db", "main", name))
    }

    fn source(&self, source: &str, table: &str, site: Site) -> Result<Relation, HostError> {
        let shown = &site.text[site.span];
        let mut log = self.log.lock().expect("no test panics while it logs");
        log.push(format!("source {source} {table} {}: {shown}", site.file));
        Ok(Relation::new("db", source, table))
    }

    fn configure(&self, values: IndexMap<String, Value>, site: Site) -> Result<(), HostError> {
        let mut log = self.log.lock().expect("no test panics while it logs");
        log.push(format!("config {values:?} {}", site.file));
        let mut config = self.config.lock().expect("no test panics while it logs");
        config.extend(values);
        Ok(())
    }

    fn config(&self, key: &str) -> Option<Value> {
        let config = self.config.lock().expect("no test panics while it logs");
        config.get(key).cloned()
    }

    fn var(&self, name: &str) -> Option<Value> {
        match name {
            "days" => Some(Value::from(7)),
            "day" => Some(Value::from("day {{ var('days') }}")),
            "names" => Some(Value::from(vec!["a", "b"])),
            _ => None,
        }
    }

    fn env_var(&self, name: &str) -> Option<String> {
        (name == "HOME_TOWN").then(|| "Basel".to_owned())
    }

    fn doc(&self, _package: Option<&str>, name: &str) -> Result<String, HostError> {
        Ok(format!("about {name}"))
    }

    fn this(&self) -> Option<Relation> {
        Some(Relation::new("db", "main", "me"))
    }

    fn context(&self, name: &str) -> Option<Value> {
        if let Some((_, value)) = self.values.iter().find(|(own, _)| own == name) {
            return Some(value.clone());
        }
        match name {
            "target" => Some(Value::from_pairs([
                ("schema", "main"),
                ("name", "local"),
                ("database", "db"),
            ])),
            "shown" => Some(Value::from("outer")),
            _ => None,
        }
    }

    fn database(&self) -> Option<&dyn Database> {
        None
    }

    fn log(&self, message: &str, _is_info: bool) {
        let mut log = self.log.lock().expect("no test panics while it logs");
        log.push(format!("log {message}"));
    }

    fn print(&self, message: &str) {
        self.log(message, true);
    }

    fn warn(&self, message: &str) -> bool {
        self.log(message, true);
        false
    }
}

/// Builds an engine of files: package, path, text.
pub(super) fn engine(files: &[(&str, &str, &str)]) -> Engine {
    try_engine(files).unwrap_or_else(|diagnostics| {
        let shown: Vec<String> = diagnostics.iter().map(|d| d.render(false)).collect();
        panic!("{}", shown.join("\n"))
    })
}

pub(super) fn try_engine(files: &[(&str, &str, &str)]) -> Result<Engine, Vec<Diagnostic>> {
    let mut macros = Vec::new();
    let mut mistakes = Vec::new();
    for (package, file, text) in files {
        let (blocks, diagnostics) = extract_blocks(package, (*file).into(), (*text).into());
        mistakes.extend(diagnostics);
        for block in blocks {
            if let Block::Macro(definition) = block {
                macros.push(definition);
            }
        }
    }
    if mistakes.is_empty() {
        Engine::new(macros, "shop", Vec::new())
    } else {
        Err(mistakes)
    }
}

/// Renders a model; a mistake is its text.
pub(super) fn render(engine: &Engine, text: &str) -> String {
    render_as(engine, text, TestHost::default())
}

pub(super) fn render_as(engine: &Engine, text: &str, host: TestHost) -> String {
    match engine.render(&Source::whole("models/m.sql", text), Arc::new(host)) {
        Ok(rendered) => rendered.text,
        Err(diagnostic) => diagnostic.render(false),
    }
}
