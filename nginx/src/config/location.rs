//! The directives of a location, with the contexts and the inheritance of nginx's own auth_basic.

use std::ptr::NonNull;

use esauth_engine::verification::{FileKind, Limit, LimitFault};

use super::server::MainConfig;
use crate::nginx::bindings::{ngx_command_t, ngx_http_complex_value_t, ngx_str_t};
use crate::nginx::configuration::{Directive, LOCATIONS, ONE_WORD, Reading, Refused, WORDS, constant, of_location};
use crate::nginx::module::index;
use crate::nginx::text::bytes;

/// A value that may have variables.
pub(crate) type Value = NonNull<ngx_http_complex_value_t>;

/// What is set for a location.
#[derive(Default)]
pub(crate) struct LocationConfig {
    /// `None`: not set, and so off.
    pub(crate) realm: Option<Value>,
    pub(crate) user_file: Option<Value>,
    pub(crate) group_file: Option<Value>,
    /// Any of these suffices; without one, any user does.
    requirements: Option<&'static Requirement>,
    /// In the order written.
    pub(crate) limits: &'static [Limit<'static>],
}

/// One `esauth_require`, and those before it.
struct Requirement {
    who: Who,
    before: Option<&'static Requirement>,
}

/// Who may pass.
#[derive(Clone, Copy)]
pub(crate) enum Who {
    ValidUser,
    Users(&'static [ngx_str_t]),
    Groups(&'static [ngx_str_t]),
}

impl Who {
    /// True if one of the names satisfies `is`.
    pub(crate) fn any_name(names: &[ngx_str_t], mut is: impl FnMut(&[u8]) -> bool) -> bool {
        // SAFETY: words of the configuration, which the names live as long as.
        names.iter().any(|name| is(unsafe { bytes(*name) }))
    }
}

impl LocationConfig {
    /// Takes over what is not set here.
    pub(crate) fn inherit(&mut self, outer: &LocationConfig) {
        self.realm = self.realm.or(outer.realm);
        self.user_file = self.user_file.or(outer.user_file);
        self.group_file = self.group_file.or(outer.group_file);
        self.requirements = self.requirements.or(outer.requirements);
        if self.limits.is_empty() {
            self.limits = outer.limits;
        }
    }

    /// The requirements, any of which suffices.
    pub(crate) fn requirements(&self) -> impl Iterator<Item = Who> {
        let default = self.requirements.is_none().then_some(Who::ValidUser);
        std::iter::successors(self.requirements, |requirement| requirement.before)
            .map(|requirement| requirement.who)
            .chain(default)
    }

    /// True if users are admitted by their groups.
    pub(crate) fn asks_groups(&self) -> bool {
        self.requirements().any(|who| matches!(who, Who::Groups(_)))
    }
}

/// Rows of the table of directives.
pub(crate) const COMMANDS: [ngx_command_t; 5] = [
    of_location::<LocationConfig, Realm>(c"esauth", LOCATIONS | ONE_WORD),
    of_location::<LocationConfig, UserFile>(c"esauth_user_file", LOCATIONS | ONE_WORD),
    of_location::<LocationConfig, GroupFile>(c"esauth_group_file", LOCATIONS | ONE_WORD),
    of_location::<LocationConfig, Require>(c"esauth_require", LOCATIONS | WORDS),
    of_location::<LocationConfig, RequestLimit>(c"esauth_limit", LOCATIONS | WORDS),
];

struct Realm;
struct UserFile;
struct GroupFile;
struct Require;
struct RequestLimit;

const DUPLICATE: Refused = Refused::because(c"is duplicate");

impl Directive<LocationConfig> for Realm {
    fn read(reading: Reading<'static>, location: &mut LocationConfig) -> Result<(), Refused> {
        if location.realm.is_some() {
            return Err(DUPLICATE);
        }
        let realm = reading.compile(1, false)?;
        location.realm = Some(realm);
        if constant(realm) != Some(b"off") {
            main(reading)?.used = true;
        }
        Ok(())
    }
}

impl Directive<LocationConfig> for UserFile {
    fn read(reading: Reading<'static>, location: &mut LocationConfig) -> Result<(), Refused> {
        set_file(reading, &mut location.user_file, FileKind::Users)
    }
}

impl Directive<LocationConfig> for GroupFile {
    fn read(reading: Reading<'static>, location: &mut LocationConfig) -> Result<(), Refused> {
        set_file(reading, &mut location.group_file, FileKind::Groups)
    }
}

fn set_file(reading: Reading<'static>, place: &mut Option<Value>, kind: FileKind) -> Result<(), Refused> {
    if place.is_some() {
        return Err(DUPLICATE);
    }
    let path = reading.compile(1, true)?;
    *place = Some(path);
    match constant(path) {
        Some(path) => main(reading)?.name(reading, kind, path),
        None => Ok(()),
    }
}

/// What is set for the server as a whole.
pub(crate) fn main(reading: Reading<'static>) -> Result<&'static mut MainConfig, Refused> {
    // SAFETY: this module's main configuration; no other reference to it is in use while a directive of a location is
    // read.
    unsafe { reading.main::<MainConfig>(index()) }.ok_or(Refused::LOGGED)
}

impl Directive<LocationConfig> for Require {
    fn read(reading: Reading<'static>, location: &mut LocationConfig) -> Result<(), Refused> {
        let words = reading.words();
        let pool = reading.pool().ok_or(Refused::NO_MEMORY)?;
        let names = pool.list(words.get(2..).unwrap_or(&[])).ok_or(Refused::NO_MEMORY)?;
        let who = match (reading.word(1), names) {
            (b"valid-user", []) => Who::ValidUser,
            (b"user", [_, ..]) => Who::Users(names),
            (b"group", [_, ..]) => Who::Groups(names),
            (other, _) => {
                let expected = b"\", expected \"valid-user\", \"user NAME ...\" or \"group NAME ...\"";
                return Err(reading.refuse(&[b"invalid requirement \"", other, expected]));
            }
        };
        let requirement = pool.value(Requirement { who, before: location.requirements }).ok_or(Refused::NO_MEMORY)?;
        location.requirements = Some(requirement);
        Ok(())
    }
}

impl Directive<LocationConfig> for RequestLimit {
    fn read(reading: Reading<'static>, location: &mut LocationConfig) -> Result<(), Refused> {
        let words: Vec<&'static [u8]> = (1..reading.words().len()).map(|number| reading.word(number)).collect();
        let pool = reading.pool().ok_or(Refused::NO_MEMORY)?;
        let names = pool.list(words.get(2..).unwrap_or(&[])).ok_or(Refused::NO_MEMORY)?;
        let (rate, kind) = (reading.word(1), words.get(1).copied());
        let limit = Limit::parse(rate, kind, names).map_err(|fault| match fault {
            LimitFault::Rate => {
                let expected = format!("\", expected \"off\" or {}", Limit::RATES);
                reading.refuse(&[b"invalid value \"", rate, expected.as_bytes()])
            }
            LimitFault::Names => {
                let expected = b"\", expected \"user NAME ...\" or \"group NAME ...\"";
                reading.refuse(&[b"invalid value \"", kind.unwrap_or_default(), expected])
            }
        })?;
        if limit.is_everybodys() && location.limits.iter().any(Limit::is_everybodys) {
            return Err(Refused::because(c"names neither users nor groups, and is not the first such"));
        }
        location.limits = pool.list(&[location.limits, &[limit]].concat()).ok_or(Refused::NO_MEMORY)?;
        Ok(())
    }
}
