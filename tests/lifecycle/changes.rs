//! Files that change while the server runs.

use std::os::unix::fs::symlink;

use super::*;

#[test]
fn a_replaced_file_counts_from_the_next_request_on() {
    for mpm in Mpm::available() {
        let server = start(mpm, &[], true, "");
        for _ in 0..20 {
            assert_eq!(status(&server, "alice", "secret"), 200);
            replace(server.folder(), "users", &format!("alice:{OTHER}\n"));
            assert_eq!((status(&server, "alice", "secret"), status(&server, "alice", "other")), (401, 200), "{mpm:?}");
            replace(server.folder(), "users", &format!("alice:{SECRET}\n"));
        }
    }
}

#[test]
fn a_file_rewritten_in_place_counts_from_the_next_request_on() {
    for mpm in Mpm::available() {
        let server = start(mpm, &[], true, "");
        // Same length, same inode, and often the same tick of the clock.
        for _ in 0..20 {
            write(server.folder(), "users", &format!("alice:{OTHER}\n"));
            assert_eq!((status(&server, "alice", "secret"), status(&server, "alice", "other")), (401, 200), "{mpm:?}");
            write(server.folder(), "users", &format!("alice:{SECRET}\n"));
            assert_eq!((status(&server, "alice", "secret"), status(&server, "alice", "other")), (200, 401), "{mpm:?}");
        }
    }
}

#[test]
fn a_revoked_user_and_a_revoked_member_are_refused_at_once() {
    let server = start(Mpm::usual(), &[], true, "");
    assert_eq!((status(&server, "alice", "secret"), status(&server, "bob", "secret")), (200, 401));
    replace(server.folder(), "groups", "staff: bob\n");
    assert_eq!((status(&server, "alice", "secret"), status(&server, "bob", "secret")), (401, 200));
    write(server.folder(), "groups", "staff: alice bob\n");
    assert_eq!((status(&server, "alice", "secret"), status(&server, "bob", "secret")), (200, 200));
    write(server.folder(), "users", &format!("bob:{SECRET}\n"));
    assert_eq!((status(&server, "alice", "secret"), status(&server, "bob", "secret")), (401, 200));
}

/// What the kubelet does with a changed Secret or ConfigMap: a new folder beside the old one, a symbolic link that is
/// switched to it, and the end of the old folder. The files are symbolic links through that link.
#[test]
fn a_secret_of_kubernetes_counts_from_the_request_after_its_switch_and_all_of_its_files_with_it() {
    for mpm in Mpm::available() {
        let server = start(mpm, &[], true, "");
        let volume = server.folder().to_owned();
        let switch = |number: usize, users: &str, groups: &str| {
            let (old, new) = (fs::read_link(volume.join("..data")), format!("..2026_11_29.{number}"));
            fs::create_dir(volume.join(&new)).unwrap();
            write(&volume.join(&new), "users", users);
            write(&volume.join(&new), "groups", groups);
            symlink(&new, volume.join("..data_tmp")).unwrap();
            fs::rename(volume.join("..data_tmp"), volume.join("..data")).unwrap();
            if let Ok(old) = old {
                fs::remove_dir_all(volume.join(old)).unwrap();
            }
        };
        switch(0, &format!("alice:{SECRET}\n"), "staff: alice\n");
        for name in ["users", "groups"] {
            fs::remove_file(volume.join(name)).unwrap();
            symlink(format!("..data/{name}"), volume.join(name)).unwrap();
        }
        for number in (1..60).step_by(3) {
            let statuses =
                || [("alice", "secret"), ("alice", "other"), ("bob", "secret")].map(|(u, p)| status(&server, u, p));
            switch(number, &format!("alice:{OTHER}\n"), "staff: alice bob\n");
            assert_eq!(statuses(), [401, 200, 401], "{mpm:?} {number}");
            switch(number + 1, &format!("alice:{OTHER}\nbob:{SECRET}\n"), "staff: bob\n");
            assert_eq!(statuses(), [401, 401, 200], "{mpm:?} {number}");
            switch(number + 2, &format!("alice:{SECRET}\n"), "staff: alice\n");
            assert_eq!(statuses(), [200, 401, 401], "{mpm:?} {number}");
        }
        assert_eq!(logged(&server, "cannot be").len(), 0, "{mpm:?}");
    }
}

#[test]
fn htpasswd_itself_changes_a_password() {
    let server = start(Mpm::usual(), &[], true, "");
    for password in ["first", "second", "third"] {
        let mut htpasswd = std::process::Command::new(Installation::get().htpasswd());
        let output = htpasswd.arg("-bs").arg(server.folder().join("users")).args(["alice", password]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!((status(&server, "alice", "secret"), status(&server, "alice", password)), (401, 200));
    }
}

#[test]
fn a_removed_file_is_an_error_until_it_is_back() {
    let answers = [(STOCK, false), (&[][..], true), (STOCK, true)].map(|(stock, ours)| {
        let server = start(Mpm::usual(), stock, ours, "");
        let users = server.folder().join("users");
        let mut statuses = vec![status(&server, "alice", "secret")];
        fs::remove_file(&users).unwrap();
        statuses.extend((0..3).map(|_| status(&server, "alice", "secret")));
        write(server.folder(), "users", &format!("alice:{SECRET}\n"));
        statuses.extend((0..3).map(|_| status(&server, "alice", "secret")));
        fs::remove_file(server.folder().join("groups")).unwrap();
        statuses.push(status(&server, "alice", "secret"));
        write(server.folder(), "groups", "staff: alice\n");
        statuses.push(status(&server, "alice", "secret"));
        let lines: Vec<String> = ["AH01620", "AH01665"]
            .iter()
            .flat_map(|number| stock_lines(&server, number))
            .map(|line| {
                format!(
                    "{} {} {}",
                    line.level,
                    line.status,
                    line.text.replace(&server.folder().display().to_string(), "")
                )
            })
            .collect();
        (statuses, lines)
    });
    let [stock, ours, both] = answers;
    let statuses = |without_groups| [200, 500, 500, 500, 200, 200, 200, without_groups, 200];
    // Ours is an error in both generations: behind `Require not` a denial would admit users.
    assert_eq!(stock.0, statuses(if Installation::get().is_22() { 500 } else { 401 }));
    assert_eq!(ours.0, statuses(500));
    assert_eq!(both.0, statuses(500));
    assert_eq!(stock.1.len(), 4, "{:?}", stock.1);
    assert_eq!(stock.1, ours.1);
    assert_eq!(stock.1, both.1);
}

/// Besides the stock lines for every request, ours says what to do: once, and once when it is over.
#[test]
fn advice_about_a_broken_file_is_logged_once() {
    let server = start(Mpm::usual(), &[], true, one_child());
    assert_eq!(status(&server, "alice", "secret"), 200);
    let own = || {
        log::parse(&server.error_log())
            .into_iter()
            .filter(|line| line.module == "rust_esauth" && line.number().is_none())
            .count()
    };
    let before = own();
    fs::remove_file(server.folder().join("users")).unwrap();
    for _ in 0..5 {
        assert_eq!(status(&server, "alice", "secret"), 500);
    }
    assert_eq!(own(), before + 1);
    write(server.folder(), "users", &format!("alice:{SECRET}\n"));
    for _ in 0..5 {
        assert_eq!(status(&server, "alice", "secret"), 200);
    }
    assert_eq!(own(), before + 2);
}

#[test]
fn a_line_that_becomes_too_long_for_stock_httpd_is_warned_of_once() {
    for long in [format!("dana:{SECRET}:{}", "x".repeat(9000)), format!("# {}", "x".repeat(9000))] {
        let server = start(Mpm::usual(), &[], true, one_child());
        assert_eq!(status(&server, "alice", "secret"), 200);
        write(server.folder(), "users", &format!("bob:{SECRET}\n{long}\nalice:{SECRET}\n"));
        assert_one_warning_of_line_2(&server, &long);
    }
}

#[test]
fn a_line_that_is_too_long_for_stock_httpd_from_the_start_is_warned_of_once() {
    let server = start(Mpm::usual(), &[], true, one_child());
    let long = format!("dana:{SECRET}:{}", "x".repeat(9000));
    write(server.folder(), "users", &format!("bob:{SECRET}\n{long}\nalice:{SECRET}\n"));
    server.begin_graceful_restart();
    wait_for("the restart", || logged(&server, "resuming normal operations").len() > 1);
    // The new child has read the file before its first request.
    sleep(memcheck::patience(Duration::from_millis(300)));
    assert_one_warning_of_line_2(&server, &long);
}

fn assert_one_warning_of_line_2(server: &Httpd, long: &str) {
    assert_eq!([(); 3].map(|()| status(server, "alice", "secret")), [200; 3]);
    let warnings = logged(server, "8191");
    let line = long.get(..20);
    assert_eq!(warnings.len(), 1, "{line:?} …: {warnings:?}");
    assert!(warnings[0].level == "warn" && warnings[0].text.contains("line 2"), "{line:?} …: {warnings:?}");
    let stock = if Installation::get().is_22() { "stock httpd cuts it" } else { "stock httpd ignores them" };
    assert!(warnings[0].text.contains(stock), "{warnings:?}");
}
