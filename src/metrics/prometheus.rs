//! `SetHandler rust-esauth-metrics`: the counts for Prometheus.

use std::ffi::c_int;

use esauth_engine::exposition::{self, CONTENT_TYPE, Host, Page};
use esauth_engine::verification::{Counters, FileKind, Verifier};

use crate::config::files::file_directive;
use crate::config::section::{self, DirConfig, METRICS_HANDLER};
use crate::httpd::bindings::{DECLINED, HTTP_FORBIDDEN, HTTP_METHOD_NOT_ALLOWED, HTTP_SERVICE_UNAVAILABLE, M_GET, OK};
use crate::httpd::generation;
use crate::httpd::log::{Level, log_request};
use crate::httpd::module::VERSION;
use crate::httpd::request::Request;
#[cfg(httpd = "2.4")]
use crate::roles::audit::{self, CLASSES, VERDICTS};
use crate::state::outcomes::guard_request;
use crate::state::{fleet, verdicts};

/// The content handler; DECLINED leaves the request to other modules.
pub(crate) extern "C" fn handler(request: Option<Request<'_>>) -> c_int {
    let Some(request) = request else { return DECLINED };
    if request.handler() != Some(METRICS_HANDLER) {
        return DECLINED;
    }
    guard_request(request, HTTP_SERVICE_UNAVAILABLE as c_int, || {
        if !DirConfig::of(request).shows(section::Page::Metrics) {
            let text =
                b"rust_esauth: SetHandler rust-esauth-metrics works in the server's own configuration only, not in \
                .htaccess files, AddHandler or RewriteRule";
            log_request!(request, Level::Error, 0, text);
            return HTTP_FORBIDDEN as c_int;
        }
        answer(request)
    })
}

fn answer(request: Request<'_>) -> c_int {
    // HEAD shares GET's method number.
    if request.method_number() != M_GET as c_int {
        request.allow_only(M_GET as c_int);
        return HTTP_METHOD_NOT_ALLOWED as c_int;
    }
    let Some(cache) = verdicts::verifier() else { return HTTP_SERVICE_UNAVAILABLE as c_int };
    request.set_content_type(CONTENT_TYPE);
    request.headers_out().set(c"Cache-Control", c"no-store");
    request.write(page(cache).as_bytes());
    OK as c_int
}

fn page(cache: &Verifier) -> String {
    let files: Vec<_> = verdicts::named_files().iter().map(|(kind, path)| (*kind, path.to_bytes())).collect();
    let host = Host {
        version: VERSION,
        server: ("httpd", generation::HTTPD),
        hash_slots: "EsAuthHashSlots",
        file_directives: &FileKind::ALL.map(|kind| (kind, file_directive(kind))),
        files: &files,
    };
    exposition::page(cache, &host, |page| {
        #[cfg(httpd = "2.4")]
        roles(page, cache.counters());
        shared(page, cache.counters());
    })
}

/// What is shared with other servers, by EsAuthFleet.
fn shared(page: &mut Page, counters: &Counters) {
    page.metric("fleet_reachable", "gauge", "0 while the servers of EsAuthFleet cannot be used, or its files; else 1.");
    page.sample(&[], u8::from(fleet::is_reachable(counters)));
    page.metric("fleet_lookups_total", "counter", "Credentials not remembered here, by what EsAuthFleet knew of them.");
    for (result, label) in fleet::LOOKUP_RESULTS {
        page.sample(&[("result", label)], fleet::lookups(counters, result));
    }
    page.metric("fleet_entries_total", "counter", "Credentials verified here, by whether EsAuthFleet took them.");
    for (was_left, label) in [(true, "taken"), (false, "lost")] {
        page.sample(&[("result", label)], fleet::told(counters, was_left));
    }
    page.metric(
        "fleet_counts_total",
        "counter",
        "Failures and reports of requests, by whether EsAuthFleet counted them.",
    );
    for (was_counted, label) in [(true, "taken"), (false, "lost")] {
        page.sample(&[("result", label)], fleet::counted(counters, was_counted));
    }
}

/// Requests in sections with `EsAuthRoles`.
#[cfg(httpd = "2.4")]
fn roles(page: &mut Page, counters: &Counters) {
    page.metric("roles_requests_total", "counter", "Requests judged by EsAuthRoles, by verdict and kind of action.");
    for (verdict, verdict_label) in VERDICTS {
        for (class, class_label) in CLASSES {
            let labels = [("verdict", verdict_label), ("action", class_label)];
            page.sample(&labels, audit::requests(counters, verdict, class));
        }
    }
}
