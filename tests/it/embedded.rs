//! The private local server of a project: made, found, killed, copied.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use msv::postgres::Session;
use msv::postgres::embedded::Cluster;

/// A project folder that every user may enter, and whose server stops with the test.
struct Project {
    folder: tempfile::TempDir,
}

impl Project {
    fn new() -> Project {
        let folder = tempfile::Builder::new()
            .prefix("msv-project-")
            .permissions(fs::Permissions::from_mode(0o755))
            .tempdir()
            .expect("the system has a temporary folder");
        Project { folder }
    }

    fn cluster(&self) -> Cluster {
        Cluster::of_project(self.folder.path())
    }

    fn home(&self) -> std::path::PathBuf {
        self.folder.path().join(".msv/postgres")
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        let _ = self.cluster().stop();
    }
}

fn port_of(cluster: &Cluster) -> u16 {
    let options = cluster
        .ensure_running(&mut |_| {})
        .unwrap_or_else(|refused| panic!("{refused}"));
    Session::connect(&options)
        .expect("it runs")
        .execute("select 1")
        .expect("it answers");
    options.port
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("it exists").mode() & 0o777
}

#[test]
fn a_server_is_made_once_found_again_and_survives_a_kill() {
    let project = Project::new();
    let cluster = project.cluster();
    let mut said = Vec::new();
    cluster
        .ensure_running(&mut |line| said.push(line.to_owned()))
        .unwrap_or_else(|refused| panic!("{refused}"));
    assert_eq!(said.len(), 2, "{said:?}");
    assert_eq!(mode(&project.home().join("password")), 0o600);
    assert_eq!(mode(&project.home().join("cluster")), 0o700);
    let port = port_of(&cluster);

    let first = cluster.status();
    assert_eq!(port_of(&project.cluster()), port);
    assert_eq!(cluster.status(), first);

    let pid = first
        .pid
        .and_then(rustix::process::Pid::from_raw)
        .expect("it runs");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("it is ours");
    while cluster.status().is_running {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    assert_eq!(port_of(&cluster), port);

    assert!(cluster.stop().expect("it runs"));
    assert!(!cluster.stop().expect("it does not run"));
    assert_eq!(port_of(&cluster), port);
}

#[test]
fn commands_that_come_at_once_end_with_one_server() {
    let project = Project::new();
    let ports: Vec<u16> = std::thread::scope(|scope| {
        let starts: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| port_of(&project.cluster())))
            .collect();
        starts
            .into_iter()
            .map(|start| start.join().expect("no panic"))
            .collect()
    });
    assert!(ports.iter().all(|port| *port == ports[0]), "{ports:?}");
}

#[test]
fn a_port_that_is_taken_is_left_alone() {
    let project = Project::new();
    let cluster = project.cluster();
    let port = port_of(&cluster);
    assert!(cluster.stop().expect("it runs"));
    let squatter = std::net::TcpListener::bind(("127.0.0.1", port)).expect("it is free");
    let other = port_of(&cluster);
    assert_ne!(other, port);
    drop(squatter);
    assert!(cluster.stop().expect("it runs"));
    assert_eq!(port_of(&cluster), other);
}

#[test]
fn a_copied_project_gets_a_server_of_its_own() {
    let project = Project::new();
    let copy = Project::new();
    let port = port_of(&project.cluster());
    let status = std::process::Command::new("cp")
        .arg("-a")
        .arg(project.folder.path().join(".msv"))
        .arg(copy.folder.path())
        .status()
        .expect("cp is there");
    assert!(status.success());
    assert_ne!(port_of(&copy.cluster()), port);
    assert_eq!(port_of(&project.cluster()), port);
    assert_ne!(
        copy.cluster().status().data_dir,
        project.cluster().status().data_dir
    );
}
