//! Comparison of two hashes.

use subtle::ConstantTimeEq;

/// Compares in a time that does not depend on where they differ.
pub(super) fn same(computed: &[u8], stored: &[u8]) -> bool {
    computed.ct_eq(stored).into()
}
