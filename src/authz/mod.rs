//! Authorization: `Require group` and `Require file-group`.

#[cfg(httpd = "2.2")]
pub(crate) mod v22;
#[cfg(httpd = "2.4")]
pub(crate) mod v24;
