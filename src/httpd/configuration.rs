//! The values of directives as httpd stores them: a structure for each section of the configuration and one for each
//! server, in httpd's pools, at this module's position in their vectors.

use std::ffi::{c_char, c_void};
use std::ptr::{self, NonNull, null_mut};

use crate::httpd::bindings::{ap_conf_vector_t, apr_pool_t, server_rec};
use crate::httpd::boundary::guard;
use crate::httpd::module;
use crate::httpd::pool::Pool;
use crate::httpd::request::Request;

/// The owner of a structure.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// `<Location>`, `<Directory>`, `<Proxy>`, `.htaccess` …
    Section,
    /// The main server or a virtual host.
    Server,
}

/// A structure filled by directives.
///
/// # Safety
///
/// The module's record has [`create_dir_config`] and [`merge_dir_config`] for the one type that belongs to sections,
/// and [`create_server_config`] for the one that belongs to servers.
pub(crate) unsafe trait Configuration: 'static {
    /// The structure in a pool that lives for `'p`.
    type In<'p>: Copy;

    /// The owner of the structure.
    const OWNER: Owner;

    /// The values before any directive is read.
    fn empty<'p>() -> Self::In<'p>;

    /// The values in effect in a section inside another, `None` if they are those of `inner`.
    fn merge<'p>(outer: &Self::In<'p>, inner: &Self::In<'p>) -> Option<Self::In<'p>>;
}

/// Called for a section that contains a directive of this module.
pub(crate) unsafe extern "C" fn create_dir_config<C: Configuration>(
    pool: *mut apr_pool_t,
    _folder: *mut c_char,
) -> *mut c_void {
    create::<C>(pool)
}

/// Called for a server.
pub(crate) unsafe extern "C" fn create_server_config<C: Configuration>(
    pool: *mut apr_pool_t,
    _server: *mut server_rec,
) -> *mut c_void {
    create::<C>(pool)
}

fn create<C: Configuration>(pool: *mut apr_pool_t) -> *mut c_void {
    guard(null_mut(), || {
        let Some(pool) = NonNull::new(pool) else { return null_mut() };
        // SAFETY: httpd's pool for the configuration, in its single thread, or that of a request with a .htaccess file.
        let pool = unsafe { Pool::new(pool) };
        ptr::from_mut(pool.value(C::empty())).cast()
    })
}

/// Called for a section inside another.
pub(crate) unsafe extern "C" fn merge_dir_config<C: Configuration>(
    pool: *mut apr_pool_t,
    outer: *mut c_void,
    inner: *mut c_void,
) -> *mut c_void {
    guard(inner, || {
        let Some(pool) = NonNull::new(pool) else { return inner };
        // SAFETY: both come from `create_dir_config` or from here; the pool is the configuration's or the request's.
        let (pool, outer, both) = unsafe { (Pool::new(pool), &*outer.cast(), &*inner.cast()) };
        C::merge(outer, both).map_or(inner, |merged| ptr::from_mut(pool.value(merged)).cast())
    })
}

/// The values in effect for a request.
pub(crate) fn of_request<C: Configuration>(request: Request<'_>) -> &C::In<'_> {
    // SAFETY: httpd has stored the result of `create_dir_config` or `merge_dir_config` in this module's entry, and
    // keeps it as long as the request.
    unsafe { &*in_vector::<C>(request.dir_config()) }
}

/// The values in effect for a server, `None` if it has no directive of this module.
pub(crate) fn of_server<C: Configuration>(server: &server_rec) -> Option<&C::In<'_>> {
    // SAFETY: httpd has stored null or the result of `create_server_config` in this module's entry, and keeps it as
    // long as the server.
    unsafe { in_vector::<C>(server.module_config).as_ref() }
}

/// The structure in its owner's vector.
///
/// # Safety
///
/// The vector is one of httpd's, with an entry for every module.
pub(super) unsafe fn in_vector<'p, C: Configuration>(vector: *mut ap_conf_vector_t) -> *mut C::In<'p> {
    // SAFETY: as the caller promises.
    unsafe { module::entry(vector).read() }.cast()
}
