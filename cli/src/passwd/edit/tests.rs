//! Every kind of change, on files of every shape.

#![allow(clippy::unwrap_used, reason = "what fails while a test is set up fails the test")]

use esauth_engine::{Parse, Passwords};
use proptest::prelude::*;

use super::*;

/// Of "secret", and of 72 times "x".
const OLD: &str = "$2y$04$Ub9qVQIdR5j2PmraY4inw.hl6PDkZQ4R9.nbiAuCQLBZcEqfzDCiu";
const OTHER: &str = "$2y$04$lDjxLFAFWw.lNpSEwdDOYev7znbAPsJ6D.5paj1vO7/7ioWjjjdeG";
const NEW: &str = "$2y$04$new";
const ALSO: &str = "#esauth-also until 2999-01-01T00:00:00Z";
const UNTIL: u64 = 32_472_144_000;

fn set(until: Option<u64>) -> Change<'static> {
    Change::Set { hash: NEW, password: b"new", until }
}

/// The text after a change of alice.
fn after(text: &str, change: &Change<'_>) -> Result<String, String> {
    match edit(text.as_bytes(), "alice", change) {
        Ok(edit) => Ok(String::from_utf8(edit.text.unwrap_or_else(|| text.into())).unwrap()),
        Err(Fault { line: Some(line), why }) => Err(format!("{line}: {why}")),
        Err(fault) => Err(fault.why),
    }
}

fn is_changed(before: &str, change: &Change<'_>, expected: &str) {
    assert_eq!(after(before, change).as_deref(), Ok(expected), "{before:?}");
}

#[test]
fn a_new_user_gets_a_line_at_the_end() {
    for (before, expected) in [
        ("", "alice:NEW\n"),
        ("# none yet\n", "# none yet\nalice:NEW\n"),
        ("bob:x", "bob:x\nalice:NEW\n"),
        ("bob:x\r\n", "bob:x\r\nalice:NEW\r\n"),
        ("bob:x\r\nxalice:y", "bob:x\r\nxalice:y\r\nalice:NEW\r\n"),
        ("\n\n# alice:x\nalic:e\n\n", "\n\n# alice:x\nalic:e\n\nalice:NEW\n"),
        ("b:x\\\ny\n", "b:x\\\ny\nalice:NEW\n"),
    ] {
        is_changed(before, &set(None), &expected.replace("NEW", NEW));
    }
}

#[test]
fn a_change_touches_the_hash_of_the_first_line_and_nothing_else() {
    for (before, expected) in [
        ("alice:OLD", "alice:NEW"),
        ("# a\n\n  alice:OLD \r\nbob:x\n", "# a\n\n  alice:NEW \r\nbob:x\n"),
        ("alice::OLD:Alice L.:more\n", "alice::NEW:Alice L.:more\n"),
        ("alice:plain\nalice:OLD\n", "alice:NEW\nalice:OLD\n"),
        ("alice\nbob:x\n", "alice:NEW\nbob:x\n"),
        ("alice:\nbob:x\n", "alice:NEW\nbob:x\n"),
        ("bob:\\\nx\nalice:OLD\n", "bob:\\\nx\nalice:NEW\n"),
    ] {
        is_changed(&before.replace("OLD", OLD), &set(None), &expected.replace("NEW", NEW).replace("OLD", OLD));
    }
}

#[test]
fn an_old_password_is_kept_by_a_comment_behind_the_line() {
    for (before, expected) in [
        ("alice:OLD", "alice:NEW\n#ALSO alice:NEW:OLD"),
        ("alice:OLD\n", "alice:NEW\n#ALSO alice:NEW:OLD\n"),
        ("alice:OLD\r\nbob:x\r\n", "alice:NEW\r\n#ALSO alice:NEW:OLD\r\nbob:x\r\n"),
        // Only two at a time, and no comment for another.
        (
            "#ALSO alice:OLD:OTHER\nalice:OLD\n#ALSO alice:OLD:OTHER\n#ALSO bob:x:y\n",
            "alice:NEW\n#ALSO alice:NEW:OLD\n#ALSO bob:x:y\n",
        ),
    ] {
        let text =
            |text: &str| text.replace("#ALSO", ALSO).replace("NEW", NEW).replace("OLD", OLD).replace("OTHER", OTHER);
        is_changed(&text(before), &set(Some(UNTIL)), &text(expected));
    }
}

#[test]
fn a_change_ends_what_was_kept_and_drop_old_leaves_the_rest() {
    let ended = "#esauth-also until 2001-01-01T00:00:00Z alice:x:y\n";
    let text = format!("# c\n{ended}alice:{OLD}\n{ALSO} alice:{OLD}:{OTHER}\nbob:x\n{ALSO} bob:x:y");
    let bob = format!("bob:x\n{ALSO} bob:x:y");
    is_changed(&text, &set(None), &format!("# c\nalice:{NEW}\n{bob}"));
    is_changed(&text, &Change::DropOld, &format!("# c\nalice:{OLD}\n{bob}"));
    is_changed(&text, &Change::Delete, &format!("# c\n{bob}"));
    is_changed("alice:x\n", &Change::DropOld, "alice:x\n");
    let notes = edit(text.as_bytes(), "alice", &set(Some(UNTIL))).unwrap().notes;
    assert_eq!(notes, ["the password that alice had before these ends now"]);
}

#[test]
fn all_lines_of_a_user_are_deleted() {
    is_changed("alice:x\nbob:y\nalice:z\n# alice:\nalice", &Change::Delete, "bob:y\n# alice:\n");
    is_changed("bob:y\nalice:x", &Change::Delete, "bob:y\n");
    is_changed("alice:x", &Change::Delete, "");
}

#[test]
fn what_cannot_be_changed_safely_is_refused_with_its_line() {
    let set_old = set(Some(UNTIL));
    for (text, change, why) in [
        ("bob:x\n", &set_old, "has no user alice"),
        ("bob:x\n", &Change::Delete, "has no user alice"),
        ("bob:x\n", &Change::DropOld, "has no user alice"),
        ("\nalice:plain\n", &set_old, "2: alice has no password that works, and so none to keep"),
        ("alice:x\\\nbob:x\n", &set(None), "1: the line of alice ends in a backslash"),
        ("alice:x\\\n", &set(None), "1: the line of alice ends in a backslash"),
        ("alice:x\\\nbob:x\n", &Change::Delete, "1: the line of alice ends in a backslash and has the next line in it"),
        ("bob:x\n# c\\\n", &set(None), "2: ends in a backslash, which would join a new line with this one"),
        ("bob:x\\", &set(None), "1: ends in a backslash, which would join a new line with this one"),
        (
            // What is left of the comment's two joins once more, with the empty line.
            "#\\\\\n\n",
            &set(None),
            "1: ends in a backslash, which joins lines in a way that this change cannot have its effect",
        ),
        (
            "a:b\nalice:realm:0123456789abcdef0123456789ABCDEF\n",
            &set(None),
            "2: alice has a line of htdigest (user:realm:hash), which HTTP Basic cannot use",
        ),
        ("a:b\nListen 80\n", &set(None), "2: has no colon: this is no line of a password file"),
        ("g: a b\nh:\n", &set(None), "1: has a blank behind the colon, as in a group or credentials file"),
        ("a:b\n\0", &set(None), "2: has a NUL byte: this is no password file"),
        (
            "\u{feff}a:b\n",
            &Change::Delete,
            "1: the file begins with a byte order mark, which httpd takes for a part of the first line: remove its \
             first three bytes",
        ),
    ] {
        assert_eq!(after(text, change), Err(why.to_owned()), "{text:?}");
    }
    let wide: Vec<u8> = "alice:x\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let fault = edit(&wide, "alice", &set(None)).unwrap_err();
    assert_eq!((fault.line, fault.why.contains("UTF-16")), (Some(1), true));
    let same = Change::Set { hash: NEW, password: b"secret", until: Some(UNTIL) };
    assert_eq!(after(&format!("alice:{OLD}\n"), &same), Err("alice has this password already".to_owned()));
}

#[test]
fn of_several_lines_the_first_is_changed_and_the_others_are_named() {
    let notes = |change: &Change<'_>| edit(b"alice:x\nalice:y\nalice:z\n", "alice", change).unwrap().notes;
    assert_eq!(notes(&set(None)), ["lines 2, 3 also have alice; httpd takes the first, which was changed"]);
    assert_eq!(notes(&Change::Delete), ["3 lines of alice are gone, since the next one would have counted"]);
}

#[test]
fn names_that_no_client_can_send_are_refused() {
    let long = "a".repeat(256);
    for name in ["", "a:b", "#a", " a", "a ", "a\tb", "a\nb", "a\u{200b}", &long] {
        assert!(check_name(name).is_err(), "{name:?}");
    }
    for name in ["a", "al ice", "réne", "DOMAIN\\alice", &long[1..]] {
        assert_eq!(check_name(name), Ok(()), "{name:?}");
    }
}
/// Any file of these pieces.
fn any_text() -> impl Strategy<Value = String> {
    let rotation = format!("{ALSO} alice:{OLD}:{OTHER}");
    let line = format!("alice:{OLD}");
    let pieces = ["alice", "bob", ":", "\n", "\n", "\n", "\r\n", "\\", " ", "#", "c:d"].map(str::to_owned);
    let piece = proptest::sample::select([&pieces[..], &[rotation, line]].concat());
    proptest::collection::vec(piece, 0..16).prop_map(|pieces| pieces.concat())
}

proptest! {
    /// By the module's own reading.
    #[test]
    fn a_change_has_its_effect_on_the_user_and_none_on_others(text in any_text()) {
        let parse = |text: &[u8]| Passwords::parse(text.to_vec(), LineRules::Httpd24).unwrap();
        let accepted = |file: &Passwords, user: &[u8]| file.accepted(user).map(|found| found.stored.to_vec());
        let before = parse(text.as_bytes());
        let listing = Listing::of_passwords(text.clone().into_bytes(), LineRules::Httpd24);
        let old = before.stored_hash(b"alice").map(<[u8]>::to_vec);
        let two = format!("{NEW}:{}", String::from_utf8_lossy(old.as_deref().unwrap_or_default()));
        for (change, expected) in [
            (set(None), Some(NEW.as_bytes())),
            (set(Some(UNTIL)), Some(two.as_bytes())),
            (Change::Delete, None),
            (Change::DropOld, old.as_deref()),
        ] {
            let Ok(edit) = edit(text.as_bytes(), "alice", &change) else { continue };
            let after = parse(edit.text.as_deref().unwrap_or(text.as_bytes()));
            prop_assert_eq!(accepted(&after, b"alice"), expected.map(<[u8]>::to_vec));
            for line in listing.lines().filter(|line| line.name() != b"alice") {
                prop_assert_eq!(accepted(&after, line.name()), accepted(&before, line.name()));
            }
        }
    }
}
