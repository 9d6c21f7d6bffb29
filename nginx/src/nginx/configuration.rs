//! Reading directives, and the values in them.

use std::ffi::{CStr, c_char, c_void};
use std::mem::zeroed;
use std::ptr::{NonNull, null_mut};
use std::slice;

use super::bindings::{
    self, ngx_command_t, ngx_conf_log_error, ngx_conf_t, ngx_http_compile_complex_value,
    ngx_http_compile_complex_value_t, ngx_http_complex_value_t, ngx_http_conf_ctx_t, ngx_str_t, ngx_uint_t,
};
use super::boundary::guard;
use super::log::Level;
use super::pool::Pool;
use super::text::{borrowed, bytes, text};

/// Why a directive is refused: a text that nginx puts behind the directive's name, or `LOGGED`.
pub(crate) struct Refused(Option<&'static CStr>);

impl Refused {
    /// The whole reason has been logged.
    pub(crate) const LOGGED: Refused = Refused(None);
    /// nginx has logged that memory is lacking.
    pub(crate) const NO_MEMORY: Refused = Refused(None);

    pub(crate) const fn because(text: &'static CStr) -> Refused {
        Refused(Some(text))
    }

    fn raw(self) -> *mut c_char {
        // nginx takes a pointer to -1 as "logged already".
        self.0.map_or(usize::MAX as *mut c_char, |text| text.as_ptr().cast_mut())
    }
}

/// The phases of a request in which this module has handlers.
#[derive(Clone, Copy)]
pub(crate) enum Phase {
    Access,
    Log,
}

impl Phase {
    fn raw(self) -> bindings::ngx_http_phases {
        match self {
            Phase::Access => bindings::NGX_HTTP_ACCESS_PHASE,
            Phase::Log => bindings::NGX_HTTP_LOG_PHASE,
        }
    }
}

/// A handler of a phase.
pub(crate) type Handler = unsafe extern "C" fn(*mut bindings::ngx_http_request_t) -> bindings::ngx_int_t;

/// The configuration being read.
#[derive(Clone, Copy)]
pub(crate) struct Reading<'c>(&'c ngx_conf_t);

impl<'c> Reading<'c> {
    /// # Safety
    ///
    /// nginx is reading this configuration, and `'c` is not longer than the configuration's life.
    pub(crate) unsafe fn new(raw: *mut ngx_conf_t) -> Option<Reading<'c>> {
        // SAFETY: as the caller promises.
        unsafe { raw.as_ref() }.map(Reading)
    }

    pub(crate) fn as_ptr(self) -> *mut ngx_conf_t {
        std::ptr::from_ref(self.0).cast_mut()
    }

    pub(crate) fn pool(self) -> Option<Pool<'c>> {
        // SAFETY: lives as long as the configuration.
        unsafe { Pool::new(self.0.pool) }
    }

    /// The words of the current directive, its name first.
    pub(crate) fn words(self) -> &'c [ngx_str_t] {
        // SAFETY: nginx's array of words; valid until the next directive is read, and only used by it.
        unsafe {
            self.0.args.as_ref().map_or(&[], |array| slice::from_raw_parts(array.elts.cast::<ngx_str_t>(), array.nelts))
        }
    }

    /// The word with this number behind the directive's name, from 1.
    pub(crate) fn word(self, number: usize) -> &'c [u8] {
        // SAFETY: words live as long as the configuration.
        self.words().get(number).map_or(&[], |word| unsafe { bytes(*word) })
    }

    /// This module's main configuration.
    ///
    /// # Safety
    ///
    /// `index` is this module's, whose main configuration is of type `T`, and no other reference to it is in use.
    pub(crate) unsafe fn main<T>(self, index: usize) -> Option<&'c mut T> {
        // SAFETY: as the caller promises; inside `http`, the context is this.
        unsafe {
            let context = self.0.ctx.cast::<ngx_http_conf_ctx_t>().as_ref()?;
            (*context.main_conf.add(index)).cast::<T>().as_mut()
        }
    }

    /// Adds a handler to a phase. False if memory is lacking.
    pub(crate) fn add_handler(self, phase: Phase, handler: Handler) -> bool {
        // SAFETY: the main configuration of nginx's core module, whose phases are arrays of handlers.
        unsafe {
            let index = (&raw const bindings::ngx_http_core_module.ctx_index).read();
            let Some(core) = self.main::<bindings::ngx_http_core_main_conf_t>(index) else { return false };
            let phase = &mut core.phases[phase.raw() as usize];
            let place = bindings::ngx_array_push(&mut phase.handlers).cast::<Option<Handler>>();
            if place.is_null() {
                return false;
            }
            place.write(Some(handler));
        }
        true
    }

    /// Makes `handler` answer the requests of the location that is being read.
    pub(crate) fn answer_by(self, handler: Handler) -> Result<(), Refused> {
        // SAFETY: inside a location, the context is this, and has a configuration of nginx's core module.
        let core = unsafe {
            let index = (&raw const bindings::ngx_http_core_module.ctx_index).read();
            let context = self.0.ctx.cast::<ngx_http_conf_ctx_t>().as_ref().ok_or(Refused::LOGGED)?;
            (*context.loc_conf.add(index)).cast::<bindings::ngx_http_core_loc_conf_t>().as_mut()
        };
        core.ok_or(Refused::LOGGED)?.handler = Some(handler);
        Ok(())
    }

    /// Logs why the configuration is refused, with the place in the file.
    pub(crate) fn refuse(self, parts: &[&[u8]]) -> Refused {
        let line = parts.concat();
        let line = borrowed(&line);
        // SAFETY: nginx's function, with a format for one string.
        unsafe {
            ngx_conf_log_error(Level::Emergency.raw(), self.as_ptr(), 0, c"%V".as_ptr(), &raw const line);
        }
        Refused::LOGGED
    }

    /// The path in the word with this number, relative to the configuration's folder.
    pub(crate) fn path(self, number: usize) -> Result<&'c [u8], Refused> {
        let mut word = *self.words().get(number).ok_or(Refused::LOGGED)?;
        // SAFETY: nginx's function, with the cycle being made and a string that it changes; the result lives as long as
        // the configuration.
        unsafe {
            match bindings::ngx_conf_full_name(self.0.cycle, &mut word, 1) {
                0 => Ok(bytes(word)),
                _ => Err(Refused::NO_MEMORY),
            }
        }
    }

    /// Compiles the word with this number, in which variables may be used. For a path: relative to the configuration's
    /// folder, and with a NUL behind it when expanded.
    pub(crate) fn compile(self, number: usize, is_path: bool) -> Result<NonNull<ngx_http_complex_value_t>, Refused> {
        let mut word = *self.words().get(number).ok_or(Refused::LOGGED)?;
        let pool = self.pool().ok_or(Refused::NO_MEMORY)?;
        // SAFETY: plain C data, for which zero is valid.
        let value = pool.value::<ngx_http_complex_value_t>(unsafe { zeroed() }).ok_or(Refused::NO_MEMORY)?;
        // SAFETY: as above; then nginx's function with what it asks for.
        unsafe {
            let mut compile: ngx_http_compile_complex_value_t = zeroed();
            compile.cf = self.as_ptr();
            compile.value = &mut word;
            compile.complex_value = value;
            compile.set_zero(is_path.into());
            compile.set_conf_prefix(is_path.into());
            if ngx_http_compile_complex_value(&mut compile) != 0 {
                return Err(Refused::LOGGED);
            }
        }
        Ok(NonNull::from(value))
    }
}

/// The text of a compiled value without variables.
pub(crate) fn constant<'c>(value: NonNull<ngx_http_complex_value_t>) -> Option<&'c [u8]> {
    // SAFETY: compiled, and lives as long as its configuration.
    unsafe {
        let value = value.as_ref();
        value.lengths.is_null().then(|| bytes(value.value))
    }
}

/// A directive for the server as a whole.
pub(crate) const MAIN: ngx_uint_t = bindings::NGX_HTTP_MAIN_CONF as ngx_uint_t;
/// A directive for locations, which outer blocks may set for all in them: the contexts of `auth_basic`.
pub(crate) const LOCATIONS: ngx_uint_t = (bindings::NGX_HTTP_MAIN_CONF
    | bindings::NGX_HTTP_SRV_CONF
    | bindings::NGX_HTTP_LOC_CONF
    | bindings::NGX_HTTP_LMT_CONF) as ngx_uint_t;
/// A directive for one location.
pub(crate) const LOCATION: ngx_uint_t = bindings::NGX_HTTP_LOC_CONF as ngx_uint_t;
pub(crate) const NO_WORD: ngx_uint_t = bindings::NGX_CONF_NOARGS as ngx_uint_t;
pub(crate) const ONE_WORD: ngx_uint_t = bindings::NGX_CONF_TAKE1 as ngx_uint_t;
pub(crate) const ONE_OR_TWO_WORDS: ngx_uint_t = (bindings::NGX_CONF_TAKE1 | bindings::NGX_CONF_TAKE2) as ngx_uint_t;
pub(crate) const WORDS: ngx_uint_t = bindings::NGX_CONF_1MORE as ngx_uint_t;

/// What reads a directive into a configuration of type `T`.
pub(crate) trait Directive<T> {
    fn read(reading: Reading<'static>, configuration: &mut T) -> Result<(), Refused>;
}

/// The C function of a directive.
unsafe extern "C" fn read<T, D: Directive<T>>(
    raw: *mut ngx_conf_t,
    _command: *mut ngx_command_t,
    configuration: *mut c_void,
) -> *mut c_char {
    guard(Refused::LOGGED.raw(), || {
        // SAFETY: called by nginx while it reads the configuration, with the configuration that the row names.
        let (Some(reading), Some(configuration)) =
            (unsafe { Reading::new(raw) }, unsafe { configuration.cast::<T>().as_mut() })
        else {
            return Refused::LOGGED.raw();
        };
        D::read(reading, configuration).map_or_else(Refused::raw, |()| null_mut())
    })
}

/// A row of the table: a directive whose values are in the configuration of the location.
pub(crate) const fn of_location<T, D: Directive<T>>(name: &'static CStr, kind: ngx_uint_t) -> ngx_command_t {
    row::<T, D>(name, kind, std::mem::offset_of!(ngx_http_conf_ctx_t, loc_conf))
}

/// A row of the table: a directive whose values are in the main configuration.
pub(crate) const fn of_main<T, D: Directive<T>>(name: &'static CStr, kind: ngx_uint_t) -> ngx_command_t {
    row::<T, D>(name, kind, std::mem::offset_of!(ngx_http_conf_ctx_t, main_conf))
}

const fn row<T, D: Directive<T>>(name: &'static CStr, kind: ngx_uint_t, configuration: usize) -> ngx_command_t {
    ngx_command_t {
        // nginx wants both a length and a NUL.
        name: text(name.to_bytes()),
        type_: kind,
        set: Some(read::<T, D>),
        conf: configuration,
        offset: 0,
        post: null_mut(),
    }
}

/// The row that ends the table.
pub(crate) const LAST: ngx_command_t =
    ngx_command_t { name: text(b""), type_: 0, set: None, conf: 0, offset: 0, post: null_mut() };

/// The seconds of a time as nginx writes it, such as `20m`.
pub(crate) fn seconds(time: &[u8]) -> Option<u32> {
    let mut text = borrowed(time);
    // SAFETY: nginx's function, which only reads the string.
    u32::try_from(unsafe { bindings::ngx_parse_time(&mut text, 1) }).ok()
}
