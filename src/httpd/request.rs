//! A request as httpd passes it to a hook or provider.

use std::cell::Cell;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::marker::PhantomData;
use std::ptr::{self, NonNull};

use crate::httpd::bindings::{
    self, ap_auth_name, ap_auth_type, ap_conf_vector_t, ap_rwrite, ap_set_content_type, apr_status_t, apr_table_t,
    conn_rec, esauth_log_request, esauth_request_logs, request_rec,
};
use crate::httpd::log::{Level, Location};
use crate::httpd::module;
use crate::httpd::pool::Pool;
use crate::httpd::table::Table;
use crate::httpd::text::c_str;

/// The type of this module's data on a connection.
///
/// # Safety
///
/// No other type of this module is one.
pub(crate) unsafe trait ConnectionData: 'static {}

/// A request of httpd's, for the duration of the call that passed it; no other thread uses it meanwhile.
#[repr(transparent)]
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Request<'r> {
    raw: NonNull<request_rec>,
    lives: PhantomData<&'r ()>,
}

impl<'r> Request<'r> {
    /// # Safety
    ///
    /// `filter` is a live filter of a request that lives for `'r` and that no other thread uses meanwhile.
    #[cfg(httpd = "2.4")]
    pub(super) unsafe fn of_filter(filter: *const bindings::ap_filter_t) -> Option<Self> {
        // SAFETY: as the caller promises.
        NonNull::new(unsafe { (*filter).r }).map(|raw| Request { raw, lives: PhantomData })
    }

    pub(crate) fn as_ptr(self) -> *mut request_rec {
        self.raw.as_ptr()
    }

    /// The value of a field.
    fn get<T: Copy>(self, field: impl FnOnce(&request_rec) -> T) -> T {
        // SAFETY: a live request, not written to during the call.
        field(unsafe { self.raw.as_ref() })
    }

    fn change(self, change: impl FnOnce(&mut request_rec)) {
        // SAFETY: a live request, which this thread may change; references to its fields exist only during `get`.
        change(unsafe { &mut *self.as_ptr() });
    }

    /// The text in a field; all of them live as long as the request.
    fn text(self, field: impl FnOnce(&request_rec) -> *const c_char) -> Option<&'r CStr> {
        // SAFETY: null or a C string in the pool of the request or of its configuration.
        unsafe { c_str(self.get(field)) }
    }

    /// Another request in a field: null, or one that lives as long as this one, in the same thread.
    fn other(self, field: impl FnOnce(&request_rec) -> *mut request_rec) -> Option<Self> {
        NonNull::new(self.get(field)).map(|raw| Request { raw, lives: PhantomData })
    }

    /// The text that one of httpd's functions finds for the request, in its pool or in that of its configuration.
    fn found(self, function: unsafe extern "C" fn(*mut request_rec) -> *const c_char) -> Option<&'r CStr> {
        // SAFETY: a live request; the callers below pass functions that need no more.
        unsafe { c_str(function(self.as_ptr())) }
    }

    /// Whether one of httpd's functions says so of the request.
    #[cfg(httpd = "2.4")]
    fn says(self, function: unsafe extern "C" fn(*mut request_rec) -> c_int) -> bool {
        // SAFETY: as in `found`.
        unsafe { function(self.as_ptr()) != 0 }
    }

    fn table(self, field: impl FnOnce(&request_rec) -> *mut apr_table_t) -> Table<'r> {
        // SAFETY: a request has its tables as long as it lives.
        unsafe { Table::new(self.get(field)) }
    }

    pub(crate) fn pool(self) -> Pool<'r> {
        // SAFETY: a request has a pool, which lives as long and belongs to the same thread.
        unsafe { Pool::new(NonNull::new_unchecked(self.get(|request| request.pool))) }
    }

    /// The client's user name, verified or not.
    pub(crate) fn user(self) -> Option<&'r CStr> {
        self.text(|request| request.user)
    }

    /// The user that was let in. The page of an error has none: it may have been asked for by somebody whose password was
    /// wrong.
    #[cfg(httpd = "2.4")]
    pub(crate) fn user_let_in(self) -> Option<&'r CStr> {
        let mut before = std::iter::successors(self.previous(), |request| request.previous());
        let is_error = before.any(|request| request.status() >= 400);
        self.user().filter(|_| !is_error)
    }

    pub(crate) fn set_user(self, user: &'r CStr) {
        // httpd's type lacks const, but nobody writes through it.
        self.change(|request| request.user = user.as_ptr().cast_mut());
    }

    pub(crate) fn set_auth_type(self, auth_type: &'r CStr) {
        // As for the user.
        self.change(|request| request.ap_auth_type = auth_type.as_ptr().cast_mut());
    }

    pub(crate) fn uri(self) -> &'r CStr {
        self.text(|request| request.uri).unwrap_or(c"")
    }

    /// True if the client uses httpd as a forward proxy, with other header names and another status.
    pub(crate) fn is_forward_proxy(self) -> bool {
        self.get(|request| request.proxyreq) as u32 == bindings::PROXYREQ_PROXY
    }

    /// `AuthType`, as written in the configuration.
    pub(crate) fn auth_type(self) -> Option<&'r CStr> {
        self.found(ap_auth_type)
    }

    /// `AuthName`: the realm.
    pub(crate) fn auth_name(self) -> Option<&'r CStr> {
        self.found(ap_auth_name)
    }

    /// The request that this subrequest belongs to.
    pub(crate) fn main(self) -> Option<Self> {
        self.other(|request| request.main)
    }

    /// The request that was internally redirected to this one.
    pub(crate) fn previous(self) -> Option<Self> {
        self.other(|request| request.prev)
    }

    /// The last request that this one was internally redirected to, or itself.
    pub(crate) fn last(self) -> Self {
        std::iter::successors(Some(self), |request| request.other(|request| request.next)).last().unwrap_or(self)
    }

    /// The current status of the answer.
    pub(crate) fn status(self) -> c_int {
        self.get(|request| request.status)
    }

    /// The method as it is sent on.
    #[cfg(httpd = "2.4")]
    pub(crate) fn method(self) -> &'r CStr {
        self.text(|request| request.method).unwrap_or(c"")
    }

    /// Whether a body comes, or may come.
    #[cfg(httpd = "2.4")]
    pub(crate) fn has_body(self) -> bool {
        self.says(bindings::ap_request_has_body)
    }

    /// True for a stream of HTTP/2.
    #[cfg(httpd = "2.4")]
    pub(crate) fn is_stream(self) -> bool {
        self.says(bindings::esauth_is_stream)
    }

    /// Answers with this status and body in place of whatever else the answer would be, and drops what is still to come of
    /// the request's own body.
    pub(crate) fn answer(self, status: u16, content_type: &'static CStr, body: &[u8]) {
        self.set_status(status);
        #[cfg(httpd = "2.2")]
        use bindings::ap_discard_request_body as discard_body;
        #[cfg(httpd = "2.4")]
        use bindings::esauth_discard_body as discard_body;
        // SAFETY: a live request, whose answer has not begun. What 2.2's function returns, the connection will show.
        unsafe {
            discard_body(self.as_ptr());
        }
        self.set_content_length(body.len());
        self.set_content_type(content_type);
        self.write(body);
    }

    /// In 2.2 the status line stays: httpd knows none for some statuses.
    pub(crate) fn set_status(self, status: u16) {
        self.change(|request| {
            request.status = c_int::from(status);
            #[cfg(httpd = "2.4")]
            {
                request.status_line = std::ptr::null();
            }
        });
    }

    pub(crate) fn set_content_length(self, bytes: usize) {
        // SAFETY: httpd's function on a live request.
        unsafe { bindings::ap_set_content_length(self.as_ptr(), bytes as _) }
    }

    /// Has the module of the section's `AuthType` set the challenge of the answer.
    #[cfg(httpd = "2.2")]
    pub(crate) fn note_auth_failure(self) {
        // SAFETY: httpd's function on a live request.
        unsafe { bindings::ap_note_auth_failure(self.as_ptr()) }
    }

    /// The method: one of httpd's numbers.
    pub(crate) fn method_number(self) -> c_int {
        self.get(|request| request.method_number)
    }

    /// Declares in the answer that no other method is allowed.
    pub(crate) fn allow_only(self, method: c_int) {
        let methods = self.get(|request| request.allowed_methods);
        // SAFETY: a hook may change the request, whose list of methods lives as long as it does.
        unsafe { (*methods).method_mask = 1 << method }
    }

    /// `SetHandler`.
    pub(crate) fn handler(self) -> Option<&'r CStr> {
        self.text(|request| request.handler)
    }

    /// A status line to show instead of httpd's own.
    #[cfg(httpd = "2.2")]
    pub(crate) fn set_status_line(self, line: &'static CStr) {
        self.change(|request| request.status_line = line.as_ptr());
    }

    /// The address of the client, or the one reported by a trusted proxy (2.4: mod_remoteip).
    pub(crate) fn client_address(self) -> &'r CStr {
        #[cfg(httpd = "2.4")]
        let address = self.text(|request| request.useragent_ip);
        #[cfg(httpd = "2.2")]
        // SAFETY: null or a C string that lives as long as the connection.
        let address = unsafe { c_str(self.connection().remote_ip) };
        address.unwrap_or(c"")
    }

    pub(crate) fn set_content_type(self, content_type: &'static CStr) {
        // SAFETY: httpd's function on a live request, with a text that outlives it.
        unsafe { ap_set_content_type(self.as_ptr(), content_type.as_ptr()) }
    }

    /// Writes a part of the answer's body; discarded if the client has disconnected.
    pub(crate) fn write(self, bytes: &[u8]) {
        // SAFETY: httpd's function on a live request; it copies the bytes.
        unsafe { ap_rwrite(bytes.as_ptr().cast(), bytes.len() as c_int, self.as_ptr()) };
    }

    /// The values of directives for the request, one pointer for each module.
    pub(crate) fn dir_config(self) -> *mut ap_conf_vector_t {
        self.get(|request| request.per_dir_config)
    }

    /// This module's data on the request; null at first.
    pub(crate) fn module_data(self) -> &'r Cell<*mut c_void> {
        self.module_cell(self.get(|request| request.request_config))
    }

    /// This module's pointer in a vector of the request or its connection, made with them, which only this thread uses.
    fn module_cell(self, vector: *mut ap_conf_vector_t) -> &'r Cell<*mut c_void> {
        // SAFETY: such a vector has a pointer for each module at its index; the entry is this module's own.
        unsafe { &*module::entry(vector).cast() }
    }

    fn connection(self) -> &'r conn_rec {
        // SAFETY: a live request's connection, which outlives it and belongs to the same thread.
        unsafe { &*self.get(|request| request.connection) }
    }

    /// This module's data on the request's connection.
    pub(crate) fn connection_data<T: ConnectionData>(self) -> Option<&'r T> {
        let data = self.module_cell(self.connection().conn_config).get().cast::<T>();
        // SAFETY: null, or the value of `set_connection_data`, which is of the same type.
        unsafe { data.as_ref() }
    }

    /// Sets it for as long as the connection lasts.
    pub(crate) fn set_connection_data<T: ConnectionData>(self, data: T) {
        let connection = self.connection();
        // SAFETY: a connection has a pool, which lives as long, longer than the request, and belongs to the same thread.
        let pool = unsafe { Pool::new(NonNull::new_unchecked(connection.pool)) };
        self.module_cell(connection.conn_config).set(ptr::from_mut(pool.value(data)).cast());
    }

    /// Headers of the request.
    pub(crate) fn headers_in(self) -> Table<'r> {
        self.table(|request| request.headers_in)
    }

    /// Headers of the response.
    pub(crate) fn headers_out(self) -> Table<'r> {
        self.table(|request| request.headers_out)
    }

    /// Headers of the response, including error responses.
    pub(crate) fn err_headers_out(self) -> Table<'r> {
        self.table(|request| request.err_headers_out)
    }

    /// Notes between modules about the request.
    pub(crate) fn notes(self) -> Table<'r> {
        self.table(|request| request.notes)
    }

    /// Writes a line to the error log; see [`crate::httpd::log::log_request`]. Composes it only if its level is logged.
    pub(crate) fn log(self, location: Location, level: Level, status: apr_status_t, parts: &[&[u8]]) {
        // SAFETY: a live request, and C strings that outlive the calls.
        unsafe {
            if esauth_request_logs(self.as_ptr(), module::index(), level.raw()) == 0 {
                return;
            }
            let message = self.pool().join(parts);
            let (file, line) = (location.file.as_ptr(), location.line);
            esauth_log_request(file, line, module::index(), level.raw(), status, self.as_ptr(), message.as_ptr());
        }
    }
}
