//! The last moment before a request is sent to the back end. What is judged here is what is sent.

use std::cell::OnceCell;
use std::ffi::{CStr, CString, c_int};
use std::sync::Arc;

use esauth_roles::{BodyJudge, Decision, Facts, Limits, Pass, Reason, Refusal, RequestHead, Rights, judge};

use crate::config::section::DirConfig;
use crate::httpd::bindings::{DECLINED, HTTP_INTERNAL_SERVER_ERROR, OK};
use crate::httpd::body::Body;
use crate::httpd::log::{Level, log_request};
use crate::httpd::per_request::kept;
use crate::httpd::proxy::Call;
use crate::httpd::request::Request;
use crate::roles::audit;
use crate::roles::inspector::BodyInspector;
use crate::roles::rights::{self, Unknown};
use crate::state::answer;

/// Bytes of a body that are judged before the head is sent: what is refused among them never reaches the back end.
const READ_AHEAD: usize = 1024 * 1024;

/// Judges a request that is about to be sent, by the section's roles file. DECLINED leaves it to mod_proxy as it is.
pub(crate) fn judge_and_send(call: Call<'_>, config: &DirConfig<'_>) -> c_int {
    config.roles_file.map_or(DECLINED, |roles| pass_or_refuse(call, config, roles))
}

/// The target as it came and, if it is another, as it is sent.
type Judged = (CString, Option<Vec<u8>>);

/// What is known of a request's body when mod_proxy tries another back end: a body can be judged only once.
type Passage = OnceCell<Judged>;

fn pass_or_refuse(call: Call<'_>, config: &DirConfig<'_>, roles: &CStr) -> c_int {
    let request = call.request;
    let passage: &Passage = kept(request);
    let reports = config.reports_roles();
    let unjudged = || if reports { DECLINED } else { fail(request) };
    // A tunnel would carry what nobody has judged.
    request.headers_in().unset(c"Upgrade");
    let Some(target) = call.target() else {
        let text = b"rust_esauth: EsAuthRoles judges what is sent directly to a back end of http:// or https://; this one has \
                     another scheme, or is behind ProxyRemote. The request is refused";
        log_request!(request, Level::Error, 0, text);
        return unjudged();
    };
    if let Some((before, sent_as)) = passage.get() {
        // The body was judged before, for a back end that did not answer.
        return if before.as_c_str() == target { send(call, sent_as.as_deref()) } else { fail(request) };
    }
    let user = request.user_let_in().unwrap_or(c"");
    let rights = match request.method() {
        method if method == c"OPTIONS" => Arc::default(),
        _ => match rights::of(request, roles, user) {
            Ok(rights) => rights,
            Err(Unknown) => return unjudged(),
        },
    };
    let case = Case { call, passage, user, rights, reports };
    let headers = BodyHeaders::of(request);
    let head = RequestHead {
        method: request.method().to_bytes(),
        target: target.to_bytes(),
        content_type: headers.content_type,
        content_encoding: headers.content_encoding,
        has_body: request.has_body(),
    };
    let limit = config.roles_body_limit();
    let decision = match headers.fault() {
        Some(fault) => Decision::Refuse(Box::new(fault)),
        None => judge(&case.rights, &head, &Limits { document: limit, ..Limits::default() }),
    };
    match decision {
        Decision::Refuse(refusal) => case.refuse(&refusal, &Facts::default()),
        Decision::Pass(pass) => case.pass(&pass, head.has_body),
        Decision::Body(judge) if reports => case.report(judge),
        Decision::Body(judge) => case.enforce(target, judge, &headers, limit),
    }
}

/// The headers that say what a body is.
#[derive(PartialEq, Eq)]
struct BodyHeaders<'r> {
    content_type: Option<&'r [u8]>,
    content_encoding: Option<&'r [u8]>,
    connection: Option<&'r [u8]>,
    is_ambiguous: bool,
}

impl<'r> BodyHeaders<'r> {
    fn of(request: Request<'r>) -> Self {
        let headers = request.headers_in();
        let get = |name| headers.get(name).map(CStr::to_bytes);
        BodyHeaders {
            content_type: get(c"Content-Type"),
            content_encoding: get(c"Content-Encoding"),
            connection: get(c"Connection"),
            is_ambiguous: [c"Content-Type", c"Content-Encoding", c"Connection"]
                .iter()
                .any(|name| headers.count(name) > 1),
        }
    }

    /// mod_proxy sends each header of a name, but none that `Connection` names.
    fn fault(&self) -> Option<Refusal> {
        let named = self.connection.unwrap_or_default().split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
        let mut drops = named.filter(|name| {
            [&b"content-type"[..], b"content-encoding"].iter().any(|header| name.eq_ignore_ascii_case(header))
        });
        (self.is_ambiguous || drops.next().is_some()).then(|| {
            let text =
                "Content-Type, Content-Encoding or Connection is there twice, or Connection names one of the others";
            Refusal::new(Reason::MediaType, text.to_owned())
        })
    }
}

/// A request whose user's rights are known.
struct Case<'r> {
    call: Call<'r>,
    passage: &'r Passage,
    user: &'r CStr,
    rights: Arc<Rights>,
    reports: bool,
}

impl Case<'_> {
    fn pass(&self, pass: &Pass, has_body: bool) -> c_int {
        let request = self.call.request;
        audit::passed(request, &pass.facts);
        if self.reports {
            return DECLINED;
        }
        // HTTP/2 could bring a body that no header tells of.
        let guard = if request.is_stream() && !has_body {
            match Body::attach(request, BodyInspector::Empty) {
                Some(body) => Some(body),
                None => return fail(request),
            }
        } else {
            None
        };
        if guard.is_none() && pass.target.is_none() {
            return DECLINED;
        }
        let status = send(self.call, pass.target.as_deref());
        match guard.filter(|body| body.has_stopped() && status != OK as c_int) {
            Some(body) => {
                body.detach();
                let refusal = Refusal::new(Reason::Body, "the body comes without a header that tells of it".to_owned());
                self.refuse(&refusal, &pass.facts)
            }
            None => status,
        }
    }

    /// Judges the body while it is sent.
    fn report(&self, judge: Box<BodyJudge>) -> c_int {
        let request = self.call.request;
        let Some(body) = Body::attach(request, BodyInspector::Report(judge, None)) else { return DECLINED };
        let status = send(self.call, None);
        self.conclude(&body);
        status
    }

    /// Sends the request as far as its body was judged.
    fn enforce(&self, target: &CStr, judge: Box<BodyJudge>, headers: &BodyHeaders<'_>, limit: usize) -> c_int {
        let request = self.call.request;
        let sent_as = judge.target().map(|target| request.pool().join(&[target]).to_bytes());
        let Some(body) = Body::attach(request, BodyInspector::enforcing(judge, limit)) else { return fail(request) };
        if let Err(status) = body.read_ahead(READ_AHEAD) {
            return if body.has_stopped() { self.stop(&body) } else { status };
        }
        // With MergeTrailers, headers come behind the body, too.
        if BodyHeaders::of(request) != *headers {
            body.detach();
            let refusal = Refusal::new(Reason::MediaType, "a trailer changes what the body is".to_owned());
            return self.refuse(&refusal, &Facts::default());
        }
        // Set once: a body is judged once.
        let _ = self.passage.set((target.to_owned(), sent_as.map(<[u8]>::to_vec)));
        let status = send(self.call, sent_as);
        if body.has_stopped() && status != OK as c_int {
            return self.stop(&body);
        }
        self.conclude(&body);
        status
    }

    /// Answers a request whose body was refused; mod_proxy has sent none of the refused part, and has closed its connection.
    fn stop(&self, body: &Body<BodyInspector>) -> c_int {
        body.detach();
        body.with_inspector(|inspector| {
            let facts = inspector.judge().map(|judge| judge.facts().clone()).unwrap_or_default();
            match inspector.refusal() {
                Some(refusal) => self.refuse(refusal, &facts),
                None => {
                    let text = "the body's compressed form is too large for what it holds".to_owned();
                    self.refuse(&Refusal::new(Reason::TooLarge, text), &facts)
                }
            }
        })
    }

    /// Notes what a body asked for that was sent.
    fn conclude(&self, body: &Body<BodyInspector>) {
        let request = self.call.request;
        body.with_inspector(|inspector| match (inspector.refusal(), inspector.judge()) {
            (Some(refusal), Some(judge)) => audit::refused(request, self.user, refusal, judge.facts(), self.reports),
            (None, Some(judge)) => audit::passed(request, judge.facts()),
            _ => {}
        });
    }

    /// Answers in the form of Elasticsearch's own, so that clients raise their own error. In report mode, lets pass.
    fn refuse(&self, refusal: &Refusal, facts: &Facts) -> c_int {
        let request = self.call.request;
        audit::refused(request, self.user, refusal, facts, self.reports);
        if self.reports {
            return DECLINED;
        }
        request.answer(refusal.status(), answer::JSON, &refusal.json(self.user.to_bytes(), self.rights.roles()));
        OK as c_int
    }
}

/// Sends the request with the target `sent_as`, or its own. Never DECLINED, since nobody else is to send it.
fn send(call: Call<'_>, sent_as: Option<&[u8]>) -> c_int {
    let sent = sent_as.map_or(Some(call), |target| call.with_target(target));
    sent.and_then(Call::send).filter(|&status| status != DECLINED).unwrap_or_else(|| fail(call.request))
}

/// Refuses a request that cannot be judged; the log says why. (Not by a status for mod_proxy, which would take the back end
/// for broken.)
fn fail(request: Request<'_>) -> c_int {
    audit::failed();
    answer::refuse(request, HTTP_INTERNAL_SERVER_ERROR as u16, "requests cannot be authorized now");
    OK as c_int
}
