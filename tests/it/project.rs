//! Reading a project: files in, declarations or diagnostics out.

use std::fs;
use std::path::Path;

use msv::project::{self, FileKind, LoadOptions, Project};
use serde_json::{Value as Json, json};
use tempfile::TempDir;

pub(crate) fn write(files: &[(&str, &str)]) -> TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    for (path, text) in files {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().expect("a folder above")).expect("a new folder");
        fs::write(path, text).expect("a written file");
    }
    dir
}

pub(crate) fn options(dir: &Path) -> LoadOptions {
    LoadOptions {
        project_dir: dir.to_owned(),
        ..LoadOptions::default()
    }
}

/// Knows one template of each sort; the template language has tests of its own.
pub(crate) fn render(text: &str) -> Result<Json, String> {
    match text {
        "{{ var('threads') }}" => Ok(json!(3)),
        "{{ target.schema }}_x" => Ok(json!("dev_x")),
        "{{ env_var('PORT') }}" => Ok(json!("6543")),
        "{{ env_var('DBT_PASSWORD') }}" => Ok(json!("s3cret")),
        _ => Err("no variable of that name is set".to_owned()),
    }
}

fn load(dir: &TempDir) -> Project {
    match project::load(&options(dir.path()), &render) {
        Ok(project) => project,
        Err(found) => panic!("{}", rendered(&found)),
    }
}

pub(crate) fn rendered(found: &[msv::diagnostics::Diagnostic]) -> String {
    let texts: Vec<String> = found.iter().map(|one| one.render(false)).collect();
    texts.join("\n\n")
}

pub(crate) fn mistakes(files: &[(&str, &str)]) -> String {
    let dir = write(files);
    match project::load(&options(dir.path()), &render) {
        Ok(project) => rendered(&project.warnings),
        Err(found) => rendered(&found),
    }
}

pub(crate) const MINIMAL: (&str, &str) = ("project.yml", "name: shop\nprofile: shop\n");

#[test]
fn every_kind_of_file_is_found_once_and_in_order() {
    let dir = write(&[
        (
            "project.yml",
            "name: shop\nmodel-paths: [models, ./models/]\ndocs-paths: [docs, models]\n",
        ),
        (".dbtignore", "*.draft.sql\n"),
        ("models/b.sql", "select 2"),
        ("models/a/a.sql", "\u{feff}select 1"),
        ("models/a/schema.yml", "models:\n  - name: a\n"),
        ("models/c.draft.sql", "x"),
        ("models/.hidden/d.sql", "x"),
        ("models/p.py", "x"),
        ("models/notes.md", "x"),
        ("docs/more.md", "x"),
        ("seeds/s.csv", "id\n1\n"),
        ("macros/m.sql", "x"),
        ("snapshots/n.sql", "x"),
        ("analyses/y.sql", "x"),
        ("tests/t.sql", "x"),
        ("tests/generic/g.sql", "x"),
        ("tests/fixtures/f.csv", "x"),
        ("target/compiled/z.sql", "x"),
    ]);
    let project = load(&dir);
    let files: Vec<(FileKind, &str)> = project
        .root
        .files
        .iter()
        .map(|file| (file.kind, &*file.path))
        .collect();
    assert_eq!(
        files,
        [
            (FileKind::Macro, "macros/m.sql"),
            (FileKind::Model, "models/a/a.sql"),
            (FileKind::Model, "models/b.sql"),
            (FileKind::PythonModel, "models/p.py"),
            (FileKind::Snapshot, "snapshots/n.sql"),
            (FileKind::Seed, "seeds/s.csv"),
            (FileKind::Analysis, "analyses/y.sql"),
            (FileKind::Fixture, "tests/fixtures/f.csv"),
            (FileKind::GenericTest, "tests/generic/g.sql"),
            (FileKind::SingularTest, "tests/t.sql"),
            (FileKind::Docs, "docs/more.md"),
            (FileKind::Docs, "models/notes.md"),
            (FileKind::Properties, "models/a/schema.yml"),
        ]
    );
    let model = &project.root.files[1];
    assert_eq!(
        (&*model.text, model.stem(), model.path_below_root()),
        ("select 1", "a", "a/a.sql")
    );
    assert_eq!(project.root.properties.models[0].name.value, "a");
}

#[test]
fn a_project_file_is_read_with_its_templates() {
    let dir = write(&[(
        "dbt_project.yml",
        "\
name: shop
version: 1.10
profile: shop
vars: {limit: '{{ later }}'}
on-run-start: 'select {{ later }}'
dispatch: [{macro_namespace: dbt_utils, search_order: [shop, dbt_utils]}]
query-comment:
quoting: {identifier: false}
models:
  shop:
    +schema: '{{ target.schema }}_x'
    +post-hook: '{{ later }}'
ingest: [seeds/day]
",
    )]);
    let project = load(&dir);
    let config = &project.root.config;
    assert_eq!(config.version.as_deref(), Some("1.10"));
    assert_eq!(config.vars["limit"], json!("{{ later }}"));
    assert_eq!(config.on_run_start[0].value, "select {{ later }}");
    assert_eq!(config.dispatch[0].search_order, ["shop", "dbt_utils"]);
    assert_eq!(config.query_comment, Some(Json::Null));
    assert_eq!(config.quoting.identifier, Some(false));
    assert_eq!(config.ingest[0].value, "seeds/day");
    assert_eq!(config.clean_targets, ["target"]);
    assert_eq!(
        config
            .models
            .as_ref()
            .map(|node| node.to_json())
            .unwrap_or_default(),
        json!({"shop": {"+schema": "dev_x", "+post-hook": "{{ later }}"}})
    );
    assert_eq!(project.target_path, dir.path().join("target"));
}

#[test]
fn properties_become_declarations() {
    let dir = write(&[
        MINIMAL,
        (
            "models/schema.yml",
            "\
version: 2
models:
  - name: orders
    description: \"{{ doc('orders') }}\"
    access: public
    meta: {team: a}
    config: {materialized: table, meta: {team: b}}
    latest_version: 2
    data_tests:
      - unique_pair: {columns: [a, b], arguments: {strict: yes}, config: {where: x > 1, severity: warn}, name: pair}
      - dbt_utils.at_least_one
    columns:
      - name: id
        data_type: bigint
        quote: true
        tags: key
        tests: [unique, {accepted_values: {arguments: {values: [1, 2]}}}, not_null: ]
      - name: note
    versions:
      - v: 1
        columns: [{include: all, exclude: [note]}, {name: extra}]
      - v: 2
        tests: []
sources:
  - name: raw
    schema: \"{{ var('raw') }}\"
    freshness: null
    tables:
      - name: orders
        identifier: order_events
        columns: [{name: id, data_tests: [{test_name: unique, name: raw_id}]}]
unit_tests:
  - name: adds_up
    model: orders
    given:
      - {input: ref('a'), rows: [{x: 1, at: '10:30'}]}
      - {input: this, format: csv, rows: \"x\\n1\\n\"}
      - {input: \"source('raw', 'orders')\", format: sql, fixture: orders_rows}
    expect: {rows: [{x: 1}]}
    overrides: {macros: {is_incremental: true}, vars: {n: 3}}
",
        ),
    ]);
    let project = load(&dir);
    assert_eq!(rendered(&project.warnings), "");
    let properties = &project.root.properties;

    let model = &properties.models[0];
    assert_eq!(model.description, "{{ doc('orders') }}");
    assert_eq!(
        Json::Object(model.config.values.clone()),
        json!({"materialized": "table", "meta": {"team": "b"}, "access": "public"})
    );
    assert_eq!(
        (&*model.origin.path, model.origin.place().line_column()),
        ("models/schema.yml", (3, 5))
    );
    let test = &model.tests[0];
    assert_eq!(
        (test.name.as_str(), test.custom_name.as_deref()),
        ("unique_pair", Some("pair"))
    );
    assert_eq!(
        Json::Object(test.arguments.clone()),
        json!({"columns": ["a", "b"], "strict": true})
    );
    assert_eq!(
        Json::Object(test.config.values.clone()),
        json!({"where": "x > 1", "severity": "warn"})
    );
    assert_eq!(model.tests[1].name, "dbt_utils.at_least_one");
    let column = &model.columns[0];
    assert_eq!(
        (column.quote, column.tags.as_slice()),
        (Some(true), &["key".to_owned()][..])
    );
    let names: Vec<&str> = column.tests.iter().map(|test| test.name.as_str()).collect();
    assert_eq!(names, ["unique", "accepted_values", "not_null"]);
    assert_eq!(column.tests[1].arguments["values"], json!([1, 2]));
    assert_eq!(column.tests[1].column.as_deref(), Some("id"));
    let columns = model.columns_of(&model.versions[0]);
    let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(names, ["id", "extra"]);
    assert!(model.versions[0].tests.is_none());
    assert_eq!(model.versions[1].tests.as_ref().map(Vec::len), Some(0));

    let source = &properties.sources[0];
    assert_eq!(source.freshness, Some(Json::Null));
    assert_eq!(source.tables[0].freshness, None);
    assert_eq!(source.tables[0].identifier.as_deref(), Some("order_events"));
    assert_eq!(
        source.tables[0].columns[0].tests[0].custom_name.as_deref(),
        Some("raw_id")
    );

    let unit_test = &properties.unit_tests[0];
    assert_eq!(
        unit_test.given[0].fixture.rows,
        json!([{"x": 1, "at": "10:30"}])
    );
    assert_eq!(unit_test.given[1].fixture.rows, json!("x\n1\n"));
    let fixture = unit_test.given[2].fixture.fixture.as_ref();
    assert_eq!(fixture.map(|name| name.as_str()), Some("orders_rows"));
    assert_eq!(unit_test.override_vars["n"], json!(3));
}

#[test]
fn all_mistakes_of_all_files_are_reported_together() {
    let shown = mistakes(&[
        (
            "project.yml",
            "name: shop\nmodel_paths: [models]\nprofile: 5\n",
        ),
        (
            "models/a.yml",
            "models:\n  - name: a\n    colums: []\n    tags: x\n",
        ),
        ("models/b.yml", "models:\n- name: b\n description: c\n"),
        (
            "models/c.yml",
            "\
model: []
models:
  - description: nameless
  - name: c
    columns: {id: 1}
    data_tests:
      - accepted_values:
        values: [1]
      - unique: {severity: wran, config: {severity: warn}}
      - is it: 5
",
        ),
    ]);
    insta::assert_snapshot!(shown, @r#"
    error[MSV0102]: `project.yml` has no key `model_paths`
     --> project.yml:2:1
      |
    2 | model_paths: [models]
      | ^^^^^^^^^^^ unknown key
      |
    help: a key with a similar name exists: `model-paths`

    error[MSV0103]: `profile` of `project.yml` must be text
     --> project.yml:3:10
      |
    3 | profile: 5
      |          ^ this is a number
      |
    help: put it in quotes: "5"

    warning[MSV0102]: model `a` has no key `colums`
     --> models/a.yml:3:5
      |
    3 |     colums: []
      |     ^^^^^^ unknown key
      |
    help: a key with a similar name exists: `columns`

    warning[MSV0102]: `tags` of model `a` has no effect here
     --> models/a.yml:4:5
      |
    4 |     tags: x
      |     ^^^^ a configuration key outside `config`
      |
    help: put it below `config:`, as `config: {tags: ...}`

    error[MSV0101]: this line does not fit the lines above it
     --> models/b.yml:3:2
      |
    3 |  description: c
      |  ^^^^^^^^^^^^^^ neither a key nor a list entry of the same indentation
      |
    help: give keys of one level the same indentation, a `:` and a space; list entries start with `- `

    warning[MSV0102]: a properties file has no key `model`
     --> models/c.yml:1:1
      |
    1 | model: []
      | ^^^^^ nothing below it is read
      |
    help: a key with a similar name exists: `models`

    error[MSV0107]: a model needs the key `name`
     --> models/c.yml:3:5
      |
    3 |   - description: nameless
      |     ^^^^^^^^^^^^^^^^^^^^^
      |
    help: add `name: model_name`

    error[MSV0103]: `columns` of model `c` must be a list (each entry starts with `- `)
     --> models/c.yml:5:14
      |
    5 |     columns: {id: 1}
      |              ^^^^^^^ this is a mapping

    error[MSV0103]: a data test of model `c` has more than one name
     --> models/c.yml:8:9
      |
    8 |         values: [1]
      |         ^^^^^^ as deep as `accepted_values`
      |
    help: indent `values` two spaces more than `accepted_values`

    error[MSV0111]: `severity` is given in `config` and beside it
     --> models/c.yml:9:18
      |
    9 |       - unique: {severity: wran, config: {severity: warn}}
      |                  ^^^^^^^^
      |
    help: keep `severity` in `config`

    error[MSV0103]: `is it` is not the name of a data test
      --> models/c.yml:10:9
       |
    10 |       - is it: 5
       |         ^^^^^
       |
    help: write `name` or `package.name`; arguments go on lines of their own below `name:`
    "#);
}

#[test]
fn unit_tests_exposures_and_groups_say_what_they_need() {
    let shown = mistakes(&[
        MINIMAL,
        (
            "models/a.yml",
            "\
unit_tests:
  - name: u
    given: [{input: ref('a'), format: cvs, rows: []}, {rows: [1], inputs: x}]
    expect: {rows: x}
exposures:
  - {name: e, type: dashbord}
groups:
  - {name: g, owner: {phone: 1}}
",
        ),
    ]);
    insta::assert_snapshot!(shown, @r#"
    error[MSV0107]: unit test `u` needs the key `model`
     --> models/a.yml:2:5
      |
    2 |   - name: u
      |     ^^^^^^^
      |
    help: add `model: model_name`

    error[MSV0103]: `format` of an input of unit test `u` must be one of `dict`, `csv`, `sql`
     --> models/a.yml:3:39
      |
    3 |     given: [{input: ref('a'), format: cvs, rows: []}, {rows: [1], inputs: x}]
      |                                       ^^^
      |
    help: did you mean `csv`?

    error[MSV0107]: an input of unit test `u` needs the key `input`
     --> models/a.yml:3:55
      |
    3 |     given: [{input: ref('a'), format: cvs, rows: []}, {rows: [1], inputs: x}]
      |                                                       ^^^^^^^^^^^^^^^^^^^^^^
      |
    help: add `input: ref('model_name')`

    error[MSV0103]: each row of an input of unit test `u` must be a mapping of columns to values
     --> models/a.yml:3:63
      |
    3 |     given: [{input: ref('a'), format: cvs, rows: []}, {rows: [1], inputs: x}]
      |                                                               ^
      |
    help: write `- {column: value, other: value}`

    warning[MSV0102]: an input of unit test `u` has no key `inputs`
     --> models/a.yml:3:67
      |
    3 |     given: [{input: ref('a'), format: cvs, rows: []}, {rows: [1], inputs: x}]
      |                                                                   ^^^^^^ unknown key
      |
    help: a key with a similar name exists: `input`

    error[MSV0103]: `rows` of `expect` of unit test `u` is text, and its format is `dict`
     --> models/a.yml:4:20
      |
    4 |     expect: {rows: x}
      |                    ^
      |
    help: add `format: csv` or `format: sql`, or list the rows as mappings

    error[MSV0107]: exposure `e` needs the key `owner`
     --> models/a.yml:6:5
      |
    6 |   - {name: e, type: dashbord}
      |     ^^^^^^^^^^^^^^^^^^^^^^^^^
      |
    help: add `owner: {name: Team, email: team@example.com}`

    error[MSV0103]: `type` of exposure `e` must be one of `dashboard`, `notebook`, `analysis`, `ml`, `application`
     --> models/a.yml:6:21
      |
    6 |   - {name: e, type: dashbord}
      |                     ^^^^^^^^
      |
    help: did you mean `dashboard`?

    error[MSV0107]: `owner` of group `g` needs the key `name`
     --> models/a.yml:8:22
      |
    8 |   - {name: g, owner: {phone: 1}}
      |                      ^^^^^^^^^^
      |
    help: add `name: Team`
    "#);
}

#[test]
fn a_folder_without_a_project_says_what_to_do() {
    let dir = write(&[]);
    let found = project::load(&options(dir.path()), &render)
        .err()
        .unwrap_or_default();
    let shown = rendered(&found).replace(&dir.path().display().to_string(), "FOLDER");
    insta::assert_snapshot!(shown, @r#"
    error[MSV0104]: no project file: `FOLDER` holds neither `project.yml` nor `dbt_project.yml`
    help: go to the project's folder, name it with `--project-dir`, or start one with `msv init`
    "#);
}

#[test]
fn the_project_file_names_its_mistakes() {
    let shown = mistakes(&[(
        "project.yml",
        "\
name: my-shop
config-version: 1
profile: shop
source-paths: [src]
require-dbt-version: ['>=1.3.0', '>=2.0.0']
flags: {fail_fsat: true}
tests: {+severity: warn}
data_tests: {+severity: warn}
seeds: {+enabled: \"{{ var('nothing') }}\"}
dispatch: [{macro_namespace: dbt}]
on-run-start: [1]
",
    )]);
    insta::assert_snapshot!(shown, @r#"
    error[MSV0103]: the project name `my-shop` is not a name
     --> project.yml:1:7
      |
    1 | name: my-shop
      |       ^^^^^^^
      |
    help: use letters, digits and `_`, with no digit first: `my_shop`

    error[MSV0103]: `config-version` must be 2
     --> project.yml:2:17
      |
    2 | config-version: 1
      |                 ^
      |
    help: write `config-version: 2`, or leave the key out

    warning[MSV0116]: `source-paths` is the former name of `model-paths`
     --> project.yml:4:15
      |
    4 | source-paths: [src]
      |               ^^^^^
      |
    help: write `model-paths`

    warning[MSV0102]: `flags` has no key `fail_fsat`
     --> project.yml:6:9
      |
    6 | flags: {fail_fsat: true}
      |         ^^^^^^^^^ unknown key
      |
    help: a key with a similar name exists: `fail_fast`

    error[MSV0111]: both `tests` and `data_tests` are given
     --> project.yml:8:13
      |
    7 | tests: {+severity: warn}
      |        ----------------- its former name
    8 | data_tests: {+severity: warn}
      |             ^^^^^^^^^^^^^^^^^
      |
    help: `tests` is the former name of `data_tests`: keep the latter

    error[MSV0110]: this template cannot be rendered
     --> project.yml:9:19
      |
    9 | seeds: {+enabled: "{{ var('nothing') }}"}
      |                   ^^^^^^^^^^^^^^^^^^^^^^ no variable of that name is set

    error[MSV0107]: each entry of `dispatch` needs the key `search_order`
      --> project.yml:10:12
       |
    10 | dispatch: [{macro_namespace: dbt}]
       |            ^^^^^^^^^^^^^^^^^^^^^^
       |
    help: add `search_order: ['my_project', 'dbt']`

    error[MSV0103]: each element of `on-run-start` of `project.yml` must be text
      --> project.yml:11:16
       |
    11 | on-run-start: [1]
       |                ^ this is a number
       |
    help: put it in quotes: "1"

    error[MSV0114]: `my-shop` asks for dbt >=2.0.0, and msv speaks the language of dbt 1.12.0
     --> project.yml:5:22
      |
    5 | require-dbt-version: ['>=1.3.0', '>=2.0.0']
      |                      ^^^^^^^^^^^^^^^^^^^^^^
      |
    help: write `require-dbt-version` as in `">=1.6.0,<2.0.0"`, or leave it out
    help: to go on all the same, add `--no-version-check`
    "#);
}

#[test]
fn packages_are_read_and_missed_ones_named() {
    let dir = write(&[
        MINIMAL,
        ("dbt_packages/b/dbt_project.yml", "name: b\nunheard: of\n"),
        ("dbt_packages/b/macros/m.sql", "x"),
        ("dbt_packages/a/dbt_project.yml", "name: a\n"),
        (
            "dbt_packages/a/models/s.yml",
            "models: [{name: m, unheard: of}]\n",
        ),
    ]);
    let project = load(&dir);
    let names: Vec<&str> = project
        .all_packages()
        .map(|package| package.name.as_str())
        .collect();
    assert_eq!(names, ["shop", "a", "b"]);
    assert_eq!(
        &*project.packages[1].files[0].shown_path,
        "dbt_packages/b/macros/m.sql"
    );
    assert_eq!(&*project.packages[1].files[0].path, "macros/m.sql");
    assert_eq!(rendered(&project.warnings), "");

    let shown = mistakes(&[
        MINIMAL,
        (
            "packages.yml",
            "packages:\n  - package: dbt-labs/dbt_utils\n    version: 1.0.0\n  - local: ../x\n",
        ),
        ("dbt_packages/x/dbt_project.yml", "name: shop\n"),
    ]);
    insta::assert_snapshot!(shown, @r#"
    error[MSV0113]: of 2 packages asked for, 1 stand below `dbt_packages`
     --> packages.yml:2:3
      |
    2 |   - package: dbt-labs/dbt_utils
      |   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ asked for here
      |
    help: install them with `msv deps`

    error[MSV0113]: two packages are named `shop`
     --> dbt_packages/x/dbt_project.yml:1:7
      |
    1 | name: shop
      |       ^^^^
      |
     ::: project.yml:1:7
      |
    1 | name: shop
      |       ---- the other one
      |
    help: remove one of the two folders, or give one another name
    "#);
}
