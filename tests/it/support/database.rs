//! A database of its own for each test, on a server that lives as long as the test process.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use msv::postgres::embedded::{
    Binaries, Durability, ServerUser, binaries, initialize, server_command, settings,
};
use msv::postgres::{ConnectOptions, Secret, Session};

/// An empty database, dropped with this value.
pub(crate) struct TestDatabase {
    name: String,
}

impl TestDatabase {
    pub(crate) fn new() -> TestDatabase {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let mut session = Session::connect(&server().options).expect("the test server answers");
        session
            .execute(&format!("create database {name} template template0"))
            .expect("a new name");
        TestDatabase { name }
    }

    pub(crate) fn options(&self) -> ConnectOptions {
        ConnectOptions {
            dbname: self.name.clone(),
            ..server().options.clone()
        }
    }

    pub(crate) fn connect(&self) -> Session {
        Session::connect(&self.options()).expect("the test server answers")
    }

    /// Writes a `profiles.yml` whose one target is this database.
    pub(crate) fn profiles_yml(&self, profile: &str, schema: &str) -> String {
        let options = self.options();
        format!(
            "{profile}:\n  target: test\n  outputs:\n    test:\n      type: postgres\n      \
             host: {}\n      port: {}\n      user: {}\n      password: {}\n      dbname: {}\n      \
             schema: {schema}\n      threads: 2\n",
            options.host,
            options.port,
            options.user,
            options.password.expose(),
            options.dbname
        )
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        // The server and all its files go with the process, should this fail.
        if let Ok(mut session) = Session::connect(&server().options) {
            let _ = session.execute(&format!("drop database {} with (force)", self.name));
        }
    }
}

struct Server {
    options: ConnectOptions,
    /// The watchdog. It reads from a pipe that only this process holds open.
    _watchdog: Child,
}

/// Waits until the test process is gone, however it ended, then stops the server and cleans up.
const WATCHDOG: &str = r#"folder=$1; shift
"$@" >"$folder/server.log" 2>&1 &
server=$!
cat >/dev/null
kill -QUIT $server
wait $server
cd /
rm -rf "$folder"
"#;

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(start_server)
}

fn start_server() -> Server {
    let programs = binaries::find(None).unwrap_or_else(|missing| panic!("{missing}"));
    let run_as = ServerUser::for_this_process().unwrap_or_else(|refused| panic!("{refused}"));
    let folder = new_folder(run_as.as_ref());
    let data_dir = folder.join("data");
    let password = Secret::new("only for tests");
    initialize(&programs, run_as.as_ref(), &data_dir, "msv", &password)
        .unwrap_or_else(|refused| panic!("{refused}"));
    // Another process may take the port between finding it free and listening on it.
    for _ in 0..10 {
        let port = free_port();
        let text = settings::render(port, None, Durability::None);
        fs::write(data_dir.join("postgresql.auto.conf"), text).expect("the folder is ours");
        let mut watchdog = start_watchdog(&programs, run_as.as_ref(), &folder);
        let options = ConnectOptions {
            host: "127.0.0.1".into(),
            port,
            user: "msv".into(),
            password: password.clone(),
            dbname: "postgres".into(),
            sslmode: Some("disable".into()),
            ..ConnectOptions::default()
        };
        if wait_until_ready(&options) {
            return Server {
                options,
                _watchdog: watchdog,
            };
        }
        // Its input closes with the handle, and the server ends with it.
        drop(watchdog.stdin.take());
        let _ = watchdog.wait();
    }
    let mut log = String::new();
    if let Ok(mut file) = fs::File::open(folder.join("server.log")) {
        let _ = file.read_to_string(&mut log);
    }
    panic!("the test server does not start:\n{log}");
}

fn new_folder(run_as: Option<&ServerUser>) -> PathBuf {
    let folder = tempfile::Builder::new()
        .prefix("msv-test-")
        .permissions(fs::Permissions::from_mode(0o700))
        .tempdir()
        .expect("the system has a temporary folder")
        .keep();
    if let Some(user) = run_as {
        user.own(&folder).expect("root may give it away");
    }
    folder
}

fn start_watchdog(programs: &Binaries, run_as: Option<&ServerUser>, folder: &PathBuf) -> Child {
    let server = server_command(programs, run_as, &folder.join("data"));
    let mut command = Command::new("/bin/sh");
    if let Some(user) = run_as {
        user.apply(&mut command);
    }
    command
        .args(["-c", WATCHDOG, "watchdog"])
        .arg(folder)
        .arg(server.get_program())
        .args(server.get_args())
        .current_dir(folder)
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .expect("there is a shell")
}

fn wait_until_ready(options: &ConnectOptions) -> bool {
    let deadline = Instant::now() + Duration::from_secs(60);
    let attempt = ConnectOptions {
        retries: 0,
        ..options.clone()
    };
    while Instant::now() < deadline {
        match Session::connect(&attempt) {
            Ok(_) => return true,
            Err(error) if error.is_transient() => std::thread::sleep(Duration::from_millis(20)),
            Err(_) => return false,
        }
    }
    false
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    listener.local_addr().expect("it is bound").port()
}
