//! `msv docs serve`: the documentation page and the artifacts it reads, on this machine.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Component, Path};
use std::process::{Command, Stdio};
use std::time::Duration;

use clap::Args;
use serde_json::json;

use crate::diagnostics::Diagnostic;
use crate::report::command_event::event;
use crate::report::docs::PAGE;
use crate::run::Level;

use crate::cli::arguments::{GlobalArgs, UnusedSelectionArgs};
use crate::cli::voice::voice;
use crate::cli::workspace::{load_options, settled};

#[derive(Args, Clone, Debug)]
pub struct ServeArgs {
    /// Port to listen on; 0 takes a free one
    #[arg(long, default_value_t = 8080, value_name = "PORT")]
    pub port: u16,
    /// Address to listen on
    #[arg(long, default_value = "127.0.0.1", value_name = "HOST")]
    pub host: String,
    /// Open the page in a browser
    #[arg(long, overrides_with = "no_browser")]
    pub browser: bool,
    #[arg(long, hide = true, overrides_with = "browser")]
    pub no_browser: bool,
    #[command(flatten)]
    pub unused: UnusedSelectionArgs,
    #[arg(long, hide = true)]
    pub state: Option<std::path::PathBuf>,
}

/// Serves until the process is ended.
pub(super) fn serve(global: &GlobalArgs, args: &ServeArgs) -> Result<(), Vec<Diagnostic>> {
    let options = load_options(global)?;
    let config = settled(&options).project?;
    let assets = config.asset_paths.clone();
    let target = match &options.target_path {
        Some(path) => options.project_dir.join(path),
        None => options.project_dir.join(&config.target_path),
    };
    let listener = TcpListener::bind((args.host.as_str(), args.port)).map_err(|error| {
        vec![
            Diagnostic::error(
                "MSV0139",
                format!("`{}:{}` cannot be listened on", args.host, args.port),
            )
            .note(error.to_string())
            .help("choose another port: --port 8081, or --port 0 for any that is free"),
        ]
    })?;
    let address = listener
        .local_addr()
        .map_or_else(|_| args.host.clone(), |address| address.to_string());
    let text = format!("Serving docs at http://{address} (Ctrl-C ends it)");
    voice().emit(&event(
        "ServingDocsPort",
        Level::Info,
        text,
        json!({"address": address}),
    ));
    if args.browser {
        open_browser(&format!("http://{address}"));
    }
    for stream in listener.incoming().flatten() {
        let (target, assets) = (target.clone(), assets.clone());
        // A reader that hangs must not keep the others waiting.
        std::thread::spawn(move || {
            let _ = answer(stream, &target, &assets);
        });
    }
    Ok(())
}

/// No line of a request that a browser sends is longer.
const REQUEST_BYTES: u64 = 16 * 1024;

fn answer(stream: TcpStream, target: &Path, assets: &[String]) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.set_write_timeout(Some(Duration::from_secs(60)))?;
    let mut lines = BufReader::new(stream.try_clone()?.take(REQUEST_BYTES)).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    // The rest is read so that the browser is not cut off while it still writes.
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    let mut words = first.split(' ');
    let (method, path) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    let path = path.split(['?', '#']).next().unwrap_or("");
    let (status, kind, body) = match (method, path) {
        ("GET" | "HEAD", "/" | "/index.html") => (
            "200 OK",
            "text/html; charset=utf-8",
            PAGE.as_bytes().to_vec(),
        ),
        ("GET" | "HEAD", "/manifest.json" | "/catalog.json") => {
            match std::fs::read(target.join(&path[1..])) {
                Ok(json) => ("200 OK", "application/json", json),
                Err(_) => not_generated(),
            }
        }
        ("GET" | "HEAD", path) => match asset(target, assets, path) {
            Some((kind, body)) => ("200 OK", kind, body),
            None => ("404 Not Found", TEXT, b"there is no such page\n".to_vec()),
        },
        _ => ("405 Method Not Allowed", TEXT, Vec::new()),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\
         Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let mut stream = stream;
    stream.write_all(head.as_bytes())?;
    if method != "HEAD" {
        stream.write_all(&body)?;
    }
    stream.flush()
}

const TEXT: &str = "text/plain; charset=utf-8";

fn not_generated() -> (&'static str, &'static str, Vec<u8>) {
    (
        "404 Not Found",
        TEXT,
        b"run `msv docs generate` first\n".to_vec(),
    )
}

/// A file of the project's `asset-paths`, as `docs generate` copied it; nothing else is given away.
fn asset(target: &Path, assets: &[String], path: &str) -> Option<(&'static str, Vec<u8>)> {
    let path = Path::new(path.strip_prefix('/')?);
    let is_plain = path
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    if !is_plain || !assets.iter().any(|folder| path.starts_with(folder)) {
        return None;
    }
    let kind = match path.extension()?.to_str()? {
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "svg" => "image/svg+xml",
        "webp" => "image/webp",
        _ => "application/octet-stream",
    };
    std::fs::read(target.join(path))
        .ok()
        .map(|body| (kind, body))
}

/// A machine without a browser serves all the same.
fn open_browser(url: &str) {
    let program = if cfg!(target_os = "macos") {
        "open"
    } else {
        "xdg-open"
    };
    let _ = Command::new(program)
        .arg(url)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
}
