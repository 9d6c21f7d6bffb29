//! EsAuthFleet over TLS: which servers of Redis are believed.

// A test that cannot go on should stop, with the reason.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod harness;

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use harness::fleet::{Front, connected, hashes, lookups, status, wait_until};
use harness::httpd::Httpd;
use harness::memcheck;
use harness::ports::free_port;
use harness::redis::{Kind, Redis};
use harness::scratch::Scratch;

/// Certificates of two authorities, and of servers that the first one has signed.
struct Certificates(Scratch);

impl Certificates {
    fn make() -> Certificates {
        let folder = Certificates(Scratch::new());
        for authority in ["authority", "another"] {
            let usage = ["-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=keyCertSign"];
            folder.openssl(authority, &[&["-x509", "-subj", &format!("/CN={authority}")], &usage[..]].concat());
        }
        for (name, subject) in [("localhost", "DNS:localhost"), ("elsewhere", "DNS:redis.example")] {
            let (signer, key) = (folder.path("authority.pem"), folder.path("authority.key"));
            let signed = ["-x509", "-CA", signer.to_str().unwrap(), "-CAkey", key.to_str().unwrap()];
            let subject = format!("subjectAltName={subject}");
            let constraint = ["-addext", "basicConstraints=CA:FALSE", "-addext", &subject, "-subj", "/CN=redis"];
            folder.openssl(name, &[&signed[..], &constraint].concat());
        }
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A new key, and a certificate for it.
    fn openssl(&self, name: &str, arguments: &[&str]) {
        let mut command = Command::new("openssl");
        command.args(["req", "-new", "-nodes", "-days", "2", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]);
        command
            .arg("-keyout")
            .arg(self.path(&format!("{name}.key")))
            .arg("-out")
            .arg(self.path(&format!("{name}.pem")));
        let output = command.args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// A server with this certificate, and the port at which it wants TLS.
    fn server(&self, kind: Kind, name: &str) -> (Redis, u16) {
        let port = free_port();
        let file = |ending: &str| self.path(&format!("{name}.{ending}")).display().to_string();
        let (text, certificate, key, trust) = (port.to_string(), file("pem"), file("key"), self.path("authority.pem"));
        let arguments = ["--tls-port", &text, "--tls-cert-file", &certificate, "--tls-key-file", &key];
        let trust = ["--tls-ca-cert-file", trust.to_str().unwrap(), "--tls-auth-clients", "no"];
        // Valgrind takes the keys of ring's AES-GCM for uninitialised, of a client of rustls alone too, although the
        // server comes to the same ones.
        let cipher: &[&str] =
            if memcheck::is_wanted() { &["--tls-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256"] } else { &[] };
        (Redis::start_with(kind, &[&arguments[..], &trust, cipher].concat()), port)
    }

    fn trusting(&self, authority: &str) -> String {
        format!("EsAuthFleetCA {}", self.path(authority).display())
    }
}

/// Has a server verify users until one of them is known to it without a hash.
fn knows(server: &Httpd) -> bool {
    (0..20).any(|number| {
        let before = hashes(server);
        assert_eq!(status(server, &format!("user{number}"), "secret"), 200);
        hashes(server) == before
    })
}

fn start(url: &str, trust: &str) -> Httpd {
    Front { global: trust, ..Front::of(url) }.start()
}

#[test]
fn servers_share_over_tls_with_a_certificate_of_the_named_host_by_an_authority_that_is_trusted() {
    let certificates = Certificates::make();
    for kind in Kind::installed() {
        let (redis, port) = certificates.server(kind, "localhost");
        let url = format!("rediss://localhost:{port}");
        let trust = certificates.trusting("authority.pem");
        let first = connected(start(&url, &trust));
        (0..20).for_each(|number| assert_eq!(status(&first, &format!("user{number}"), "secret"), 200));
        wait_until("they are left with the fleet", || redis.entries().len() >= 20);
        let second = connected(start(&url, &trust));
        assert!(knows(&second), "{kind:?}");
        assert!(lookups(&second, "known") > 0);
        assert_eq!(second.lines_with(" cannot be used (invalid"), 0);
    }
}

#[test]
fn another_name_or_authority_or_no_tls_at_all_is_refused_and_the_server_goes_on_alone() {
    let certificates = Certificates::make();
    let (right, right_port) = certificates.server(Kind::Redis, "localhost");
    let (_wrong, wrong_port) = certificates.server(Kind::Redis, "elsewhere");
    fs::write(certificates.path("none.pem"), "no certificate\n").unwrap();
    let not_pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    fs::write(certificates.path("broken.pem"), not_pem).unwrap();
    let at = |host: &str, port: u16| format!("rediss://{host}:{port}");
    for (what, url, trusted, said) in [
        ("another name", at("localhost", wrong_port), "authority.pem", "invalid peer certificate"),
        ("an address without a name", at("127.0.0.1", right_port), "authority.pem", "invalid peer certificate"),
        ("another authority", at("localhost", right_port), "another.pem", "invalid peer certificate"),
        ("no authority", at("localhost", right_port), "none.pem", "invalid peer certificate"),
        ("a broken file", at("localhost", right_port), "broken.pem", "the certificates to trust cannot be read"),
        ("no TLS there", at("127.0.0.1", right.port()), "authority.pem", ""),
        ("TLS there only", format!("redis://localhost:{right_port}"), "authority.pem", ""),
    ] {
        let server = start(&url, &certificates.trusting(trusted));
        for number in 0..3 {
            let user = format!("user{number}");
            assert_eq!((status(&server, &user, "secret"), status(&server, &user, "wrong")), (200, 401), "{what}");
        }
        let line = format!(" cannot be used ({said}");
        wait_until(&format!("{what} is logged"), || server.lines_with(&line) == 1);
        assert_eq!(lookups(&server, "known") + lookups(&server, "unknown"), 0, "{what}");
        assert!(right.entries().is_empty(), "{what}");
    }
}
