//! Differences between the interfaces of httpd 2.4 and httpd 2.2; build.rs chooses the one to build for.
//!
//! Both offer the same names: [`HTTPD`], [`LINE_RULES`], [`tag`], [`hook_authentication`], [`hook_before_authorization`],
//! [`register_provider`],
//! [`too_many_requests`], [`is_configuration_test`] and [`run_user`].

#[cfg(httpd = "2.2")]
mod v22;
#[cfg(httpd = "2.4")]
mod v24;

#[cfg(httpd = "2.2")]
pub(crate) use v22::*;
#[cfg(httpd = "2.4")]
pub(crate) use v24::*;
