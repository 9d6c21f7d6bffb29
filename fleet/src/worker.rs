//! A process's access to the fleet: a queue of questions, and the one thread that asks them.
//!
//! **Nobody waits long.** A request waits for its answer for [`LONGEST_WAIT`], connecting included. Once one has waited in
//! vain, no other waits before the server has answered in time again (a circuit breaker). Telling never waits.
//!
//! **Nothing before the first question.** The thread and the connection begin with it, so that a process may fork until then.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use esauth_engine::threads::without_signals;
use esauth_engine::verification::Peers;
use redis::{Cmd, Value, cmd};
use rustls::ClientConfig;

use crate::address::{Address, Credentials};
use crate::entry::{self, Name, Says};
use crate::key::Key;
use crate::link::{Broken, Link, no_reply, words};
use crate::socket;

/// The longest time that a request waits for the fleet.
pub const LONGEST_WAIT: Duration = Duration::from_millis(5);

/// The longest time until a connection is made and has answered, and until a batch is answered: then it is given up.
const PATIENCE_TO_CONNECT: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_millis(250);

/// Time between attempts to connect: doubled from the first to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LAST_PAUSE: Duration = Duration::from_secs(4);

/// Most questions and entries that wait for the thread, and most that are sent together.
const MOST_WAITING: usize = 1024;
const BATCH: usize = 64;

/// Settings of an access.
pub struct Options {
    /// The servers' addresses, each tried in turn.
    pub addresses: Vec<Address>,
    /// The key that all servers of the fleet have.
    pub key: Key,
    /// What the servers ask for, if they do.
    pub credentials: Option<Credentials>,
    /// Certificates (PEM) of the authorities to trust for TLS; `None`: the system's.
    pub authorities: Option<Vec<u8>>,
    /// Seconds for which an entry counts.
    pub ttl: u64,
}

/// The end of a question to the fleet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Lookup {
    /// A server has verified the credential.
    Known,
    /// None has, or not lately.
    Unknown,
    /// There is an entry, made by nobody with the key.
    Forged,
    /// The answer did not come in time.
    Late,
    /// Nothing was asked, because earlier answers did not come in time.
    Skipped,
}

/// A change that an operator should know of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The fleet cannot be reached: every server hashes for itself. With the address tried last, and the reason.
    Lost(String, String),
    /// It has been reached.
    Reached,
    /// It took no entry, for this reason: what is there stays known.
    Full(String),
}

/// Takes note of what happens. Called in any thread.
pub trait Observer: Send + Sync {
    /// A question ended so.
    fn looked_up(&self, result: Lookup);
    /// An entry was left with the fleet, or was not.
    fn told(&self, was_left: bool);
    /// Something changed.
    fn event(&self, event: &Event);
}

/// One process's access to the fleet.
pub struct Fleet {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// How [`Fleet::stop`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// Nothing of it is running.
    Entirely,
    /// Its thread waits for something that cannot be interrupted, such as a look-up of a host's name.
    ThreadIsLeft,
}

struct Shared {
    options: Options,
    tls: Option<io::Result<Arc<ClientConfig>>>,
    observer: Box<dyn Observer>,
    queue: Mutex<VecDeque<Job>>,
    standing: AtomicU8,
    ends: Arc<AtomicBool>,
}

/// Whether a request waits for an answer.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Standing {
    /// It does: nothing has failed yet, or not since the last answer.
    Prompt,
    /// It does not: an answer came late.
    Slow,
    /// It does not: the connection was lost, which was reported.
    Lost,
}

enum Job {
    Find { name: Name, until: Instant, answer: SyncSender<Option<Says>> },
    Tell { name: Name },
}

impl Fleet {
    /// An access with these settings. Opens nothing yet.
    pub fn new(options: Options, observer: Box<dyn Observer>) -> Fleet {
        let shared = Shared {
            tls: options.addresses.iter().any(Address::is_tls).then(|| socket::tls(options.authorities.as_deref())),
            options,
            observer,
            queue: Mutex::default(),
            standing: AtomicU8::new(Standing::Prompt as u8),
            ends: Arc::default(),
        };
        Fleet { shared: Arc::new(shared), thread: Mutex::default() }
    }

    /// Asks the fleet about a name, for [`LONGEST_WAIT`] at most.
    fn look_up(&self, name: &Name) -> Lookup {
        if self.shared.standing() != Standing::Prompt {
            return Lookup::Skipped;
        }
        let until = Instant::now() + LONGEST_WAIT;
        let (answer, answered) = sync_channel(1);
        if !self.put(Job::Find { name: *name, until, answer }) {
            return Lookup::Skipped;
        }
        match answered.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(Some(Says::Right)) => Lookup::Known,
            Ok(Some(Says::Forged)) => Lookup::Forged,
            Ok(Some(Says::Nothing) | None) => Lookup::Unknown,
            // The connection was lost, or could not be made.
            Err(RecvTimeoutError::Disconnected) => Lookup::Late,
            Err(RecvTimeoutError::Timeout) => {
                self.shared.change(Standing::Prompt, Standing::Slow);
                Lookup::Late
            }
        }
    }

    /// Leaves a job to the thread, which is started if there is none. False if it cannot be.
    fn put(&self, job: Job) -> bool {
        let Some(thread) = self.thread() else { return false };
        let mut queue = self.shared.queue();
        if queue.len() >= MOST_WAITING {
            return false;
        }
        queue.push_back(job);
        drop(queue);
        thread.unpark();
        true
    }

    fn thread(&self) -> Option<Thread> {
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if thread.is_none() && !self.shared.ends.load(Ordering::Relaxed) {
            let shared = Arc::clone(&self.shared);
            let builder = thread::Builder::new().name("esauth-fleet".into()).stack_size(1024 * 1024);
            *thread = without_signals(|| builder.spawn(move || run(&shared))).ok();
        }
        thread.as_ref().map(|thread| thread.thread().clone())
    }

    /// Ends the thread and closes the connection. For the end of the process; may interrupt any other call.
    pub fn stop(&self) -> Stopped {
        self.shared.ends.store(true, Ordering::Relaxed);
        // Held by a call that this one has interrupted.
        let Ok(mut thread) = self.thread.try_lock() else { return Stopped::ThreadIsLeft };
        let Some(running) = thread.take() else { return Stopped::Entirely };
        let deadline = Instant::now() + PATIENCE_TO_CONNECT + PATIENCE;
        while !running.is_finished() {
            if Instant::now() >= deadline {
                return Stopped::ThreadIsLeft;
            }
            running.thread().unpark();
            thread::sleep(Duration::from_millis(1));
        }
        let _ = running.join();
        Stopped::Entirely
    }
}

impl Peers for Fleet {
    fn key(&self) -> &[u8; 32] {
        &self.shared.options.key.names
    }

    fn know(&self, name: &Name) -> bool {
        let result = self.look_up(name);
        self.shared.observer.looked_up(result);
        result == Lookup::Known
    }

    fn tell(&self, name: &Name) {
        // While it is lost, entries would only pile up.
        if self.shared.standing() == Standing::Lost || !self.put(Job::Tell { name: *name }) {
            self.shared.observer.told(false);
        }
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, VecDeque<Job>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn standing(&self) -> Standing {
        match self.standing.load(Ordering::Relaxed) {
            number if number == Standing::Prompt as u8 => Standing::Prompt,
            number if number == Standing::Slow as u8 => Standing::Slow,
            _ => Standing::Lost,
        }
    }

    fn change(&self, from: Standing, to: Standing) {
        let _ = self.standing.compare_exchange(from as u8, to as u8, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Takes the next jobs, without the questions that nobody waits for any more; their number comes second.
    fn take_batch(&self) -> (Vec<Job>, usize) {
        let (mut queue, now) = (self.queue(), Instant::now());
        let (mut batch, mut expired) = (Vec::new(), 0);
        while batch.len() < BATCH {
            match queue.pop_front() {
                Some(Job::Find { until, .. }) if until <= now => expired += 1,
                Some(job) => batch.push(job),
                None => break,
            }
        }
        (batch, expired)
    }

    /// Gives up whatever waits.
    fn drop_jobs(&self) {
        for job in std::mem::take(&mut *self.queue()) {
            if matches!(job, Job::Tell { .. }) {
                self.observer.told(false);
            }
        }
    }
}

/// The thread's state.
struct Worker<'s> {
    shared: &'s Shared,
    link: Option<Current>,
    /// The address to try first.
    next: usize,
    pause: Duration,
}

/// The connection in use.
struct Current {
    link: Link,
    address: String,
    /// When it last answered.
    answered: Instant,
}

fn run(shared: &Shared) {
    // What a hostile server sends must end neither the process nor the thread.
    while !shared.ends.load(Ordering::Relaxed) {
        let mut worker = Worker { shared, link: None, next: 0, pause: FIRST_PAUSE };
        if catch_unwind(AssertUnwindSafe(|| worker.work())).is_err() {
            worker.lose("", "internal error".to_owned());
        }
    }
    shared.drop_jobs();
}

impl Worker<'_> {
    fn work(&mut self) {
        while !self.shared.ends.load(Ordering::Relaxed) {
            if self.shared.standing() == Standing::Lost && self.link.is_none() {
                self.shared.drop_jobs();
                thread::park_timeout(self.pause);
                self.pause = (self.pause * 2).min(LAST_PAUSE);
                self.connect();
                continue;
            }
            let (batch, expired) = self.shared.take_batch();
            if !batch.is_empty() {
                self.serve(batch);
            } else if expired > 0 {
                // This thread was late, not the server.
                self.shared.change(Standing::Slow, Standing::Prompt);
            } else {
                thread::park();
            }
        }
    }

    fn serve(&mut self, batch: Vec<Job>) {
        if self.link.is_none() && !self.connect() {
            return;
        }
        let now = unix_seconds();
        let commands: Vec<Cmd> = batch.iter().map(|job| command(&self.shared.options, job, now)).collect();
        let mut replies = self.exchange(&commands);
        if matches!(&replies, Err(Broken::Failed(error)) if error.kind() != io::ErrorKind::TimedOut) && self.was_idle()
        {
            // The server was restarted, or closes idle connections.
            if !self.connect() {
                return;
            }
            replies = self.exchange(&commands);
        }
        let settled = replies.and_then(|replies| {
            let mut jobs = batch.into_iter().zip(replies);
            jobs.try_for_each(|(job, reply)| settle(self.shared, job, reply, now))
        });
        if let Err(broken) = settled {
            let address = self.link.take().map(|current| current.address).unwrap_or_default();
            self.next += usize::from(matches!(broken, Broken::Refused(_)));
            self.lose(&address, reason(broken));
        }
    }

    fn was_idle(&self) -> bool {
        self.link.as_ref().is_some_and(|current| current.answered.elapsed() > PATIENCE)
    }

    fn exchange(&mut self, commands: &[Cmd]) -> Result<Vec<Value>, Broken> {
        let Some(current) = &mut self.link else { return Err(no_reply()) };
        let began = Instant::now();
        let replies = current.link.exchange(commands, began + PATIENCE)?;
        current.answered = Instant::now();
        if began.elapsed() < LONGEST_WAIT {
            self.shared.change(Standing::Slow, Standing::Prompt);
        }
        Ok(replies)
    }

    /// Connects to the first address that answers.
    fn connect(&mut self) -> bool {
        let shared = self.shared;
        let options = &shared.options;
        let tls = match &shared.tls {
            Some(Err(error)) => {
                let why = format!("the certificates to trust cannot be read: {error}");
                self.lose("", why);
                return false;
            }
            Some(Ok(config)) => Some(config),
            None => None,
        };
        let mut failed = (String::new(), String::new());
        for turn in 0..options.addresses.len() {
            let number = (self.next + turn) % options.addresses.len();
            let address = &options.addresses[number];
            let deadline = Instant::now() + PATIENCE_TO_CONNECT;
            match Link::open(address, options.credentials.as_ref(), tls, deadline, &shared.ends) {
                Ok(link) => {
                    self.next = number;
                    self.link = Some(Current { link, address: address.to_string(), answered: Instant::now() });
                    self.pause = FIRST_PAUSE;
                    shared.observer.event(&Event::Reached);
                    shared.standing.store(Standing::Prompt as u8, Ordering::Relaxed);
                    return true;
                }
                Err(broken) => failed = (address.to_string(), reason(broken)),
            }
        }
        self.lose(&failed.0, failed.1);
        false
    }

    /// The fleet cannot be reached: nobody waits from now on.
    fn lose(&mut self, address: &str, why: String) {
        self.link = None;
        let before = self.shared.standing();
        self.shared.standing.store(Standing::Lost as u8, Ordering::Relaxed);
        self.shared.drop_jobs();
        if before != Standing::Lost && !self.shared.ends.load(Ordering::Relaxed) {
            self.shared.observer.event(&Event::Lost(address.to_owned(), why));
        }
    }
}

fn command(options: &Options, job: &Job, now: u64) -> Cmd {
    match job {
        Job::Find { name, .. } => {
            let mut command = cmd("GET");
            command.arg(entry::server_name(name));
            command
        }
        Job::Tell { name } => {
            let mut command = cmd("SET");
            let value = entry::value(&options.key, name, now + options.ttl);
            command.arg(entry::server_name(name)).arg(&value[..]).arg("EX").arg(options.ttl);
            command
        }
    }
}

/// Takes the reply to a job. A server that refuses an entry may still know others.
fn settle(shared: &Shared, job: Job, reply: Value, now: u64) -> Result<(), Broken> {
    match (job, reply) {
        (Job::Find { answer, .. }, Value::Nil) => {
            let _ = answer.try_send(None);
        }
        (Job::Find { name, answer, .. }, Value::BulkString(value)) => {
            let _ = answer.try_send(Some(entry::says(&shared.options.key, &name, &value, now)));
        }
        (Job::Find { .. }, Value::ServerError(error)) => return Err(Broken::Refused(words(&error))),
        (Job::Tell { .. }, Value::Okay) => shared.observer.told(true),
        (Job::Tell { .. }, Value::ServerError(error)) => {
            shared.observer.told(false);
            shared.observer.event(&Event::Full(words(&error)));
            // Another one may be the one that takes entries now.
            if error.code() == "READONLY" && shared.options.addresses.len() > 1 {
                return Err(Broken::Refused(words(&error)));
            }
        }
        _ => return Err(no_reply()),
    }
    Ok(())
}

fn reason(broken: Broken) -> String {
    match broken {
        Broken::Failed(error) if error.kind() == io::ErrorKind::TimedOut => "it does not answer in time".to_owned(),
        Broken::Failed(error) => {
            error.to_string().chars().filter(|character| !character.is_control()).take(200).collect()
        }
        Broken::Refused(words) => format!("it answers {words}"),
    }
}

fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
