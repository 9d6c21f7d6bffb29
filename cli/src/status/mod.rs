//! `esauth status`: the counters of a running server.

mod page;
mod view;

use std::fmt::Write as _;
use std::io::IsTerminal;
use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::arguments::StatusOptions;
use crate::server::front::Advice;
use crate::server::http::Client;
use crate::server::secrets::Credentials;
use crate::server::target::Target;
use crate::server::tls::{Dialler, Trust};
use crate::terminal;
use crate::verify::certificate;

use page::Page;

const INTERVAL: Duration = Duration::from_secs(1);

/// Moves to the upper left corner and clears everything below.
const ANEW: &str = "\x1b[H\x1b[J";

pub(crate) fn run(options: &StatusOptions) -> Result<ExitCode, String> {
    let dialler = Dialler::new(&options.access)?;
    let server = Server::reach(options, &dialler)?;
    let first = server.page()?;
    if options.json {
        terminal::print_json(&first.samples)?;
    } else if options.once || !std::io::stdout().is_terminal() {
        terminal::print(&view::of(&options.url, &first, None))?;
    } else {
        watch(&options.url, &server, first)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs until interrupted, or until the server stops answering.
fn watch(url: &str, server: &Server<'_>, first: Page) -> Result<(), String> {
    let (mut before, mut read_at) = (first, Instant::now());
    let mut text = view::of(url, &before, None);
    loop {
        let _ = writeln!(text, "\n  {}", terminal::faint("refreshed every second; Ctrl-C quits"));
        terminal::print(&format!("{ANEW}{text}"))?;
        sleep(INTERVAL);
        let now = server.page()?;
        let elapsed = read_at.elapsed();
        read_at = Instant::now();
        text = view::of(url, &now, Some((&before, elapsed)));
        before = now;
    }
}

struct Server<'a> {
    client: Client<'a>,
    path: String,
    user: Option<Credentials>,
}

impl<'a> Server<'a> {
    fn reach(options: &StatusOptions, dialler: &'a Dialler) -> Result<Self, String> {
        let access = &options.access;
        let target = Target::parse(&options.url, access.connect)?;
        let failed = |why: String| format!("{}: {why}", options.url);
        let address = target.reach(dialler.timeout).map_err(failed)?;
        let certificate = if target.is_encrypted {
            let trust = Trust::load(access.ca.as_deref())?;
            Some(certificate::trusted(&target, address, &trust, access.insecure, dialler).map_err(failed)?)
        } else {
            None
        };
        let may_be_told = target.is_encrypted || address.ip().is_loopback() || access.insecure;
        if options.user.is_some() && !may_be_told {
            return Err(failed("the password is not sent unencrypted (--insecure sends it)".to_owned()));
        }
        let user = Credentials::of(options.user.as_deref(), options.user_password.as_deref(), "ESAUTH_PASSWORD")?;
        let path = target.path.trim_end_matches('/').to_owned();
        Ok(Server { client: Client::new(&target, address, dialler, certificate), path, user })
    }

    fn page(&self) -> Result<Page, String> {
        let place = || format!("{}{}", self.client.origin, self.path);
        let answer = self.client.get(&self.path, self.user.as_ref());
        let answer = answer.map_err(|error| format!("{}: {error}", place()))?;
        let advice = match answer.status {
            200 => match Page::parse(&String::from_utf8_lossy(&answer.body)) {
                Some(page) => return Ok(page),
                None => Advice::each(
                    "is not the page of SetHandler rust-esauth-metrics; where ProxyPass / sends everything to the back \
                     end, ProxyPass /esauth-metrics ! must stand in front of it",
                    "is not the page of esauth_metrics: which location has it?",
                ),
            },
            401 => "asks for a user: name one with --user".into(),
            403 => Advice::each(
                "is not for this address: see the Require in its Location",
                "is not for this address: see allow and deny in its location",
            ),
            404 => Advice::each(
                "is not there: which Location has SetHandler rust-esauth-metrics?",
                "is not there: which location has esauth_metrics?",
            ),
            _ => "does not show the page".into(),
        };
        let advice = advice.to(answer.front().unwrap_or_default());
        Err(format!("{}: status {}: {advice}", place(), answer.status))
    }
}
