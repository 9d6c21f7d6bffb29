//! Password hashes, good and bad.

use std::path::Path;
use std::process::Command;

use crate::harness::crypt;
use crate::harness::installation::Installation;

/// The hash in the password file, and its password.
pub(crate) struct Sample {
    pub(crate) family: &'static str,
    pub(crate) hash: Vec<u8>,
    pub(crate) password: Vec<u8>,
}

impl Sample {
    fn new(family: &'static str, hash: impl Into<Vec<u8>>, password: &[u8]) -> Self {
        Sample { family, hash: hash.into(), password: password.to_vec() }
    }
}

fn passwords() -> Vec<Vec<u8>> {
    let long = |length: usize| (0..length).map(|place| b'a' + (place % 23) as u8).collect();
    let mut passwords = vec![
        b"secret".to_vec(),
        Vec::new(),
        b"with:colon:".to_vec(),
        b":".to_vec(),
        b" blanks and\ttabs ".to_vec(),
        "p\u{e4}ssw\u{f6}rd \u{20ac} \u{1f511}".as_bytes().to_vec(),
        b"p\xe4ssw\xf6rd".to_vec(),
        b"\xff\xff\xa3".to_vec(),
        b"\x01\x7f\x80".to_vec(),
    ];
    passwords.extend([7, 8, 9, 15, 16, 55, 56, 64, 71, 72, 73, 128, 250, 511, 512, 600].map(long));
    passwords
}

/// Hashes made by htpasswd. It accepts no password over 255 bytes, and makes its own salts.
pub(crate) fn by_htpasswd() -> Vec<Sample> {
    let (own, best) = (&Installation::get().program("htpasswd"), &Installation::get().htpasswd());
    let mut kinds: Vec<(&'static str, &Path, &[&str])> = vec![
        ("apr1", own, &["-m"]),
        ("{SHA}", own, &["-s"]),
        ("DES", own, &["-d"]),
        ("bcrypt 2y", best, &["-B", "-C", "4"]),
        ("bcrypt 2y", best, &["-B"]),
        ("bcrypt 2y", best, &["-B", "-C", "6"]),
    ];
    // Newer options.
    if htpasswd(best, &["-n", "-b", "-5"], b"secret").is_some() {
        kinds.push(("SHA-256", best, &["-2"]));
        kinds.push(("SHA-512", best, &["-5"]));
        kinds.push(("SHA-512", best, &["-5", "-r", "1234"]));
    }
    let mut samples = Vec::new();
    for (family, program, flags) in kinds {
        for password in passwords().into_iter().filter(|password| password.len() < 256) {
            let hash = htpasswd(program, &[&["-n", "-b"], flags].concat(), &password);
            let hash = hash.unwrap_or_else(|| {
                panic!("htpasswd {flags:?} makes no hash of {:?}", password.escape_ascii().to_string())
            });
            samples.push(Sample::new(family, hash, &password));
        }
    }
    // apr_md5_encode's hash of a password longer than htpasswd accepts.
    samples.push(Sample::new("apr1", "$apr1$saltsalt$tQHUmjU9VpHFglMK1G67G/", &[b'x'; 600]));
    samples
}

fn htpasswd(program: &Path, flags: &[&str], password: &[u8]) -> Option<String> {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let output = Command::new(program).args(flags).arg("user").arg(OsStr::from_bytes(password)).output();
    let output = output.unwrap_or_else(|error| panic!("cannot run htpasswd: {error}"));
    let line = String::from_utf8(output.stdout).unwrap();
    output.status.success().then(|| line.trim().strip_prefix("user:").unwrap().to_owned())
}

/// The families that go through the C library.
const BY_CRYPT: &[(&str, &str)] = &[
    ("MD5", "$1$saltsalt"),
    ("MD5", "$1$s"),
    ("MD5", "$1$"),
    ("SHA-256", "$5$saltsaltsaltsalt"),
    ("SHA-256", "$5$rounds=1000$salt"),
    ("SHA-512", "$6$saltsaltsaltsalt"),
    ("SHA-512", "$6$rounds=1500$salt"),
    ("DES", "ab"),
    ("DES", "./"),
    ("extended DES", "_J9..rasm"),
    ("SHA-1", "$sha1$40$saltsalt"),
    ("Sun MD5", "$md5$saltsalt$"),
    ("NT", "$3$"),
];

/// Hashes made by crypt(3).
pub(crate) fn by_crypt() -> Vec<Sample> {
    // The lowest cost: these are slow on purpose.
    let made = [
        ("yescrypt", "$y$", 1),
        ("gost-yescrypt", "$gy$", 1),
        ("scrypt", "$7$", 6),
        ("bcrypt 2b", "$2b$", 4),
        ("bcrypt 2a", "$2a$", 4),
        ("bcrypt 2y", "$2y$", 4),
        ("bcrypt 2x", "$2x$", 4),
    ];
    let made = made.into_iter().filter_map(|(family, prefix, cost)| Some((family, crypt::setting(prefix, cost)?)));
    let settings = BY_CRYPT.iter().map(|&(family, setting)| (family, setting.to_owned())).chain(made);
    settings
        .flat_map(|(family, setting)| {
            let made = passwords()
                .into_iter()
                .filter_map(move |password| Some(Sample::new(family, crypt::hash(&password, &setting)?, &password)));
            made.collect::<Vec<_>>()
        })
        .collect()
}

/// Broken hashes of `secret`.
pub(crate) fn malformed() -> Vec<Sample> {
    let good = by_htpasswd().into_iter().chain(by_crypt()).filter(|sample| sample.password == b"secret");
    let mut samples: Vec<Sample> = good.flat_map(|sample| broken(&sample)).collect();
    samples.extend(HAND_MADE.iter().map(|hash| Sample::new("hand-made", *hash, b"secret")));
    samples.push(Sample::new("hand-made", format!("$6${}$x", "s".repeat(5000)), b"secret"));
    samples.push(Sample::new("hand-made", format!("$apr1${}$x", "s".repeat(5000)), b"secret"));
    samples.push(Sample::new("hand-made", "x".repeat(8000), b"secret"));
    samples
}

fn broken(good: &Sample) -> Vec<Sample> {
    let hash = &good.hash;
    let length = hash.len();
    let mut all = vec![
        [hash, b"x".as_slice()].concat(),
        [hash, b"=".as_slice()].concat(),
        [hash, b" x".as_slice()].concat(),
        [hash, b"$".as_slice()].concat(),
        [hash, b"$x$y".as_slice()].concat(),
        [b" ", hash.as_slice(), b" x"].concat(),
        [b"x", hash.as_slice()].concat(),
        [b"$", hash.as_slice()].concat(),
        hash.to_ascii_uppercase(),
        hash[1..].to_vec(),
    ];
    // Cut off at the end, in the middle of the hash, after and before each `$`.
    let dollars = (0..length).filter(|&place| hash[place] == b'$').flat_map(|place| [place, place + 1]);
    let ends: Vec<usize> = dollars.chain([1, 2, 3, length / 2, length * 3 / 4, length - 2, length - 1]).collect();
    all.extend(ends.into_iter().filter(|&end| end < length).map(|end| hash[..end].to_vec()));
    // Another byte in the digest itself. Changes nearer to the beginning could demand enormous costs.
    for place in [length - 1, length - 5, length - 10] {
        for byte in [b'!', b'*', b'-', b' ', b'\\', 0x80, 0xff, b'~', hash[place] ^ 1] {
            if hash[place] != byte && byte != b':' {
                let mut changed = hash.clone();
                changed[place] = byte;
                all.push(changed);
            }
        }
    }
    all.into_iter().map(|hash| Sample::new(good.family, hash, b"secret")).collect()
}

const HAND_MADE: &[&str] = &[
    "",
    "*",
    "*0",
    "*1",
    "!",
    "!!",
    "x",
    "$",
    "$$",
    "$$$",
    "secret",
    "{SHA}",
    "{SHA}=",
    "{SHA}5en6G6MezRroT3XKqkdPOmY/BfR=",
    "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ",
    "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ==",
    "{SHA} 5en6G6MezRroT3XKqkdPOmY/BfQ=",
    "{SHA}e5e9fa1ba31ecd1ae84f75caaa474f3a663f05f4",
    "{sha}5en6G6MezRroT3XKqkdPOmY/BfQ=",
    "{SHA1}5en6G6MezRroT3XKqkdPOmY/BfQ=",
    "{SSHA}5en6G6MezRroT3XKqkdPOmY/BfQ=",
    "{PLAIN}secret",
    "$apr1$",
    "$apr1$$",
    "$apr1$saltsalt",
    "$apr1$saltsalt$",
    "$apr1$saltsaltsalt$tQHUmjU9VpHFglMK1G67G/",
    "$1$",
    "$1$$",
    "$1$saltsaltsalt$x",
    "$2$04$abcdefghijklmnopqrstuu",
    "$2y$",
    "$2y$04$",
    "$2y$03$abcdefghijklmnopqrstuuTXzLF2P1Ta1bQe8mmPFaO7VdC3J9v/q",
    "$2y$32$abcdefghijklmnopqrstuuTXzLF2P1Ta1bQe8mmPFaO7VdC3J9v/q",
    "$2y$99$abcdefghijklmnopqrstuuTXzLF2P1Ta1bQe8mmPFaO7VdC3J9v/q",
    "$2y$4$abcdefghijklmnopqrstuuTXzLF2P1Ta1bQe8mmPFaO7VdC3J9v/q",
    "$2y$004$abcdefghijklmnopqrstuuTXzLF2P1Ta1bQe8mmPFaO7VdC3J9v/q",
    "$2y$-4$abcdefghijklmnopqrstuuTXzLF2P1Ta1bQe8mmPFaO7VdC3J9v/q",
    "$2y$0x$abcdefghijklmnopqrstuuTXzLF2P1Ta1bQe8mmPFaO7VdC3J9v/q",
    "$2y$04abcdefghijklmnopqrstuuTXzLF2P1Ta1bQe8mmPFaO7VdC3J9v/q",
    "$2y$04$!bcdefghijklmnopqrstuuTXzLF2P1Ta1bQe8mmPFaO7VdC3J9v/q",
    "$2y$04$short",
    "$2z$04$abcdefghijklmnopqrstuuTXzLF2P1Ta1bQe8mmPFaO7VdC3J9v/q",
    "$2b$03$abcdefghijklmnopqrstuuTXzLF2P1Ta1bQe8mmPFaO7VdC3J9v/q",
    "$2b$04$short",
    "$5$",
    "$5$rounds=$salt$x",
    "$5$rounds=abc$salt$x",
    "$5$rounds=1$salt$x",
    "$5$rounds=-1$salt$x",
    "$5$rounds=1000salt$x",
    "$6$",
    "$6$$",
    "$6$rounds=$salt$x",
    "$6$rounds=999$salt$x",
    "$6$rounds=99999999999999999999$salt$x",
    "$6$rounds=+1000$salt$x",
    "$6$saltsaltsaltsaltsaltsaltsaltsalt$x",
    "$7$",
    "$7$!!!!!!$x",
    "$7$6..../....",
    "$y$",
    "$y$$salt$x",
    "$y$!!!$salt$x",
    "$y$j75",
    "$y$j75$",
    "$y$j75$salt",
    "$gy$",
    "$gy$j75$",
    "$md5",
    "$md5$",
    "$md5,rounds=$salt$x",
    "$sha1$",
    "$sha1$x$salt$y",
    "$3$",
    "$3$$",
    "$3$$xyz",
    "_",
    "_J9..",
    "_J9..rasm",
    "_!!!!rasm12345678901",
    "a",
    "ab",
    "a!",
    "!!abcdefghijk",
    "ab!!!!!!!!!!!",
    "abJnggxhB/yWI",
    "\u{e4}bcdefghijklm",
    "$8$x$y",
    "$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHQ$abcd",
    "$pbkdf2-sha256$29000$abc$def",
    "$scrypt$ln=16,r=8,p=1$abc$def",
    "$apr2$saltsalt$tQHUmjU9VpHFglMK1G67G/",
];
