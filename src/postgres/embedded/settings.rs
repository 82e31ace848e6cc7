//! The settings of a private server: sized by this machine's memory.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// How much a server may lose when the machine dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Nothing that was committed.
    Full,
    /// Everything: for databases that live as long as one test run.
    None,
}

/// Writes the settings file of a server on loopback.
///
/// `socket_dir` is left out when its path is too long for a Unix socket.
pub fn render(port: u16, socket_dir: Option<&Path>, durability: Durability) -> String {
    let memory_mb = memory_mb().unwrap_or(2048);
    let shared_mb = match durability {
        Durability::Full => (memory_mb / 4).clamp(32, 256),
        Durability::None => (memory_mb / 16).clamp(32, 128),
    };
    let work_mb = (memory_mb / 128).clamp(8, 64);
    let maintenance_mb = (memory_mb / 16).clamp(32, 256);
    let cache_mb = (memory_mb / 2).max(64);
    let sockets = socket_dir.map_or_else(String::new, |dir| dir.display().to_string());
    let mut text = String::from(
        "# Written by msv at every start; settings of your own go into postgresql.conf.\n",
    );
    let mut set = |name: &str, value: &str| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name} = '{}'", value.replace('\'', "''"));
    };
    set("listen_addresses", "127.0.0.1");
    set("port", &port.to_string());
    set("unix_socket_directories", &sockets);
    set("unix_socket_permissions", "0700");
    set("max_connections", "100");
    set("password_encryption", "scram-sha-256");
    set("cluster_name", "msv");
    set("shared_buffers", &format!("{shared_mb}MB"));
    set("work_mem", &format!("{work_mb}MB"));
    set("maintenance_work_mem", &format!("{maintenance_mb}MB"));
    set("effective_cache_size", &format!("{cache_mb}MB"));
    set("random_page_cost", "1.1");
    // Compiling a query takes longer than running most of ours.
    set("jit", "off");
    // There is no replica: new tables then need no log of their rows.
    set("wal_level", "minimal");
    set("max_wal_senders", "0");
    set("max_wal_size", "4GB");
    set("checkpoint_timeout", "15min");
    set("timezone", "UTC");
    set("log_timezone", "UTC");
    set("log_line_prefix", "%m [%p] %u@%d ");
    set("log_checkpoints", "off");
    if let Some(kind) = shared_memory_kind() {
        set("dynamic_shared_memory_type", kind);
    }
    match durability {
        Durability::Full => set("fsync", "on"),
        Durability::None => {
            for name in ["fsync", "synchronous_commit", "full_page_writes"] {
                set(name, "off");
            }
        }
    }
    text
}

/// Containers often give 64 MB for shared memory, which one parallel query uses up.
fn shared_memory_kind() -> Option<&'static str> {
    let facts = rustix::fs::statvfs("/dev/shm").ok()?;
    let free_bytes = facts.f_bavail.saturating_mul(facts.f_frsize);
    (free_bytes < 512 * 1024 * 1024).then_some("mmap")
}

/// This machine's memory, or that of the container when it is less.
fn memory_mb() -> Option<u64> {
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("MemTotal:"))?;
        let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
        Some(kilobytes / 1024)
    });
    let container = fs::read_to_string("/sys/fs/cgroup/memory.max")
        .ok()
        .and_then(|text| Some(text.trim().parse::<u64>().ok()? / (1024 * 1024)));
    match (machine, container) {
        (Some(machine), Some(container)) => Some(machine.min(container)),
        (machine, container) => machine.or(container),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_throw_away_server_gives_up_durability() {
        assert!(render(1, None, Durability::Full).contains("fsync = 'on'"));
        assert!(render(1, None, Durability::None).contains("fsync = 'off'"));
    }
}
