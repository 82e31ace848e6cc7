//! SQL's lexical rules, as PostgreSQL has them: strings, dollar quotes, quoted names and comments.
//!
//! Grammar is left to the server and to those who ask; the tokens only keep them from taking the
//! inside of a string for SQL.

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// White space or a comment.
    Space,
    /// A name or keyword without quotes, or a number.
    Word,
    /// A name in double quotes.
    QuotedName,
    /// A string of any kind.
    Text,
    Open,
    Close,
    Semicolon,
    Other,
}

/// A stretch of SQL of one kind.
#[derive(Clone, Copy, Debug)]
pub struct Token {
    pub kind: TokenKind,
    pub start: usize,
    pub end: usize,
}

/// The tokens of a text, without a gap.
#[derive(Clone, Debug)]
pub struct Tokens<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Tokens<'a> {
    pub fn new(text: &'a str) -> Self {
        Tokens { text, at: 0 }
    }

    fn run_end(&self, from: usize, keep: impl Fn(u8) -> bool) -> usize {
        let bytes = self.text.as_bytes();
        let mut at = from;
        while at < bytes.len() && keep(bytes[at]) {
            at += 1;
        }
        at
    }

    /// The end of a quoted run that starts at `from`; the quote is doubled inside.
    fn skip_quoted(&self, from: usize, quote: u8, has_backslashes: bool) -> usize {
        let bytes = self.text.as_bytes();
        let mut at = from + 1;
        while at < bytes.len() {
            if has_backslashes && bytes[at] == b'\\' {
                at += 2;
            } else if bytes[at] == quote {
                if bytes.get(at + 1) != Some(&quote) {
                    return at + 1;
                }
                at += 2;
            } else {
                at += 1;
            }
        }
        bytes.len()
    }

    fn skip_block_comment(&self, from: usize) -> usize {
        let bytes = self.text.as_bytes();
        let mut depth = 0;
        let mut at = from;
        while at < bytes.len() {
            if bytes[at..].starts_with(b"/*") {
                depth += 1;
                at += 2;
            } else if bytes[at..].starts_with(b"*/") {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return at;
                }
            } else {
                at += 1;
            }
        }
        bytes.len()
    }

    fn dollar_quote_end(&self, from: usize) -> Option<usize> {
        let bytes = self.text.as_bytes();
        let after_tag = self.run_end(from + 1, is_word_byte);
        if bytes.get(after_tag) != Some(&b'$')
            || bytes.get(from + 1).is_some_and(u8::is_ascii_digit)
        {
            return None;
        }
        let tag = &self.text[from..=after_tag];
        let body = &self.text[after_tag + 1..];
        Some(
            body.find(tag)
                .map_or(self.text.len(), |at| after_tag + 1 + at + tag.len()),
        )
    }
}

fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

impl Iterator for Tokens<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        let bytes = self.text.as_bytes();
        let start = self.at;
        let first = *bytes.get(start)?;
        let rest = &bytes[start..];
        let (kind, end) = if first.is_ascii_whitespace() {
            (
                TokenKind::Space,
                self.run_end(start, |b| b.is_ascii_whitespace()),
            )
        } else if rest.starts_with(b"--") {
            (TokenKind::Space, self.run_end(start, |b| b != b'\n'))
        } else if rest.starts_with(b"/*") {
            (TokenKind::Space, self.skip_block_comment(start))
        } else if first == b'\'' {
            (TokenKind::Text, self.skip_quoted(start, b'\'', false))
        } else if matches!(first, b'e' | b'E') && rest.get(1) == Some(&b'\'') {
            (TokenKind::Text, self.skip_quoted(start + 1, b'\'', true))
        } else if first == b'"' {
            (TokenKind::QuotedName, self.skip_quoted(start, b'"', false))
        } else if first == b'$' {
            match self.dollar_quote_end(start) {
                Some(end) => (TokenKind::Text, end),
                None => (TokenKind::Other, start + 1),
            }
        } else if is_word_byte(first) {
            // A `$` inside a word belongs to it and starts no dollar quote.
            (
                TokenKind::Word,
                self.run_end(start, |b| is_word_byte(b) || b == b'$'),
            )
        } else {
            let kind = match first {
                b';' => TokenKind::Semicolon,
                b'(' => TokenKind::Open,
                b')' => TokenKind::Close,
                _ => TokenKind::Other,
            };
            (kind, start + 1)
        };
        let end = end.min(bytes.len());
        self.at = end;
        Some(Token { kind, start, end })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_leave_no_gap_and_know_strings() {
        let text =
            "select now(), 'it''s', E'\\'', $x$ ' $x$, \"a \"\"b\" -- '\n/* /* */ ' */ from t$1";
        let tokens: Vec<Token> = Tokens::new(text).collect();
        assert_eq!(
            tokens
                .iter()
                .map(|token| &text[token.start..token.end])
                .collect::<String>(),
            text
        );
        let of_kind = |kind| {
            let tokens = tokens.iter().filter(|token| token.kind == kind);
            tokens
                .map(|token| &text[token.start..token.end])
                .collect::<Vec<_>>()
        };
        assert_eq!(of_kind(TokenKind::Word), ["select", "now", "from", "t$1"]);
        assert_eq!(of_kind(TokenKind::Text), ["'it''s'", "E'\\''", "$x$ ' $x$"]);
        assert_eq!(of_kind(TokenKind::QuotedName), ["\"a \"\"b\""]);
    }
}
