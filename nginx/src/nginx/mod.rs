//! The lowest layer: nginx's objects, made safe to use. Nothing in this folder knows this module's directives.
//!
//! * [`bindings`]: the declarations, generated from nginx's headers; [`boundary`]: no panic crosses it; [`module`]: this module;
//! * [`text`]: nginx's strings; [`status`]: what handlers return;
//! * [`configuration`]: reading directives, and values with variables; [`pool`]: memory of a request or configuration;
//! * [`request`], [`variable`]: a request and its parts, and variables;
//! * [`log`], [`lines`]: lines in the error log, of the event loop and of other threads;
//! * [`thread`]: work in the thread pool; [`descriptor`], [`timer`]: the event loop; [`process`], [`local`]: the process, and state of a worker.

pub(crate) mod bindings;
pub(crate) mod boundary;
pub(crate) mod configuration;
pub(crate) mod descriptor;
pub(crate) mod lines;
pub(crate) mod local;
pub(crate) mod log;
pub(crate) mod module;
pub(crate) mod pool;
pub(crate) mod process;
pub(crate) mod request;
pub(crate) mod status;
pub(crate) mod text;
pub(crate) mod thread;
pub(crate) mod timer;
pub(crate) mod variable;
