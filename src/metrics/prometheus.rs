//! `SetHandler rust-esauth-metrics`: the counts for Prometheus.

use std::ffi::c_int;

#[cfg(httpd = "2.4")]
use esauth_engine::exposition::Page;
use esauth_engine::exposition::{self, CONTENT_TYPE, Host};
#[cfg(httpd = "2.4")]
use esauth_engine::verification::Counters;
use esauth_engine::verification::{FileKind, Verifier};

use crate::config::files::file_directive;
use crate::config::section::{self, DirConfig, METRICS_HANDLER};
use crate::httpd::bindings::{DECLINED, HTTP_FORBIDDEN, HTTP_METHOD_NOT_ALLOWED, HTTP_SERVICE_UNAVAILABLE, M_GET, OK};
use crate::httpd::generation;
use crate::httpd::log::{Level, log_request};
use crate::httpd::module::VERSION;
use crate::httpd::request::Request;
#[cfg(httpd = "2.4")]
use crate::roles::audit::{self, CLASSES, VERDICTS};
use crate::state::fleet::HOST;
use crate::state::outcomes::guard_request;
use crate::state::verdicts;

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
        esauth_fleet::write_metrics(page, cache.counters(), HOST.fleet);
    })
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
