//! The handler of the access phase: whether a request may pass. nginx calls it again after each wait, and in each
//! location that a request is redirected to.

use std::rc::Rc;
use std::sync::Arc;

use esauth_engine::refusal::names_json;
use esauth_engine::verification::{
    Answer, Credential, FileKind, Judgement, Limit, Lockout, Outcome, Rate, Scope, Spent, Verdict, Verifier,
};
use esauth_engine::{Accepted, Groups, Moment, Passwords, ReadError, Seldom, Snapshot};

use crate::config::file_directive;
use crate::config::location::{LocationConfig, Value, Who};
use crate::config::server::MainConfig;
use crate::fleet;
use crate::nginx::log::Level;
use crate::nginx::request::Request;
use crate::nginx::status::Status;
use crate::worker::files::{Content, FileOf, at_once, content};
use crate::worker::hashing::{Entered, enter};
use crate::worker::recent;
use crate::worker::visit::{Judged, Noted, State, Visit};

const ENOENT: i32 = 2;

/// The delay of a refusal that is sent late, in milliseconds.
const LATE: usize = 2000;

/// The judgement of credentials that have been granted a moment ago.
const GRANTED: Judgement = Judgement::of(Verdict::Granted);

/// The judgement of a user by a file without hashes.
const UNKNOWN: Judgement = Judgement::of(Verdict::Denied);

/// What to do with a request.
pub(crate) enum Decided<'r> {
    /// Return this to nginx.
    Status(Status),
    /// Answer with this status and body, in Elasticsearch's form.
    Answer(Status, &'r [u8]),
}

/// Whether the request may pass.
pub(crate) fn decide<'r>(request: Request<'r>, location: &'r LocationConfig, main: &'r MainConfig) -> Decided<'r> {
    let Some(realm) = location.realm else { return Decided::Status(Status::DECLINED) };
    let Some(realm) = request.expand(realm) else { return Decided::Status(Status::ERROR) };
    if realm == b"off" {
        return Decided::Status(Status::DECLINED);
    }
    let Some(visit) = Visit::of(request) else { return Decided::Status(Status::INTERNAL_SERVER_ERROR) };
    let case = Case { request, visit, location, main, realm };
    let decided = visit.with(|state| {
        if !case.recalls(state) {
            case.credentials()?;
            case.authenticate(state)?;
        }
        case.count(state)?;
        case.authorize(state)
    });
    let decided = decided.unwrap_or(Err(Status::INTERNAL_SERVER_ERROR.into()));
    let (outcome, decided) = match decided {
        Ok(()) => (Outcome::Granted, Decided::Status(Status::OK)),
        Err(Stop::Wait) if request.suspend() => return Decided::Status(Status::AGAIN),
        Err(Stop::Rest) if request.rest(LATE) => return Decided::Status(Status::AGAIN),
        Err(Stop::Wait | Stop::Rest) => {
            visit.give_up();
            (Outcome::Error, Decided::Status(Status::INTERNAL_SERVER_ERROR))
        }
        Err(Stop::Refused(outcome, status)) => (outcome, Decided::Status(status)),
        Err(Stop::Answered(outcome, status, body)) => (outcome, Decided::Answer(status, body)),
    };
    visit.with(|state| state.noted = Some(Noted { outcome, others_may_admit: request.any_satisfies() }));
    decided
}

/// Why a request does not pass.
enum Stop<'r> {
    Refused(Outcome, Status),
    /// The same, with a body.
    Answered(Outcome, Status, &'r [u8]),
    /// It waits, and the handler is called again.
    Wait,
    /// It is refused later: the handler is called again after [`LATE`].
    Rest,
}

impl From<Status> for Stop<'_> {
    fn from(status: Status) -> Self {
        Stop::Refused(Outcome::Error, status)
    }
}

/// A request, and what its location asks for.
struct Case<'r> {
    request: Request<'r>,
    visit: &'r Visit,
    location: &'r LocationConfig,
    main: &'r MainConfig,
    realm: &'r [u8],
}

impl<'r> Case<'r> {
    /// True if the same credentials were granted a moment ago, by the content that the file still has. They need not even
    /// be decoded then.
    fn recalls(&self, state: &mut State) -> bool {
        let (Some(verifier), Some(file)) = (&self.main.verifier, self.location.user_file) else { return false };
        if state.judged.is_some() || !self.request.has_authorization() {
            return false;
        }
        let Some(path) = self.request.expand(file).map(until_nul) else { return false };
        let Some(Ok(passwords)) = at_once::<Passwords>(self.request, state, path) else { return false };
        let recalls = recent::recalls(verifier, self.request, &passwords);
        if recalls {
            state.judged = Some(Judged { path: pinned_path(state, path), judgement: GRANTED, is_logged: true });
        }
        recalls
    }

    /// Has nginx decode the credentials.
    fn credentials(&self) -> Result<(), Stop<'r>> {
        match self.visit.decode() {
            Status::OK => Ok(()),
            Status::DECLINED => {
                self.write(Level::Info, 0, &[b"no user/password was provided for basic authentication"]);
                let has_others = self.request.has_authorization();
                Err(self.challenge(if has_others { Outcome::OtherScheme } else { Outcome::NoCredentials }))
            }
            _ => Err(Status::INTERNAL_SERVER_ERROR.into()),
        }
    }

    /// The name of the user, whose credentials have been granted.
    fn user(&self) -> Result<&'r [u8], Stop<'r>> {
        self.credentials().map(|()| self.request.user())
    }

    fn authenticate(&self, state: &mut State) -> Result<(), Stop<'r>> {
        let path = self.path(self.location.user_file, FileKind::Users)?;
        let passwords = self.content::<Passwords>(state, path)?;
        // Without the memory, nothing would limit guessing.
        let Some(verifier) = &self.main.verifier else { return Err(Status::INTERNAL_SERVER_ERROR.into()) };
        let accepted = passwords.accepted(self.request.user());
        let credential = self.credential(verifier, path, &passwords, accepted);
        if state.judged.as_ref().is_none_or(|judged| *judged.path != *path) {
            let judgement = match &credential {
                Some(credential) => self.ask(state, verifier, credential)?,
                // A file without hashes has no user to hide.
                None => UNKNOWN,
            };
            state.judged = Some(Judged { path: pinned_path(state, path), judgement, is_logged: false });
        }
        let Some(Judged { judgement, is_logged, .. }) = &mut state.judged else {
            return Err(Status::INTERNAL_SERVER_ERROR.into());
        };
        if !std::mem::replace(is_logged, true) {
            self.log_judgement(judgement, accepted, path);
            if let (true, Some(credential)) = (judgement.begins, &credential) {
                verifier.keep_name(credential);
            }
            state.hashed_for = judgement.hashed_for.or(state.hashed_for);
        }
        if !state.is_late && credential.is_some_and(|credential| verifier.may_answer_late(&credential, judgement)) {
            state.is_late = true;
            return Err(Stop::Rest);
        }
        match judgement.verdict {
            Verdict::Granted => {
                recent::note(verifier, self.request, &passwords, accepted.and_then(|accepted| accepted.until));
                Ok(())
            }
            Verdict::Denied if accepted.is_some() => Err(self.challenge(Outcome::WrongPassword)),
            Verdict::Denied => Err(self.challenge(Outcome::UnknownUser)),
            Verdict::Overloaded => Err(self.retry_after(Outcome::QueueFull, Status::SERVICE_UNAVAILABLE, 5)),
            Verdict::NotComputed => Err(self.retry_after(Outcome::Error, Status::SERVICE_UNAVAILABLE, 5)),
            Verdict::LockedOut => {
                let seconds = judgement.lockout.map_or(1, |lasts| lasts.seconds);
                Err(self.retry_after(Outcome::LockedOut, Status::TOO_MANY_REQUESTS, seconds))
            }
        }
    }

    /// What the verifier judges. `None`: the file has no hash at all.
    fn credential<'c>(
        &self,
        verifier: &Verifier,
        path: &'c [u8],
        passwords: &'c Passwords,
        accepted: Option<Accepted<'c>>,
    ) -> Option<Credential<'c>>
    where
        'r: 'c,
    {
        let client = std::str::from_utf8(self.request.client()).unwrap_or("");
        Some(Credential {
            password: until_nul(self.request.password()),
            client,
            exempt: self.main.is_exempt(client),
            file: path,
            ..verifier.credential(passwords, accepted, self.request.user())?
        })
    }

    fn ask(&self, state: &mut State, verifier: &Verifier, credential: &Credential<'_>) -> Result<Judgement, Stop<'r>> {
        let pending = match verifier.look_among(credential, fleet::peers()) {
            Answer::Now(judgement) => return Ok(judgement),
            Answer::Later(pending) => pending,
        };
        match enter(self.request, state, verifier, pending) {
            Entered::Known(judgement) => Ok(judgement),
            Entered::Waits => Err(Stop::Wait),
            Entered::Failed => Err(Status::INTERNAL_SERVER_ERROR.into()),
        }
    }

    /// Counts the request among the user's, if these are limited. It counts once, also where nginx redirects it, and as the
    /// page of an error.
    fn count(&self, state: &mut State) -> Result<(), Stop<'r>> {
        if self.location.limits.is_empty() || state.is_counted {
            return Ok(());
        }
        let user = self.user()?;
        let rate = Limit::of_user(self.location.limits, user, || self.groups_for_limit(state))?;
        let (Some(rate), Some(verifier)) = (rate, &self.main.verifier) else { return Ok(()) };
        let path = self.path(self.location.user_file, FileKind::Users)?;
        state.is_counted = true;
        match verifier.spend(path, user, rate, fleet::peers()) {
            Spent::Admitted => Ok(()),
            Spent::Refused { seconds, begins } => {
                if begins {
                    self.log_limit(rate);
                }
                Err(self.over_limit(rate, seconds))
            }
        }
    }

    /// `None`: they are unknown.
    fn groups_for_limit(&self, state: &mut State) -> Result<Option<Arc<Snapshot<Groups>>>, Stop<'r>> {
        if self.location.group_file.is_none() {
            self.log_no_groups();
            return Ok(None);
        }
        let path = self.path(self.location.group_file, FileKind::Groups)?;
        match self.content::<Groups>(state, path) {
            Ok(groups) => Ok(Some(groups)),
            Err(Stop::Wait) => Err(Stop::Wait),
            Err(_) => Ok(None),
        }
    }

    fn over_limit(&self, rate: Rate, seconds: u64) -> Stop<'r> {
        let (outcome, request) = (Outcome::RateLimited, self.request);
        let refused = self.retry_after(outcome, Status::TOO_MANY_REQUESTS, seconds);
        let wants_json = [&b"accept"[..], b"content-type"].iter().any(|name| request.any_header(name, names_json));
        if !wants_json || !request.is_main() {
            return refused;
        }
        let body = request.pool().and_then(|pool| pool.join(&[rate.refusal(seconds).as_bytes()]));
        body.map_or(refused, |body| Stop::Answered(outcome, Status::TOO_MANY_REQUESTS, body))
    }

    /// Whether the user meets one of the requirements.
    fn authorize(&self, state: &mut State) -> Result<(), Stop<'r>> {
        let groups = match self.location.asks_groups() {
            true => {
                let path = self.path(self.location.group_file, FileKind::Groups)?;
                Some(self.content::<Groups>(state, path)?)
            }
            false => None,
        };
        if self.location.requirements().any(|who| matches!(who, Who::ValidUser)) {
            return Ok(());
        }
        let user = self.user()?;
        let memberships = groups.as_ref().and_then(|groups| groups.of(user));
        let meets = self.location.requirements().any(|who| match who {
            Who::ValidUser => true,
            Who::Users(names) => Who::any_name(names, |name| name == user),
            Who::Groups(names) => {
                memberships.is_some_and(|memberships| Who::any_name(names, |name| memberships.contains(name)))
            }
        });
        if meets {
            return Ok(());
        }
        self.write(Level::Error, 0, &[b"user \"", user, b"\" is not among those that esauth_require names"]);
        Err(self.challenge(if groups.is_some() { Outcome::NotInGroup } else { Outcome::OtherRequirement }))
    }

    /// A file's path. Without one, the request is refused.
    fn path(&self, value: Option<Value>, kind: FileKind) -> Result<&'r [u8], Stop<'r>> {
        let Some(value) = value else {
            let directive = file_directive(kind).as_bytes();
            self.write(Level::Error, 0, &[b"esauth: ", directive, b" is not set here, so every request is refused"]);
            return Err(Status::INTERNAL_SERVER_ERROR.into());
        };
        // Expanded paths end with a NUL.
        self.request.expand(value).map(until_nul).ok_or(Status::ERROR.into())
    }

    fn content<T: FileOf>(&self, state: &mut State, path: &[u8]) -> Result<Arc<Snapshot<T>>, Stop<'r>> {
        match content::<T>(self.request, state, path) {
            Content::Read(snapshot) => Ok(snapshot),
            Content::Waits => Err(Stop::Wait),
            Content::Failed => Err(Status::INTERNAL_SERVER_ERROR.into()),
            Content::Unreadable(error) => {
                if let Some(verifier) = &self.main.verifier {
                    verifier.file(T::KIND, path).note_failure();
                }
                let (level, number, reason) = match error {
                    ReadError::Os(ENOENT) => (Level::Error, ENOENT, String::new()),
                    ReadError::Os(number) => (Level::Critical, number, String::new()),
                    other => (Level::Critical, 0, format!(": {other}")),
                };
                self.write(level, number, &[b"open() \"", path, b"\" failed", reason.as_bytes()]);
                // As auth_basic does. A missing group file is an error: it must not look like a decision.
                let is_missing = number == ENOENT && T::KIND == FileKind::Users;
                Err(if is_missing { Status::FORBIDDEN } else { Status::INTERNAL_SERVER_ERROR }.into())
            }
        }
    }

    fn log_judgement(&self, judgement: &Judgement, accepted: Option<Accepted<'_>>, path: &[u8]) {
        let user = self.request.user();
        if let Some(duration) = judgement.hashed_for {
            let duration = duration.as_micros().to_string();
            let took = b"\", microseconds: ";
            self.write(Level::Info, 0, &[b"esauth: computed a hash for user \"", user, took, duration.as_bytes()]);
        }
        if let Some(until) = accepted.and_then(|accepted| accepted.until).filter(|_| judgement.by_later_hash) {
            let until = Moment(until).to_string();
            let with = b"\" logged in with the old password, which ends at ";
            self.write(Level::Notice, 0, &[b"esauth: user \"", user, with, until.as_bytes()]);
        }
        match judgement.verdict {
            Verdict::Granted | Verdict::LockedOut => {}
            Verdict::Denied if accepted.is_some() => {
                self.write(Level::Error, 0, &[b"user \"", user, b"\": password mismatch"]);
            }
            Verdict::Denied => self.write(Level::Error, 0, &[b"user \"", user, b"\" was not found in \"", path, b"\""]),
            Verdict::Overloaded => self.log_overload(),
            Verdict::NotComputed => {
                let what = b"esauth: cannot compute the password hash of user \"";
                let advice =
                    b"\"; the request is answered with 503. Give nginx more memory, or lower the cost of the hash";
                self.write(Level::Error, 0, &[what, user, advice]);
            }
        }
        if let Some(begins) = judgement.lockout.filter(|_| judgement.begins) {
            self.log_lockout(&begins);
        }
    }

    /// Logs that the queue for hashes is full: once a second, or a flood would fill the log's disk.
    fn log_overload(&self) {
        static LAST: Seldom = Seldom::new();
        if LAST.is_due(1) {
            let text = b"esauth: the queue for password hashes is full, answered with 503; unless these are guesses, \
                         lower the cost of the hashes";
            self.write(Level::Warning, 0, &[text]);
        }
    }

    /// Logs a lockout when it begins; requests that it refuses leave no line.
    fn log_lockout(&self, lockout: &Lockout) {
        let (what, why): (&[u8], &[u8]) = match lockout.scope {
            Scope::User => (
                b"user \"",
                b"\", after too many wrong passwords. Unless this is an attack, correct the client's password or raise \
                  esauth_max_failures; if the address is a proxy's, use the realip module",
            ),
            Scope::Password => (
                b"a wrong password of user \"",
                b"\", which the client keeps repeating. A program there may still use an old password",
            ),
        };
        let seconds = lockout.seconds.to_string();
        let answered = b" seconds, answered with 429: ";
        let user = self.request.user();
        self.write(Level::Warning, 0, &[b"esauth: locked out for ", seconds.as_bytes(), answered, what, user, why]);
    }

    /// Logs once until the user has been within the limit for a while: refused requests leave no line of their own.
    fn log_limit(&self, rate: Rate) {
        let rate = format!("{}/{}", rate.requests, rate.seconds);
        let advice = b", answered with 429; slow down the user's programs, or raise the limit";
        let (user, is_over) = (self.request.user(), b"\" is over esauth_limit ");
        self.write(Level::Warning, 0, &[b"esauth: user \"", user, is_over, rate.as_bytes(), advice]);
    }

    fn log_no_groups(&self) {
        static LAST: Seldom = Seldom::new();
        if LAST.is_due(60) {
            let text =
                b"esauth: esauth_limit names groups, but esauth_group_file is not set here; until it is, the lowest \
                         limit counts for every user without a line";
            self.write(Level::Error, 0, &[text]);
        }
    }

    /// Asks for other credentials.
    fn challenge(&self, outcome: Outcome) -> Stop<'r> {
        let value = self.request.pool().and_then(|pool| pool.join(&[b"Basic realm=\"", self.realm, b"\""]));
        let challenged = value.map_or(Status::INTERNAL_SERVER_ERROR, |value| self.request.challenge(value));
        Stop::Refused(outcome, challenged)
    }

    fn retry_after(&self, outcome: Outcome, status: Status, seconds: u64) -> Stop<'r> {
        let text = seconds.to_string();
        let value = self.request.pool().and_then(|pool| pool.join(&[text.as_bytes()]));
        let added = value.is_some_and(|value| self.request.add_header(b"Retry-After", value));
        Stop::Refused(outcome, if added { status } else { Status::INTERNAL_SERVER_ERROR })
    }

    fn write(&self, level: Level, error: i32, parts: &[&[u8]]) {
        if let Some(log) = self.request.log() {
            log.write(level, error, parts);
        }
    }
}

/// The path of the password file that the request uses.
fn pinned_path(state: &State, path: &[u8]) -> Rc<[u8]> {
    state.passwords.as_ref().map_or_else(|| path.into(), |pinned| Rc::clone(&pinned.path))
}

/// What a C string of these bytes is.
fn until_nul(text: &[u8]) -> &[u8] {
    text.split(|&byte| byte == 0).next().unwrap_or(text)
}
