//! What lasts from one request to the next: the files of a child process, the verdicts of the server.

pub(crate) mod files;
pub(crate) mod verdicts;
