//! Walk: the tokens of one tag in, the edits it needs out.
//!
//! Follows minijinja's grammar. What it does not understand it leaves to the engine's parser.

use std::ops::Range;

use crate::rewrite::SITE;
use crate::scan::{Kind, Token};
use crate::splice::Edit;

/// Functions whose calls are numbered.
const SITED: [&str; 5] = ["ref", "source", "config", "metric", "function"];

/// What an expression is, as far as the choice of operators goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Number,
    Text,
    Call,
    Name,
    Other,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Node {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) shape: Shape,
}

/// Walks over the tokens of one expression with minijinja's grammar, and notes edits.
pub(crate) struct Walk<'t> {
    pub(crate) text: &'t str,
    pub(crate) tokens: &'t [Token],
    pub(crate) at: usize,
    depth: usize,
    pub(crate) edits: Vec<Edit>,
    opened: isize,
    closed: isize,
    pub(crate) sites: Vec<Range<usize>>,
    pub(crate) first_site: usize,
}

/// Methods that templates name without a call, such as `x.items is defined`. Those that are also
/// attributes of a loop are left out.
const METHODS: [&str; 17] = [
    "append",
    "capitalize",
    "copy",
    "endswith",
    "extend",
    "format",
    "get",
    "items",
    "keys",
    "lower",
    "replace",
    "split",
    "startswith",
    "strip",
    "update",
    "upper",
    "values",
];

/// Digits that every number of this length has a place for in 128 bits.
const LONGEST_NUMBER: usize = 38;

/// Deeper nesting than minijinja's parser takes is left to it.
const MAX_DEPTH: usize = 150;

impl<'t> Walk<'t> {
    pub(crate) fn new(text: &'t str, tokens: &'t [Token]) -> Self {
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

    pub(crate) fn peek(&self) -> Option<Token> {
        self.tokens.get(self.at).copied()
    }

    pub(crate) fn kind(&self) -> Option<Kind> {
        self.peek().map(|token| token.kind)
    }

    pub(crate) fn word(&self) -> Option<&'t str> {
        let token = self.peek()?;
        (token.kind == Kind::Name).then(|| token.text(self.text))
    }

    pub(crate) fn is_word(&self, word: &str) -> bool {
        self.word() == Some(word)
    }

    pub(crate) fn next(&mut self) -> Option<Token> {
        let token = self.peek()?;
        self.at += 1;
        Some(token)
    }

    pub(crate) fn take(&mut self, kind: Kind) -> bool {
        let is_taken = self.kind() == Some(kind);
        self.at += usize::from(is_taken);
        is_taken
    }

    pub(crate) fn take_word(&mut self, word: &str) -> bool {
        let is_taken = self.is_word(word);
        self.at += usize::from(is_taken);
        is_taken
    }

    pub(crate) fn is_at_end(&self) -> bool {
        self.at == self.tokens.len()
    }

    pub(crate) fn open(&mut self, at: usize, insert: impl Into<String>) {
        self.opened += 1;
        let order = (1, -self.opened);
        self.push(at, 0, insert.into(), order);
    }

    pub(crate) fn close(&mut self, at: usize, insert: impl Into<String>) {
        self.closed += 1;
        let order = (0, self.closed);
        self.push(at, 0, insert.into(), order);
    }

    pub(crate) fn replace(&mut self, range: Range<usize>, insert: impl Into<String>) {
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

    pub(crate) fn expression(&mut self) -> Option<Node> {
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

    /// Notes the edits of a whole expression; false when it is not understood.
    pub(crate) fn whole(&mut self) -> bool {
        self.expression().is_some() && self.is_at_end()
    }

    /// Notes the edits of what an output tag writes: an expression, or a tuple without brackets.
    pub(crate) fn output(&mut self) -> bool {
        self.tuple(Self::expression).is_some() && self.is_at_end()
    }

    /// Reads items with commas between, and puts brackets round them when there are any commas.
    pub(crate) fn tuple(&mut self, item: impl Fn(&mut Self) -> Option<Node>) -> Option<Node> {
        let mut node = item(self)?;
        let mut is_tuple = false;
        while let Some(comma) = self.peek().filter(|token| token.kind == Kind::Comma) {
            self.at += 1;
            is_tuple = true;
            node.end = comma.end;
            let is_last = self.is_at_end() || matches!(self.word(), Some("if" | "recursive"));
            if is_last {
                break;
            }
            node.end = item(self)?.end;
        }
        if is_tuple {
            self.open(node.start, "(");
            self.close(node.end, ")");
            node.shape = Shape::Other;
        }
        Some(node)
    }

    pub(crate) fn or(&mut self) -> Option<Node> {
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
        let mut links: Vec<(Range<usize>, Node, Node)> = Vec::new();
        while let Some(token) = self.peek() {
            let mut range = token.start..token.end;
            if self.take(Kind::Compare) || self.take_word("in") {
            } else if self.take_word("not") {
                range.end = self.peek().filter(|_| self.is_word("in"))?.end;
                self.at += 1;
            } else {
                break;
            }
            let right = self.sum()?;
            links.push((range, node, right));
            node = joined(node, right);
        }
        // The engine's own chain evaluates what stands in the middle once.
        if let [(range, left, right)] = links.as_slice() {
            let filter = match &self.text[range.clone()] {
                "<" => "__less",
                "<=" => "__at_most",
                ">" => "__more",
                ">=" => "__at_least",
                "in" => "__in",
                // Text is text: no other kind of value is equal to it.
                "==" | "!=" if left.shape == Shape::Text || right.shape == Shape::Text => {
                    return Some(node);
                }
                "==" => "__equal",
                "!=" => "__unequal",
                _ => "__not_in",
            };
            let is_plain = left.shape == Shape::Number && right.shape == Shape::Number;
            return Some(self.operator(*left, range.clone(), *right, filter, is_plain));
        }
        Some(node)
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
            node = self.operator(node, token.start..token.end, right, filter, is_plain);
        }
        Some(node)
    }

    fn concatenation(&mut self) -> Option<Node> {
        let mut node = self.product()?;
        let first = node;
        while let Some(token) = self.peek().filter(|token| token.kind == Kind::Tilde) {
            self.at += 1;
            if node.end == first.end {
                self.close(first.end, ")");
                self.replace(token.start..token.end, "|__concat(");
            } else {
                self.replace(token.start..token.end, ", ");
            }
            node = joined(node, self.product()?);
        }
        if node.end != first.end {
            self.open(first.start, "((");
            self.close(node.end, "))");
        }
        Some(node)
    }

    fn product(&mut self) -> Option<Node> {
        let mut node = self.power()?;
        while let Some(token) = self.peek() {
            let filter = match token.kind {
                Kind::Times => "__multiply",
                Kind::Modulo => "__modulo",
                Kind::Divide => "__divide",
                Kind::FloorDivide => "__floor_divide",
                _ => break,
            };
            self.at += 1;
            let right = self.power()?;
            let is_plain = node.shape == Shape::Number && right.shape == Shape::Number;
            node = self.operator(node, token.start..token.end, right, filter, is_plain);
        }
        Some(node)
    }

    /// Turns `left ∘ right` into `((left)|filter(right))`.
    fn operator(
        &mut self,
        left: Node,
        operator: Range<usize>,
        right: Node,
        filter: &str,
        is_plain: bool,
    ) -> Node {
        let node = joined(left, right);
        if !is_plain {
            self.close(left.end, ")");
            self.open(left.start, "((");
            self.replace(operator, format!("|{filter}("));
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
                if token.kind == Kind::Minus && operand.shape != Shape::Number {
                    self.replace(token.start..token.end, " ");
                    self.open(operand.start, "((");
                    self.close(operand.end, ")|__negative)");
                }
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
                    let word = name.text(self.text);
                    if METHODS.contains(&word) && self.kind() != Some(Kind::Open(b'(')) {
                        self.open(node.start, "(");
                        self.replace(token.start..name.end, format!("|__member('{word}'))"));
                    }
                }
                Kind::Open(b'[') => {
                    self.at += 1;
                    let is_slice = self.subscript()?;
                    let closer = *self.tokens.get(self.at - 1)?;
                    node.end = closer.end;
                    node.shape = Shape::Other;
                    if is_slice {
                        self.open(node.start, "(");
                        self.replace(token.start..token.end, "|__slice(");
                        self.replace(closer.start..closer.end, "))");
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

    /// Reads `a]`, `a:b]` or `a:b:c]`; true for a slice, whose colons become commas.
    fn subscript(&mut self) -> Option<bool> {
        let mut colons = 0;
        loop {
            let token = self.peek()?;
            if matches!(token.kind, Kind::Colon | Kind::Close(b']')) {
                if colons > 0 || token.kind == Kind::Colon {
                    self.close(token.start, " none ");
                }
            } else {
                self.tuple(Self::expression)?;
            }
            if self.take(Kind::Close(b']')) {
                return Some(colons > 0);
            }
            let colon = self.next().filter(|token| token.kind == Kind::Colon)?;
            self.replace(colon.start..colon.end, ",");
            colons += 1;
            if colons > 2 {
                return None;
            }
        }
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
                // A number longer than the engine's longest goes on as its digits.
                let text = token.text(self.text).replace('_', "");
                if text.len() > LONGEST_NUMBER && text.bytes().all(|b| b.is_ascii_digit()) {
                    node.shape = Shape::Other;
                    self.replace(token.start..token.end, format!("'{text}'"));
                }
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
