//! Checks for faults of the configuration that concern the sections protected by this module: reported by `apachectl
//! configtest` and, at every start and restart, in the error log.
//!
//! Many facts are known only when a request comes. In doubt, a check misses a fault rather than warn about a sound
//! configuration.
//!
//! * [`check`]: the checks; [`findings`]: their findings;
//! * [`tree`]: the directives as httpd has read them;
//! * [`sections`]: the directives in effect in each section;
//! * [`requirements`]: missing directives, and requirements in the wrong place;
//! * [`open`]: sections that look protected but are not;
//! * [`routes`]: back ends that can be reached around their section;
//! * [`roles`]: sections with EsAuthRoles;
//! * [`backend`]: sections with EsAuthBackendCredentials or EsAuthBackendUser;
//! * [`clients`]: the client's address;
//! * [`conditions`]: directives in `<IfModule>` of a stock module that is not loaded;
//! * [`files`]: the files, and the rights of the [`run_user`];
//! * [`network`]: passwords and back ends exposed to the network.

mod backend;
mod check;
mod clients;
mod conditions;
mod files;
mod findings;
mod network;
mod open;
mod requirements;
mod roles;
mod route;
mod routes;
mod run_user;
mod sections;
mod tree;

use std::ffi::CStr;

use crate::config::section::DirConfig;
use crate::httpd::bindings::{command_rec, server_rec};
use crate::httpd::boundary::guard;
use crate::httpd::command::{self, Answer, Command};
use crate::httpd::log::{Level, here, log_server};
use crate::httpd::pool::{ConfigurationPool, Pool};

use check::Check;
use findings::Findings;
pub(crate) use run_user::Occasion;
use sections::Sections;

/// The directive of the checks.
pub(crate) const COMMANDS: &[command_rec] =
    &[command::anywhere_but_htaccess(command::each_word::<DirConfig<'static>>(
        c"EsAuthSilence",
        check_name,
        c"names of start-up checks to turn off here",
    ))];

/// `EsAuthSilence NAME …`, called once for each name. The tree tells its section.
fn check_name<'p>(command: Command<'p>, _config: &mut DirConfig<'p>, name: &'p CStr) -> Answer<'p> {
    if Check::named(name.to_bytes()).is_some() {
        return Ok(());
    }
    let known = Check::ALL.map(|(_, name)| name).join(", ");
    command.refuse(&[b"EsAuthSilence: '", name.to_bytes(), b"' is not one of ", known.as_bytes()])
}

/// Checks the configuration that httpd has just read, and logs a warning for each fault. `pool`: for this time only.
pub(crate) fn report<'p>(
    occasion: Occasion,
    configuration: ConfigurationPool<'p>,
    main: &'p server_rec,
    pool: Pool<'p>,
) {
    // A failure here must not prevent the start.
    guard((), || {
        let sections = Sections::read(tree::configuration(configuration, pool));
        let guarded = sections.guarded();
        let mut findings = Findings::new(&sections);
        conditions::check(&mut findings, main, pool);
        requirements::check(&mut findings, &guarded);
        open::check(&mut findings, &guarded);
        routes::check(&mut findings, &guarded);
        roles::check(&mut findings);
        backend::check(&mut findings);
        clients::check(&mut findings, &guarded);
        files::check(&mut findings, &guarded, occasion);
        network::check(&mut findings, &guarded);
        for line in findings.lines() {
            log_server(here!(), Level::Warning, 0, Some(main), pool, &[line.as_bytes()]);
        }
    });
}
