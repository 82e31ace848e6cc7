//! Reads one target of a profile: the connection, and what templates see of it.

use std::fmt;

use serde_json::{Map, Value as Json};

use crate::fields::{Fields, Unknown};
use crate::node::{Document, Node};
use msv_diagnostics::Diagnostic;

/// Text that is never shown: `Debug` and `Display` print `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Secret(text.into())
    }

    /// The text itself, for the connection only.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// One target of a profile.
#[derive(Clone, Debug)]
pub struct Target {
    pub profile_name: String,
    pub name: String,
    /// The adapter; always `postgres`.
    pub kind: String,
    /// True for msv's own local server, which needs none of the keys of a connection.
    pub is_embedded: bool,
    pub host: Option<String>,
    pub port: u16,
    pub user: Option<String>,
    /// `None` leaves it to the server, the environment or `~/.pgpass`.
    pub password: Option<Secret>,
    pub dbname: Option<String>,
    pub schema: String,
    pub threads: usize,
    pub connect_timeout_s: u64,
    pub role: Option<String>,
    pub search_path: Option<String>,
    /// 0 keeps the system's value.
    pub keepalives_idle_s: u64,
    pub sslmode: Option<String>,
    pub sslcert: Option<String>,
    pub sslkey: Option<String>,
    pub sslrootcert: Option<String>,
    pub application_name: Option<String>,
    pub retries: u32,
    pub lock_timeout_ms: Option<u64>,
    pub statement_timeout_ms: Option<u64>,
    /// What templates see as `target`: every key of the target but the secret ones.
    pub context: Map<String, Json>,
    pub warnings: Vec<Diagnostic>,
}

const SSL_MODES: [&str; 6] = [
    "disable",
    "allow",
    "prefer",
    "require",
    "verify-ca",
    "verify-full",
];

/// Reads a target whose templates are rendered.
pub(super) fn read_output(
    document: &Document,
    output: &Node,
    profile_name: &str,
    name: &str,
    found: &mut Vec<Diagnostic>,
) -> Option<Target> {
    let owner = format!("target `{name}` of profile `{profile_name}`");
    let mut fields = Fields::open(document, output, owner, found)?;
    match fields.required_text("type", "postgres") {
        Some(kind) if kind.value != "postgres" => {
            let title = format!("{} has the type `{}`", fields.owner, kind.value);
            fields
                .error("MSV0115", title, &kind.span)
                .help
                .push("msv builds on PostgreSQL: write `type: postgres`".to_owned());
            found.append(&mut fields.found);
            return None;
        }
        _ => {}
    }
    let is_embedded = fields.boolean("embedded").unwrap_or(false);
    let password = fields
        .text_or_number("password")
        .or_else(|| fields.text_or_number("pass"));
    let mut target = Target {
        profile_name: profile_name.to_owned(),
        name: name.to_owned(),
        kind: "postgres".to_owned(),
        is_embedded,
        host: fields.string("host"),
        port: number(&mut fields, "port", 1, 65_535).unwrap_or(5432) as u16,
        user: fields.string("user"),
        password: password.map(Secret::new),
        dbname: fields
            .string("dbname")
            .or_else(|| fields.string("database")),
        schema: fields.string("schema").unwrap_or_default(),
        threads: number(&mut fields, "threads", 1, 1_024).unwrap_or(1) as usize,
        connect_timeout_s: number(&mut fields, "connect_timeout", 0, 86_400).unwrap_or(10),
        role: fields.string("role"),
        search_path: fields.string("search_path"),
        keepalives_idle_s: number(&mut fields, "keepalives_idle", 0, 86_400).unwrap_or(0),
        sslmode: fields.choice("sslmode", &SSL_MODES).map(|mode| mode.value),
        sslcert: fields.string("sslcert"),
        sslkey: fields.string("sslkey"),
        sslrootcert: fields.string("sslrootcert"),
        application_name: fields.string("application_name"),
        retries: number(&mut fields, "retries", 0, 1_000).unwrap_or(1) as u32,
        lock_timeout_ms: duration(&mut fields, "lock_timeout"),
        statement_timeout_ms: duration(&mut fields, "statement_timeout"),
        context: Map::new(),
        warnings: Vec::new(),
    };
    fields.raw("autocommit");
    for key in ["pass", "database"] {
        fields.raw(key);
    }
    if fields.present("schema").is_none() {
        fields.missing("schema", "analytics");
    }
    if !is_embedded {
        for (key, example) in [("host", "localhost"), ("user", "me")] {
            if fields.present(key).is_none() {
                fields.missing(key, example);
            }
        }
        if fields.present("dbname").is_none() && fields.present("database").is_none() {
            fields.missing("dbname", "my_database");
        }
    }
    target.context = context(&target, output);
    fields.finish(Unknown::Warning, found);
    Some(target)
}

fn number(fields: &mut Fields, key: &'static str, lowest: u64, highest: u64) -> Option<u64> {
    let number = fields.integer(key)?;
    match u64::try_from(number) {
        Ok(number) if (lowest..=highest).contains(&number) => Some(number),
        _ => {
            let span = fields.present(key)?.span.clone();
            let title = format!(
                "`{key}` of {} must lie between {lowest} and {highest}",
                fields.owner
            );
            fields.error("MSV0103", title, &span);
            None
        }
    }
}

/// A time as PostgreSQL writes it: `500ms`, `5s`, `2min`, or a number of milliseconds.
fn duration(fields: &mut Fields, key: &'static str) -> Option<u64> {
    let text = fields.text_or_number(key)?;
    let text = text.trim();
    let end = text
        .find(|letter: char| !letter.is_ascii_digit())
        .unwrap_or(text.len());
    let unit_ms = match text[end..].trim() {
        "" | "ms" => Some(1),
        "s" => Some(1_000),
        "min" => Some(60_000),
        "h" => Some(3_600_000),
        "d" => Some(86_400_000),
        _ => None,
    };
    let milliseconds = text[..end].parse::<u64>().ok().zip(unit_ms);
    let milliseconds = milliseconds.and_then(|(count, unit)| count.checked_mul(unit));
    if milliseconds.is_none() {
        let span = fields.present(key)?.span.clone();
        let title = format!("`{key}` of {} must be a time", fields.owner);
        fields
            .error("MSV0103", title, &span)
            .help
            .push("write `500ms`, `5s` or `2min`; a number alone counts milliseconds".to_owned());
    }
    milliseconds
}

/// What templates see as `target`.
fn context(target: &Target, output: &Node) -> Map<String, Json> {
    let mut context = Map::new();
    context.insert(
        "profile_name".to_owned(),
        Json::from(target.profile_name.as_str()),
    );
    context.insert("target_name".to_owned(), Json::from(target.name.as_str()));
    context.insert("name".to_owned(), Json::from(target.name.as_str()));
    // Names that a profile leaves out are there all the same.
    let defaults = [
        ("application_name", Json::from("msv")),
        ("connect_timeout", Json::from(10)),
        ("keepalives_idle", Json::from(0)),
        ("retries", Json::from(1)),
    ];
    let absent = [
        "autocommit",
        "role",
        "search_path",
        "sslcert",
        "sslkey",
        "sslmode",
        "sslrootcert",
    ];
    let absent = absent.map(|name| (name, Json::Null));
    for (name, value) in defaults.into_iter().chain(absent) {
        context.insert(name.to_owned(), value);
    }
    for (key, node) in output.entries() {
        let name = key.name.as_str();
        if name.contains("pass") || name == "sslkey" {
            continue;
        }
        context.insert(name.to_owned(), node.to_json());
    }
    context.insert("type".to_owned(), Json::from(target.kind.as_str()));
    context.insert("schema".to_owned(), Json::from(target.schema.as_str()));
    context.insert("threads".to_owned(), Json::from(target.threads));
    context.insert("port".to_owned(), Json::from(target.port));
    for key in ["dbname", "database"] {
        let dbname = target.dbname.as_deref().map_or(Json::Null, Json::from);
        context.insert(key.to_owned(), dbname);
    }
    context
}
