//! Exposure to the network.

use super::harness::installation::Installation;
use super::{BASIC, guarded, nothing, warns};

#[test]
fn passwords_over_plain_http() {
    let host = |listen: &str, host: &str, more: &str| {
        format!("{listen}\n<VirtualHost {host}>\n{more}\n{}</VirtualHost>\n", guarded("Require valid-user"))
    };
    let fault = [("plain-http", "<VirtualHost")];
    warns(&host("Listen 8080", "*:8080", ""), &fault, &nothing);
    warns(&host("Listen 192.0.2.1:8080", "*:8080", ""), &fault, &nothing);
    warns(&host("Listen 8080", "[2001:db8::1]:8080", ""), &fault, &nothing);
    let proxied = "RewriteEngine On\nRewriteRule ^/(.*) https://127.0.0.1:9200/$1 [P]";
    warns(&host("Listen 8080", "*:8080", proxied), &fault, &nothing);
    warns(&host("Listen [::]:8080", "_default_:8080", "ServerName http://example.org"), &fault, &nothing);
    for silent in [
        host("Listen 127.0.0.1:8080", "*:8080", ""),
        host("Listen 8080", "127.0.0.1:8080", ""),
        host("Listen 8080", "[::1]:8080", ""),
        host("Listen 8080", "*:8080", "ServerName https://example.org"),
        host("Listen 8080", "*:8080", "Redirect permanent / https://example.org/"),
        host("Listen 8080", "*:8080", "RewriteEngine On\nRewriteRule ^ https://example.org%{REQUEST_URI} [R,L]"),
        // Nobody listens there.
        host("Listen 8081", "*:8080", ""),
    ] {
        warns(&silent, &[], &nothing);
    }
    // Directives outside virtual hosts.
    let section = guarded("Require valid-user");
    let fault = [("plain-http", "Require")];
    warns(&format!("Listen 8080\n{section}"), &fault, &nothing);
    warns(&format!("Listen 8080\n{section}<VirtualHost *:8080>\n</VirtualHost>\n"), &fault, &nothing);
    let redirect = "<VirtualHost *:8080>\nRedirect / https://example.org/\n</VirtualHost>\n";
    warns(&format!("Listen 8080\n{section}{redirect}"), &[], &nothing);
    if !Installation::get().has("ssl") {
        return Installation::get().skip("virtual hosts with TLS", "it has no mod_ssl");
    }
    let ssl = Installation::get().load(&["ssl"]);
    warns(&(ssl.clone() + &host("Listen 443", "*:443", "SSLEngine On")), &[], &nothing);
    warns(&(ssl.clone() + "SSLEngine On\n" + &host("Listen 8443", "*:8443", "")), &[], &nothing);
    warns(&(ssl.clone() + &host("Listen 443", "*:443", "")), &[], &nothing);
    warns(&(ssl + &host("Listen 443", "*:443", "SSLEngine Off")), &[("plain-http", "<VirtualHost")], &nothing);
}

#[test]
fn a_back_end_that_everyone_can_reach() {
    let proxy = |lines: &str| format!("{lines}\n<Proxy *>\n{BASIC}Require valid-user\n</Proxy>\n");
    let fault = [("public-backend", "ProxyPass")];
    warns(&proxy("ProxyPass / http://203.0.113.7:9200/"), &fault, &nothing);
    warns(&proxy("ProxyPass /es http://[2001:db8::7]:9200 retry=0"), &fault, &nothing);
    warns(&proxy("ProxyPassMatch ^/(.*)$ http://203.0.113.7:9200/$1"), &fault, &nothing);
    warns(&proxy("<Location /es>\nProxyPass http://203.0.113.7:9200/\n</Location>"), &fault, &nothing);
    warns(&format!("ProxyPass /es/x http://203.0.113.7/\n{}", guarded("Require valid-user")), &fault, &nothing);
    let rewrite = "RewriteEngine On\nRewriteRule ^/(.*) http://203.0.113.7:9200/$1 ";
    warns(&proxy(&format!("{rewrite}[P,L]")), &[("public-backend", "RewriteRule")], &nothing);
    warns(&proxy(&format!("{rewrite}[R,L]")), &[], &nothing);
    let balanced = "ProxyPass / balancer://es/\n<Proxy balancer://es>\nBalancerMember http://10.0.0.7:9200\n\
                    BalancerMember http://203.0.113.7:9200\n</Proxy>";
    let fault = [("public-backend", "BalancerMember http://203")];
    warns(&proxy(balanced), &fault, &nothing);
    for private in [
        "http://127.0.0.1:9200/",
        "http://localhost:9200/",
        "http://[::1]:9200/",
        "http://10.1.2.3:9200/",
        "http://172.16.0.1:9200/",
        "http://192.168.0.1:9200/",
        "http://169.254.0.1:9200/",
        "http://[fd00::7]:9200/",
        // It probably has security of its own.
        "https://203.0.113.7:9243/",
        // Names are not resolved.
        "http://example.org:9200/",
        "!",
    ] {
        warns(&proxy(&format!("ProxyPass / {private}")), &[], &nothing);
    }
    // Another back end is protected.
    let elsewhere = guarded("Require valid-user").replace("<Location />", "<Location /private>");
    warns(&format!("ProxyPass /public http://203.0.113.7:9200/\n{elsewhere}"), &[], &nothing);
}
