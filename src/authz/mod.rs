//! Authorization: `Require group` and `Require file-group`, as providers of mod_authz_core in httpd 2.4 (`v24`) and as a
//! hook in 2.2 (`v22`). Both ask [`groups`]. And [`limits`]: EsAuthLimit, before either.

mod groups;
pub(crate) mod limits;
#[cfg(httpd = "2.2")]
pub(crate) mod v22;
#[cfg(httpd = "2.4")]
pub(crate) mod v24;
