//! Realm hashes as written by the real htdigest, requested by mod_auth_digest, and by AuthBasicUseDigestAlgorithm if
//! there is one.

use std::io::Write as _;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use super::*;

#[test]
fn a_file_of_htdigest_that_changes_counts_at_once() {
    let ways = if Installation::get().is_22() { &["digest"][..] } else { &["digest", "basic"] };
    let answers = [(STOCK, false), (&[][..], true), (STOCK, true)].map(|(stock, ours)| {
        let stock: Vec<&str> = stock.iter().chain(&["auth_digest"]).copied().collect();
        let by_basic = if ways.len() > 1 {
            "<Location /basic/>\nAuthType Basic\nAuthBasicUseDigestAlgorithm MD5\n</Location>"
        } else {
            ""
        };
        let section = format!(
            "<Location />\nAuthType Digest\nAuthName realm\nAuthDigestProvider file\nAuthUserFile digests\nRequire valid-user\n\
             </Location>\n{by_basic}"
        );
        let server = start(Mpm::usual(), &stock, ours, &section);
        fs::create_dir(server.folder().join("basic")).unwrap();
        write(server.folder(), "basic/file.txt", "file\n");
        let file = server.folder().join("digests");
        let ask = |credentials: &str| ways.iter().map(|way| asked(&server, way, credentials)).collect::<Vec<_>>();
        let mut statuses = vec![ask("alice:secret")];
        htdigest(&file, "realm", "alice", "secret");
        htdigest(&file, "realm", "bob", "secret");
        statuses.extend(["alice:secret", "alice:wrong", "mallory:secret", "bob:secret"].map(ask));
        htdigest(&file, "realm", "alice", "other");
        statuses.extend(["alice:secret", "alice:other", "bob:secret"].map(ask));
        let text = fs::read_to_string(&file).unwrap();
        replace(server.folder(), "digests", &text.replace("alice:realm:", "alice:elsewhere:"));
        statuses.extend(["alice:other", "bob:secret"].map(ask));
        htdigest(&file, "realm", "alice", "third");
        statuses.extend(["alice:other", "alice:third"].map(ask));
        fs::remove_file(&file).unwrap();
        statuses.push(ask("alice:third"));
        let lines = ["AH01790", "AH01794", "AH01617", "AH01618", "AH01622"]
            .map(|number| stock_lines(&server, number).len());
        (statuses, lines)
    });
    let expected = [500, 200, 401, 401, 200, 401, 200, 200, 401, 200, 401, 200, 500];
    let [stock, ours, both] = answers;
    assert_eq!(stock.0, expected.map(|status: u16| vec![status; ways.len()]));
    assert!(stock.1[4] > 0, "{:?}", stock.1);
    assert_eq!((&ours, &both), (&stock, &stock));
}

/// Adds or changes a user, with the password on its standard input instead of a terminal.
fn htdigest(file: &Path, realm: &str, user: &str, password: &str) {
    let mut command = Command::new(Installation::get().program("htdigest"));
    if !file.exists() {
        command.arg("-c");
    }
    command.arg(file).args([realm, user]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    // SAFETY: a system call that may be made between fork and exec; without a terminal, standard input is asked.
    unsafe {
        command.pre_exec(|| {
            libc::setsid();
            Ok(())
        });
    }
    let mut process = command.spawn().unwrap_or_else(|error| panic!("cannot run htdigest: {error}"));
    process.stdin.take().unwrap().write_all(format!("{password}\n{password}\n").as_bytes()).unwrap();
    assert!(process.wait().unwrap().success(), "htdigest");
    fs::set_permissions(file, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
}

fn asked(server: &Httpd, way: &str, credentials: &str) -> u16 {
    let (user, password) = credentials.split_once(':').unwrap();
    if way == "basic" {
        let request = Request::get("/basic/file.txt").header("Host: localhost").basic(user, password);
        return client::ask(server.port(), &request).unwrap().status;
    }
    let request = Request::get("/file.txt").header("Host: localhost");
    let challenge = client::ask(server.port(), &request).unwrap();
    let answer = digest::authorization(&request, challenge.header("www-authenticate").unwrap(), user, password)
        .expect("a challenge");
    client::ask(server.port(), &request.header(answer)).unwrap().status
}
