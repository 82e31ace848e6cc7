//! A project folder with a database of its own, and a transcript of what commands print in it.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use msv::postgres::Session;
use regex::Regex;

use crate::support::database::TestDatabase;

const PROJECT: &str = "name: shop\nprofile: shop\n";

/// One temporary project; both folder and database go with this value.
pub(crate) struct Shop {
    database: TestDatabase,
    folder: tempfile::TempDir,
    transcript: String,
}

impl Shop {
    /// Writes the files, and a plain `project.yml` where there is none among them.
    pub(crate) fn new(files: &[(&str, &str)]) -> Shop {
        let shop = Shop {
            database: TestDatabase::new(),
            folder: tempfile::tempdir().unwrap(),
            transcript: String::new(),
        };
        shop.write("project.yml", PROJECT);
        shop.write(
            "profiles.yml",
            &shop.database.profiles_yml("shop", "analytics"),
        );
        for (path, text) in files {
            shop.write(path, text);
        }
        shop
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(crate) fn connect(&self) -> Session {
        self.database.connect()
    }

    /// The program in this project, on one connection, without the person's own settings.
    ///
    /// Words are split at spaces; `'` keeps some together, `NAME=value` before `msv` is a setting.
    pub(crate) fn command(&self, line: &str) -> Command {
        let words = words(line);
        let at = words
            .iter()
            .position(|word| word == "msv")
            .expect("only msv runs here");
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("msv"));
        command
            .args(&words[at + 1..])
            .current_dir(self.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.path())
            .env("MSV_THREADS", "1")
            .stdin(std::process::Stdio::null());
        for setting in &words[..at] {
            let (name, value) = setting.split_once('=').expect("NAME=value");
            command.env(name, value);
        }
        command
    }

    /// Runs a command and adds what it printed, and its exit code, to the transcript.
    pub(crate) fn run(&mut self, line: &str) -> &mut Shop {
        let output = self.command(line).output().unwrap();
        writeln!(self.transcript, "$ {line}").unwrap();
        self.transcript
            .push_str(&steady(&output.stdout, self.path()));
        if !output.stderr.is_empty() {
            self.transcript.push_str("[stderr]\n");
            self.transcript
                .push_str(&steady(&output.stderr, self.path()));
        }
        match output.status.code() {
            Some(code) => writeln!(self.transcript, "[exit code {code}]\n").unwrap(),
            None => writeln!(self.transcript, "[{}]\n", output.status).unwrap(),
        }
        self
    }

    /// Runs a command whose output is of no interest; it must succeed.
    pub(crate) fn quietly(&mut self, line: &str) -> &mut Shop {
        let output = self.command(line).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(
            output.status.success(),
            "{}{}",
            text(&output.stdout),
            text(&output.stderr)
        );
        self
    }

    /// Asks the database and adds the rows to the transcript.
    pub(crate) fn ask(&mut self, sql: &str) -> &mut Shop {
        let rows = self.rows(sql).join("\n");
        writeln!(self.transcript, "# {sql}\n{rows}\n").unwrap();
        self
    }

    /// The rows of a query, cells joined by ` | `.
    pub(crate) fn rows(&self, sql: &str) -> Vec<String> {
        let rows = self.connect().query(sql).expect("valid SQL");
        let cell = |datum: &msv::postgres::Datum| {
            datum
                .to_text()
                .map_or("null".to_owned(), |text| text.into_owned())
        };
        rows.rows
            .iter()
            .map(|row| row.iter().map(cell).collect::<Vec<_>>().join(" | "))
            .collect()
    }

    /// The first cell of a query's first row.
    pub(crate) fn value(&self, sql: &str) -> String {
        self.rows(sql).into_iter().next().unwrap_or_default()
    }

    pub(crate) fn execute(&self, sql: &str) {
        self.connect().execute(sql).expect("valid SQL");
    }

    /// Waits until a query's first cell is `true`.
    pub(crate) fn wait_until(&self, sql: &str) {
        let begun = Instant::now();
        while self.value(sql) != "true" {
            assert!(
                begun.elapsed() < Duration::from_secs(60),
                "never true: {sql}"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn transcript(&self) -> &str {
        self.transcript.trim_end()
    }

    /// Output as the transcript has it.
    pub(crate) fn steady(&self, output: &[u8]) -> String {
        steady(output, self.path())
    }
}

fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut is_quoted = false;
    for letter in line.chars() {
        match letter {
            '\'' => is_quoted = !is_quoted,
            ' ' if !is_quoted => words.push(String::new()),
            letter => words.last_mut().unwrap().push(letter),
        }
    }
    words
}

/// Replaces what differs between two runs by fixed words.
fn steady(output: &[u8], folder: &Path) -> String {
    static PATTERNS: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
        [
            (
                r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|\+00:00)",
                "<time>",
            ),
            (
                r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
                "<id>",
            ),
            (
                r#"("(?:elapsed|execution|execution_time|pid)": ?)\d+(\.\d+)?(e-?\d+)?"#,
                "${1}0",
            ),
            (r"\b\d+\.\d+( ?s| seconds)\b", "0.00$1"),
            (r"\bin \d+\.\d+s", "in 0.00s"),
            (r"\b\d{2}:\d{2}:\d{2}(\.\d+)?\b", "00:00:00"),
            (r"\b(127\.0\.0\.1|localhost):\d{4,5}\b", "$1:5432"),
            (r"\btest_\d+\b", "shop_db"),
            (r"\bpid \d+", "pid 1"),
            (r"\bsince [-0-9]+ 00:00:00\+00", "since <time>"),
            (r"PostgreSQL \d+\.\d+", "PostgreSQL 1.0"),
            (r"\bport: \d{4,5}\b", "port: 5432"),
            (r"os info: \w+ \w+", "os info: system"),
            (r"\b\d+ macros\b", "N macros"),
        ]
        .map(|(pattern, with)| (Regex::new(pattern).unwrap(), with))
        .to_vec()
    });
    let mut output = String::from_utf8_lossy(output).into_owned();
    for path in [folder.to_owned(), folder.canonicalize().unwrap()] {
        output = output.replace(path.to_str().unwrap(), "/shop");
    }
    for (pattern, with) in PATTERNS.iter() {
        output = pattern.replace_all(&output, *with).into_owned();
    }
    output
        .lines()
        .map(|line| format!("{}\n", line.trim_end()))
        .collect()
}
