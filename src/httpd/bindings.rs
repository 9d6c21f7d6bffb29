//! The declarations of httpd and APR that this module uses, generated from their headers by build.rs.

#![allow(missing_docs, non_camel_case_types, non_upper_case_globals, unreachable_pub)]
#![allow(dead_code, reason = "the list in build.rs serves both httpd generations")]
#![allow(clippy::all, clippy::undocumented_unsafe_blocks)]
#![allow(unknown_lints, reason = "bindgen allows lints that the oldest Rust does not know")]

include!(concat!(env!("OUT_DIR"), "/bindings.rs"));
