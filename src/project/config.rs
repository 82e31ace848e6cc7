//! Reads the project file: `project.yml`, or `dbt_project.yml` where none stands.
//!
//! The configuration trees (`models:`, `seeds:`, …) stay trees with places; which node a key of
//! theirs reaches is decided when nodes are known.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Map, Value as Json};

use crate::dates::{Dates, dates_in};
use crate::fields::{Fields, Unknown};
use crate::node::{Document, Node, Spanned, Value};
use crate::{Render, flags, mistake, template, yaml};
use msv_diagnostics::{Diagnostic, Label};

/// Names of the project file, the first that exists is read.
pub const PROJECT_FILES: [&str; 2] = ["project.yml", "dbt_project.yml"];

/// Names of templates' own things: a package of that name could not be called.
const RESERVED_NAMES: [&str; 40] = [
    "_sql_results",
    "adapter",
    "api",
    "column",
    "config",
    "context",
    "database",
    "env",
    "env_var",
    "exceptions",
    "execute",
    "flags",
    "fromjson",
    "fromyaml",
    "graph",
    "invocation_id",
    "load_agate_table",
    "load_result",
    "log",
    "model",
    "modules",
    "post_hooks",
    "pre_hooks",
    "ref",
    "render",
    "return",
    "run_started_at",
    "schema",
    "source",
    "sql",
    "sql_now",
    "store_result",
    "store_raw_result",
    "target",
    "this",
    "tojson",
    "toyaml",
    "try_or_compiler_error",
    "var",
    "write",
];

/// What a project file says. Paths are relative to the package's folder, as they are written.
#[derive(Clone, Debug, Default)]
pub struct ProjectConfig {
    pub name: String,
    /// The whole file with its templates as they are written.
    pub unrendered: Json,
    pub version: Option<String>,
    pub config_version: i64,
    pub profile: Option<String>,
    pub model_paths: Vec<String>,
    pub seed_paths: Vec<String>,
    pub snapshot_paths: Vec<String>,
    pub test_paths: Vec<String>,
    pub analysis_paths: Vec<String>,
    pub macro_paths: Vec<String>,
    pub function_paths: Vec<String>,
    /// Where `.md` files are read; every other resource folder unless the file says otherwise.
    pub docs_paths: Vec<String>,
    pub asset_paths: Vec<String>,
    pub target_path: String,
    pub clean_targets: Vec<String>,
    pub log_path: String,
    pub packages_install_path: String,
    pub quoting: QuotingConfig,
    pub on_run_start: Vec<Spanned<String>>,
    pub on_run_end: Vec<Spanned<String>>,
    pub dispatch: Vec<DispatchConfig>,
    /// The `vars` map, unrendered; a package's own vars may lie under its name.
    pub vars: Map<String, Json>,
    /// Which of them are dates.
    pub var_dates: Dates,
    /// `None` when absent, `Some(Null)` when switched off.
    pub query_comment: Option<Json>,
    pub require_dbt_version: Vec<String>,
    pub flags: Map<String, Json>,
    pub restrict_access: bool,
    /// Folders of market data that a build loads first; msv's own key.
    pub ingest: Vec<Spanned<String>>,
    pub models: Option<Node>,
    pub seeds: Option<Node>,
    pub snapshots: Option<Node>,
    /// `data_tests`, or `tests` where the older name is used.
    pub data_tests: Option<Node>,
    pub unit_tests: Option<Node>,
    pub sources: Option<Node>,
    pub analyses: Option<Node>,
    pub exposures: Option<Node>,
    pub metrics: Option<Node>,
    pub semantic_models: Option<Node>,
    pub saved_queries: Option<Node>,
    pub functions: Option<Node>,
}

/// `quoting:`; an absent part keeps the adapter's default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QuotingConfig {
    pub database: Option<bool>,
    pub schema: Option<bool>,
    pub identifier: Option<bool>,
}

/// One entry of `dispatch:`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DispatchConfig {
    pub macro_namespace: String,
    pub search_order: Vec<String>,
}

/// Finds the project file of a folder.
pub(super) fn find_project_file(dir: &Path) -> Option<PathBuf> {
    PROJECT_FILES
        .iter()
        .map(|name| dir.join(name))
        .find(|path| path.is_file())
}

/// Parses the project file of `dir`; `prefix` is put before its name in messages.
pub(super) fn open_project_file(dir: &Path, prefix: &str) -> Result<Document, Diagnostic> {
    let Some(path) = find_project_file(dir) else {
        let shown = if prefix.is_empty() {
            dir.display().to_string()
        } else {
            prefix.to_owned()
        };
        return Err(Diagnostic::error(
            "MSV0104",
            format!("no project file: `{shown}` holds neither `project.yml` nor `dbt_project.yml`"),
        )
        .help("go to the project's folder, name it with `--project-dir`, or start one with `msv init`"));
    };
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy())
        .unwrap_or_default();
    let file = format!("{prefix}{name}");
    let text = mistake::read_text(&path, &file)?;
    yaml::parse(file, text)
}

/// Reads a project file whose templates `render` can fill in.
///
/// `dir` is searched for `vars.yml`. A package's unknown keys are not reported.
pub(super) fn read_config(
    document: Document,
    dir: &Path,
    is_root: bool,
    render: Render,
    found: &mut Vec<Diagnostic>,
) -> (ProjectConfig, Arc<Document>) {
    let mut document = document;
    let mut own = document.warnings.clone();
    let unrendered = document.root.to_json();
    template::render_project(&mut document, render, &mut own);
    let document = Arc::new(document);
    let file = document.file.clone();
    let Some(mut fields) = Fields::open(&document, &document.root, format!("`{file}`"), &mut own)
    else {
        found.append(&mut own);
        return (ProjectConfig::default(), document);
    };
    let name = project_name(&mut fields);
    if is_root {
        check_project_version(&mut fields);
    }
    let mut config = ProjectConfig {
        name,
        unrendered,
        version: fields.text_or_number("version"),
        config_version: fields.integer("config-version").unwrap_or(2),
        profile: fields.string("profile"),
        seed_paths: paths(&mut fields, "seed-paths", Some("data-paths"), &["seeds"]),
        model_paths: paths(
            &mut fields,
            "model-paths",
            Some("source-paths"),
            &["models"],
        ),
        snapshot_paths: paths(&mut fields, "snapshot-paths", None, &["snapshots"]),
        test_paths: paths(&mut fields, "test-paths", None, &["tests"]),
        analysis_paths: paths(&mut fields, "analysis-paths", None, &["analyses"]),
        macro_paths: paths(&mut fields, "macro-paths", None, &["macros"]),
        function_paths: paths(&mut fields, "function-paths", None, &["functions"]),
        asset_paths: paths(&mut fields, "asset-paths", None, &[]),
        target_path: output_path(&mut fields, "target-path", "target", is_root),
        log_path: output_path(&mut fields, "log-path", "logs", is_root),
        packages_install_path: path(&mut fields, "packages-install-path", "dbt_packages"),
        quoting: quoting(&mut fields),
        on_run_start: fields.texts("on-run-start").unwrap_or_default(),
        on_run_end: fields.texts("on-run-end").unwrap_or_default(),
        dispatch: dispatch(&mut fields),
        vars: fields.json_map("vars"),
        var_dates: dates_of(&document, "vars"),
        query_comment: fields.json("query-comment"),
        require_dbt_version: fields.strings("require-dbt-version"),
        flags: flags::read(&mut fields, is_root),
        restrict_access: fields.boolean("restrict-access").unwrap_or(false),
        ingest: fields.texts("ingest").unwrap_or_default(),
        models: fields.map("models").cloned(),
        seeds: fields.map("seeds").cloned(),
        snapshots: fields.map("snapshots").cloned(),
        data_tests: data_tests(&mut fields),
        unit_tests: fields.map("unit_tests").cloned(),
        sources: fields.map("sources").cloned(),
        analyses: fields.map("analyses").cloned(),
        exposures: fields.map("exposures").cloned(),
        metrics: fields.map("metrics").cloned(),
        semantic_models: fields.map("semantic-models").cloned(),
        saved_queries: fields.map("saved-queries").cloned(),
        functions: fields.map("functions").cloned(),
        ..ProjectConfig::default()
    };
    config.clean_targets = match fields.texts("clean-targets") {
        Some(texts) => texts.into_iter().map(|text| text.value).collect(),
        None => vec![config.target_path.clone()],
    };
    let all = all_resource_paths(&config);
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    config.docs_paths = paths(&mut fields, "docs-paths", None, &all);
    if config.config_version != 2
        && let Some(node) = fields.present("config-version")
    {
        fields
            .error(
                "MSV0103",
                "`config-version` must be 2".to_owned(),
                &node.span,
            )
            .help
            .push("write `config-version: 2`, or leave the key out".to_owned());
    }
    for key in ["packages", "dbt-cloud", "project-root", "anchors"] {
        fields.raw(key);
    }
    let unknown = if is_root {
        Unknown::Error
    } else {
        Unknown::Ignored
    };
    fields.finish(unknown, &mut own);
    mistake::sort_by_line(&mut own);
    found.append(&mut own);
    read_vars_file(&mut config, &document, dir, found);
    (config, document)
}

/// Folders whose properties files are read.
pub(super) fn all_resource_paths(config: &ProjectConfig) -> Vec<String> {
    [
        &config.model_paths,
        &config.seed_paths,
        &config.snapshot_paths,
        &config.analysis_paths,
        &config.macro_paths,
        &config.test_paths,
        &config.function_paths,
    ]
    .into_iter()
    .flatten()
    .cloned()
    .collect()
}

fn project_name(fields: &mut Fields) -> String {
    let Some(name) = fields.required_text("name", "my_project") else {
        return String::new();
    };
    let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
    let starts_well = name
        .chars()
        .next()
        .is_some_and(|first| is_word(first) && !first.is_numeric());
    if !starts_well || !name.chars().all(is_word) {
        let mended: String = name
            .chars()
            .map(|letter| if is_word(letter) { letter } else { '_' })
            .collect();
        fields
            .error(
                "MSV0103",
                format!("the project name `{}` is not a name", name.value),
                &name.span,
            )
            .help
            .push(format!(
                "use letters, digits and `_`, with no digit first: `{}`",
                mended.trim_start_matches(char::is_numeric)
            ));
    }
    if RESERVED_NAMES.contains(&name.value.as_str()) {
        fields
            .error(
                "MSV0103",
                format!(
                    "the project name `{}` is a reserved word: templates use it",
                    name.value
                ),
                &name.span,
            )
            .help
            .push("choose another name".to_owned());
    }
    name.value
}

/// `version` is two or three numbers, or a number.
fn check_project_version(fields: &mut Fields) {
    let Some(node) = fields.present("version") else {
        return;
    };
    let Some(text) = node.as_str() else {
        return;
    };
    let mut parts = text.splitn(3, '.');
    let is_number = |part: Option<&str>| part.is_some_and(|part| part.parse::<u64>().is_ok());
    let has_two = text.matches('.').count() == 1 && parts.clone().all(|part| is_number(Some(part)));
    let is_short = is_number(parts.next()) && is_number(parts.next()) && has_two;
    if is_short || crate::semver::Version::parse(text).is_some() {
        return;
    }
    let diagnostic = fields.error(
        "MSV0103",
        format!("`version` of the project is no version: `{text}`"),
        &node.span,
    );
    diagnostic.notes.push(format!(
        "at path ['version']: '{text}' is not valid under any of the given schemas"
    ));
    diagnostic
        .help
        .push("write numbers with dots between them: `1.0.0`".to_owned());
}

fn paths(
    fields: &mut Fields,
    key: &'static str,
    former: Option<&'static str>,
    default: &[&str],
) -> Vec<String> {
    let mut texts = fields.texts(key);
    if let Some(former) = former
        && let Some(node) = fields.raw(former)
    {
        let place = fields.document.place(&node.span);
        if texts.is_some() {
            let title = format!("both `{former}` and `{key}` are given");
            let span = node.span.clone();
            let diagnostic = fields.error("MSV0111", title, &span);
            let help = format!("`{former}` is the former name of `{key}`: keep the latter");
            diagnostic.help.push(help);
        }
        let older = fields.texts(former);
        fields.found.push(
            Diagnostic::warning(
                "MSV0116",
                format!("`{former}` is the former name of `{key}`"),
            )
            .at(place, "")
            .help(format!("write `{key}`"))
            .event(match former {
                "data-paths" => "ConfigDataPathDeprecation",
                _ => "ConfigSourcePathDeprecation",
            }),
        );
        texts = texts.or(older);
    }
    let given = match texts {
        Some(texts) => texts.into_iter().map(|text| text.value).collect(),
        None => default
            .iter()
            .map(|path| (*path).to_owned())
            .collect::<Vec<_>>(),
    };
    let mut kept: Vec<String> = Vec::with_capacity(given.len());
    for path in given {
        let tidy = tidy_path(&path);
        if !kept.contains(&tidy) {
            kept.push(tidy);
        }
    }
    kept
}

fn path(fields: &mut Fields, key: &'static str, default: &str) -> String {
    fields
        .string(key)
        .map_or_else(|| default.to_owned(), |path| tidy_path(&path))
}

/// A folder that is on its way from the project file to the command line.
fn output_path(fields: &mut Fields, key: &'static str, default: &str, is_root: bool) -> String {
    let given = path(fields, key, default);
    let written = fields.present(key).map(|node| node.span.clone());
    if let Some(span) = written
        && is_root
        && given != default
    {
        let place = fields.document.place(&span);
        let (option, variable, event) = match key {
            "log-path" => ("--log-path", "DBT_LOG_PATH", "ConfigLogPathDeprecation"),
            _ => (
                "--target-path",
                "DBT_TARGET_PATH",
                "ConfigTargetPathDeprecation",
            ),
        };
        fields.found.push(
            Diagnostic::warning("MSV0140", format!("`{key}` will leave the project file"))
                .at(place, "still read")
                .help(format!("give it as `{option}`, or in `{variable}`"))
                .event(event),
        );
    }
    given
}

fn tidy_path(path: &str) -> String {
    let plain = path.replace('\\', "/");
    let mut short = plain.as_str();
    while let Some(rest) = short.strip_prefix("./") {
        short = rest;
    }
    if short.len() > 1 {
        short = short.trim_end_matches('/');
    }
    short.to_owned()
}

fn quoting(fields: &mut Fields) -> QuotingConfig {
    let Some(node) = fields.map("quoting") else {
        return QuotingConfig::default();
    };
    let (document, mut found) = (fields.document, Vec::new());
    let mut config = QuotingConfig::default();
    if let Some(mut parts) = Fields::open(document, node, "`quoting`", &mut found) {
        config = QuotingConfig {
            database: parts.boolean("database"),
            schema: parts.boolean("schema"),
            identifier: parts.boolean("identifier"),
        };
        config.database = config.database.or(parts.boolean("project"));
        parts.raw("snowflake_ignore_case");
        parts.finish(Unknown::Warning, &mut found);
    }
    fields.found.append(&mut found);
    config
}

fn dispatch(fields: &mut Fields) -> Vec<DispatchConfig> {
    let mut found = Vec::new();
    let mut entries = Vec::new();
    for node in fields.list("dispatch") {
        let Some(mut parts) = Fields::open(
            fields.document,
            node,
            "each entry of `dispatch`",
            &mut found,
        ) else {
            continue;
        };
        let namespace = parts.required_text("macro_namespace", "dbt");
        if parts.present("search_order").is_none() {
            parts.missing("search_order", "['my_project', 'dbt']");
        }
        let search_order = parts.strings("search_order");
        if let Some(namespace) = namespace {
            entries.push(DispatchConfig {
                macro_namespace: namespace.value,
                search_order,
            });
        }
        parts.finish(Unknown::Warning, &mut found);
    }
    fields.found.append(&mut found);
    entries
}

fn data_tests(fields: &mut Fields) -> Option<Node> {
    let older = fields.map("tests").cloned();
    let newer = fields.map("data_tests").cloned();
    if let (Some(older), Some(newer)) = (&older, &newer) {
        let place = mistake::first_line(fields.document, &older.span);
        fields
            .error(
                "MSV0111",
                "both `tests` and `data_tests` are given".to_owned(),
                &newer.span,
            )
            .help
            .push("`tests` is the former name of `data_tests`: keep the latter".to_owned());
        if let Some(diagnostic) = fields.found.last_mut() {
            diagnostic.also.push(Label {
                place,
                text: "its former name".to_owned(),
            });
        }
    }
    newer.or(older)
}

fn dates_of(document: &Document, key: &str) -> Dates {
    let node = document.root.get(key);
    node.map_or_else(Dates::new, |node| dates_in(node, &document.text))
}

fn read_vars_file(
    config: &mut ProjectConfig,
    project: &Document,
    dir: &Path,
    found: &mut Vec<Diagnostic>,
) {
    let path = dir.join("vars.yml");
    if !path.is_file() {
        return;
    }
    let file = match project.file.rsplit_once('/') {
        Some((folder, _)) => format!("{folder}/vars.yml"),
        None => "vars.yml".to_owned(),
    };
    let document = match mistake::read_text(&path, &file).and_then(|text| yaml::parse(file, text)) {
        Ok(document) => document,
        Err(diagnostic) => return found.push(diagnostic),
    };
    let Some(mut fields) = Fields::open(&document, &document.root, "`vars.yml`", found) else {
        return;
    };
    let vars = fields.json_map("vars");
    if let Some(given) = project.root.get("vars")
        && !vars.is_empty()
        && matches!(&given.value, Value::Map(entries) if !entries.is_empty())
    {
        fields.found.push(
            Diagnostic::error(
                "MSV0111",
                "`vars` are given in `vars.yml` and in the project file",
            )
            .at(mistake::first_line(project, &given.span), "given here too")
            .help("keep them in one of the two files"),
        );
    } else if !vars.is_empty() {
        config.vars = vars;
        config.var_dates = dates_of(&document, "vars");
    }
    fields.finish(Unknown::Warning, found);
}
