//! What a back end is told about the user.

use std::fs;
use std::path::Path;

use super::harness::installation::Installation;
use super::{guarded, nothing, set_mode, warns};

fn skipped() -> bool {
    let is_22 = Installation::get().is_22();
    if is_22 {
        Installation::get().skip_this_test("EsAuthBackendCredentials needs httpd 2.4");
    }
    is_22
}

fn keys(folder: &Path) {
    fs::write(folder.join("keys"), "alice: ApiKey YTpi\n").unwrap();
    set_mode(&folder.join("keys"), 0o640);
}

const KEYS: &str = "Require valid-user\nEsAuthBackendCredentials keys";

#[test]
fn credentials_that_others_on_the_network_can_get() {
    if skipped() {
        return;
    }
    let ssl = Installation::get().load(&["ssl"]);
    let to = |url: &str, tls: &str| format!("{tls}\nProxyPass / {url}\n{}", guarded(KEYS));
    let with_tls = |url: &str, tls: &str| ssl.clone() + &to(url, &format!("SSLProxyEngine On\n{tls}"));
    let (plain, unverified) = ([("plain-credentials", "ProxyPass")], [("unverified-backend", "ProxyPass")]);
    for url in ["http://10.0.0.2:9200/", "http://elasticsearch:9200/"] {
        warns(&to(url, ""), &plain, &keys);
    }
    for url in ["http://127.0.0.1:9200/", "http://localhost:9200/", "http://[::1]:9200/"] {
        warns(&to(url, ""), &[], &keys);
    }
    let https = "https://10.0.0.2:9200/";
    warns(&with_tls(https, ""), &unverified, &keys);
    warns(&with_tls(https, "SSLProxyVerify optional"), &unverified, &keys);
    warns(&with_tls(https, "SSLProxyVerify require\nSSLProxyCheckPeerName off"), &unverified, &keys);
    warns(&with_tls(https, "SSLProxyVerify require"), &[], &keys);
    warns(&with_tls(https, "<Proxy https://10.0.0.2:9200/>\nSSLProxyVerify require\n</Proxy>"), &[], &keys);
    // Nothing is told.
    let none = "Require valid-user\nEsAuthBackendCredentials None";
    warns(&format!("ProxyPass / http://10.0.0.2:9200/\n{}", guarded(none)), &[], &nothing);
    let balancer =
        "<Proxy balancer://es>\nBalancerMember http://10.0.0.2:9200\nBalancerMember http://127.0.0.1:9200\n</Proxy>\n";
    let balanced = format!("{balancer}ProxyPass / balancer://es/\n{}", guarded(KEYS));
    warns(&balanced, &[("plain-credentials", "BalancerMember")], &keys);
    warns(&to("http://10.0.0.2:9200/", "EsAuthSilence plain-credentials"), &[], &keys);
}

#[test]
fn credentials_that_are_of_no_use() {
    if skipped() {
        return;
    }
    warns(&guarded(KEYS), &[("not-proxied", "EsAuthBackendCredentials")], &keys);
    let proxied = |lines: &str| format!("ProxyPass / http://127.0.0.1:9200/\n{}", guarded(lines));
    let fault = [("run-as-without-credentials", "EsAuthBackendUser")];
    warns(&proxied("Require valid-user\nEsAuthBackendUser RunAs"), &fault, &nothing);
    warns(&proxied("Require valid-user\nEsAuthBackendUser RunAs\nEsAuthBackendCredentials None"), &fault, &nothing);
    warns(&proxied(&format!("{KEYS}\nEsAuthBackendUser RunAs")), &[], &keys);
    warns(&proxied("Require valid-user\nEsAuthBackendUser Proxy"), &[], &nothing);
}

#[test]
fn a_credentials_file_that_others_can_read() {
    if skipped() {
        return;
    }
    let proxied = format!("ProxyPass / http://127.0.0.1:9200/\n{}", guarded(KEYS));
    let open = |folder: &Path| {
        keys(folder);
        set_mode(&folder.join("keys"), 0o644);
    };
    warns(&proxied, &[("world-readable", "EsAuthBackendCredentials")], &open);
    warns(&proxied, &[("unreadable", "EsAuthBackendCredentials")], &nothing);
}
