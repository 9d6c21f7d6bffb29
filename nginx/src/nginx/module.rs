//! This module's place among those of nginx.

use super::bindings::ngx_module_t;

unsafe extern "C" {
    /// Defined in `lib.rs`, with the functions of all layers.
    static ngx_http_esauth_module: ngx_module_t;
}

/// The module's index among the configurations of HTTP modules.
pub(crate) fn index() -> usize {
    // SAFETY: written by nginx before it calls the module.
    unsafe { (&raw const ngx_http_esauth_module.ctx_index).read() }
}
