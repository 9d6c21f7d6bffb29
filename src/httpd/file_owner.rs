//! mod_authz_owner: the group that owns the file of a request.

use std::ffi::{CStr, c_char};
use std::mem::transmute;
use std::sync::{PoisonError, RwLock};

use crate::httpd::bindings::{apr_dynamic_fn_retrieve, request_rec};
use crate::httpd::request::Request;
use crate::httpd::text::c_str;

type GetFileGroup = unsafe extern "C" fn(*mut request_rec) -> *mut c_char;

/// mod_authz_owner's function, if that module is loaded.
static GET_FILE_GROUP: RwLock<Option<GetFileGroup>> = RwLock::new(None);

/// For the time when all modules have registered their optional functions.
pub(crate) fn retrieve() {
    // SAFETY: null, or the function that mod_authz_owner registered under this name, with the type in its header.
    let found = unsafe {
        transmute::<Option<unsafe extern "C" fn()>, Option<GetFileGroup>>(apr_dynamic_fn_retrieve(
            c"authz_owner_get_file_group".as_ptr(),
        ))
    };
    *GET_FILE_GROUP.write().unwrap_or_else(PoisonError::into_inner) = found;
}

/// mod_authz_owner is not loaded.
pub(crate) struct NotLoaded;

/// The name of the group that owns the requested file. None: no such file or name, as mod_authz_owner has logged.
pub(crate) fn file_group(request: Request<'_>) -> Result<Option<&CStr>, NotLoaded> {
    let get = *GET_FILE_GROUP.read().unwrap_or_else(PoisonError::into_inner);
    // SAFETY: called as its type says, with a live request; the name lives in the request's pool.
    get.map(|get| unsafe { c_str(get(request.as_ptr())) }).ok_or(NotLoaded)
}
