//! The declarations of nginx that this module uses, generated from nginx's headers.

#![allow(
    non_camel_case_types,
    non_upper_case_globals,
    non_snake_case,
    missing_docs,
    unreachable_pub,
    dead_code,
    clippy::all,
    clippy::undocumented_unsafe_blocks,
    unsafe_op_in_unsafe_fn,
    unknown_lints,
    reason = "generated"
)]

include!(concat!(env!("OUT_DIR"), "/bindings.rs"));
