//! Reading a project: files in, declarations or diagnostics out.

use std::fs;
use std::path::Path;

use msv::project::{self, FileKind, LoadOptions, Project};
use serde_json::{Value as Json, json};
use tempfile::TempDir;

fn write(files: &[(&str, &str)]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    dir
}

fn options(dir: &Path) -> LoadOptions {
    LoadOptions {
        project_dir: dir.to_owned(),
        ..LoadOptions::default()
    }
}

/// Knows one template of each sort; the template language has tests of its own.
fn render(text: &str) -> Result<Json, String> {
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

fn rendered(found: &[msv::diagnostics::Diagnostic]) -> String {
    let texts: Vec<String> = found.iter().map(|one| one.render(false)).collect();
    texts.join("\n\n")
}

fn mistakes(files: &[(&str, &str)]) -> String {
    let dir = write(files);
    match project::load(&options(dir.path()), &render) {
        Ok(project) => rendered(&project.warnings),
        Err(found) => rendered(&found),
    }
}

const MINIMAL: (&str, &str) = ("project.yml", "name: shop\nprofile: shop\n");

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
        config.models.as_ref().unwrap().to_json(),
        json!({"shop": {"+schema": "dev_x", "+post-hook": "{{ later }}"}})
    );
    assert_eq!(project.target_path, dir.path().join("target"));
}
