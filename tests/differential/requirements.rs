//! `Require`, alone and in containers, and mod_access_compat's directives.

use super::model::{Node, line, section};
use super::random::Random;

/// A requirement, or up to `depth` containers of them.
pub(crate) fn requirement(random: &mut Random, depth: usize) -> Node {
    if depth == 0 || random.chance(75) {
        return line(format!("Require {}", random.weighted(SINGLE)));
    }
    let mut inside: Vec<Node> = (0..random.between(1, 3)).map(|_| requirement(random, depth - 1)).collect();
    match random.below(3) {
        0 => section("RequireAny", inside),
        1 => {
            // Only here a requirement may be negated, beside a positive one: httpd refuses it alone.
            if random.chance(3) {
                inside = vec![line(format!("Require not {}", random.weighted(RULED_OUT)))];
            }
            if random.chance(50) {
                inside.push(line(format!("Require not {}", random.weighted(RULED_OUT))));
            }
            if random.chance(25) {
                let none = (0..random.between(1, 2)).map(|_| line(format!("Require {}", random.weighted(RULED_OUT))));
                inside.push(section("RequireNone", none.collect()));
            }
            section("RequireAll", inside)
        }
        _ => section("RequireAll", inside),
    }
}

const SINGLE: &[(usize, &str)] = &[
    (30, "valid-user"),
    (8, "user alice bob"),
    (2, "user \"alice smith\" erin"),
    (20, "group staff"),
    (6, "group admins staff"),
    (3, "group \"the team\" nobody"),
    (2, "group STAFF"),
    (1, "group"),
    (1, "group \"\" staff"),
    (2, "group %{HTTP:X-Group}"),
    (2, "group %{env:G}"),
    (1, "group %{env:MATCH_TEAM}"),
    (1, "group %{REMOTE_USER}"),
    (1, "group staff %{file:/nowhere/at/all}"),
    (3, "file-group"),
    (1, "file-owner"),
    (2, "@NAME@-admins"),
    (3, "all granted"),
    (2, "all denied"),
    (1, "local"),
    (1, "ip 192.0.2.1"),
    (2, "env let_in"),
    (2, "method GET HEAD OPTIONS"),
    (1, "expr %{REMOTE_USER} == 'alice'"),
    (1, "expr %{HTTP:X-Key} == 'open'"),
];

const RULED_OUT: &[(usize, &str)] = &[
    (4, "group banned"),
    (3, "group admins"),
    (3, "user bob"),
    (1, "file-group"),
    (1, "@NAME@-admins"),
    (1, "ip 192.0.2.1"),
    (1, "env let_in"),
    (1, "method PUT"),
];

/// mod_access_compat.
pub(crate) fn access(random: &mut Random, percent: usize) -> Vec<Node> {
    if !random.chance(percent) {
        return Vec::new();
    }
    let order = random.pick(&[
        "Order deny,allow\nAllow from all",
        "Order deny,allow\nDeny from all",
        "Order allow,deny\nDeny from all",
        "Order allow,deny\nAllow from 127.0.0.1",
        "Order deny,allow\nDeny from all\nAllow from env=let_in",
    ]);
    let satisfy = random.pick(&["Satisfy Any", "Satisfy Any", "Satisfy All", ""]);
    order.lines().chain(satisfy.lines()).map(line).collect()
}
