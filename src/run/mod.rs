//! Run: compiled nodes in, relations in the database and events about them out.
