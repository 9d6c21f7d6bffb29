//! Any bytes as an `Authorization` header, or as a user and a password in one: from the header to a verdict on a small password
//! file, by four ways. Only a pair whose password is right is granted.

#![no_main]

use std::ffi::{CStr, CString};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;
use std::{env, fs, thread};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use esauth_engine::verification::{Credential, Grant, MaxFailures, Presented, Settings, Verdict, Verifier};
use esauth_engine::{LineRules, Passwords, Snapshot, Source};
use esauth_fuzz::authorization::read;

/// A hash of each kind whose computation takes no more than a millisecond; what cannot match; a second line of a user.
const FILE: &str = "\
# alice:secret
alice:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=
bob:$apr1$hQ7Xg1F/$WMEmv0en6cbJoWwdEgZyg1
carol:$2y$04$jwp/6cco922rcm4NHchyYOcLgeBUSYr7kT67IpvL8O4cj6p8tVNmK
dave:secret
erin:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=
#esauth-also until 2999-01-01T00:00:00Z erin:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=:{SHA}2jmj7l5rSw0yVb/vlWAYkK/YBwk=
:{SHA}2jmj7l5rSw0yVb/vlWAYkK/YBwk=
alice:{SHA}2jmj7l5rSw0yVb/vlWAYkK/YBwk=
";

/// What the file says.
const RIGHT: [(&[u8], &[u8]); 6] =
    [(b"alice", b"secret"), (b"bob", b"p:w"), (b"carol", b"secret"), (b"erin", b"secret"), (b"erin", b""), (b"", b"")];

struct Server {
    path: CString,
    file: Arc<Snapshot<Passwords>>,
    /// Without lockouts: every answer is certain.
    plain: Verifier,
    /// Remembers nothing.
    forgetful: Verifier,
    /// With lockouts, so that a right password may be refused.
    strict: Verifier,
    /// The header granted last.
    last: Mutex<Option<(Vec<u8>, Grant)>>,
}

struct Client {
    address: String,
    /// As by EsAuthExempt.
    exempt: bool,
}

static SERVER: LazyLock<Server> = LazyLock::new(|| Server::new().expect("a folder for files, and memory"));

impl Server {
    fn new() -> Result<Server, Box<dyn std::error::Error>> {
        let name = env::temp_dir().join(format!("esauth-judgement-{}", std::process::id()));
        fs::write(&name, FILE)?;
        // A file written just now is not relied on.
        thread::sleep(Duration::from_millis(50));
        let path = CString::new(name.into_os_string().into_encoded_bytes())?;
        let file =
            Source::new(&path, LineRules::Httpd24, Arc::default()).current().snapshot.map_err(|_| "unreadable")?;
        let verifier = |entries, max_failures| {
            Verifier::create(Settings { entries, ttl: 3600, slots: 2, workers: 64, max_failures })
        };
        Ok(Server {
            path,
            file,
            plain: verifier(64, None)?.0,
            forgetful: verifier(0, None)?.0,
            strict: verifier(64, Some(MaxFailures { failures: 3, seconds: 1 }))?.0,
            last: Mutex::default(),
        })
    }

    /// As the provider does in src/authn/provider.rs.
    fn judge(&self, verifier: &Verifier, user: &[u8], password: &[u8], client: &Client) -> Verdict {
        let accepted = self.file.accepted(user);
        let Some(of_file) = verifier.credential(&self.file, accepted, user) else { return Verdict::Denied };
        let Client { address, exempt } = client;
        let file = self.path.to_bytes();
        verifier.judge(&Credential { password, client: address, exempt: *exempt, file, ..of_file }).verdict
    }

    /// Whether the connection's last grant is taken for this header; remembers this header if it is granted.
    fn is_recalled(&self, header: &CStr, client: &str, is_granted: bool) -> bool {
        let presented = Presented { text: header.to_bytes(), client: client.as_bytes() };
        let mut last = self.last.lock().expect("no other thread");
        let recalled = last.as_ref().is_some_and(|(_, grant)| self.plain.recalls(grant, &presented, &self.path));
        if recalled {
            assert!(last.as_ref().is_some_and(|(text, _)| text == header.to_bytes()), "another header");
        }
        if is_granted {
            *last = self.plain.grant(&presented, &self.file, None).map(|grant| (header.to_bytes().to_vec(), grant));
        }
        recalled
    }
}

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let [kind, client, text @ ..] = input else { return };
    let text =
        if kind & 1 == 0 { text.to_vec() } else { format!("Basic {}", BASE64_STANDARD.encode(text)).into_bytes() };
    let Ok(header) = CString::new(text) else { return };
    let Some((user, password)) = read(&header) else { return };
    let client = Client { address: format!("192.0.2.{client}"), exempt: kind & 2 != 0 };
    let server = &*SERVER;
    let is_right = RIGHT.contains(&(&user, &password));
    let expected = if is_right { Verdict::Granted } else { Verdict::Denied };

    // The second time from memory.
    for _ in 0..2 {
        assert_eq!(server.judge(&server.plain, &user, &password, &client), expected);
    }
    assert_eq!(server.judge(&server.forgetful, &user, &password, &client), expected);
    let strict = server.judge(&server.strict, &user, &password, &client);
    assert!(strict == expected || strict == Verdict::LockedOut && !client.exempt, "{strict:?}");
    if server.is_recalled(&header, &client.address, is_right) {
        assert!(is_right);
    }
});
