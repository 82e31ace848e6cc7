//! Read: files in, declarations out; nothing is resolved here.
