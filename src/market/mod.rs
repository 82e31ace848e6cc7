//! Orders and trades in: files decoded, a book built, events stamped and copied.
