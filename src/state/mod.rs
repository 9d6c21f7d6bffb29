//! State that outlives a request: the files of a child process, the verdicts of the server, and the counted outcomes of
//! requests.

pub(crate) mod files;
pub(crate) mod outcomes;
pub(crate) mod verdicts;
