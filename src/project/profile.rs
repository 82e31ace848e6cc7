//! Finds `profiles.yml`, the profile and its target: which server to build on, and as whom.

use std::path::{Path, PathBuf};

use crate::fields::{Fields, Unknown};
use crate::node::{Document, Node, Value};
use crate::target::{Target, read_output};
use crate::{LoadOptions, Render, mistake, template, yaml};
use msv_diagnostics::{Diagnostic, Place, closest};

/// Reads the target that `options` asks for, or the profile's default.
///
/// # Errors
///
/// There is no `profiles.yml`, it has no such profile or target, or the target has mistakes.
pub fn load_profile(
    options: &LoadOptions,
    profile_name: &str,
    render: Render,
) -> Result<Target, Vec<Diagnostic>> {
    let path = find_profiles(options, profile_name).map_err(|error| vec![error])?;
    let file = shown_path(&path, &options.project_dir);
    let text = mistake::read_text(&path, &file).map_err(|error| vec![error])?;
    read_target(
        &file,
        &text,
        profile_name,
        options.target.as_deref(),
        render,
    )
}

/// Reads one target out of the text of a `profiles.yml`.
fn read_target(
    file: &str,
    text: &str,
    profile_name: &str,
    target: Option<&str>,
    render: Render,
) -> Result<Target, Vec<Diagnostic>> {
    let hidden = hide_secrets(text);
    let mut found = Vec::new();
    let target = yaml::parse(file, text)
        .map_err(|error| found.push(error))
        .ok()
        .and_then(|document| find_target(&document, profile_name, target, render, &mut found));
    for diagnostic in &mut found {
        let places = diagnostic.also.iter_mut().map(|label| &mut label.place);
        for place in diagnostic.place.iter_mut().chain(places) {
            if place.text.is_empty() {
                continue;
            }
            *place = Place::new(place.file.clone(), hidden.as_str(), place.span.clone());
        }
    }
    match target {
        Some(mut target) if !found.iter().any(Diagnostic::is_error) => {
            target.warnings = found;
            Ok(target)
        }
        _ => Err(found),
    }
}

/// The folders that are searched for `profiles.yml`, the first one that has it wins.
pub fn profile_folders(options: &LoadOptions) -> Vec<PathBuf> {
    let from_environment = || {
        ["MSV_PROFILES_DIR", "DBT_PROFILES_DIR"]
            .iter()
            .find_map(std::env::var_os)
            .filter(|dir| !dir.is_empty())
            .map(PathBuf::from)
    };
    match options.profiles_dir.clone().or_else(from_environment) {
        Some(dir) => vec![dir],
        None => std::iter::once(options.project_dir.clone())
            .chain(home().map(|home| home.join(".dbt")))
            .collect(),
    }
}

fn find_profiles(options: &LoadOptions, profile_name: &str) -> Result<PathBuf, Diagnostic> {
    let folders = profile_folders(options);
    for folder in &folders {
        let path = folder.join("profiles.yml");
        if path.is_file() {
            return Ok(path);
        }
    }
    let shown: Vec<String> = folders
        .iter()
        .map(|folder| {
            format!(
                "`{}`",
                shown_path(&folder.join("profiles.yml"), &options.project_dir)
            )
        })
        .collect();
    Err(
        Diagnostic::error("MSV0105", "there is no `profiles.yml`")
            .note(format!("looked for: {}", shown.join(", ")))
            .help(format!(
                "to build on a private local server, write `profiles.yml` with\n\
                 {profile_name}:\n  target: local\n  outputs:\n    local: {{type: postgres, embedded: true, schema: public}}"
            )),
    )
}

fn home() -> Option<PathBuf> {
    std::env::var_os("HOME")
        .filter(|home| !home.is_empty())
        .map(PathBuf::from)
}

fn shown_path(path: &Path, project_dir: &Path) -> String {
    if let Ok(inside) = path.strip_prefix(project_dir) {
        return inside.display().to_string();
    }
    match home().and_then(|home| path.strip_prefix(home).ok().map(Path::to_owned)) {
        Some(inside) => format!("~/{}", inside.display()),
        None => path.display().to_string(),
    }
}

/// Stars in place of written passwords, so that no excerpt shows one. Lengths stay.
fn hide_secrets(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let hidden = ["password:", "pass:"].iter().find_map(|key| {
            let after = line.find(key)? + key.len();
            let value = line[after..].trim();
            (!value.is_empty() && !value.contains("{{")).then(|| {
                let start = after + line[after..].find(value).unwrap_or(0);
                format!(
                    "{}{}{}",
                    &line[..start],
                    "*".repeat(value.len()),
                    &line[start + value.len()..]
                )
            })
        });
        out.push_str(hidden.as_deref().unwrap_or(line));
    }
    out
}

fn find_target(
    document: &Document,
    profile_name: &str,
    target: Option<&str>,
    render: Render,
    found: &mut Vec<Diagnostic>,
) -> Option<Target> {
    let root = &document.root;
    if !root.is_map() && !root.is_null() {
        let owner = format!("`{}`", document.file);
        found.push(mistake::wrong_type(
            document,
            root,
            &owner,
            "a mapping of profiles",
        ));
        return None;
    }
    let Some(profile) = root.get(profile_name) else {
        found.push(no_profile(document, profile_name));
        return None;
    };
    let owner = format!("profile `{profile_name}`");
    let mut fields = Fields::open(document, profile, owner, found)?;
    let default = fields.present("target").cloned();
    let outputs = fields.map("outputs");
    if outputs.is_none() && fields.found.is_empty() {
        fields.missing("outputs", "{dev: {type: postgres, ...}}");
    }
    fields.raw("config");
    fields.finish(Unknown::Warning, found);
    let outputs = outputs?;
    let name = target_name(document, default, target, render, found)?;
    let Some(output) = outputs.get(&name) else {
        found.push(no_target(document, profile_name, profile, outputs, &name));
        return None;
    };
    let mut output = output.clone();
    render_output(document, &mut output, render, found);
    read_output(document, &output, profile_name, &name, found)
}

fn target_name(
    document: &Document,
    default: Option<Node>,
    asked: Option<&str>,
    render: Render,
    found: &mut Vec<Diagnostic>,
) -> Option<String> {
    if let Some(asked) = asked {
        return Some(asked.to_owned());
    }
    let Some(mut node) = default else {
        return Some("default".to_owned());
    };
    template::render_node(document, &mut node, render, found);
    match node.value {
        Value::String(name) => Some(name),
        _ => {
            found.push(mistake::wrong_type(document, &node, "`target`", "text"));
            None
        }
    }
}

fn no_profile(document: &Document, profile_name: &str) -> Diagnostic {
    let names: Vec<&str> = profile_names(&document.root);
    let diagnostic = Diagnostic::error(
        "MSV0105",
        format!("`{}` has no profile `{profile_name}`", document.file),
    )
    .at(Place::file(document.file.clone()), "");
    match closest(profile_name, names.iter().copied()) {
        Some(similar) => {
            diagnostic.help(format!("a profile with a similar name exists: `{similar}`"))
        }
        None if names.is_empty() => diagnostic.help(format!("add a profile: `{profile_name}:`")),
        None => diagnostic.help(format!(
            "name one of its profiles in the project file or with `--profile`: {}",
            mistake::listed(&names)
        )),
    }
}

fn profile_names(root: &Node) -> Vec<&str> {
    let names = root.entries().iter().map(|(key, _)| key.name.as_str());
    names.filter(|name| *name != "config").collect()
}

fn no_target(
    document: &Document,
    profile_name: &str,
    profile: &Node,
    outputs: &Node,
    name: &str,
) -> Diagnostic {
    let names: Vec<&str> = outputs
        .entries()
        .iter()
        .map(|(key, _)| key.name.as_str())
        .collect();
    let key = profile
        .entries()
        .iter()
        .find(|(key, _)| key.name == "outputs");
    let span = key.map_or_else(|| outputs.span.clone(), |(key, _)| key.span.clone());
    let diagnostic = Diagnostic::error(
        "MSV0106",
        format!("profile `{profile_name}` has no target `{name}`"),
    )
    .at(document.place(&span), "the targets are listed here");
    match closest(name, names.iter().copied()) {
        Some(similar) => {
            diagnostic.help(format!("a target with a similar name exists: `{similar}`"))
        }
        None => diagnostic.help(format!(
            "its targets are {}; choose one with `--target`",
            mistake::listed(&names)
        )),
    }
}

/// Renders a target's templates. A password that is no template after all is taken as written.
fn render_output(
    document: &Document,
    output: &mut Node,
    render: Render,
    found: &mut Vec<Diagnostic>,
) {
    let Value::Map(entries) = &mut output.value else {
        return;
    };
    for (key, node) in entries {
        let is_password = matches!(key.name.as_str(), "password" | "pass");
        let mut mistakes = Vec::new();
        template::render_node(document, node, render, &mut mistakes);
        let looks_like_template = node.as_str().is_some_and(|text| text.contains("}}"));
        if !is_password || looks_like_template {
            found.append(&mut mistakes);
        }
    }
}
