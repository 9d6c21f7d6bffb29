//! A request as httpd hands it to a hook or provider.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::marker::PhantomData;
use std::ptr::NonNull;

use crate::config::DirConfig;
use crate::httpd::bindings::{
    self, ap_auth_name, ap_auth_type, ap_rwrite, ap_set_content_type, apr_status_t, apr_table_get, apr_table_setn,
    apr_table_t, apr_table_unset, esauth_log_request, esauth_request_logs, request_rec,
};
use crate::httpd::log::{Level, Place};
use crate::httpd::pool::Pool;
use crate::module_index;

/// A request, for as long as the call that it came with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Request<'r> {
    raw: NonNull<request_rec>,
    lives: PhantomData<&'r ()>,
}

impl<'r> Request<'r> {
    /// # Safety
    /// `raw` is a request of httpd's that lives for `'r` and that no other thread touches meanwhile.
    pub(crate) unsafe fn new(raw: *mut request_rec) -> Option<Self> {
        NonNull::new(raw).map(|raw| Request { raw, lives: PhantomData })
    }

    pub(crate) fn as_ptr(self) -> *mut request_rec {
        self.raw.as_ptr()
    }

    pub(crate) fn pool(self) -> Pool<'r> {
        // SAFETY: a request has a pool, which lives as long and belongs to the same thread.
        unsafe { Pool::new(NonNull::new_unchecked((*self.as_ptr()).pool)) }
    }

    /// What this module's directives say about the request.
    pub(crate) fn config(self) -> &'r DirConfig {
        // SAFETY: a configuration vector is an array of pointers, one for each module at its index; httpd has filled
        // ours with what `create_dir_config` or `merge_dir_config` returned, and keeps it as long as the request.
        unsafe {
            let vector = (*self.as_ptr()).per_dir_config.cast::<*const DirConfig>();
            &**vector.add(module_index() as usize)
        }
    }

    /// The name the client gave, whether verified or not.
    pub(crate) fn user(self) -> Option<&'r CStr> {
        // SAFETY: null or a C string in the request's pool.
        unsafe { c_str((*self.as_ptr()).user) }
    }

    pub(crate) fn set_user(self, user: &'r CStr) {
        // SAFETY: the request is ours to change during a hook, and the name lives as long as it does. httpd's type is
        // without const, but no one writes through it.
        unsafe { (*self.as_ptr()).user = user.as_ptr().cast_mut() }
    }

    pub(crate) fn set_auth_type(self, auth_type: &'r CStr) {
        // SAFETY: as for `set_user`.
        unsafe { (*self.as_ptr()).ap_auth_type = auth_type.as_ptr().cast_mut() }
    }

    pub(crate) fn uri(self) -> &'r CStr {
        // SAFETY: null or a C string in the request's pool.
        unsafe { c_str((*self.as_ptr()).uri) }.unwrap_or(c"")
    }

    /// True where the client uses httpd as a forward proxy: other header names and another status apply then.
    pub(crate) fn is_forward_proxy(self) -> bool {
        // SAFETY: reads an integer of a live request.
        let proxyreq = unsafe { (*self.as_ptr()).proxyreq };
        proxyreq as u32 == bindings::PROXYREQ_PROXY
    }

    /// `AuthType`, as written.
    pub(crate) fn auth_type(self) -> Option<&'r CStr> {
        // SAFETY: httpd's function on a live request; the text lives in its pool or the configuration's.
        unsafe { c_str(ap_auth_type(self.as_ptr())) }
    }

    /// `AuthName`: the realm.
    pub(crate) fn auth_name(self) -> Option<&'r CStr> {
        // SAFETY: as for `auth_type`.
        unsafe { c_str(ap_auth_name(self.as_ptr())) }
    }

    /// The request that this one belongs to, where httpd itself asks on the side.
    pub(crate) fn main(self) -> Option<Self> {
        // SAFETY: null, or a request that lives as long as this one, in the same thread.
        unsafe { Request::new((*self.as_ptr()).main) }
    }

    /// The request that was redirected, within the server, to this one.
    pub(crate) fn previous(self) -> Option<Self> {
        // SAFETY: as for `main`.
        unsafe { Request::new((*self.as_ptr()).prev) }
    }

    /// The one that this request was redirected to last; itself where it was not.
    pub(crate) fn last(self) -> Self {
        let mut last = self;
        // SAFETY: as for `main`.
        while let Some(next) = unsafe { Request::new((*last.as_ptr()).next) } {
            last = next;
        }
        last
    }

    /// The status of the answer, as of now.
    pub(crate) fn status(self) -> c_int {
        // SAFETY: reads an integer of a live request.
        unsafe { (*self.as_ptr()).status }
    }

    /// The method: one of httpd's numbers.
    pub(crate) fn method_number(self) -> c_int {
        // SAFETY: as for `status`.
        unsafe { (*self.as_ptr()).method_number }
    }

    /// Says in the answer that no other method will do.
    pub(crate) fn allow_only(self, method: c_int) {
        // SAFETY: the request is ours to change during a hook, and has such a list as long as it lives.
        unsafe { (*(*self.as_ptr()).allowed_methods).method_mask = 1 << method }
    }

    /// `SetHandler`.
    pub(crate) fn handler(self) -> Option<&'r CStr> {
        // SAFETY: null or a C string that lives as long as the request.
        unsafe { c_str((*self.as_ptr()).handler) }
    }

    pub(crate) fn set_content_type(self, content_type: &'static CStr) {
        // SAFETY: httpd's function on a live request, with a text that outlives it.
        unsafe { ap_set_content_type(self.as_ptr(), content_type.as_ptr()) }
    }

    /// Writes a part of the answer's body. Where the client has gone away, to nobody.
    pub(crate) fn write(self, bytes: &[u8]) {
        // SAFETY: httpd's function on a live request; it copies the bytes.
        unsafe { ap_rwrite(bytes.as_ptr().cast(), bytes.len() as c_int, self.as_ptr()) };
    }

    /// What this module has kept with the request; null at first.
    pub(crate) fn module_data(self) -> *mut c_void {
        // SAFETY: a request's vector of pointers, one for each module at its index, made with the request.
        unsafe { (*self.as_ptr()).request_config.cast::<*mut c_void>().add(module_index() as usize).read() }
    }

    pub(crate) fn set_module_data(self, data: *mut c_void) {
        // SAFETY: as for `module_data`; the place is this module's own.
        unsafe { (*self.as_ptr()).request_config.cast::<*mut c_void>().add(module_index() as usize).write(data) }
    }

    /// What this module has kept with the request's connection; null at first.
    pub(crate) fn connection_data(self) -> *mut c_void {
        // SAFETY: a live request's connection, which has such a vector as a request has.
        unsafe { (*(*self.as_ptr()).connection).conn_config.cast::<*mut c_void>().add(module_index() as usize).read() }
    }

    pub(crate) fn set_connection_data(self, data: *mut c_void) {
        // SAFETY: as for `connection_data`; the place is this module's own, and only this thread serves the connection.
        unsafe {
            let vector = (*(*self.as_ptr()).connection).conn_config.cast::<*mut c_void>();
            vector.add(module_index() as usize).write(data);
        }
    }

    /// Memory that lasts as long as the connection.
    pub(crate) fn connection_pool(self) -> Pool<'r> {
        // SAFETY: a connection has a pool, which lives as long, longer than the request, and belongs to the same thread.
        unsafe { Pool::new(NonNull::new_unchecked((*(*self.as_ptr()).connection).pool)) }
    }

    /// Headers of the request.
    pub(crate) fn headers_in(self) -> Table<'r> {
        // SAFETY: a request has this table as long as it lives.
        unsafe { Table::new((*self.as_ptr()).headers_in) }
    }

    /// Headers of the response.
    pub(crate) fn headers_out(self) -> Table<'r> {
        // SAFETY: as for `headers_in`.
        unsafe { Table::new((*self.as_ptr()).headers_out) }
    }

    /// Headers that the response carries also when it is an error.
    pub(crate) fn err_headers_out(self) -> Table<'r> {
        // SAFETY: as for `headers_in`.
        unsafe { Table::new((*self.as_ptr()).err_headers_out) }
    }

    /// What modules tell each other about the request.
    pub(crate) fn notes(self) -> Table<'r> {
        // SAFETY: as for `headers_in`.
        unsafe { Table::new((*self.as_ptr()).notes) }
    }

    /// Writes a line to the error log; see [`crate::httpd::log::log_request`]. Composes it only where its level is logged.
    pub(crate) fn log(self, place: Place, level: Level, status: apr_status_t, parts: &[&[u8]]) {
        // SAFETY: a live request, and C strings that outlive the calls.
        unsafe {
            if esauth_request_logs(self.as_ptr(), module_index(), level.raw()) == 0 {
                return;
            }
            let message = self.pool().join(parts);
            let (file, line) = (place.file.as_ptr(), place.line);
            esauth_log_request(file, line, module_index(), level.raw(), status, self.as_ptr(), message.as_ptr());
        }
    }
}

/// An APR table of a request: text by name, names without regard to case.
#[derive(Clone, Copy)]
pub(crate) struct Table<'r> {
    raw: *mut apr_table_t,
    lives: PhantomData<&'r ()>,
}

impl<'r> Table<'r> {
    /// # Safety
    /// `raw` is a table that lives for `'r` and belongs to this thread.
    unsafe fn new(raw: *mut apr_table_t) -> Self {
        Table { raw, lives: PhantomData }
    }

    pub(crate) fn get(self, name: &CStr) -> Option<&'r CStr> {
        // SAFETY: a live table; its texts live in the request's pool.
        unsafe { c_str(apr_table_get(self.raw, name.as_ptr())) }
    }

    /// Sets `name`, a text of this library that outlives every request, to `value`.
    pub(crate) fn set(self, name: &'static CStr, value: &'r CStr) {
        // SAFETY: a live table, which keeps the two pointers; both texts live as long as it.
        unsafe { apr_table_setn(self.raw, name.as_ptr(), value.as_ptr()) }
    }

    pub(crate) fn unset(self, name: &CStr) {
        // SAFETY: a live table.
        unsafe { apr_table_unset(self.raw, name.as_ptr()) }
    }
}

/// A text of httpd's, if there is one.
///
/// # Safety
/// `raw` is null or a C string that lives, unchanged, for `'a`.
pub(crate) unsafe fn c_str<'a>(raw: *const c_char) -> Option<&'a CStr> {
    // SAFETY: as the caller promises.
    (!raw.is_null()).then(|| unsafe { CStr::from_ptr(raw) })
}
