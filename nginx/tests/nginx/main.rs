//! The module in real nginx servers, which the tests start.
//!
//! * `parity`, `differential`: beside nginx's own auth_basic, hand-written and generated;
//! * `promises`: what the module does beyond it; `hostile`: clients that guess; `routes`: the ways of a request through nginx;
//! * `fleet`, `fleet_counts`: several servers over one Redis, and their counts;
//! * `limits`: esauth_limit;
//! * `reports`: metrics, variables and log lines; `documentation`: docs/nginx.md.

#![cfg(nginx)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what fails while a test is set up fails the test"
)]

mod differential;
mod documentation;
mod fleet;
mod fleet_counts;
#[path = "../../../tests/harness/mod.rs"]
mod harness;
mod hostile;
mod http2;
mod limits;
mod pair;
mod parity;
mod promises;
mod reports;
mod routes;
mod server;
