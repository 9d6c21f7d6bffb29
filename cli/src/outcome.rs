//! What a command has found, which its exit status tells.

/// Whether all is well.
pub(crate) enum Outcome {
    Good,
    Bad,
}
