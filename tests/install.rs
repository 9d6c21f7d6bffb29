//! `make install` and `make uninstall`, through their script, into a folder of the test (DESTDIR). How the module is
//! loaded depends on httpd's layout: Debian's mods-available, or httpd.conf itself.

// A test that cannot go on should stop, with the reason.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod harness;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use harness::installation::{apxs_says, module_under_test, workspace};
use harness::scratch::Scratch;

/// A path reported by apxs, in the test's folder.
fn place(folder: &Path, name: &str) -> PathBuf {
    folder.join(apxs_says(name).trim_start_matches('/'))
}

/// The manual pages that `make cli` has written, with their places in the test's folder; none if only the module was built.
fn pages(folder: &Path) -> Vec<(Vec<u8>, PathBuf)> {
    let built = workspace().join("target/esauth");
    let pages = [("mod_rust_esauth", 8), ("esauth-files", 5)].map(|(name, number)| {
        let page = fs::read(built.join(format!("{name}.{number}"))).ok()?;
        Some((page, place(folder, "MANDIR").join(format!("man{number}/{name}.{number}"))))
    });
    pages.into_iter().flatten().collect()
}

fn run(action: &str, folder: &Path) -> String {
    let mut command = Command::new(workspace().join("scripts/install.sh"));
    let output = command.arg(action).env("DESTDIR", folder).env("ESAUTH_MODULE", module_under_test()).output().unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{said}");
    said
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    entries.into_iter().flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[test]
fn the_module_and_its_load_line_are_installed_and_removed_again() {
    let folder = Scratch::new();
    let (modules, configuration) = (place(folder.path(), "LIBEXECDIR"), place(folder.path(), "SYSCONFDIR"));
    let load = format!("LoadModule rust_esauth_module {}/mod_rust_esauth.so", apxs_says("LIBEXECDIR"));
    let main = configuration.join(format!("{}.conf", apxs_says("PROGNAME")));
    // One line is in a section, where a LoadModule may not take effect.
    let before =
        "ServerRoot /x\nLoadModule a_module a.so\n<IfModule x>\nLoadModule b_module b.so\n</IfModule>\nListen 80\n";
    let is_debian = configuration.ends_with("etc/apache2");
    if !is_debian {
        fs::create_dir_all(&configuration).unwrap();
        fs::write(&main, before).unwrap();
    }

    // A second time changes nothing.
    for _ in 0..2 {
        run("install", folder.path());
        assert_eq!(fs::read(modules.join("mod_rust_esauth.so")).unwrap(), fs::read(module_under_test()).unwrap());
        for (page, place) in pages(folder.path()) {
            assert_eq!(fs::read(place).unwrap(), page);
        }
        if is_debian {
            let available = configuration.join("mods-available");
            assert!(fs::read_to_string(available.join("rust_esauth.load")).unwrap().lines().any(|line| line == load));
            let shipped = fs::read_to_string(workspace().join("apache/rust_esauth.conf")).unwrap();
            assert_eq!(fs::read_to_string(available.join("rust_esauth.conf")).unwrap(), shipped);
        } else {
            let expected = before.replace("a.so\n", &format!("a.so\n{load}\n"));
            assert_eq!(fs::read_to_string(&main).unwrap(), expected);
            assert_eq!(fs::read_to_string(main.with_extension("conf.bak")).unwrap(), before);
        }
    }

    run("uninstall", folder.path());
    if is_debian {
        assert!(files(folder.path()).is_empty(), "{:?}", files(folder.path()));
    } else {
        assert_eq!(fs::read_to_string(&main).unwrap(), before);
        assert_eq!(files(folder.path()), [main.clone(), main.with_extension("conf.bak")]);
    }
}

/// In 2.2, the order of the two decides the meaning of `Require group` beside `Require user`.
#[test]
fn the_line_stands_where_the_stock_module_for_groups_has_its_own() {
    let folder = Scratch::new();
    let configuration = place(folder.path(), "SYSCONFDIR");
    if configuration.ends_with("etc/apache2") {
        return;
    }
    let main = configuration.join(format!("{}.conf", apxs_says("PROGNAME")));
    let groups = "LoadModule authz_groupfile_module modules/mod_authz_groupfile.so\n";
    let before = format!("{groups}LoadModule authz_user_module modules/mod_authz_user.so\nListen 80\n");
    fs::create_dir_all(&configuration).unwrap();
    fs::write(&main, &before).unwrap();
    run("install", folder.path());
    let load = format!("LoadModule rust_esauth_module {}/mod_rust_esauth.so\n", apxs_says("LIBEXECDIR"));
    assert_eq!(fs::read_to_string(&main).unwrap(), before.replace(groups, &format!("{groups}{load}")));
}

#[test]
fn a_configuration_that_the_administrator_has_changed_stays() {
    let folder = Scratch::new();
    run("install", folder.path());
    let Some(own) = files(folder.path()).into_iter().find(|path| path.ends_with("rust_esauth.conf")) else {
        // Only Debian's layout has a file for directives.
        return;
    };
    fs::write(&own, "EsAuthCacheTTL 60\n").unwrap();
    assert!(run("install", folder.path()).contains("kept"));
    assert!(run("uninstall", folder.path()).contains("kept"));
    assert_eq!(fs::read_to_string(&own).unwrap(), "EsAuthCacheTTL 60\n");
    assert_eq!(files(folder.path()), [own]);
}
