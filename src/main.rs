//! The `msv` program.

use std::process::ExitCode;

/// Half the work of reading a project is small allocations from several threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    msv::cli::main()
}
