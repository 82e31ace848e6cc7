//! Turns template files and seeds into nodes: each template is rendered once, recording.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use serde_json::Value as Json;
use sha2::{Digest, Sha256};

use msv_diagnostics::{Diagnostic, Place, closest};
use msv_jinja::{Block, Host, Source as TemplateSource, extract_blocks};
use msv_project::properties::{ModelProperties, VersionProperties};
use msv_project::{FileKind, Package, SourceFile};
use msv_relation::Relation;

use super::config::Config;
use super::config_types;
use super::constraints;
use super::context::{ParseContext, is_template, make_nodes};
use super::described::Described;
use super::foreign::Foreign;
use super::functions;
use super::microbatch::check_microbatch;
use super::naming::name_node;
use super::node::{Details, Function, Node, ResourceType, Template};
use super::node_value::NodeValue;
use super::patch;
use super::python;
use super::recorder::Record;
use super::snapshots;

/// A template file with what properties say about it, before it is rendered.
pub(super) struct Draft<'p> {
    package: &'p Package,
    /// The package whose properties describe it, mostly its own.
    pub(super) describer: &'p Package,
    file: &'p SourceFile,
    resource_type: ResourceType,
    name: String,
    span: Range<usize>,
    pub(super) properties: Option<&'p ModelProperties>,
    pub(super) version: Option<&'p VersionProperties>,
}

impl Draft<'_> {
    /// The template of a snapshot that is declared without one.
    fn declared_template(&self) -> Option<Template> {
        let properties = self.properties?;
        (self.file.kind == FileKind::Properties)
            .then(|| snapshots::template_of(properties, self.file))
            .flatten()
    }

    /// The word that begins the node's unique id.
    pub(super) fn kind(&self) -> &'static str {
        self.resource_type.as_str()
    }
}

/// Lists the drafts of a package; properties that describe nothing become warnings.
pub(super) fn drafts<'p>(
    package: &'p Package,
    foreign: &Foreign<'p>,
    found: &mut Vec<Diagnostic>,
) -> Vec<Draft<'p>> {
    let mut drafts = Vec::new();
    let mut described: HashMap<ResourceType, Described<'_>> = HashMap::new();
    let overloads = functions::overload_files(package);
    for file in &package.files {
        let (resource_type, known) = match file.kind {
            FileKind::Function if overloads.contains(file.stem()) => continue,
            FileKind::Model | FileKind::PythonModel => {
                (ResourceType::Model, &package.properties.models)
            }
            FileKind::Seed => (ResourceType::Seed, &package.properties.seeds),
            FileKind::Analysis => (ResourceType::Analysis, &package.properties.analyses),
            FileKind::Function => (ResourceType::Function, &package.properties.functions),
            FileKind::SingularTest => (ResourceType::Test, &package.properties.data_tests),
            FileKind::Snapshot => {
                snapshot_drafts(package, file, found, &mut drafts);
                continue;
            }
            _ => continue,
        };
        let (properties, version) = described
            .entry(resource_type)
            .or_insert_with(|| {
                let misplaced = misplaced(resource_type, package);
                Described::new(package, known.iter().chain(misplaced))
            })
            .of(file.stem());
        let (describer, properties) = match properties {
            None => match foreign.of(resource_type, file.stem()) {
                Some((describer, properties)) => (describer, Some(properties)),
                None => (package, None),
            },
            known => (package, known),
        };
        let name = match (properties, version) {
            (Some(properties), Some(_)) => properties.name.value.as_str(),
            _ => file.stem(),
        };
        let draft = Draft {
            package,
            describer,
            file,
            resource_type,
            name: name.to_owned(),
            span: 0..file.text.len(),
            properties,
            version,
        };
        drafts.push(draft);
    }
    drafts.extend(
        snapshots::declared(package).map(|(properties, file)| Draft {
            package,
            describer: package,
            file,
            resource_type: ResourceType::Snapshot,
            name: properties.name.value.clone(),
            span: 0..0,
            properties: Some(properties),
            version: None,
        }),
    );
    warn_about_unused(package, &drafts, foreign, found);
    drafts
}

/// A version as it stands in names: `2`, not `"2"`.
pub(super) fn plain(version: &Json) -> String {
    match version {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn snapshot_drafts<'p>(
    package: &'p Package,
    file: &'p SourceFile,
    found: &mut Vec<Diagnostic>,
    drafts: &mut Vec<Draft<'p>>,
) {
    let (blocks, mistakes) = extract_blocks(
        &package.name,
        Arc::clone(&file.shown_path),
        Arc::clone(&file.text),
    );
    found.extend(mistakes);
    for block in blocks {
        if let Block::Snapshot { name, body, .. } = block {
            let properties = package
                .properties
                .snapshots
                .iter()
                .find(|known| known.name.value == name);
            drafts.push(Draft {
                package,
                describer: package,
                file,
                resource_type: ResourceType::Snapshot,
                name,
                span: body,
                properties,
                version: None,
            });
        }
    }
}

/// dbt also finds the properties of a seed or snapshot that stand below `models:`.
fn misplaced(resource_type: ResourceType, package: &Package) -> &[ModelProperties] {
    match resource_type {
        ResourceType::Seed | ResourceType::Snapshot => &package.properties.models,
        _ => &[],
    }
}

fn warn_about_unused(
    package: &Package,
    drafts: &[Draft<'_>],
    foreign: &Foreign<'_>,
    found: &mut Vec<Diagnostic>,
) {
    let groups = [
        (ResourceType::Model, &package.properties.models),
        (ResourceType::Seed, &package.properties.seeds),
        (ResourceType::Function, &package.properties.functions),
        (ResourceType::Snapshot, &package.properties.snapshots),
        (ResourceType::Analysis, &package.properties.analyses),
        (ResourceType::Test, &package.properties.data_tests),
    ];
    warn_about_missing_versions(package, drafts, found);
    for (resource_type, known) in groups {
        let names: HashSet<&str> = drafts
            .iter()
            .filter(|draft| draft.resource_type == resource_type)
            .map(|draft| draft.name.as_str())
            .collect();
        for properties in known {
            let name = properties.name.value.as_str();
            if names.contains(name) || foreign.has_file(resource_type, name) {
                continue;
            }
            let word = match resource_type {
                ResourceType::Test => "data test",
                other => other.as_str(),
            };
            let place = properties.origin.place_of(&properties.name.span);
            let is_refable = resource_type.is_refable();
            let other = drafts
                .iter()
                .find(|draft| draft.name == name && draft.resource_type.is_refable());
            if let Some(other) = other.filter(|_| is_refable) {
                let kind = other.kind();
                found.push(
                    Diagnostic::warning("MSV0215", format!("`{name}` is a {kind}, not a {word}"))
                        .at(place, format!("described below `{word}s`"))
                        .help(format!("move it below `{kind}s`"))
                        .event("WrongResourceSchemaFile"),
                );
                continue;
            }
            let mut warning = Diagnostic::warning(
                "MSV0215",
                format!("properties describe a {word} that does not exist: `{name}`"),
            )
            .at(place, "no file has this name")
            .event("NoNodeForYamlKey");
            if let Some(similar) = closest(name, names.iter().copied()) {
                warning = warning.help(format!("a {word} with a similar name exists: `{similar}`"));
            }
            found.push(warning);
        }
    }
}

/// Versions whose file is missing.
fn warn_about_missing_versions(
    package: &Package,
    drafts: &[Draft<'_>],
    found: &mut Vec<Diagnostic>,
) {
    for properties in &package.properties.models {
        let is_named = drafts
            .iter()
            .any(|draft| draft.name == properties.name.value);
        for version in &properties.versions {
            let is_there = drafts
                .iter()
                .filter_map(|draft| draft.version)
                .any(|known| std::ptr::eq(known, version));
            // Where no version has a file the model itself is reported.
            if is_there || !is_named {
                continue;
            }
            let (name, v) = (&properties.name.value, plain(&version.v));
            let file = version
                .defined_in
                .clone()
                .unwrap_or_else(|| format!("{name}_v{v}"));
            found.push(
                Diagnostic::warning(
                    "MSV0215",
                    format!("version {v} of model `{name}` has no file"),
                )
                .at(properties.origin.place_of(&version.span), "declared here")
                .help(format!(
                    "write `{file}.sql`, or name its file with `defined_in`"
                ))
                .event("NoNodeForYamlKey"),
            );
        }
    }
}

/// Renders every draft and returns its node; mistakes of all of them are reported together.
pub(super) fn parse_drafts(
    context: &ParseContext<'_>,
    drafts: &[Draft<'_>],
    found: &mut Vec<Diagnostic>,
) -> Vec<Arc<Node>> {
    make_nodes(drafts, found, |draft, found| {
        parse_draft(context, draft, found)
    })
}

fn parse_draft(
    context: &ParseContext<'_>,
    draft: &Draft<'_>,
    found: &mut Vec<Diagnostic>,
) -> Option<Node> {
    let mut node = base_node(context, draft);
    let host = Arc::new(context.host(&draft.package.name));
    let place = node.place.clone();
    let mut written = node
        .unrendered_config
        .as_object()
        .cloned()
        .unwrap_or_default();
    let mut is_materialized = false;
    if let Some(properties) = draft.properties {
        let block = patch::config_of(properties, draft.version);
        is_materialized = block.contains_key("materialized");
        let rendered = context.render_value(
            &Json::Object(block.clone()),
            &host,
            &properties.origin.place(),
            found,
        );
        written.extend(block);
        if let Json::Object(rendered) = rendered {
            node.config.merge(&rendered);
        }
        patch::describe(context, &mut node, properties, draft.version, &host, found);
    }
    if let (Details::Function(function), Some(properties)) = (&mut node.details, draft.properties) {
        function.declare(draft.package, properties, found);
        if !function.overloads.is_empty() {
            let parts = function.overloads.iter().map(|part| part.template.code());
            let bodies: Vec<&str> = [draft.file.text.trim()].into_iter().chain(parts).collect();
            node.checksum = sha256(bodies.join("\0").as_bytes());
        }
    }
    if node.language() == "python" && !is_materialized {
        node.config.set("materialized", Json::from("table"));
    }
    // A file that is switched off is rendered too: it may switch itself on.
    if makes_calls(&node) {
        let record = match node.language() {
            "python" => {
                let calls = python::calls(&node.template);
                let calls = calls.map_err(|mistake| found.push(*mistake)).ok()?;
                let mut record = render(context, &node, &calls, found)?;
                // The template has its calls where the source has them; people see the source.
                let refs = record.refs.iter_mut().map(|call| &mut call.place);
                let sources = record.sources.iter_mut().map(|call| &mut call.place);
                for place in refs.chain(sources) {
                    place.text = Arc::clone(&node.template.text);
                }
                record
            }
            _ => render(context, &node, &node.template, found)?,
        };
        written.extend(record.config.clone());
        node.config.merge(&record.config);
        node.refs = record.refs;
        node.depends_on_macros = record.macros;
        node.sources = record.sources;
        node.functions = record.functions;
        context.root_config(
            &node.package_name,
            node.resource_type,
            &node.fqn,
            &mut node.config,
            &mut written,
        );
        for part in hook_templates(&node).into_iter().chain(bodies(&node)) {
            let record = render(context, &node, &part, found)?;
            node.refs.extend(record.refs);
            for called in record.macros {
                if !node.depends_on_macros.contains(&called) {
                    node.depends_on_macros.push(called);
                }
            }
            node.sources.extend(record.sources);
            node.functions.extend(record.functions);
        }
    } else {
        context.root_config(
            &node.package_name,
            node.resource_type,
            &node.fqn,
            &mut node.config,
            &mut written,
        );
    }
    if draft.resource_type == ResourceType::Seed && node.config.is_enabled() {
        for hook in hook_templates(&node) {
            let record = render(context, &node, &hook, found)?;
            found.extend(rootless_seed(&node, &record));
        }
    }
    if node.config.is_enabled() {
        let described = draft.properties.map(|properties| properties.origin.place());
        let described = described.unwrap_or_else(|| place.clone());
        constraints::settle(context, &mut node, &described, found);
    }
    node.unrendered_config = Json::Object(written);
    found.extend(snapshots::check(&node, draft.properties));
    check_microbatch(&node, &place, found);
    finish(context, &mut node, &place, found).then_some(node)
}

/// True where the file asks for other nodes: no seed, and no function but in SQL.
fn makes_calls(node: &Node) -> bool {
    match &node.details {
        Details::Seed { .. } => false,
        Details::Function(function) => function.language == "sql",
        _ => true,
    }
}

/// Settles what follows from the final configuration: names and governance.
pub(super) fn finish(
    context: &ParseContext<'_>,
    node: &mut Node,
    place: &Place,
    found: &mut Vec<Diagnostic>,
) -> bool {
    node.access = node.config.str("access").map(str::to_owned);
    node.group = node.config.str("group").map(str::to_owned);
    if node.resource_type == ResourceType::Test {
        settle_store_failures(&mut node.config);
    }
    if node.resource_type == ResourceType::Test
        && node.config.get("store_failures").is_none()
        && context.invocation.flag("STORE_FAILURES")
    {
        node.config.set("store_failures", Json::Bool(true));
    }
    config_types::check(node, place, found);
    if let Err(diagnostic) = name_node(context, node) {
        let diagnostic = if diagnostic.place.is_none() {
            diagnostic.at(place.clone(), "while naming this node")
        } else {
            diagnostic.also(place.clone(), "while naming this node")
        };
        found.push(diagnostic);
        return false;
    }
    true
}

/// Of the two settings for failing rows each gives the other; the newer one has the last word.
fn settle_store_failures(config: &mut Config) {
    if let Some(kind) = config.str("store_failures_as") {
        let is_stored = kind != "ephemeral";
        config.set("store_failures", Json::Bool(is_stored));
    } else if let Some(is_stored) = config.bool("store_failures") {
        let kind = if is_stored { "table" } else { "ephemeral" };
        config.set("store_failures_as", Json::from(kind));
    }
}

fn render(
    context: &ParseContext<'_>,
    node: &Node,
    template: &Template,
    found: &mut Vec<Diagnostic>,
) -> Option<Record> {
    let mut host = context.host(&node.package_name);
    let invocation = &context.invocation;
    host.this = Some(Relation::new(
        invocation.database(),
        invocation.schema(),
        &node.name,
    ));
    host.extra
        .insert("model", NodeValue::value(Arc::new(node.clone())));
    let host = Arc::new(host);
    let template = TemplateSource {
        file: Arc::clone(&template.file),
        text: Arc::clone(&template.text),
        span: template.span.clone(),
    };
    match context
        .engine
        .render(&template, Arc::clone(&host) as Arc<dyn Host>)
    {
        Ok(_) => {
            let mut record = host.take();
            for text in record.warnings.drain(..) {
                found.push(
                    Diagnostic::warning("MSV0153", text)
                        .at(node.place.clone(), "its template warns")
                        .event("JinjaLogWarning"),
                );
            }
            Some(record)
        }
        Err(diagnostic) => {
            found.push(*diagnostic);
            None
        }
    }
}

/// The templates of a function's overloads.
fn bodies(node: &Node) -> Vec<Template> {
    match &node.details {
        Details::Function(function) => {
            let overloads = function.overloads.iter();
            overloads.map(|part| part.template.clone()).collect()
        }
        _ => Vec::new(),
    }
}

/// The templates among a node's hooks: what they read must be built before the node.
fn hook_templates(node: &Node) -> Vec<Template> {
    let mut templates = Vec::new();
    for key in ["pre-hook", "post-hook"] {
        let Some(Json::Array(hooks)) = node.config.get(key) else {
            continue;
        };
        let texts = hooks.iter().enumerate().filter_map(|(index, hook)| {
            let text = hook.get("sql").and_then(Json::as_str)?;
            is_template(text).then_some((index, text))
        });
        templates.extend(texts.map(|(index, text)| Template {
            file: format!("{key} {} of {}", index + 1, node.original_file_path).into(),
            span: 0..text.len(),
            text: text.into(),
        }));
    }
    templates
}

/// Refuses a hook of a seed that reads another node: seeds are loaded before everything else.
fn rootless_seed(node: &Node, record: &Record) -> Option<Diagnostic> {
    let (call, place) = match (record.refs.first(), record.sources.first()) {
        (Some(call), _) => (format!("ref('{}')", call.name), &call.place),
        (None, Some(call)) => (
            format!("source('{}', '{}')", call.source, call.table),
            &call.place,
        ),
        (None, None) => return None,
    };
    Some(
        Diagnostic::error(
            "MSV0180",
            format!("a hook of seed `{}` reads `{call}`", node.name),
        )
        .at(place.clone(), "in this hook")
        .note("Seeds cannot depend on other nodes")
        .help("move the hook to a model, or write the relation's name without `ref`"),
    )
}

fn base_node(context: &ParseContext<'_>, draft: &Draft<'_>) -> Node {
    let Draft {
        package,
        file,
        resource_type,
        name,
        span,
        version,
        ..
    } = draft;
    let mut fqn = vec![package.name.clone()];
    // dbt puts analyses below a folder of that name, in names and in paths.
    let below = match resource_type {
        ResourceType::Analysis => format!("analysis/{}", file.path_below_root()),
        _ => file.path_below_root().to_owned(),
    };
    let folders: Vec<&str> = below.split('/').collect();
    fqn.extend(
        folders[..folders.len() - 1]
            .iter()
            .map(|folder| (*folder).to_owned()),
    );
    let declared = draft.declared_template();
    if *resource_type == ResourceType::Snapshot && declared.is_none() {
        fqn.push(file.stem().to_owned());
    }
    fqn.push(name.clone());
    if let Some(version) = version {
        fqn.push(format!("v{}", plain(&version.v)));
    }
    let (config, written) = context.project_config(&package.name, *resource_type, &fqn);
    let mut id = format!("{}.{}.{name}", draft.kind(), package.name);
    if let Some(version) = version {
        id = format!("{id}.v{}", plain(&version.v));
    }
    let details = match resource_type {
        ResourceType::Seed => Details::Seed {
            path: file.absolute.clone(),
        },
        ResourceType::Snapshot => Details::Snapshot,
        ResourceType::Analysis => Details::Analysis,
        ResourceType::Test => Details::SingularTest,
        ResourceType::Function => Details::Function(Box::new(Function {
            language: match file.path.rsplit_once('.') {
                Some((_, "py")) => "python",
                Some((_, "js")) => "javascript",
                _ => "sql",
            },
            ..Function::default()
        })),
        _ => Details::Model,
    };
    let checksum = match resource_type {
        ResourceType::Seed => seed_checksum(&file.absolute, &file.path),
        ResourceType::Snapshot => sha256(file.text.trim().as_bytes()),
        _ => sha256(file.text[span.clone()].trim().as_bytes()),
    };
    let mut path = below.to_owned();
    let mut place = Place::new(
        Arc::clone(&file.shown_path),
        Arc::clone(&file.text),
        span.start..span.start,
    );
    if let (true, Some(properties)) = (declared.is_some(), draft.properties) {
        path = format!("{path}/{name}.sql");
        place = properties.origin.place_of(&properties.name.span);
    }
    let template = declared.unwrap_or_else(|| Template {
        file: Arc::clone(&file.shown_path),
        text: Arc::clone(&file.text),
        // dbt trims files, and leaves the text between the tags of a block as it is.
        span: match resource_type {
            ResourceType::Snapshot => span.clone(),
            _ => trimmed(&file.text, span),
        },
    });
    Node {
        path,
        original_file_path: file.path.to_string(),
        fqn,
        template,
        checksum,
        config,
        unrendered_config: Json::Object(written),
        version: version.map(|version| version.v.clone()),
        ..Node::new(id, *resource_type, &package.name, name, details, place)
    }
}

/// dbt leaves blank lines around a template out.
pub(super) fn trimmed(text: &str, span: &Range<usize>) -> Range<usize> {
    let code = &text[span.clone()];
    let start = span.start + code.len() - code.trim_start().len();
    start..start + code.trim().len()
}

pub(super) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// dbt hashes a seed up to 1 MiB, and takes the path of a larger one.
fn seed_checksum(absolute: &std::path::Path, path: &str) -> String {
    const LIMIT_BYTES: u64 = 1 << 20;
    let size = std::fs::metadata(absolute)
        .map(|data| data.len())
        .unwrap_or(0);
    if size > LIMIT_BYTES {
        return path.to_owned();
    }
    std::fs::read_to_string(absolute)
        .map(|text| sha256(text.trim().as_bytes()))
        .unwrap_or_default()
}
