//! The command line. `xtask/` includes this file and `finding.rs` to make completions and manual pages, so they use
//! nothing else of this crate.

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};

use crate::finding::Code;

const STATUS: &str = "Exit status: 0: no problem found, 1: a problem found, 2: the check could not run (wrong usage, \
                      unreadable file).";

const EXPLAINED: &str = "Exit status: 0 if the request passes, 1 if it is refused, 2 if it could not be judged (wrong \
                         usage, a file that cannot be read or has faults).";

const CHANGED: &str = "Exit status: 0 if the file has the wanted content, 2 if not: then it is unchanged.";

const UNLOCKED: &str =
    "Exit status: 0 if something was unlocked, 1 if nothing was locked, 2 if the server does not answer.";

const ANSWERED: &str = "Exit status: 0, or 2 if the server does not answer.";

/// Makes and checks the files of rust_esauth, the Apache httpd module for HTTP Basic authentication, and checks the setup
/// and the running server.
#[derive(Parser)]
#[command(name = "esauth", version, after_help = STATUS, disable_help_subcommand = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    #[command(after_help = STATUS)]
    Check(CheckOptions),
    #[command(after_help = CHANGED)]
    Passwd(PasswdOptions),
    #[command(after_help = STATUS)]
    Verify(VerifyOptions),
    #[command(after_help = STATUS)]
    Status(StatusOptions),
    #[command(after_help = EXPLAINED)]
    Explain(ExplainOptions),
    #[command(after_help = ANSWERED)]
    Lockouts(LockoutsOptions),
    #[command(after_help = UNLOCKED)]
    Unlock(UnlockOptions),
    #[command(after_help = ANSWERED)]
    Forget(ForgetOptions),
    #[command(after_help = CHANGED)]
    FleetKey(FleetKeyOptions),
}

/// Finds faults in password, group and roles files.
///
/// Every line is judged by the module's own code.
#[derive(Args)]
pub(crate) struct CheckOptions {
    /// Password files (AuthUserFile), as htpasswd makes them.
    #[arg(value_name = "FILE", required_unless_present_any = ["groups", "roles"])]
    pub(crate) files: Vec<PathBuf>,

    /// A group file (AuthGroupFile). Its members are looked up in the password files, and their users in it.
    #[arg(long, value_name = "FILE")]
    pub(crate) groups: Vec<PathBuf>,

    /// A roles file (EsAuthRoles). Its roles are looked up in the group files, and their groups in it.
    #[arg(long, value_name = "FILE")]
    pub(crate) roles: Vec<PathBuf>,

    /// The httpd version whose rules for joining lines apply.
    #[arg(long, value_name = "VERSION", default_value = "2.4")]
    pub(crate) httpd: Generation,

    /// Report bcrypt hashes with a lower cost as weak.
    #[arg(long, value_name = "COST", default_value_t = 10, value_parser = clap::value_parser!(u32).range(4..=31))]
    pub(crate) min_bcrypt_cost: u32,

    /// Ignore this kind of finding, such as weak-hash. May be repeated.
    #[arg(long, value_name = "KIND")]
    pub(crate) allow: Vec<Code>,

    /// Show every finding, not only the first ten of each kind.
    #[arg(long)]
    pub(crate) all: bool,

    /// Prints JSON, with every finding.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Generation {
    #[value(name = "2.2")]
    V22,
    #[value(name = "2.4")]
    V24,
}

/// Makes, changes and deletes users of a password file; keeps an old password valid for a while.
///
/// The file is replaced in one step and keeps its owner, mode, comments and order. The password is typed twice, or read
/// from a file, never from the command line. Common passwords are refused.
#[derive(Args)]
pub(crate) struct PasswdOptions {
    /// The password file (AuthUserFile).
    pub(crate) file: PathBuf,

    /// The user.
    pub(crate) user: String,

    /// A file whose first line is the user's new password; - is the standard input. Without it: the terminal.
    #[arg(long, value_name = "FILE")]
    pub(crate) user_password: Option<PathBuf>,

    /// Keep the old password valid for this long, beside the new one, such as 90m, 12h or 7d. Programs other than
    /// rust_esauth ignore that.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) keep_old: Option<Duration>,

    /// End the old password now, and leave the new one as it is.
    #[arg(long, conflicts_with_all = ["user_password", "keep_old", "delete", "create", "cost"])]
    pub(crate) drop_old: bool,

    /// Delete the user.
    #[arg(long, conflicts_with_all = ["user_password", "keep_old", "create", "cost"])]
    pub(crate) delete: bool,

    /// Create the file if it is missing.
    #[arg(long, short)]
    pub(crate) create: bool,

    /// The cost of the bcrypt hash; each step doubles the time of a first login, and of each guess.
    #[arg(long, value_name = "COST", default_value_t = 10, value_parser = clap::value_parser!(u32).range(4..=17))]
    pub(crate) cost: u32,
}

/// The longest time for which an old password can be kept.
const TEN_YEARS: Duration = Duration::from_secs(3653 * 86_400);

/// A time such as 90m, 12h or 7d.
fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|unit: char| !unit.is_ascii_digit());
    let unit = match &text[digits.len()..] {
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        "w" => 7 * 86_400,
        _ => return Err("a time is a number with m, h, d or w behind it, such as 12h".to_owned()),
    };
    let seconds = digits.parse().ok().and_then(|number: u64| number.checked_mul(unit)).unwrap_or(u64::MAX);
    let time = Duration::from_secs(seconds);
    if time.is_zero() || time > TEN_YEARS {
        return Err("the time must be between a minute and ten years".to_owned());
    }
    Ok(time)
}

/// Follows a request from the certificate to the cluster and reports faults.
///
/// Passwords are read from a file, from the environment or from the terminal, never from the command line.
#[derive(Args)]
pub(crate) struct VerifyOptions {
    /// Where clients reach Elasticsearch, such as https://search.example.org
    pub(crate) url: String,

    /// A user who can log in.
    #[arg(long, value_name = "NAME")]
    pub(crate) user: Option<String>,

    /// A file whose first line is the user's password. Without it: ESAUTH_PASSWORD in the environment, or the terminal.
    #[arg(long, value_name = "FILE", requires = "user")]
    pub(crate) user_password: Option<PathBuf>,

    /// A user of the password file who must be refused, such as one outside the group.
    #[arg(long, value_name = "NAME")]
    pub(crate) outsider: Option<String>,

    /// A file whose first line is the outsider's password. Without it: ESAUTH_OUTSIDER_PASSWORD in the environment, or
    /// the terminal.
    #[arg(long, value_name = "FILE", requires = "outsider")]
    pub(crate) outsider_password: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) access: Access,

    /// Days that the certificate must be valid for from now.
    #[arg(long, value_name = "DAYS", default_value_t = 14)]
    pub(crate) min_days: u32,

    /// The port on which unencrypted HTTP must be closed or redirected.
    #[arg(long, value_name = "PORT", default_value_t = 80)]
    pub(crate) http_port: u16,

    /// Elasticsearch's own address. It must not answer on any address of this machine except the loopback's, nor at
    /// HOST.
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) backend: Option<String>,

    /// The password file's path on the server: it must not be served as a document.
    #[arg(long, value_name = "PATH")]
    pub(crate) auth_user_file: Option<PathBuf>,

    /// Prints JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Shows the metrics of a running server, from its Prometheus page (SetHandler rust-esauth-metrics).
#[derive(Args)]
pub(crate) struct StatusOptions {
    /// The page, such as http://localhost/esauth-metrics
    pub(crate) url: String,

    /// Show the totals once and quit. The default if the output is not a terminal.
    #[arg(long)]
    pub(crate) once: bool,

    /// Prints JSON: every sample of the page, once.
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) access: Access,

    /// A user who may see the page, if it asks for one.
    #[arg(long, value_name = "NAME")]
    pub(crate) user: Option<String>,

    /// A file whose first line is the user's password. Without it: ESAUTH_PASSWORD in the environment, or the terminal.
    #[arg(long, value_name = "FILE", requires = "user")]
    pub(crate) user_password: Option<PathBuf>,
}

/// Explains how EsAuthRoles decides about a request, and why.
///
/// The request is judged by the module's own code.
#[derive(Args)]
pub(crate) struct ExplainOptions {
    /// Method and target as Elasticsearch gets them, such as 'GET /logs-*/_search'.
    pub(crate) request: String,

    /// The roles file (EsAuthRoles).
    #[arg(long, value_name = "FILE")]
    pub(crate) roles: PathBuf,

    /// The user.
    #[arg(long, value_name = "NAME")]
    pub(crate) user: String,

    /// A group file (AuthGroupFile): the user's groups are their roles.
    #[arg(long, value_name = "FILE")]
    pub(crate) groups: Vec<PathBuf>,

    /// A role of the user, in addition to those of the group file.
    #[arg(long, value_name = "NAME")]
    pub(crate) role: Vec<String>,

    /// A file with the request's body.
    #[arg(long, value_name = "FILE")]
    pub(crate) body: Option<PathBuf>,

    /// The body's media type.
    #[arg(long, value_name = "TYPE", default_value = "application/json")]
    pub(crate) content_type: String,

    /// Prints JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Lists the clients that a running server has locked out (EsAuthMaxFailures).
///
/// For root, or the user that starts the server, on its machine. Needs EsAuthControl, or esauth_control in nginx.
#[derive(Args)]
pub(crate) struct LockoutsOptions {
    #[command(flatten)]
    pub(crate) server: ControlSocket,

    /// Prints JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Ends lockouts of a running server, and clears the wrong passwords that count towards one.
///
/// For root, or the user that starts the server, on its machine. Needs EsAuthControl, or esauth_control in nginx.
#[derive(Args)]
#[command(group(ArgGroup::new("whom").required(true).multiple(true).args(["user", "address", "all"])))]
pub(crate) struct UnlockOptions {
    /// Lockouts of this user: everywhere, or only at ADDRESS.
    #[arg(long, value_name = "NAME")]
    pub(crate) user: Option<OsString>,

    /// Lockouts of this client (IPv6: of its /64): for every user, or only for NAME. Earlier guesses from there are
    /// forgotten, too.
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    pub(crate) address: Option<IpAddr>,

    /// All lockouts.
    #[arg(long, conflicts_with_all = ["user", "address"])]
    pub(crate) all: bool,

    #[command(flatten)]
    pub(crate) server: ControlSocket,
}

/// A client's address as `esauth lockouts` shows it.
fn address(text: &str) -> Result<IpAddr, String> {
    let parsed = |text: &str| text.parse::<IpAddr>().map_err(|error| error.to_string());
    match text.strip_suffix("/64").map(parsed) {
        Some(Ok(IpAddr::V6(address))) => Ok(address.into()),
        _ => parsed(text),
    }
}

/// Makes a running server forget every password it remembers, right and wrong: each is hashed once more.
///
/// Lockouts stay. For root, or the user that starts the server, on its machine. Needs EsAuthControl, or esauth_control in
/// nginx.
#[derive(Args)]
pub(crate) struct ForgetOptions {
    #[command(flatten)]
    pub(crate) server: ControlSocket,
}

/// The socket of a running server.
#[derive(Args)]
pub(crate) struct ControlSocket {
    /// The path in EsAuthControl or esauth_control. Default: the first that exists of /run/apache2/rust_esauth.sock,
    /// /run/httpd/rust_esauth.sock, /usr/local/apache2/logs/rust_esauth.sock and /run/nginx-esauth.sock.
    #[arg(long, value_name = "PATH")]
    pub(crate) socket: Option<PathBuf>,
}

/// Makes a key for the servers that share verdicts over Redis or Valkey (EsAuthFleetKey).
#[derive(Args)]
pub(crate) struct FleetKeyOptions {
    /// The file to create. An existing file is not changed.
    pub(crate) file: PathBuf,
}

/// How to reach a server.
#[derive(Args)]
pub(crate) struct Access {
    /// Trust the certificates in this file (PEM) instead of the system's.
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,

    /// A certificate for a server that asks for one (SSLVerifyClient), in PEM form, with those between it and its CA.
    #[arg(long, value_name = "FILE")]
    pub(crate) cert: Option<PathBuf>,

    /// The private key of that certificate, in PEM form and not encrypted. Default: from the certificate's file.
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub(crate) key: Option<PathBuf>,

    /// Send passwords even to an untrusted server.
    #[arg(long)]
    pub(crate) insecure: bool,

    /// Connect to this address instead of the one of the URL's host.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) connect: Option<std::net::IpAddr>,

    /// Seconds to wait for each connection and each answer.
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub(crate) timeout: u64,
}
