//! Blocks: a macro, docs or snapshot file in, its blocks with their places out.
//!
//! `{% test %}` and `{% data_test %}` become macros named `test_x`, `{% materialization %}`
//! becomes `materialization_x_default`; types written on parameters are dropped. The bodies are
//! not looked into beyond their tags.

use std::ops::Range;
use std::sync::Arc;

use crate::rewrite::{self, Hidden, Parameter};
use crate::scan::{Kind, Piece, Scan, ScanError, Tag, Token, scan};
use msv_diagnostics::{Diagnostic, Place, closest};

/// What a macro block was written as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MacroKind {
    Macro,
    /// A generic test; the macro is named `test_x`.
    Test,
    /// A materialization; the macro is named `materialization_x_adapter`.
    Materialization {
        name: String,
        adapter: String,
        supported_languages: Vec<String>,
    },
}

/// A macro as it stands in its file. Spans count bytes of `text`.
#[derive(Clone, Debug)]
pub struct MacroDefinition {
    /// `macro.package.name`
    pub unique_id: String,
    pub package: String,
    pub name: String,
    /// Relative to the project folder.
    pub file: Arc<str>,
    /// The whole file.
    pub text: Arc<str>,
    /// The whole block, from `{% macro` to the end of `endmacro %}`.
    pub span: Range<usize>,
    /// What stands between the two tags.
    pub body: Range<usize>,
    pub kind: MacroKind,
    pub parameters: Vec<Parameter>,
    pub(crate) hidden: Hidden,
}

impl MacroDefinition {
    /// The block as it was written; white space that its tags strip belongs to it, as in dbt,
    /// but to no two blocks and not at the ends of the file.
    pub fn source(&self) -> &str {
        let text = self.text.trim_end();
        let (mut start, mut end) = (self.span.start, self.span.end);
        let before = self.text[..start].trim_end();
        if self.text[start..].starts_with("{%-") && !before.is_empty() && !before.ends_with("-%}") {
            start = before.len();
        }
        if self.text[..end].ends_with("-%}") && end < text.len() {
            end += text[end..].len() - text[end..].trim_start().len();
        }
        &self.text[start..end]
    }
}

/// A block of a file.
#[derive(Clone, Debug)]
pub enum Block {
    Macro(MacroDefinition),
    Docs {
        name: String,
        contents: String,
        span: Range<usize>,
    },
    Snapshot {
        name: String,
        /// The template between the tags.
        body: Range<usize>,
        span: Range<usize>,
    },
}

const OPENERS: [&str; 6] = [
    "macro",
    "test",
    "data_test",
    "materialization",
    "docs",
    "snapshot",
];

/// Finds the blocks of a file, and what is wrong with them.
///
/// A block that is not closed, or closed by another block's word, is reported and left out; the
/// others are returned.
pub fn extract_blocks(
    package: &str,
    file: Arc<str>,
    text: Arc<str>,
) -> (Vec<Block>, Vec<Diagnostic>) {
    // Prose has no tags to read, and may hold quotes that are never closed.
    if !text.contains("{%") {
        return (Vec::new(), Vec::new());
    }
    let scan = match scan(&text, 0..text.len()) {
        Ok(scan) => scan,
        Err(error) => match docs_only(&text) {
            Some(blocks) => return (blocks, Vec::new()),
            None => return (Vec::new(), vec![scan_diagnostic(error, file, text)]),
        },
    };
    let mut reader = Reader {
        package,
        file,
        text,
        scan,
        blocks: Vec::new(),
        diagnostics: Vec::new(),
    };
    reader.read();
    (reader.blocks, reader.diagnostics)
}

pub(crate) fn scan_diagnostic(error: ScanError, file: Arc<str>, text: Arc<str>) -> Diagnostic {
    Diagnostic::error("MSV0301", error.title).at(Place::new(file, text, error.span), error.label)
}

/// Reads a documentation file whose prose only looks like tags.
fn docs_only(text: &str) -> Option<Vec<Block>> {
    let mut blocks = Vec::new();
    let mut at = 0;
    while let Some(tag) = bare_tag(text, at) {
        let mut words = tag.words.split_whitespace();
        if words.next() != Some("docs") {
            return None;
        }
        let name = words.next()?;
        let mut close = bare_tag(text, tag.span.end)?;
        while close.words != "enddocs" {
            close = bare_tag(text, close.span.start + 2)?;
        }
        blocks.push(Block::Docs {
            name: name.to_owned(),
            contents: text[tag.span.end..close.span.start].trim().to_owned(),
            span: tag.span.start..close.span.end,
        });
        at = close.span.end;
    }
    Some(blocks)
}

/// A tag by its delimiters alone.
struct BareTag<'t> {
    span: Range<usize>,
    words: &'t str,
}

/// The next tag that opens at or after `from` and closes at all.
fn bare_tag(text: &str, from: usize) -> Option<BareTag<'_>> {
    let start = from + text.get(from..)?.find("{%")?;
    let length = text[start + 2..].find("%}")?;
    let words = &text[start + 2..start + 2 + length];
    Some(BareTag {
        span: start..start + length + 4,
        words: words.trim_matches(['-', '+']).trim(),
    })
}

struct Reader<'p> {
    package: &'p str,
    file: Arc<str>,
    text: Arc<str>,
    scan: Scan,
    blocks: Vec<Block>,
    diagnostics: Vec<Diagnostic>,
}

impl Reader<'_> {
    fn read(&mut self) {
        let mut index = 0;
        while index < self.scan.pieces.len() {
            let Some((word, tag)) = self.statement(index) else {
                index += 1;
                continue;
            };
            if let Some(opened) = word.strip_prefix("end").filter(|w| OPENERS.contains(w)) {
                self.unexpected(
                    tag.span,
                    format!("`{word}` closes a block that was never opened"),
                    "no block is open here",
                    format!("open the block with `{{% {opened} … %}}`, or take the tag out"),
                );
                index += 1;
                continue;
            }
            if !OPENERS.contains(&word.as_str()) {
                // Prose may show tags.
                if !self.file.ends_with(".md") {
                    self.unexpected(
                        tag.span,
                        format!("`{word}` stands outside of every block"),
                        "not looked at",
                        "move it into a macro, or take it out".to_owned(),
                    );
                }
                index += 1;
                continue;
            }
            index = self.block(index, &word, &tag);
        }
    }

    fn statement(&self, index: usize) -> Option<(String, Tag)> {
        let Piece::Statement(tag) = self.scan.pieces.get(index)? else {
            return None;
        };
        let first = self.scan.tokens.get(tag.tokens.clone())?.first()?;
        (first.kind == Kind::Name).then(|| (first.text(&self.text).to_owned(), tag.clone()))
    }

    fn report(&mut self, span: Range<usize>, title: String, label: &str, help: Option<String>) {
        let place = Place::new(self.file.clone(), self.text.clone(), span);
        let mut diagnostic = Diagnostic::error("MSV0310", title).at(place, label);
        if let Some(help) = help {
            diagnostic = diagnostic.help(help);
        }
        self.diagnostics.push(diagnostic);
    }

    /// A tag that dbt passes over.
    fn unexpected(&mut self, span: Range<usize>, title: String, label: &str, help: String) {
        let place = Place::new(self.file.clone(), self.text.clone(), span);
        self.diagnostics.push(
            Diagnostic::warning("MSV0310", title)
                .at(place, label)
                .help(help)
                .event("UnexpectedJinjaBlockDeprecation"),
        );
    }

    /// Reads the block that opens at piece `index`; returns the piece after it.
    fn block(&mut self, index: usize, word: &str, tag: &Tag) -> usize {
        let closer = format!("end{word}");
        let mut depth = 0usize;
        let mut close = None;
        for at in index + 1..self.scan.pieces.len() {
            let Some((inner, inner_tag)) = self.statement(at) else {
                continue;
            };
            if inner == closer {
                if depth == 0 {
                    close = Some((at, inner_tag));
                    break;
                }
                depth -= 1;
            } else if inner == word && word == "macro" && !self.is_at_line_start(&inner_tag) {
                depth += 1;
            } else if OPENERS.contains(&inner.as_str()) && word != "docs" {
                self.report(
                    tag.span.clone(),
                    format!("a `{word}` block is not closed before the next block"),
                    "opened here",
                    Some(format!("close it with `{{% {closer} %}}`")),
                );
                return at;
            } else if inner.starts_with("end")
                && inner
                    .strip_prefix("end")
                    .is_some_and(|w| OPENERS.contains(&w))
                && word != "docs"
            {
                self.report(
                    inner_tag.span,
                    format!("a `{word}` block is closed by `{inner}`"),
                    "closed here",
                    Some(format!("close it with `{{% {closer} %}}`")),
                );
                return at + 1;
            }
        }
        let Some((at, close_tag)) = close else {
            self.report(
                tag.span.clone(),
                format!("a `{word}` block is never closed"),
                "opened here",
                Some(format!("close it with `{{% {closer} %}}`")),
            );
            return self.scan.pieces.len();
        };
        let span = tag.span.start..close_tag.span.end;
        let mut body = tag.span.end..close_tag.span.start;
        if tag.trims_after {
            let trimmed = self.text[body.clone()].trim_start();
            body.start = body.end - trimmed.len();
        }
        if close_tag.trims_before {
            let trimmed = self.text[body.clone()].trim_end();
            body.end = body.start + trimmed.len();
        }
        let tokens: Vec<Token> = self.scan.tokens[tag.tokens.clone()].to_vec();
        let pieces = self.scan.pieces[index..=at].iter();
        let first = tag.tokens.start;
        let last = pieces
            .filter_map(|piece| match piece {
                Piece::Output(tag) | Piece::Statement(tag) => Some(tag.tokens.end),
                _ => None,
            })
            .max()
            .unwrap_or(first);
        let inner = Scan {
            pieces: Vec::new(),
            tokens: self.scan.tokens[first..last].to_vec(),
        };
        self.finish(word, tag, &tokens, span, body, &inner);
        at + 1
    }

    /// A macro inside a macro is indented or stands in a line; one at the line's start means
    /// that the earlier one was never closed.
    fn is_at_line_start(&self, tag: &Tag) -> bool {
        self.text[..tag.span.start]
            .chars()
            .next_back()
            .is_none_or(|c| c == '\n')
    }

    fn finish(
        &mut self,
        word: &str,
        tag: &Tag,
        tokens: &[Token],
        span: Range<usize>,
        body: Range<usize>,
        inner: &Scan,
    ) {
        let Some(name) = tokens.get(1).filter(|token| token.kind == Kind::Name) else {
            self.report(
                tag.span.clone(),
                format!("a `{word}` block has no name"),
                "a name is expected after the word",
                None,
            );
            return;
        };
        let name = name.text(&self.text).to_owned();
        match word {
            "docs" => self.blocks.push(Block::Docs {
                name,
                contents: self.text[body].trim().to_owned(),
                span,
            }),
            "snapshot" => self.blocks.push(Block::Snapshot { name, body, span }),
            "materialization" => {
                let (adapter, supported_languages) = self.materialization_header(tokens);
                let macro_name = format!("materialization_{name}_{adapter}");
                let kind = MacroKind::Materialization {
                    name,
                    adapter,
                    supported_languages,
                };
                self.push_macro(macro_name, kind, Vec::new(), span, body, inner);
            }
            _ => {
                let parameters = match self.parameters(tokens) {
                    Ok(parameters) => parameters,
                    Err((span, title)) => {
                        self.report(
                            span,
                            title,
                            "",
                            Some(format!("write `{{% {word} {name}(first, second=none) %}}`")),
                        );
                        return;
                    }
                };
                if word == "macro" {
                    self.push_macro(name, MacroKind::Macro, parameters, span, body, inner);
                } else {
                    let name = format!("test_{name}");
                    self.push_macro(name, MacroKind::Test, parameters, span, body, inner);
                }
            }
        }
    }

    fn push_macro(
        &mut self,
        name: String,
        kind: MacroKind,
        parameters: Vec<Parameter>,
        span: Range<usize>,
        body: Range<usize>,
        inner: &Scan,
    ) {
        let mut hidden = rewrite::hidden(&self.text, inner, &body);
        for parameter in &parameters {
            match parameter.name.as_str() {
                "varargs" => hidden.varargs = false,
                "kwargs" => hidden.kwargs = false,
                "caller" => hidden.caller = false,
                _ => {}
            }
        }
        self.blocks.push(Block::Macro(MacroDefinition {
            unique_id: format!("macro.{}.{name}", self.package),
            package: self.package.to_owned(),
            name,
            file: self.file.clone(),
            text: self.text.clone(),
            span,
            body,
            kind,
            parameters,
            hidden,
        }));
    }

    /// Reads `(a, b: type, c: type[x] = default)` after the name.
    fn parameters(&self, tokens: &[Token]) -> Result<Vec<Parameter>, (Range<usize>, String)> {
        let text: &str = &self.text;
        let mut parameters: Vec<Parameter> = Vec::new();
        let name = tokens[1];
        let Some(open) = tokens.get(2) else {
            return Err((
                name.start..name.end,
                format!("the parameters of `{}` are missing", name.text(text)),
            ));
        };
        if open.kind != Kind::Open(b'(') {
            return Err((
                open.start..open.end,
                "the parameters start with `(`".to_owned(),
            ));
        }
        let mut at = 3;
        loop {
            let Some(token) = tokens.get(at) else {
                return Err((
                    open.start..open.end,
                    "the parameters end with `)`".to_owned(),
                ));
            };
            match token.kind {
                Kind::Close(b')') => return Ok(parameters),
                Kind::Comma => at += 1,
                Kind::Name => {
                    let name = token.text(text).to_owned();
                    if parameters.iter().any(|earlier| earlier.name == name) {
                        return Err((
                            token.start..token.end,
                            format!("the parameter `{name}` is named twice"),
                        ));
                    }
                    at += 1;
                    if tokens.get(at).map(|t| t.kind) == Some(Kind::Colon) {
                        at = skip(tokens, at, |kind| {
                            matches!(kind, Kind::Comma | Kind::Assign | Kind::Close(b')'))
                        });
                    }
                    let mut default = None;
                    if tokens.get(at).map(|t| t.kind) == Some(Kind::Assign) {
                        let first = at + 1;
                        at = skip(tokens, first, |kind| {
                            matches!(kind, Kind::Comma | Kind::Close(b')'))
                        });
                        default = tokens
                            .get(first)
                            .zip(tokens.get(at.saturating_sub(1)))
                            .filter(|_| at > first)
                            .map(|(first, last)| first.start..last.end);
                    } else if parameters.iter().any(|p| p.default.is_some()) {
                        return Err((
                            token.start..token.end,
                            format!("the parameter `{name}` without default follows one with"),
                        ));
                    }
                    parameters.push(Parameter { name, default });
                }
                _ => {
                    return Err((
                        token.start..token.end,
                        format!("`{}` is not the name of a parameter", token.text(text)),
                    ));
                }
            }
        }
    }

    fn materialization_header(&mut self, tokens: &[Token]) -> (String, Vec<String>) {
        let text = self.text.clone();
        let mut adapter = "default".to_owned();
        let mut languages = Vec::new();
        let mut at = 2;
        while let Some(token) = tokens.get(at) {
            let word = token.text(&text);
            let is_assigned = tokens.get(at + 1).map(|t| t.kind) == Some(Kind::Assign);
            if word == "adapter" && is_assigned {
                if let Some(value) = tokens.get(at + 2) {
                    adapter = value.text(&text).trim_matches(['\'', '"']).to_owned();
                }
                at += 3;
            } else if word == "supported_languages" && is_assigned {
                let end = skip(tokens, at + 2, |kind| kind == Kind::Comma);
                languages = tokens[at + 2..end]
                    .iter()
                    .filter(|token| token.kind == Kind::Text)
                    .map(|token| token.text(&text).trim_matches(['\'', '"']).to_owned())
                    .collect();
                at = end;
            } else if token.kind == Kind::Comma || word == "default" {
                at += 1;
            } else {
                let guess = closest(word, ["adapter", "supported_languages", "default"]);
                self.report(
                    token.start..token.end,
                    format!("a materialization block has no option `{word}`"),
                    "not known",
                    guess.map(|guess| format!("an option with a similar name exists: `{guess}`")),
                );
                break;
            }
        }
        if languages.is_empty() {
            languages.push("sql".to_owned());
        }
        (adapter, languages)
    }
}

/// The index of the first token outside brackets that `is_end` names, or the end.
fn skip(tokens: &[Token], from: usize, is_end: impl Fn(Kind) -> bool) -> usize {
    let mut depth = 0usize;
    let mut at = from;
    while let Some(token) = tokens.get(at) {
        if depth == 0 && is_end(token.kind) {
            break;
        }
        match token.kind {
            Kind::Open(_) => depth += 1,
            Kind::Close(_) => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += 1;
    }
    at
}
