//! Brings files here: over HTTP or from the disk, and unpacks archives.

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::time::Duration;

use flate2::read::GzDecoder;
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use crate::diagnostics::Diagnostic;

use super::masked;

/// Tries before a download is given up.
const TRIES: u32 = 4;

/// An archive of a package is some megabytes; more than this is a mistake.
const MAX_BYTES: u64 = 1 << 30;

/// Where a file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Address {
    Web(String),
    Disk(PathBuf),
}

impl Address {
    /// Reads `https://…`, `file://…` or a path, relative to `base`.
    pub(super) fn parse(text: &str, base: &Path) -> Address {
        if text.starts_with("http://") || text.starts_with("https://") {
            return Address::Web(text.to_owned());
        }
        let path = text.strip_prefix("file://").unwrap_or(text);
        Address::Disk(base.join(path))
    }

    /// The file or folder `name` below this one.
    pub(super) fn join(&self, name: &str) -> Address {
        match self {
            Address::Web(url) => Address::Web(format!("{}/{name}", url.trim_end_matches('/'))),
            Address::Disk(path) => Address::Disk(path.join(name)),
        }
    }

    pub(super) fn shown(&self) -> String {
        match self {
            Address::Web(url) => masked(url),
            Address::Disk(path) => path.display().to_string(),
        }
    }
}

/// Fetches files; one for a command, so that connections are used again.
pub(super) struct Fetcher {
    agent: Agent,
}

/// Why a file did not come.
pub(super) enum Refusal {
    /// There is none at this address.
    Missing,
    Other(String),
}

impl Fetcher {
    pub(super) fn new() -> Fetcher {
        let trusted: Vec<Certificate> = rustls_native_certs::load_native_certs()
            .certs
            .iter()
            .map(|certificate| Certificate::from_der(certificate).to_owned())
            .collect();
        let roots = match trusted.is_empty() {
            true => RootCerts::WebPki,
            false => RootCerts::from(trusted),
        };
        let agent = Agent::config_builder()
            .tls_config(TlsConfig::builder().root_certs(roots).build())
            .timeout_connect(Some(Duration::from_secs(10)))
            .timeout_global(Some(Duration::from_secs(300)))
            .user_agent(concat!("msv/", env!("CARGO_PKG_VERSION")))
            .http_status_as_error(false)
            .build()
            .into();
        Fetcher { agent }
    }

    /// The bytes at an address. What may pass, such as a busy server, is tried again.
    pub(super) fn bytes(&self, address: &Address) -> Result<Vec<u8>, Refusal> {
        let url = match address {
            Address::Disk(path) => {
                return fs::read(path).map_err(|error| match error.kind() {
                    std::io::ErrorKind::NotFound => Refusal::Missing,
                    _ => Refusal::Other(error.to_string()),
                });
            }
            Address::Web(url) => url,
        };
        let mut reason = String::new();
        for attempt in 0..TRIES {
            if attempt > 0 {
                std::thread::sleep(Duration::from_millis(250 << attempt));
            }
            match self.agent.get(url).call() {
                Ok(mut response) => match response.status().as_u16() {
                    200..=299 => {
                        let body = response.body_mut().with_config().limit(MAX_BYTES);
                        match body.read_to_vec() {
                            Ok(bytes) => return Ok(bytes),
                            Err(error) => reason = error.to_string(),
                        }
                    }
                    404 | 410 => return Err(Refusal::Missing),
                    status @ (408 | 429 | 500..=599) => {
                        reason = format!("the server answers with status {status}");
                    }
                    status => {
                        let reason = format!("the server answers with status {status}");
                        return Err(Refusal::Other(reason));
                    }
                },
                Err(error) => reason = error.to_string(),
            }
        }
        Err(Refusal::Other(masked(&reason)))
    }

    /// Unpacks the `.tar.gz` at an address below `into` and returns the one folder it holds.
    ///
    /// Nothing is written outside of `into`, whatever the archive says.
    pub(super) fn unpack(&self, address: &Address, into: &Path) -> Result<PathBuf, Diagnostic> {
        let bytes = self
            .bytes(address)
            .map_err(|refusal| not_fetched(address, &refusal))?;
        let broken = |reason: String| {
            Diagnostic::error(
                "MSV0162",
                format!("`{}` cannot be unpacked: {reason}", address.shown()),
            )
            .help("a package is a `.tar.gz` file that holds one folder, the project's")
        };
        fs::create_dir_all(into).map_err(|error| broken(error.to_string()))?;
        let mut archive = tar::Archive::new(GzDecoder::new(Cursor::new(bytes)));
        archive
            .unpack(into)
            .map_err(|error| broken(error.to_string()))?;
        let mut folders: Vec<PathBuf> = fs::read_dir(into)
            .map_err(|error| broken(error.to_string()))?
            .filter_map(Result::ok)
            .map(|entry| entry.path())
            .collect();
        match (folders.pop(), folders.is_empty()) {
            (Some(folder), true) if folder.is_dir() => Ok(folder),
            _ => Err(broken("it holds more than one folder".to_owned())),
        }
    }
}

pub(super) fn not_fetched(address: &Address, refusal: &Refusal) -> Diagnostic {
    let reason = match refusal {
        Refusal::Missing => "there is none",
        Refusal::Other(reason) => reason,
    };
    Diagnostic::error(
        "MSV0162",
        format!("`{}` cannot be fetched: {reason}", address.shown()),
    )
}
