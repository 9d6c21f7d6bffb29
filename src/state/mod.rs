//! State that outlives a request: the files of a child process, the verdicts of the server and of its fleet, and the counted outcomes of
//! requests. And `answer`: answers in place of a back end's.

pub(crate) mod answer;
pub(crate) mod files;
pub(crate) mod fleet;
pub(crate) mod outcomes;
pub(crate) mod verdicts;
