//! `msv explain CODE`: prints what an error code means, from the pages of `tests/errors/`.
//!
//! The pages are built into the binary. A page whose name is missing here fails the tidy test.

use std::process::ExitCode;

use clap::Args;

use crate::diagnostics::closest;

/// Explain an error code
#[derive(Args, Clone, Debug)]
pub struct ExplainArgs {
    /// The code as an error shows it, such as MSV0201; without one, all codes are listed
    pub code: Option<String>,
}

struct Page {
    name: &'static str,
    text: &'static str,
}

macro_rules! pages {
    ($($name:literal),* $(,)?) => {
        &[$(Page {
            name: $name,
            text: include_str!(concat!("../../tests/errors/", $name, ".md")),
        }),*]
    };
}

const PAGES: &[Page] = pages![
    "MSV0101-yaml-syntax",
    "MSV0102-unknown-key",
    "MSV0103-wrong-type",
    "MSV0104-no-project-file",
    "MSV0105-profile-not-found",
    "MSV0106-target-not-found",
    "MSV0107-missing-key",
    "MSV0108-file-not-readable",
    "MSV0109-duplicate-key",
    "MSV0110-template-in-configuration",
    "MSV0111-keys-exclude-each-other",
    "MSV0112-yaml-reads-otherwise",
    "MSV0113-packages-not-installed",
    "MSV0114-language-version",
    "MSV0115-not-postgres",
    "MSV0116-former-name",
    "MSV0117-vars-syntax",
    "MSV0119-clean-target",
    "MSV0120-clean-refused",
    "MSV0121-init-already-there",
    "MSV0122-init-not-written",
    "MSV0123-unread-var",
    "MSV0130-state-file",
    "MSV0131-default-selectors",
    "MSV0135-setting-value",
    "MSV0136-warn-error-options",
    "MSV0137-nothing-to-show",
    "MSV0138-query-refused",
    "MSV0139-address-taken",
    "MSV0140-setting-leaves-project-file",
    "MSV0141-former-word",
    "MSV0142-arguments-of-data-tests",
    "MSV0143-described-twice",
    "MSV0144-space-in-a-name",
    "MSV0145-source-override",
    "MSV0146-arguments-of-macros",
    "MSV0147-contract-without-columns",
    "MSV0148-unused-configuration",
    "MSV0149-template-of-old",
    "MSV0150-tag-is-no-text",
    "MSV0151-exposure-name",
    "MSV0152-summary-of-deprecations",
    "MSV0153-template-warns",
    "MSV0154-nothing-to-do",
    "MSV0160-package-entry",
    "MSV0161-package-not-found",
    "MSV0162-package-not-fetched",
    "MSV0163-package-version",
    "MSV0164-package-not-pinned",
    "MSV0165-package-name-taken",
    "MSV0166-packages-not-written",
    "MSV0170-export",
    "MSV0171-time-spine",
    "MSV0180-seed-hook",
    "MSV0201-unknown-ref",
    "MSV0202-unknown-source",
    "MSV0203-ref-not-allowed",
    "MSV0204-disabled",
    "MSV0205-cycle",
    "MSV0206-duplicate-name",
    "MSV0207-one-relation-twice",
    "MSV0208-test-on-nothing",
    "MSV0209-selector-syntax",
    "MSV0210-selector-method",
    "MSV0211-selector-needs-state",
    "MSV0212-nothing-selected",
    "MSV0213-unknown-data-test",
    "MSV0214-unknown-docs-block",
    "MSV0215-properties-of-nothing",
    "MSV0216-unknown-fixture",
    "MSV0217-python-model",
    "MSV0218-unknown-function",
    "MSV0219-function-declaration",
    "MSV0220-broken-contract",
    "MSV0221-seed-too-large",
    "MSV0222-selector-definition",
    "MSV0223-unknown-selector",
    "MSV0230-snapshot-configuration",
    "MSV0232-two-spellings-of-hooks",
    "MSV0233-configuration-type",
    "MSV0234-access",
    "MSV0235-unknown-group",
    "MSV0240-deprecated-model",
    "MSV0241-package-reads-project",
    "MSV0242-ref-of-two-packages",
    "MSV0250-unknown-measure",
    "MSV0251-unknown-metric",
    "MSV0252-no-time-spine",
    "MSV0253-semantic-model",
    "MSV0254-metric",
    "MSV0255-saved-query",
    "MSV0256-name-in-the-semantic-layer",
    "MSV0257-unit-test-versions",
    "MSV0258-unit-test-of-an-incremental-model",
    "MSV0301-template-syntax",
    "MSV0302-raised-by-the-project",
    "MSV0303-unknown-macro",
    "MSV0304-unknown-filter",
    "MSV0305-arguments",
    "MSV0306-no-connection",
    "MSV0307-template-error",
    "MSV0308-endless-recursion",
    "MSV0309-unset-variable",
    "MSV0310-macro-block",
    "MSV0311-macro-twice",
    "MSV0312-required-config",
    "MSV0313-unknown-function",
    "MSV0321-unit-test-input-missing",
    "MSV0322-no-unit-test",
    "MSV0323-unit-test-input",
    "MSV0324-unit-test-column",
    "MSV0325-unit-test-rows",
    "MSV0326-materialization-config",
    "MSV0327-settings-file-function",
    "MSV0330-time-window",
    "MSV0331-microbatch-configuration",
    "MSV0332-microbatch-reads-everything",
    "MSV0340-operation-arguments",
    "MSV0341-unknown-operation",
    "MSV0346-materialization-defined-twice",
    "MSV0347-no-main-statement",
    "MSV0348-materialization-language",
    "MSV0349-materialization-result",
    "MSV0350-contract",
    "MSV0351-constraint",
    "MSV0352-constraint-not-enforced",
    "MSV0353-index",
    "MSV0354-contract-and-changing-columns",
    "MSV0360-unit-test-cte",
    "MSV0361-unit-test-clock",
    "MSV0362-unit-test-of-no-model",
    "MSV0363-no-input-to-take-rows-from",
    "MSV0364-no-row-fits",
    "MSV0365-no-place-for-a-unit-test",
    "MSV0366-unit-test-not-written",
    "MSV0370-no-snapshot-table",
    "MSV0371-hard-deletes",
    "MSV0372-snapshot-onto-view",
    "MSV0373-staging-table",
    "MSV0401-unreachable-server",
    "MSV0402-no-server-programs",
    "MSV0403-refused-user",
    "MSV0404-connection-setting",
    "MSV0405-no-such-database",
    "MSV0406-other-major-version",
    "MSV0407-no-unprivileged-user",
    "MSV0408-local-folder",
    "MSV0409-initdb-failed",
    "MSV0410-local-server",
    "MSV0411-no-psql",
    "MSV0420-publish-refused",
    "MSV0421-built-by-another-run",
    "MSV0422-in-use",
    "MSV0423-dependent-view",
    "MSV0424-dependent-blocks",
    "MSV0425-view-reads-itself",
    "MSV0426-name-taken",
    "MSV0430-seed-csv",
    "MSV0431-seed-table",
    "MSV0440-sql-error",
    "MSV0441-template-statement",
    "MSV0442-connection-lost",
    "MSV0443-cancelled",
    "MSV0444-kind-not-run",
    "MSV0445-unknown-materialization",
    "MSV0446-columns-changed",
    "MSV0447-internal",
    "MSV0448-schema-not-prepared",
    "MSV0449-seed-not-readable",
    "MSV0450-name-too-long",
    "MSV0461-state-is-target",
    "MSV0462-nothing-to-defer-to",
    "MSV0463-nothing-to-retry",
    "MSV0464-function-not-created",
    "MSV0465-function-still-used",
    "MSV0470-freshness-without-field",
    "MSV0471-no-timestamp",
    "MSV0472-catalog-refused",
    "MSV0473-freshness-refused",
    "MSV0474-docs-page-not-written",
    "MSV0480-configuration-changed",
    "MSV0481-query-comment",
    "MSV0490-not-together",
    "MSV0491-not-copied",
    "MSV0492-partitions-changed",
    "MSV0495-no-connection-given",
    "MSV0496-commit-unknown",
    "MSV0501-data-test-failed",
    "MSV0502-data-test-warned",
    "MSV0503-unit-test-failed",
    "MSV0504-unit-test-expects-column",
    "MSV0505-null-count",
    "MSV0601-file-not-readable",
    "MSV0602-file-format",
    "MSV0603-column-missing",
    "MSV0604-columns-not-loaded",
    "MSV0605-lobster-symbol-and-day",
    "MSV0607-time-zone",
    "MSV0608-file-changed",
    "MSV0609-last-line-grew",
    "MSV0610-empty-folder",
    "MSV0611-reference-value",
    "MSV0612-reference-key-twice",
    "MSV0613-load-refused",
    "MSV0641-simulation-arguments",
    "MSV0642-simulation-not-written",
    "MSV0643-labels-not-readable",
    "MSV0644-nothing-to-evaluate",
    "MSV0645-alerts-not-readable",
    "MSV0701-page-not-written",
    "MSV0702-alerts-not-read",
    "MSV0801-artifact-not-written",
];

impl Page {
    fn code(&self) -> &'static str {
        self.name.split('-').next().unwrap_or(self.name)
    }

    /// The heading without its `# `: `MSV0201: unknown ref`.
    fn heading(&self) -> &'static str {
        let line = self.text.lines().next().unwrap_or(self.name);
        line.trim_start_matches('#').trim_start()
    }
}

/// Prints one page, or the list of all codes. Exit code 2 when no page has the code.
pub fn run(args: &ExplainArgs) -> ExitCode {
    let Some(code) = &args.code else {
        for page in PAGES {
            println!("{}", page.heading());
        }
        return ExitCode::SUCCESS;
    };
    match find(code) {
        Ok(page) => {
            println!("{}", page.text.trim_end());
            ExitCode::SUCCESS
        }
        Err(help) => {
            eprintln!("error: no error code is named `{code}`\nhelp: {help}");
            ExitCode::from(2)
        }
    }
}

/// Accepts `MSV0201`, `msv0201`, `0201` and `201`.
fn find(code: &str) -> Result<&'static Page, String> {
    let wanted = code.trim().to_uppercase();
    let digits = wanted.trim_start_matches("MSV");
    let wanted = format!("MSV{digits:0>4}");
    PAGES
        .iter()
        .find(|page| page.code() == wanted)
        .ok_or_else(|| match closest(&wanted, PAGES.iter().map(Page::code)) {
            Some(near) => format!("a code with a similar name exists: `{near}`"),
            None => "list all codes with `msv explain`".to_owned(),
        })
}
