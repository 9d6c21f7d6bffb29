//! Two passwords for one user, for a while: a comment in the password file that stock httpd skips.

// A test that cannot go on should stop, with the reason.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod harness;

use std::fs;

use harness::client::{Request, ask};
use harness::httpd::{Httpd, Mpm, Setup, Site};
use harness::installation::Installation;

/// Of "secret", and of 72 times "x".
const NEW: &str = "$2y$04$Ub9qVQIdR5j2PmraY4inw.hl6PDkZQ4R9.nbiAuCQLBZcEqfzDCiu";
const OLD: &str = "$2y$04$lDjxLFAFWw.lNpSEwdDOYev7znbAPsJ6D.5paj1vO7/7ioWjjjdeG";

fn file(until: &str, also: &str) -> String {
    format!("bob:{OLD}\nalice:{NEW}\n#esauth-also until {until} alice:{also}\n")
}

fn start(stock: bool, users: &str) -> Httpd {
    let installation = Installation::get();
    let mine = if stock { installation.load(&["auth_basic", "authn_file"]) } else { installation.load_ours() };
    let load = installation.load_core() + &mine;
    let configuration = |site: &Site<'_>| {
        let folder = site.folder.display();
        fs::write(site.folder.join("users"), users).unwrap();
        fs::write(site.folder.join("file.txt"), "file\n").unwrap();
        format!(
            "DocumentRoot {folder}\nLogLevel notice\n<Location />\nAuthType Basic\nAuthName realm\n\
             AuthUserFile {folder}/users\nRequire valid-user\n</Location>\n"
        )
    };
    Httpd::start(&Setup { mpm: Mpm::usual(), load, ports: 1, configuration: &configuration })
}

/// Statuses of the new password, the old one and a wrong one.
fn statuses(server: &Httpd) -> [u16; 3] {
    ["secret", &"x".repeat(72), "wrong"].map(|password| {
        let request = Request::get("/file.txt").header("Host: localhost").basic("alice", password);
        ask(server.port(), &request).unwrap().status
    })
}

#[test]
fn both_passwords_are_valid_until_the_end_and_only_the_new_one_in_stock_httpd() {
    let current = file("2999-01-01T00:00:00Z", &format!("{NEW}:{OLD}"));
    let stock = start(true, &current);
    assert_eq!(statuses(&stock), [200, 401, 401]);
    let server = start(false, &current);
    for _ in 0..3 {
        assert_eq!(statuses(&server), [200, 200, 401]);
    }
    assert_eq!(server.lines_with("logged in with the old password, which ends at 2999-01-01T00:00:00Z"), 1);
    // The end comes, the line goes, the user's own line changes: each counts at the next request.
    for (users, expected) in [
        (file("2000-01-01T00:00:00Z", &format!("{NEW}:{OLD}")), [200, 401, 401]),
        (current.clone(), [200, 200, 401]),
        (format!("alice:{NEW}\n"), [200, 401, 401]),
        (current.clone(), [200, 200, 401]),
        (current.replace(&format!("\nalice:{NEW}"), &format!("\nalice:!{NEW}")), [401, 401, 401]),
        (current.clone(), [200, 200, 401]),
        (current.replace(&format!("\nalice:{NEW}\n"), "\n"), [401, 401, 401]),
    ] {
        fs::write(server.folder().join("users"), users).unwrap();
        assert_eq!(statuses(&server), expected);
    }
}
