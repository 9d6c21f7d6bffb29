//! Back ends that can be reached around the section meant to protect them.

use super::harness::installation::Installation;
use super::{BASIC, guarded, nothing, warns};

fn proxy(url: &str) -> String {
    format!("<Proxy {url}>\n{BASIC}Require valid-user\n</Proxy>\n")
}

const ROUTE: &str = "ProxyPass / http://127.0.0.1:9200/\n";

#[test]
fn a_section_for_a_back_end_that_matches_none() {
    let fault = [("unguarded-backend", "<Proxy")];
    for url in ["http://localhost:9200/", "http://127.0.0.1:9201/", "https://127.0.0.1:9200/", "balancer://es"] {
        warns(&format!("{ROUTE}{}", proxy(url)), &fault, &nothing);
    }
    for url in ["*", "http://127.0.0.1:9200/", "http://127.0.0.1:9200", "http://*", "http://127.0.0.1:9200/x"] {
        warns(&format!("{ROUTE}{}", proxy(url)), &[], &nothing);
    }
    let pattern = proxy("^http").replace("Proxy ", "ProxyMatch ").replace("</Proxy>", "</ProxyMatch>");
    warns(&format!("{ROUTE}{pattern}"), &[], &nothing);
    let rewrite = "RewriteEngine On\nRewriteRule ^/(.*) http://127.0.0.1:9200/$1 [P]\n";
    warns(&format!("{rewrite}{}", proxy("http://localhost:9200/")), &fault, &nothing);
    warns(&format!("{rewrite}{}", proxy("http://127.0.0.1:9200/es/")), &[], &nothing);
    // Requests do not go to members directly.
    let balanced =
        "ProxyPass / balancer://es/\n<Proxy balancer://es>\nBalancerMember http://127.0.0.1:9200\n</Proxy>\n";
    warns(&format!("{}{balanced}", proxy("http://127.0.0.1:9200")), &fault, &nothing);
    warns(&format!("{balanced}{}", proxy("balancer://es")), &[], &nothing);
    // Others protect it.
    warns(&format!("{ROUTE}{}{}", proxy("http://localhost:9200/"), guarded("Require valid-user")), &[], &nothing);
    let closed = "<Location />\nOrder allow,deny\nDeny from all\n</Location>\n";
    warns(&format!("{ROUTE}{}{closed}", proxy("http://localhost:9200/")), &[], &nothing);
    // One of two, on purpose.
    warns(&format!("ProxyPass /app http://127.0.0.1:80/\n{ROUTE}{}", proxy("http://127.0.0.1:9200/")), &[], &nothing);
}

#[test]
fn a_section_for_files_where_all_is_sent_to_a_back_end() {
    let folder = format!("<Directory />\n{BASIC}Require valid-user\n</Directory>\n");
    let fault = [("unguarded-backend", "<Directory")];
    warns(&format!("{ROUTE}{folder}"), &fault, &nothing);
    warns(&format!("ProxyPass /static !\n{ROUTE}{folder}"), &[], &nothing);
    warns(&format!("ProxyPass /es http://127.0.0.1:9200/\n{folder}"), &[], &nothing);
    let url = guarded("Require valid-user").replace("<Location />", "<Location http://127.0.0.1:9200/>");
    warns(&format!("{ROUTE}{url}"), &[("unguarded-backend", "<Location")], &nothing);
    // A part of it, on purpose.
    let part = guarded("Require valid-user").replace("<Location />", "<Location /admin>");
    warns(&format!("{ROUTE}{part}"), &[], &nothing);
}

#[test]
fn a_back_end_that_another_route_leaves_open() {
    let host = |port: u16, more: &str| format!("<VirtualHost *:{port}>\n{more}</VirtualHost>\n");
    let silent = "EsAuthSilence plain-http\nListen 8080\nListen 127.0.0.1:8081\n";
    let with_guard = host(8443, &format!("ProxyPass /s http://127.0.0.1:9200/\n{}", guarded("Require valid-user")));
    let fault = [("unguarded-backend", "ProxyPass / ")];
    warns(&format!("{silent}{with_guard}{}", host(8080, ROUTE)), &fault, &nothing);
    // For this machine only, for clients admitted by other means, or to another back end.
    warns(&format!("{silent}{with_guard}{}", host(8081, ROUTE)), &[], &nothing);
    let closed = format!("{ROUTE}<Proxy *>\nDeny from all\nAllow from 192.0.2.1\n</Proxy>\n");
    warns(&format!("{silent}{with_guard}{}", host(8080, &closed)), &[], &nothing);
    warns(&format!("{silent}{with_guard}{}", host(8080, &ROUTE.replace("9200", "80"))), &[], &nothing);
    // Within a host: another path of the same back end is intended, and another scheme is not recognized as the same.
    let paths = "ProxyPass /admin http://127.0.0.1:80/admin\nProxyPass /app http://127.0.0.1:80/app\n";
    let part = guarded("Require valid-user").replace("<Location />", "<Location /admin>");
    warns(&format!("{paths}{part}"), &[], &nothing);
}

#[test]
fn a_forward_proxy_past_the_section() {
    let section = guarded("Require valid-user");
    let fault = [("open-proxy", "ProxyRequests")];
    warns(&format!("ProxyRequests On\n{ROUTE}{section}"), &fault, &nothing);
    warns(&format!("ProxyRequests Off\n{ROUTE}{section}"), &[], &nothing);
    warns(&format!("ProxyRequests On\n{ROUTE}{}", proxy("*")), &[], &nothing);
    let closed = if Installation::get().is_22() { "Deny from all" } else { "Require ip 192.0.2.1" };
    warns(&format!("ProxyRequests On\n{ROUTE}{section}<Proxy *>\n{closed}\n</Proxy>\n"), &[], &nothing);
}
