//! Connections on which nothing comes: a server that vanished, one that works for long, and a client
//! that waits for its turn.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::shop::Shop;
use crate::trouble::{SLOW, output, waiting};

#[derive(Clone, Copy, PartialEq)]
enum Swallowing {
    /// The client's connection ends in place of the answer.
    Break,
    /// Nothing comes any more, as from a firewall that has forgotten the connection.
    Silence,
}

/// Passes everything on between a client and a server, until the first commit has reached the
/// server and before its answer has reached the client.
fn commit_swallower(server: u16, swallowing: Swallowing) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let is_armed = Arc::new(AtomicBool::new(true));
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let client = client.unwrap();
            let server = TcpStream::connect(("127.0.0.1", server)).unwrap();
            let is_mute = Arc::new(AtomicBool::new(false));
            let (mut to_client, mut from_server) =
                (client.try_clone().unwrap(), server.try_clone().unwrap());
            let mutes = Arc::clone(&is_mute);
            std::thread::spawn(move || {
                let mut bytes = [0; 8192];
                while let Ok(count @ 1..) = from_server.read(&mut bytes) {
                    if mutes.load(Ordering::SeqCst) && swallowing == Swallowing::Silence {
                        continue;
                    }
                    if mutes.load(Ordering::SeqCst) {
                        let _ = to_client.shutdown(Shutdown::Both);
                        break;
                    }
                    if to_client.write_all(&bytes[..count]).is_err() {
                        break;
                    }
                }
            });
            let (mut from_client, mut to_server) = (client, server);
            let is_armed = Arc::clone(&is_armed);
            std::thread::spawn(move || {
                let mut bytes = [0; 8192];
                while let Ok(count @ 1..) = from_client.read(&mut bytes) {
                    let sent = &bytes[..count];
                    if sent.ends_with(b"commit\0") && is_armed.swap(false, Ordering::SeqCst) {
                        is_mute.store(true, Ordering::SeqCst);
                    }
                    if to_server.write_all(sent).is_err() {
                        break;
                    }
                }
                let _ = to_server.shutdown(Shutdown::Both);
            });
        }
    });
    port
}

#[test]
fn rows_whose_commit_was_not_answered_are_not_added_twice() {
    let mut shop = Shop::new(&[(
        "models/history.sql",
        "{{ config(materialized='incremental', incremental_strategy='append') }} select 1 as id",
    )]);
    shop.quietly("msv build");
    let profile = std::fs::read_to_string(shop.path().join("profiles.yml")).unwrap();
    let port = shop.value("select current_setting('port')");
    for (rows, swallowing) in [("2", Swallowing::Break), ("3", Swallowing::Silence)] {
        let swallower = commit_swallower(port.parse().unwrap(), swallowing);
        let through = format!("port: {swallower}\n      keepalives_idle: 1");
        let profile = profile.replace(&format!("port: {port}"), &through);
        shop.write("profiles.yml", &profile);
        shop.quietly("msv build");
        assert_eq!(shop.value("select count(*) from analytics.history"), rows);
    }
    let log = std::fs::read_to_string(shop.path().join("logs/dbt.log")).unwrap();
    assert_eq!(
        log.matches("On model.shop.history: select pg_catalog.txid_status")
            .count(),
        2,
        "the commits were answered"
    );
    // The server was told that nobody listens: no lock and no claim is left.
    shop.wait_until("select count(*) = 1 from pg_stat_activity where datname = current_database()");
}

#[test]
fn a_server_that_works_for_long_is_not_taken_for_one_that_is_gone() {
    let shop = Shop::new(&[("models/slow.sql", SLOW)]);
    let profile = std::fs::read_to_string(shop.path().join("profiles.yml")).unwrap();
    let hasty = profile.replace("port:", "keepalives_idle: 1\n      port:");
    shop.write("profiles.yml", &hasty);
    let (mut gate, build) = waiting(&shop, "msv build");
    std::thread::sleep(std::time::Duration::from_secs(5));
    gate.execute("select pg_advisory_unlock(1)").unwrap();
    let (is_success, said) = output(build);
    assert!(is_success && !said.contains("again"), "{said}");
}

#[test]
fn a_connection_that_waits_for_its_turn_is_not_ended_for_being_idle() {
    let shop = Shop::new(&[
        ("models/slow.sql", SLOW),
        ("models/other.sql", "select 1 as id"),
    ]);
    let database = shop.value("select current_database()");
    shop.execute(&format!(
        "alter database {database} set idle_session_timeout = '50ms'"
    ));
    let (mut gate, build) = waiting(&shop, "MSV_THREADS=2 msv build --publish together");
    std::thread::sleep(std::time::Duration::from_millis(200));
    gate.execute("select pg_advisory_unlock(1)").unwrap();
    let (is_success, said) = output(build);
    assert!(is_success && !said.contains("again"), "{said}");
}

#[test]
fn a_second_ctrl_c_ends_a_build_whose_server_is_stuck() {
    // A table would be built in a group, whose statements end by themselves.
    let model = SLOW.replace("'table'", "'incremental'");
    let shop = Shop::new(&[("models/slow.sql", &model)]);
    let port = shop.value("select current_setting('port')");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let profile = std::fs::read_to_string(shop.path().join("profiles.yml")).unwrap();
    let through = format!("port: {}", listener.local_addr().unwrap().port());
    shop.write(
        "profiles.yml",
        &profile.replace(&format!("port: {port}"), &through),
    );
    let is_stuck = Arc::new(AtomicBool::new(false));
    let stuck = Arc::clone(&is_stuck);
    std::thread::spawn(move || {
        let mut waiting = Vec::new();
        for client in listener.incoming() {
            let client = client.unwrap();
            if stuck.load(Ordering::SeqCst) {
                waiting.push(client);
                continue;
            }
            let server = TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
            for (mut from, mut to) in [
                (client.try_clone().unwrap(), server.try_clone().unwrap()),
                (server, client),
            ] {
                std::thread::spawn(move || {
                    let _ = std::io::copy(&mut from, &mut to);
                    let _ = to.shutdown(Shutdown::Both);
                });
            }
        }
    });
    let (_gate, build) = waiting(&shop, "msv build");
    is_stuck.store(true, Ordering::SeqCst);
    let interrupt = || {
        let pid = Pid::from_raw(i32::try_from(build.id()).unwrap()).unwrap();
        kill_process(pid, Signal::INT).unwrap();
    };
    interrupt();
    std::thread::sleep(std::time::Duration::from_millis(500));
    interrupt();
    let (is_success, said) = output(build);
    assert!(!is_success && said.contains("ended at once"), "{said}");
}
