//! A real httpd for each test: started from a generated configuration in its own folder, on free ports, and removed
//! when the test ends, however it ends.

// Every test crate compiles this file and uses a part of it.
#![allow(dead_code)]

pub(crate) mod backend;
pub(crate) mod base64;
pub(crate) mod client;
pub(crate) mod crypt;
pub(crate) mod digest;
pub(crate) mod disk;
pub(crate) mod fleet;
pub(crate) mod httpd;
pub(crate) mod installation;
pub(crate) mod log;
pub(crate) mod md5;
pub(crate) mod memcheck;
pub(crate) mod memory;
pub(crate) mod ports;
pub(crate) mod process;
pub(crate) mod redis;
pub(crate) mod scratch;
