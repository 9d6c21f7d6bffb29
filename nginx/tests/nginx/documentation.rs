//! docs/nginx.md and docs/fleet.md show configurations that nginx accepts; the former has every directive, variable and log line.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::harness::installation::workspace;
use crate::harness::scratch::Scratch;
use crate::server::{Setup, check};

fn page(name: &str) -> String {
    fs::read_to_string(workspace().join("docs").join(name)).unwrap()
}

/// What nginx says of directives in `http`, with the paths of this test's files.
fn assert_is_accepted(http: &str, place: &str) {
    let tls = Scratch::new();
    let file = |name: &str| tls.path().join(name).display().to_string();
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-subj",
            "/CN=localhost",
        ])
        .args(["-keyout", &file("key"), "-out", &file("certificate")])
        .output()
        .unwrap();
    assert!(made.status.success());
    let http = http
        .replace("listen 443 ssl", "listen PORT0 ssl")
        .replace("listen 127.0.0.1:8080", "listen PORT1")
        .replace("listen 127.0.0.1:8081", "listen PORT1")
        .replace("/etc/ssl/certs/ssl-cert-snakeoil.pem", &file("certificate"))
        .replace("/etc/ssl/private/ssl-cert-snakeoil.key", &file("key"))
        .replace("/etc/nginx", "FOLDER");
    let (accepted, said) = check(&Setup { ports: 2, workers: 1, http: &http, files: &[] });
    assert!(accepted && !said.contains("[warn]"), "{place}: {said}");
}

#[test]
fn the_configurations_are_accepted() {
    let page = page("nginx.md") + &page("fleet.md");
    let mut seen = 0;
    for block in page.split("```nginx ").skip(1) {
        let (kind, text) = block.split("```").next().unwrap().split_once('\n').unwrap();
        match kind {
            // The test's own configuration loads the module.
            "main" => assert!(text.contains("ngx_http_esauth_module.so")),
            "http" => assert_is_accepted(&format!("{text}\nserver {{ listen PORT0; }}"), text),
            "server" => assert_is_accepted(&format!("server {{ listen PORT0; {text} }}"), text),
            other => panic!("no block {other}"),
        }
        seen += 1;
    }
    assert!(seen >= 4, "{seen} configurations are few");
    for file in ["elasticsearch-esauth.conf", "elasticsearch-users.conf", "elasticsearch-metrics.conf"] {
        assert_is_accepted(&fs::read_to_string(workspace().join("nginx").join(file)).unwrap(), file);
    }
}

#[test]
fn every_directive_variable_and_log_line_is_there() {
    let page = page("nginx.md");
    let (mut names, mut lines) = (BTreeSet::new(), BTreeSet::new());
    for source in sources(&workspace().join("nginx/src")) {
        let words = |start: &str| -> Vec<String> {
            let found = source.split(start).skip(1).map(|rest| rest.split('"').next().unwrap());
            found.map(str::to_owned).collect()
        };
        names.extend(words("(c\"esauth").into_iter().map(|rest| format!("**esauth{rest}**")));
        names.extend(words("NAME: &'static [u8] = b\"esauth_").into_iter().map(|rest| format!("`$esauth_{rest}`")));
        let texts = words("b\"esauth: ").into_iter().map(|text| {
            let end = text.find(['\\', ';', '{']).unwrap_or(text.len());
            format!("esauth: {}", text[..end].trim_end())
        });
        lines.extend(texts.filter(|text| text.len() > "esauth: ".len() + 1));
    }
    assert!(names.len() >= 11 && lines.len() >= 6, "{names:?} {lines:?}");
    let missing: Vec<_> = names.iter().chain(&lines).filter(|text| !page.contains(text.as_str())).collect();
    assert!(missing.is_empty(), "not in docs/nginx.md: {missing:?}");
}

fn sources(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| if path.is_dir() { sources(&path) } else { vec![fs::read_to_string(path).unwrap()] })
        .collect()
}
