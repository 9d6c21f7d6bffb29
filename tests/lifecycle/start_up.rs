//! What a starting server logs.

use super::*;

#[test]
fn one_line_at_info_says_the_version() {
    for (stock, says) in [(&[][..], "in place of mod_auth_basic"), (STOCK, "beside mod_auth_basic")] {
        let server = start(Mpm::usual(), stock, true, "LogLevel info");
        let lines = logged(&server, concat!("rust_esauth/", env!("CARGO_PKG_VERSION")));
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].level == "info" && lines[0].text.contains(says), "{lines:?}");
    }
}

#[test]
fn nothing_is_said_at_the_usual_level() {
    // The start-up checks would warn about these files.
    let more = "LogLevel warn\nEsAuthSilence served-file world-readable";
    let server = start(Mpm::usual(), STOCK, true, more);
    assert_eq!(status(&server, "alice", "secret"), 200);
    let lines = log::parse(&server.error_log());
    assert!(lines.iter().all(|line| line.module != "rust_esauth"), "{lines:?}");
}

#[test]
fn the_provider_goes_by_the_name_esauth_as_well() {
    for stock in [&[][..], STOCK] {
        let server = start(Mpm::usual(), stock, true, "<Location />\nAuthBasicProvider esauth\n</Location>");
        let statuses = [("alice", "secret"), ("alice", "wrong"), ("bob", "secret"), ("mallory", "x")];
        assert_eq!(statuses.map(|(user, password)| status(&server, user, password)), [200, 401, 401, 401]);
        assert_eq!(stock_lines(&server, "AH01617").len(), 1);
        assert_eq!(stock_lines(&server, "AH01618").len(), 1);
    }
}

/// Without mod_authz_owner, the group of a file is unknown: that is an error, not a crash.
#[test]
fn file_group_without_mod_authz_owner_is_an_error() {
    let server = start(Mpm::usual(), &[], true, "<Location />\nRequire file-group\n</Location>");
    if Installation::get().is_22() {
        // No module decides there, the stock one neither, and httpd itself refuses.
        assert_eq!(status(&server, "alice", "secret"), 500);
        assert_eq!(logged(&server, "couldn't check access").len(), 1);
        return;
    }
    for _ in 0..3 {
        assert_eq!(status(&server, "alice", "secret"), 500);
    }
    assert!(logged(&server, "AH00052").is_empty());
    assert_eq!(logged(&server, "needs mod_authz_owner").len(), 3);
}

/// A file that only root may read fails for the run user, though the parent could read it.
#[test]
fn files_are_read_with_the_rights_of_the_children() {
    use std::os::unix::fs::PermissionsExt;
    let server = start(Mpm::usual(), &[], true, "");
    fs::set_permissions(server.folder().join("users"), fs::Permissions::from_mode(0o000)).unwrap();
    server.begin_graceful_restart();
    wait_for("the restart", || {
        logged(&server, "resuming normal operations").len() > 1 || status(&server, "alice", "secret") == 500
    });
    wait_for("the refusal", || status(&server, "alice", "secret") == 500);
    let lines = stock_lines(&server, "AH01620");
    assert!(lines.iter().all(|line| line.status == "(13)Permission denied"), "{lines:?}");
}

/// In httpd's usual format, which log alerts and fail2ban's `apache-auth` filter match.
#[test]
fn a_refusal_in_the_usual_log_format_has_the_client_and_the_stock_text() {
    let in_22 = Installation::get().is_22();
    let format =
        "ErrorLogFormat \"[%{u}t] [%-m:%l] [pid %P:tid %T] %7F: %E: [client\\ %a] %M% ,\\ referer\\ %{Referer}i\"";
    let server = start(Mpm::usual(), &[], true, if in_22 { "" } else { format });
    assert_eq!(status(&server, "alice", "wrong"), 401);
    let log = String::from_utf8_lossy(&server.error_log()).into_owned();
    let line = log.lines().find(|line| line.contains("Password Mismatch")).unwrap_or_else(|| panic!("not in:\n{log}"));
    let (before, text) = line.split_once("[client 127.0.0.1").unwrap();
    assert!(before.contains(if in_22 { "] [error] " } else { "[rust_esauth:error] [pid " }), "{line}");
    let text = text.split_once("] ").unwrap().1;
    let number = if in_22 { "" } else { "AH01617: " };
    assert_eq!(text, format!("{number}user alice: authentication failure for \"/file.txt\": Password Mismatch"));
}
