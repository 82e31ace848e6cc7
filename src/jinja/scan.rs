//! Scan: template text in, pieces and expression tokens out.
//!
//! Every offset is a byte offset into the whole file. The scanner knows comments, raw blocks,
//! strings and brackets, so a `%}` in a string does not end a tag. What the tokens mean is left
//! to [`crate::rewrite`] and [`crate::blocks`].

use std::ops::Range;

/// What an expression token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Name,
    Number,
    Text,
    Open(u8),
    Close(u8),
    Comma,
    Colon,
    Dot,
    Pipe,
    Assign,
    Compare,
    Plus,
    Minus,
    Times,
    Divide,
    FloorDivide,
    Modulo,
    Power,
    Tilde,
    Other,
}

/// One token of an expression.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Token {
    pub(crate) fn text<'t>(&self, file: &'t str) -> &'t str {
        &file[self.start..self.end]
    }
}

/// One `{{ … }}` or `{% … %}`, delimiters included in `span`.
#[derive(Clone, Debug)]
pub(crate) struct Tag {
    pub(crate) span: Range<usize>,
    /// Indexes into [`Scan::tokens`].
    pub(crate) tokens: Range<usize>,
    pub(crate) trims_before: bool,
    pub(crate) trims_after: bool,
}

/// A stretch of a template.
#[derive(Clone, Debug)]
pub(crate) enum Piece {
    Data,
    Comment,
    Raw,
    Output(Tag),
    Statement(Tag),
}

/// A template cut into pieces.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    pub(crate) pieces: Vec<Piece>,
    pub(crate) tokens: Vec<Token>,
}

/// Why a template cannot be cut into pieces, and where.
#[derive(Debug)]
pub(crate) struct ScanError {
    pub(crate) title: String,
    pub(crate) label: &'static str,
    pub(crate) span: Range<usize>,
}

/// Cuts `text[span]` into pieces.
///
/// # Errors
///
/// At the first tag, comment, string, bracket or raw block that is never closed.
pub(crate) fn scan(text: &str, span: Range<usize>) -> Result<Scan, ScanError> {
    let mut scan = Scan::default();
    let bytes = text.as_bytes();
    let mut at = span.start;
    let mut data_start = at;
    while at + 1 < span.end {
        if bytes[at] != b'{' || !matches!(bytes[at + 1], b'{' | b'%' | b'#') {
            at += 1;
            continue;
        }
        if data_start < at {
            scan.pieces.push(Piece::Data);
        }
        let start = at;
        match bytes[at + 1] {
            b'#' => {
                let end =
                    find(text, at + 2, span.end, "#}").ok_or_else(|| unclosed("comment", start))?;
                at = end + 2;
                scan.pieces.push(Piece::Comment);
            }
            marker => {
                if marker == b'%'
                    && let Some(end) = raw_block(text, start, span.end)?
                {
                    at = end;
                    scan.pieces.push(Piece::Raw);
                    data_start = at;
                    continue;
                }
                let tag = tag(text, start, span.end, marker, &mut scan.tokens)?;
                at = tag.span.end;
                scan.pieces.push(if marker == b'{' {
                    Piece::Output(tag)
                } else {
                    Piece::Statement(tag)
                });
            }
        }
        data_start = at;
    }
    if data_start < span.end {
        scan.pieces.push(Piece::Data);
    }
    Ok(scan)
}

fn unclosed(what: &str, start: usize) -> ScanError {
    ScanError {
        title: format!("a {what} is never closed"),
        label: "opened here",
        span: start..start + 2,
    }
}

fn find(text: &str, from: usize, end: usize, what: &str) -> Option<usize> {
    text.get(from..end)?.find(what).map(|at| at + from)
}

/// The end of a raw block that starts at `start`, or `None` when another tag does.
fn raw_block(text: &str, start: usize, end: usize) -> Result<Option<usize>, ScanError> {
    let Some(after) = simple_tag(text, start, end, "raw") else {
        return Ok(None);
    };
    let mut at = after;
    while let Some(next) = find(text, at, end, "{%") {
        if let Some(close) = simple_tag(text, next, end, "endraw") {
            return Ok(Some(close));
        }
        at = next + 2;
    }
    Err(unclosed("raw block", start))
}

/// The end of `{% name %}` when it stands at `start`.
fn simple_tag(text: &str, start: usize, end: usize, name: &str) -> Option<usize> {
    let inside = text.get(start..end)?.strip_prefix("{%")?;
    let rest = inside
        .strip_prefix(['-', '+'])
        .unwrap_or(inside)
        .trim_start();
    let rest = rest.strip_prefix(name)?.trim_start();
    let rest = rest.strip_prefix(['-', '+']).unwrap_or(rest);
    let rest = rest.strip_prefix("%}")?;
    Some(end - rest.len())
}

/// Reads one tag; its tokens are added to `tokens`.
fn tag(
    text: &str,
    start: usize,
    end: usize,
    marker: u8,
    tokens: &mut Vec<Token>,
) -> Result<Tag, ScanError> {
    let bytes = text.as_bytes();
    let closer: &[u8] = if marker == b'{' { b"}}" } else { b"%}" };
    let first_token = tokens.len();
    let mut at = start + 2;
    let mut trims_before = false;
    if at < end && matches!(bytes[at], b'-' | b'+') {
        trims_before = bytes[at] == b'-';
        at += 1;
    }
    let mut open: Vec<usize> = Vec::new();
    while at < end {
        let byte = bytes[at];
        if let Some(width) = space_width(text, at) {
            at += width;
            continue;
        }
        let rest = &bytes[at..end];
        if open.is_empty() {
            let sign = usize::from(matches!(byte, b'-' | b'+'));
            if rest[sign..].starts_with(closer) {
                return Ok(Tag {
                    span: start..at + sign + 2,
                    tokens: first_token..tokens.len(),
                    trims_before,
                    trims_after: byte == b'-',
                });
            }
        } else if rest.starts_with(closer)
            && open
                .last()
                .is_none_or(|at| bytes[*at] != b'{' || marker != b'{')
        {
            let at = open.pop().unwrap_or(start);
            return Err(ScanError {
                title: format!("a `{}` is never closed", char::from(bytes[at])),
                label: "opened here",
                span: at..at + 1,
            });
        }
        let (kind, length) = token(text, at, end)?;
        match kind {
            Kind::Open(_) => open.push(at),
            Kind::Close(_) => {
                open.pop();
            }
            _ => {}
        }
        tokens.push(Token {
            kind,
            start: at,
            end: at + length,
        });
        at += length;
    }
    Err(unclosed(
        if marker == b'{' {
            "`{{` expression"
        } else {
            "`{%` tag"
        },
        start,
    ))
}

/// The width of the white space at `at`, which is Unicode's: a no-break space is one to Jinja.
pub(crate) fn space_width(text: &str, at: usize) -> Option<usize> {
    let byte = text.as_bytes()[at];
    if byte < 0x80 {
        return (byte.is_ascii_whitespace() || byte == 0x0b).then_some(1);
    }
    let found = text.get(at..)?.chars().next()?;
    found.is_whitespace().then(|| found.len_utf8())
}

fn token(text: &str, at: usize, end: usize) -> Result<(Kind, usize), ScanError> {
    let bytes = &text.as_bytes()[at..end];
    let two = bytes.get(..2).unwrap_or(bytes);
    let kind = match two {
        b"//" => Some(Kind::FloorDivide),
        b"**" => Some(Kind::Power),
        b"==" | b"!=" | b">=" | b"<=" => Some(Kind::Compare),
        _ => None,
    };
    if let Some(kind) = kind {
        return Ok((kind, 2));
    }
    let kind = match bytes[0] {
        b'+' => Kind::Plus,
        b'-' => Kind::Minus,
        b'*' => Kind::Times,
        b'/' => Kind::Divide,
        b'%' => Kind::Modulo,
        b'~' => Kind::Tilde,
        b'.' => Kind::Dot,
        b',' => Kind::Comma,
        b':' => Kind::Colon,
        b'|' => Kind::Pipe,
        b'=' => Kind::Assign,
        b'<' | b'>' => Kind::Compare,
        open @ (b'(' | b'[' | b'{') => Kind::Open(open),
        close @ (b')' | b']' | b'}') => Kind::Close(close),
        quote @ (b'\'' | b'"') => return Ok((Kind::Text, string_length(bytes, quote, at)?)),
        b'0'..=b'9' => return Ok((Kind::Number, number_length(bytes, at)?)),
        byte if byte == b'_' || byte.is_ascii_alphabetic() || byte >= 0x80 => {
            let length = text[at..end]
                .char_indices()
                .find(|(_, c)| !(*c == '_' || c.is_alphanumeric()))
                .map_or(end - at, |(length, _)| length);
            if length > 0 {
                return Ok((Kind::Name, length));
            }
            let width = text[at..end].chars().next().map_or(1, char::len_utf8);
            return Ok((Kind::Other, width));
        }
        _ => Kind::Other,
    };
    Ok((kind, 1))
}

fn string_length(bytes: &[u8], quote: u8, at: usize) -> Result<usize, ScanError> {
    let mut index = 1;
    while index < bytes.len() {
        match bytes[index] {
            b'\\' => index += 2,
            byte if byte == quote => return Ok(index + 1),
            _ => index += 1,
        }
    }
    Err(ScanError {
        title: "a string is never closed".to_owned(),
        label: "opened here",
        span: at..at + 1,
    })
}

fn number_length(bytes: &[u8], at: usize) -> Result<usize, ScanError> {
    let mut length = 0;
    let mut is_fraction = false;
    while length < bytes.len() {
        match bytes[length] {
            b'0'..=b'9' | b'_' | b'a'..=b'd' | b'f' | b'A'..=b'D' | b'F' | b'x' | b'o' => {}
            b'e' | b'E' => {
                if matches!(bytes.get(length + 1), Some(b'+' | b'-'))
                    && bytes.get(length + 2).is_some_and(u8::is_ascii_digit)
                {
                    length += 1;
                }
            }
            b'.' if !is_fraction && bytes.get(length + 1).is_some_and(u8::is_ascii_digit) => {
                is_fraction = true;
            }
            _ => break,
        }
        length += 1;
    }
    let is_cut_off = bytes.get(length) == Some(&b'.')
        && bytes
            .get(length + 1)
            .is_none_or(|byte| !(byte.is_ascii_alphabetic() || *byte == b'_'));
    if is_cut_off || bytes[..length].windows(2).any(|two| two == b"__") {
        return Err(ScanError {
            title: "a number is not written as Python writes it".to_owned(),
            label: "here",
            span: at..at + length,
        });
    }
    Ok(length)
}
