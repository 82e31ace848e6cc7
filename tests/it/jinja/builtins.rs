//! The built-in macros: that every one of dbt's has its name here.

use msv::jinja::{BUILTIN_PACKAGE, Engine, POSTGRES_PACKAGE};

/// The macros of dbt-core's and dbt-postgres' own projects that a project may call or replace, a
/// package a file. Source: dbt-adapters 1.24, dbt-postgres 1.11.
const NAMES: [(&str, &str); 2] = [
    (BUILTIN_PACKAGE, include_str!("builtin_names/dbt.txt")),
    (
        POSTGRES_PACKAGE,
        include_str!("builtin_names/dbt_postgres.txt"),
    ),
];

#[test]
fn every_macro_of_dbt_exists_under_its_name() {
    let engine = Engine::new(Vec::new(), "shop", Vec::new()).expect("the built-in macros are read");
    let mut missing = Vec::new();
    for (package, names) in NAMES {
        for name in names.lines() {
            let id = format!("macro.{package}.{name}");
            let is_there = engine.macros().iter().any(|known| known.unique_id == id);
            if !is_there {
                missing.push(id);
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}
