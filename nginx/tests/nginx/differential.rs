//! Generated configurations, files, changes and requests: nginx's own auth_basic and this module must answer alike, and log
//! alike.
//!
//! `ESAUTH_SEED` chooses what is generated, `ESAUTH_NGINX_CONFIGURATIONS` how many, `ESAUTH_FIRST` the first one. Left out is what
//! docs/nginx.md lists as intended differences.

use std::fs;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use crate::harness::client::Request;
use crate::pair::Pair;
use crate::server::{FAST, number_from};

const REQUESTS: usize = 130;

/// Of "secret".
const HASHES: &[&str] = &[
    FAST,
    "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=",
    "$apr1$w8uZk8oc$UvcCyrDN3Z0SDpLMDzk071",
    "$1$saltsalt$9xy1btjgzLYfb7hivXtC//",
    "$5$rounds=1000$saltsalt$eKLZU9t9OoPWrqOQsoTIKG0aYkZ5rGOoOQhiIvoSWX2",
    "abNANd1rDfiNc",
    // Never a match.
    "secret",
    "",
    "$2y$04$broken",
    "$apr1$",
    "{SHA}",
    "$9$unknown",
];

const USERS: &[&str] = &["alice", "bob", "carol", "a b", "\u{fc}ml\u{e4}ut", "UPPER", "x", ""];

/// splitmix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }

    /// A password file.
    fn users(&mut self) -> String {
        let mut text = String::new();
        for _ in 0..self.below(8) {
            match self.below(8) {
                0 => text += "# comment:x\n",
                1 => text += "\n",
                2 => text += "no colon\n",
                _ => {
                    let (user, hash) = (self.pick(USERS), self.pick(HASHES));
                    // The empty user is a difference: auth_basic skips the line.
                    if !user.is_empty() {
                        text += &format!("{user}:{hash}{}\n", self.pick(&["", "", ":more", ":"]));
                    }
                }
            }
        }
        if self.one_in(4) {
            text.pop();
        }
        text
    }

    /// Directives that may be in any block.
    fn directives(&mut self) -> String {
        let mut text = String::new();
        if self.one_in(2) {
            let realm = self.pick(&["The realm", "", "off", "$arg_realm", "realm of $host", "on", "quo\\\"te", "OFF"]);
            text += &format!("auth_basic \"{realm}\"; ");
        }
        if self.one_in(3) {
            let file =
                self.pick(&["users", "others", "missing", "unreadable", "FOLDER/$arg_file", "users$arg_none", "html"]);
            text += &format!("auth_basic_user_file {file}; ");
        }
        text
    }

    fn access(&mut self) -> String {
        let mut text = String::new();
        if self.one_in(3) {
            text += self.pick(&["satisfy any; ", "satisfy all; "]);
        }
        if self.one_in(3) {
            text += self.pick(&["deny all; ", "allow 127.0.0.1; deny all; ", "allow all; ", "deny 127.0.0.1; "]);
        }
        text
    }

    /// What a location does with a request.
    fn content(&mut self) -> String {
        let text = match self.below(12) {
            0 => "return 200 \"user $remote_user\";",
            1 => "return 204;",
            2 => "try_files /absent /in/page;",
            3 => "try_files /absent @named;",
            4 => "rewrite ^ /in/page last;",
            5 => "auth_request /asked;",
            6 => "mirror /in/page;",
            7 => "error_page 401 403 = @named;",
            8 => "error_page 401 /denied.html;",
            9 => "error_page 401 =200 /in/page;",
            10 => "ssi on; ssi_types *;",
            _ => "",
        };
        text.to_owned()
    }

    fn location(&mut self, path: &str) -> String {
        let mut body = self.directives() + &self.access() + &self.content();
        if self.one_in(4) {
            let methods = self.pick(&["GET", "OPTIONS", "POST PUT", "OPTIONS GET"]);
            body +=
                &format!(" limit_except {methods} {{ {}{} }}", self.directives(), self.pick(&["", "deny 127.0.0.1;"]));
        }
        let alias = if path.starts_with('/') && path != "/" { "alias FOLDER/html/; " } else { "" };
        format!("location {path} {{ {alias}{body} }}\n")
    }

    /// The content of a server.
    fn site(&mut self) -> String {
        let mut text = format!(
            "add_header X-User \"[$remote_user]\" always; auth_basic_user_file {}; {}{}\n",
            self.pick(&["users", "others"]),
            if self.one_in(2) { "auth_basic outer; " } else { "" },
            self.access(),
        );
        for path in ["/", "/a/", "/b/", "~ \\.html$"] {
            text += &self.location(path);
        }
        text += &format!("location /in/ {{ {} }}\n", self.directives() + &self.access());
        text += &format!("location = /asked {{ internal; {} return 200; }}\n", self.directives());
        text += &format!(
            "location @named {{ {} return 200 \"named $remote_user\"; }}\n",
            self.directives() + &self.access()
        );
        text
    }

    fn request(&mut self) -> Request {
        let method = self.pick(&["GET", "GET", "GET", "GET", "HEAD", "OPTIONS", "POST", "DELETE", "ODD"]);
        let path = self.pick(&[
            "/",
            "/page",
            "/a/page",
            "/a/absent",
            "/b/page",
            "/in/page",
            "/index.html",
            "/ssi.shtml",
            "/b",
            "/asked",
        ]);
        let query = self.pick(&[
            "",
            "?file=users",
            "?file=others",
            "?file=missing",
            "?realm=off",
            "?realm=x&file=users",
            "?file=users%00",
        ]);
        let request = Request::new(method, &format!("{path}{query}"));
        let request = request.header("Host: localhost").header("Connection: close");
        let request = if method == "POST" { request.header("Content-Length: 0") } else { request };
        match self.below(10) {
            0 => request,
            1 => {
                let header = self.pick(&[
                    "Basic",
                    "Basic !",
                    "basic YWxpY2U6c2VjcmV0",
                    "Bearer x",
                    "Basic YWxpY2U=",
                    "Basic Og==",
                    "Basic   YWxpY2U6c2VjcmV0",
                ]);
                request.header(format!("Authorization: {header}"))
            }
            _ => {
                let password =
                    self.pick(&["secret", "secret", "secret", "wrong", "Secret", "", "secret\0more", "se:cret"]);
                let user = self.pick(USERS);
                request.basic(user, password)
            }
        }
    }
}

/// Runs one configuration, and returns the number of requests.
fn compare(seed: u64) -> usize {
    let mut random = Random(seed);
    let (site, users, others) = (random.site(), random.users(), random.users());
    let pair = Pair::with_files(&site, &[("users", &users), ("others", &others), ("unreadable", "alice:x\n")]);
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(pair.0.path("unreadable"), fs::Permissions::from_mode(0o000)).unwrap();
    let mut shown = format!("{site}\nusers: {users:?}\nothers: {others:?}");
    for _ in 0..REQUESTS {
        if random.one_in(10) {
            let (name, text) = (random.pick(&["users", "others"]), random.users());
            let place = pair.0.path(name);
            if random.one_in(2) {
                fs::write(&place, &text).unwrap();
            } else {
                fs::write(pair.0.path("new"), &text).unwrap();
                fs::rename(pair.0.path("new"), &place).unwrap();
            }
            shown += &format!("\nthen {name}: {text:?}");
        }
        let request = random.request();
        let asked = catch_unwind(AssertUnwindSafe(|| pair.ask(&request)));
        if let Err(difference) = asked {
            eprintln!("{shown}");
            resume_unwind(difference);
        }
    }
    REQUESTS
}

#[test]
fn whatever_is_configured_asked_and_changed_both_answer_alike() {
    let (seed, configurations) = (number_from("ESAUTH_SEED", 22), number_from("ESAUTH_NGINX_CONFIGURATIONS", 12));
    let first = number_from("ESAUTH_FIRST", 0);
    let mut requests = 0;
    for number in first..configurations {
        // A comparison that fails is repeated alone by these.
        let own_seed = Random(seed.wrapping_mul(1_000_003).wrapping_add(number)).next();
        requests += catch_unwind(|| compare(own_seed)).unwrap_or_else(|difference| {
            eprintln!("ESAUTH_SEED={seed} ESAUTH_FIRST={number} ESAUTH_NGINX_CONFIGURATIONS={}", number + 1);
            resume_unwind(difference)
        });
    }
    let _ = writeln!(
        std::io::stderr(),
        "nginx: {requests} requests in {} configurations, seed {seed}",
        configurations - first
    );
}
