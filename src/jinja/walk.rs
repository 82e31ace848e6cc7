//! Walk: the tokens of one tag in, the edits it needs out.
//!
//! Follows minijinja's grammar. What it does not understand it leaves to the engine's parser.

use std::ops::Range;

use crate::rewrite::SITE;
use crate::scan::{Kind, Tag, Token};
use crate::splice::Edit;

/// Functions whose calls are numbered.
const SITED: [&str; 5] = ["ref", "source", "config", "metric", "function"];

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
pub(crate) struct Walk<'t> {
    text: &'t str,
    tokens: &'t [Token],
    at: usize,
    depth: usize,
    pub(crate) edits: Vec<Edit>,
    opened: isize,
    closed: isize,
    pub(crate) sites: Vec<Range<usize>>,
    pub(crate) first_site: usize,
}

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

    pub(crate) fn statement(&mut self, tag: &Tag) -> Option<()> {
        // Python's colon at the end of a tag is allowed, and means nothing.
        if let Some((last, rest)) = self.tokens.split_last()
            && last.kind == Kind::Colon
        {
            self.replace(last.start..last.end, "");
            self.tokens = rest;
        }
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

    /// Notes the edits of a whole expression; false when it is not understood.
    pub(crate) fn whole(&mut self) -> bool {
        self.expression().is_some() && self.is_at_end()
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
