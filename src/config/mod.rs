//! The directives, and what they say about a folder (`<Location>`, `<Directory>`, `<Proxy>`, `.htaccess` …).

use std::ffi::{CStr, c_char, c_int, c_void};
use std::mem::offset_of;
use std::ptr::{self, NonNull, null, null_mut};
use std::sync::atomic::{AtomicPtr, Ordering};

use crate::authn::provider;
use crate::checks;
use crate::httpd::bindings::{
    self, FLAG, ITERATE, ap_lookup_provider, ap_set_file_slot, apr_pool_t, authn_provider, authn_provider_list,
    cmd_func, cmd_how, cmd_parms, command_rec,
};
use crate::httpd::boundary::guard;
use crate::httpd::generation;
use crate::httpd::pool::Pool;
use crate::httpd::request::c_str;
use crate::state::files::Kind;
use crate::state::verdicts;

/// What the directives of one section say. Lives in a pool of httpd's.
#[repr(C)]
#[derive(Clone, Copy, PartialEq)]
pub(crate) struct DirConfig {
    user_file: *const c_char,
    group_file: *const c_char,
    providers: *mut authn_provider_list,
    authoritative: Switch,
    #[cfg(httpd = "2.2")]
    groups_authoritative: Switch,
    /// What only httpd 2.4 has.
    #[cfg(httpd = "2.4")]
    pub(crate) extras: generation::Extras,
}

/// A directive that is On or Off, or was not given.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq)]
enum Switch {
    Unset,
    Off,
    On,
}

impl Switch {
    fn is_on_by_default(self) -> bool {
        self != Switch::Off
    }

    #[cfg(httpd = "2.4")]
    fn or(self, inherited: Switch) -> Switch {
        if self == Switch::Unset { inherited } else { self }
    }
}

impl DirConfig {
    const EMPTY: DirConfig = DirConfig {
        user_file: null(),
        group_file: null(),
        providers: null_mut(),
        authoritative: Switch::Unset,
        #[cfg(httpd = "2.2")]
        groups_authoritative: Switch::Unset,
        #[cfg(httpd = "2.4")]
        extras: generation::Extras::EMPTY,
    };

    /// `AuthUserFile`, absolute.
    pub(crate) fn user_file(&self) -> Option<&CStr> {
        // SAFETY: null or a C string in the pool that this configuration is in.
        unsafe { c_str(self.user_file) }
    }

    /// `AuthGroupFile`, absolute.
    pub(crate) fn group_file(&self) -> Option<&CStr> {
        // SAFETY: as for `user_file`.
        unsafe { c_str(self.group_file) }
    }

    /// `AuthBasicAuthoritative`: whether an unknown user is refused here, rather than left to other modules.
    pub(crate) fn authoritative(&self) -> bool {
        self.authoritative.is_on_by_default()
    }

    /// `AuthzGroupFileAuthoritative`: whether a user outside the required groups is refused here.
    #[cfg(httpd = "2.2")]
    pub(crate) fn groups_authoritative(&self) -> bool {
        self.groups_authoritative.is_on_by_default()
    }

    /// `AuthBasicProvider`, in the order written. Empty: the provider `file`, which is ours.
    pub(crate) fn providers(&self) -> impl Iterator<Item = Listed<'_>> {
        let mut next = self.providers;
        std::iter::from_fn(move || {
            // SAFETY: null or an element in the pool that this configuration is in, complete since configuration ended.
            let element = unsafe { next.as_ref() }?;
            next = element.next;
            // SAFETY: a name in the configuration's pool, and a provider that its module keeps while it is loaded.
            let (name, provider) = unsafe { (c_str(element.provider_name), element.provider.as_ref()) };
            Some(Listed { name: name.unwrap_or(c""), provider: provider? })
        })
    }

    /// True where only mod_auth_basic can do what the section asks for as long as both are loaded: what it answers must
    /// come from it alone, or its lines would come twice.
    pub(crate) fn wants_mod_auth_basic(&self) -> bool {
        #[cfg(httpd = "2.4")]
        if self.extras.verifies_by_digest() {
            return true;
        }
        !self.has_only_ours() || !self.authoritative()
    }

    /// True where this module's provider decides, and by nothing but the password file's hash.
    pub(crate) fn asks_only_our_file(&self) -> bool {
        self.providers().count() <= 1 && self.has_only_ours() && !generation::verifies_by_digest(self)
    }

    /// True where no provider but this module's is asked.
    pub(crate) fn has_only_ours(&self) -> bool {
        self.providers().all(|listed| provider::is_ours(listed.provider))
    }
}

/// A provider named by `AuthBasicProvider`.
pub(crate) struct Listed<'c> {
    pub(crate) name: &'c CStr,
    pub(crate) provider: &'c authn_provider,
}

/// httpd's call for a section in which a directive of ours stands.
pub(crate) unsafe extern "C" fn create_dir_config(pool: *mut apr_pool_t, _folder: *mut c_char) -> *mut c_void {
    guard(null_mut(), || {
        let Some(pool) = NonNull::new(pool) else { return null_mut() };
        // SAFETY: httpd's pool for the configuration, in its single thread.
        let pool = unsafe { Pool::new(pool) };
        ptr::from_mut(pool.value(DirConfig::EMPTY)).cast()
    })
}

/// httpd's call for a section inside another: what `inner` says counts, else what `outer` does.
pub(crate) unsafe extern "C" fn merge_dir_config(
    pool: *mut apr_pool_t,
    outer: *mut c_void,
    inner: *mut c_void,
) -> *mut c_void {
    guard(inner, || {
        let Some(pool) = NonNull::new(pool) else { return inner };
        // SAFETY: both come from `create_dir_config` or from here; the pool is the configuration's or the request's.
        let (pool, outer, inner) =
            unsafe { (Pool::new(pool), &*outer.cast::<DirConfig>(), &*inner.cast::<DirConfig>()) };
        if *outer == DirConfig::EMPTY {
            // As nearly always, since what is outermost is the server.
            return ptr::from_ref(inner).cast_mut().cast();
        }
        ptr::from_mut(pool.value(merge(outer, inner))).cast()
    })
}

#[cfg(httpd = "2.4")]
fn merge(outer: &DirConfig, inner: &DirConfig) -> DirConfig {
    DirConfig {
        user_file: first(inner.user_file, outer.user_file),
        group_file: first(inner.group_file, outer.group_file),
        providers: first(inner.providers, outer.providers.cast_const()).cast_mut(),
        authoritative: inner.authoritative.or(outer.authoritative),
        extras: inner.extras.or(&outer.extras),
    }
}

/// The modules of 2.2 do not merge: where a section has one directive of such a module, all others of that module are
/// back at their defaults. AuthBasicProvider and AuthBasicAuthoritative are of one, the group directives of another.
#[cfg(httpd = "2.2")]
fn merge(outer: &DirConfig, inner: &DirConfig) -> DirConfig {
    let basic = if inner.providers.is_null() && inner.authoritative == Switch::Unset { outer } else { inner };
    let groups = if inner.group_file.is_null() && inner.groups_authoritative == Switch::Unset { outer } else { inner };
    DirConfig {
        user_file: first(inner.user_file, outer.user_file),
        group_file: groups.group_file,
        groups_authoritative: groups.groups_authoritative,
        providers: basic.providers,
        authoritative: basic.authoritative,
    }
}

fn first<T>(inner: *const T, outer: *const T) -> *const T {
    if inner.is_null() { outer } else { inner }
}

/// The directives, in httpd's table form. Those that the stock modules define as well have their contexts and help texts;
/// httpd calls every module that defines a directive.
pub(crate) static COMMANDS: &Commands = &Commands([
    #[cfg(httpd = "2.4")]
    file_command(c"AuthUserFile", Kind::UserFile, c"text file containing user IDs and passwords"),
    #[cfg(httpd = "2.4")]
    file_command(c"AuthGroupFile", Kind::GroupFile, c"text file containing group names and member user IDs"),
    #[cfg(httpd = "2.2")]
    typed_file_command(c"AuthUserFile", Kind::UserFile, c"text file containing user IDs and passwords"),
    #[cfg(httpd = "2.2")]
    typed_file_command(c"AuthGroupFile", Kind::GroupFile, c"text file containing group names and member user IDs"),
    command(
        c"AuthBasicProvider",
        CommandFunction { take1: add_provider },
        ITERATE,
        0,
        c"specify the auth providers for a directory or location",
    ),
    command(
        c"AuthBasicAuthoritative",
        CommandFunction { flag: set_switch },
        FLAG,
        offset_of!(DirConfig, authoritative),
        c"Set to 'Off' to allow access control to be passed along to lower modules if the UserID is not known to this \
          module",
    ),
    #[cfg(httpd = "2.2")]
    command(
        c"AuthzGroupFileAuthoritative",
        CommandFunction { flag: set_switch },
        FLAG,
        offset_of!(DirConfig, groups_authoritative),
        c"Set to 'Off' to allow access control to be passed along to lower modules if the 'require group' fails. \
          (default is On).",
    ),
    #[cfg(httpd = "2.4")]
    generation::AUTH_BASIC_FAKE,
    #[cfg(httpd = "2.4")]
    generation::AUTH_BASIC_USE_DIGEST_ALGORITHM,
    verdicts::ES_AUTH_CACHE_SIZE,
    verdicts::ES_AUTH_CACHE_TTL,
    verdicts::ES_AUTH_HASH_SLOTS,
    verdicts::ES_AUTH_MAX_FAILURES,
    checks::ES_AUTH_SILENCE,
    END_OF_COMMANDS,
]);

#[cfg(httpd = "2.4")]
const COMMAND_COUNT: usize = 12;
#[cfg(httpd = "2.2")]
const COMMAND_COUNT: usize = 11;

/// A directive table in static memory.
pub(crate) struct Commands([command_rec; COMMAND_COUNT]);

// SAFETY: constants that point to constants; httpd only reads them.
unsafe impl Sync for Commands {}

impl Commands {
    pub(crate) const fn as_ptr(&self) -> *const command_rec {
        self.0.as_ptr()
    }
}

/// A row without a name ends the table.
const END_OF_COMMANDS: command_rec = command(c"", CommandFunction { none: null() }, FLAG, 0, c"");

/// A directive's function, in the shape that its [`cmd_how`] calls for.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) union CommandFunction {
    pub(crate) none: *const c_void,
    pub(crate) take1: unsafe extern "C" fn(*mut cmd_parms, *mut c_void, *const c_char) -> *const c_char,
    pub(crate) take2: unsafe extern "C" fn(*mut cmd_parms, *mut c_void, *const c_char, *const c_char) -> *const c_char,
    pub(crate) flag: unsafe extern "C" fn(*mut cmd_parms, *mut c_void, c_int) -> *const c_char,
}

/// A row of the table; `offset` is what the function finds in `cmd->info`. An empty name ends the table.
pub(crate) const fn command(
    name: &'static CStr,
    function: CommandFunction,
    how: cmd_how,
    offset: usize,
    help: &'static CStr,
) -> command_rec {
    command_rec {
        name: if name.is_empty() { null() } else { name.as_ptr() },
        // SAFETY: httpd's type is a pointer to a function too (a union of them, or one without a prototype), and it calls
        // it by `how`.
        func: unsafe { std::mem::transmute::<CommandFunction, cmd_func>(function) },
        cmd_data: ptr::without_provenance_mut(offset),
        req_override: bindings::OR_AUTHCFG as c_int,
        args_how: how,
        errmsg: help.as_ptr(),
    }
}

/// A row of the table for a directive of the whole server.
pub(crate) const fn server_command(
    name: &'static CStr,
    function: CommandFunction,
    how: cmd_how,
    help: &'static CStr,
) -> command_rec {
    command_rec { req_override: bindings::RSRC_CONF as c_int, ..command(name, function, how, 0, help) }
}

const fn file_offset(kind: Kind) -> usize {
    match kind {
        Kind::UserFile => offset_of!(DirConfig, user_file),
        Kind::GroupFile => offset_of!(DirConfig, group_file),
    }
}

#[cfg(httpd = "2.4")]
const fn file_command(name: &'static CStr, kind: Kind, help: &'static CStr) -> command_rec {
    command(name, CommandFunction { take1: set_file }, bindings::TAKE1, file_offset(kind), help)
}

#[cfg(httpd = "2.2")]
const fn typed_file_command(name: &'static CStr, kind: Kind, help: &'static CStr) -> command_rec {
    command(name, CommandFunction { take2: set_typed_file }, bindings::TAKE12, file_offset(kind), help)
}

/// `AuthUserFile PATH`, `AuthGroupFile PATH`: a path that is not absolute starts at the ServerRoot.
unsafe extern "C" fn set_file(cmd: *mut cmd_parms, config: *mut c_void, path: *const c_char) -> *const c_char {
    guard(c"rust_esauth: internal error".as_ptr(), || {
        // SAFETY: httpd's own setter for a path at the offset in `cmd->info`, which is one of `DirConfig`'s pointers.
        let error = unsafe { ap_set_file_slot(cmd, config, path) };
        if error.is_null() {
            // SAFETY: httpd's arguments of this call, which the setter has just used in the same way.
            unsafe { remember_for_preload(&*cmd, &*config.cast::<DirConfig>()) };
        }
        error
    })
}

/// 2.2 takes the word `standard` behind the path, for the sake of older configurations.
#[cfg(httpd = "2.2")]
unsafe extern "C" fn set_typed_file(
    cmd: *mut cmd_parms,
    config: *mut c_void,
    path: *const c_char,
    file_type: *const c_char,
) -> *const c_char {
    // SAFETY: null or an argument of the directive; then as for `set_file`.
    unsafe {
        match c_str(file_type) {
            Some(other) if other != c"standard" => refuse(cmd, &[b"Invalid auth file type: ", other.to_bytes()]),
            _ => set_file(cmd, config, path),
        }
    }
}

/// `AuthBasicProvider NAME …`, once for each name. Every name goes to the end of the section's list.
unsafe extern "C" fn add_provider(cmd: *mut cmd_parms, config: *mut c_void, name: *const c_char) -> *const c_char {
    guard(c"rust_esauth: internal error".as_ptr(), || {
        // SAFETY: httpd's arguments of a directive: a name that lives as long as the configuration, and our part of it.
        let (text, config) = unsafe { (c_str(name).unwrap_or(c""), &mut *config.cast::<DirConfig>()) };
        // SAFETY: C strings; the result is null or what a module has registered under this name.
        let found: *const authn_provider = unsafe {
            ap_lookup_provider(provider::GROUP.as_ptr(), name, provider::VERSION.as_ptr()).cast_const().cast()
        };
        // SAFETY: null or a provider that its module keeps while it is loaded.
        let Some(provider) = (unsafe { found.as_ref() }) else {
            // SAFETY: httpd's `cmd`.
            return unsafe { refuse(cmd, &[b"Unknown Authn provider: ", text.to_bytes()]) };
        };
        if provider.check_password.is_none() {
            let text = text.to_bytes();
            // SAFETY: httpd's `cmd`.
            return unsafe { refuse(cmd, &[b"The '", text, b"' Authn provider doesn't support Basic Authentication"]) };
        }
        let element = authn_provider_list { provider_name: name, provider: found, next: null_mut() };
        let mut end: *mut *mut authn_provider_list = &raw mut config.providers;
        // SAFETY: the list is made of such elements, in the configuration's pool, and no one else touches it now.
        unsafe {
            while let Some(element) = (*end).as_mut() {
                end = &raw mut element.next;
            }
            *end = configuration_pool(&*cmd).value(element);
        }
        null()
    })
}

/// A directive that is On or Off: sets the [`Switch`] at the offset in `cmd->info`.
unsafe extern "C" fn set_switch(cmd: *mut cmd_parms, config: *mut c_void, on: c_int) -> *const c_char {
    guard(c"rust_esauth: internal error".as_ptr(), || {
        // SAFETY: `info` is the offset of a `Switch` in `DirConfig`, put there by the table.
        unsafe {
            let place = config.byte_add((*cmd).info.addr()).cast::<Switch>();
            place.write(if on == 0 { Switch::Off } else { Switch::On });
        }
        null()
    })
}

/// A directive's error text, which httpd shows with the file, the line and the directive's name.
///
/// # Safety
/// `cmd` is httpd's argument of a directive.
pub(crate) unsafe fn refuse(cmd: *mut cmd_parms, text: &[&[u8]]) -> *const c_char {
    // SAFETY: as the caller promises.
    unsafe { configuration_pool(&*cmd).join(text).as_ptr() }
}

/// The pool that the configuration being read lives in.
pub(crate) fn configuration_pool(cmd: &cmd_parms) -> Pool<'_> {
    // SAFETY: httpd sets it for every directive: the configuration's pool, or the request's for .htaccess.
    unsafe { Pool::new(NonNull::new_unchecked(cmd.pool)) }
}

/// A file that the server's configuration names; these are read when a child starts. In the configuration's pool.
#[derive(Clone, Copy)]
struct Named {
    kind: Kind,
    path: *const c_char,
    next: *const Named,
}

/// The last named first. Written only while the parent reads its configuration, in one thread.
static NAMED: AtomicPtr<Named> = AtomicPtr::new(null_mut());

/// Forgets the files of a configuration that is about to be replaced.
pub(crate) fn forget_named_files() {
    NAMED.store(null_mut(), Ordering::Relaxed);
}

/// The files that the server's configuration names, `.htaccess` files aside.
pub(crate) fn named_files() -> impl Iterator<Item = (Kind, &'static CStr)> {
    let mut next = NAMED.load(Ordering::Relaxed).cast_const();
    std::iter::from_fn(move || {
        // SAFETY: null or an element in the configuration's pool, which outlives the child that asks.
        let named = unsafe { next.as_ref() }?;
        next = named.next;
        // SAFETY: a C string in the same pool.
        Some((named.kind, unsafe { c_str(named.path) }?))
    })
}

fn remember_for_preload(cmd: &cmd_parms, config: &DirConfig) {
    // A .htaccess file is read for a request and by one pool; its paths are gone with it.
    if cmd.pool == cmd.temp_pool {
        return;
    }
    let (kind, path) = if cmd.info.addr() == file_offset(Kind::UserFile) {
        (Kind::UserFile, config.user_file)
    } else {
        (Kind::GroupFile, config.group_file)
    };
    let next = NAMED.load(Ordering::Relaxed);
    NAMED.store(configuration_pool(cmd).value(Named { kind, path, next }), Ordering::Relaxed);
}
