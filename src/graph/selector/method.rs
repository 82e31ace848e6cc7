//! What a selector looks at: the word before its colon.

use std::fmt;

/// dbt's selector methods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    Fqn,
    Tag,
    Group,
    Access,
    Source,
    Path,
    File,
    Package,
    Config,
    TestName,
    TestType,
    ResourceType,
    State,
    Exposure,
    Metric,
    Result,
    SourceStatus,
    Version,
    SemanticModel,
    SavedQuery,
    UnitTest,
    Selector,
    Function,
}

impl Method {
    pub const ALL: [Method; 23] = [
        Method::Fqn,
        Method::Tag,
        Method::Group,
        Method::Access,
        Method::Source,
        Method::Path,
        Method::File,
        Method::Package,
        Method::Config,
        Method::TestName,
        Method::TestType,
        Method::ResourceType,
        Method::State,
        Method::Exposure,
        Method::Metric,
        Method::Result,
        Method::SourceStatus,
        Method::Version,
        Method::SemanticModel,
        Method::SavedQuery,
        Method::UnitTest,
        Method::Selector,
        Method::Function,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Method::Fqn => "fqn",
            Method::Tag => "tag",
            Method::Group => "group",
            Method::Access => "access",
            Method::Source => "source",
            Method::Path => "path",
            Method::File => "file",
            Method::Package => "package",
            Method::Config => "config",
            Method::TestName => "test_name",
            Method::TestType => "test_type",
            Method::ResourceType => "resource_type",
            Method::State => "state",
            Method::Exposure => "exposure",
            Method::Metric => "metric",
            Method::Result => "result",
            Method::SourceStatus => "source_status",
            Method::Version => "version",
            Method::SemanticModel => "semantic_model",
            Method::SavedQuery => "saved_query",
            Method::UnitTest => "unit_test",
            Method::Selector => "selector",
            Method::Function => "function",
        }
    }

    pub fn from_name(name: &str) -> Option<Method> {
        Method::ALL
            .into_iter()
            .find(|method| method.as_str() == name)
    }

    /// The method of a value that stands without one.
    pub fn of_bare_value(value: &str) -> Method {
        let lower = value.to_lowercase();
        if value.contains('/') || value.contains(std::path::MAIN_SEPARATOR) {
            Method::Path
        } else if [".sql", ".py", ".csv"]
            .iter()
            .any(|ending| lower.ends_with(ending))
        {
            Method::File
        } else {
            Method::Fqn
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
