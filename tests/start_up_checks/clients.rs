//! Client addresses.

use super::harness::installation::Installation;
use super::{guarded, nothing, warns};

fn with(lines: &str) -> String {
    let modules = Installation::get().load(&["remoteip", "setenvif"]);
    format!("{modules}{lines}\n{}", guarded("Require valid-user"))
}

#[test]
fn addresses_that_clients_choose() {
    if Installation::get().is_22() {
        return Installation::get().skip_this_test("it has no mod_remoteip");
    }
    let fault = [("remoteip-trust", "RemoteIPHeader")];
    warns(&with("RemoteIPHeader X-Forwarded-For"), &fault, &nothing);
    warns(&with("RemoteIPHeader X-Forwarded-For\nRemoteIPInternalProxy 10.0.0.1"), &[], &nothing);
    warns(&with("RemoteIPHeader X-Forwarded-For\nRemoteIPTrustedProxy 192.0.2.0/24"), &[], &nothing);
    warns(&with("Listen 127.0.0.1:8080\nRemoteIPHeader X-Forwarded-For"), &[], &nothing);
}

#[test]
fn a_lockout_of_all_clients_of_a_proxy() {
    if Installation::get().is_22() {
        return Installation::get().skip_this_test("it has no mod_remoteip");
    }
    let fault = [("shared-address", "EsAuthMaxFailures")];
    let behind = |lines: &str| with(&format!("EsAuthMaxFailures 10/300\n{lines}"));
    warns(&behind("ServerName https://example.org"), &fault, &nothing);
    warns(&behind("SetEnvIf X-Forwarded-Proto https HTTPS=on"), &fault, &nothing);
    warns(&behind("RewriteCond %{HTTP:X-Forwarded-Proto} !https"), &fault, &nothing);
    let log = "LogFormat \"%{X-Forwarded-For}i %t\" behind";
    warns(&behind(&format!("{log}\nCustomLog logs behind")), &fault, &nothing);
    warns(&behind(log), &[], &nothing);
    warns(&behind(""), &[], &nothing);
    warns(&with("EsAuthMaxFailures Off\nServerName https://example.org"), &[], &nothing);
    warns(&with("ServerName https://example.org"), &[], &nothing);
    let told = "ServerName https://example.org\nRemoteIPHeader X-Forwarded-For\nRemoteIPInternalProxy 10.0.0.1";
    warns(&behind(told), &[], &nothing);
}
