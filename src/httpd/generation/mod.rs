//! Everything that differs between httpd 2.4 and httpd 2.2; build.rs says which one this is built for.
//!
//! Both offer the same names: [`tag`], [`auth_type`], [`client_address`], [`register_hooks`], [`register_providers`],
//! [`is_configuration_test`], [`run_user`], [`verifies_by_digest`], [`check_by_digest`], [`too_many_requests`], `HTTPD`,
//! `LINE_RULES`, `LONG_PASSWORD_LINE`, `LONG_GROUP_LINE`, `SPACES_BEFORE_CREDENTIALS` and `EMPTY_WORD_ENDS`.

#[cfg(httpd = "2.2")]
mod v22;
#[cfg(httpd = "2.4")]
mod v24;

#[cfg(httpd = "2.2")]
pub(crate) use v22::*;
#[cfg(httpd = "2.4")]
pub(crate) use v24::*;
