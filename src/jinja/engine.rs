//! Engine: macros in once, templates rendered with them many times, from any thread.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use foldhash::fast::RandomState;
use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior, Value};

use crate::blocks::{MacroDefinition, MacroKind, scan_diagnostic};
use crate::builtins;
use crate::context;
use crate::dependencies::{by_name, dependencies};
use crate::errors::{Failure, Outcome, locate, template_of};
use crate::host::Host;
use crate::macros::{Macro, Package};
use crate::position::Record;
use crate::rewrite::{self, MacroText};
use crate::scan::{Piece, scan};
use crate::session::Root;
use crate::source_map::SourceMap;
use crate::value::lock;
use crate::{filters, methods, operators, predicates};
use msv_diagnostics::{Diagnostic, Place};

/// The package of the built-in macros that hold for any database.
pub const BUILTIN_PACKAGE: &str = "dbt";

/// The package of the built-in macros that are PostgreSQL's own. Templates find them under
/// [`BUILTIN_PACKAGE`] too.
pub const POSTGRES_PACKAGE: &str = "dbt_postgres";

/// Whether a package comes with msv.
pub fn is_builtin(package: &str) -> bool {
    package == BUILTIN_PACKAGE || package == POSTGRES_PACKAGE
}

/// Prefixes that `adapter.dispatch` tries, in order.
const ADAPTER_PREFIXES: [&str; 2] = ["postgres", "default"];

/// What is looked up by name, again and again while templates are rendered.
pub(crate) type ByName<T> = HashMap<String, T, RandomState>;

/// Where `adapter.dispatch` looks for the macros of a namespace: project.yml's `dispatch`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DispatchConfig {
    pub macro_namespace: String,
    pub search_order: Vec<String>,
}

/// A template: a whole file, or a span of it.
#[derive(Clone, Debug)]
pub struct Source {
    /// Relative to the project folder.
    pub file: Arc<str>,
    pub text: Arc<str>,
    pub span: Range<usize>,
}

impl Source {
    pub fn whole(file: impl Into<Arc<str>>, text: impl Into<Arc<str>>) -> Self {
        let text = text.into();
        Source {
            file: file.into(),
            span: 0..text.len(),
            text,
        }
    }
}

/// What a template became, and where each part of it came from.
#[derive(Debug)]
pub struct Rendered {
    pub text: String,
    pub map: SourceMap,
}

/// The texts of all templates that were compiled, by the name the engine knows them under.
pub(crate) struct Sources {
    pub(crate) macros: Vec<MacroDefinition>,
    by_id: ByName<usize>,
    records: RwLock<ByName<Arc<Record>>>,
    mistakes: Mutex<ByName<Diagnostic>>,
}

impl Sources {
    pub(crate) fn record(&self, name: &str) -> Option<Arc<Record>> {
        let records = self.records.read().unwrap_or_else(PoisonError::into_inner);
        records.get(name).cloned()
    }

    pub(crate) fn insert(&self, name: &str, record: Record) -> Arc<Record> {
        let mut records = self.records.write().unwrap_or_else(PoisonError::into_inner);
        records
            .entry(name.to_owned())
            .or_insert_with(|| Arc::new(record))
            .clone()
    }

    /// The rewritten text of a template, rewriting a macro when it is first asked for.
    fn load(&self, name: &str) -> Result<Option<String>, Error> {
        if let Some(record) = self.record(name) {
            return Ok(Some(record.source.clone()));
        }
        let Some(index) = self.by_id.get(name) else {
            return Ok(None);
        };
        let definition = &self.macros[*index];
        match macro_record(definition) {
            Ok(record) => Ok(Some(self.insert(name, record).source.clone())),
            Err(diagnostic) => {
                let error = Error::new(ErrorKind::SyntaxError, diagnostic.title.clone());
                lock(&self.mistakes).insert(name.to_owned(), *diagnostic);
                Err(error)
            }
        }
    }
}

fn macro_record(definition: &MacroDefinition) -> Result<Record, Box<Diagnostic>> {
    rewrite::macro_template(&MacroText {
        file: definition.file.clone(),
        text: definition.text.clone(),
        span: definition.span.clone(),
        body: definition.body.clone(),
        parameters: &definition.parameters,
        hidden: definition.hidden,
        is_builtin: is_builtin(&definition.package),
    })
    .map_err(|error| {
        let (file, text) = (definition.file.clone(), definition.text.clone());
        Box::new(scan_diagnostic(error, file, text))
    })
}

/// What all renders share and never change.
pub(crate) struct Shared {
    pub(crate) sources: Arc<Sources>,
    packages: ByName<Arc<Package>>,
    pub(crate) root_package: String,
    dispatch: Vec<DispatchConfig>,
    globals: ByName<Value>,
    names: Mutex<ByName<Arc<ByName<Value>>>>,
    /// Whether a package sees a built-in macro as it comes with msv; found out once.
    pub(crate) as_built_in: Mutex<HashMap<(String, String), bool>>,
    /// The place of a macro among all of them, by name alone.
    pub(crate) by_name: OnceLock<ByName<usize>>,
    /// The places of the materializations among all macros.
    pub(crate) materializations: Vec<usize>,
}

impl Shared {
    /// Everything that a template of `package` can name, macros winning over functions.
    pub(crate) fn names(&self, package: &str) -> Arc<ByName<Value>> {
        let mut all = lock(&self.names);
        if let Some(names) = all.get(package) {
            return names.clone();
        }
        let mut names = self.globals.clone();
        let add = |names: &mut ByName<Value>, layer: &str| {
            if let Some(package) = self.packages.get(layer) {
                let macros = package.macros.iter();
                names.extend(macros.map(|(name, value)| (name.clone(), value.clone())));
            }
        };
        add(&mut names, BUILTIN_PACKAGE);
        for (name, package) in &self.packages {
            names.insert(name.clone(), Value::from_dyn_object(package.clone()));
        }
        add(&mut names, &self.root_package);
        add(&mut names, package);
        let names = Arc::new(names);
        all.insert(package.to_owned(), names.clone());
        names
    }

    pub(crate) fn in_package(&self, package: &str, name: &str) -> Option<&Value> {
        self.packages.get(package)?.macros.get(name)
    }

    /// Finds a macro as `package` sees it: its own, the root project's, the built-in one.
    pub(crate) fn find(&self, package: &str, name: &str) -> Option<&Value> {
        if let Some((qualifier, name)) = name.split_once('.') {
            return self.in_package(qualifier, name);
        }
        [package, &self.root_package, BUILTIN_PACKAGE]
            .into_iter()
            .find_map(|layer| self.in_package(layer, name))
    }

    /// Finds what `adapter.dispatch(name, namespace)` calls; also every name that was tried.
    pub(crate) fn dispatched(
        &self,
        package: &str,
        name: &str,
        namespace: Option<&str>,
    ) -> (Option<&Value>, Vec<String>) {
        let mut tried = Vec::new();
        let is_known = |namespace: &&str| {
            self.packages.contains_key(*namespace)
                || self
                    .dispatch
                    .iter()
                    .any(|config| config.macro_namespace == **namespace)
        };
        let Some(namespace) = namespace.filter(is_known) else {
            for prefix in ADAPTER_PREFIXES {
                let candidate = format!("{prefix}__{name}");
                if let Some(found) = self.find(package, &candidate) {
                    return (Some(found), tried);
                }
                tried.push(candidate);
            }
            return (None, tried);
        };
        let configured = self
            .dispatch
            .iter()
            .find(|config| config.macro_namespace == namespace);
        let order: Vec<&str> = match configured {
            Some(config) => config.search_order.iter().map(String::as_str).collect(),
            None => vec![self.root_package.as_str(), namespace],
        };
        for layer in order {
            for prefix in ADAPTER_PREFIXES {
                let candidate = format!("{prefix}__{name}");
                if let Some(found) = self.in_package(layer, &candidate) {
                    return (Some(found), tried);
                }
                let candidate = format!("{layer}.{candidate}");
                if !tried.contains(&candidate) {
                    tried.push(candidate);
                }
            }
        }
        (None, tried)
    }
}

/// Renders templates. Cheap to share: every method takes `&self`.
pub struct Engine {
    pub(crate) shared: Arc<Shared>,
    /// While executing, reading an attribute of an undefined value is an error.
    executing: Environment<'static>,
    /// While parsing it is not.
    parsing: Environment<'static>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Engine")
    }
}

impl Engine {
    /// Builds an engine from the macros of a project and its packages; the built-in macros are
    /// added under the package `dbt`.
    ///
    /// # Errors
    ///
    /// Every macro that cannot be read, and every macro that is defined twice in one package.
    pub fn new(
        macros: Vec<MacroDefinition>,
        root_package: &str,
        dispatch: Vec<DispatchConfig>,
    ) -> Result<Engine, Vec<Diagnostic>> {
        let own = macros.len();
        let mut macros = macros;
        macros.extend(builtins::macros().iter().cloned());
        let mut diagnostics = Vec::new();
        let mut by_id: ByName<usize> =
            ByName::with_capacity_and_hasher(macros.len(), RandomState::default());
        let mut packages: ByName<Package> = ByName::default();
        for (index, definition) in macros.iter().enumerate() {
            if let Some(earlier) = by_id.insert(definition.unique_id.clone(), index) {
                diagnostics.push(defined_twice(&macros[earlier], definition));
                continue;
            }
            let package = packages
                .entry(definition.package.clone())
                .or_insert_with(|| Package {
                    name: definition.package.clone(),
                    macros: ByName::default(),
                });
            let value = Value::from_object(Macro::new(definition));
            package.macros.insert(definition.name.clone(), value);
        }
        let ids: Vec<String> = macros[..own].iter().map(|m| m.unique_id.clone()).collect();
        let sources = Arc::new(Sources {
            macros,
            by_id,
            records: RwLock::default(),
            mistakes: Mutex::default(),
        });
        let is_materialization =
            |kind: &MacroKind| matches!(kind, MacroKind::Materialization { .. });
        let materializations = (0..sources.macros.len())
            .filter(|at| is_materialization(&sources.macros[*at].kind))
            .collect();
        let executing = environment(&sources, UndefinedBehavior::Lenient);
        let parsing = environment(&sources, UndefinedBehavior::Chainable);
        for id in &ids {
            if let Err(error) = parsing.get_template(id) {
                diagnostics.push(*compile_diagnostic(&sources, id, &error));
            }
        }
        if !diagnostics.is_empty() {
            return Err(diagnostics);
        }
        let own = packages.get(POSTGRES_PACKAGE).map(|own| own.macros.clone());
        if let Some(builtin) = packages.get_mut(BUILTIN_PACKAGE) {
            builtin.macros.extend(own.into_iter().flatten());
        }
        let packages: ByName<Arc<Package>> = packages
            .into_iter()
            .map(|(name, package)| (name, Arc::new(package)))
            .collect();
        Ok(Engine {
            shared: Arc::new(Shared {
                sources,
                packages,
                root_package: root_package.to_owned(),
                dispatch,
                globals: context::globals(),
                names: Mutex::default(),
                as_built_in: Mutex::default(),
                by_name: OnceLock::new(),
                materializations,
            }),
            executing,
            parsing,
        })
    }

    pub(crate) fn environment(&self, host: &Arc<dyn Host>) -> &Environment<'static> {
        if host.is_execute() {
            &self.executing
        } else {
            &self.parsing
        }
    }

    pub(crate) fn root(
        &self,
        host: &Arc<dyn Host>,
        extra: Vec<(String, Value)>,
        outcome: &Arc<Mutex<Outcome>>,
        is_native: bool,
    ) -> Value {
        Value::from_object(Root {
            is_native,
            host: host.clone(),
            shared: self.shared.clone(),
            names: self.shared.names(host.package()),
            is_execute: host.is_execute(),
            extra,
            updates: Mutex::default(),
            outcome: outcome.clone(),
        })
    }

    /// Renders a template to text.
    ///
    /// # Errors
    ///
    /// The first mistake, placed in the file it stands in; the calls that led there follow.
    pub fn render(
        &self,
        template: &Source,
        host: Arc<dyn Host>,
    ) -> Result<Rendered, Box<Diagnostic>> {
        self.render_with(template, host, Vec::new())
    }

    /// Renders a template that sees `extra` values besides its context.
    ///
    /// # Errors
    ///
    /// As [`Engine::render`].
    pub fn render_with(
        &self,
        template: &Source,
        host: Arc<dyn Host>,
        extra: Vec<(String, Value)>,
    ) -> Result<Rendered, Box<Diagnostic>> {
        let name = template_name(template, "");
        let record = self.rewritten(&name, template)?;
        // Most templates are rendered twice, once by the parser and once when their node runs; those
        // of tests are the same for many nodes and worth keeping.
        let environment = self.environment(&host);
        let compiled = if record.renders.fetch_add(1, Ordering::Relaxed) < RENDERS_UNKEPT {
            environment.template_from_named_str(&name, &record.source)
        } else {
            environment.get_template(&name)
        }
        .map_err(|error| compile_diagnostic(&self.shared.sources, &name, &error))?;
        let outcome = Arc::default();
        match compiled.render_with_spans(self.root(&host, extra, &outcome, false)) {
            Ok((text, spans)) => Ok(Rendered {
                map: SourceMap::new(record, &spans),
                text,
            }),
            Err(error) => Err(self.failed(&host, &error, &outcome)),
        }
    }

    /// The template as the engine reads it, made once for each name.
    fn rewritten(&self, name: &str, template: &Source) -> Result<Arc<Record>, Box<Diagnostic>> {
        if let Some(record) = self.shared.sources.record(name) {
            return Ok(record);
        }
        let (file, text) = (template.file.clone(), template.text.clone());
        let record = rewrite::template(file, text, template.span.clone())
            .map_err(|error| self.unscannable(error, template))?;
        Ok(self.shared.sources.insert(name, record))
    }

    /// Renders a template as if it were a macro: what it returns, or else its text.
    ///
    /// # Errors
    ///
    /// As [`Engine::render`].
    pub fn render_value(
        &self,
        template: &Source,
        host: Arc<dyn Host>,
        extra: Vec<(String, Value)>,
    ) -> Result<Value, Box<Diagnostic>> {
        let name = template_name(template, "returning");
        let record = self.rewritten(&name, template)?;
        let compiled = self
            .environment(&host)
            .template_from_named_str(&name, &record.source)
            .map_err(|error| compile_diagnostic(&self.shared.sources, &name, &error))?;
        let outcome: Arc<Mutex<Outcome>> = Arc::default();
        let rendered = compiled.render(self.root(&host, extra, &outcome, false));
        if let Some(value) = lock(&outcome).returned.take() {
            return Ok(value);
        }
        match rendered {
            Ok(text) => Ok(Value::from(text)),
            Err(error) => Err(self.failed(&host, &error, &outcome)),
        }
    }

    pub(crate) fn unscannable(
        &self,
        error: crate::scan::ScanError,
        template: &Source,
    ) -> Box<Diagnostic> {
        Box::new(scan_diagnostic(
            error,
            template.file.clone(),
            template.text.clone(),
        ))
    }

    /// Calls a macro by the name it has in the host's package, or `package.name`.
    ///
    /// Returns what the macro returned, or its text.
    ///
    /// # Errors
    ///
    /// When there is no such macro, and as [`Engine::render`].
    pub fn call_macro(
        &self,
        name: &str,
        args: &[Value],
        kwargs: &[(&str, Value)],
        host: Arc<dyn Host>,
    ) -> Result<Value, Box<Diagnostic>> {
        let text = "{{ __callee(*__positional, **__named) }}";
        let named = kwargs.iter().map(|(key, value)| (*key, value.clone()));
        let extra = vec![
            ("__positional".to_owned(), Value::from(args.to_vec())),
            ("__named".to_owned(), Value::from_pairs(named)),
        ];
        self.call_through("<call>", text, name, extra, host)
    }

    /// Evaluates an expression of our own, kept under `template`, in which `__callee` is a macro.
    pub(crate) fn call_through(
        &self,
        template: &str,
        text: &str,
        name: &str,
        mut extra: Vec<(String, Value)>,
        host: Arc<dyn Host>,
    ) -> Result<Value, Box<Diagnostic>> {
        let Some(function) = self.shared.find(host.package(), name) else {
            return Err(Box::new(self.unknown_macro(name, &host)));
        };
        if self.shared.sources.record(template).is_none() {
            let text: Arc<str> = text.into();
            if let Ok(scanned) = scan(&text, 0..text.len())
                && let [Piece::Output(tag)] = scanned.pieces.as_slice()
                && let Some(mut record) =
                    rewrite::expression(template.into(), text.clone(), tag, &scanned)
            {
                record.is_builtin = true;
                self.shared.sources.insert(template, record);
            }
        }
        extra.push(("__callee".to_owned(), function.clone()));
        self.kept(template, &host, extra, false)
    }

    fn unknown_macro(&self, name: &str, host: &Arc<dyn Host>) -> Diagnostic {
        let names = self.shared.names(host.package());
        let candidates = names.keys().map(String::as_str);
        let diagnostic = Diagnostic::error("MSV0303", format!("no macro is named `{name}`"));
        match msv_diagnostics::closest(name, candidates) {
            Some(guess) => {
                diagnostic.help(format!("a macro with a similar name exists: `{guess}`"))
            }
            None => diagnostic,
        }
    }

    /// Finds a macro as `package` sees it: its own, the root project's, the built-in one; or
    /// `package.name`.
    pub fn find_macro(&self, package: &str, name: &str) -> Option<&MacroDefinition> {
        self.definition(self.shared.find(package, name)?)
    }

    /// The id that a call of `name` in `package` has in `depends_on`.
    pub fn macro_id(&self, package: &str, name: &str) -> Option<String> {
        by_name(&self.shared, package, name)
    }

    /// Ids of the macros that a macro's text calls.
    pub fn macro_dependencies(&self, definition: &MacroDefinition) -> Vec<String> {
        dependencies(&self.shared, definition)
    }

    /// Finds what `adapter.dispatch(name, namespace)` calls in a template of `package`.
    pub fn find_dispatched(
        &self,
        package: &str,
        name: &str,
        namespace: Option<&str>,
    ) -> Option<&MacroDefinition> {
        self.definition(self.shared.dispatched(package, name, namespace).0?)
    }

    /// The package of the project itself.
    pub fn root_package(&self) -> &str {
        &self.shared.root_package
    }

    /// All macros, the built-in ones last.
    pub fn macros(&self) -> &[MacroDefinition] {
        &self.shared.sources.macros
    }

    fn definition(&self, value: &Value) -> Option<&MacroDefinition> {
        let found = value.downcast_object_ref::<Macro>()?;
        let id = format!("macro.{}.{}", found.package, found.name);
        let index = self.shared.sources.by_id.get(&id)?;
        self.shared.sources.macros.get(*index)
    }

    pub(crate) fn failed(
        &self,
        host: &Arc<dyn Host>,
        error: &Error,
        outcome: &Mutex<Outcome>,
    ) -> Box<Diagnostic> {
        let sources = &self.shared.sources;
        let mut outcome = lock(outcome);
        outcome.note(error, sources);
        let mistakes = lock(&sources.mistakes);
        if let Some(mistake) = template_of(error).and_then(|name| mistakes.get(name)) {
            return Box::new(mistake.clone());
        }
        let Some(failure) = outcome.failure.take() else {
            return Box::new(Diagnostic::error("MSV0307", error.to_string()));
        };
        let names = self.shared.names(host.package());
        let names = names.keys().map(String::as_str);
        failure.diagnostic(names.filter(|name| !name.starts_with("__")))
    }
}

/// How often a template is rendered before the environment keeps it.
const RENDERS_UNKEPT: usize = 2;

/// The name under which the engine keeps a template; the same text in the same place is
/// compiled once.
pub(crate) fn template_name(source: &Source, kind: &str) -> String {
    let mut hasher = DefaultHasher::new();
    source.text[source.span.clone()].hash(&mut hasher);
    let Range { start, end } = source.span;
    format!("{kind}{}:{start}-{end}:{:x}", source.file, hasher.finish())
}

fn defined_twice(earlier: &MacroDefinition, later: &MacroDefinition) -> Diagnostic {
    let place = |definition: &MacroDefinition| {
        let header = definition.span.start..definition.body.start;
        Place::new(definition.file.clone(), definition.text.clone(), header)
    };
    Diagnostic::error(
        "MSV0311",
        format!(
            "the macro `{}` is defined twice in the package `{}`",
            later.name, later.package
        ),
    )
    .at(place(later), "defined again here")
    .also(place(earlier), "first defined here")
    .help("rename one of them")
}

/// The diagnostic of a template that cannot be compiled.
pub(crate) fn compile_diagnostic(sources: &Sources, name: &str, error: &Error) -> Box<Diagnostic> {
    if let Some(mistake) = lock(&sources.mistakes).get(name) {
        return Box::new(mistake.clone());
    }
    let place = locate(error, sources);
    Failure::new(error, None, place).diagnostic(std::iter::empty())
}

fn environment(sources: &Arc<Sources>, undefined: UndefinedBehavior) -> Environment<'static> {
    let mut environment = Environment::new();
    let loader = sources.clone();
    environment.set_loader(move |name| loader.load(name));
    environment.set_undefined_behavior(undefined);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_unknown_method_callback(methods::call);
    environment.set_recursion_limit(1_000_000);
    if let Ok(syntax) = SyntaxConfig::builder().keep_trailing_newline(true).build() {
        environment.set_syntax(syntax);
    }
    operators::add(&mut environment);
    filters::add(&mut environment);
    predicates::add(&mut environment);
    context::add_filters(&mut environment);
    environment
}
