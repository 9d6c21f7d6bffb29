//! The lowest layer: httpd's and APR's objects, made safe to use. Nothing in this folder knows this module's
//! directives.
//!
//! * [`bindings`]: the declarations, generated from httpd's headers; [`boundary`]: no panic crosses it;
//! * [`module`], [`configuration`], [`command`]: this module's entry in httpd's vectors, the values of directives in
//!   it, and the rows of the table of directives;
//! * [`server`]: the main server and its virtual hosts; [`request`], [`table`], [`pool`], [`text`], [`words`],
//!   `expression`, [`encoding`]: a request and its parts;
//! * [`helper`]: a process beside the children;
//! * [`log`]: lines in the error log;
//! * [`hook`], [`provider`], [`loaded`]: calls between modules; [`tree`]: the directives as read;
//! * `file_owner`: mod_authz_owner; `late`: answers sent late;
//! * [`per_request`]: what is kept with a request;
//! * `proxy`, `body`, `answer_filter`: what mod_proxy is about to send, and the answer that comes;
//! * [`generation`]: differences between the interfaces of httpd 2.4 and 2.2.

#[cfg(httpd = "2.4")]
pub(crate) mod answer_filter;
pub(crate) mod bindings;
#[cfg(httpd = "2.4")]
pub(crate) mod body;
pub(crate) mod boundary;
pub(crate) mod command;
pub(crate) mod configuration;
pub(crate) mod encoding;
#[cfg(httpd = "2.4")]
pub(crate) mod expression;
#[cfg(httpd = "2.4")]
pub(crate) mod file_owner;
pub(crate) mod generation;
pub(crate) mod helper;
pub(crate) mod hook;
#[cfg(httpd = "2.4")]
pub(crate) mod late;
pub(crate) mod loaded;
pub(crate) mod log;
pub(crate) mod module;
pub(crate) mod per_request;
pub(crate) mod pool;
pub(crate) mod provider;
#[cfg(httpd = "2.4")]
pub(crate) mod proxy;
pub(crate) mod request;
pub(crate) mod server;
pub(crate) mod table;
pub(crate) mod text;
pub(crate) mod tree;
pub(crate) mod words;
