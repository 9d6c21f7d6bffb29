//! `esauth verify`: follows a request from the outside, step by step.

mod authentication;
pub(crate) mod certificate;
mod doors;
mod exposure;
mod hello;
mod identity;
mod report;

use std::process::ExitCode;

use crate::arguments::VerifyOptions;
use crate::server::front::Advice;
use crate::server::http::Client;
use crate::server::secrets::Credentials;
use crate::server::target::Target;
use crate::server::tls::{Dialler, Trust};

use report::{Check, Id, Report};

pub(crate) fn run(options: &VerifyOptions) -> Result<ExitCode, String> {
    let access = &options.access;
    let target = Target::parse(&options.url, access.connect)?;
    let trust = Trust::load(access.ca.as_deref())?;
    let dialler = Dialler::new(access)?;
    let timeout = dialler.timeout;
    let user = Credentials::of(options.user.as_deref(), options.user_password.as_deref(), "ESAUTH_PASSWORD")?;
    let outsider =
        Credentials::of(options.outsider.as_deref(), options.outsider_password.as_deref(), "ESAUTH_OUTSIDER_PASSWORD")?;

    let mut report = Report::new(&options.url);
    let address = match target.reach(timeout) {
        Ok(address) => address,
        Err(why) => {
            let advice = "Does the name exist in DNS, does a server run and listen there, does the firewall let this machine in?";
            report.add(Check::failed(Id::Connection, why, advice));
            return report.print(options.json);
        }
    };
    report.add(Check::passed(Id::Connection, address.to_string()));
    let judged = if target.is_encrypted {
        certificate::check(&target, address, &trust, options.min_days, &dialler, &mut report)
    } else {
        let is_local = address.ip().is_loopback();
        report.add(match is_local {
            true => Check::passed(Id::Encryption, "none, on this machine's loopback address only"),
            false => Check::failed(
                Id::Encryption,
                "none: passwords can be read on the way",
                Advice::each(
                    "Serve it over TLS (SSLEngine On), and verify its https:// address.",
                    "Serve it over TLS (listen 443 ssl), and verify its https:// address.",
                ),
            ),
        });
        certificate::Judged { leaf: None, is_trusted: is_local, can_talk: true }
    };
    exposure::check_plain_http(&target, address, options.http_port, timeout, &mut report);
    if judged.can_talk {
        let client = Client::new(&target, address, &dialler, judged.leaf);
        let passwords = authentication::Passwords {
            user: user.as_ref(),
            outsider: outsider.as_ref(),
            may_be_sent: judged.is_trusted || access.insecure,
        };
        authentication::check(&client, &passwords, &mut report);
        doors::check(&client, options.backend.as_deref(), &mut report);
        identity::check(&client, &passwords, &mut report);
        exposure::check_auth_user_file(&client, options.auth_user_file.as_deref(), &passwords, &mut report);
        if let Some(front) = client.front() {
            report.speak_of(front);
        }
    } else {
        report.skip_rest("no connection to send requests on");
    }
    certificate::check_clients(&dialler, &mut report);
    exposure::check_backend(options.backend.as_deref(), timeout, &mut report)?;
    report.print(options.json)
}
