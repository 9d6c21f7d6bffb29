//! A request: its parts, its answer, and its wait.

use std::cell::Cell;
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::slice;

use zeroize::Zeroize;

use super::bindings::{
    self, ngx_http_auth_basic_user, ngx_http_cleanup_add, ngx_http_complex_value, ngx_http_complex_value_t,
    ngx_http_request_t, ngx_str_t,
};
use super::log::Log;
use super::pool::Pool;
use super::status::Status;
use super::text::{borrowed, bytes};

/// A client's request, as the event loop sees it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Request<'r> {
    raw: NonNull<ngx_http_request_t>,
    lives: PhantomData<&'r ()>,
}

impl<'r> Request<'r> {
    /// # Safety
    ///
    /// The request is alive during `'r`, and this is the thread of the event loop.
    pub(crate) unsafe fn new(raw: *mut ngx_http_request_t) -> Option<Request<'r>> {
        Some(Request { raw: NonNull::new(raw)?, lives: PhantomData })
    }

    pub(crate) fn as_ptr(self) -> *mut ngx_http_request_t {
        self.raw.as_ptr()
    }

    fn raw(self) -> &'r ngx_http_request_t {
        // SAFETY: alive, and not changed while a handler of this module looks at it.
        unsafe { self.raw.as_ref() }
    }

    pub(crate) fn pool(self) -> Option<Pool<'r>> {
        // SAFETY: lives as long as the request.
        unsafe { Pool::new(self.raw().pool) }
    }

    pub(crate) fn log(self) -> Option<Log<'r>> {
        // SAFETY: a connection lives longer than its requests.
        unsafe { self.raw().connection.as_ref().and_then(|connection| Log::new(connection.log)) }
    }

    /// The client's address, as text.
    pub(crate) fn client(self) -> &'r [u8] {
        // SAFETY: as above.
        unsafe { self.raw().connection.as_ref().map_or(&[], |connection| bytes(connection.addr_text)) }
    }

    /// This module's configuration for the location.
    ///
    /// # Safety
    ///
    /// `index` is this module's, whose configurations of locations are of type `T`.
    pub(crate) unsafe fn location<T>(self, index: usize) -> Option<&'r T> {
        // SAFETY: as the caller promises; configurations live longer than requests.
        unsafe { (*self.raw().loc_conf.add(index)).cast::<T>().as_ref() }
    }

    /// This module's main configuration.
    ///
    /// # Safety
    ///
    /// `index` is this module's, whose main configuration is of type `T`.
    pub(crate) unsafe fn main<T>(self, index: usize) -> Option<&'r T> {
        // SAFETY: as the caller promises; configurations live longer than requests.
        unsafe { (*self.raw().main_conf.add(index)).cast::<T>().as_ref() }
    }

    /// A value with its variables expanded. `None` if that failed, which nginx has logged.
    pub(crate) fn expand(self, value: NonNull<ngx_http_complex_value_t>) -> Option<&'r [u8]> {
        let mut expanded = ngx_str_t { len: 0, data: std::ptr::null_mut() };
        // SAFETY: a request, and a compiled value of its configuration. The result lives as long as the request.
        unsafe { (ngx_http_complex_value(self.as_ptr(), value.as_ptr(), &mut expanded) == 0).then(|| bytes(expanded)) }
    }

    /// The decoded user name: see [`Credentials`].
    pub(crate) fn user(self) -> &'r [u8] {
        // SAFETY: in the request's pool.
        unsafe { bytes(self.raw().headers_in.user) }
    }

    /// The decoded password: as above.
    pub(crate) fn password(self) -> &'r [u8] {
        // SAFETY: in the request's pool.
        unsafe { bytes(self.raw().headers_in.passwd) }
    }

    /// True if it has a header Authorization, of whatever scheme.
    pub(crate) fn has_authorization(self) -> bool {
        !self.raw().headers_in.authorization.is_null()
    }

    /// The header Authorization as it came; empty without one.
    pub(crate) fn authorization(self) -> &'r [u8] {
        // SAFETY: in the request's pool.
        unsafe { self.raw().headers_in.authorization.as_ref().map_or(&[], |header| bytes(header.value)) }
    }

    /// True if all that there was to read from the followed descriptor when the request began has been read. If not, it may
    /// have been.
    pub(crate) fn is_behind(self) -> bool {
        // SAFETY: a request of this thread.
        unsafe { bindings::esauth_is_behind(self.as_ptr()) != 0 }
    }

    /// True if it is a client's own, not a part of one.
    pub(crate) fn is_main(self) -> bool {
        self.raw().main == self.as_ptr()
    }

    /// True if it only reads: GET or HEAD.
    pub(crate) fn reads(self) -> bool {
        self.raw().method & (bindings::NGX_HTTP_GET | bindings::NGX_HTTP_HEAD) as usize != 0
    }

    /// The status of the answer, as in the access log.
    pub(crate) fn answered_with(self) -> usize {
        if self.raw().err_status != 0 { self.raw().err_status } else { self.raw().headers_out.status }
    }

    /// True if the location admits what any of its access modules admits.
    pub(crate) fn any_satisfies(self) -> bool {
        // SAFETY: a request of this thread.
        unsafe { bindings::esauth_any_satisfies(self.as_ptr()) != 0 }
    }

    /// Sends a page that no cache keeps, and returns what a content handler is to return.
    pub(crate) fn send(self, content_type: &'static [u8], body: &'r [u8]) -> Status {
        let status = bindings::NGX_HTTP_OK as usize;
        // SAFETY: a request of this thread, and strings that live as long.
        Status(unsafe { bindings::esauth_send(self.as_ptr(), status, &borrowed(content_type), &borrowed(body)) })
    }

    /// Whether `is` accepts the value of one of the client's headers with this name.
    pub(crate) fn any_header(self, name: &[u8], is: impl Fn(&[u8]) -> bool) -> bool {
        let mut part = &self.raw().headers_in.headers.part;
        loop {
            if !part.elts.is_null() {
                // SAFETY: nginx's list of the request's headers.
                let headers =
                    unsafe { slice::from_raw_parts(part.elts.cast::<bindings::ngx_table_elt_t>(), part.nelts) };
                for header in headers {
                    // SAFETY: in the request's pool.
                    let (key, value) = unsafe { (bytes(header.key), bytes(header.value)) };
                    if key.eq_ignore_ascii_case(name) && is(value) {
                        return true;
                    }
                }
            }
            // SAFETY: null, or the list's next part.
            match unsafe { part.next.as_ref() } {
                Some(next) => part = next,
                None => return false,
            }
        }
    }

    /// Adds a header to the answer. False if memory is lacking.
    pub(crate) fn add_header(self, key: &'static [u8], value: &'r [u8]) -> bool {
        // SAFETY: a request of this thread, and strings that live as long.
        unsafe { bindings::esauth_add_header(self.as_ptr(), &borrowed(key), &borrowed(value)) == 0 }
    }

    /// Adds a challenge to the answer, and returns the answer's status.
    pub(crate) fn challenge(self, value: &'r [u8]) -> Status {
        // SAFETY: as above.
        Status(unsafe { bindings::esauth_challenge(self.as_ptr(), &borrowed(value)) })
    }

    /// Makes the request wait until it is resumed. False if nginx cannot, and has logged why.
    pub(crate) fn suspend(self) -> bool {
        // SAFETY: a request of this thread.
        unsafe { bindings::esauth_suspend(self.as_ptr()) == 0 }
    }

    /// Makes the request wait for so many milliseconds. False if nginx cannot, and has logged why.
    pub(crate) fn rest(self, milliseconds: usize) -> bool {
        // SAFETY: a request of this thread.
        unsafe { bindings::esauth_rest(self.as_ptr(), milliseconds) == 0 }
    }

    /// Has `ended` called, with the request, when the request ends, also before its answer. False if memory is lacking.
    pub(crate) fn on_end(self, ended: unsafe extern "C" fn(*mut std::ffi::c_void)) -> bool {
        // SAFETY: a request of this thread; the entry is nginx's, and complete when this returns.
        unsafe {
            let Some(cleanup) = ngx_http_cleanup_add(self.as_ptr(), 0).as_mut() else { return false };
            cleanup.data = self.as_ptr().cast();
            cleanup.handler = Some(ended);
        }
        true
    }
}

/// The credentials of a client's request. When this is dropped, no decoded password is left in the request's pool.
pub(crate) struct Credentials {
    request: NonNull<ngx_http_request_t>,
    /// The result of decoding them, and where the password is. nginx's variables decode them again, elsewhere.
    decoded: Cell<Option<(Status, ngx_str_t)>>,
}

impl Credentials {
    /// # Safety
    ///
    /// It is dropped before the memory of the request's pool is freed.
    pub(crate) unsafe fn of(request: Request<'_>) -> Credentials {
        let main = NonNull::new(request.raw().main).unwrap_or(request.raw);
        Credentials { request: main, decoded: Cell::new(None) }
    }

    /// Decodes them, once. Declined if there are none.
    pub(crate) fn decode(&self) -> Status {
        if let Some((status, _)) = self.decoded.get() {
            return status;
        }
        // SAFETY: alive, and of this thread, as this is.
        let (status, password) = unsafe {
            let status = Status(ngx_http_auth_basic_user(self.request.as_ptr()));
            (status, self.request.as_ref().headers_in.passwd)
        };
        self.decoded.set(Some((status, password)));
        status
    }
}

impl Drop for Credentials {
    fn drop(&mut self) {
        // SAFETY: in the pool, whose memory has not been freed.
        let latest = unsafe { self.request.as_ref() }.headers_in.passwd;
        for password in [self.decoded.get().map(|(_, password)| password), Some(latest)].into_iter().flatten() {
            if !password.data.is_null() {
                // SAFETY: as above; nobody uses it any more.
                unsafe { slice::from_raw_parts_mut(password.data, password.len) }.zeroize();
            }
        }
    }
}

/// Answers a request in another handler than its content's, which is to return [`Status::DONE`]. No cache keeps the answer.
///
/// # Safety
///
/// The request is alive, and `body` lives as long as it. It may end with this call: nothing of this module is borrowed, and
/// the request is not used afterwards.
pub(crate) unsafe fn answer(
    request: *mut ngx_http_request_t,
    status: Status,
    content_type: &'static [u8],
    body: *const [u8],
) {
    // SAFETY: as the caller promises.
    unsafe { bindings::esauth_answer(request, status.0 as usize, &borrowed(content_type), &borrowed(&*body)) }
}

/// Resumes a request that was suspended. It may have ended afterwards.
///
/// # Safety
///
/// The request is alive. Nothing of this module is borrowed, since nginx calls this module's handlers.
pub(crate) unsafe fn resume(request: *mut ngx_http_request_t) {
    // SAFETY: as the caller promises.
    unsafe { bindings::esauth_resume(request) }
}
