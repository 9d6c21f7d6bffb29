//! Sections in `<IfModule>` of a stock module that is not loaded.

use std::fs;
use std::path::Path;

use super::harness::httpd::{self, Mpm, Setup, Site};
use super::harness::installation::Installation;
use super::{guarded, load, nothing, tested, warnings, write};

const NAMES: [&str; 6] = [
    "mod_auth_basic.c",
    "auth_basic_module",
    "mod_authn_file.c",
    "authn_file_module",
    "mod_authz_groupfile.c",
    "authz_groupfile_module",
];

fn at(place: &str) -> Vec<(String, String)> {
    vec![(place.to_owned(), "stock-module-condition".to_owned())]
}

#[test]
fn sections_skipped_by_a_condition_on_an_unloaded_module() {
    let section = guarded("Require valid-user");
    for name in NAMES {
        let around = format!("Listen 127.0.0.1:9\n<IfModule {name}>\n{section}</IfModule>\n");
        assert_eq!(tested(&around, &nothing), at("FOLDER/case.conf:2"), "{name}");
        // httpd 2.2 takes no quotes here.
        let named = if Installation::get().is_22() { name.to_owned() } else { format!("\"{name}\"") };
        let inside =
            format!("<Location />\n<IfModule {named}>\nAuthType Basic\nRequire valid-user\n</IfModule>\n</Location>\n");
        assert_eq!(tested(&inside, &nothing), at("FOLDER/case.conf:2"), "{name}");
        // True, without access restrictions, or false for another reason.
        for silent in [
            format!("<IfModule !{name}>\n{section}</IfModule>\n"),
            format!("<IfModule {name}>\nListen 127.0.0.1:9\n</IfModule>\n"),
            format!("<IfDefine NOT>\n<IfModule {name}>\n{section}</IfModule>\n</IfDefine>\n"),
            format!("<IfModule mod_none.c>\n<IfModule {name}>\n{section}</IfModule>\n</IfModule>\n"),
            format!("# <IfModule {name}>\n{section}"),
            format!("EsAuthSilence stock-module-condition\n<IfModule {name}>\n{section}</IfModule>\n"),
        ] {
            assert_eq!(tested(&silent, &nothing), [], "{silent}");
        }
    }
    assert_eq!(tested(&format!("<IfModule rust_esauth_module>\n{section}</IfModule>\n"), &nothing), []);
}

#[test]
fn a_file_of_which_nothing_is_left_is_looked_at_too() {
    let prepare = |folder: &Path| {
        let text = format!("<IfModule mod_auth_basic.c>\n{}</IfModule>\n", guarded("Require valid-user"));
        fs::create_dir(folder.join("sites")).unwrap();
        fs::write(folder.join("sites/es.conf"), text).unwrap();
    };
    assert_eq!(tested("Listen 127.0.0.1:9\nInclude sites/*.conf\n", &prepare), at("FOLDER/sites/es.conf:1"));
}

#[test]
fn htaccess_files_are_looked_at_where_they_count() {
    let prepare = |folder: &Path| {
        fs::create_dir(folder.join("served/inner")).unwrap();
        let text = "AuthType Basic\n<IfModule mod_auth_basic.c>\nRequire valid-user\n</IfModule>\n";
        fs::write(folder.join("served/inner/.htaccess"), text).unwrap();
        let root = format!("<Directory {}/served>\nAllowOverride OVERRIDE\n</Directory>\n", folder.display());
        let case = fs::read_to_string(folder.join("case.conf")).unwrap();
        let allowed = case.trim().trim_start_matches("# ").to_owned();
        fs::write(folder.join("case.conf"), root.replace("OVERRIDE", &allowed)).unwrap();
    };
    assert_eq!(tested("# All\n", &prepare), at("FOLDER/served/inner/.htaccess:2"));
    assert_eq!(tested("# AuthConfig\n", &prepare), at("FOLDER/served/inner/.htaccess:2"));
    assert_eq!(tested("# None\n", &prepare), []);
}

#[test]
fn beside_the_stock_modules_the_conditions_hold() {
    let sections: String =
        NAMES.map(|name| format!("<IfModule {name}>\n{}</IfModule>\n", guarded("Require valid-user"))).concat();
    let stock = Installation::get().load(&["auth_basic", "authn_file", "authz_groupfile"]);
    let configuration = |site: &Site<'_>| write(site.folder, &sections);
    let setup = Setup { mpm: Mpm::usual(), load: load() + &stock, ports: 0, configuration: &configuration };
    let (status, said) = httpd::run(&setup, &["-t"], None);
    assert_eq!((status, warnings(&said)), (Some(0), vec![]), "{said}");
}
