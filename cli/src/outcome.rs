//! The result of a command, which determines its exit status.

/// Whether all is well.
pub(crate) enum Outcome {
    Good,
    Bad,
}
