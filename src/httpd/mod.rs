//! httpd's and APR's objects, made safe to use from here, and what differs between httpd 2.4 and 2.2.

pub(crate) mod bindings;
pub(crate) mod boundary;
pub(crate) mod generation;
pub(crate) mod log;
pub(crate) mod pool;
pub(crate) mod request;
pub(crate) mod words;
