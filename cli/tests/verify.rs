//! `esauth verify` passes on the shipped virtual hosts, and finds the fault in each of several broken ones.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what fails while a test is set up fails the test"
)]

#[path = "../../tests/harness/mod.rs"]
mod harness;
mod program;

#[path = "verify/front.rs"]
mod front;

use front::{Certificate, Front, others_address};
use program::{esauth, esauth_with};

/// Skips the calling test on an httpd that cannot run the shipped virtual hosts unchanged.
macro_rules! need_tls {
    () => {
        if front::is_impossible() {
            return;
        }
    };
}

#[test]
fn the_shipped_virtual_host_passes_with_nothing_left_out() {
    need_tls!();
    let front = Front::new("groups").start();
    let run = front.verify(&["--outsider", "bob", "--outsider-password", "bob.password"]);
    assert_eq!(run.failed(), [""; 0], "{}", run.output);
    assert_eq!(run.skipped(), [""; 0], "{}", run.output);
    assert_eq!((run.status, run.json["passed"].as_bool()), (0, Some(true)));
    assert!(run.found("right-password").contains("Elasticsearch 7.17.28, cluster test"), "{}", run.output);
    assert!(run.found("no-credentials").contains("realm \"Elasticsearch server\""), "{}", run.output);
    assert!(run.found("versions").contains("1.2, 1.3"), "{}", run.output);
}

#[test]
fn the_virtual_host_for_all_users_passes() {
    need_tls!();
    let front = Front::new("users").start();
    let run = front.verify(&[]);
    assert_eq!((run.status, run.failed()), (0, vec![]), "{}", run.output);
    assert_eq!(run.skipped(), ["outsider"]);
}

#[test]
fn a_certificate_that_has_expired_is_found_and_the_password_kept() {
    need_tls!();
    let front = Front::new("users").certificate(Certificate { days: -3, ..Certificate::default() }).start();
    let run = front.verify(&[]);
    assert_eq!((run.status, run.failed()), (1, vec!["validity".to_owned()]), "{}", run.output);
    assert!(run.found("validity").contains("expired 3 days ago"), "{}", run.output);
    assert!(run.skipped().contains(&"right-password".to_owned()));
    assert!(!front.access_log().contains("alice\" 200"));
    let run = front.verify(&["--insecure"]);
    assert_eq!((run.failed(), run.skipped()), (vec!["validity".to_owned()], vec!["outsider".to_owned()]));
}

#[test]
fn a_certificate_that_soon_expires_is_found() {
    need_tls!();
    let front = Front::new("users").certificate(Certificate { days: 10, ..Certificate::default() }).start();
    let run = front.verify(&[]);
    assert_eq!((run.status, run.failed()), (1, vec!["validity".to_owned()]), "{}", run.output);
    assert_eq!(run.skipped(), ["outsider"]);
    assert_eq!(front.verify(&["--min-days", "5"]).status, 0);
}

#[test]
fn a_certificate_for_another_name_is_found_and_the_password_kept() {
    need_tls!();
    let names = vec!["search.example.org".to_owned()];
    let front = Front::new("users").certificate(Certificate { names, ..Certificate::default() }).start();
    let run = front.verify(&[]);
    assert_eq!((run.status, run.failed()), (1, vec!["name".to_owned()]), "{}", run.output);
    assert!(run.found("name").contains("search.example.org"), "{}", run.output);
    assert!(run.skipped().contains(&"right-password".to_owned()));
}

#[test]
fn a_name_can_be_verified_at_another_address_than_its_own() {
    need_tls!();
    let names = vec!["search.example.org".to_owned()];
    let front = Front::new("users").certificate(Certificate { names, ..Certificate::default() }).start();
    let url = format!("https://search.example.org:{}", front.tls_port());
    let run = front.verify_url(&url, &["--connect", "127.0.0.1"]);
    assert_eq!((run.status, run.failed()), (0, vec![]), "{}", run.output);
}

#[test]
fn a_certificate_that_nobody_trusts_is_found_and_the_password_kept() {
    need_tls!();
    let front = Front::new("users").certificate(Certificate { is_untrusted: true, ..Certificate::default() }).start();
    let run = front.verify(&[]);
    assert_eq!((run.status, run.failed()), (1, vec!["chain".to_owned()]), "{}", run.output);
    assert!(run.skipped().contains(&"right-password".to_owned()));
}

#[test]
fn a_self_signed_certificate_passes_where_it_is_trusted_itself() {
    need_tls!();
    for is_ca in [false, true] {
        let certificate = Certificate { is_self_signed: true, is_ca, ..Certificate::default() };
        let front = Front::new("users").certificate(certificate).start();
        let run = front.verify(&[]);
        assert_eq!((run.status, run.failed()), (0, vec![]), "{}", run.output);
    }
}

const OLD_CIPHERS: &str = "SSLEngine On\n    SSLCipherSuite ALL:@SECLEVEL=0\n    SSLProtocol";

#[test]
fn a_server_that_speaks_nothing_but_old_tls_is_found() {
    need_tls!();
    let front = Front::new("users").edit("SSLEngine On", &format!("{OLD_CIPHERS} -all +TLSv1 +TLSv1.1")).start();
    let run = front.verify(&[]);
    assert_eq!((run.status, run.failed()), (1, vec!["versions".to_owned()]), "{}", run.output);
    assert!(run.found("versions").contains("offered: 1.0, 1.1"), "{}", run.output);
    assert!(run.skipped().contains(&"right-password".to_owned()));
}

#[test]
fn a_server_that_speaks_old_tls_too_is_found() {
    need_tls!();
    let front = Front::new("users").edit("SSLEngine On", &format!("{OLD_CIPHERS} all")).start();
    let run = front.verify(&[]);
    assert_eq!((run.status, run.failed()), (1, vec!["versions".to_owned()]), "{}", run.output);
    assert!(run.found("versions").contains("1.0, 1.1, 1.2, 1.3"), "{}", run.output);
}

#[test]
fn a_back_end_that_answers_others_is_found() {
    need_tls!();
    let Some(_) = others_address() else { return };
    let front = Front::new("users").open_backend().start();
    let run = front.verify(&[]);
    assert_eq!((run.status, run.failed()), (1, vec!["backend".to_owned()]), "{}", run.output);
}

#[test]
fn plain_http_that_is_left_open_is_found_and_a_redirect_passes() {
    need_tls!();
    let Some(_) = others_address() else { return };
    let run = Front::new("users").plain_port_for_all(None).start().verify(&[]);
    assert_eq!((run.status, run.failed()), (1, vec!["plain-http".to_owned()]), "{}", run.output);
    let run =
        Front::new("users").plain_port_for_all(Some("Redirect permanent / https://localhost/\n")).start().verify(&[]);
    assert_eq!((run.status, run.failed()), (0, vec![]), "{}", run.output);
    assert!(run.found("plain-http").contains("redirects"), "{}", run.output);
}

#[test]
fn an_empty_limitexcept_with_require_outside_is_found() {
    need_tls!();
    let front = Front::new("users")
        .edit("<LimitExcept OPTIONS>\n            Require valid-user\n        </LimitExcept>", "Require valid-user")
        .start();
    let run = front.verify(&[]);
    assert_eq!((run.status, run.failed()), (1, vec!["options".to_owned()]), "{}", run.output);
}

const GUARD: &str = "<LimitExcept OPTIONS>\n            Require valid-user\n        </LimitExcept>";

#[test]
fn a_limit_that_names_methods_is_found_to_let_the_others_through() {
    need_tls!();
    let front = Front::new("users").edit(GUARD, "<Limit GET POST>\nRequire valid-user\n</Limit>").start();
    let run = front.verify(&[]);
    assert_eq!((run.status, run.failed()), (1, vec!["methods".to_owned()]), "{}", run.output);
    let found = run.found("methods");
    for method in ["PUT", "DELETE", "PATCH", "PROPFIND", "ESAUTHVERIFY"] {
        assert!(found.contains(&format!(" for {method} /Esauth-Verify-")), "{found}");
    }
    // HEAD goes with GET.
    assert!(!["GET", "HEAD", "POST"].iter().any(|method| found.contains(&format!("for {method} "))), "{found}");
    assert!(run.advice("methods").contains("<LimitExcept OPTIONS>"), "{}", run.output);
}

#[test]
fn paths_beside_the_root_that_are_let_through_are_found() {
    need_tls!();
    // Each leaves the root protected.
    for (section, open) in [
        ("<LocationMatch \"^/_\">", "200 for GET /_cluster/settings"),
        ("<LocationMatch \"^/[^_]\">", "200 for GET /Esauth-Verify/_search?size=0"),
    ] {
        let open_section = format!("</Proxy>\n{section}\nRequire all granted\n</LocationMatch>");
        let front = Front::new("users").edit("</Proxy>", &open_section).start();
        let run = front.verify(&[]);
        assert!(run.failed().contains(&"paths".to_owned()), "{section}: {}", run.output);
        assert!(!run.failed().contains(&"no-credentials".to_owned()), "{section}: {}", run.output);
        assert!(run.found("paths").contains(open), "{section}: {}", run.output);
    }
}

#[test]
fn a_virtual_host_of_another_name_that_leads_to_the_back_end_is_found() {
    need_tls!();
    // The first virtual host of an address serves names that no other has.
    let open = "<VirtualHost *:${ES_TLS_PORT}>\nServerName other\nSSLEngine On\nSSLCertificateFile \
                ${ES_CERTIFICATE}\nSSLCertificateKeyFile ${ES_CERTIFICATE_KEY}\nProxyPass / ${ES_BACKEND}/\n\
                </VirtualHost>\n<VirtualHost *:${ES_TLS_PORT}>\nServerName localhost\n<Location />\n\
                AuthType Basic\nAuthName x\nAuthUserFile ${ES_USERS}\nRequire valid-user\n</Location>";
    let front =
        Front::new("users").edit("<VirtualHost *:${ES_TLS_PORT}>", open).edit("<Proxy *>", "<Proxy nothing>").start();
    let run = front.verify(&[]);
    assert!(run.found("paths").contains("200 for GET / with Host: esauth-verify.invalid"), "{}", run.output);
}

#[test]
fn a_forward_proxy_beside_a_guarded_location_is_found() {
    need_tls!();
    let front =
        Front::new("users").edit("<Proxy *>", "ProxyRequests On\n<Location />").edit("</Proxy>", "</Location>").start();
    let run = front.verify(&[]);
    assert!(run.found("paths").contains("200 for GET http://127.0.0.1:"), "{}", run.output);
}

#[test]
fn a_server_that_asks_for_a_certificate_is_given_one_and_named_where_there_is_none() {
    need_tls!();
    for protocol in ["TLSv1.2", "TLSv1.3"] {
        let ssl = format!(
            "SSLEngine On\n    SSLProtocol -all +{protocol}\n    SSLVerifyClient require\n    \
             SSLCACertificateFile ${{ES_CLIENT_CA}}"
        );
        let front = Front::new("users").edit("SSLEngine On", &ssl).start();
        let run = front.verify(&["--cert", "client.certificate", "--key", "client.key"]);
        assert_eq!((run.status, run.failed()), (0, vec![]), "{protocol}: {}", run.output);
        assert_eq!(run.skipped(), ["outsider"], "{protocol}: {}", run.output);
        assert!(run.found("client-certificate").contains("got that of --cert"), "{protocol}: {}", run.output);
        // Both in one file.
        assert_eq!(front.verify(&["--cert", "client.both"]).status, 0, "{protocol}");

        let run = front.verify(&[]);
        assert_eq!(run.failed()[0], "no-credentials", "{protocol}: {}", run.output);
        assert!(run.advice("no-credentials").contains("--cert"), "{protocol}: {}", run.output);
        assert!(run.found("versions").contains(&protocol["TLSv".len()..]), "{protocol}: {}", run.output);

        let run = front.verify(&["--cert", "stranger.both"]);
        assert_eq!(run.failed()[0], "no-credentials", "{protocol}: {}", run.output);
        assert!(run.advice("no-credentials").contains("SSLCACertificateFile"), "{protocol}: {}", run.output);
    }
}

#[test]
fn a_section_that_demands_a_certificate_is_named_as_a_cause() {
    need_tls!();
    let section = "</Proxy>\n<Location />\nSSLVerifyClient require\n</Location>";
    let edited = Front::new("users").edit("SSLEngine On", "SSLEngine On\n    SSLCACertificateFile ${ES_CLIENT_CA}");
    // Plain HTTP has no certificates: only the first virtual host must demand them.
    let front = edited.plain_port_for_all(Some("Redirect permanent / https://localhost/\n")).edit("</Proxy>", section);
    let run = front.start().verify(&["--cert", "client.both"]);
    assert!(run.found("no-credentials").starts_with("403"), "{}", run.output);
    assert!(run.advice("no-credentials").contains("SSLVerifyClient"), "{}", run.output);
}

#[test]
fn a_certificate_of_the_client_that_cannot_be_used_is_an_error() {
    need_tls!();
    let front = Front::new("users").start();
    for (arguments, text) in [
        (&["--cert", "client.key"][..], "holds no certificate"),
        (&["--cert", "client.certificate"], "holds no unencrypted private key"),
        (&["--cert", "client.certificate", "--key", "stranger.both"], "does not fit its key"),
        (&["--cert", "missing.both"], "No such file"),
    ] {
        let run = front.verify_as_text(arguments, &[]);
        assert_eq!((run.status, run.errors.contains(text)), (2, true), "{arguments:?}: {}", run.errors);
    }
}

#[test]
fn a_password_file_that_is_served_as_a_document_is_found() {
    need_tls!();
    let front = Front::new("users").serve_password_file().start();
    let run = front.verify(&[]);
    assert_eq!((run.status, run.failed()), (1, vec!["password-file".to_owned()]), "{}", run.output);
}

#[test]
fn a_refusal_without_a_realm_is_found() {
    need_tls!();
    // The answer is not Basic authentication.
    let front = Front::new("users").edit("ProxyPass / ${ES_BACKEND}/", "Redirect 401 /").start();
    let run = front.verify(&[]);
    assert_eq!(run.failed(), ["no-credentials", "right-password", "options"], "{}", run.output);
    assert!(run.found("no-credentials").contains("no realm"), "{}", run.output);
}

#[test]
fn a_missing_authname_is_found() {
    need_tls!();
    let front = Front::new("users").edit("AuthName \"Elasticsearch server\"", "").start();
    let run = front.verify(&[]);
    assert_eq!((run.status, run.failed()[0].as_str()), (1, "no-credentials"), "{}", run.output);
    assert!(run.advice("no-credentials").contains("AH01615"), "{}", run.output);
}

#[test]
fn a_server_that_lets_everybody_in_is_found() {
    need_tls!();
    let front = Front::new("users").edit("Require valid-user", "Require all granted").start();
    let run = front.verify(&[]);
    assert_eq!(run.failed(), ["no-credentials", "wrong-password", "methods", "paths"], "{}", run.output);
    assert_eq!(run.status, 1);
}

#[test]
fn a_right_password_that_is_refused_is_found() {
    need_tls!();
    let front = Front::new("users").users("alice:$2y$04$abc\nbob:x\n").start();
    let run = front.verify(&[]);
    assert_eq!((run.status, run.failed()), (1, vec!["right-password".to_owned()]), "{}", run.output);
}

#[test]
fn an_admitted_outsider_is_found() {
    need_tls!();
    let front = Front::new("groups").edit("Require group elasticsearch", "Require valid-user").start();
    let run = front.verify(&["--outsider", "bob", "--outsider-password", "bob.password"]);
    assert_eq!((run.status, run.failed()), (1, vec!["outsider".to_owned()]), "{}", run.output);
}

#[test]
fn a_back_end_that_is_down_is_found() {
    need_tls!();
    let front = Front::new("users").without_backend().start();
    let run = front.verify(&[]);
    assert_eq!(
        (run.status, run.failed()),
        (1, vec!["right-password".to_owned(), "options".to_owned()]),
        "{}",
        run.output
    );
    assert!(run.found("right-password").starts_with("503"), "{}", run.output);
}

#[test]
fn a_back_end_that_is_not_elasticsearch_is_found() {
    need_tls!();
    let front = Front::new("users").backend_says("<html>It works!</html>").start();
    let run = front.verify(&[]);
    assert_eq!((run.status, run.failed()), (1, vec!["right-password".to_owned()]), "{}", run.output);
}

#[test]
fn a_missing_password_file_is_found() {
    need_tls!();
    let front = Front::new("users").edit("AuthUserFile \"${ES_USERS}\"", "AuthUserFile /nowhere/users").start();
    let run = front.verify(&[]);
    assert_eq!((run.status, run.failed()), (1, vec!["wrong-password".to_owned(), "right-password".to_owned()]));
    assert!(run.advice("right-password").contains("AH01620"), "{}", run.output);
}

#[test]
fn nobody_at_the_address_is_found() {
    let run = esauth(&["verify", "--json", "https://127.0.0.1:1", "--timeout", "2"]);
    assert_eq!(run.status, 1, "{}", run.errors);
    assert_eq!(run.json["checks"][0]["id"], "connection");
    assert_eq!(run.json["checks"][0]["result"], "failed");
}

#[test]
fn a_server_that_never_answers_is_given_up() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", silent.local_addr().unwrap());
    let began = std::time::Instant::now();
    let run = esauth(&["verify", "--json", &url, "--timeout", "1"]);
    assert_eq!(run.status, 1, "{}", run.errors);
    assert!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
}

#[test]
fn a_terminal_is_given_a_list_and_a_pipe_no_colours() {
    need_tls!();
    let front = Front::new("users").start();
    let run = front.verify_as_text(&[], &[]);
    assert!(run.output.contains("✓ right password") && !run.output.contains('\x1b'), "{}", run.output);
    let run = front.verify_as_text(&[], &[("CLICOLOR_FORCE", "1")]);
    assert!(run.output.contains('\x1b'), "{}", run.output);
    let run = front.verify_as_text(&[], &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]);
    assert!(!run.output.contains('\x1b'), "{}", run.output);
}

#[test]
fn a_password_comes_from_a_file_or_the_environment_and_never_from_the_url() {
    need_tls!();
    let front = Front::new("users").start();
    let url = format!("https://localhost:{}", front.tls_port());
    let arguments = ["verify", "--json", "--ca", front.ca(), "--user", "alice", "--http-port", "1", &url];
    assert_eq!(esauth_with(&arguments, &[("ESAUTH_PASSWORD", "secret")]).status, 0);
    let run = esauth_with(&arguments, &[("ESAUTH_PASSWORD", "other")]);
    assert_eq!(run.status, 1);
    let run = esauth(&arguments);
    assert_eq!(run.status, 2);
    assert!(run.errors.contains("ESAUTH_PASSWORD"), "{}", run.errors);
    let run = esauth(&["verify", "https://alice:secret@localhost/"]);
    assert_eq!((run.status, run.errors.contains("secret")), (2, false), "{}", run.errors);
}
