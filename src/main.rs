//! The `msv` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    msv::cli::main()
}
