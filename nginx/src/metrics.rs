//! `esauth_metrics`: a location that shows the counts to Prometheus.

use esauth_engine::exposition::{self, CONTENT_TYPE, Host};
use esauth_engine::verification::{FileKind, Verifier};
use esauth_fleet::write_metrics;

use crate::config::location::{LocationConfig, main};
use crate::config::{file_directive, server::MainConfig};
use crate::fleet;
use crate::nginx::bindings::{NGINX_VERSION, ngx_command_t, ngx_http_request_t, ngx_int_t};
use crate::nginx::boundary::guard;
use crate::nginx::configuration::{Directive, LOCATION, NO_WORD, Reading, Refused, of_location};
use crate::nginx::module::index;
use crate::nginx::request::Request;
use crate::nginx::status::Status;

/// A row of the table of directives.
pub(crate) const COMMAND: ngx_command_t = of_location::<LocationConfig, Metrics>(c"esauth_metrics", LOCATION | NO_WORD);

pub(crate) struct Metrics;

impl Directive<LocationConfig> for Metrics {
    fn read(reading: Reading<'static>, _: &mut LocationConfig) -> Result<(), Refused> {
        main(reading)?.used = true;
        reading.answer_by(handle)
    }
}

/// The content handler.
unsafe extern "C" fn handle(raw: *mut ngx_http_request_t) -> ngx_int_t {
    guard(Status::INTERNAL_SERVER_ERROR, || {
        // SAFETY: the request for which nginx calls the handler, and this module's main configuration.
        let main = unsafe { Request::new(raw).map(|request| (request, request.main::<MainConfig>(index()))) };
        match main {
            Some((request, Some(main))) => answer(request, main),
            _ => Status::INTERNAL_SERVER_ERROR,
        }
    })
    .0
}

fn answer(request: Request<'_>, main: &MainConfig) -> Status {
    if !request.reads() {
        return Status::NOT_ALLOWED;
    }
    let Some(verifier) = &main.verifier else { return Status::SERVICE_UNAVAILABLE };
    let body = request.pool().and_then(|pool| pool.join(&[page(verifier, main).as_bytes()]));
    body.map_or(Status::INTERNAL_SERVER_ERROR, |body| request.send(CONTENT_TYPE.to_bytes(), body))
}

fn page(verifier: &Verifier, main: &MainConfig) -> String {
    // A C string's NUL is at its end.
    let nginx = std::str::from_utf8(NGINX_VERSION).unwrap_or("").trim_end_matches('\0');
    let host = Host {
        version: env!("CARGO_PKG_VERSION"),
        server: ("nginx", nginx),
        hash_slots: "esauth_hash_slots",
        file_directives: &[FileKind::Users, FileKind::Groups].map(|kind| (kind, file_directive(kind))),
        files: &main.files(),
    };
    exposition::page(verifier, &host, |page| write_metrics(page, verifier.counters(), fleet::HOST.fleet))
}
