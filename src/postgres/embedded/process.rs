//! Runs the server's programs: makes a cluster, starts, watches and stops a server.

use std::fs;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use crate::embedded::binaries::Binaries;
use crate::embedded::place::ServerUser;
use crate::options::Secret;
use msv_diagnostics::Diagnostic;

/// How long a server may take to come up; recovery after a crash reads up to 4 GB of log.
const START_LIMIT: Duration = Duration::from_secs(300);
const STOP_LIMIT: Duration = Duration::from_secs(60);

/// Makes a cluster in `data_dir`, whose superuser has `password`.
///
/// The parent folder must belong to `run_as`. Files are not flushed to the disk.
pub fn initialize(
    binaries: &Binaries,
    run_as: Option<&ServerUser>,
    data_dir: &Path,
    superuser: &str,
    password: &Secret,
) -> Result<(), Diagnostic> {
    let parent = data_dir.parent().unwrap_or(Path::new("/"));
    let password_file = parent.join(format!("password.{}", std::process::id()));
    let written = write_password(&password_file, run_as, password);
    let outcome = written
        .map_err(|error| error.to_string())
        // Byte order for sorting is the fast and reproducible one; letters are known beyond ASCII
        // where the system has the locale for it.
        .and_then(|()| {
            run_initdb(
                binaries,
                run_as,
                data_dir,
                superuser,
                &password_file,
                "C.UTF-8",
            )
            .or_else(|_| {
                let _ = fs::remove_dir_all(data_dir);
                run_initdb(binaries, run_as, data_dir, superuser, &password_file, "C")
            })
        });
    let _ = fs::remove_file(&password_file);
    outcome.map_err(|reason| {
        Diagnostic::error(
            "MSV0409",
            format!("cannot make a local cluster in `{}`", data_dir.display()),
        )
        .note(reason)
        .help("use another server: name it as a target in profiles.yml")
    })
}

fn write_password(
    path: &Path,
    run_as: Option<&ServerUser>,
    password: &Secret,
) -> std::io::Result<()> {
    let _ = fs::remove_file(path);
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    writeln!(file, "{}", password.expose())?;
    run_as.map_or(Ok(()), |user| user.own(path))
}

fn run_initdb(
    binaries: &Binaries,
    run_as: Option<&ServerUser>,
    data_dir: &Path,
    superuser: &str,
    password_file: &Path,
    letters: &str,
) -> Result<(), String> {
    let mut command = server_program(binaries, "initdb", run_as, data_dir);
    command
        .arg("--pgdata")
        .arg(data_dir)
        .args(["--username", superuser, "--encoding", "UTF8"])
        .args(["--locale", "C", "--lc-ctype", letters])
        .args(["--auth", "scram-sha-256", "--no-sync", "--no-instructions"])
        .arg("--pwfile")
        .arg(password_file);
    let output = command.output().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
}

/// The command that runs a server in the foreground, with the settings of `data_dir`.
pub fn server_command(
    binaries: &Binaries,
    run_as: Option<&ServerUser>,
    data_dir: &Path,
) -> Command {
    let mut command = server_program(binaries, "postgres", run_as, data_dir);
    command.arg("-D").arg(data_dir);
    command
}

fn server_program(
    binaries: &Binaries,
    name: &str,
    run_as: Option<&ServerUser>,
    data_dir: &Path,
) -> Command {
    let mut command = Command::new(binaries.program(name));
    if let Some(user) = run_as {
        user.apply(&mut command);
    }
    // The caller's folder may be closed to the server's user, who would complain about it.
    command.current_dir(data_dir.parent().unwrap_or(Path::new("/")));
    for (name, _) in std::env::vars_os() {
        if name.as_encoded_bytes().starts_with(b"PG") {
            command.env_remove(name);
        }
    }
    command.env("LC_ALL", "C").stdin(Stdio::null());
    command
}

/// What `postmaster.pid` tells of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::embedded) struct Running {
    pub(in crate::embedded) pid: Pid,
    pub(in crate::embedded) port: u16,
    pub(in crate::embedded) is_ready: bool,
}

/// Finds the live server of a data folder.
///
/// A pid file survives a killed machine and a copied folder, and its number may have gone to
/// another program: the process must exist, be a `postgres`, and the file must name this folder.
pub(in crate::embedded) fn find_running(data_dir: &Path) -> Option<Running> {
    let text = fs::read_to_string(data_dir.join("postmaster.pid")).ok()?;
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let pid = Pid::from_raw(lines.first()?.trim_start_matches('-').parse().ok()?)?;
    if Path::new(lines.get(1)?) != data_dir {
        return None;
    }
    if let Ok(facts) = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_pid())) {
        // `4711 (postgres) S …`; Z is a process that ended and was not yet collected.
        let (name, rest) = facts.rsplit_once(')')?;
        if !name.ends_with("(postgres") || rest.trim_start().starts_with('Z') {
            return None;
        }
    }
    match test_kill_process(pid) {
        Ok(()) | Err(rustix::io::Errno::PERM) => {}
        Err(_) => return None,
    }
    Some(Running {
        pid,
        port: lines.get(3)?.parse().ok()?,
        is_ready: lines.get(7).is_some_and(|state| *state == "ready"),
    })
}

/// Starts a server that outlives this process, and waits until it accepts connections.
pub(in crate::embedded) fn start_detached(
    binaries: &Binaries,
    run_as: Option<&ServerUser>,
    data_dir: &Path,
    log_file: &Path,
) -> Result<(), StartFailure> {
    if data_dir.join("postmaster.pid").exists() && find_running(data_dir).is_none() {
        // Its number may belong to a living stranger, which the server would take for itself.
        let _ = fs::remove_file(data_dir.join("postmaster.pid"));
    }
    let log = open_log(log_file, run_as).map_err(|error| StartFailure {
        is_port_taken: false,
        text: format!("cannot write `{}`: {error}", log_file.display()),
    })?;
    let log_start = log.metadata().map_or(0, |facts| facts.len());
    let log_copy = log.try_clone().map_err(|error| StartFailure {
        is_port_taken: false,
        text: error.to_string(),
    })?;
    let mut command = server_command(binaries, run_as, data_dir);
    // A process group of its own keeps Ctrl-C at the terminal away from it.
    command.stdout(log).stderr(log_copy).process_group(0);
    let mut child = command.spawn().map_err(|error| StartFailure {
        is_port_taken: false,
        text: format!(
            "cannot run `{}`: {error}",
            binaries.program("postgres").display()
        ),
    })?;
    let deadline = Instant::now() + START_LIMIT;
    loop {
        if find_running(data_dir).is_some_and(|running| running.is_ready) {
            return Ok(());
        }
        let has_ended = matches!(child.try_wait(), Ok(Some(_)));
        if has_ended || Instant::now() > deadline {
            let said = log_since(log_file, log_start);
            return Err(StartFailure {
                is_port_taken: said.contains("Address already in use"),
                text: said,
            });
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Why a server did not come up: the end of its log.
pub(in crate::embedded) struct StartFailure {
    pub(in crate::embedded) is_port_taken: bool,
    pub(in crate::embedded) text: String,
}

fn open_log(path: &Path, run_as: Option<&ServerUser>) -> std::io::Result<fs::File> {
    const LOG_LIMIT_BYTES: u64 = 10 * 1024 * 1024;
    if fs::metadata(path).is_ok_and(|facts| facts.len() > LOG_LIMIT_BYTES) {
        fs::rename(path, path.with_extension("log.old"))?;
    }
    let file = fs::OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)?;
    run_as.map_or(Ok(()), |user| user.own(path))?;
    Ok(file)
}

fn log_since(path: &Path, start: u64) -> String {
    let bytes = fs::read(path).unwrap_or_default();
    let from = usize::try_from(start).unwrap_or(0).min(bytes.len());
    String::from_utf8_lossy(&bytes[from..]).trim().to_owned()
}

/// Ends a server: open transactions are rolled back, connections are closed.
pub(in crate::embedded) fn stop(data_dir: &Path, running: Running) -> Result<(), String> {
    kill_process(running.pid, Signal::INT).map_err(|error| error.to_string())?;
    let deadline = Instant::now() + STOP_LIMIT;
    while find_running(data_dir).is_some_and(|now| now.pid == running.pid) {
        if Instant::now() > deadline {
            return Err(format!("it did not stop within {} s", STOP_LIMIT.as_secs()));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// True when something listens on that port of loopback.
pub(in crate::embedded) fn is_listening(port: u16) -> bool {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    TcpStream::connect_timeout(&address, Duration::from_secs(2)).is_ok()
}

/// Flushes a new cluster's files to the disk, in the background.
pub(in crate::embedded) fn sync_in_background(
    binaries: &Binaries,
    run_as: Option<&ServerUser>,
    data_dir: &Path,
) {
    let mut command = server_program(binaries, "initdb", run_as, data_dir);
    command
        .arg("--sync-only")
        .arg("--pgdata")
        .arg(data_dir)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0);
    // The server flushes what it changes by itself; this hurries the rest along.
    let _ = command.spawn();
}
