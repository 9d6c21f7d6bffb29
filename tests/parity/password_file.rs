//! Password files with every odd line.

use super::case::{Case, OTHER, Oddity, SECRET, case, file, guarded};
use crate::harness::client::Request;

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = lines();
    cases.extend(joined_lines());
    cases.extend(fields());
    cases.extend(long_lines());
    cases.extend(files());
    cases.extend(verdicts());
    cases
}

/// A case with the password file `content`, and the users that it admits.
fn passwords(name: &str, content: impl AsRef<[u8]>, tries: &[(&[u8], &str, u16)]) -> Case {
    let mut case = guarded(name, "Require valid-user").file("users", content);
    for (user, password, status) in tries {
        case = case.user(user, password, *status);
    }
    case
}

fn lines() -> Vec<Case> {
    vec![
        passwords("pw-lf", format!("alice:{SECRET}\n"), &[(b"alice", "secret", 200), (b"alice", "Secret", 401)]),
        passwords("pw-no-final-newline", format!("alice:{SECRET}"), &[(b"alice", "secret", 200)]),
        passwords(
            "pw-crlf",
            format!("alice:{SECRET}\r\nbob:{SECRET}\r\n"),
            &[(b"alice", "secret", 200), (b"bob", "secret", 200)],
        ),
        passwords(
            "pw-cr-only",
            format!("alice:{SECRET}\rbob:{SECRET}\r"),
            &[(b"alice", "secret", 401), (b"bob", "secret", 401)],
        ),
        passwords("pw-empty", "", &[(b"alice", "secret", 401), (b"", "", 401)]),
        passwords("pw-only-newlines", "\n\n\n", &[(b"alice", "secret", 401), (b"", "", 401)]),
        passwords(
            "pw-blank-lines",
            format!("\n  \n\t\n\r\nalice:{SECRET}\n"),
            &[(b"alice", "secret", 200), (b"", "", 401)],
        ),
        passwords(
            "pw-comment",
            format!("# alice:{OTHER}\n#alice:{OTHER}\nalice:{SECRET}\n"),
            &[(b"alice", "secret", 200), (b"#alice", "other", 401), (b"# alice", "other", 401)],
        ),
        passwords(
            "pw-indented-comment",
            format!("   #alice:{OTHER}\nalice:{SECRET}\n"),
            &[(b"alice", "secret", 200), (b"#alice", "other", 401)],
        ),
        passwords("pw-hash-sign-in-name", format!("al#ice:{SECRET}\n"), &[(b"al#ice", "secret", 200)]),
        passwords("pw-trailing-comment", format!("alice:{SECRET} # the boss\n"), &[(b"alice", "secret", 401)]),
        passwords(
            "pw-leading-blanks",
            format!(" \t alice:{SECRET}\n"),
            &[(b"alice", "secret", 200), (b" \t alice", "secret", 401)],
        ),
        passwords(
            "pw-trailing-blanks",
            format!("alice:{SECRET} \t \nbob:{SECRET}\x0b\x0c\n"),
            &[(b"alice", "secret", 200), (b"bob", "secret", 200)],
        ),
        passwords("pw-other-leading-spaces", format!("\x0b\x0calice:{SECRET}\n"), &[(b"alice", "secret", 200)]),
        passwords(
            "pw-blank-before-colon",
            format!("alice :{SECRET}\n"),
            &[(b"alice", "secret", 401), (b"alice ", "secret", 200)],
        ),
        passwords("pw-blank-after-colon", format!("alice: {SECRET}\n"), &[(b"alice", "secret", 401)]),
        passwords("pw-blank-in-name", format!("alice smith:{SECRET}\n"), &[(b"alice smith", "secret", 200)]),
        passwords(
            "pw-quoted-name",
            format!("\"alice\":{SECRET}\n"),
            &[(b"alice", "secret", 401), (b"\"alice\"", "secret", 200)],
        ),
        passwords(
            "pw-byte-order-mark",
            format!("\u{feff}alice:{SECRET}\nbob:{SECRET}\n"),
            &[(b"alice", "secret", 401), (b"bob", "secret", 200)],
        ),
        passwords(
            "pw-case-of-names",
            format!("alice:{SECRET}\n"),
            &[(b"Alice", "secret", 401), (b"ALICE", "secret", 401)],
        ),
        passwords(
            "pw-first-of-duplicates",
            format!("alice:{OTHER}\nalice:{SECRET}\n"),
            &[(b"alice", "secret", 401), (b"alice", "other", 200)],
        ),
        passwords("pw-broken-first-of-duplicates", format!("alice\nalice:{SECRET}\n"), &[(b"alice", "secret", 401)]),
        passwords(
            "pw-utf8-name",
            format!("\u{e4}lice:{SECRET}\n"),
            &[
                ("\u{e4}lice".as_bytes(), "secret", 200),
                ("a\u{308}lice".as_bytes(), "secret", 401),
                (b"\xe4lice", "secret", 401),
            ],
        ),
        passwords(
            "pw-latin1-name",
            [b"\xe4lice:", SECRET.as_bytes(), b"\n"].concat(),
            &[(b"\xe4lice", "secret", 200), ("\u{e4}lice".as_bytes(), "secret", 401)],
        ),
        passwords("pw-control-bytes-in-name", format!("a\x01\x7fb:{SECRET}\n"), &[(b"a\x7fb", "secret", 401)]),
        passwords("pw-no-break-space", format!("alice:{SECRET}\u{a0}\n"), &[(b"alice", "secret", 401)]),
        passwords(
            "pw-latin1-no-break-space",
            [b"\xa0alice:", SECRET.as_bytes(), b"\n"].concat(),
            &[(b"alice", "secret", 401), (b"\xa0alice", "secret", 200)],
        ),
        passwords(
            "pw-nul-ends-the-line",
            format!("alice:{SECRET}\0junk\nbob:{SECRET}\n"),
            &[(b"alice", "secret", 200), (b"bob", "secret", 200)],
        ),
        passwords(
            "pw-nul-in-name",
            format!("al\0ice:{SECRET}\nbob:{SECRET}\n"),
            &[(b"alice", "secret", 401), (b"al", "secret", 401), (b"bob", "secret", 200)],
        ),
        passwords(
            "pw-nul-first",
            format!("\0alice:{SECRET}\nbob:{SECRET}\n"),
            &[(b"alice", "secret", 401), (b"", "", 401), (b"bob", "secret", 200)],
        ),
        passwords(
            "pw-nul-hides-the-backslash",
            format!("alice:{SECRET}\0\\\nbob:{SECRET}\n"),
            &[(b"alice", "secret", 200), (b"bob", "secret", 200)],
        ),
        passwords(
            "pw-nul-behind-the-backslash",
            format!("alice:{SECRET}\\\0\nbob:{SECRET}\n"),
            &[(b"alice", "secret", 401), (b"bob", "secret", 200)],
        ),
        passwords("pw-nul-at-the-end", format!("alice:{SECRET}\nbob:{SECRET}\0"), &[(b"bob", "secret", 200)]),
    ]
}

fn joined_lines() -> Vec<Case> {
    let joined = |name, content: String, tries: &[(&[u8], &str, u16)]| passwords(name, content, tries);
    let (front, back) = SECRET.split_at(12);
    vec![
        joined(
            "join-in-the-name",
            format!("ali\\\nce:{SECRET}\nbob:{SECRET}\n"),
            &[(b"alice", "secret", 200), (b"ce", "secret", 401), (b"bob", "secret", 200)],
        ),
        joined(
            "join-in-the-hash",
            format!("alice:{front}\\\n{back}\nbob:{SECRET}\n"),
            &[(b"alice", "secret", 200), (b"bob", "secret", 200)],
        ),
        joined(
            "join-with-crlf",
            format!("ali\\\r\nce:{SECRET}\r\nbob:{SECRET}\r\n"),
            &[(b"alice", "secret", 200), (b"bob", "secret", 200)],
        ),
        joined("join-twice", format!("a\\\nli\\\nce:{SECRET}\n"), &[(b"alice", "secret", 200)]),
        joined(
            "join-keeps-leading-blanks",
            format!("alice\\\n smith:{SECRET}\n"),
            &[(b"alice smith", "secret", 200), (b"alicesmith", "secret", 401)],
        ),
        joined(
            "join-two-backslashes",
            format!("ali\\\\\nce:{SECRET}\n"),
            &[(b"alice", "secret", 401), (b"ali\\ce", "secret", 200)],
        )
        .in_22(401, &["AH01618"]),
        joined(
            "join-three-backslashes",
            format!("ali\\\\\\\nce:{SECRET}\n"),
            &[(b"ali\\ce", "secret", 401), (b"ali\\\\ce", "secret", 200)],
        )
        .in_22(401, &["AH01618"]),
        joined("join-two-backslashes-crlf", format!("ali\\\\\r\nce:{SECRET}\n"), &[(b"ali\\ce", "secret", 200)])
            .in_22(401, &["AH01618"]),
        joined(
            "join-with-an-empty-line",
            format!("alice:{SECRET}\\\n\nbob:{SECRET}\n"),
            &[(b"alice", "secret", 200), (b"bob", "secret", 200)],
        ),
        joined("join-lf-lf", format!("ali\\\n\\\nce:{SECRET}\n"), &[(b"alice", "secret", 200)]),
        joined(
            "join-blank-behind-backslash",
            format!("alice:{SECRET}\\ \nbob:{SECRET}\n"),
            &[(b"alice", "secret", 401), (b"bob", "secret", 200)],
        ),
        joined(
            "join-cr-cr-lf",
            format!("ali\\\r\r\nce:{SECRET}\nbob:{SECRET}\n"),
            &[(b"alice", "secret", 401), (b"ce", "secret", 200), (b"bob", "secret", 200)],
        ),
        joined(
            "join-comment-swallows",
            format!("# gone \\\nalice:{SECRET}\nbob:{SECRET}\n"),
            &[(b"alice", "secret", 401), (b"bob", "secret", 200)],
        ),
        joined(
            "join-comment-swallows-crlf",
            format!("# gone \\\r\nalice:{SECRET}\nbob:{SECRET}\n"),
            &[(b"alice", "secret", 401), (b"bob", "secret", 200)],
        ),
        joined(
            "join-comment-swallows-two",
            format!("# gone \\\nalice:{SECRET}\\\nbob:{SECRET}\ncarol:{SECRET}\n"),
            &[(b"alice", "secret", 401), (b"bob", "secret", 401), (b"carol", "secret", 200)],
        ),
        joined(
            "join-brings-hash-sign",
            format!("ali\\\n#ce:{SECRET}\n"),
            &[(b"ali#ce", "secret", 200), (b"ali", "secret", 401)],
        ),
        joined(
            "join-hash-sign-first",
            format!("\\\n#alice:{SECRET}\nbob:{SECRET}\n"),
            &[(b"#alice", "secret", 401), (b"bob", "secret", 200)],
        ),
        joined(
            "join-blank-then-hash-sign",
            format!("  \\\n#alice:{SECRET}\nbob:{SECRET}\n"),
            &[(b"#alice", "secret", 401), (b"bob", "secret", 200)],
        ),
        joined(
            "join-ends-the-file",
            format!("alice:{SECRET}\nbob:{SECRET}\\\n"),
            &[(b"alice", "secret", 200), (b"bob", "secret", 200)],
        )
        .in_22(401, &["AH01618"]),
        joined(
            "join-backslash-ends-the-file",
            format!("alice:{SECRET}\nbob:{SECRET}\\"),
            &[(b"alice", "secret", 200), (b"bob", "secret", 401)],
        ),
        joined("join-only-a-backslash", "\\\n".to_owned(), &[(b"alice", "secret", 401), (b"", "", 401)]),
        joined(
            "join-backslash-in-the-middle",
            format!("ali\\ce:{SECRET}\n"),
            &[(b"ali\\ce", "secret", 200), (b"alice", "secret", 401)],
        ),
        joined(
            "join-over-a-nul",
            format!("ali\0x\\\nce:{SECRET}\nbob:{SECRET}\n"),
            &[(b"alice", "secret", 401), (b"ce", "secret", 200), (b"bob", "secret", 200)],
        ),
        joined(
            "join-nul-in-the-next",
            format!("ali\\\nce:{SECRET}\0x\nbob:{SECRET}\n"),
            &[(b"alice", "secret", 200), (b"bob", "secret", 200)],
        ),
    ]
}

fn fields() -> Vec<Case> {
    vec![
        passwords("field-two-colons", format!("bob::{SECRET}\n"), &[(b"bob", "secret", 200), (b"bob", "", 401)]),
        passwords("field-five-colons", format!("bob:::::{SECRET}\n"), &[(b"bob", "secret", 200)]),
        passwords(
            "field-more-fields",
            format!("bob:{SECRET}:1000:Bob the builder:/home/bob\n"),
            &[(b"bob", "secret", 200)],
        ),
        passwords("field-colons-at-the-end", format!("bob:{SECRET}::\n"), &[(b"bob", "secret", 200)]),
        passwords("field-empty-password", "bob:\nalice:x\n", &[(b"bob", "", 401), (b"bob", "secret", 401)]),
        passwords(
            "field-only-colons",
            format!("bob:::\nalice:{SECRET}\n"),
            &[(b"bob", "", 401), (b"alice", "secret", 200)],
        ),
        passwords(
            "field-no-colon",
            format!("bob\nalice:{SECRET}\n"),
            &[(b"bob", "", 401), (b"bob", "bob", 401), (b"alice", "secret", 200)],
        ),
        passwords(
            "field-empty-user",
            format!(":{SECRET}\nalice:{SECRET}\n"),
            &[(b"", "secret", 200), (b"", "", 401), (b"alice", "secret", 200)],
        ),
        passwords("field-empty-user-two-colons", format!("::{SECRET}\n"), &[(b"", "secret", 200)]),
        passwords("field-lone-colon", format!(":\nalice:{SECRET}\n"), &[(b"", "", 401), (b"alice", "secret", 200)]),
        passwords(
            "field-blanks-and-colon",
            format!("   :{SECRET}\n"),
            &[(b"", "secret", 200), (b"   ", "secret", 401)],
        ),
        passwords("field-plaintext", "bob:secret\n", &[(b"bob", "secret", 401)]),
        passwords("field-blank-in-hash", format!("bob:{} x\n", SECRET), &[(b"bob", "secret", 401)]),
        passwords("field-trailing-nonsense", format!("bob:{SECRET}x\n"), &[(b"bob", "secret", 401)]),
        passwords(
            "field-passwd-star",
            "bob:*\nalice:!\ncarol:x\n",
            &[(b"bob", "*", 401), (b"alice", "!", 401), (b"carol", "x", 401)],
        ),
        passwords(
            "field-lower-case-sha",
            format!("bob:{}\n", SECRET.replace("SHA", "sha")),
            &[(b"bob", "secret", 401)],
        ),
    ]
}

fn long_lines() -> Vec<Case> {
    // 2.2 reads the rest after the first 8191 bytes as a line of its own.
    const WHY: &str = "stock httpd stops reading at a line of 8191 bytes; ours reads lines of any length";
    let padded = |length: usize| {
        let line = format!("long:{SECRET}:");
        format!("alice:{SECRET}\n{line}{}\nbob:{SECRET}\n", "x".repeat(length - line.len()))
    };
    let joined = |length: usize| {
        let line = format!("long:{SECRET}:");
        let half = (length - line.len()) / 2;
        let rest = length - line.len() - half;
        format!("alice:{SECRET}\n{line}{}\\\n{}\nbob:{SECRET}\n", "x".repeat(half), "y".repeat(rest))
    };
    let name = "n".repeat(4000);
    vec![
        passwords(
            "long-8190",
            padded(8190),
            &[(b"alice", "secret", 200), (b"long", "secret", 200), (b"bob", "secret", 200)],
        ),
        passwords("long-8191", padded(8191), &[(b"alice", "secret", 200), (b"long", "secret", 401)])
            .logs(&["AH01618"])
            .but_ours(WHY, 200, &[])
            .in_22(200, &[])
            .user("bob", "secret", 401)
            .logs(&["AH01618"])
            .but_ours(WHY, 200, &[])
            .in_22(200, &[]),
        passwords("long-20000", padded(20000), &[(b"alice", "secret", 200), (b"bob", "secret", 401)])
            .logs(&["AH01618"])
            .but_ours(WHY, 200, &[])
            .in_22(200, &[]),
        passwords("long-joined-8190", joined(8190), &[(b"long", "secret", 200), (b"bob", "secret", 200)]),
        passwords("long-joined-8191", joined(8191), &[(b"alice", "secret", 200), (b"bob", "secret", 401)])
            .logs(&["AH01618"])
            .but_ours(WHY, 200, &[])
            .in_22(200, &[]),
        passwords(
            "long-blanks",
            format!("alice:{SECRET}{}\nbob:{SECRET}\n", " ".repeat(8191)),
            &[(b"bob", "secret", 401)],
        )
        .logs(&["AH01618"])
        .but_ours(WHY, 200, &[])
        .in_22(200, &[]),
        passwords("long-comment", format!("#{}\nbob:{SECRET}\n", "x".repeat(9000)), &[(b"bob", "secret", 401)])
            .logs(&["AH01618"])
            .but_ours(WHY, 200, &[])
            .in_22(200, &[]),
        // Stock httpd reads on after its buffer's length, unless it has noticed the missing LF.
        passwords(
            "long-nul",
            format!("alice:{SECRET}\0{}bob:{SECRET}\ncarol:{SECRET}\n", " ".repeat(9000)),
            &[(b"alice", "secret", 200), (b"carol", "secret", 200), (b"bob", "secret", 200)],
        )
        .but_ours(
            "stock httpd reads the text behind a NUL, and behind its buffer, as a line of its own",
            401,
            &["AH01618"],
        ),
        passwords(
            "long-nul-too-late",
            format!("bob:{SECRET}:{}\0{}\nalice:{SECRET}\n", "x".repeat(8191), "x".repeat(9000)),
            &[(b"alice", "secret", 401)],
        )
        .logs(&["AH01618"])
        .but_ours(WHY, 200, &[])
        .in_22(200, &[]),
        passwords("long-last-line", format!("bob:{SECRET}\n{}", "x".repeat(9000)), &[(b"bob", "secret", 200)]),
        passwords(
            "long-name",
            format!("{name}:{SECRET}\n"),
            &[(name.as_bytes(), "secret", 200), (&name.as_bytes()[1..], "secret", 401)],
        ),
    ]
}

fn files() -> Vec<Case> {
    let plain = |name: &str| guarded(name, "Require valid-user");
    let no_user_file = "<Location />\nAuthType Basic\nAuthName realm\nRequire valid-user\n</Location>\n";
    vec![
        case("file-none", no_user_file).anonymous(401).alice(500).logs(&["AH01619"]),
        plain("file-missing")
            .without("users")
            .anonymous(401)
            .alice(500)
            .logs(&["AH01620"])
            .alice(500)
            .logs(&["AH01620"]),
        plain("file-unreadable").odd("users", Oddity::Unreadable).anonymous(401).alice(500).logs(&["AH01620"]),
        plain("file-is-a-folder").odd("users", Oddity::Folder).alice(500).logs(&["AH00554", "AH01620"]),
        plain("file-dangling-link").odd("users", Oddity::DanglingLink).alice(500).logs(&["AH01620"]),
        plain("file-link").odd("users", Oddity::Link).file("target", format!("alice:{SECRET}\n")).alice(200),
        plain("file-is-a-fifo")
            .odd("users", Oddity::Fifo)
            .alice(500)
            .logs(&["AH00554", "AH01620"])
            .only_ours("stock httpd waits for a writer; ours refuses irregular files"),
        case("file-dev-null", no_user_file.replace("Require", "AuthUserFile /dev/null\nRequire"))
            .alice(401)
            .logs(&["AH01618"]),
        case("file-under-a-file", no_user_file.replace("Require", "AuthUserFile @DIR@/users/below\nRequire"))
            .file("users", "")
            .alice(500)
            .logs(&["AH01620"]),
        case("file-quoted-path", no_user_file.replace("Require", "AuthUserFile \"@DIR@/the users\"\nRequire"))
            .file("the users", format!("alice:{SECRET}\n"))
            .alice(200),
        case("file-odd-path", no_user_file.replace("Require", "AuthUserFile @DIR@/./htdocs/..//users\nRequire"))
            .file("users", format!("alice:{SECRET}\n"))
            .alice(200),
        case("file-missing-relative", no_user_file.replace("Require", "AuthUserFile not/there\nRequire"))
            .alice(500)
            .logs(&["AH01620"]),
        case(
            "file-last-of-two",
            no_user_file.replace("Require", "AuthUserFile @DIR@/a\nAuthUserFile @DIR@/b\nRequire"),
        )
        .file("a", format!("alice:{SECRET}\n"))
        .file("b", format!("bob:{SECRET}\n"))
        .alice(401)
        .user("bob", "secret", 200),
    ]
}

fn verdicts() -> Vec<Case> {
    let plain = |name: &str| guarded(name, "Require valid-user");
    vec![
        plain("right-password").alice(200).user("carol", "other", 200),
        plain("wrong-password")
            .user("alice", "wrong", 401)
            .logs(&["AH01617"])
            .user("alice", "", 401)
            .logs(&["AH01617"]),
        plain("unknown-user").user("mallory", "secret", 401).logs(&["AH01618"]),
        plain("no-credentials").anonymous(401),
        plain("head")
            .ask(Request::new("HEAD", "/file.txt"), 401)
            .ask(Request::new("HEAD", "/file.txt").basic("alice", "secret"), 200),
        plain("missing-document")
            .ask(Request::get("/nowhere"), 401)
            .ask(Request::get("/nowhere").basic("alice", "secret"), 404)
            .ask(Request::get("/nowhere?secret=1").basic("alice", "wrong"), 401)
            .logs(&["AH01617"]),
        plain("escaped-uri")
            .ask(Request::get("/file%2Etxt").basic("alice", "secret"), 200)
            .ask(Request::get("/a%20%22b").basic("mallory", "x"), 401)
            .logs(&["AH01618"]),
        plain("odd-name-in-the-log")
            .ask(file().basic("mal\"lory \\ \u{e4}", "x"), 401)
            .logs(&["AH01618"])
            .ask(file().basic("a\nb\x1b[1m", "x"), 401)
            .logs(&["AH01618"]),
        plain("password-with-colon")
            .file("users", "alice:{SHA}3OptnM09ILoVSfbZtd3mB0IViII=\n")
            .user("alice", "a:b", 200)
            .user("alice", "a", 401),
        plain("other-methods")
            .ask(Request::new("TRACE", "/file.txt"), 200)
            .ask(Request::new("OPTIONS", "/file.txt"), 401)
            .ask(Request::new("OPTIONS", "/file.txt").basic("alice", "secret"), 200)
            .ask(Request::new("PUT", "/file.txt"), 401)
            .ask(Request::new("PUT", "/file.txt").basic("alice", "secret"), 405)
            .ask(Request::new("BREW", "/file.txt"), 401),
    ]
}
