//! Rewrite: dbt's Jinja in, the same template for upstream minijinja and a position map out.
//!
//! Python's Jinja has mutable lists and dicts, `%` on strings, operators on dates, default
//! arguments that see earlier ones, `do` with any expression; minijinja has none of these. The
//! rewriter keeps the text as it is and puts helper filters around the operands (`[1] + x`
//! becomes `((([1]|__list))|__add(x))`), so that every offset has a way back. Calls of `ref`,
//! `source`, `config`, `metric` and `function` get a hidden keyword that numbers the call, which
//! is how the host learns its place. An expression that is not understood is left alone: the
//! engine's parser then reports it.

use std::ops::Range;
use std::sync::Arc;

use crate::jinja::position::{PositionMap, Record};
use crate::jinja::scan::{Kind, Piece, Scan, ScanError, Tag, Token, scan};

/// Keyword under which a call carries its number.
pub(crate) const SITE: &str = "__site";

/// Declares the macro through which every macro body runs in the caller's own state.
const BOOT: &str = "{%- macro __run(__template) %}{% include __template %}{% endmacro %}\
                    {% do __boot(__run) %}";

const SITED: [&str; 5] = ["ref", "source", "config", "metric", "function"];

/// A parameter of a macro: its name and, when it has one, where its default stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    pub name: String,
    pub default: Option<Range<usize>>,
}

/// What a macro's body asks for beyond its parameters.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Hidden {
    pub(crate) varargs: bool,
    pub(crate) kwargs: bool,
    pub(crate) caller: bool,
}

/// Rewrites a template that is rendered by itself, such as a model.
///
/// Like Jinja, drops one newline at the end.
pub(crate) fn template(
    file: Arc<str>,
    text: Arc<str>,
    span: Range<usize>,
) -> Result<Record, ScanError> {
    let mut end = span.end;
    if text[span.start..end].ends_with('\n') {
        end -= 1;
    }
    if text[span.start..end].ends_with('\r') {
        end -= 1;
    }
    let span = span.start..end;
    let scan = scan(&text, span.clone())?;
    let (edits, sites) = edits(&text, &scan);
    let mut writer = Writer::new(&text, edits, span.len());
    writer.insert(BOOT, span.start);
    writer.copy(span);
    Ok(writer.finish(file, text.clone(), sites, false))
}

/// Rewrites a single expression so that its value, not its text, is kept.
pub(crate) fn expression(file: Arc<str>, text: Arc<str>, tag: &Tag, scan: &Scan) -> Option<Record> {
    let first = scan.tokens.get(tag.tokens.start)?.start;
    let last = scan.tokens.get(tag.tokens.end.checked_sub(1)?)?.end;
    let (edits, sites) = edits(&text, scan);
    let mut writer = Writer::new(&text, edits, last - first);
    writer.insert(BOOT, first);
    writer.insert("{% do __keep((", first);
    writer.copy(first..last);
    writer.insert(")) %}", last);
    Some(writer.finish(file, text.clone(), sites, false))
}

/// The part of a macro that the rewriter needs.
pub(crate) struct MacroText<'m> {
    pub(crate) file: Arc<str>,
    pub(crate) text: Arc<str>,
    pub(crate) span: Range<usize>,
    pub(crate) body: Range<usize>,
    pub(crate) parameters: &'m [Parameter],
    pub(crate) hidden: Hidden,
    pub(crate) is_builtin: bool,
}

/// Rewrites a macro into a template that first takes its arguments.
pub(crate) fn macro_template(input: &MacroText<'_>) -> Result<Record, ScanError> {
    let text = &input.text;
    let whole = scan(text, input.span.clone())?;
    let (mut edits, mut sites) = edits(text, &whole);
    for parameter in input.parameters {
        let Some(default) = &parameter.default else {
            continue;
        };
        // The scan of the header already holds the tokens of the default.
        let tokens: Vec<Token> = whole
            .tokens
            .iter()
            .copied()
            .filter(|token| token.start >= default.start && token.end <= default.end)
            .collect();
        let mut walk = Walk::new(text, &tokens);
        walk.first_site = sites.len();
        if walk.expression().is_some() {
            edits.append(&mut walk.edits);
            sites.append(&mut walk.sites);
        }
    }
    let mut writer = Writer::new(text, edits, input.body.len());
    let mut names: Vec<&str> = input.parameters.iter().map(|p| p.name.as_str()).collect();
    let hidden = input.hidden;
    for (is_used, name) in [
        (hidden.varargs, "varargs"),
        (hidden.kwargs, "kwargs"),
        (hidden.caller, "caller"),
    ] {
        if is_used {
            names.push(name);
        }
    }
    let at = input.span.start;
    if !names.is_empty() {
        writer.insert(
            &format!("{{% set {} = __arguments() %}}", names.join(", ")),
            at,
        );
    }
    for (index, parameter) in input.parameters.iter().enumerate() {
        if let Some(default) = &parameter.default {
            let name = &parameter.name;
            writer.insert(
                &format!("{{% if __is_missing({index}) %}}{{% set {name} = ("),
                default.start,
            );
            writer.copy(default.clone());
            writer.insert(") %}{% endif %}", default.end);
        }
    }
    writer.copy(input.body.clone());
    Ok(writer.finish(input.file.clone(), text.clone(), sites, input.is_builtin))
}

/// True when one of the names `varargs`, `kwargs` or `caller` is used in the scan.
pub(crate) fn hidden(text: &str, scan: &Scan, body: &Range<usize>) -> Hidden {
    let mut hidden = Hidden::default();
    let mut is_after_dot = false;
    for token in &scan.tokens {
        if token.start >= body.start && token.kind == Kind::Name && !is_after_dot {
            match token.text(text) {
                "varargs" => hidden.varargs = true,
                "kwargs" => hidden.kwargs = true,
                "caller" => hidden.caller = true,
                _ => {}
            }
        }
        is_after_dot = token.kind == Kind::Dot;
    }
    hidden
}

/// A change of the text: `remove` bytes at `at` give way to `insert`.
#[derive(Clone, Debug)]
struct Edit {
    at: usize,
    remove: usize,
    insert: String,
    /// Closing text comes before opening text at the same offset, replacements come last.
    order: (u8, isize),
}

fn edits(text: &str, scan: &Scan) -> (Vec<Edit>, Vec<Range<usize>>) {
    let mut edits = Vec::new();
    let mut sites = Vec::new();
    for piece in &scan.pieces {
        let (tag, is_output) = match piece {
            Piece::Output(tag) => (tag, true),
            Piece::Statement(tag) => (tag, false),
            _ => continue,
        };
        let tokens = &scan.tokens[tag.tokens.clone()];
        let mut walk = Walk::new(text, tokens);
        walk.first_site = sites.len();
        let is_understood = if is_output {
            walk.expression().is_some() && walk.is_at_end()
        } else {
            walk.statement(tag).is_some()
        };
        if is_understood {
            edits.append(&mut walk.edits);
            sites.append(&mut walk.sites);
        }
    }
    (edits, sites)
}

/// What an expression is, as far as the choice of operators goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Number,
    Text,
    Call,
    Name,
    Other,
}

#[derive(Clone, Copy, Debug)]
struct Node {
    start: usize,
    end: usize,
    shape: Shape,
}

/// Walks over the tokens of one expression with minijinja's grammar, and notes edits.
struct Walk<'t> {
    text: &'t str,
    tokens: &'t [Token],
    at: usize,
    depth: usize,
    edits: Vec<Edit>,
    opened: isize,
    closed: isize,
    sites: Vec<Range<usize>>,
    first_site: usize,
}

/// Deeper nesting than minijinja's parser takes is left to it.
const MAX_DEPTH: usize = 150;

impl<'t> Walk<'t> {
    fn new(text: &'t str, tokens: &'t [Token]) -> Self {
        Walk {
            text,
            tokens,
            at: 0,
            depth: 0,
            edits: Vec::new(),
            opened: 0,
            closed: 0,
            sites: Vec::new(),
            first_site: 0,
        }
    }

    fn peek(&self) -> Option<Token> {
        self.tokens.get(self.at).copied()
    }

    fn kind(&self) -> Option<Kind> {
        self.peek().map(|token| token.kind)
    }

    fn word(&self) -> Option<&'t str> {
        let token = self.peek()?;
        (token.kind == Kind::Name).then(|| token.text(self.text))
    }

    fn is_word(&self, word: &str) -> bool {
        self.word() == Some(word)
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.peek()?;
        self.at += 1;
        Some(token)
    }

    fn take(&mut self, kind: Kind) -> bool {
        let is_taken = self.kind() == Some(kind);
        self.at += usize::from(is_taken);
        is_taken
    }

    fn take_word(&mut self, word: &str) -> bool {
        let is_taken = self.is_word(word);
        self.at += usize::from(is_taken);
        is_taken
    }

    fn is_at_end(&self) -> bool {
        self.at == self.tokens.len()
    }

    fn open(&mut self, at: usize, insert: impl Into<String>) {
        self.opened += 1;
        let order = (1, -self.opened);
        self.push(at, 0, insert.into(), order);
    }

    fn close(&mut self, at: usize, insert: impl Into<String>) {
        self.closed += 1;
        let order = (0, self.closed);
        self.push(at, 0, insert.into(), order);
    }

    fn replace(&mut self, range: Range<usize>, insert: impl Into<String>) {
        self.push(range.start, range.len(), insert.into(), (2, 0));
    }

    fn push(&mut self, at: usize, remove: usize, insert: String, order: (u8, isize)) {
        self.edits.push(Edit {
            at,
            remove,
            insert,
            order,
        });
    }

    fn statement(&mut self, tag: &Tag) -> Option<()> {
        let keyword = self.next()?;
        match keyword.text(self.text) {
            "if" | "elif" => {
                self.or()?;
            }
            "for" => {
                self.skip_to(|walk| walk.is_word("in"))?;
                self.at += 1;
                self.or()?;
                if self.take_word("if") {
                    self.expression()?;
                }
                self.take_word("recursive");
            }
            "set" => {
                let assigned = self.skip_to(|walk| walk.kind() == Some(Kind::Assign));
                if assigned.is_none() {
                    return Some(());
                }
                self.at += 1;
                self.expression()?;
                while self.take(Kind::Comma) && !self.is_at_end() {
                    self.expression()?;
                }
            }
            "do" => {
                let node = self.expression()?;
                if node.shape != Shape::Call {
                    self.replace(keyword.start..keyword.end, "set __ignored =");
                }
            }
            "call" => {
                if self.kind() == Some(Kind::Open(b'(')) {
                    self.skip_brackets()?;
                }
                self.expression()?;
            }
            "with" => loop {
                self.skip_to(|walk| walk.kind() == Some(Kind::Assign))?;
                self.at += 1;
                self.expression()?;
                if !self.take(Kind::Comma) {
                    break;
                }
            },
            "print" => {
                self.expression()?;
                let sign = if tag.trims_before { "-" } else { "" };
                self.replace(tag.span.start..keyword.end, format!("{{{{{sign} "));
                let sign = if tag.trims_after { "-" } else { "" };
                let last = self.tokens.last()?.end;
                self.replace(last..tag.span.end, format!(" {sign}}}}}"));
            }
            _ => return Some(()),
        }
        self.is_at_end().then_some(())
    }

    /// Moves to the first token outside brackets that `is_it` names.
    fn skip_to(&mut self, is_it: impl Fn(&Self) -> bool) -> Option<()> {
        let start = self.at;
        while self.kind().is_some() {
            if is_it(self) {
                return Some(());
            }
            if matches!(self.kind(), Some(Kind::Open(_))) {
                self.skip_brackets()?;
            } else {
                self.at += 1;
            }
        }
        self.at = start;
        None
    }

    fn skip_brackets(&mut self) -> Option<()> {
        let mut depth = 0;
        loop {
            match self.next()?.kind {
                Kind::Open(_) => depth += 1,
                Kind::Close(_) => {
                    depth -= 1;
                    if depth == 0 {
                        return Some(());
                    }
                }
                _ => {}
            }
        }
    }

    fn expression(&mut self) -> Option<Node> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return None;
        }
        let mut node = self.or()?;
        while self.take_word("if") {
            let condition = self.or()?;
            node.end = condition.end;
            node.shape = Shape::Other;
            if self.take_word("else") {
                node.end = self.expression()?.end;
            }
        }
        self.depth -= 1;
        Some(node)
    }

    fn or(&mut self) -> Option<Node> {
        let mut node = self.and()?;
        while self.take_word("or") {
            node = joined(node, self.and()?);
        }
        Some(node)
    }

    fn and(&mut self) -> Option<Node> {
        let mut node = self.not()?;
        while self.take_word("and") {
            node = joined(node, self.not()?);
        }
        Some(node)
    }

    fn not(&mut self) -> Option<Node> {
        let token = self.peek()?;
        if self.take_word("not") {
            let operand = self.not()?;
            return Some(Node {
                start: token.start,
                end: operand.end,
                shape: Shape::Other,
            });
        }
        self.compare()
    }

    fn compare(&mut self) -> Option<Node> {
        let mut node = self.sum()?;
        loop {
            if self.take(Kind::Compare) || self.take_word("in") {
                node = joined(node, self.sum()?);
            } else if self.is_word("not") {
                self.at += 1;
                if !self.take_word("in") {
                    return None;
                }
                node = joined(node, self.sum()?);
            } else {
                return Some(node);
            }
        }
    }

    fn sum(&mut self) -> Option<Node> {
        let mut node = self.concatenation()?;
        while let Some(token) = self.peek() {
            let filter = match token.kind {
                Kind::Plus => "__add",
                Kind::Minus => "__subtract",
                _ => break,
            };
            self.at += 1;
            let right = self.concatenation()?;
            let is_plain = match token.kind {
                Kind::Plus => is_literal(node) && is_literal(right),
                _ => node.shape == Shape::Number && right.shape == Shape::Number,
            };
            node = self.operator(node, token, right, filter, is_plain);
        }
        Some(node)
    }

    fn concatenation(&mut self) -> Option<Node> {
        let mut node = self.product()?;
        while self.take(Kind::Tilde) {
            let right = self.product()?;
            node = joined(node, right);
        }
        Some(node)
    }

    fn product(&mut self) -> Option<Node> {
        let mut node = self.power()?;
        while let Some(token) = self.peek() {
            let filter = match token.kind {
                Kind::Times => Some("__multiply"),
                Kind::Modulo => Some("__modulo"),
                Kind::Divide | Kind::FloorDivide => None,
                _ => break,
            };
            self.at += 1;
            let right = self.power()?;
            node = match filter {
                Some(filter) => {
                    let is_plain = node.shape == Shape::Number && right.shape == Shape::Number;
                    self.operator(node, token, right, filter, is_plain)
                }
                None => joined(node, right),
            };
        }
        Some(node)
    }

    /// Turns `left ∘ right` into `((left)|filter(right))`.
    fn operator(
        &mut self,
        left: Node,
        token: Token,
        right: Node,
        filter: &str,
        is_plain: bool,
    ) -> Node {
        let node = joined(left, right);
        if !is_plain {
            self.close(left.end, ")");
            self.open(left.start, "((");
            self.replace(token.start..token.end, format!("|{filter}("));
            self.close(right.end, "))");
        }
        node
    }

    fn power(&mut self) -> Option<Node> {
        let mut node = self.unary()?;
        while self.take(Kind::Power) {
            let right = self.unary()?;
            node = joined(node, right);
        }
        Some(node)
    }

    fn unary(&mut self) -> Option<Node> {
        let operand = self.signed()?;
        self.filters(operand)
    }

    fn signed(&mut self) -> Option<Node> {
        let token = self.peek()?;
        match token.kind {
            Kind::Minus | Kind::Plus => {
                self.at += 1;
                if token.kind == Kind::Plus {
                    self.replace(token.start..token.end, " ");
                }
                self.depth += 1;
                if self.depth > MAX_DEPTH {
                    return None;
                }
                let operand = self.signed()?;
                self.depth -= 1;
                Some(Node {
                    start: token.start,
                    ..operand
                })
            }
            _ => self.postfix(),
        }
    }

    fn postfix(&mut self) -> Option<Node> {
        let (mut node, mut callee) = self.primary()?;
        while let Some(token) = self.peek() {
            match token.kind {
                Kind::Dot => {
                    self.at += 1;
                    let name = self.next()?;
                    if !matches!(name.kind, Kind::Name | Kind::Number) {
                        return None;
                    }
                    callee = match callee {
                        Some("builtins") => Some(name.text(self.text)),
                        _ => None,
                    };
                    node.end = name.end;
                    node.shape = Shape::Other;
                }
                Kind::Open(b'[') => {
                    self.at += 1;
                    let is_slice = self.subscript()?;
                    node.end = self.tokens.get(self.at - 1)?.end;
                    node.shape = Shape::Other;
                    if is_slice {
                        self.open(node.start, "(");
                        self.close(node.end, "|__slice)");
                    }
                    callee = None;
                }
                Kind::Open(b'(') => {
                    self.arguments(node.start, callee)?;
                    node.end = self.tokens.get(self.at - 1)?.end;
                    node.shape = Shape::Call;
                    callee = None;
                }
                _ => break,
            }
        }
        Some(node)
    }

    /// Reads `a]`, `a:b]` or `a:b:c]`; true for a slice.
    fn subscript(&mut self) -> Option<bool> {
        let mut is_slice = false;
        for _ in 0..3 {
            if !matches!(self.kind()?, Kind::Colon | Kind::Close(b']')) {
                self.expression()?;
            }
            if self.take(Kind::Close(b']')) {
                return Some(is_slice);
            }
            if !self.take(Kind::Colon) {
                return None;
            }
            is_slice = true;
        }
        self.take(Kind::Close(b']')).then_some(is_slice)
    }

    fn arguments(&mut self, start: usize, callee: Option<&str>) -> Option<()> {
        self.at += 1;
        let mut needs_comma = false;
        let mut is_empty = true;
        loop {
            let token = self.peek()?;
            if token.kind == Kind::Close(b')') {
                self.at += 1;
                if callee.is_some_and(|name| SITED.contains(&name)) {
                    let comma = if needs_comma { ", " } else { "" };
                    let number = self.first_site + self.sites.len();
                    self.close(token.start, format!("{comma}{SITE}={number}"));
                    self.sites.push(start..token.end);
                }
                return Some(());
            }
            if !is_empty {
                if !self.take(Kind::Comma) {
                    return None;
                }
                needs_comma = false;
                if self.kind() == Some(Kind::Close(b')')) {
                    continue;
                }
            }
            is_empty = false;
            needs_comma = true;
            if self.take(Kind::Times) || self.take(Kind::Power) {
                self.expression()?;
                continue;
            }
            let is_keyword = self.kind() == Some(Kind::Name)
                && self.tokens.get(self.at + 1).map(|next| next.kind) == Some(Kind::Assign);
            if is_keyword {
                self.at += 2;
            }
            self.expression()?;
        }
    }

    fn filters(&mut self, mut node: Node) -> Option<Node> {
        loop {
            if self.take(Kind::Pipe) {
                node.end = self.dotted_name()?;
                if self.kind() == Some(Kind::Open(b'(')) {
                    self.arguments(node.start, None)?;
                    node.end = self.tokens.get(self.at - 1)?.end;
                }
                node.shape = Shape::Other;
            } else if self.take_word("is") {
                self.take_word("not");
                node.end = self.dotted_name()?;
                node.shape = Shape::Other;
                match self.kind() {
                    Some(Kind::Open(b'(')) => {
                        self.arguments(node.start, None)?;
                        node.end = self.tokens.get(self.at - 1)?.end;
                    }
                    Some(
                        Kind::Name
                        | Kind::Text
                        | Kind::Number
                        | Kind::Plus
                        | Kind::Minus
                        | Kind::Open(b'[' | b'{'),
                    ) if !matches!(
                        self.word(),
                        Some("and" | "or" | "else" | "is" | "if" | "in" | "not" | "recursive")
                    ) =>
                    {
                        node.end = self.signed()?.end;
                    }
                    _ => {}
                }
            } else {
                return Some(node);
            }
        }
    }

    fn dotted_name(&mut self) -> Option<usize> {
        let mut token = self.next()?;
        if token.kind != Kind::Name {
            return None;
        }
        while self.take(Kind::Dot) {
            token = self.next()?;
        }
        Some(token.end)
    }

    /// Reads a primary expression, and the name it is when it is a bare name.
    fn primary(&mut self) -> Option<(Node, Option<&'t str>)> {
        let token = self.next()?;
        let mut node = Node {
            start: token.start,
            end: token.end,
            shape: Shape::Other,
        };
        match token.kind {
            Kind::Name => {
                let name = token.text(self.text);
                if matches!(
                    name,
                    "and" | "or" | "not" | "if" | "else" | "in" | "is" | "recursive"
                ) {
                    return None;
                }
                node.shape = Shape::Name;
                Some((node, Some(name)))
            }
            Kind::Number => {
                node.shape = Shape::Number;
                Some((node, None))
            }
            Kind::Text => {
                while self.kind() == Some(Kind::Text) {
                    node.end = self.next()?.end;
                }
                node.shape = Shape::Text;
                Some((node, None))
            }
            Kind::Open(b'(') => {
                self.items(b')', false)?;
                node.end = self.tokens.get(self.at - 1)?.end;
                Some((node, None))
            }
            Kind::Open(b'[') => {
                self.items(b']', false)?;
                node.end = self.tokens.get(self.at - 1)?.end;
                self.open(node.start, "(");
                self.close(node.end, "|__list)");
                Some((node, None))
            }
            Kind::Open(b'{') => {
                self.items(b'}', true)?;
                node.end = self.tokens.get(self.at - 1)?.end;
                self.open(node.start, "(");
                self.close(node.end, "|__dict)");
                Some((node, None))
            }
            _ => None,
        }
    }

    fn items(&mut self, closer: u8, has_keys: bool) -> Option<()> {
        loop {
            if self.take(Kind::Close(closer)) {
                return Some(());
            }
            self.expression()?;
            if has_keys {
                if !self.take(Kind::Colon) {
                    return None;
                }
                self.expression()?;
            }
            if !self.take(Kind::Comma) {
                return self.take(Kind::Close(closer)).then_some(());
            }
        }
    }
}

fn joined(left: Node, right: Node) -> Node {
    Node {
        start: left.start,
        end: right.end,
        shape: Shape::Other,
    }
}

fn is_literal(node: Node) -> bool {
    matches!(node.shape, Shape::Number | Shape::Text)
}

/// Copies stretches of a text with its edits, and notes where everything came from.
struct Writer<'t> {
    text: &'t str,
    edits: Vec<Edit>,
    out: String,
    map: PositionMap,
}

impl<'t> Writer<'t> {
    fn new(text: &'t str, mut edits: Vec<Edit>, length: usize) -> Self {
        edits.sort_by_key(|edit| (edit.at, edit.order));
        let growth: usize = edits.iter().map(|edit| edit.insert.len()).sum();
        Writer {
            text,
            edits,
            out: String::with_capacity(length + growth + BOOT.len() + 64),
            map: PositionMap::default(),
        }
    }

    fn insert(&mut self, insert: &str, original: usize) {
        self.map.inserted(self.out.len(), original);
        self.out.push_str(insert);
    }

    fn copy(&mut self, range: Range<usize>) {
        let mut at = range.start;
        let first = self.edits.partition_point(|edit| edit.at < range.start);
        for index in first..self.edits.len() {
            let Edit {
                at: edit_at,
                remove,
                ..
            } = self.edits[index];
            // A closing edit stands at the end of what it closes, which may be the end of the
            // range; an opening one at the end belongs to what follows.
            let is_inside =
                edit_at < range.end || (edit_at == range.end && self.edits[index].order.0 == 0);
            if !is_inside {
                break;
            }
            if edit_at == range.start && self.edits[index].order.0 == 0 {
                continue;
            }
            self.copy_plain(at..edit_at);
            let insert = std::mem::take(&mut self.edits[index].insert);
            self.insert(&insert, edit_at);
            at = edit_at + remove;
        }
        self.copy_plain(at..range.end);
    }

    fn copy_plain(&mut self, range: Range<usize>) {
        if range.start < range.end {
            self.map.copied(self.out.len(), range.start);
            self.out.push_str(&self.text[range]);
        }
    }

    fn finish(
        self,
        file: Arc<str>,
        text: Arc<str>,
        sites: Vec<Range<usize>>,
        is_builtin: bool,
    ) -> Record {
        Record {
            file,
            text,
            source: self.out,
            map: self.map,
            sites,
            is_builtin,
        }
    }
}
