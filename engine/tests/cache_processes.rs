//! The cache shared by real processes, some of which are killed at any moment: every verdict is compared with the
//! truth.
//!
//! Without the usual harness, since its threads and `fork` do not go together.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failure must end the test, with its reason"
)]

mod credential;

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use credential::credential;
use esauth_engine::verification::{Credential, Judgement, MaxFailures, Settings, Verdict, Verifier};

/// Of "secret", cost 10: some 50 ms.
const SLOW: &[u8] = b"$2y$10$MxDzrYMjXP895CsJ4dbfhOPC4mZP28RIUGQDSW.4lHttNZA60lCoG";
/// Of "secret", cost 8: some 15 ms.
const MEDIUM: &[u8] = b"$2y$08$1My84BhrOcaQYvCQM8JjFONS0Yf5uXBlK8uD40wc/fPX.RhpaQpA.";
/// Of "secret", which takes no time.
const CHEAP: &[u8] = b"{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=";
/// Of "secret", cost 4: under a millisecond.
const FAST: &[u8] = b"$2y$04$Ub9qVQIdR5j2PmraY4inw.hl6PDkZQ4R9.nbiAuCQLBZcEqfzDCiu";

fn main() {
    assert!(esauth_engine::hash::verify(b"secret", SLOW) && esauth_engine::hash::verify(b"secret", FAST));
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    for (name, test) in TESTS {
        if !wanted.is_empty() && !wanted.iter().any(|part| name.contains(part)) {
            continue;
        }
        if NEED_A_KERNEL.contains(test) && is_emulated() {
            println!("skipped {name}: needs a kernel, not an emulator of one");
            continue;
        }
        let began = Instant::now();
        test();
        println!("ok {name} ({:.1} s)", began.elapsed().as_secs_f64());
    }
}

const TESTS: &[(&str, fn())] = &[
    ("a storm of first requests from 200 processes computes one hash", storm_of_processes),
    ("a storm of first requests from 200 threads computes one hash", storm_of_threads),
    ("a leader that is killed delays its followers by no more than a hash", killed_leader),
    ("processes killed at random leave every verdict true and nothing stuck", random_kills),
    ("no more hashes than slots are computed at once, and a full queue says so", slots_and_bounds),
    ("one client's guesses do not hold up another's first request", fairness),
    ("of one address, guesses for one user do not hold up another's first request", fairness_between_accounts),
    ("two addresses that guess on many connections keep no third one out", two_networks),
    ("without a cache the same credential is hashed in all slots at once", all_slots_without_a_cache),
    ("a hash that cannot be computed is no verdict, and neither remembered nor counted", failing_hash),
    ("guesses from many processes are hashed no more often than the limit", lockout_of_processes),
    (
        "processes killed while they count leave nobody locked out who should not be, and everybody who should",
        lockout_and_kills,
    ),
];

/// Those that need the kernel to release mutexes of killed processes, or to limit memory.
const NEED_A_KERNEL: &[fn()] = &[killed_leader, random_kills, failing_hash, lockout_and_kills];

/// True under QEMU's emulation of another processor, which has no robust futexes.
fn is_emulated() -> bool {
    let (mut head, mut size) = (std::ptr::null_mut::<libc::c_void>(), 0_usize);
    // SAFETY: asks for the list of this thread, and writes to these two variables.
    unsafe { libc::syscall(libc::SYS_get_robust_list, 0, &raw mut head, &raw mut size) != 0 }
}

/// Numbers that parent and children share.
struct Counters([AtomicU64; 4]);

fn shared_counters() -> &'static Counters {
    // SAFETY: a new zeroed mapping, large enough, that lasts as long as the process.
    unsafe {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
        let memory = libc::mmap(std::ptr::null_mut(), size_of::<Counters>(), protection, flags, -1, 0);
        assert_ne!(memory, libc::MAP_FAILED);
        &*memory.cast::<Counters>()
    }
}

fn cache(slots: usize) -> Verifier {
    Verifier::create(Settings { entries: 4096, ttl: 600, slots, workers: 256, max_failures: None }).unwrap().0
}

/// Of a client.
fn credential_from<'a>(stored: &'a [u8], password: &'a [u8], client: &'a str) -> Credential<'a> {
    Credential { client, ..credential(stored, password) }
}

/// A child process that runs `body` and exits with status 0, or 1 if it panicked.
fn child(body: impl FnOnce()) -> libc::pid_t {
    // SAFETY: no other thread is running here, so the child may do anything.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0);
    if pid == 0 {
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(body));
        // SAFETY: ends the child without the parent's clean-up.
        unsafe { libc::_exit(i32::from(result.is_err())) };
    }
    pid
}

/// True if the child exited with status 0.
fn ended_well(pid: libc::pid_t) -> bool {
    let mut status = 0;
    // SAFETY: a child of this process.
    unsafe { libc::waitpid(pid, &mut status, 0) };
    libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0
}

/// True if the child exited before it was killed.
fn ended_by_itself(pid: libc::pid_t) -> bool {
    let mut status = 0;
    // SAFETY: a child of this process.
    unsafe { libc::waitpid(pid, &mut status, 0) };
    !libc::WIFSIGNALED(status)
}

fn kill(pid: libc::pid_t) {
    // SAFETY: a child of this process.
    unsafe { libc::kill(pid, libc::SIGKILL) };
}

fn count(counter: &AtomicU64, judgement: &Judgement) {
    counter.fetch_add(u64::from(judgement.hashed_for.is_some()), Ordering::Relaxed);
}

/// One request with the slow hash, whose verdict is known; counts the hash if it computes one.
fn expect(cache: &Verifier, password: &[u8], verdict: Verdict, hashes: &AtomicU64) {
    let judgement = cache.judge(&credential(SLOW, password));
    assert_eq!(judgement.verdict, verdict);
    count(hashes, &judgement);
}

fn storm_of_processes() {
    let (cache, counters) = (cache(2), shared_counters());
    let children: Vec<_> =
        (0..200).map(|_| child(|| expect(&cache, b"secret", Verdict::Granted, &counters.0[0]))).collect();
    assert!(children.into_iter().all(ended_well));
    assert_eq!(counters.0[0].load(Ordering::Relaxed), 1);
}

fn storm_of_threads() {
    let (cache, counters) = (cache(2), shared_counters());
    thread::scope(|scope| {
        for _ in 0..200 {
            scope.spawn(|| expect(&cache, b"wrong", Verdict::Denied, &counters.0[0]));
        }
    });
    assert_eq!(counters.0[0].load(Ordering::Relaxed), 1);
}

fn killed_leader() {
    let (cache, counters) = (cache(2), shared_counters());
    let leader = child(|| {
        counters.0[1].store(1, Ordering::Relaxed);
        cache.judge(&credential(SLOW, b"secret"));
    });
    while counters.0[1].load(Ordering::Relaxed) == 0 {
        thread::yield_now();
    }
    thread::sleep(Duration::from_millis(10));
    let began = Instant::now();
    let followers: Vec<_> =
        (0..8).map(|_| child(|| expect(&cache, b"secret", Verdict::Granted, &counters.0[0]))).collect();
    kill(leader);
    ended_well(leader);
    assert!(followers.into_iter().all(ended_well));
    let hashes = counters.0[0].load(Ordering::Relaxed);
    assert!(hashes <= 1, "one of the followers takes over, not {hashes}");
    // Not a measurement: a stuck request waits for half a minute.
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
}

fn random_kills() {
    const USERS: usize = 60;
    let cache = cache(2);
    let passwords: Vec<String> =
        (0..USERS).map(|n| if n % 2 == 0 { "secret".into() } else { format!("wrong{n}") }).collect();
    let work = |seed: u64| {
        move |passwords: &[String]| {
            let mut random = seed;
            let until = Instant::now() + Duration::from_secs(30);
            while Instant::now() < until {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let user = (random >> 33) as usize % USERS;
                let stored = if user % 3 == 0 { SLOW } else { FAST };
                let client = format!("192.0.2.{}", (random >> 50) as u8);
                // Now and then a password that nobody has tried, so that the queue has work to the end.
                let (password, truth) = match (random >> 40) % 200 {
                    0 => (format!("new {random}"), Verdict::Denied),
                    _ if user % 2 == 0 => (passwords[user].clone(), Verdict::Granted),
                    _ => (passwords[user].clone(), Verdict::Denied),
                };
                let verdict = cache.judge(&credential_from(stored, password.as_bytes(), &client)).verdict;
                assert_eq!(verdict, truth, "{password}");
            }
        }
    };
    let start = |seed: u64| {
        child(|| {
            thread::scope(|scope| {
                let threads: Vec<_> = (0..3)
                    .map(|n| {
                        scope.spawn({
                            let passwords = &passwords;
                            let work = work(seed * 8 + n);
                            move || work(passwords)
                        })
                    })
                    .collect();
                assert!(threads.into_iter().all(|thread| thread.join().is_ok()));
            });
        })
    };
    let mut children: Vec<_> = (0..6).map(start).collect();
    let mut wrong = 0;
    for round in 0..500u64 {
        thread::sleep(Duration::from_millis(5));
        let index = (round as usize * 7 + round as usize / 3) % children.len();
        kill(children[index]);
        wrong += u32::from(ended_by_itself(children[index]));
        children[index] = start(1000 + round);
    }
    children.iter().for_each(|&pid| kill(pid));
    wrong += children.into_iter().map(|pid| u32::from(ended_by_itself(pid))).sum::<u32>();
    assert_eq!(wrong, 0, "a child ends by itself only when it has met a wrong verdict");
    // After all this the queue must still work, also for credentials not seen yet.
    let began = Instant::now();
    for n in 0..100 {
        let password = format!("new {n}");
        let judgement = cache.judge(&credential_from(FAST, password.as_bytes(), "192.0.2.2"));
        assert_eq!(judgement.verdict, Verdict::Denied);
    }
    // Not a measurement: a stuck request waits for half a minute.
    assert!(began.elapsed() < Duration::from_secs(15), "{:?} for 100 hashes", began.elapsed());
}

fn slots_and_bounds() {
    let (cache, counters) = (cache(1), shared_counters());
    let [hashing, overloaded, answered, _] = &counters.0;
    let began = Instant::now();
    // More requests than slots, each with a password of its own, from one client.
    let children: Vec<_> = (0..8)
        .map(|process| {
            child(|| {
                thread::scope(|scope| {
                    for n in 0..40 {
                        scope.spawn(move || {
                            let password = format!("{process} {n}");
                            let judgement = cache.judge(&credential(MEDIUM, password.as_bytes()));
                            let time = judgement.hashed_for.unwrap_or_default().as_micros() as u64;
                            hashing.fetch_add(time, Ordering::Relaxed);
                            let counter = if judgement.verdict == Verdict::Overloaded { overloaded } else { answered };
                            counter.fetch_add(1, Ordering::Relaxed);
                        });
                    }
                });
            })
        })
        .collect();
    assert!(children.into_iter().all(ended_well));
    let (answered, overloaded) = (answered.load(Ordering::Relaxed), overloaded.load(Ordering::Relaxed));
    assert_eq!(answered + overloaded, 320);
    assert!((1..320).contains(&overloaded), "{overloaded} of 320 were told to come back");
    // If two hashes had ever overlapped for long, their durations would add up to more than the elapsed time.
    let hashing = Duration::from_micros(hashing.load(Ordering::Relaxed));
    assert!(hashing <= began.elapsed(), "{hashing:?} of hashing in {:?}", began.elapsed());
}

/// Processes that guess on so many connections, from this client, as this user, without end.
fn guessers(
    cache: Verifier,
    client: &'static str,
    connections: usize,
    guesses: &'static AtomicU64,
) -> Vec<libc::pid_t> {
    let process = |process| {
        child(|| {
            thread::scope(|scope| {
                for n in 0..connections / 4 {
                    scope.spawn(move || {
                        for attempt in 0..10_000 {
                            let password = format!("{process} {n} {attempt}");
                            let judgement = cache.judge(&credential_from(SLOW, password.as_bytes(), client));
                            count(guesses, &judgement);
                            if judgement.verdict == Verdict::Overloaded {
                                thread::sleep(Duration::from_millis(1));
                            }
                        }
                    });
                }
            });
        })
    };
    (0..4).map(process).collect()
}

/// How many guesses were hashed while `body` ran.
fn beside_guessers(cache: Verifier, clients: &[&'static str], connections: usize, body: impl FnOnce()) -> u64 {
    let guesses = &shared_counters().0[0];
    let guessers: Vec<_> = clients.iter().flat_map(|client| guessers(cache, client, connections, guesses)).collect();
    // Enough to make them suspects.
    while guesses.load(Ordering::Relaxed) < 20 {
        thread::sleep(Duration::from_millis(5));
    }
    let before = guesses.load(Ordering::Relaxed);
    body();
    let meanwhile = guesses.load(Ordering::Relaxed) - before;
    guessers.iter().for_each(|&pid| kill(pid));
    guessers.into_iter().for_each(|pid| {
        ended_well(pid);
    });
    meanwhile
}

fn fairness() {
    let cache = cache(2);
    let meanwhile = beside_guessers(cache, &["192.0.2.3"], 64, || {
        let remembered = cache.judge(&credential_from(SLOW, b"secret", "192.0.2.4"));
        assert_eq!(remembered.verdict, Verdict::Granted);
    });
    // In one queue with them it would be 62.
    assert!(meanwhile <= 8, "{meanwhile} guesses went before the known client");
}

fn fairness_between_accounts() {
    let cache = cache(2);
    let meanwhile = beside_guessers(cache, &["192.0.2.3"], 64, || {
        let neighbour = Credential { user: b"bob", ..credential_from(SLOW, b"secret", "192.0.2.3") };
        assert_eq!(cache.judge(&neighbour).verdict, Verdict::Granted);
    });
    assert!(meanwhile <= 8, "{meanwhile} guesses went before the neighbour");
}

fn two_networks() {
    let cache = cache(2);
    beside_guessers(cache, &["192.0.2.3", "192.0.2.5"], 132, || {
        for number in 0..20 {
            let stored = bcrypt::hash_with_salt("secret", 8, [number; 16]).unwrap().to_string();
            let login = credential_from(stored.as_bytes(), b"secret", "192.0.2.4");
            assert_eq!(cache.judge(&login).verdict, Verdict::Granted, "{number}");
        }
    });
}

fn all_slots_without_a_cache() {
    let settings = Settings { entries: 0, ttl: 600, slots: 2, workers: 64, max_failures: None };
    let cache = Verifier::create(settings).unwrap().0;
    let judge = || assert_eq!(cache.judge(&credential(SLOW, b"secret")).verdict, Verdict::Granted);
    let most = thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(judge)).collect();
        let mut most = 0;
        while threads.iter().any(|thread| !thread.is_finished()) {
            most = most.max(cache.usage().running);
        }
        most
    });
    assert_eq!(most, 2);
}

fn failing_hash() {
    /// Of "secret": needs 16 MiB.
    const YESCRYPT: &[u8] = b"$y$j9T$saltsalt$VuCHcCYYVuebTL.IxzSml3z./71e36sys.wEb95cM54";
    let limits = Some(MaxFailures { failures: 3, seconds: 60 });
    let settings = Settings { entries: 64, ttl: 600, slots: 2, workers: 64, max_failures: limits };
    let cache = Verifier::create(settings).unwrap().0;
    let verdict = || cache.judge(&credential(YESCRYPT, b"secret")).verdict;
    let without_memory = child(|| {
        // SAFETY: a limit of this process.
        unsafe {
            let limit = libc::rlimit { rlim_cur: 12 << 20, rlim_max: libc::RLIM_INFINITY };
            libc::setrlimit(libc::RLIMIT_AS, &limit);
        }
        (0..5).for_each(|_| assert_eq!(verdict(), Verdict::NotComputed));
    });
    assert!(ended_well(without_memory));
    assert_eq!(verdict(), Verdict::Granted);
}

/// Locks out after five failures.
fn strict(entries: usize) -> Verifier {
    let max_failures = Some(MaxFailures { failures: 5, seconds: 60 });
    Verifier::create(Settings { entries, ttl: 600, slots: 4, workers: 256, max_failures }).unwrap().0
}

/// The answer to a user's client about a password.
fn told(cache: &Verifier, stored: &[u8], password: &str, user: &str) -> Judgement {
    let credential = credential(stored, password.as_bytes());
    cache.judge(&Credential { user: user.as_bytes(), ..credential })
}

fn lockout_of_processes() {
    let (cache, counters) = (strict(4096), shared_counters());
    let [hashes, denied, locked_out, begun] = &counters.0;
    let guess = |process: usize| {
        for number in 0..10 {
            let judgement = told(&cache, FAST, &format!("{process} {number}"), "alice");
            count(hashes, &judgement);
            let refused = judgement.verdict == Verdict::LockedOut;
            (if refused { locked_out } else { denied }).fetch_add(1, Ordering::Relaxed);
            begun.fetch_add(u64::from(!refused && judgement.lockout.is_some()), Ordering::Relaxed);
        }
    };
    let children: Vec<_> = (0..20).map(|process| child(|| guess(process))).collect();
    assert!(children.into_iter().all(ended_well));
    let counted = counters.0.each_ref().map(|counter| counter.load(Ordering::Relaxed));
    assert_eq!(counted, [5, 5, 195, 1]);
}

/// Users whose clients always send the right password, and others whose clients guess, in turn, in processes killed at
/// any instant.
fn lockout_and_kills() {
    const USERS: u64 = 50;
    // Nothing is remembered, so that right passwords are counted, too, until their hash clears the count.
    let cache = strict(0);
    let work = |seed: u64| {
        for turn in 0.. {
            let number = (seed * 7 + turn) % USERS;
            assert_eq!(told(&cache, CHEAP, "secret", &format!("right {number}")).verdict, Verdict::Granted);
            let guess = told(&cache, CHEAP, &format!("{seed} {turn}"), &format!("guesser {number}")).verdict;
            assert!(matches!(guess, Verdict::Denied | Verdict::LockedOut));
        }
    };
    let mut children: Vec<_> = (0..4).map(|seed| child(|| work(seed))).collect();
    let mut wrong = 0;
    for round in 0..400usize {
        thread::sleep(Duration::from_millis(2));
        let index = round % children.len();
        kill(children[index]);
        wrong += u32::from(ended_by_itself(children[index]));
        children[index] = child(|| work(100 + round as u64));
    }
    children.iter().for_each(|&pid| kill(pid));
    wrong += children.into_iter().map(|pid| u32::from(ended_by_itself(pid))).sum::<u32>();
    assert_eq!(wrong, 0, "a child ends by itself only when it has met a wrong verdict");
    for number in 0..USERS {
        let last = told(&cache, CHEAP, "the last guess", &format!("guesser {number}"));
        assert_eq!(last.verdict, Verdict::LockedOut, "{number}");
        let right = told(&cache, CHEAP, "secret", &format!("right {number}"));
        assert_eq!(right.verdict, Verdict::Granted, "{number}");
        for guess in 0..6 {
            let expected = if guess < 5 { Verdict::Denied } else { Verdict::LockedOut };
            let judgement = told(&cache, CHEAP, &guess.to_string(), &format!("new {number}"));
            assert_eq!(judgement.verdict, expected, "new {number}");
        }
    }
}
