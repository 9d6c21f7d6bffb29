//! The one thread of a process that talks to the server.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use esauth_engine::verification::{Event as Fate, Reply};
use redis::{Cmd, Value, cmd};

use crate::counts::{self, Said, Scripts, Spent};
use crate::entry::{self, Kind, Name, Says};
use crate::link::{self, Broken, Link, no_reply, words};
use crate::shared::{Answer, BATCH, Event, Job, Lookup, Options, Shared, Standing};

/// The longest time that a request waits for the fleet.
pub const LONGEST_WAIT: Duration = Duration::from_millis(3);

/// The longest time until a connection is made and has answered, and until a batch is answered: then it is given up.
const PATIENCE_TO_CONNECT: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_millis(250);

/// The longest time until the thread notices that it should end.
pub(crate) const LONGEST_END: Duration = PATIENCE_TO_CONNECT.saturating_add(PATIENCE);

/// Time between attempts to connect: doubled from the first to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LAST_PAUSE: Duration = Duration::from_secs(4);

/// Time between questions to a server that was late, whether it is prompt again.
const PROBE_PAUSE: Duration = Duration::from_millis(50);

/// The time for which requests of limited users are added up.
const REPORTED_AFTER: Duration = Duration::from_millis(100);

/// The thread's state.
struct Worker<'s> {
    shared: &'s Shared,
    link: Option<Current>,
    /// The address to try first.
    next: usize,
    pause: Duration,
    /// Requests of limited users to report, and when those were taken.
    spent: Vec<(Name, Spent)>,
    taken: Instant,
}

/// The connection in use.
struct Current {
    link: Link,
    address: String,
    /// When it last answered.
    answered: Instant,
}

/// The thread, until the access ends.
pub(crate) fn run(shared: &Shared) {
    // What a hostile server sends must end neither the process nor the thread.
    while !shared.ends.load(Ordering::Relaxed) {
        let mut worker =
            Worker { shared, link: None, next: 0, pause: FIRST_PAUSE, spent: Vec::new(), taken: Instant::now() };
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
            let due = self.take_spent();
            if !batch.is_empty() || !self.spent.is_empty() {
                self.serve(batch);
            } else if expired > 0 {
                // This thread was late, not the server.
                self.shared.change(Standing::Slow, Standing::Prompt);
            } else if self.shared.standing() == Standing::Slow {
                thread::park_timeout(PROBE_PAUSE);
                self.probe();
            } else {
                due.map_or_else(thread::park, thread::park_timeout);
            }
        }
    }

    /// Asks for something, to see whether the server is prompt again.
    fn probe(&mut self) {
        if self.link.is_none() && !self.connect() {
            return;
        }
        if let Err(broken) = self.exchange(&[link::probe()]) {
            let address = self.link.take().map(|current| current.address).unwrap_or_default();
            self.lose(&address, broken.to_string());
        }
    }

    /// Takes the requests of limited users, or returns the time until they are to be taken if there are any.
    fn take_spent(&mut self) -> Option<Duration> {
        if !self.spent.is_empty() {
            return None;
        }
        let mut spent = self.shared.spent();
        let left = REPORTED_AFTER.saturating_sub(self.taken.elapsed());
        if spent.is_empty() || !left.is_zero() {
            return (!spent.is_empty()).then_some(left);
        }
        self.taken = Instant::now();
        self.spent = std::mem::take(&mut *spent).into_iter().collect();
        None
    }

    fn serve(&mut self, batch: Vec<Job>) {
        if self.link.is_none() && !self.connect() {
            return;
        }
        let now = unix_seconds();
        let spent = self.spent.split_off(self.spent.len().saturating_sub(BATCH));
        let commands = self.commands(&batch, &spent, now);
        let mut replies = self.exchange(&commands);
        if matches!(&replies, Err(Broken::Failed(error)) if error.kind() != io::ErrorKind::TimedOut) && self.was_idle()
        {
            // The server was restarted, or closes idle connections.
            if !self.connect() {
                return;
            }
            replies = self.exchange(&self.commands(&batch, &spent, now));
        }
        let settled = replies.and_then(|mut replies| {
            let of_spent = if spent.is_empty() { None } else { replies.pop() };
            let mut jobs = batch.into_iter().zip(replies);
            jobs.try_for_each(|(job, reply)| settle(self.shared, job, reply, now))?;
            of_spent.map_or(Ok(()), |reply| settle_spent(self.shared, &spent, reply))
        });
        if let Err(broken) = settled {
            let address = self.link.take().map(|current| current.address).unwrap_or_default();
            self.next += usize::from(matches!(broken, Broken::Refused(_)));
            self.lose(&address, broken.to_string());
        }
    }

    /// The commands of jobs, and that of requests if there are any.
    fn commands(&self, batch: &[Job], spent: &[(Name, Spent)], now: u64) -> Vec<Cmd> {
        let Some(current) = &self.link else { return Vec::new() };
        let scripts = &current.link.scripts;
        let jobs = batch.iter().map(|job| command(&self.shared.options, scripts, job, now));
        jobs.chain((!spent.is_empty()).then(|| scripts.spend(spent))).collect()
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
                Err(broken) => failed = (address.to_string(), broken.to_string()),
            }
        }
        self.lose(&failed.0, failed.1);
        false
    }

    /// The fleet cannot be reached: nobody waits from now on.
    fn lose(&mut self, address: &str, why: String) {
        self.link = None;
        self.spent.clear();
        let before = self.shared.standing();
        self.shared.standing.store(Standing::Lost as u8, Ordering::Relaxed);
        self.shared.drop_jobs();
        if before != Standing::Lost && !self.shared.ends.load(Ordering::Relaxed) {
            self.shared.observer.event(&Event::Lost(address.to_owned(), why));
        }
    }
}

fn command(options: &Options, scripts: &Scripts, job: &Job, now: u64) -> Cmd {
    match job {
        Job::Ask { name, counted: Some(counted), .. } => scripts.ask(counted, name.as_ref()),
        Job::Ask { name, counted: None, .. } => {
            let mut command = cmd("GET");
            command.arg(entry::server_name(Kind::Password, &name.unwrap_or_default()));
            command
        }
        Job::Tell { name } => {
            let mut command = cmd("SET");
            let value = entry::value(&options.key, name, now + options.ttl);
            command.arg(entry::server_name(Kind::Password, name)).arg(&value[..]).arg("EX").arg(options.ttl);
            command
        }
        Job::Note { fate, counted, .. } => scripts.note(*fate, counted),
    }
}

/// Takes the reply to a job. A server that takes nothing may still know something.
fn settle(shared: &Shared, job: Job, reply: Value, now: u64) -> Result<(), Broken> {
    match (job, reply) {
        (Job::Ask { name: Some(_), counted: None, answer, .. }, Value::Nil) => {
            let _ = answer.try_send(Answer::UNKNOWN);
        }
        (Job::Ask { name: Some(name), counted: None, answer, .. }, Value::BulkString(value)) => {
            let _ = answer.try_send(of_entry(shared, &name, &value, now));
        }
        (Job::Ask { counted: Some(_), answer, .. }, Value::ServerError(error)) if is_full(&error) => {
            let _ = answer.try_send(Answer::NOT_COUNTED);
            return refuses(shared, &error);
        }
        (Job::Ask { .. }, Value::ServerError(error)) => return Err(Broken::Refused(words(&error))),
        (Job::Ask { name, counted: Some(_), answer, .. }, reply) => {
            shared.counts.store(true, Ordering::Relaxed);
            let _ = answer.try_send(match (counts::said(reply).ok_or_else(no_reply)?, name) {
                (Said::Entry(value), Some(name)) => of_entry(shared, &name, &value, now),
                (Said::Entry(_), None) => return Err(no_reply()),
                (Said::Allowed, _) => Answer::UNKNOWN,
                (Said::Last(lockout), _) => Answer { reply: Reply::Last(lockout), ..Answer::UNKNOWN },
                (Said::LockedOut(lockout), _) => Answer { result: Lookup::LockedOut, reply: Reply::LockedOut(lockout) },
            });
        }
        (Job::Tell { .. }, Value::Okay) => shared.observer.told(true),
        (Job::Tell { .. }, Value::ServerError(error)) => {
            shared.observer.told(false);
            return refuses(shared, &error);
        }
        (Job::Note { .. }, Value::ServerError(error)) => {
            shared.observer.counted(false);
            return refuses(shared, &error);
        }
        (Job::Note { fate: Fate::Right, .. }, Value::Int(_)) => shared.observer.counted(true),
        (Job::Note { learner, .. }, reply @ Value::Array(_)) => {
            if let Said::LockedOut(lockout) = counts::said(reply).ok_or_else(no_reply)? {
                learner.learn(lockout);
            }
            shared.observer.counted(true);
        }
        _ => return Err(no_reply()),
    }
    Ok(())
}

/// Takes the reply to the report of requests.
fn settle_spent(shared: &Shared, spent: &[(Name, Spent)], reply: Value) -> Result<(), Broken> {
    let error = match reply {
        Value::ServerError(error) => Some(error),
        reply if counts::learn(spent, &reply) => None,
        _ => return Err(no_reply()),
    };
    shared.counts.store(error.is_none(), Ordering::Relaxed);
    spent.iter().for_each(|_| shared.observer.counted(error.is_none()));
    error.map_or(Ok(()), |error| refuses(shared, &error))
}

fn of_entry(shared: &Shared, name: &Name, value: &[u8], now: u64) -> Answer {
    match entry::says(&shared.options.key, name, value, now) {
        Says::Right => Answer { result: Lookup::Known, reply: Reply::Known },
        Says::Nothing => Answer::UNKNOWN,
        Says::Forged => Answer { result: Lookup::Forged, ..Answer::UNKNOWN },
    }
}

/// Whether a server takes nothing, but may answer questions.
fn is_full(error: &redis::ServerError) -> bool {
    matches!(error.code(), "OOM" | "READONLY" | "MISCONF" | "NOREPLICAS")
}

/// The server takes nothing.
fn refuses(shared: &Shared, error: &redis::ServerError) -> Result<(), Broken> {
    shared.observer.event(&Event::Full(words(error)));
    // Another one may be the one that takes entries now.
    if error.code() == "READONLY" && shared.options.addresses.len() > 1 {
        return Err(Broken::Refused(words(error)));
    }
    Ok(())
}

fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
