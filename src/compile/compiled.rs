//! Plain SQL that remembers which template each stretch of it came from.

use std::ops::Range;
use std::sync::Arc;

use crate::diagnostics::Place;
use crate::jinja::Rendered;

/// A compiled query. `sql` is what the server gets; [`locate`](Compiled::locate) leads back.
#[derive(Clone, Debug, Default)]
pub struct Compiled {
    pub sql: String,
    /// What the template set with `set_sql_header`, if it did.
    pub sql_header: Option<String>,
    parts: Vec<Part>,
}

#[derive(Clone, Debug)]
struct Part {
    range: Range<usize>,
    origin: Origin,
}

#[derive(Clone, Debug)]
enum Origin {
    /// `offset` is where the part begins in the rendered text.
    Template {
        rendered: Arc<Rendered>,
        offset: usize,
    },
    /// Written by hand at this place.
    Written(Place),
}

impl Compiled {
    pub fn from_rendered(rendered: Rendered) -> Self {
        let rendered = Arc::new(rendered);
        let sql = rendered.text.clone();
        let parts = vec![Part {
            range: 0..sql.len(),
            origin: Origin::Template {
                rendered,
                offset: 0,
            },
        }];
        Compiled {
            sql,
            sql_header: None,
            parts,
        }
    }

    /// Appends text that no template produced.
    pub fn push_text(&mut self, text: &str) {
        self.sql.push_str(text);
    }

    /// Appends text that stands for what a person wrote at `place`.
    pub fn push_written(&mut self, text: &str, place: &Place) {
        let start = self.sql.len();
        self.sql.push_str(text);
        self.parts.push(Part {
            range: start..self.sql.len(),
            origin: Origin::Written(place.clone()),
        });
    }

    /// Appends a stretch of another query, with its origin.
    pub fn push_part(&mut self, other: &Compiled, range: Range<usize>) {
        let base = self.sql.len();
        self.sql.push_str(&other.sql[range.clone()]);
        for part in &other.parts {
            let start = part.range.start.max(range.start);
            let end = part.range.end.min(range.end);
            if start < end {
                let origin = match &part.origin {
                    Origin::Template { rendered, offset } => Origin::Template {
                        rendered: Arc::clone(rendered),
                        offset: offset + start - part.range.start,
                    },
                    Origin::Written(place) => Origin::Written(place.clone()),
                };
                self.parts.push(Part {
                    range: base + start - range.start..base + end - range.start,
                    origin,
                });
            }
        }
    }

    /// The template place that produced the byte at `offset` of the SQL.
    pub fn locate(&self, offset: usize) -> Option<Place> {
        let part = self
            .parts
            .iter()
            .find(|part| part.range.contains(&offset))?;
        match &part.origin {
            Origin::Template {
                rendered,
                offset: begin,
            } => {
                let (file, span) = rendered.map.locate(begin + offset - part.range.start)?;
                Some(Place::new(file, rendered.map.text(), span))
            }
            Origin::Written(place) => Some(place.clone()),
        }
    }
}
