//! Password and group files that others can read, replace or download, or that httpd cannot read.

use std::fs;
use std::os::unix::fs::chown;
use std::path::Path;

use super::harness::httpd::{Mpm, Setup, Site};
use super::harness::installation::Installation;
use super::harness::{self, httpd, installation};
use super::{guarded, load, nothing, run_user, set_mode, tested, warnings, warns, write};

#[test]
fn a_password_file_that_everyone_can_read() {
    let mode = |mode| move |folder: &Path| set_mode(&folder.join("users"), mode);
    warns(&guarded("Require valid-user"), &[("world-readable", "AuthUserFile")], &mode(0o644));
    warns(&guarded("Require group staff"), &[("world-readable", "AuthUserFile")], &mode(0o444));
    // Other users cannot reach the file.
    let hidden = guarded("Require valid-user").replace("AuthUserFile users", "AuthUserFile served/users");
    let prepare = |folder: &Path| {
        fs::copy(folder.join("users"), folder.join("served/users")).unwrap();
        set_mode(&folder.join("served/users"), 0o644);
        set_mode(&folder.join("served"), 0o750);
    };
    warns(&hidden, &[], &prepare);
    // Groups are no secret.
    warns(&guarded("Require group staff"), &[], &|folder| set_mode(&folder.join("groups"), 0o644));
}

#[test]
fn a_file_that_others_can_write() {
    let mode = |name: &'static str, mode| move |folder: &Path| set_mode(&folder.join(name), mode);
    warns(&guarded("Require valid-user"), &[("writable", "AuthUserFile")], &mode("users", 0o642));
    warns(&guarded("Require group staff"), &[("writable", "AuthGroupFile")], &mode("groups", 0o642));
    if !installation::is_root() {
        return Installation::get().skip("files of another user's", "the tests do not run as root");
    }
    warns(&guarded("Require valid-user"), &[("writable", "AuthUserFile")], &mode("users", 0o660));
    let owned = |folder: &Path| chown(folder.join("users"), Some(run_user().0), None).unwrap();
    warns(&guarded("Require valid-user"), &[("writable", "AuthUserFile")], &owned);
}

#[test]
fn a_file_that_httpd_cannot_read() {
    let remove = |name: &'static str| move |folder: &Path| fs::remove_file(folder.join(name)).unwrap();
    let section = guarded("Require group staff");
    warns(&section, &[("unreadable", "AuthUserFile")], &remove("users"));
    warns(&section, &[("unreadable", "AuthGroupFile")], &remove("groups"));
    // The group file is not needed.
    warns(&guarded("Require valid-user"), &[], &remove("groups"));
    let folder = section.replace("AuthUserFile users", "AuthUserFile served");
    warns(&folder, &[("unreadable", "AuthUserFile")], &nothing);
    warns(&section, &[("unreadable", "AuthUserFile")], &|folder| set_mode(&folder.join("users"), 0o000));
    let elsewhere = section.replace("AuthUserFile users", "AuthUserFile served/users");
    let closed = |folder: &Path| {
        fs::copy(folder.join("users"), folder.join("served/users")).unwrap();
        set_mode(&folder.join("served/users"), 0o640);
        set_mode(&folder.join("served"), 0o600);
    };
    warns(&elsewhere, &[("unreadable", "AuthUserFile")], &closed);
}

#[test]
fn rights_are_those_of_httpds_user_whichever_user_tests() {
    if !installation::is_root() {
        return Installation::get().skip_this_test("it becomes other users, which takes root");
    }
    let said = |user, prepare: &dyn Fn(&Path)| {
        let configuration = |site: &Site<'_>| {
            let include = write(site.folder, &guarded("Require valid-user"));
            prepare(site.folder);
            include
        };
        // The build folder may be closed to other users.
        let folder = harness::scratch::Scratch::new();
        let ours = Installation::get().load_ours();
        let built = ours.split_whitespace().last().unwrap();
        let copy = folder.path().join("module.so");
        fs::copy(built, &copy).unwrap();
        let load = load().replace(built, &copy.display().to_string());
        let setup = Setup { mpm: Mpm::usual(), load, ports: 0, configuration: &configuration };
        let (status, said) = httpd::run(&setup, &["-t"], Some(user));
        assert_eq!(status, Some(0), "{said}");
        warnings(&said).into_iter().map(|(_, name)| name).collect::<Vec<_>>()
    };
    let told = |user: (u32, u32)| format!("User #{}\nGroup #{}\n{}", user.0, user.1, guarded("Require valid-user"));
    let nobody = installation::user_ids("nobody");
    assert_ne!(nobody, run_user());
    assert!(said(nobody, &nothing).is_empty());
    assert_eq!(said(nobody, &|folder| chown(folder.join("users"), None, Some(0)).unwrap()), ["unreadable"]);
    warns(&told(run_user()), &[], &nothing);
    warns(&told(nobody), &[("unreadable", "AuthUserFile")], &nothing);
    // If httpd runs as the user that starts it, that user owns the files.
    assert!(said(run_user(), &|folder| chown(folder.join("users"), Some(run_user().0), None).unwrap()).is_empty());
    assert_eq!(said(run_user(), &|folder| chown(folder.join("users"), None, Some(0)).unwrap()), ["unreadable"]);
}

#[test]
fn a_file_that_clients_could_fetch() {
    let served = |folder: &Path| {
        for name in ["users", ".htpasswd"] {
            fs::copy(folder.join("users"), folder.join("served").join(name)).unwrap();
            set_mode(&folder.join("served").join(name), 0o640);
        }
        std::os::unix::fs::symlink(folder.join("served"), folder.join("link")).unwrap();
    };
    let section = guarded("Require valid-user").replace("AuthUserFile users", "AuthUserFile served/users");
    let host = format!("<VirtualHost *:8080>\nDocumentRoot served\n</VirtualHost>\n{section}");
    let found = [("served-file", "AuthUserFile")];
    warns(&format!("DocumentRoot served\n{section}"), &found, &served);
    warns(&host, &found, &served);
    warns(&format!("DocumentRoot link\n{section}"), &found, &served);
    warns(&format!("Alias /x served\n{section}"), &found, &served);
    warns(&format!("ScriptAlias /cgi-bin/ served/\n{section}"), &found, &served);
    warns(&format!("Alias /y served/users\n{section}"), &found, &served);
    warns(&format!("DocumentRoot empty\nAlias /x /nowhere\n{section}"), &[], &served);
    let denied = if Installation::get().is_22() { "Deny from all" } else { "Require all denied" };
    let hidden = section.replace("served/users", "served/.htpasswd");
    let hiding = format!("<FilesMatch \"^\\.ht\">\n{denied}\n</FilesMatch>\n");
    warns(&format!("DocumentRoot served\n{hiding}{hidden}"), &[], &served);
    warns(&format!("DocumentRoot served\n{hidden}"), &found, &served);
    warns(&format!("DocumentRoot served\n{hiding}{section}"), &found, &served);
}

#[test]
fn one_file_is_spoken_of_once_with_all_its_places() {
    let section = |path: &str| guarded("Require valid-user").replace("<Location />", &format!("<Location {path}>"));
    let sections: String = ["/a", "/b", "/c"].map(section).concat();
    let found = tested(&sections, &|folder| set_mode(&folder.join("users"), 0o644));
    let places = [4, 11, 18].map(|line| format!("FOLDER/case.conf:{line}")).join(", ");
    assert_eq!(found, [(places, "world-readable".to_owned())]);
}

#[test]
fn dev_null_is_an_empty_file_and_no_other_device_is() {
    let with =
        |file: &str| guarded("Require valid-user").replace("AuthUserFile users", &format!("AuthUserFile {file}"));
    warns(&with("/dev/null"), &[], &nothing);
    warns(&with("/dev/zero"), &[("unreadable", "AuthUserFile")], &nothing);
}
