//! In httpd 2.2 the first module that decides wins, so `Require group` beside `Require user` depends on the order of
//! the LoadModule lines. Ours must decide where mod_authz_groupfile does or would.

// A test that cannot go on should stop, with the reason.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod harness;

use std::fs;

use harness::client::{self, Request};
use harness::httpd::{Httpd, Mpm, Setup, Site};
use harness::installation::Installation;

/// `secret`, as `htpasswd -s` stores it.
const SECRET: &str = "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=";

const SECTIONS: [(&str, &str); 3] = [
    ("/both", "Require group staff\nRequire user bob"),
    ("/any", "Require group staff\nRequire valid-user"),
    ("/off", "Require group staff\nRequire user bob\nAuthzGroupFileAuthoritative Off"),
];

/// The sections' answers to alice, who is in the group, bob, who is named, and carol, who is neither.
fn answers(load: &str) -> Vec<u16> {
    let configuration = |site: &Site<'_>| {
        let folder = site.folder.display();
        fs::write(
            site.folder.join("users"),
            ["alice", "bob", "carol"].map(|user| format!("{user}:{SECRET}\n")).concat(),
        )
        .unwrap();
        fs::write(site.folder.join("groups"), "staff: alice\nother: bob\n").unwrap();
        let sections = SECTIONS.map(|(path, lines)| {
            format!(
                "<Location {path}>\nAuthType Basic\nAuthName realm\nAuthUserFile {folder}/users\n\
                 AuthGroupFile {folder}/groups\n{lines}\n</Location>\n"
            )
        });
        format!("DocumentRoot {folder}\n{}", sections.concat())
    };
    let setup = Setup { mpm: Mpm::usual(), load: load.to_owned(), ports: 1, configuration: &configuration };
    let server = Httpd::start(&setup);
    let users = ["alice", "bob", "carol"];
    let asks = SECTIONS.iter().flat_map(|(path, _)| users.map(|user| (path, user)));
    let status = |(path, user): (&&str, &str)| {
        let request = Request::get(path).header("Host: localhost").basic(user, "secret");
        client::ask(server.port(), &request).unwrap().status
    };
    asks.map(status).collect()
}

#[test]
fn groups_are_asked_for_where_the_stock_module_asks_or_would() {
    let installation = Installation::get();
    if !installation.is_22() {
        return installation.skip_this_test("2.4 knows no such order: requirements are providers of mod_authz_core");
    }
    let load = |modules: &[&str]| installation.load(&[&["authn_file", "auth_basic"][..], modules].concat());
    let ours = installation.load_ours();
    let orders: [&[&str]; 5] = [
        &["authz_groupfile", "authz_user", "authz_default"],
        &["authz_user", "authz_groupfile", "authz_default"],
        &["authz_groupfile", "authz_user", "authz_owner", "authz_default"],
        &["authz_groupfile", "authz_owner", "authz_user", "authz_default"],
        &["authz_owner", "authz_user", "authz_groupfile", "authz_default"],
    ];
    let mut seen = Vec::new();
    for order in orders {
        let stock = answers(&load(order));
        assert_eq!(answers(&(load(order) + &ours)), stock, "{order:?}, ours behind them");
        assert_eq!(answers(&(ours.clone() + &load(order))), stock, "{order:?}, ours in front of them");
        let place = order.iter().position(|module| *module == "authz_groupfile").unwrap();
        let instead = installation.load(&order[..place]) + &ours + &installation.load(&order[place + 1..]);
        assert_eq!(answers(&instead), stock, "{order:?}, ours in the place of the stock module");
        seen.push(stock);
    }
    // Otherwise nothing was compared.
    assert!(seen.iter().any(|answers| answers != &seen[0]), "{seen:?}");
}
