//! Sections that look protected but are not.

use std::fs;
use std::path::Path;

use super::harness::installation::Installation;
use super::{BASIC, guarded, nothing, warns};

fn limited(methods: &str, more: &str) -> String {
    guarded(&format!("<Limit {methods}>\nRequire valid-user\n</Limit>{more}"))
}

#[test]
fn a_requirement_for_some_methods_only() {
    let fault = [("limited-methods", "<Limit ")];
    warns(&limited("GET POST", ""), &fault, &nothing);
    warns(&limited("GET", ""), &fault, &nothing);
    warns(&limited("GET POST PUT DELETE", ""), &fault, &nothing);
    warns(&limited("POST PUT", ""), &fault, &nothing);
    let group = limited("GET POST", "").replace("valid-user", "group staff");
    warns(&group, &fault, &nothing);
    // No method that changes data is open.
    warns(&limited("GET POST PUT DELETE PATCH", ""), &[], &nothing);
    warns(&limited("POST PUT DELETE PATCH", ""), &[], &nothing);
    // Another module handles the other methods.
    let denied = if Installation::get().is_22() { "Deny from all" } else { "Require all denied" };
    let others = format!("\n<LimitExcept GET POST>\n{denied}\n</LimitExcept>");
    warns(&limited("GET POST", &others), &[], &nothing);
    warns(&limited("GET POST", "\nRequire user alice"), &[], &nothing);
    warns(&guarded("<LimitExcept OPTIONS>\nRequire valid-user\n</LimitExcept>"), &[], &nothing);
}

#[test]
fn roles_without_groups_or_without_a_back_end() {
    if Installation::get().is_22() {
        return Installation::get().skip_this_test("EsAuthRoles needs httpd 2.4");
    }
    let folder = |folder: &Path| fs::write(folder.join("roles.yml"), "a: {}\n").unwrap();
    let roles = guarded("Require valid-user\nEsAuthRoles roles.yml");
    let proxied = format!("ProxyPass / http://127.0.0.1:9200/\n{roles}");
    warns(&proxied, &[], &folder);
    warns(&roles, &[("not-proxied", "EsAuthRoles")], &folder);
    let without = proxied.replace("AuthGroupFile groups\n", "");
    warns(&without, &[("no-group-file", "EsAuthRoles")], &folder);
    // The file is looked at like the others.
    warns(&proxied, &[("unreadable", "EsAuthRoles")], &nothing);
}

#[test]
fn a_password_file_without_any_requirement() {
    let bare = format!("<Location />\n{BASIC}</Location>\n");
    warns(&bare, &[("no-require", "AuthUserFile")], &nothing);
    warns(
        &bare.replace("Location", "Proxy").replace("<Proxy />", "<Proxy *>"),
        &[("no-require", "AuthUserFile")],
        &nothing,
    );
    // It may be in a file that is not read here.
    let folder = bare.replace("Location", "Directory");
    warns(&folder.replace("AuthType", "AllowOverride AuthConfig\nAuthType"), &[], &nothing);
    warns(&folder.replace("AuthType", "AllowOverride None\nAuthType"), &[("no-require", "AuthUserFile")], &nothing);
    // It is in a section inside, around or beside.
    warns(&format!("{bare}<Location /a>\nRequire valid-user\n</Location>\n"), &[], &nothing);
    warns(&format!("{bare}<Directory />\nRequire valid-user\n</Directory>\n"), &[], &nothing);
    if Installation::get().is_22() {
        return;
    }
    warns(&format!("<Location />\n{BASIC}Require ip 192.0.2.1\n</Location>\n"), &[], &nothing);
    warns(
        &format!("<Location />\n{BASIC}Require all granted\n</Location>\n"),
        &[("no-require", "AuthUserFile")],
        &nothing,
    );
    // Directives for other paths, as distributions have them.
    let others =
        "<Directory />\nRequire all denied\n</Directory>\n<Location /server-status>\nRequire local\n</Location>\n";
    warns(&format!("{others}{bare}"), &[("no-require", "AuthUserFile")], &nothing);
}

#[test]
fn somebody_else_is_let_in_beside() {
    let compat = "Order deny,allow\nAllow from all\nSatisfy Any\nRequire valid-user";
    warns(&guarded(compat), &[("open-to-all", "Satisfy")], &nothing);
    warns(&guarded(&compat.replace("Any", "All")), &[], &nothing);
    warns(&guarded(&compat.replace("Allow from all", "Deny from all\nAllow from 192.0.2.1")), &[], &nothing);
    if Installation::get().is_22() {
        return;
    }
    let fault = [("open-to-all", "Require all granted")];
    warns(&guarded("Require all granted\nRequire valid-user"), &fault, &nothing);
    warns(&guarded("Require valid-user\nRequire all granted"), &fault, &nothing);
    warns(&guarded("<RequireAny>\nRequire valid-user\nRequire all granted\n</RequireAny>"), &fault, &nothing);
    warns(&guarded("Require all granted\n<LimitExcept OPTIONS>\nRequire valid-user\n</LimitExcept>"), &fault, &nothing);
    warns(&guarded("<RequireAll>\nRequire valid-user\nRequire all granted\n</RequireAll>"), &[], &nothing);
    warns(&guarded("Require valid-user\n<Limit OPTIONS>\nRequire all granted\n</Limit>"), &[], &nothing);
    warns(&guarded("Require valid-user\nRequire method OPTIONS"), &[], &nothing);
    warns(&guarded("Require valid-user\nRequire ip 192.0.2.1"), &[], &nothing);
}

#[test]
fn a_later_section_takes_the_requirement_away() {
    if Installation::get().is_22() {
        return Installation::get().skip_this_test("it knows no `Require all granted`");
    }
    let fault = [("open-to-all", "Require all granted")];
    let proxy = format!("<Proxy *>\n{BASIC}Require valid-user\n</Proxy>\n");
    let open = |path: &str| format!("<Location {path}>\nRequire all granted\n</Location>\n");
    let section = guarded("Require valid-user");
    warns(&format!("{proxy}{}", open("/")), &fault, &nothing);
    warns(&format!("{}{proxy}", open("/")), &fault, &nothing);
    warns(&format!("{section}{}", open("/")), &fault, &nothing);
    warns(&format!("{}{}", section.replace("<Location />", "<Location /es>"), open("/")), &fault, &nothing);
    warns(&format!("{}{section}", open("/")), &[], &nothing);
    // An exception.
    warns(&format!("{section}{}", open("/public")), &[], &nothing);
    warns(&format!("{proxy}{}", open("/.well-known/acme-challenge/")), &[], &nothing);
    let merged = open("/").replace("Require", "AuthMerging And\nRequire");
    warns(&format!("{proxy}{merged}"), &[], &nothing);
}
