//! Turns declared unit tests into nodes; fixtures in files are read in.

use std::sync::Arc;

use serde_json::{Value as Json, json};

use msv_diagnostics::{Diagnostic, closest};
use msv_jinja::clock::parse_utc;
use msv_project::properties::{FixtureFormat, FixtureProperties, Origin, UnitTestProperties};
use msv_project::{FileKind, Package};

use super::context::ParseContext;
use super::node::{Details, Node, ResourceType, UnitTest, UnitTestRows};
use super::resources::sha256;
use super::test_names::{python_repr, python_str};

/// Makes the node of a unit test; `None` when a fixture it names is missing.
pub(super) fn unit_test_node(
    context: &ParseContext<'_>,
    package: &Package,
    test: &UnitTestProperties,
    found: &mut Vec<Diagnostic>,
) -> Option<Node> {
    let origin = &test.origin;
    let place = origin.place_of(&test.name.span);
    let name = test.name.value.clone();
    let model = test.model.value.clone();
    let mut fqn = vec![package.name.clone()];
    fqn.extend(super::sources::folders_of(package, &origin.path));
    fqn.extend([model.clone(), name.clone()]);
    let (mut config, mut written) =
        context.project_config(&package.name, ResourceType::UnitTest, &fqn);
    let host = Arc::new(context.host(&package.name));
    let rendered = context.render_value(
        &Json::Object(test.config.values.clone()),
        &host,
        &place,
        found,
    );
    if let Json::Object(rendered) = rendered {
        config.merge(&rendered);
    }
    context.root_config(
        &package.name,
        ResourceType::UnitTest,
        &fqn,
        &mut config,
        &mut written,
    );
    let before = found.len();
    let given = test
        .given
        .iter()
        .map(|given| rows(package, origin, &given.input.value, &given.fixture, found))
        .collect::<Vec<_>>();
    let expect = rows(package, origin, "", &test.expect, found);
    // Templates of files and of SQL are rendered when the test is compiled.
    let mut rendered = |mut rows: UnitTestRows| {
        if rows.fixture.is_none() && rows.format != "sql" {
            rows.rows = context.render_value(&rows.rows, &host, &rows.place, found);
        }
        promote_full_row(&mut rows.rows);
        rows
    };
    let given = given.into_iter().map(&mut rendered).collect();
    let expect = rendered(expect);
    let overrides = json!({
        "macros": test.override_macros,
        "vars": test.override_vars,
        "env_vars": test.override_env_vars,
    });
    let overrides = context.render_value(&overrides, &host, &place, found);
    let now = test.override_now.as_ref().and_then(|now| {
        let instant = parse_utc(&now.value);
        if instant.is_none() {
            let title = format!("`{}` is no instant", now.value);
            found.push(
                Diagnostic::error("MSV0361", title)
                    .at(origin.place_of(&now.span), "the clock is to stand here")
                    .help("write a date, a date with a time (UTC), or ISO 8601 with an offset: 2024-03-10"),
            );
        }
        instant
    });
    if found.len() > before {
        return None;
    }
    let details = UnitTest {
        model: model.clone(),
        version: None,
        tested_node: None,
        given,
        expect,
        overrides,
        now,
        versions: test.versions.clone(),
    };
    let folders = super::sources::folders_of(package, &origin.path);
    let file = origin.path.rsplit('/').next().unwrap_or(&origin.path);
    let path = folders.iter().map(String::as_str).chain([file]);
    let path = path.collect::<Vec<_>>().join("/");
    let checksum = checksum(&details);
    Some(Node {
        path,
        checksum,
        original_file_path: origin.path.to_string(),
        fqn,
        config,
        unrendered_config: Json::Object(written),
        description: test.description.clone(),
        schema: context.invocation.schema().to_owned(),
        ..Node::new(
            format!("unit_test.{}.{model}.{name}", package.name),
            ResourceType::UnitTest,
            &package.name,
            &name,
            Details::UnitTest(Box::new(details)),
            place,
        )
    })
}

/// What tells one unit test from another but its description.
///
/// The hashed text is dbt's, down to how Python writes objects, so that manifests of both agree.
fn checksum(test: &UnitTest) -> String {
    let fixture = |rows: &UnitTestRows| {
        let format = match rows.format.as_str() {
            "dict" => "Dict".to_owned(),
            other => other.to_uppercase(),
        };
        let name = match &rows.fixture {
            Some(name) => python_repr(&json!(name)),
            None => "None".to_owned(),
        };
        format!(
            "rows={}, format=<UnitTestFormat.{format}: '{}'>, fixture={name}",
            python_repr(&rows.rows),
            rows.format
        )
    };
    let given = test.given.iter().map(|rows| {
        let input = python_repr(&json!(rows.input));
        format!("UnitTestInputFixture(input={input}, {})", fixture(rows))
    });
    let given = given.collect::<Vec<_>>().join(", ");
    let expect = format!("UnitTestOutputFixture({})", fixture(&test.expect));
    let part = |key: &str| test.overrides.get(key).cloned().unwrap_or(json!({}));
    let parts = ["macros", "vars", "env_vars"].map(|key| (key, part(key)));
    let is_empty = |value: &Json| value.as_object().is_none_or(serde_json::Map::is_empty);
    let overrides = if parts.iter().all(|(_, value)| is_empty(value)) {
        "None".to_owned()
    } else {
        let parts = parts.map(|(key, value)| format!("{key}={}", python_repr(&value)));
        format!("UnitTestOverrides({})", parts.join(", "))
    };
    let versions = match &test.versions {
        None => "None".to_owned(),
        Some(versions) => {
            let part = |key: &str| python_repr(versions.get(key).unwrap_or(&Json::Null));
            let (include, exclude) = (part("include"), part("exclude"));
            format!("UnitTestNodeVersions(include={include}, exclude={exclude})")
        }
    };
    let mut text = format!("{}-{versions}-[{given}]-{expect}-{overrides}", test.model);
    // What dbt does not have.
    if let Some(cte) = &test.expect.cte {
        text.push_str(&format!("-cte={cte}"));
    }
    if let Some(now) = &test.now {
        text.push_str(&format!("-now={now}"));
    }
    for rows in test.given.iter().filter(|rows| rows.fixture.is_some()) {
        text.push_str(&format!("-{}", python_str(&rows.rows)));
    }
    sha256(text.as_bytes())
}

fn rows(
    package: &Package,
    origin: &Origin,
    input: &str,
    fixture: &FixtureProperties,
    found: &mut Vec<Diagnostic>,
) -> UnitTestRows {
    let format = match fixture.format {
        FixtureFormat::Dict => "dict",
        FixtureFormat::Csv => "csv",
        FixtureFormat::Sql => "sql",
    };
    let mut rows = fixture.rows.clone();
    if let Some(name) = &fixture.fixture {
        let extension = if fixture.format == FixtureFormat::Sql {
            ".sql"
        } else {
            ".csv"
        };
        let files = package
            .files
            .iter()
            .filter(|file| file.kind == FileKind::Fixture);
        let matching = files
            .clone()
            .find(|file| file.stem() == name.value && file.path.ends_with(extension));
        match matching {
            Some(file) => rows = Json::String(file.text.to_string()),
            None => {
                let mut diagnostic =
                    Diagnostic::error("MSV0216", format!("no fixture is named `{}`", name.value))
                        .at(
                            origin.place_of(&name.span),
                            format!("no file `{}{extension}`", name.value),
                        );
                let names: Vec<&str> = files.map(|file| file.stem()).collect();
                diagnostic = match closest(&name.value, names) {
                    Some(similar) => diagnostic
                        .help(format!("a fixture with a similar name exists: `{similar}`")),
                    None => diagnostic.help("put the file below tests/fixtures/"),
                };
                found.push(diagnostic);
            }
        }
    }
    UnitTestRows {
        input: input.to_owned(),
        format: format.to_owned(),
        rows,
        fixture: fixture.fixture.as_ref().map(|name| name.value.clone()),
        cte: fixture.cte.as_ref().map(|name| name.value.clone()),
        place: origin.place_of(&fixture.span),
    }
}

/// Puts the first row without nulls in front, as dbt does: types are read off the first row.
fn promote_full_row(rows: &mut Json) {
    let Json::Array(rows) = rows else {
        return;
    };
    let is_full = |row: &Json| {
        let cells = row.as_object();
        cells.is_some_and(|cells| cells.values().all(|cell| !cell.is_null()))
    };
    if let Some(at) = rows.iter().position(is_full) {
        rows.swap(0, at);
    }
}
