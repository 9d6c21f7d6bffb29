//! httpd's expressions: `%{env:GROUP}` and the like in a directive's text.

use std::ffi::CStr;
use std::ptr::null;

use crate::httpd::bindings::{AP_EXPR_FLAG_STRING_RESULT, ap_expr_info_t, ap_expr_parse_cmd_mi, ap_expr_str_exec};
use crate::httpd::command::Command;
use crate::httpd::module;
use crate::httpd::request::Request;
use crate::httpd::text::c_str;

/// A text that is computed for each request, by an expression of its configuration.
#[repr(transparent)]
#[derive(Clone, Copy)]
pub(crate) struct Expression<'p>(&'p ap_expr_info_t);

impl<'p> Expression<'p> {
    /// Parses a directive's text, or returns the error.
    pub(crate) fn parse(command: Command<'p>, text: &'p CStr) -> Result<Expression<'p>, &'p CStr> {
        let mut error = null();
        // SAFETY: httpd's `cmd`, a C string and an output pointer for the error's text; no lookup function of our own.
        // The result lives in the directive's pool.
        unsafe {
            let (flags, index) = (AP_EXPR_FLAG_STRING_RESULT, module::index());
            let parsed = ap_expr_parse_cmd_mi(command.as_ptr(), text.as_ptr(), flags, &raw mut error, None, index);
            match (c_str(error), parsed.as_ref()) {
                (None, Some(parsed)) => Ok(Expression(parsed)),
                (error, _) => Err(error.unwrap_or(c"")),
            }
        }
    }

    /// The text for a request, or the error.
    pub(crate) fn evaluate<'r>(self, request: Request<'r>) -> Result<Option<&'r CStr>, &'r CStr> {
        let mut error = null();
        // SAFETY: a live request, an expression of its configuration, and an output pointer for the error's text.
        unsafe {
            let text = ap_expr_str_exec(request.as_ptr(), self.0, &raw mut error);
            c_str(error).map_or(Ok(c_str(text)), Err)
        }
    }
}
