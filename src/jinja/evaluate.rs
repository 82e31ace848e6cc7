//! Evaluate: a value of a YAML file in, the value that its template stands for out.

use std::sync::Arc;

use minijinja::Value;

use crate::engine::{Engine, compile_diagnostic, template_name};
use crate::host::Host;
use crate::scan::{Piece, scan};
use crate::value::lock;
use crate::value::text::text;
use crate::{Source, native, rewrite};
use msv_diagnostics::Diagnostic;

impl Engine {
    /// Evaluates a value of a YAML file: `"{{ var('x') }}"` gives the value itself, other
    /// templates give text, text without tags stays as it is.
    ///
    /// # Errors
    ///
    /// As [`Engine::render`]; the place is in the given text, under the name `<expression>`.
    pub fn evaluate(
        &self,
        expression_or_template: &str,
        host: Arc<dyn Host>,
    ) -> Result<Value, Box<Diagnostic>> {
        let source = Source::whole("<expression>", expression_or_template);
        self.evaluate_source(&source, host)
    }

    /// Evaluates as [`Engine::evaluate`] does, with places in the file the text stands in.
    ///
    /// # Errors
    ///
    /// As [`Engine::render`].
    pub fn evaluate_source(
        &self,
        source: &Source,
        host: Arc<dyn Host>,
    ) -> Result<Value, Box<Diagnostic>> {
        let text = &source.text[source.span.clone()];
        if !text.contains("{{") && !text.contains("{%") && !text.contains("{#") {
            return Ok(Value::from(text));
        }
        // Jinja drops one newline at the end, which is what a YAML block leaves there.
        let inside = text.strip_suffix('\n').unwrap_or(text);
        let span = source.span.start..source.span.start + inside.len();
        let scanned = scan(&source.text, span).map_err(|error| self.unscannable(error, source))?;
        let [Piece::Output(tag)] = scanned.pieces.as_slice() else {
            return self.joined(source, &host);
        };
        let name = template_name(source, "=");
        if self.shared.sources.record(&name).is_none() {
            let (file, text) = (source.file.clone(), source.text.clone());
            match rewrite::expression(file, text, tag, &scanned) {
                Some(record) => self.shared.sources.insert(&name, record),
                None => return Ok(Value::from("")),
            };
        }
        self.kept(&name, &host, Vec::new(), true)
    }

    /// Renders a template of a YAML file: the value, when all its text comes from one expression.
    fn joined(&self, source: &Source, host: &Arc<dyn Host>) -> Result<Value, Box<Diagnostic>> {
        let name = template_name(source, "joined");
        if self.shared.sources.record(&name).is_none() {
            let (file, text) = (source.file.clone(), source.text.clone());
            let record = rewrite::joined(file, text, source.span.clone())
                .map_err(|error| self.unscannable(error, source))?;
            self.shared.sources.insert(&name, record);
        }
        let compiled = self
            .environment(host)
            .get_template(&name)
            .map_err(|error| compile_diagnostic(&self.shared.sources, &name, &error))?;
        let outcome = Arc::default();
        match compiled.render(self.root(host, Vec::new(), &outcome, true)) {
            Ok(rendered) => {
                let kept = std::mem::take(&mut lock(&outcome).kept);
                match kept.as_slice() {
                    [value] if text(value) == rendered => settled(value.clone()),
                    _ => Ok(Value::from(rendered)),
                }
            }
            Err(error) => Err(self.failed(host, &error, &outcome)),
        }
    }

    /// Runs a template for the value it keeps.
    pub(crate) fn kept(
        &self,
        name: &str,
        host: &Arc<dyn Host>,
        extra: Vec<(String, Value)>,
        is_native: bool,
    ) -> Result<Value, Box<Diagnostic>> {
        let compiled = self
            .environment(host)
            .get_template(name)
            .map_err(|error| compile_diagnostic(&self.shared.sources, name, &error))?;
        let outcome = Arc::default();
        match compiled.render(self.root(host, extra, &outcome, is_native)) {
            Ok(_) => settled(lock(&outcome).kept.pop().unwrap_or_default()),
            Err(error) => Err(self.failed(host, &error, &outcome)),
        }
    }
}

fn settled(value: Value) -> Result<Value, Box<Diagnostic>> {
    native::resolved(value).map_err(|error| {
        let title = error.detail().unwrap_or_default();
        Box::new(Diagnostic::error("MSV0307", title))
    })
}
