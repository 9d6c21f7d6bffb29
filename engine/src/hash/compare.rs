//! Whether two hashes are the same.

use subtle::ConstantTimeEq;

/// Equality in a time that does not depend on where they differ.
pub(super) fn same(computed: &[u8], stored: &[u8]) -> bool {
    computed.ct_eq(stored).into()
}
