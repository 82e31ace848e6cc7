//! `msv init`: a new project that builds at once on the local server.

use std::path::Path;
use std::process::ExitCode;

use clap::Args;

use crate::diagnostics::Diagnostic;

use super::arguments::{GlobalArgs, UnusedSelectionArgs};
use super::workspace::could_not_start;

#[derive(Args, Clone, Debug, Default)]
pub struct InitArgs {
    #[command(flatten)]
    pub unused: UnusedSelectionArgs,
    #[arg(long, hide = true)]
    pub state: Option<std::path::PathBuf>,
    /// Name of the project, and of its folder
    #[arg(value_name = "NAME", default_value = "my_project")]
    pub name: String,
    #[arg(long, short = 's', hide = true)]
    pub skip_profile_setup: bool,
}

pub(super) fn run(global: &GlobalArgs, args: &InitArgs) -> ExitCode {
    let name = &args.name;
    let is_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    if !name.chars().all(is_word) || name.starts_with(|first: char| first.is_ascii_digit()) {
        return could_not_start(&[Diagnostic::error(
            "MSV0103",
            format!("`{name}` is not a project name"),
        )
        .help("use letters, digits and `_`, with no digit first")]);
    }
    let base = global.project_dir.clone().unwrap_or_else(|| ".".into());
    let dir = base.join(name);
    if dir.exists() {
        return could_not_start(&[Diagnostic::error(
            "MSV0121",
            format!("`{}` is already there", dir.display()),
        )
        .help("choose another name, or go there and edit")]);
    }
    match write(&dir, name) {
        Ok(()) => {
            eprintln!("wrote `{}`", dir.display());
            eprintln!("next: cd {} && msv build", dir.display());
            ExitCode::SUCCESS
        }
        Err(error) => could_not_start(&[Diagnostic::error(
            "MSV0122",
            format!("the project cannot be written to `{}`", dir.display()),
        )
        .note(error.to_string())]),
    }
}

fn write(dir: &Path, name: &str) -> std::io::Result<()> {
    let files = [
        (
            "project.yml",
            format!(
                "name: {name}\nversion: 1.0.0\nprofile: {name}\n\nmodels:\n  {name}:\n    +materialized: view\n"
            ),
        ),
        (
            "profiles.yml",
            format!(
                "{name}:\n  target: local\n  outputs:\n    # A private PostgreSQL that msv starts below .msv/\n    local:\n      type: postgres\n      embedded: true\n      schema: {name}\n      threads: 4\n"
            ),
        ),
        (
            "seeds/customers_seed.csv",
            "customer_id,name\n1,Ada\n2,Grace\n".to_owned(),
        ),
        (
            "models/customers.sql",
            "{# One row per customer. #}\nselect\n    customer_id,\n    upper(name) as name\nfrom {{ ref('customers_seed') }}\n"
                .to_owned(),
        ),
        (
            "models/customers.yml",
            "models:\n  - name: customers\n    description: Customers, with names in capitals.\n    columns:\n      - name: customer_id\n        data_tests: [unique, not_null]\n"
                .to_owned(),
        ),
        (".gitignore", "target/\nlogs/\n.msv/\n".to_owned()),
    ];
    for (path, text) in files {
        let path = dir.join(path);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(path, text)?;
    }
    Ok(())
}
