//! A private local server: a project folder in, a running PostgreSQL on loopback out.
//!
//! 1. Find the server's programs, or fetch them ([`binaries`], [`install`]).
//! 2. Find a folder the server's user can enter ([`place`]), and make the cluster there.
//! 3. Write its settings ([`settings`]), start it detached, and remember where it is ([`cluster`]).
//!
//! The server outlives the command, so that the next command and a BI tool find it running.

pub mod binaries;
mod cluster;
mod install;
mod place;
mod process;
pub mod settings;
mod state;

pub use self::binaries::Binaries;
pub use self::cluster::{Cluster, Status};
pub use self::install::install;
pub use self::place::ServerUser;
pub use self::process::{initialize, server_command};
pub use self::settings::Durability;

/// Receives one line about each thing that takes a moment, for the person who waits.
pub type Progress<'a> = &'a mut dyn FnMut(&str);
