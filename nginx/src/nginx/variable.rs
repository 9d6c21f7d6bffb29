//! Variables of this module.

use super::bindings::{
    self, NGX_HTTP_VAR_NOCACHEABLE, ngx_http_request_t, ngx_http_variable_value_t, ngx_int_t, ngx_uint_t,
};
use super::boundary::guard;
use super::configuration::Reading;
use super::request::Request;
use super::status::Status;
use super::text::text;

/// A variable, whose value may change during a request.
pub(crate) trait Variable {
    /// Its name, without the dollar sign.
    const NAME: &'static [u8];

    /// Its value for a request.
    fn value(request: Request<'_>) -> Option<&[u8]>;
}

/// Adds a variable. False if nginx cannot, and has logged why.
pub(crate) fn add<V: Variable>(reading: Reading<'_>) -> bool {
    let mut name = text(V::NAME);
    // SAFETY: nginx's function, with the configuration being read and a name that outlives it.
    unsafe {
        let variable =
            bindings::ngx_http_add_variable(reading.as_ptr(), &mut name, NGX_HTTP_VAR_NOCACHEABLE as ngx_uint_t);
        let Some(variable) = variable.as_mut() else { return false };
        variable.get_handler = Some(get::<V>);
    }
    true
}

unsafe extern "C" fn get<V: Variable>(
    request: *mut ngx_http_request_t,
    value: *mut ngx_http_variable_value_t,
    _data: usize,
) -> ngx_int_t {
    guard(Status::ERROR, || {
        // SAFETY: the request for which nginx asks, and a place for the value.
        let (Some(request), Some(value)) = (unsafe { (Request::new(request), value.as_mut()) }) else {
            return Status::ERROR;
        };
        let found = V::value(request);
        let bytes = found.unwrap_or_default();
        value.data = bytes.as_ptr().cast_mut();
        value.set_len(bytes.len() as u32);
        value.set_valid(found.is_some().into());
        value.set_not_found(found.is_none().into());
        value.set_no_cacheable(1);
        Status::OK
    })
    .0
}
