//! A private local server: a project folder in, a running PostgreSQL on loopback out.
