//! Group files with every odd line, and the effect on `Require group`.

use super::case::{Case, Oddity, SECRET, UNKNOWN_GROUPS, case, guarded};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = lines();
    cases.extend(members());
    cases.extend(names());
    cases.extend(long_lines());
    cases.extend(files());
    cases.extend(requirements());
    cases
}

/// A case with the group file `content`, and the users that pass `Require group REQUIRED`. All passwords are `secret`.
fn groups(name: &str, required: &str, content: impl AsRef<[u8]>, tries: &[(&[u8], u16)]) -> Case {
    let mut case = guarded(name, &format!("Require group {required}")).file("groups", content);
    let mut users = Vec::new();
    for (user, _) in tries {
        users.extend_from_slice(&[user, format!(":{SECRET}\n").as_bytes()].concat());
    }
    case = case.file("users", users);
    for (user, status) in tries {
        case = case.user(user, "secret", *status);
    }
    case
}

fn lines() -> Vec<Case> {
    vec![
        groups("gr-plain", "staff", "staff: alice bob\n", &[(b"alice", 200), (b"bob", 200), (b"carol", 401)]),
        groups("gr-no-final-newline", "staff", "other: x\nstaff: alice bob", &[(b"alice", 200), (b"bob", 200)]),
        groups("gr-crlf", "staff", "staff: alice bob\r\nother: carol\r\n", &[(b"bob", 200), (b"carol", 401)]),
        groups("gr-empty-file", "staff", "", &[(b"alice", 401)]).logs(&["AH01666", "AH01631"]),
        groups("gr-comment", "staff", "# staff: alice\n#staff: alice\nstaff: bob\n", &[(b"alice", 401), (b"bob", 200)]),
        groups("gr-indented", "staff", " \t staff: alice\n", &[(b"alice", 200)]),
        groups("gr-blank-lines", "staff", "\n  \n\t\nstaff: alice\n", &[(b"alice", 200)]),
        groups("gr-tabs", "staff", "staff:\talice\t\tbob\t\n", &[(b"alice", 200), (b"bob", 200)]),
        groups("gr-other-spaces", "staff", "staff:\x0balice\x0cbob\n", &[(b"alice", 200), (b"bob", 200)]),
        groups("gr-no-blank-behind-colon", "staff", "staff:alice bob\n", &[(b"alice", 200), (b"bob", 200)]),
        groups("gr-comma", "staff", "staff: alice, bob\n", &[(b"alice", 401), (b"bob", 200), (b"alice,", 200)]),
        groups(
            "gr-several-lines",
            "staff",
            "staff: alice\nother: carol\nstaff: bob\n",
            &[(b"alice", 200), (b"bob", 200), (b"carol", 401)],
        ),
        groups(
            "gr-joined",
            "staff",
            "staff: alice \\\n  bob \\\n  carol\nother: dan\n",
            &[(b"alice", 200), (b"bob", 200), (b"carol", 200), (b"dan", 401)],
        ),
        groups("gr-joined-in-a-name", "staff", "staff: ali\\\nce bob\n", &[(b"alice", 200), (b"ali", 401)]),
        groups("gr-joined-crlf", "staff", "staff: alice \\\r\n bob\r\n", &[(b"alice", 200), (b"bob", 200)]),
        groups(
            "gr-comment-swallows",
            "staff",
            "# old \\\nstaff: alice\nstaff: bob\n",
            &[(b"alice", 401), (b"bob", 200)],
        ),
        groups("gr-backslash-ends-the-file", "staff", "staff: alice bob\\", &[(b"alice", 200), (b"bob", 401)]),
        groups("gr-join-ends-the-file", "staff", "staff: alice bob\\\n", &[(b"bob", 200)]).in_22(401, &["AH01666"]),
        groups(
            "gr-nul",
            "staff",
            "staff: alice\0 bob\nstaff: carol\n",
            &[(b"alice", 200), (b"bob", 401), (b"carol", 200)],
        ),
        groups("gr-no-colon", "staff", "staff alice bob\nstaff: carol\n", &[(b"alice", 401), (b"carol", 200)]),
        groups("gr-two-colons", "staff", "staff:: alice\n", &[(b"alice", 200)]),
        groups(
            "gr-colon-among-members",
            "staff",
            "staff: alice:bob carol\n",
            &[(b"alice", 401), (b"bob", 401), (b"carol", 200)],
        ),
        groups("gr-hash-sign-among-members", "staff", "staff: alice # bob\n", &[(b"alice", 200), (b"bob", 200)]),
        groups("gr-no-members", "staff", "staff:\nother: alice\n", &[(b"alice", 401)]).logs(&["AH01667"]),
    ]
}

fn members() -> Vec<Case> {
    vec![
        groups(
            "member-quoted",
            "staff",
            "staff: \"alice smith\" 'bob jones'\n",
            &[(b"alice smith", 200), (b"bob jones", 200), (b"alice", 401)],
        ),
        groups(
            "member-quotes-of-the-other-kind",
            "staff",
            "staff: \"o'hara\" 'the \"boss\"'\n",
            &[(b"o'hara", 200), (b"the \"boss\"", 200)],
        ),
        groups(
            "member-escaped-quote",
            "staff",
            "staff: \"the \\\"boss\\\"\" alice\n",
            &[(b"the \"boss\"", 200), (b"alice", 200)],
        ),
        groups(
            "member-escaped-backslash",
            "staff",
            "staff: \"dom\\\\alice\" dom\\bob 'dom\\carol'\n",
            &[(b"dom\\alice", 200), (b"dom\\bob", 200), (b"dom\\carol", 200)],
        ),
        groups(
            "member-quote-in-the-middle",
            "staff",
            "staff: al\"ice bob\" carol\n",
            &[(b"al\"ice", 200), (b"bob\"", 200), (b"carol", 200)],
        ),
        groups(
            "member-open-quote",
            "staff",
            "staff: bob \"alice carol\n",
            &[(b"alice carol", 200), (b"alice", 401), (b"bob", 200)],
        ),
        groups(
            "member-text-behind-quote",
            "staff",
            "staff: \"alice\"bob carol\n",
            &[(b"alice", 200), (b"bob", 200), (b"carol", 200)],
        ),
        groups("member-empty", "staff", "staff: \"\" alice\n", &[(b"", 200), (b"alice", 200)]),
        groups("member-not-empty", "staff", "staff: alice \n", &[(b"", 401), (b"alice", 200)]),
        groups("member-lone-quote", "staff", "staff: \"\n", &[(b"", 200), (b"\"", 401)]),
        groups(
            "member-quote-ends-in-backslash",
            "staff",
            "staff: \"alice\\\n\" bob\n",
            &[(b"bob", 200), (b"alice", 200)],
        ),
        groups("member-case", "staff", "staff: Alice\n", &[(b"alice", 401), (b"Alice", 200)]),
        groups("member-utf8", "staff", "staff: \u{e4}lice\n", &[("\u{e4}lice".as_bytes(), 200), (b"\xe4lice", 401)]),
        groups("member-latin1", "staff", b"staff: \xe4lice\n", &[(b"\xe4lice", 200)]),
        groups(
            "member-no-break-space",
            "staff",
            b"staff: alice\xa0bob carol\n",
            &[(b"alice", 401), (b"alice\xa0bob", 200), (b"carol", 200)],
        ),
        groups("member-twice", "staff", "staff: alice alice bob alice\n", &[(b"alice", 200), (b"bob", 200)]),
        groups("member-prefix", "staff", "staff: alice2 xalice\n", &[(b"alice", 401)]),
    ]
}

fn names() -> Vec<Case> {
    vec![
        groups("name-case", "STAFF", "Staff: alice\n", &[(b"alice", 200)]),
        groups("name-case-of-two", "staff", "STAFF: alice\nStaff: bob\n", &[(b"alice", 200), (b"bob", 200)]),
        groups(
            "name-case-beyond-ascii",
            "\u{c4}rzte",
            "\u{e4}rzte: alice\n\u{c4}rzte: bob\n",
            &[(b"alice", 401), (b"bob", 200)],
        ),
        groups("name-trailing-blanks", "staff", "staff \t : alice\n", &[(b"alice", 200)]),
        groups("name-with-blank", "\"the staff\"", "the staff: alice\nstaff: bob\n", &[(b"alice", 200), (b"bob", 401)]),
        groups(
            "name-with-blank-unquoted",
            "the staff",
            "the staff: alice\nstaff: bob\n",
            &[(b"alice", 401), (b"bob", 200)],
        ),
        groups("name-in-single-quotes", "'the staff'", "the staff: alice\n", &[(b"alice", 200)]),
        groups("name-quoted-in-the-file", "staff", "\"staff\": alice\n", &[(b"alice", 401)]),
        groups("name-quotes-in-both", "'\"staff\"'", "\"staff\": alice\n", &[(b"alice", 200)]),
        groups("name-empty", "\"\"", ": alice\n", &[(b"alice", 401)]).logs(&["AH01667"]).in_22(200, &[]),
        groups("name-empty-stops-the-list", "\"\" staff", "staff: alice\n", &[(b"alice", 401)])
            .logs(&["AH01667"])
            .in_22(200, &[]),
        groups("name-backslash", "\"dom\\\\staff\"", "dom\\staff: alice\n", &[(b"alice", 200)]),
        groups("name-hash-sign", "sta#ff", "sta#ff: alice\n", &[(b"alice", 200)]),
        groups("name-prefix", "staff", "staff2: alice\nsta: alice\n", &[(b"alice", 401)]),
    ]
}

fn long_lines() -> Vec<Case> {
    const MIB: usize = 1024 * 1024;
    let list = |length: usize, last: &str| {
        let (front, back) = ("staff: alice ", format!(" {last}"));
        format!("{front}{}{back}", "x".repeat(length - front.len() - back.len()))
    };
    const CUT: &str = "stock httpd 2.2 cuts a line after 8191 bytes; ours reads it whole";
    const WHY: &str = "stock httpd loses a last line that just fills its read buffer";
    let fills = |length: usize| {
        groups(&format!("group-line-of-{length}-without-lf"), "staff", list(length, "bob"), &[(b"bob", 401)])
            .logs(&["AH01666"])
            .but_ours(WHY, 200, &[])
            .in_22(200, &[])
            .user("bob", "wrong", 401)
    };
    vec![
        groups(
            "group-line-of-8191",
            "staff",
            list(8191, "bob") + "\nstaff: carol\n",
            &[(b"bob", 200), (b"carol", 200)],
        ),
        groups(
            "group-line-of-9000",
            "staff",
            list(9000, "bob") + "\nstaff: carol\n",
            &[(b"carol", 200), (b"bob", 200)],
        )
        .in_22(401, &["AH01666"])
        .but_ours(CUT, 200, &[]),
        // After the NUL, and after its buffer's length, stock httpd reads the rest as a line of its own.
        groups(
            "group-line-of-9000-with-nul",
            "staff",
            format!("staff: alice\0{}staff: bob\nstaff: carol\n", " ".repeat(9000)),
            &[(b"alice", 200), (b"carol", 200), (b"bob", 200)],
        )
        .but_ours(
            "stock httpd reads the text behind a NUL, and behind its buffer, as a line of its own",
            401,
            &["AH01666"],
        ),
        groups("group-line-of-1-mib", "staff", list(MIB, "bob") + "\n", &[(b"alice", 200), (b"bob", 200)])
            .in_22(401, &["AH01666"])
            .but_ours(CUT, 200, &[]),
        // The LF counts.
        groups(
            "group-line-of-16-mib",
            "staff",
            list(16 * MIB - 1, "bob") + "\nstaff: carol\n",
            &[(b"carol", 200), (b"bob", 200)],
        )
        .in_22(401, &["AH01666"])
        .but_ours(CUT, 200, &[]),
        groups(
            "group-line-over-16-mib",
            "staff",
            format!("staff: dan\n{}\nstaff: carol\n", list(16 * MIB, "bob")),
            &[(b"dan", 200), (b"bob", 401), (b"carol", 401)],
        )
        .in_22(200, &[])
        .but_ours("stock httpd 2.2 has no limit of 16 MiB; ours has 2.4's", 401, &["AH01666"]),
        groups("group-line-of-517-without-lf", "staff", list(517, "bob"), &[(b"bob", 200)]),
        fills(518),
        groups("group-line-of-519-without-lf", "staff", list(519, "bob"), &[(b"bob", 200)]),
        fills(1558),
        groups("group-line-of-8134-without-lf", "staff", list(8134, "bob"), &[(b"bob", 200)])
            .only_ours("whether stock httpd loses a line of this length depends on its memory of earlier requests"),
        groups("group-line-of-518-with-lf", "staff", list(518, "bob") + "\n", &[(b"bob", 200)]),
    ]
}

fn files() -> Vec<Case> {
    const FIFO: &str = "stock httpd waits for a writer; ours refuses irregular files";
    let plain = |name: &str| guarded(name, "Require group staff");
    let no_group_file =
        "<Location />\nAuthType Basic\nAuthName realm\nAuthUserFile @DIR@/users\nRequire group staff\n</Location>\n";
    vec![
        case("group-file-none", no_group_file)
            .file("users", super::case::users())
            .anonymous(401)
            .alice(401)
            .logs(&["AH01664", "AH01631"])
            .but_ours(UNKNOWN_GROUPS, 500, &["AH01664"])
            .in_22(401, &["no Authoritative handler"]),
        plain("group-file-missing")
            .without("groups")
            .anonymous(401)
            .alice(401)
            .logs(&["AH01665", "AH01631"])
            .but_ours(UNKNOWN_GROUPS, 500, &["AH01665"])
            .in_22(500, &["AH01665"]),
        plain("group-file-unreadable")
            .odd("groups", Oddity::Unreadable)
            .alice(401)
            .logs(&["AH01665", "AH01631"])
            .but_ours(UNKNOWN_GROUPS, 500, &["AH01665"])
            .in_22(500, &["AH01665"]),
        plain("group-file-is-a-folder")
            .odd("groups", Oddity::Folder)
            .alice(401)
            .logs(&["AH00554", "AH01665"])
            .but_ours(UNKNOWN_GROUPS, 500, &["AH00554", "AH01665"])
            .in_22(500, &["AH00554", "AH01665"]),
        plain("group-file-is-a-fifo")
            .odd("groups", Oddity::Fifo)
            .alice(500)
            .logs(&["AH00554", "AH01665"])
            .only_ours(FIFO)
            .in_22(500, &["AH00554", "AH01665"])
            .only_ours(FIFO),
        plain("group-file-missing-and-valid-user")
            .without("groups")
            .ask(super::case::file().basic("alice", "wrong"), 401)
            .logs(&["AH01617"]),
        case("group-file-dev-null", no_group_file.replace("Require", "AuthGroupFile /dev/null\nRequire"))
            .file("users", super::case::users())
            .alice(401)
            .logs(&["AH01666"]),
    ]
}

fn requirements() -> Vec<Case> {
    let plain = |name: &str, require: &str| guarded(name, require);
    vec![
        plain("require-one-of-several", "Require group nobody admins staff")
            .alice(200)
            .user("bob", "secret", 200)
            .user("carol", "other", 401),
        plain("require-group-without-arguments", "Require group").anonymous(401).alice(401).logs(&["AH01667"]),
        plain("require-in-no-group", "Require group staff").user("carol", "other", 401).logs(&["AH01666", "AH01631"]),
        plain("require-other-group", "Require group admins").alice(401).logs(&["AH01667", "AH01631", "AH01626"]),
        plain("require-two-lines", "Require group admins\nRequire group staff").alice(200).user("carol", "other", 401),
        plain("require-forbidden", "Require group admins\nAuthzSendForbiddenOnFailure On")
            .anonymous(401)
            .alice(403)
            .logs(&["AH01667", "AH01631"]),
    ]
}
