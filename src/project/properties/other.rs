//! Reads macros, exposures and groups.

use serde_json::{Map, Value as Json};

use crate::fields::Unknown;
use crate::node::{Node, Spanned};
use crate::properties::{ConfigBlock, Origin, Reader};
use msv_diagnostics::Diagnostic;

/// What a properties file says about a macro.
#[derive(Clone, Debug)]
pub struct MacroProperties {
    pub name: Spanned<String>,
    pub description: String,
    pub arguments: Vec<ArgumentProperties>,
    pub meta: Map<String, Json>,
    pub docs: Option<Json>,
    pub config: ConfigBlock,
    pub origin: Origin,
}

/// One argument of a macro.
#[derive(Clone, Debug)]
pub struct ArgumentProperties {
    pub name: String,
    pub data_type: Option<String>,
    pub description: String,
}

/// A use of the models outside the project: a dashboard, a notebook, an application.
#[derive(Clone, Debug)]
pub struct ExposureProperties {
    pub name: Spanned<String>,
    pub kind: String,
    pub label: Option<String>,
    pub description: String,
    pub maturity: Option<String>,
    pub url: Option<String>,
    pub owner: Json,
    /// `ref('x')`, `source('a', 'b')` or `metric('m')`, each with its place.
    pub depends_on: Vec<Spanned<String>>,
    pub tags: Vec<String>,
    pub meta: Map<String, Json>,
    pub config: ConfigBlock,
    pub origin: Origin,
}

/// People who own models.
#[derive(Clone, Debug)]
pub struct GroupProperties {
    pub name: Spanned<String>,
    pub description: Option<String>,
    pub owner: Json,
    pub config: ConfigBlock,
    pub origin: Origin,
}

pub(super) fn read_macro<'a>(reader: &mut Reader<'a>, node: &'a Node) -> Option<MacroProperties> {
    let mut fields = reader.open(node, "macro")?;
    let owner = fields.owner.clone();
    let mut arguments = Vec::new();
    for node in fields.list("arguments") {
        let Some(mut parts) = reader.open(node, "argument") else {
            continue;
        };
        parts.owner = format!("{} of {owner}", parts.owner);
        let name = parts.required_text("name", "argument_name");
        let argument = ArgumentProperties {
            name: name.map(|name| name.value).unwrap_or_default(),
            data_type: parts.string("type"),
            description: parts.string("description").unwrap_or_default(),
        };
        reader.finish(parts);
        arguments.push(argument);
    }
    let name = fields.required_text("name", "macro_name");
    let description = fields.string("description").unwrap_or_default();
    let config = ConfigBlock::read(&mut fields, &["meta", "docs"]);
    let meta = fields.json_map("meta");
    let docs = fields.map("docs").map(Node::to_json);
    reader.finish(fields);
    Some(MacroProperties {
        name: name?,
        description,
        arguments,
        meta,
        docs,
        config,
        origin: reader.origin(node),
    })
}

pub(super) fn read_exposure<'a>(
    reader: &mut Reader<'a>,
    node: &'a Node,
) -> Option<ExposureProperties> {
    let mut fields = reader.open(node, "exposure")?;
    let name = fields.required_text("name", "exposure_name");
    if fields.present("type").is_none() {
        fields.missing("type", "dashboard");
    }
    let kinds = ["dashboard", "notebook", "analysis", "ml", "application"];
    let kind = fields.choice("type", &kinds);
    if let Some(name) = &name
        && reader.unknown != Unknown::Ignored
        && !name
            .chars()
            .all(|letter| letter.is_alphanumeric() || "_-".contains(letter))
    {
        fields.found.push(
            Diagnostic::warning(
                "MSV0151",
                format!("`{}` is no name of an exposure", name.value),
            )
            .at(
                fields.document.place(&name.span),
                "only letters, digits and `_`",
            )
            .help(format!(
                "write `name:` so, and these words as `label: {}`",
                name.value
            ))
            .event("ExposureNameDeprecation"),
        );
    }
    let maturity = fields.choice("maturity", &["low", "medium", "high"]);
    let owner = read_owner(&mut fields);
    let label = fields.string("label");
    let description = fields.string("description").unwrap_or_default();
    let url = fields.string("url");
    let depends_on = fields.texts("depends_on").unwrap_or_default();
    let config = ConfigBlock::read(&mut fields, &[]);
    let tags = fields.strings("tags");
    let meta = fields.json_map("meta");
    reader.finish(fields);
    Some(ExposureProperties {
        name: name?,
        kind: kind?.value,
        label,
        description,
        maturity: maturity.map(|maturity| maturity.value),
        url,
        owner,
        depends_on,
        tags,
        meta,
        config,
        origin: reader.origin(node),
    })
}

pub(super) fn read_group<'a>(reader: &mut Reader<'a>, node: &'a Node) -> Option<GroupProperties> {
    let mut fields = reader.open(node, "group")?;
    let name = fields.required_text("name", "group_name");
    let owner = read_owner(&mut fields);
    let description = fields.string("description");
    let config = ConfigBlock::read(&mut fields, &["meta"]);
    reader.finish(fields);
    Some(GroupProperties {
        name: name?,
        description,
        owner,
        config,
        origin: reader.origin(node),
    })
}

fn read_owner(fields: &mut crate::fields::Fields) -> Json {
    let Some(node) = fields.map("owner") else {
        if fields.present("owner").is_none() {
            fields.missing("owner", "{name: Team, email: team@example.com}");
        }
        return Json::Object(Map::new());
    };
    if node.get("name").is_none() && node.get("email").is_none() {
        let owner = format!("`owner` of {}", fields.owner);
        fields.found.push(crate::mistake::missing_key(
            fields.document,
            &node.span,
            &owner,
            "name",
            "Team",
        ));
    }
    // An owner always has both.
    let mut owner = Map::from_iter([
        ("email".to_owned(), Json::Null),
        ("name".to_owned(), Json::Null),
    ]);
    if let Json::Object(written) = node.to_json() {
        owner.extend(written);
    }
    Json::Object(owner)
}
