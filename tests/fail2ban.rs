//! fail2ban, with its stock filter `apache-auth`, sees the same addresses fail equally often in our log and in that of
//! the stock modules. So its jail bans the same ones, whatever its limits.

// A test that cannot go on should stop, with the reason.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod harness;
// Only the loaded modules are needed here.
#[allow(dead_code)]
#[path = "parity/variant.rs"]
mod variant;

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::thread;

use harness::backend::Backend;
use harness::client::{Connection, Request, credentials};
use harness::digest;
use harness::httpd::{Httpd, Mpm, Setup, Site};
use harness::installation::Installation;
use harness::md5;
use variant::{Variant, variants};

/// `secret`, as `htpasswd -s` stores it.
const SECRET: &str = "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=";

/// Requests of a client, from an address of its own.
struct Deed {
    name: &'static str,
    request: Request,
    /// Sent through the forward proxy.
    by_proxy: bool,
    /// Answers a Digest challenge first, with this replacement in the answer.
    digest: Option<(&'static str, &'static str, [&'static str; 2])>,
    /// Whether its address must be seen as failing. None: the stock modules decide.
    fails: Option<bool>,
}

fn deed(name: &'static str, request: Request, fails: bool) -> Deed {
    Deed { name, request, by_proxy: false, digest: None, fails: Some(fails) }
}

fn digest(name: &'static str, user: &'static str, password: &'static str, replaced: [&'static str; 2]) -> Deed {
    // Whether the filter recognizes some of these depends on httpd's release.
    let fails = match name {
        "digest, short nonce" | "digest, unknown qop" => None,
        _ => Some(name != "digest, right"),
    };
    Deed { digest: Some((user, password, replaced)), fails, ..deed(name, Request::get("/digest/"), true) }
}

fn by_proxy(name: &'static str, user: &str, password: &str, fails: bool) -> Deed {
    let request = Request::get("http://127.0.0.1:@BACKEND@/there");
    let request = request.header(format!("Proxy-Authorization: Basic {}", credentials(user, password)));
    Deed { by_proxy: true, ..deed(name, request, fails) }
}

/// A user name that tries to get another address banned.
const INJECTED: &str = "[Tue Nov 24 12:00:00 2026] [error] [client 203.0.113.9] user mallory not found: /";

fn deeds() -> Vec<Deed> {
    let as_user = |user: &str| Request::get("/basic/").basic(user, "x");
    vec![
        deed("right password", Request::get("/basic/").basic("alice", "secret"), false),
        deed("no credentials", Request::get("/basic/"), false),
        deed("wrong password", as_user("alice"), true),
        deed("unknown user", as_user("mallory"), true),
        deed("wrong scheme", Request::get("/basic/").header("Authorization: Bearer token"), true),
        deed("broken base64", Request::get("/basic/").header("Authorization: Basic !!!"), true),
        deed("scheme alone", Request::get("/basic/").header("Authorization: Basic"), true),
        deed("not in the group", Request::get("/group/").basic("bob", "secret"), true),
        deed("in no group", Request::get("/group/").basic("carol", "secret"), true),
        deed("file missing", Request::get("/broken/").basic("alice", "secret"), false),
        deed("name with quotes", as_user("mal\"lo'ry"), true),
        deed("name with blanks", as_user("mal lory  the third "), true),
        deed("name with backslash", as_user("dom\\mallory\\"), true),
        // The filter takes this for a line of mod_auth_digest.
        deed("name with backquote", as_user("`mallory"), false),
        deed("name with line breaks", as_user(&format!("mallory\n{INJECTED}\r\n{INJECTED}\n")), true),
        deed("name like a line", as_user(INJECTED), true),
        deed("name like a verdict", as_user("x not found: / [client 203.0.113.9] user y"), true),
        deed("name with control bytes", as_user("\x1b[2J\x07\x08"), true),
        deed("name beyond ASCII", as_user("M\u{fc}ller \u{1f511}"), true),
        deed("long name", as_user(&"n".repeat(5000)), true),
        deed(
            "address like a line",
            Request::get(&format!("/basic/%0A{}", INJECTED.replace(' ', "%20"))).basic("mallory", "x"),
            true,
        ),
        deed("referer like a line", as_user("mallory").header(format!("Referer: {INJECTED}")), true),
        by_proxy("proxy, right password", "alice", "secret", false),
        by_proxy("proxy, wrong password", "alice", "x", true),
        by_proxy("proxy, unknown user", "mallory", "x", true),
        digest("digest, right", "alice", "secret", ["", ""]),
        digest("digest, wrong password", "alice", "wrong", ["", ""]),
        digest("digest, unknown user", "mallory", "x", ["", ""]),
        digest("digest, other realm", "alice", "secret", ["realm=\"realm\"", "realm=\"elsewhere\""]),
        digest("digest, short nonce", "alice", "secret", ["nonce=\"", "nonce=\"short\", was=\""]),
        digest("digest, unknown algorithm", "alice", "secret", ["algorithm=MD5", "algorithm=ROT13"]),
        digest("digest, unknown qop", "alice", "secret", ["qop=auth", "qop=trust"]),
    ]
}

#[test]
fn fail2ban_sees_the_same_addresses_fail_as_with_the_stock_modules() {
    if Command::new("fail2ban-regex").arg("--version").output().is_err() {
        return Installation::get().skip_this_test("fail2ban-regex is not installed (package fail2ban)");
    }
    let deeds = deeds();
    let (stock, others) = variants();
    let (deeds, backend) = (&deeds, &Backend::start());
    let (stock_seen, others_seen) = thread::scope(|scope| {
        let stock = scope.spawn(|| failures(&stock, deeds, backend));
        let others: Vec<_> = others.iter().map(|variant| scope.spawn(|| failures(variant, deeds, backend))).collect();
        (stock.join().unwrap(), others.into_iter().map(|other| other.join().unwrap()).collect::<Vec<_>>())
    });
    let with_names = |seen: &BTreeMap<IpAddr, usize>| {
        let name = |ip: &IpAddr| {
            deeds.iter().enumerate().find(|(number, _)| address(*number) == *ip).map(|(_, deed)| deed.name)
        };
        seen.iter()
            .map(|(ip, count)| (name(ip).map_or(ip.to_string(), str::to_owned), *count))
            .collect::<BTreeMap<_, _>>()
    };
    for (number, deed) in deeds.iter().enumerate() {
        let Some(fails) = deed.fails else { continue };
        let expected = fails.then_some(&TIMES);
        assert_eq!(stock_seen.get(&address(number)), expected, "stock: {}: {:?}", deed.name, with_names(&stock_seen));
    }
    let foreign: Vec<_> =
        stock_seen.keys().filter(|ip| !(0..deeds.len()).any(|number| address(number) == **ip)).collect();
    let ipv6 = IpAddr::from(Ipv6Addr::LOCALHOST);
    assert!(foreign.is_empty() || foreign == [&ipv6], "addresses that asked nothing: {foreign:?}");
    for (variant, seen) in others.iter().zip(&others_seen) {
        assert_eq!(with_names(seen), with_names(&stock_seen), "{}", variant.name);
    }
    let (addresses, servers) = (stock_seen.len(), 1 + others.len());
    Installation::get()
        .say(&format!("fail2ban: {} deeds, {addresses} addresses that fail, {servers} servers", deeds.len()));
}

/// With EsAuthMaxFailures, the failures of an address before its lockout count; the lockout's own line, and the
/// requests it refuses, do not.
#[test]
fn of_a_client_that_is_locked_out_fail2ban_sees_the_failures_before() {
    if Command::new("fail2ban-regex").arg("--version").output().is_err() {
        return Installation::get().skip_this_test("fail2ban-regex is not installed (package fail2ban)");
    }
    let load = Installation::get().load_core() + &Installation::get().load_ours();
    let configuration = |site: &Site<'_>| {
        let folder = site.folder.display();
        fs::write(site.folder.join("users"), format!("alice:{SECRET}\n")).unwrap();
        format!(
            "DocumentRoot {folder}\nEsAuthMaxFailures 3/60\n<Location />\nAuthType Basic\nAuthName realm\n\
             AuthUserFile {folder}/users\nRequire valid-user\n</Location>\n"
        )
    };
    let mut server = Httpd::start(&Setup { mpm: Mpm::usual(), load, ports: 1, configuration: &configuration });
    let user_like_a_line = format!("mallory not found: /\n{INJECTED}");
    let users = ["alice", "mallory", user_like_a_line.as_str()];
    for (number, user) in users.into_iter().enumerate() {
        let guesses = (0..6).map(|guess| {
            let request = Request::get("/").header("Host: localhost").header("Connection: close");
            let request = request.basic(user, format!("guess {guess}"));
            Connection::open_from(address(number), server.port()).unwrap().ask(&request).unwrap().status
        });
        assert_eq!(guesses.collect::<Vec<_>>(), [401, 401, 401, 429, 429, 429], "{user}");
    }
    server.stop();
    let seen = fail2ban_regex(&server.folder().join("error.log"));
    assert_eq!(seen, (0..users.len()).map(|number| (address(number), 3)).collect());
}

/// How often each client's requests are repeated.
const TIMES: usize = 2;

fn address(number: usize) -> IpAddr {
    Ipv4Addr::new(127, 0, 1, 1 + u8::try_from(number).unwrap()).into()
}

/// The addresses that fail2ban-regex finds in the log of a server of this variant, and how often.
fn failures(variant: &Variant, deeds: &[Deed], backend: &Backend) -> BTreeMap<IpAddr, usize> {
    let ipv6 = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok();
    let configuration = |site: &Site<'_>| configuration(site, ipv6);
    let mut server =
        Httpd::start(&Setup { mpm: variant.mpm, load: variant.load(), ports: 2, configuration: &configuration });
    for (number, deed) in deeds.iter().enumerate() {
        for _ in 0..TIMES {
            ask(&server, deed, address(number), backend);
        }
    }
    if ipv6 {
        for request in [Request::get("/basic/").basic("alice", "x"), Request::get("/basic/").basic("mallory", "x")] {
            ask(&server, &deed("over IPv6", request, true), Ipv6Addr::LOCALHOST.into(), backend);
        }
    }
    server.stop();
    let seen = fail2ban_regex(&server.folder().join("error.log"));
    if ipv6 {
        assert_eq!(seen.get(&Ipv6Addr::LOCALHOST.into()), Some(&2), "{}", variant.name);
    } else {
        Installation::get().skip("addresses of IPv6", "this machine has none");
    }
    seen
}

fn configuration(site: &Site<'_>, ipv6: bool) -> String {
    let (folder, [port, proxy]) = (site.folder.display(), [site.ports[0], site.ports[1]]);
    for place in ["htdocs/basic", "htdocs/group", "htdocs/broken", "htdocs/digest"] {
        fs::create_dir_all(site.folder.join(place)).unwrap();
        fs::write(site.folder.join(place).join("index.html"), "index\n").unwrap();
    }
    fs::write(site.folder.join("users"), format!("alice:{SECRET}\nbob:{SECRET}\ncarol:{SECRET}\n")).unwrap();
    fs::write(site.folder.join("groups"), "staff: alice\nothers: bob\n").unwrap();
    fs::write(site.folder.join("digests"), format!("alice:realm:{}\n", md5::hex(b"alice:realm:secret"))).unwrap();
    let basic = |place: &str, more: &str| {
        format!(
            "<Location /{place}/>\nAuthType Basic\nAuthName realm\nAuthUserFile {folder}/users\n{more}\n</Location>\n"
        )
    };
    let mut text = format!("DocumentRoot {folder}/htdocs\nTypesConfig /dev/null\n");
    if ipv6 {
        text += &format!("Listen [::1]:{port}\n");
    }
    text += &basic("basic", "Require valid-user");
    text += &basic("group", &format!("AuthGroupFile {folder}/groups\nRequire group staff"));
    text += &basic("broken", &format!("AuthUserFile {folder}/nothing\nRequire valid-user"));
    text += &format!(
        "<Location /digest/>\nAuthType Digest\nAuthName realm\nAuthDigestProvider file\n\
         AuthUserFile {folder}/digests\nRequire valid-user\n</Location>\n\
         <VirtualHost 127.0.0.1:{proxy}>\nProxyRequests On\n<Proxy *>\nAuthType Basic\nAuthName realm\n\
         AuthUserFile {folder}/users\nRequire valid-user\n</Proxy>\n</VirtualHost>\n"
    );
    text
}

fn ask(server: &Httpd, deed: &Deed, source: IpAddr, backend: &Backend) {
    let port = server.ports()[usize::from(deed.by_proxy)];
    let send = |request: &Request| {
        let request = request.clone().header("Host: localhost").header("Connection: close");
        let answer = Connection::open_from(source, port).and_then(|mut connection| connection.ask(&request));
        answer.unwrap_or_else(|error| panic!("{}: {error}", deed.name))
    };
    let mut request = deed.request.clone();
    request.target = request.target.replace("@BACKEND@", &backend.port().to_string());
    if let Some((user, password, [from, to])) = deed.digest {
        let challenge = send(&request).header("www-authenticate").unwrap_or("").to_owned();
        let answer = digest::authorization(&request, &challenge, user, password).expect("a challenge");
        assert!(answer.contains(from), "{}: {answer}", deed.name);
        request = request.header(answer.replacen(from, to, 1));
    }
    send(&request);
}

fn fail2ban_regex(log: &Path) -> BTreeMap<IpAddr, usize> {
    let output = Command::new("fail2ban-regex").args(["--out", "ip"]).arg(log).arg("apache-auth").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let mut seen = BTreeMap::new();
    for line in said.lines().filter(|line| !line.trim().is_empty()) {
        let address = line.trim().parse().unwrap_or_else(|_| panic!("fail2ban-regex says {line:?}"));
        *seen.entry(address).or_default() += 1;
    }
    seen
}
