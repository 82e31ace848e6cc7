//! `docs/cli.md` says what `--help` says: it is written from the same definitions.
//!
//! `UPDATE_EXPECT=1 cargo test cli_reference` writes it anew.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use clap::{Arg, Command, CommandFactory};
use similar::TextDiff;

const HEAD: &str = "\
# Command line

Written from the program's own definitions; `msv help COMMAND` shows the same. Exit codes: 0 all good, 1 something
built, tested or compiled failed, 2 it could not start.
";

fn reference() -> String {
    let mut root = msv::cli::Cli::command();
    root.build();
    let mut page = HEAD.to_owned();
    page.push_str("\n## Commands\n\n| command | what it does |\n|---|---|\n");
    for command in visible(&root) {
        let name = command.get_name();
        writeln!(page, "| [`msv {name}`](#msv-{name}) | {} |", about(command)).unwrap();
    }
    page.push_str("\n## Options of every command\n");
    options(&mut page, &root);
    for command in visible(&root) {
        section(&mut page, command, "msv", 2);
    }
    page
}

fn visible(command: &Command) -> impl Iterator<Item = &Command> {
    command
        .get_subcommands()
        .filter(|inner| !inner.is_hide_set() && inner.get_name() != "help")
}

fn section(page: &mut String, command: &Command, above: &str, depth: usize) {
    let name = format!("{above} {}", command.get_name());
    writeln!(page, "\n{} {name}\n", "#".repeat(depth)).unwrap();
    writeln!(page, "{}.", about(command)).unwrap();
    if let Some(more) = command.get_long_about() {
        let more = more.to_string();
        let rest = more.trim_start_matches(&about(command)).trim();
        if !rest.is_empty() {
            writeln!(page, "\n{rest}").unwrap();
        }
    }
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ");
    writeln!(page, "\n```text\n{usage}\n```").unwrap();
    options(page, command);
    for inner in visible(command) {
        section(page, inner, &name, depth + 1);
    }
}

fn about(command: &Command) -> String {
    let about = command
        .get_about()
        .map(ToString::to_string)
        .unwrap_or_default();
    about.trim_end_matches('.').to_owned()
}

/// The table of a command's own arguments; those of every command stand once, at the top.
fn options(page: &mut String, command: &Command) {
    let is_root = command.get_name() == "msv";
    let rows: Vec<String> = command
        .get_arguments()
        .filter(|argument| !argument.is_hide_set())
        .filter(|argument| is_root || !argument.is_global_set())
        .filter(|argument| is_root || !matches!(argument.get_id().as_str(), "help" | "version"))
        .map(row)
        .collect();
    if !rows.is_empty() {
        writeln!(
            page,
            "\n| option | meaning |\n|---|---|\n{}",
            rows.join("\n")
        )
        .unwrap();
    }
}

fn row(argument: &Arg) -> String {
    let mut names = Vec::new();
    if let Some(short) = argument.get_short() {
        names.push(format!("-{short}"));
    }
    if let Some(long) = argument.get_long() {
        names.push(format!("--{long}"));
    }
    let mut name = names.join(", ");
    if argument.get_action().takes_values() {
        let values: Vec<String> = argument
            .get_value_names()
            .unwrap_or_default()
            .iter()
            .map(
                |value| match argument.is_positional() && !argument.is_required_set() {
                    true => format!("[{value}]"),
                    false => value.to_string(),
                },
            )
            .collect();
        name = format!("{name} {}", values.join(" ")).trim().to_owned();
    }
    let mut meaning = argument
        .get_help()
        .map(|help| help.to_string())
        .unwrap_or_default();
    let choices: Vec<String> = argument
        .get_possible_values()
        .iter()
        .filter(|choice| !choice.is_hide_set())
        .map(|choice| format!("`{}`", choice.get_name()))
        .collect();
    if argument.get_action().takes_values() && !choices.is_empty() {
        write!(meaning, "; one of {}", choices.join(", ")).unwrap();
    }
    let defaults: Vec<String> = argument
        .get_default_values()
        .iter()
        .map(|value| format!("`{}`", value.to_string_lossy()))
        .collect();
    if argument.get_action().takes_values() && !defaults.is_empty() {
        write!(meaning, "; default {}", defaults.join(", ")).unwrap();
    }
    let meaning = meaning.replace('|', "\\|").replace('\n', " ");
    format!("| `{name}` | {meaning} |")
}

#[test]
fn the_reference_says_what_help_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/cli.md");
    let now = reference();
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&path, &now).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    let diff = TextDiff::from_lines(&written, &now);
    assert!(
        written == now,
        "docs/cli.md is not what --help says: UPDATE_EXPECT=1 cargo test cli_reference\n{}",
        diff.unified_diff().header("docs/cli.md", "--help")
    );
}

#[test]
fn every_option_says_what_it_is_for() {
    let mut root = msv::cli::Cli::command();
    root.build();
    let mut silent = Vec::new();
    for command in std::iter::once(&root).chain(visible(&root)) {
        for argument in command.get_arguments() {
            if argument.get_help().is_none() && !argument.is_hide_set() {
                silent.push(format!("{} {}", command.get_name(), argument.get_id()));
            }
        }
    }
    assert!(silent.is_empty(), "no help text: {silent:?}");
}
