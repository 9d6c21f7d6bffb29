//! Ways around the protection: other methods and other paths than those tested so far, all without credentials.
//!
//! Nothing here changes anything if it gets through. Every method goes to an index whose name has upper case, which no
//! version of Elasticsearch allows: it can be neither created nor deleted. (A name that begins with `-` would be
//! unsafe: early versions take it for all indices but this one.) Every other path is only read.

use super::authentication::unguessable;
use super::report::{Check, Id, Report};
use crate::server::front::Advice;
use crate::server::http::{Answer, Client, Request};
use crate::terminal::count;

/// Every method with actions in Elasticsearch (PATCH: OpenSearch), except OPTIONS, which may be open; methods that a
/// list in `<Limit>` usually forgets; and an unknown one.
const METHODS: [&str; 10] =
    ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "PROPFIND", "ESAUTHVERIFY"];

/// The usual back end, if none was named.
const USUAL_BACKEND: &str = "127.0.0.1:9200";

pub(super) fn check(client: &Client<'_>, backend: Option<&str>, report: &mut Report) {
    let backend = backend.unwrap_or(USUAL_BACKEND);
    report.add(check_methods(client, backend));
    report.add(check_paths(client, backend));
}

fn check_methods(client: &Client<'_>, backend: &str) -> Check {
    let index = format!("{}Esauth-Verify-{:x}", client.path, unguessable());
    // A tunnel has no path.
    let target = |method| if method == "CONNECT" { backend } else { &index };
    let tried = METHODS.iter().map(|&method| Way::new(client, Request::new(method, target(method))));
    judge(Id::Methods, "method", tried.collect())
}

fn check_paths(client: &Client<'_>, backend: &str) -> Check {
    let base = &client.path;
    let mut targets: Vec<String> = [
        // Paths beside the root.
        "_cluster/settings",
        "_nodes",
        "_cat/indices",
        "_search?size=0",
        "Esauth-Verify/_search?size=0",
        // The root and paths beside it, in spellings that an access rule may miss.
        "%2e/",
        "./_cluster/settings",
        "/_cluster/settings",
        "%5Fcluster/settings",
        "%5fcluster%2fsettings",
        "x/../_cluster/settings",
        "x/%2e%2e/_cluster/settings",
        "_cluster/settings/",
        "_cluster/settings?x=/",
        "?pretty",
    ]
    .iter()
    .map(|path| format!("{base}{path}"))
    .collect();
    targets.push(format!("/{base}"));
    // As a forward proxy, which accepts any address.
    targets.push(format!("http://{backend}/"));
    let mut tried: Vec<_> = targets.iter().map(|target| Way::new(client, Request::new("GET", target))).collect();
    // Other virtual hosts of the server may lead to the same back end.
    let other_host = Request { host: Some("esauth-verify.invalid"), ..Request::new("GET", base) };
    tried.push(Way::new(client, other_host));
    judge(Id::Paths, "path", tried)
}

/// One attempt to get through, and its answer.
struct Way {
    name: String,
    answer: Result<Answer, String>,
}

impl Way {
    fn new(client: &Client<'_>, request: Request<'_>) -> Self {
        let host = request.host.map_or_else(String::new, |host| format!(" with Host: {host}"));
        Way { name: format!("{} {}{host}", request.method, request.target), answer: client.ask(request) }
    }

    /// The status, if it shows that the request got through.
    fn is_open(&self) -> Option<u16> {
        let answer = self.answer.as_ref().ok()?;
        let is_open = match answer.status {
            401 | 407 | 429 => false,
            // 502 to 504: the server tried to reach the back end and failed.
            200..=299 | 502..=504 => true,
            // Other answers may come from the server itself, as may any answer for another host.
            _ => is_from_elasticsearch(answer),
        };
        is_open.then_some(answer.status)
    }
}

/// All versions since 7.14 say so in a header field; older ones, and OpenSearch, answer in JSON.
fn is_from_elasticsearch(answer: &Answer) -> bool {
    let is_json = |kind: &str| kind.to_ascii_lowercase().starts_with("application/json");
    answer.values("X-elastic-product").next().is_some() || answer.values("Content-Type").any(is_json)
}

const SHUT: Advice = Advice::each(
    "Put Require where it holds for every method (<LimitExcept OPTIONS>, never <Limit GET POST>) and for every path \
     (<Location /> or <Proxy *>), in each virtual host that leads to the back end; ProxyRequests Off.",
    "Put esauth (or auth_basic) where it holds for every method (limit_except OPTIONS, no other method beside it) and in \
     every location of every server that leads to the back end.",
);

fn judge(id: Id, what: &str, tried: Vec<Way>) -> Check {
    let open: Vec<_> =
        tried.iter().filter_map(|way| way.is_open().map(|status| format!("{status} for {}", way.name))).collect();
    if !open.is_empty() {
        return Check::failed(id, format!("gets through without credentials: {}", open.join(", ")), SHUT);
    }
    match tried.iter().filter(|way| way.answer.is_ok()).count() {
        0 => Check::skipped(id, "no request was answered"),
        _ => Check::passed(id, format!("{} without credentials, none gets through", count(tried.len(), what))),
    }
}
