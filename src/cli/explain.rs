//! `msv explain CODE`: prints what an error code means, from the pages of `tests/errors/`.
//!
//! The pages are built into the binary. A page whose name is missing here fails the tidy test.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the command line is where printing belongs"
)]

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

const PAGES: &[Page] = pages![];

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
