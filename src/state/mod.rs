//! What lasts from one request to the next: the files of a child process, the verdicts of the server, and the counting of
//! how its requests came out.

pub(crate) mod files;
pub(crate) mod outcomes;
pub(crate) mod verdicts;
