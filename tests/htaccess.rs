//! Files named by a `.htaccess`: its author chooses them, so they must not fill the memory of the children.

// A test that cannot go on should stop, with the reason.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod harness;

use std::fs::{self, File};

use harness::client::{self, Request};
use harness::httpd::{Httpd, Mpm, Setup, Site};
use harness::installation::Installation;
use harness::memcheck;
use harness::process::{self, Size};

/// `secret`, as `htpasswd -s` stores it.
const SECRET: &str = "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=";

const MIB: u64 = 1024 * 1024;
/// For all children together.
const GROWTH_KIB: u64 = 64 * 1024;

/// Folders `0` to `2`, whose `.htaccess` name the files `users0` to `users2` beside the document root; and `server`,
/// which the server's configuration protects with `users`.
fn start(stock: bool, directives: &str) -> Httpd {
    let installation = Installation::get();
    let load = installation.load_core()
        + &if stock { installation.load(&["auth_basic", "authn_file"]) } else { installation.load_ours() };
    let configuration = |site: &Site<'_>| {
        let folder = site.folder.display();
        let guard = |users: &str| {
            format!("AuthType Basic\nAuthName realm\nAuthUserFile {folder}/{users}\nRequire valid-user\n")
        };
        for name in ["0", "1", "2", "server"] {
            let served = site.folder.join("htdocs").join(name);
            fs::create_dir_all(&served).unwrap();
            fs::write(served.join("file.txt"), "file\n").unwrap();
            if name != "server" {
                fs::write(served.join(".htaccess"), guard(&format!("users{name}"))).unwrap();
            }
        }
        fs::write(site.folder.join("users"), format!("alice:{SECRET}\n")).unwrap();
        format!(
            "DocumentRoot {folder}/htdocs\nStartServers 1\n{directives}<Directory {folder}/htdocs>\n\
             AllowOverride AuthConfig\n</Directory>\n<Location /server>\n{}</Location>\n",
            guard("users")
        )
    };
    Httpd::start(&Setup { mpm: Mpm::usual(), load, ports: 1, configuration: &configuration })
}

fn status(server: &Httpd, folder: &str) -> u16 {
    let request = Request::get(&format!("/{folder}/file.txt")).header("Host: localhost").basic("alice", "secret");
    client::ask(server.port(), &request).unwrap().status
}

/// A file of this size, with alice in its first line.
fn write(server: &Httpd, name: &str, bytes: u64) {
    let path = server.folder().join(name);
    fs::write(&path, format!("alice:{SECRET}\n")).unwrap();
    File::options().write(true).open(&path).unwrap().set_len(bytes).unwrap();
}

fn memory_kib(server: &Httpd) -> u64 {
    Size::of_all(&process::children(server.parent())).memory_kib
}

#[test]
fn a_file_over_the_limit_is_refused_like_an_unreadable_one_and_takes_no_memory() {
    let server = start(false, "");
    assert_eq!(status(&server, "server"), 200);
    let before = memory_kib(&server);
    write(&server, "users0", 1024 * MIB);
    for _ in 0..20 {
        assert_eq!(status(&server, "0"), 500);
    }
    let after = memory_kib(&server);
    assert!(after < before + GROWTH_KIB, "{before} -> {after} KiB");
    let path = server.folder().join("users0");
    assert!(server.lines_with(&format!("Could not open password file: {}", path.display())) == 20);
    let why = format!(
        "AuthUserFile {} cannot be read: 1073741824 bytes, more than the limit of 16777216 bytes",
        path.display()
    );
    assert!(server.lines_with(&why) >= 1 && server.lines_with("raise EsAuthHtaccessFileLimit") >= 1);
    // A smaller file in its place counts at once.
    write(&server, "users0", MIB);
    assert_eq!(status(&server, "0"), 200);
}

#[test]
fn files_that_are_small_enough_are_kept_only_as_long_as_they_are_so_together() {
    if memcheck::changes("freed memory is kept") {
        return;
    }
    let server = start(false, "");
    let before = memory_kib(&server);
    for name in ["users0", "users1", "users2"] {
        write(&server, name, 12 * MIB);
    }
    for _ in 0..4 {
        assert_eq!([status(&server, "0"), status(&server, "1"), status(&server, "2")], [200; 3]);
    }
    let after = memory_kib(&server);
    let children = process::children(server.parent()).len() as u64;
    assert!(after < before + children * GROWTH_KIB / 2, "{before} -> {after} KiB in {children} children");
}

#[test]
fn the_limit_is_for_files_that_the_servers_configuration_does_not_name() {
    let server = start(false, "EsAuthHtaccessFileLimit 1000\n");
    for name in ["users", "users0"] {
        write(&server, name, 1001);
    }
    write(&server, "users1", 1000);
    // Also if a .htaccess names it.
    let htaccess = fs::read_to_string(server.folder().join("htdocs/2/.htaccess")).unwrap();
    fs::write(server.folder().join("htdocs/2/.htaccess"), htaccess.replace("users2", "users")).unwrap();
    let statuses = ["server", "0", "1", "2"].map(|folder| status(&server, folder));
    assert_eq!(statuses, [200, 500, 200, 200]);
    // Stock httpd has no limit.
    let stock = start(true, "");
    write(&stock, "users0", 1001);
    assert_eq!(status(&stock, "0"), 200);
}
