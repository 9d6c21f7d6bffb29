//! `Require group` and `Require file-group`, as providers of mod_authz_core.
//!
//! If membership cannot be determined, the answer is an error (500), not a denial: behind `Require not`, mod_authz_core
//! turns a denial into consent.

use std::ffi::{CStr, c_char, c_void};
use std::ptr::{from_ref, null};

use esauth_engine::Memberships;

use crate::authz::groups::{self, Membership, log_refusal};
use crate::config::section::DirConfig;
use crate::httpd::bindings::{
    AUTHZ_DENIED, AUTHZ_DENIED_NO_USER, AUTHZ_GENERAL_ERROR, AUTHZ_GRANTED, authz_provider, authz_status,
};
use crate::httpd::boundary::guard;
use crate::httpd::command::{Command, Refusal};
use crate::httpd::expression::Expression;
use crate::httpd::file_owner::{self, NotLoaded};
use crate::httpd::hook::{CheckExpression, CheckMark, ParseExpression, ParseMark, raw};
use crate::httpd::log::{Level, log_request};
use crate::httpd::request::Request;
use crate::httpd::text::Text;
use crate::httpd::tree::Node;
use crate::state::outcomes::{self, Outcome, guard_request};

/// The provider group of authorization (`AUTHZ_PROVIDER_GROUP`).
pub(crate) const GROUP: &CStr = c"authz";
/// The version of its interface (`AUTHZ_PROVIDER_VERSION`).
pub(crate) const VERSION: &CStr = c"0";

pub(crate) static GROUP_PROVIDER: authz_provider = authz_provider {
    check_authorization: Some(raw::<CheckExpression>(check_group)),
    parse_require_line: Some(raw::<ParseExpression>(parse_group)),
};

pub(crate) static FILE_GROUP_PROVIDER: authz_provider = authz_provider {
    check_authorization: Some(raw::<CheckMark>(check_file_group)),
    parse_require_line: Some(raw::<ParseMark>(parse_file_group)),
};

/// The stock module's lines for denials, whose number and level differ between the two requirements.
struct Lines {
    no_group_file: &'static [u8],
    cannot_open: &'static [u8],
    in_no_group: &'static [u8],
    in_no_group_level: Level,
}

const GROUP_LINES: Lines = Lines {
    no_group_file: b"AH01664: ",
    cannot_open: b"AH01665: ",
    in_no_group: b"AH01666: ",
    in_no_group_level: Level::Info,
};

const FILE_GROUP_LINES: Lines = Lines {
    no_group_file: b"AH01668: ",
    cannot_open: b"AH01669: ",
    in_no_group: b"AH01670: ",
    in_no_group_level: Level::Error,
};

/// `Require group NAME …`, whose names are an httpd expression.
extern "C" fn check_group<'r>(
    request: Option<Request<'r>>,
    _arguments: Option<Text<'r>>,
    expression: Option<Expression<'r>>,
) -> authz_status {
    let Some(request) = request else { return AUTHZ_GENERAL_ERROR };
    guard_request(request, AUTHZ_GENERAL_ERROR, || {
        authorize(request, &GROUP_LINES, |memberships| {
            let required = match expression.map_or(Ok(None), |expression| expression.evaluate(request)) {
                Ok(required) => required.unwrap_or(c""),
                Err(error) => {
                    let text = b"authz_groupfile authorize: require group: Can't evaluate require expression: ";
                    log_request!(request, Level::Error, 0, b"AH02592: ", text, error.to_bytes());
                    return None;
                }
            };
            let member = groups::names_one_of(request, required, memberships);
            if !member {
                let reason = b"user is not part of the 'require'ed group(s).";
                log_refusal(request, Level::Debug, b"AH01667: ", reason);
            }
            Some(member)
        })
    })
}

/// `Require file-group`: the group that owns the requested file, as mod_authz_owner reports it.
extern "C" fn check_file_group(
    request: Option<Request<'_>>,
    _arguments: Option<Text<'_>>,
    mark: *const c_void,
) -> authz_status {
    let Some(request) = request else { return AUTHZ_GENERAL_ERROR };
    guard_request(request, AUTHZ_GENERAL_ERROR, || {
        authorize(request, &FILE_GROUP_LINES, |memberships| {
            let owner = match file_owner_group(request) {
                Ok(Some(owner)) => owner,
                // As for a file that does not exist, stock httpd denies. Where a denial would admit the user, answer an
                // error instead.
                Ok(None) if mark != NEGATED => return Some(false),
                Ok(None) | Err(NotLoaded) => return None,
            };
            let member = memberships.contains(owner.to_bytes());
            if !member {
                let reason = b"user is not part of the 'require'ed file group.";
                log_refusal(request, Level::Debug, b"AH01671: ", reason);
            }
            Some(member)
        })
    })
}

fn authorize(
    request: Request<'_>,
    lines: &Lines,
    is_member: impl FnOnce(Memberships<'_>) -> Option<bool>,
) -> authz_status {
    let Some(user) = request.user() else { return AUTHZ_DENIED_NO_USER };
    let Some(path) = DirConfig::of(request).group_file else {
        let text = b"No group file was specified in the configuration";
        log_request!(request, Level::Error, 0, lines.no_group_file, text);
        outcomes::note_unmet(request, Outcome::Error);
        return AUTHZ_GENERAL_ERROR;
    };
    match groups::membership(request, path, user, is_member) {
        Membership::Member => AUTHZ_GRANTED,
        // Already logged.
        Membership::NotMember => AUTHZ_DENIED,
        Membership::Untold => AUTHZ_GENERAL_ERROR,
        Membership::InNoGroup => {
            log_refusal(request, lines.in_no_group_level, lines.in_no_group, groups::in_no_group(request, path));
            AUTHZ_DENIED
        }
        Membership::Unknown(status) => {
            groups::log_cannot_open(request, lines.cannot_open, path, status);
            AUTHZ_GENERAL_ERROR
        }
    }
}

const INTERNAL_ERROR: &CStr = c"rust_esauth: internal error";

/// Called for each `Require group` in the configuration.
extern "C" fn parse_group<'p>(
    command: Option<Command<'p>>,
    arguments: Option<Text<'p>>,
    parsed: Option<&mut Option<Expression<'p>>>,
) -> *const c_char {
    guard(INTERNAL_ERROR.as_ptr(), || {
        let (Some(command), Some(parsed)) = (command, parsed) else { return INTERNAL_ERROR.as_ptr() };
        let refused = match Expression::parse(command, arguments.map_or(c"", Text::c_str)) {
            Ok(expression) => {
                *parsed = Some(expression);
                Ok(())
            }
            Err(error) => command.refuse(&[b"Cannot parse expression in require line: ", error.to_bytes()]),
        };
        refused.map_or_else(Refusal::as_ptr, |()| null())
    })
}

/// The parsed value of a `Require file-group` whose denial may admit users; null otherwise.
static IS_NEGATED: u8 = 0;
const NEGATED: *const c_void = from_ref(&IS_NEGATED).cast();

/// Called for each `Require file-group` in the configuration.
extern "C" fn parse_file_group(
    command: Option<Command<'_>>,
    _arguments: Option<Text<'_>>,
    mark: Option<&mut *const c_void>,
) -> *const c_char {
    guard(INTERNAL_ERROR.as_ptr(), || {
        let (Some(command), Some(mark)) = (command, mark) else { return INTERNAL_ERROR.as_ptr() };
        *mark = if command.node().is_some_and(may_be_negated) { NEGATED } else { null() };
        null()
    })
}

/// Whether the requirement is behind `not` or in a `<RequireNone>`, or that is unknown because its section only defines
/// a name for it (`<AuthzProviderAlias>`).
fn may_be_negated(requirement: Node<'_>) -> bool {
    requirement.and_around().any(|node| {
        let (name, arguments) = (node.name().to_bytes(), node.arguments().to_bytes());
        let first = arguments.split(u8::is_ascii_whitespace).next().unwrap_or(b"");
        let is_require = name.eq_ignore_ascii_case(b"Require");
        is_require && first.eq_ignore_ascii_case(b"not")
            || [&b"<RequireNone"[..], b"<AuthzProviderAlias"].iter().any(|section| name.eq_ignore_ascii_case(section))
    })
}

/// Called when all modules have registered their optional functions.
pub(crate) extern "C" fn retrieve_optional_functions() {
    guard((), file_owner::retrieve);
}

/// The name of the group that owns the requested file. None: no such file or name, as mod_authz_owner has logged.
fn file_owner_group(request: Request<'_>) -> Result<Option<&CStr>, NotLoaded> {
    file_owner::file_group(request).inspect_err(|NotLoaded| {
        log_request!(
            request,
            Level::Error,
            0,
            b"rust_esauth: 'Require file-group' needs mod_authz_owner, which is not loaded; answered with 500",
        );
    })
}
