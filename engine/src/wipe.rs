//! Leaving nothing of a secret on the stack.

use std::hint::black_box;

/// Overwrites `BYTES` of the stack below the caller: where functions that have returned may have left copies that they
/// could not wipe, such as of a value that was moved.
///
/// What used the secret must have been called from the same function as this, and not inlined into it.
#[inline(never)]
pub(crate) fn wipe_stack<const BYTES: usize>() {
    let mut below = [0u8; BYTES];
    // Keeps the compiler from finding out that nobody reads the zeros.
    black_box(&mut below);
}
