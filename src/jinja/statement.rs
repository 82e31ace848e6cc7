//! Statement: the tokens of one `{% … %}` in, the edits it needs out.

use crate::scan::{Kind, Tag};
use crate::walk::{Shape, Walk};

impl Walk<'_> {
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
                let items = self.tuple(Self::or)?;
                self.open(items.start, "(");
                self.close(items.end, ")|__iterate");
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
}
