//! Turns a diagnostic into the text a person reads; layout by annotate-snippets.

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use super::{Diagnostic, Place, Severity};

impl Diagnostic {
    /// Renders title, excerpts, notes and help, without a final newline.
    ///
    /// `colour` adds ANSI styles; the text is the same without them.
    pub fn render(&self, colour: bool) -> String {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let mut main = Group::with_title(level.primary_title(&self.title).id(self.code));
        if let Some(place) = &self.place {
            main = if place.text.is_empty() {
                main.element(Origin::path(&*place.file))
            } else {
                let mut snippet = excerpt(place, &self.label, AnnotationKind::Primary);
                for label in self
                    .also
                    .iter()
                    .filter(|label| label.place.file == place.file)
                {
                    snippet = snippet.annotation(
                        AnnotationKind::Context
                            .span(label.place.span.clone())
                            .label(&label.text),
                    );
                }
                main.element(snippet)
            };
        }
        for label in &self.also {
            if self
                .place
                .as_ref()
                .is_some_and(|place| place.file == label.place.file)
            {
                continue;
            }
            main = main.element(excerpt(&label.place, &label.text, AnnotationKind::Context));
        }
        for note in &self.notes {
            main = main.element(Level::NOTE.message(note));
        }
        let mut groups = vec![main];
        for help in &self.help {
            groups.push(Group::with_title(Level::HELP.secondary_title(help)));
        }
        let renderer = if colour {
            Renderer::styled()
        } else {
            Renderer::plain()
        };
        let shown = renderer.decor_style(DecorStyle::Ascii).render(&groups);
        if self.place.is_none() && self.also.is_empty() {
            return without_gutter(&shown);
        }
        shown
    }
}

/// Takes out the empty gutter lines that lead from a title to nothing.
fn without_gutter(shown: &str) -> String {
    let lines: Vec<&str> = shown.lines().filter(|line| line.trim() != "|").collect();
    lines.join("\n")
}

fn excerpt<'a>(
    place: &'a Place,
    label: &'a str,
    kind: AnnotationKind,
) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
    let mut annotation = kind.span(place.span.clone());
    if !label.is_empty() {
        annotation = annotation.label(label);
    }
    Snippet::source(&*place.text)
        .path(&*place.file)
        .annotation(annotation)
}
