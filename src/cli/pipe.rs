//! Prints data and words of commands where the reader may go away, as in `msv ls | head`.

use std::fmt::Arguments;
use std::io::{ErrorKind, Write};

use super::voice::voice;

/// Writes data to standard output.
///
/// A reader that has seen enough ends the command quietly. Data that cannot be written otherwise,
/// as on a full disk, is a failure.
pub(super) fn write_stdout(text: Arguments<'_>) {
    let mut stdout = std::io::stdout().lock();
    let Err(error) = stdout.write_fmt(text).and_then(|()| stdout.flush()) else {
        return;
    };
    voice().end();
    if error.kind() == ErrorKind::BrokenPipe {
        std::process::exit(0);
    }
    write_stderr(format_args!(
        "error: the output cannot be written: {error}\n"
    ));
    std::process::exit(2);
}

/// Writes words to standard error; that nobody listens is no reason to stop.
pub(super) fn write_stderr(text: Arguments<'_>) {
    let _ = std::io::stderr().lock().write_fmt(text);
}
