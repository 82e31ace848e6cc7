//! Turns declared unit tests into nodes; fixtures in files are read in.

use std::sync::Arc;

use serde_json::{Value as Json, json};

use msv_diagnostics::{Diagnostic, closest};
use msv_project::properties::{FixtureFormat, FixtureProperties, Origin, UnitTestProperties};
use msv_project::{FileKind, Package};

use super::context::ParseContext;
use super::node::{Details, Node, ResourceType, UnitTest, UnitTestRows};

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
    let (mut config, written) = context.project_config(&package.name, ResourceType::UnitTest, &fqn);
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
    let before = found.len();
    let given = test
        .given
        .iter()
        .map(|given| rows(package, origin, &given.input.value, &given.fixture, found))
        .collect();
    let expect = rows(package, origin, "", &test.expect, found);
    if found.len() > before {
        return None;
    }
    let details = UnitTest {
        model: model.clone(),
        version: None,
        tested_node: None,
        given,
        expect,
        overrides: json!({
            "macros": test.override_macros,
            "vars": test.override_vars,
            "env_vars": test.override_env_vars,
        }),
    };
    let file = origin
        .path
        .rsplit('/')
        .next()
        .unwrap_or(&origin.path)
        .to_owned();
    Some(Node {
        path: file,
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
        place: origin.place_of(&fixture.span),
    }
}
