//! A server's C headers for Rust: the part that the build scripts of the modules have in common.

use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

/// The items of a server's API that a module uses, as bindgen's patterns.
pub(crate) struct Items {
    pub(crate) functions: &'static [&'static str],
    pub(crate) types: &'static [&'static str],
    pub(crate) variables: &'static [&'static str],
}

/// A build of C code with these flags for the preprocessor.
pub(crate) fn c_build(flags: &[String]) -> cc::Build {
    let mut build = cc::Build::new();
    for flag in flags {
        build.flag(flag);
    }
    build
}

/// Writes `bindings.rs` for the items that `header` declares, or says why not. `server`: its name, for that.
pub(crate) fn generate(header: &str, flags: &[String], items: &Items, server: &str) -> Result<(), String> {
    let mut builder = bindgen::Builder::default()
        .header(header)
        .clang_args(flags)
        .layout_tests(false)
        .generate_comments(false)
        .derive_debug(false)
        .prepend_enum_name(false)
        .merge_extern_blocks(true)
        .rust_edition(bindgen::RustEdition::Edition2024);
    for name in items.functions {
        builder = builder.allowlist_function(name);
    }
    for name in items.types {
        builder = builder.allowlist_type(name);
    }
    for name in items.variables {
        builder = builder.allowlist_var(name);
    }
    // A missing libclang makes bindgen panic; its message is caught here and explained.
    let generated = catch_unwind(AssertUnwindSafe(|| builder.generate()));
    let bindings = generated
        .map_err(|_| "libclang, which bindgen reads C headers with, cannot be loaded".to_owned())?
        .map_err(|error| format!("the bindings to {server}'s headers cannot be generated: {error}"))?;
    bindings
        .write_to_file(out_folder()?.join("bindings.rs"))
        .map_err(|error| format!("the bindings cannot be written: {error}"))
}

/// Where cargo wants what a build script makes.
pub(crate) fn out_folder() -> Result<PathBuf, String> {
    env::var_os("OUT_DIR")
        .map(PathBuf::from)
        .ok_or_else(|| "OUT_DIR is not set: build.rs is for cargo to run".to_owned())
}
