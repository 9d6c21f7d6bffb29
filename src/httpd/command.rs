//! Directives: the rows of the table that httpd reads, and the functions it calls for them.
//!
//! httpd calls a C function whose type depends on the number of words that a directive takes. There is one here for
//! each such type; it calls the safe function stored in the row's `cmd_data`.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::marker::PhantomData;
use std::mem::{transmute, transmute_copy};
use std::ptr::{NonNull, null};

use crate::httpd::bindings::{
    self, ACCESS_CONF, ESAUTH_GLOBAL_ONLY, FLAG, ITERATE, OR_AUTHCFG, OR_FILEINFO, RAW_ARGS, RSRC_CONF, TAKE1, TAKE12,
    ap_check_cmd_context, cmd_func, cmd_how, cmd_parms, command_rec, server_rec,
};
use crate::httpd::boundary::guard;
use crate::httpd::configuration::{Configuration, Owner, in_vector};
use crate::httpd::pool::Pool;
use crate::httpd::text::{Text, c_str};
#[cfg(httpd = "2.4")]
use crate::httpd::tree::Node;

/// A directive's error text, which httpd shows with the file, the line and the directive's name.
#[derive(Clone, Copy)]
pub(crate) struct Refusal<'p>(&'p CStr);

impl Refusal<'_> {
    /// For a function that httpd calls.
    pub(crate) fn as_ptr(self) -> *const c_char {
        self.0.as_ptr()
    }
}

/// A directive that is being read.
///
/// httpd reads its configuration, and serves a request with a .htaccess file, in one thread. Pool and tree live for `'p`.
#[repr(transparent)]
#[derive(Clone, Copy)]
pub(crate) struct Command<'p> {
    raw: NonNull<cmd_parms>,
    lives: PhantomData<&'p ()>,
}

impl<'p> Command<'p> {
    pub(crate) fn as_ptr(self) -> *mut cmd_parms {
        self.raw.as_ptr()
    }

    fn get<T: Copy>(self, field: impl FnOnce(&cmd_parms) -> T) -> T {
        // SAFETY: alive while the directive is read, and not written to during the call.
        field(unsafe { self.raw.as_ref() })
    }

    /// The pool of the configuration; for a .htaccess file, that of the request.
    pub(crate) fn pool(self) -> Pool<'p> {
        // SAFETY: a directive has a pool; see the type.
        unsafe { Pool::new(NonNull::new_unchecked(self.get(|command| command.pool))) }
    }

    /// The directive in the tree.
    #[cfg(httpd = "2.4")]
    pub(crate) fn node(self) -> Option<Node<'p>> {
        // SAFETY: null or a node of the tree that is being read.
        unsafe { Node::new(self.get(|command| command.directive)) }
    }

    /// The directive's name as in its row.
    pub(crate) fn name(self) -> &'static CStr {
        // SAFETY: httpd sets it to a row of this module's table, whose name is a constant.
        unsafe { c_str((*self.get(|command| command.cmd)).name) }.unwrap_or(c"")
    }

    /// Whether it is in a .htaccess file, which is read for one request only.
    pub(crate) fn is_in_htaccess(self) -> bool {
        self.get(|command| command.pool == command.temp_pool)
    }

    /// The values of the server that this directive is read for.
    pub(crate) fn server_config<C: Configuration>(self) -> Option<&'p mut C::In<'p>> {
        let server: *mut server_rec = self.get(|command| command.server);
        // SAFETY: a live server; httpd makes its structure before it calls for any directive, and no one else uses it now.
        unsafe { in_vector::<C>((*server).module_config).as_mut() }
    }

    /// Refuses the directive with a text in parts.
    pub(crate) fn refuse<T>(self, text: &[&[u8]]) -> Result<T, Refusal<'p>> {
        Err(Refusal(self.pool().join(text)))
    }
}

/// The result of a directive's function.
pub(crate) type Answer<'p, T = ()> = Result<T, Refusal<'p>>;

/// The function of a directive with On or Off.
pub(crate) type SetFlag<C> = for<'p> fn(Command<'p>, &mut <C as Configuration>::In<'p>, bool) -> Answer<'p>;

/// The function of a directive with one word, or with several, one at a call.
pub(crate) type SetWord<C> = for<'p> fn(Command<'p>, &mut <C as Configuration>::In<'p>, &'p CStr) -> Answer<'p>;

/// The function of a directive with one word or two.
pub(crate) type SetWords<C> =
    for<'p> fn(Command<'p>, &mut <C as Configuration>::In<'p>, &'p CStr, Option<&'p CStr>) -> Answer<'p>;

/// `NAME On|Off`
pub(crate) const fn flag<C: Configuration>(name: &'static CStr, set: SetFlag<C>, help: &'static CStr) -> command_rec {
    row::<C>(name, Function { flag: call_with_flag::<C> }, FLAG, set as *mut c_void, help)
}

/// `NAME WORD`
pub(crate) const fn word<C: Configuration>(name: &'static CStr, set: SetWord<C>, help: &'static CStr) -> command_rec {
    row::<C>(name, Function { take1: call_with_word::<C> }, TAKE1, set as *mut c_void, help)
}

/// `NAME WORD …`, with one call of `set` for each.
pub(crate) const fn each_word<C: Configuration>(
    name: &'static CStr,
    set: SetWord<C>,
    help: &'static CStr,
) -> command_rec {
    row::<C>(name, Function { take1: call_with_word::<C> }, ITERATE, set as *mut c_void, help)
}

/// `NAME ARGUMENTS`, with everything behind the name in one text.
pub(crate) const fn arguments<C: Configuration>(
    name: &'static CStr,
    set: SetWord<C>,
    help: &'static CStr,
) -> command_rec {
    row::<C>(name, Function { take1: call_with_word::<C> }, RAW_ARGS, set as *mut c_void, help)
}

/// `NAME WORD [WORD]`
pub(crate) const fn words<C: Configuration>(name: &'static CStr, set: SetWords<C>, help: &'static CStr) -> command_rec {
    row::<C>(name, Function { take2: call_with_words::<C> }, TAKE12, set as *mut c_void, help)
}

/// The same directive, allowed in the configuration files and their sections, but not in a .htaccess file.
pub(crate) const fn anywhere_but_htaccess(row: command_rec) -> command_rec {
    command_rec { req_override: (RSRC_CONF | ACCESS_CONF) as c_int, ..row }
}

/// The same directive, allowed in a .htaccess file by `AllowOverride FileInfo`.
pub(crate) const fn of_file_info(row: command_rec) -> command_rec {
    command_rec { req_override: OR_FILEINFO as c_int, ..row }
}

type TakeFlag = unsafe extern "C" fn(Option<Command<'_>>, *mut c_void, c_int) -> *const c_char;
type TakeWord = for<'p> unsafe extern "C" fn(Option<Command<'p>>, *mut c_void, Option<Text<'p>>) -> *const c_char;
type TakeWords =
    for<'p> unsafe extern "C" fn(Option<Command<'p>>, *mut c_void, Option<Text<'p>>, Option<Text<'p>>) -> *const c_char;

/// A function for httpd, of the type that its [`cmd_how`] requires.
#[repr(C)]
#[derive(Clone, Copy)]
union Function {
    none: *const c_void,
    take1: TakeWord,
    take2: TakeWords,
    flag: TakeFlag,
}

const fn row<C: Configuration>(
    name: &'static CStr,
    function: Function,
    how: cmd_how,
    set: *mut c_void,
    help: &'static CStr,
) -> command_rec {
    let contexts = match C::OWNER {
        Owner::Section => OR_AUTHCFG,
        Owner::Server => RSRC_CONF,
    };
    raw_row(name.as_ptr(), function, how, set, contexts as c_int, help)
}

const fn raw_row(
    name: *const c_char,
    function: Function,
    how: cmd_how,
    set: *mut c_void,
    contexts: c_int,
    help: &'static CStr,
) -> command_rec {
    command_rec {
        name,
        // SAFETY: httpd's type is a function pointer, too (a union of them, or one without a prototype), and is called
        // according to `how`.
        func: unsafe { transmute::<Function, cmd_func>(function) },
        cmd_data: set,
        req_override: contexts,
        args_how: how,
        errmsg: help.as_ptr(),
    }
}

/// # Safety
///
/// httpd's call for a row that [`flag`] made for `C`, which stored the function there.
unsafe extern "C" fn call_with_flag<C: Configuration>(
    command: Option<Command<'_>>,
    section: *mut c_void,
    on: c_int,
) -> *const c_char {
    // SAFETY: as the caller promises.
    unsafe { call::<C, SetFlag<C>>(command, section, |set, command, config| set(command, config, on != 0)) }
}

/// # Safety
///
/// As for [`call_with_flag`], for [`word`], [`each_word`] and [`arguments`].
unsafe extern "C" fn call_with_word<'p, C: Configuration>(
    command: Option<Command<'p>>,
    section: *mut c_void,
    word: Option<Text<'p>>,
) -> *const c_char {
    let word = word.map_or(c"", Text::c_str);
    // SAFETY: as the caller promises.
    unsafe { call::<C, SetWord<C>>(command, section, |set, command, config| set(command, config, word)) }
}

/// # Safety
///
/// As for [`call_with_flag`], for [`words`].
unsafe extern "C" fn call_with_words<'p, C: Configuration>(
    command: Option<Command<'p>>,
    section: *mut c_void,
    first: Option<Text<'p>>,
    second: Option<Text<'p>>,
) -> *const c_char {
    let (first, second) = (first.map_or(c"", Text::c_str), second.map(Text::c_str));
    // SAFETY: as the caller promises.
    unsafe { call::<C, SetWords<C>>(command, section, |set, command, config| set(command, config, first, second)) }
}

/// Calls the directive's function with the values that it changes. Refuses a directive for the whole server in a virtual
/// host or section.
///
/// # Safety
///
/// `command` and `section` are httpd's arguments of a directive's function. `section` has the type that `C` declares
/// for it, and the directive's row has a function of type `F`.
unsafe fn call<'p, C: Configuration, F: Copy>(
    command: Option<Command<'p>>,
    section: *mut c_void,
    set: impl FnOnce(F, Command<'p>, &mut C::In<'p>) -> Answer<'p>,
) -> *const c_char {
    const INTERNAL_ERROR: &CStr = c"rust_esauth: internal error";
    guard(INTERNAL_ERROR.as_ptr(), || {
        let Some(command) = command else { return INTERNAL_ERROR.as_ptr() };
        // SAFETY: as the caller promises.
        let function = unsafe { transmute_copy::<*mut c_void, F>(&command.get(|command| command.info)) };
        let config = match C::OWNER {
            // SAFETY: as the caller promises; no one else uses the structure now.
            Owner::Section => unsafe { section.cast::<C::In<'p>>().as_mut() },
            Owner::Server => {
                // SAFETY: httpd's function on its own argument.
                let elsewhere = unsafe { ap_check_cmd_context(command.as_ptr(), ESAUTH_GLOBAL_ONLY as _) };
                if !elsewhere.is_null() {
                    return elsewhere;
                }
                command.server_config::<C>()
            }
        };
        let Some(config) = config else { return INTERNAL_ERROR.as_ptr() };
        set(function, command, config).map_or_else(Refusal::as_ptr, |()| null())
    })
}

/// A table of directives in static memory.
pub(crate) struct Commands<const ROWS: usize>([command_rec; ROWS]);

// SAFETY: constants that point to constants; httpd only reads them.
unsafe impl<const ROWS: usize> Sync for Commands<ROWS> {}

/// Number of rows in a table of these parts.
pub(crate) const fn count(parts: &[&[command_rec]]) -> usize {
    let (mut rows, mut part) = (1, 0);
    while part < parts.len() {
        rows += parts[part].len();
        part += 1;
    }
    rows
}

impl<const ROWS: usize> Commands<ROWS> {
    /// The rows of all parts, and one without a name, which ends the table.
    pub(crate) const fn of(parts: &[&[command_rec]]) -> Self {
        let end =
            raw_row(null(), Function { none: null() }, FLAG, std::ptr::null_mut(), bindings::OR_AUTHCFG as c_int, c"");
        let mut table = [end; ROWS];
        let (mut row, mut part) = (0, 0);
        while part < parts.len() {
            let mut next = 0;
            while next < parts[part].len() {
                table[row] = parts[part][next];
                (row, next) = (row + 1, next + 1);
            }
            part += 1;
        }
        Commands(table)
    }

    pub(crate) const fn as_ptr(&self) -> *const command_rec {
        self.0.as_ptr()
    }
}
