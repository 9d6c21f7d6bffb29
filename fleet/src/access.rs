//! A process's access to the fleet: a queue of questions, and the one thread that asks them.
//!
//! **Nobody waits long.** A request waits for its answer for [`LONGEST_WAIT`], connecting included. Once one has waited in
//! vain, no other waits before the server has answered in time again (a circuit breaker). Telling never waits. Requests of
//! limited users are added up and reported ten times a second.
//!
//! **Nothing before the first question.** The thread and the connection begin with it, so that a process may fork until then.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};

use esauth_engine::threads::{stay_loaded, without_signals};
use esauth_engine::verification::{Counted, Counters, Event as Fate, Learner, Peers, Question, Reply, Spender};

use crate::address::Address;
use crate::counts::Spent;
use crate::entry::Name;
use crate::report::{Host, Report};
use crate::settings::Settings;
use crate::shared::{Answer, Job, Observer, Options, Shared, Standing};
use crate::socket;
use crate::worker::{LONGEST_END, LONGEST_WAIT, run};

/// Most jobs that wait for the thread, and most users with requests to report.
const MOST_WAITING: usize = 1024;
const MOST_SPENDERS: usize = 65_536;

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
    /// Its thread waits for something that cannot be interrupted, such as a look-up of a host's name. The library's code
    /// stays for it.
    ThreadIsLeft,
}

impl Fleet {
    /// The access that a host's directives ask for, or a line in its log why there is none. For each process that answers
    /// requests, with its rights: only it reads the files.
    pub fn start(host: Host, settings: &Settings<'_>, counters: &'static Counters) -> Option<Fleet> {
        let report = Report::new(host, counters);
        match Options::read(&host, settings) {
            Ok(options) => {
                report.note_usable();
                Some(Fleet::new(options, Box::new(report)))
            }
            Err(why) => {
                report.note_unusable(&why);
                None
            }
        }
    }

    /// An access with these settings. Opens nothing yet.
    pub fn new(options: Options, observer: Box<dyn Observer>) -> Fleet {
        let shared = Shared {
            tls: options.addresses.iter().any(Address::is_tls).then(|| socket::tls(options.authorities.as_deref())),
            options,
            observer,
            queue: Mutex::default(),
            spent: Mutex::default(),
            counts: AtomicBool::new(true),
            standing: AtomicU8::new(Standing::Prompt as u8),
            ends: Arc::default(),
        };
        Fleet { shared: Arc::new(shared), thread: Mutex::default() }
    }

    /// Asks the fleet, for [`LONGEST_WAIT`] at most.
    fn question(&self, question: &Question<'_>) -> Answer {
        if self.shared.standing() != Standing::Prompt {
            return Answer::SKIPPED;
        }
        let until = Instant::now() + LONGEST_WAIT;
        let (answer, answered) = sync_channel(1);
        let (name, counted) = (question.name.copied(), question.counted.copied());
        if !self.put(Job::Ask { name, counted, until, answer }) {
            return Answer::SKIPPED;
        }
        match answered.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(answer) => answer,
            // The connection was lost, or could not be made.
            Err(RecvTimeoutError::Disconnected) => Answer::LATE,
            Err(RecvTimeoutError::Timeout) => {
                self.shared.change(Standing::Prompt, Standing::Slow);
                // It finds out when the server is prompt again.
                self.thread().inspect(Thread::unpark);
                Answer::LATE
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
        let stopped = self.end();
        if stopped == Stopped::ThreadIsLeft {
            stay_loaded();
        }
        stopped
    }

    fn end(&self) -> Stopped {
        self.shared.ends.store(true, Ordering::Relaxed);
        // Held by a call that this one has interrupted.
        let Ok(mut thread) = self.thread.try_lock() else { return Stopped::ThreadIsLeft };
        let Some(running) = thread.take() else { return Stopped::Entirely };
        let deadline = Instant::now() + LONGEST_END;
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

    fn servers(&self) -> u32 {
        self.shared.options.servers
    }

    fn ask(&self, question: &Question<'_>) -> Reply {
        let Answer { result, reply } = self.question(question);
        self.shared.observer.looked_up(result);
        reply
    }

    fn tell(&self, name: &Name) {
        // While it is lost, entries would only pile up.
        if self.shared.standing() == Standing::Lost || !self.put(Job::Tell { name: *name }) {
            self.shared.observer.told(false);
        }
    }

    fn note(&self, fate: Fate, counted: &Counted, learner: Learner) {
        if self.shared.standing() == Standing::Lost || !self.put(Job::Note { fate, counted: *counted, learner }) {
            self.shared.observer.counted(false);
        }
    }

    fn count_requests(&self) -> bool {
        self.shared.standing() == Standing::Prompt && self.shared.counts.load(Ordering::Relaxed)
    }

    fn spend(&self, name: &Name, spender: Spender) {
        if self.shared.standing() == Standing::Lost {
            return;
        }
        let mut spent = self.shared.spent();
        let is_first = spent.is_empty();
        if let Some(known) = spent.get_mut(name) {
            known.requests += 1;
        } else if spent.len() < MOST_SPENDERS {
            spent.insert(*name, Spent { requests: 1, spender });
        }
        drop(spent);
        if is_first {
            self.thread().inspect(Thread::unpark);
        }
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.stop();
    }
}
