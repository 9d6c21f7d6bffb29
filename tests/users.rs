//! A server that answers each virtual host with the rights of another user (mpm_itk): a file readable by one user only
//! is useless to the other, whoever read it first.

// A test that cannot go on should stop, with the reason.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod harness;

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};

use harness::client::{self, Request};
use harness::httpd::{Httpd, Mpm, Setup, Site};
use harness::installation::{self, Installation};
use harness::memcheck;

/// `secret`, as `htpasswd -s` stores it.
const USERS: &str = "alice:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n";

/// Both hosts are protected by one file, owned by the first one's user and readable by nobody else.
fn start(stock: bool) -> Httpd {
    let installation = Installation::get();
    let mine = if stock { installation.load(&["auth_basic", "authn_file"]) } else { installation.load_ours() };
    let load = format!("{}LoadModule mpm_itk_module {}\n{mine}", installation.load_core(), mpm_itk().display());
    let configuration = |site: &Site<'_>| {
        let folder = site.folder.display();
        fs::write(site.folder.join("users"), USERS).unwrap();
        fs::set_permissions(site.folder.join("users"), fs::Permissions::from_mode(0o600)).unwrap();
        chown(site.folder.join("users"), Some(owner().0), Some(owner().1)).unwrap();
        fs::create_dir(site.folder.join("htdocs")).unwrap();
        fs::write(site.folder.join("htdocs/file.txt"), "file\n").unwrap();
        let host = |port: u16, user: &str| {
            format!(
                "<VirtualHost *:{port}>\nAssignUserID {user} {}\nDocumentRoot {folder}/htdocs\n<Location />\n\
                 AuthType Basic\nAuthName realm\nAuthUserFile {folder}/users\nRequire valid-user\n</Location>\n\
                 </VirtualHost>\n",
                installation::group_name(installation::user_ids(user).1).unwrap()
            )
        };
        host(site.ports[0], OWNER) + &host(site.ports[1], OTHER)
    };
    Httpd::start(&Setup { mpm: Mpm::Prefork, load, ports: 2, configuration: &configuration })
}

/// Its file name differs from other modules' pattern.
fn mpm_itk() -> PathBuf {
    Path::new(&installation::apxs_says("LIBEXECDIR")).join("mpm_itk.so")
}

const OWNER: &str = "games";
const OTHER: &str = "nobody";

fn owner() -> (u32, u32) {
    installation::user_ids(OWNER)
}

#[test]
fn a_file_that_another_user_may_read_is_refused_as_by_stock_httpd() {
    if memcheck::changes("children of other users cannot write their logs") {
        return;
    }
    let installation = Installation::get();
    if !mpm_itk().exists() || !installation::is_root() {
        return installation.skip_this_test("it takes mpm_itk and root");
    }
    for stock in [true, false] {
        let server = start(stock);
        let request = Request::get("/file.txt").header("Host: localhost").basic("alice", "secret");
        for _ in 0..3 {
            let statuses = [0, 1].map(|host| client::ask(server.ports()[host], &request).unwrap().status);
            assert_eq!(statuses, [200, 500], "stock: {stock}");
        }
    }
}
