//! Events in a server's life: restarts under load, changed files, the start-up line.

// A test that cannot go on should stop, with the reason.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod harness;
#[path = "lifecycle/load.rs"]
mod load;

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use harness::client::{self, Request};
use harness::digest;
use harness::httpd::{Httpd, Mpm, Setup, Site};
use harness::installation::Installation;
use harness::log;
use harness::memcheck;
use harness::process::Size;
use load::{Load, Losses};

/// `secret` and `other`, as `htpasswd -s` stores them.
const SECRET: &str = "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=";
const OTHER: &str = "{SHA}0JQeaNqPOBUf+Gph/Fn3xc+fyqI=";

/// For the usual MPM, so that each process's lines can be counted.
fn one_child() -> &'static str {
    match Mpm::usual() {
        Mpm::Event | Mpm::Worker => {
            "LogLevel notice\nServerLimit 1\nStartServers 1\nMaxRequestWorkers 16\nMaxSpareThreads 32"
        }
        Mpm::Prefork => "LogLevel notice\nServerLimit 1\nStartServers 1\nMaxRequestWorkers 1\nMaxSpareServers 1",
    }
}

const STOCK: &[&str] = &["auth_basic", "authn_file", "authz_groupfile"];

/// A server that protects everything with the files `users` and `groups` in its folder.
fn start(mpm: Mpm, stock: &[&str], ours: bool, more: &str) -> Httpd {
    let installation = Installation::get();
    let mut load = installation.load_core() + &installation.load(stock);
    if ours {
        load += &installation.load_ours();
    }
    let configuration = |site: &Site<'_>| {
        let folder = site.folder.display();
        write(site.folder, "users", &format!("alice:{SECRET}\nbob:{SECRET}\n"));
        write(site.folder, "groups", "staff: alice\n");
        write(site.folder, "file.txt", "file\n");
        format!(
            "DocumentRoot {folder}\n{}MaxKeepAliveRequests 0\n<Location />\nAuthType Basic\n\
             AuthName realm\nAuthUserFile {folder}/users\nAuthGroupFile {folder}/groups\nRequire group staff\n\
             </Location>\n{more}\n",
            log::format()
        )
    };
    Httpd::start(&Setup { mpm, load, ports: 1, configuration: &configuration })
}

fn write(folder: &Path, name: &str, content: &str) {
    fs::write(folder.join(name), content).unwrap();
}

/// Replaces a file in one step, as most tools do.
fn replace(folder: &Path, name: &str, content: &str) {
    write(folder, "new", content);
    fs::rename(folder.join("new"), folder.join(name)).unwrap();
}

fn status(server: &Httpd, user: &str, password: &str) -> u16 {
    let request = Request::get("/file.txt").header("Host: localhost").basic(user, password);
    client::ask(server.port(), &request).unwrap().status
}

/// The error log's lines of the stock modules with this number.
fn stock_lines(server: &Httpd, number: &'static str) -> Vec<log::Line> {
    log::mark(number).map_or(Vec::new(), |mark| logged(server, mark))
}

/// The error log's lines whose text contains `part`.
fn logged(server: &Httpd, part: &str) -> Vec<log::Line> {
    log::parse(&server.error_log()).into_iter().filter(|line| line.text.contains(part)).collect()
}

fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + memcheck::patience(Duration::from_secs(20));
    while !condition() {
        assert!(Instant::now() < deadline, "waited too long for {what}");
        sleep(Duration::from_millis(5));
    }
}

mod restarts {
    use super::*;

    /// Each takes seconds under Valgrind, and finds any fault at once.
    fn restarts() -> usize {
        if memcheck::is_wanted() { 6 } else { 100 }
    }

    #[test]
    fn a_hundred_under_event_lose_nothing_and_leak_nothing() {
        a_hundred_restarts(Mpm::Event);
    }

    #[test]
    fn a_hundred_under_worker_lose_nothing_and_leak_nothing() {
        a_hundred_restarts(Mpm::Worker);
    }

    #[test]
    fn a_hundred_under_prefork_lose_nothing_and_leak_nothing() {
        a_hundred_restarts(Mpm::Prefork);
    }

    /// The same load and the same restarts for a stock server and one with ours, side by side.
    fn a_hundred_restarts(mpm: Mpm) {
        if mpm.is_missing() {
            return;
        }
        let mut stock = start(mpm, STOCK, false, "LogLevel notice");
        let mut ours = start(mpm, &[], true, "LogLevel notice");
        let (stock_load, ours_load) = (Load::begin(stock.port()), Load::begin(ours.port()));
        let mut sizes = Vec::new();
        let restarts = restarts();
        for count in 1..=restarts {
            for server in [&stock, &ours] {
                server.begin_graceful_restart();
            }
            for server in [&stock, &ours] {
                // A signal would be lost if it came while the previous one is being handled.
                wait_for("a graceful restart", || restarted(server, count));
            }
            sleep(Duration::from_millis(60));
            if count == restarts / 2 || count == restarts {
                sizes.push((Size::settled(stock.parent()), Size::settled(ours.parent())));
            }
        }
        let (stock_losses, ours_losses) = (stock_load.end(), ours_load.end());
        assert!(stock.stop().success() && ours.stop().success(), "{mpm:?}: the servers end in order");

        println!("{mpm:?}: stock {stock_losses:?}\n{mpm:?}: ours {ours_losses:?}\n{mpm:?}: sizes {sizes:?}");
        assert_eq!(ours_losses.wrong, 0, "{mpm:?}: answers with a wrong status: {:?}", ours_losses.examples);
        // Under Valgrind, pace and memory are Valgrind's.
        if !memcheck::is_wanted() {
            assert_no_worse(mpm, &stock_losses, &ours_losses);
            let [(stock_before, ours_before), (stock_after, ours_after)] = sizes[..] else {
                panic!("two measurements")
            };
            assert_no_growth(mpm, [stock_before, stock_after], [ours_before, ours_after]);
        }
        for crash in ["AH00051", "AH00052", "AH00050", "panicked", "double free", "rust_esauth: internal error"] {
            let lines = logged(&ours, crash);
            assert!(lines.is_empty(), "{mpm:?}: {lines:?}");
        }
        let raw = String::from_utf8_lossy(&ours.error_log()).into_owned();
        assert!(!raw.contains("panicked"), "{mpm:?}: a panic in the log:\n{raw}");
    }

    /// One "resuming normal operations" at the start, and one after each restart.
    fn restarted(server: &Httpd, count: usize) -> bool {
        logged(server, "resuming normal operations").len() > count
    }

    fn assert_no_worse(mpm: Mpm, stock: &Losses, ours: &Losses) {
        // A load with hardly any requests would prove nothing. 2.2's worker has few spare children while the old ones
        // take seconds to end.
        let enough = if Installation::get().is_22() { 300 } else { 2000 };
        for (name, losses) in [("stock", stock), ("ours", ours)] {
            assert!(losses.answered > enough, "{mpm:?}: only {} requests were answered by {name}", losses.answered);
        }
        assert!(
            ours.lost <= stock.lost,
            "{mpm:?}: ours lost {} of {}, stock {} of {}: {:?}",
            ours.lost,
            ours.answered + ours.lost,
            stock.lost,
            stock.answered + stock.lost,
            ours.examples
        );
    }

    /// Growth of httpd itself is allowed.
    fn assert_no_growth(mpm: Mpm, stock: [Size; 2], ours: [Size; 2]) {
        const SLACK_KIB: u64 = 64;
        let grown = |[before, after]: [Size; 2]| after.memory_kib.saturating_sub(before.memory_kib);
        assert!(
            grown(ours) <= grown(stock) + SLACK_KIB,
            "{mpm:?}: the parent grew by {} KiB in 50 restarts, stock's by {} KiB",
            grown(ours),
            grown(stock)
        );
        let [before, after] = ours;
        assert!(
            after.descriptors <= before.descriptors,
            "{mpm:?}: descriptors {} -> {}",
            before.descriptors,
            after.descriptors
        );
        assert!(after.mappings <= before.mappings + 2, "{mpm:?}: mappings {} -> {}", before.mappings, after.mappings);
    }
}

mod changes {
    use super::*;

    #[test]
    fn a_replaced_file_counts_from_the_next_request_on() {
        for mpm in Mpm::available() {
            let server = start(mpm, &[], true, "");
            for _ in 0..20 {
                assert_eq!(status(&server, "alice", "secret"), 200);
                replace(server.folder(), "users", &format!("alice:{OTHER}\n"));
                assert_eq!(
                    (status(&server, "alice", "secret"), status(&server, "alice", "other")),
                    (401, 200),
                    "{mpm:?}"
                );
                replace(server.folder(), "users", &format!("alice:{SECRET}\n"));
            }
        }
    }

    #[test]
    fn a_file_rewritten_in_place_counts_from_the_next_request_on() {
        for mpm in Mpm::available() {
            let server = start(mpm, &[], true, "");
            // Same length, same inode, and often the same tick of the clock.
            for _ in 0..20 {
                write(server.folder(), "users", &format!("alice:{OTHER}\n"));
                assert_eq!(
                    (status(&server, "alice", "secret"), status(&server, "alice", "other")),
                    (401, 200),
                    "{mpm:?}"
                );
                write(server.folder(), "users", &format!("alice:{SECRET}\n"));
                assert_eq!(
                    (status(&server, "alice", "secret"), status(&server, "alice", "other")),
                    (200, 401),
                    "{mpm:?}"
                );
            }
        }
    }

    #[test]
    fn a_revoked_user_and_a_revoked_member_are_refused_at_once() {
        let server = start(Mpm::usual(), &[], true, "");
        assert_eq!((status(&server, "alice", "secret"), status(&server, "bob", "secret")), (200, 401));
        replace(server.folder(), "groups", "staff: bob\n");
        assert_eq!((status(&server, "alice", "secret"), status(&server, "bob", "secret")), (401, 200));
        write(server.folder(), "groups", "staff: alice bob\n");
        assert_eq!((status(&server, "alice", "secret"), status(&server, "bob", "secret")), (200, 200));
        write(server.folder(), "users", &format!("bob:{SECRET}\n"));
        assert_eq!((status(&server, "alice", "secret"), status(&server, "bob", "secret")), (401, 200));
    }

    #[test]
    fn htpasswd_itself_changes_a_password() {
        let server = start(Mpm::usual(), &[], true, "");
        for password in ["first", "second", "third"] {
            let mut htpasswd = std::process::Command::new(Installation::get().htpasswd());
            let output =
                htpasswd.arg("-bs").arg(server.folder().join("users")).args(["alice", password]).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            assert_eq!((status(&server, "alice", "secret"), status(&server, "alice", password)), (401, 200));
        }
    }

    #[test]
    fn a_removed_file_is_an_error_until_it_is_back() {
        let answers = [(STOCK, false), (&[][..], true), (STOCK, true)].map(|(stock, ours)| {
            let server = start(Mpm::usual(), stock, ours, "");
            let users = server.folder().join("users");
            let mut statuses = vec![status(&server, "alice", "secret")];
            fs::remove_file(&users).unwrap();
            statuses.extend((0..3).map(|_| status(&server, "alice", "secret")));
            write(server.folder(), "users", &format!("alice:{SECRET}\n"));
            statuses.extend((0..3).map(|_| status(&server, "alice", "secret")));
            fs::remove_file(server.folder().join("groups")).unwrap();
            statuses.push(status(&server, "alice", "secret"));
            write(server.folder(), "groups", "staff: alice\n");
            statuses.push(status(&server, "alice", "secret"));
            let lines: Vec<String> = ["AH01620", "AH01665"]
                .iter()
                .flat_map(|number| stock_lines(&server, number))
                .map(|line| {
                    format!(
                        "{} {} {}",
                        line.level,
                        line.status,
                        line.text.replace(&server.folder().display().to_string(), "")
                    )
                })
                .collect();
            (statuses, lines)
        });
        let [stock, ours, both] = answers;
        let statuses = |without_groups| [200, 500, 500, 500, 200, 200, 200, without_groups, 200];
        // Ours is an error in both generations: behind `Require not` a denial would admit users.
        assert_eq!(stock.0, statuses(if Installation::get().is_22() { 500 } else { 401 }));
        assert_eq!(ours.0, statuses(500));
        assert_eq!(both.0, statuses(500));
        assert_eq!(stock.1.len(), 4, "{:?}", stock.1);
        assert_eq!(stock.1, ours.1);
        assert_eq!(stock.1, both.1);
    }

    /// Besides the stock lines for every request, ours says what to do: once, and once when it is over.
    #[test]
    fn advice_about_a_broken_file_is_logged_once() {
        let server = start(Mpm::usual(), &[], true, one_child());
        assert_eq!(status(&server, "alice", "secret"), 200);
        let own = || {
            log::parse(&server.error_log())
                .into_iter()
                .filter(|line| line.module == "rust_esauth" && line.number().is_none())
                .count()
        };
        let before = own();
        fs::remove_file(server.folder().join("users")).unwrap();
        for _ in 0..5 {
            assert_eq!(status(&server, "alice", "secret"), 500);
        }
        assert_eq!(own(), before + 1);
        write(server.folder(), "users", &format!("alice:{SECRET}\n"));
        for _ in 0..5 {
            assert_eq!(status(&server, "alice", "secret"), 200);
        }
        assert_eq!(own(), before + 2);
    }

    #[test]
    fn a_line_that_becomes_too_long_for_stock_httpd_is_warned_of_once() {
        for long in [format!("dana:{SECRET}:{}", "x".repeat(9000)), format!("# {}", "x".repeat(9000))] {
            let server = start(Mpm::usual(), &[], true, one_child());
            assert_eq!(status(&server, "alice", "secret"), 200);
            write(server.folder(), "users", &format!("bob:{SECRET}\n{long}\nalice:{SECRET}\n"));
            assert_one_warning_of_line_2(&server, &long);
        }
    }

    #[test]
    fn a_line_that_is_too_long_for_stock_httpd_from_the_start_is_warned_of_once() {
        let server = start(Mpm::usual(), &[], true, one_child());
        let long = format!("dana:{SECRET}:{}", "x".repeat(9000));
        write(server.folder(), "users", &format!("bob:{SECRET}\n{long}\nalice:{SECRET}\n"));
        server.begin_graceful_restart();
        wait_for("the restart", || logged(&server, "resuming normal operations").len() > 1);
        // The new child has read the file before its first request.
        sleep(memcheck::patience(Duration::from_millis(300)));
        assert_one_warning_of_line_2(&server, &long);
    }

    fn assert_one_warning_of_line_2(server: &Httpd, long: &str) {
        assert_eq!([(); 3].map(|()| status(server, "alice", "secret")), [200; 3]);
        let warnings = logged(server, "8191");
        let line = long.get(..20);
        assert_eq!(warnings.len(), 1, "{line:?} …: {warnings:?}");
        assert!(warnings[0].level == "warn" && warnings[0].text.contains("line 2"), "{line:?} …: {warnings:?}");
        let stock = if Installation::get().is_22() { "stock httpd cuts it" } else { "stock httpd ignores them" };
        assert!(warnings[0].text.contains(stock), "{warnings:?}");
    }
}

/// Realm hashes as written by the real htdigest, requested by mod_auth_digest, and by AuthBasicUseDigestAlgorithm if
/// there is one.
mod realm_hashes {
    use std::io::Write as _;
    use std::os::unix::process::CommandExt;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_file_of_htdigest_that_changes_counts_at_once() {
        let ways = if Installation::get().is_22() { &["digest"][..] } else { &["digest", "basic"] };
        let answers = [(STOCK, false), (&[][..], true), (STOCK, true)].map(|(stock, ours)| {
            let stock: Vec<&str> = stock.iter().chain(&["auth_digest"]).copied().collect();
            let by_basic = if ways.len() > 1 {
                "<Location /basic/>\nAuthType Basic\nAuthBasicUseDigestAlgorithm MD5\n</Location>"
            } else {
                ""
            };
            let section = format!(
                "<Location />\nAuthType Digest\nAuthName realm\nAuthDigestProvider file\nAuthUserFile digests\nRequire valid-user\n\
                 </Location>\n{by_basic}"
            );
            let server = start(Mpm::usual(), &stock, ours, &section);
            fs::create_dir(server.folder().join("basic")).unwrap();
            write(server.folder(), "basic/file.txt", "file\n");
            let file = server.folder().join("digests");
            let ask = |credentials: &str| ways.iter().map(|way| asked(&server, way, credentials)).collect::<Vec<_>>();
            let mut statuses = vec![ask("alice:secret")];
            htdigest(&file, "realm", "alice", "secret");
            htdigest(&file, "realm", "bob", "secret");
            statuses.extend(["alice:secret", "alice:wrong", "mallory:secret", "bob:secret"].map(ask));
            htdigest(&file, "realm", "alice", "other");
            statuses.extend(["alice:secret", "alice:other", "bob:secret"].map(ask));
            let text = fs::read_to_string(&file).unwrap();
            replace(server.folder(), "digests", &text.replace("alice:realm:", "alice:elsewhere:"));
            statuses.extend(["alice:other", "bob:secret"].map(ask));
            htdigest(&file, "realm", "alice", "third");
            statuses.extend(["alice:other", "alice:third"].map(ask));
            fs::remove_file(&file).unwrap();
            statuses.push(ask("alice:third"));
            let lines = ["AH01790", "AH01794", "AH01617", "AH01618", "AH01622"]
                .map(|number| stock_lines(&server, number).len());
            (statuses, lines)
        });
        let expected = [500, 200, 401, 401, 200, 401, 200, 200, 401, 200, 401, 200, 500];
        let [stock, ours, both] = answers;
        assert_eq!(stock.0, expected.map(|status: u16| vec![status; ways.len()]));
        assert!(stock.1[4] > 0, "{:?}", stock.1);
        assert_eq!((&ours, &both), (&stock, &stock));
    }

    /// Adds or changes a user, with the password on its standard input instead of a terminal.
    fn htdigest(file: &Path, realm: &str, user: &str, password: &str) {
        let mut command = Command::new(Installation::get().program("htdigest"));
        if !file.exists() {
            command.arg("-c");
        }
        command.arg(file).args([realm, user]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        // SAFETY: a system call that may be made between fork and exec; without a terminal, standard input is asked.
        unsafe {
            command.pre_exec(|| {
                libc::setsid();
                Ok(())
            });
        }
        let mut process = command.spawn().unwrap_or_else(|error| panic!("cannot run htdigest: {error}"));
        process.stdin.take().unwrap().write_all(format!("{password}\n{password}\n").as_bytes()).unwrap();
        assert!(process.wait().unwrap().success(), "htdigest");
        fs::set_permissions(file, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    }

    fn asked(server: &Httpd, way: &str, credentials: &str) -> u16 {
        let (user, password) = credentials.split_once(':').unwrap();
        if way == "basic" {
            let request = Request::get("/basic/file.txt").header("Host: localhost").basic(user, password);
            return client::ask(server.port(), &request).unwrap().status;
        }
        let request = Request::get("/file.txt").header("Host: localhost");
        let challenge = client::ask(server.port(), &request).unwrap();
        let answer = digest::authorization(&request, challenge.header("www-authenticate").unwrap(), user, password)
            .expect("a challenge");
        client::ask(server.port(), &request.header(answer)).unwrap().status
    }
}

mod start_up {
    use super::*;

    #[test]
    fn one_line_at_info_says_the_version() {
        for (stock, says) in [(&[][..], "in place of mod_auth_basic"), (STOCK, "beside mod_auth_basic")] {
            let server = start(Mpm::usual(), stock, true, "LogLevel info");
            let lines = logged(&server, concat!("rust_esauth/", env!("CARGO_PKG_VERSION")));
            assert_eq!(lines.len(), 1, "{lines:?}");
            assert!(lines[0].level == "info" && lines[0].text.contains(says), "{lines:?}");
        }
    }

    #[test]
    fn nothing_is_said_at_the_usual_level() {
        // The start-up checks would warn about these files.
        let more = "LogLevel warn\nEsAuthSilence served-file world-readable";
        let server = start(Mpm::usual(), STOCK, true, more);
        assert_eq!(status(&server, "alice", "secret"), 200);
        let lines = log::parse(&server.error_log());
        assert!(lines.iter().all(|line| line.module != "rust_esauth"), "{lines:?}");
    }

    #[test]
    fn the_provider_goes_by_the_name_esauth_as_well() {
        for stock in [&[][..], STOCK] {
            let server = start(Mpm::usual(), stock, true, "<Location />\nAuthBasicProvider esauth\n</Location>");
            let statuses = [("alice", "secret"), ("alice", "wrong"), ("bob", "secret"), ("mallory", "x")];
            assert_eq!(statuses.map(|(user, password)| status(&server, user, password)), [200, 401, 401, 401]);
            assert_eq!(stock_lines(&server, "AH01617").len(), 1);
            assert_eq!(stock_lines(&server, "AH01618").len(), 1);
        }
    }

    /// Without mod_authz_owner, the group of a file is unknown: that is an error, not a crash.
    #[test]
    fn file_group_without_mod_authz_owner_is_an_error() {
        let server = start(Mpm::usual(), &[], true, "<Location />\nRequire file-group\n</Location>");
        if Installation::get().is_22() {
            // No module decides there, the stock one neither, and httpd itself refuses.
            assert_eq!(status(&server, "alice", "secret"), 500);
            assert_eq!(logged(&server, "couldn't check access").len(), 1);
            return;
        }
        for _ in 0..3 {
            assert_eq!(status(&server, "alice", "secret"), 500);
        }
        assert!(logged(&server, "AH00052").is_empty());
        assert_eq!(logged(&server, "needs mod_authz_owner").len(), 3);
    }

    /// A file that only root may read fails for the run user, though the parent could read it.
    #[test]
    fn files_are_read_with_the_rights_of_the_children() {
        use std::os::unix::fs::PermissionsExt;
        let server = start(Mpm::usual(), &[], true, "");
        fs::set_permissions(server.folder().join("users"), fs::Permissions::from_mode(0o000)).unwrap();
        server.begin_graceful_restart();
        wait_for("the restart", || {
            logged(&server, "resuming normal operations").len() > 1 || status(&server, "alice", "secret") == 500
        });
        wait_for("the refusal", || status(&server, "alice", "secret") == 500);
        let lines = stock_lines(&server, "AH01620");
        assert!(lines.iter().all(|line| line.status == "(13)Permission denied"), "{lines:?}");
    }

    /// In httpd's usual format, which log alerts and fail2ban's `apache-auth` filter match.
    #[test]
    fn a_refusal_in_the_usual_log_format_has_the_client_and_the_stock_text() {
        let in_22 = Installation::get().is_22();
        let format =
            "ErrorLogFormat \"[%{u}t] [%-m:%l] [pid %P:tid %T] %7F: %E: [client\\ %a] %M% ,\\ referer\\ %{Referer}i\"";
        let server = start(Mpm::usual(), &[], true, if in_22 { "" } else { format });
        assert_eq!(status(&server, "alice", "wrong"), 401);
        let log = String::from_utf8_lossy(&server.error_log()).into_owned();
        let line =
            log.lines().find(|line| line.contains("Password Mismatch")).unwrap_or_else(|| panic!("not in:\n{log}"));
        let (before, text) = line.split_once("[client 127.0.0.1").unwrap();
        assert!(before.contains(if in_22 { "] [error] " } else { "[rust_esauth:error] [pid " }), "{line}");
        let text = text.split_once("] ").unwrap().1;
        let number = if in_22 { "" } else { "AH01617: " };
        assert_eq!(text, format!("{number}user alice: authentication failure for \"/file.txt\": Password Mismatch"));
    }
}
