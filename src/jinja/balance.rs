//! Balance: a scanned template in, the first block that is not closed, or wrongly closed, out.
//!
//! The engine's parser notices an open block only at the end of the file; the analyst needs the
//! place where it was opened.

use std::ops::Range;

use crate::scan::{Kind, Piece, Scan, ScanError, Tag, Token};

/// Words that open a block; each is closed by itself with `end` before it.
const OPENERS: [&str; 14] = [
    "if",
    "for",
    "call",
    "filter",
    "with",
    "macro",
    "set",
    "test",
    "data_test",
    "materialization",
    "snapshot",
    "docs",
    "block",
    "autoescape",
];

/// Checks that every block is closed by its own word.
///
/// # Errors
///
/// At the block that is never closed, or at the tag that closes another one than is open.
pub(crate) fn check(text: &str, scan: &Scan) -> Result<(), ScanError> {
    let mut open: Vec<(&str, Range<usize>)> = Vec::new();
    for piece in &scan.pieces {
        let Piece::Statement(tag) = piece else {
            continue;
        };
        let tokens = &scan.tokens[tag.tokens.clone()];
        let Some(word) = tokens.first().map(|token| token.text(text)) else {
            continue;
        };
        if let Some(closed) = word.strip_prefix("end").filter(|w| OPENERS.contains(w)) {
            match open.pop() {
                Some((opened, _)) if opened == closed => {}
                opened => return Err(misfit(word, opened, tag)),
            }
        } else if OPENERS.contains(&word) && (word != "set" || is_block_set(tokens)) {
            open.push((word, tag.span.clone()));
        }
    }
    match open.pop() {
        None => Ok(()),
        Some((word, span)) => Err(ScanError {
            title: format!("a block `{word}` is never closed by `{{% end{word} %}}`"),
            label: "opened here",
            span,
        }),
    }
}

fn misfit(word: &str, opened: Option<(&str, Range<usize>)>, tag: &Tag) -> ScanError {
    ScanError {
        title: match opened {
            Some((opened, _)) => {
                format!("`{word}` stands where `end{opened}` is expected")
            }
            None => format!("`{word}` closes a block that was never opened"),
        },
        label: "closed here",
        span: tag.span.clone(),
    }
}

/// True for `{% set x %}…{% endset %}`, false for `{% set x = … %}`.
pub(crate) fn is_block_set(tokens: &[Token]) -> bool {
    let mut depth = 0usize;
    for token in tokens {
        match token.kind {
            Kind::Open(_) => depth += 1,
            Kind::Close(_) => depth = depth.saturating_sub(1),
            Kind::Assign if depth == 0 => return false,
            _ => {}
        }
    }
    true
}
