//! Cost of a verdict, without httpd: `cargo bench --bench verdict`.
//!
//! Each figure is the median of many batches, since the machines this runs on are seldom quiet.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "what fails while a benchmark is set up ends it")]

use std::ffi::CString;
use std::fs;
use std::hint::black_box;
use std::os::unix::ffi::OsStrExt;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use esauth_engine::verification::{Credential, Presented, Settings, Verifier};
use esauth_engine::{LineRules, Passwords, Source, hash};

/// Of "secret", cost 5.
const STORED: &str = "$2y$05$HOV6x4X5rNNMQGIgrwEKXeqe4orHR15caxe1Ru8ueuYdLl3TVuG5C";
const USERS: usize = 100_000;

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("users");
    let lines = (0..USERS).map(|n| format!("user{n}:{STORED}\n"));
    fs::write(&path, lines.collect::<String>()).unwrap();
    let path = CString::new(path.as_os_str().as_bytes()).unwrap();
    let users: Source<Passwords> = Source::new(&path, LineRules::Httpd24, Arc::default());
    let cache =
        Verifier::create(Settings { entries: 65536, ttl: 1200, slots: 2, workers: 256, max_failures: None }).unwrap().0;
    // Until the clock moves on from the file's last change, every check reads it again.
    thread::sleep(Duration::from_millis(50));
    users.current().snapshot.expect("the file can be read");

    let warm = || cache.judge(&credential(STORED.as_bytes(), b"secret"));
    let warm_denial = || cache.judge(&credential(STORED.as_bytes(), b"wrong"));
    let with_file = || {
        let file = users.current().snapshot.expect("the file can be read");
        let stored = file.stored_hash(b"user99999").expect("the user is in it");
        cache.judge(&credential(stored, b"secret"))
    };
    // The memory of a connection, renewed each second as in the module.
    let presented = Presented { text: b"Basic dXNlcjk5OTk5OnNlY3JldA==", client: b"192.0.2.1" };
    let mut grant = cache.grant(&presented, &users.current().snapshot.expect("the file can be read"), None);
    let mut recalled = || {
        if !grant.is_some_and(|grant| cache.recalls(&grant, &presented, &path)) {
            grant = cache.grant(&presented, &users.current().snapshot.expect("the file can be read"), None);
        }
    };
    warm();
    warm_denial();

    println!("{:48} {:>12}", "", "median");
    report("warm verdict, without the file check", 20_000, &mut || keep(warm()));
    report("warm denial, without the file check", 20_000, &mut || keep(warm_denial()));
    report("warm verdict, with the file check, 100,000 users", 20_000, &mut || keep(with_file()));
    report("a grant that the connection recalls", 20_000, &mut recalled);
    report("file check and look-up alone", 20_000, &mut || {
        let file = users.current().snapshot.expect("the file can be read");
        black_box(file.stored_hash(b"user99999"));
    });
    let count = || cache.counters().count(0);
    report("counting a request, of the two counts it costs", 20_000, &mut || count());
    let forgetful =
        Verifier::create(Settings { entries: 0, ttl: 1200, slots: 2, workers: 256, max_failures: None }).unwrap().0;
    report("cold grant (a miss), bcrypt cost 5", 20, &mut || {
        keep(forgetful.judge(&credential(STORED.as_bytes(), b"secret")))
    });
    let mut number = 0;
    report("cold denial (a miss), bcrypt cost 5", 20, &mut || {
        number += 1;
        keep(cache.judge(&credential(STORED.as_bytes(), format!("wrong {number}").as_bytes())));
    });
    report("the hash alone, bcrypt cost 5", 20, &mut || keep(hash::verify(b"wrong", STORED.as_bytes())));
    for threads in 1..=thread::available_parallelism().map_or(1, usize::from) {
        contention("warm verdict, with the file check", threads, &|| keep(with_file()));
        contention("counting a request", threads, &count);
    }
}

/// Keeps the compiler from noticing that the result is unused.
fn keep<T>(result: T) {
    black_box(result);
}

fn credential<'a>(stored: &'a [u8], password: &'a [u8]) -> Credential<'a> {
    Credential {
        stored,
        padding: None,
        password,
        known: true,
        proven: false,
        client: "192.0.2.1",
        user: b"alice",
        file: b"/users",
    }
}

fn report(name: &str, per_batch: u32, work: &mut dyn FnMut()) {
    const BATCHES: usize = 41;
    let mut batches: Vec<Duration> = (0..BATCHES)
        .map(|_| {
            let began = Instant::now();
            (0..per_batch).for_each(|_| work());
            began.elapsed() / per_batch
        })
        .collect();
    batches.sort_unstable();
    println!("{name:48} {:>12.3?}", batches[BATCHES / 2]);
}

/// The same from several threads at once: time that each of them takes for one.
fn contention(name: &str, threads: usize, work: &(dyn Fn() + Sync)) {
    const EACH: u32 = 300_000;
    let start = Barrier::new(threads);
    let times: Vec<Duration> = thread::scope(|scope| {
        let run = || {
            start.wait();
            let began = Instant::now();
            (0..EACH).for_each(|_| work());
            began.elapsed() / EACH
        };
        let handles: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        handles.into_iter().map(|handle| handle.join().expect("a measuring thread")).collect()
    });
    let slowest = times.into_iter().max().unwrap_or_default();
    println!("{:48} {slowest:>12.3?}", format!("{name}, {threads} at once"));
}
