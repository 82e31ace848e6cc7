//! What this process has cost so far, where the system tells.

use std::fs;

/// Times and memory of this process.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Resources {
    pub user_seconds: f64,
    pub kernel_seconds: f64,
    pub memory_peak_kib: u64,
}

impl Resources {
    /// Reads `/proc`, which Linux has; elsewhere nothing is known.
    pub fn of_process() -> Option<Resources> {
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        let status = fs::read_to_string("/proc/self/status").ok()?;
        Resources::read(&stat, &status, rustix::param::clock_ticks_per_second())
    }

    /// Source: proc(5): fields 14 and 15 of `stat` are clock ticks, `VmHWM` of `status` is KiB.
    fn read(stat: &str, status: &str, ticks_per_second: u64) -> Option<Resources> {
        // The second field is the program's name in brackets and may hold spaces.
        let (_, fields) = stat.rsplit_once(") ")?;
        let mut times = fields.split(' ').skip(11).map(str::parse::<u64>);
        let mut seconds = || Some(times.next()?.ok()? as f64 / ticks_per_second as f64);
        let peak = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))?;
        Some(Resources {
            user_seconds: seconds()?,
            kernel_seconds: seconds()?,
            memory_peak_kib: peak.trim().strip_suffix(" kB")?.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_brackets_hides_no_field() {
        let stat = "7 (a) b) R 1 7 7 0 -1 4194560 1 0 0 0 150 25 0 0 20 0 1 0 5 6 7";
        let status = "Name:\ta) b\nVmHWM:\t    2048 kB\nVmRSS:\t 1024 kB\n";
        let expected = Resources {
            user_seconds: 1.5,
            kernel_seconds: 0.25,
            memory_peak_kib: 2048,
        };
        assert_eq!(Resources::read(stat, status, 100), Some(expected));
        assert_eq!(Resources::read("", status, 100), None);
    }
}
