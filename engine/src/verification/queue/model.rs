//! Requests of several threads in every order of events: `make models`.

use loom::sync::Arc;
use loom::thread;

use super::super::digest::Digest;
use super::*;

impl Queue {
    fn new() -> Queue {
        Queue {
            mutex: RobustMutex::default(),
            clock: AtomicU64::new(0),
            swept: AtomicU64::new(0),
            used: AtomicU64::new(0),
            turns: AtomicU32::new(0),
            histories: std::array::from_fn(|_| History::default()),
            tickets: std::array::from_fn(|_| Ticket::default()),
        }
    }
}

const ONE_SLOT: Limits = Limits { slots: 1, waiting: 2, suspects: 1 };

/// Up to two preemptions: more take hours.
fn check(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(model);
}

fn request(number: u64) -> Request {
    Request { digest: Some(Digest([number; 3])), network: number, account: number + 1 }
}

fn far() -> Instant {
    Instant::now() + Duration::from_secs(3600)
}

/// A queue with one slot, and the number of hashes that run in it.
#[derive(Clone)]
struct Server {
    queue: Arc<Queue>,
    running: Arc<AtomicU32>,
}

#[derive(Debug, PartialEq, Eq)]
enum Ended {
    Computed,
    LookAgain,
    Refused,
}

impl Server {
    fn new() -> Server {
        Server { queue: Arc::new(Queue::new()), running: Arc::new(AtomicU32::new(0)) }
    }

    fn request(&self, number: u64, limits: Limits, deadline: Instant) -> Ended {
        self.end(self.queue.admit(&request(number), limits, deadline))
    }

    fn end(&self, admission: Admission<'_>) -> Ended {
        match admission {
            Admission::Compute(mut slot) => {
                assert_eq!(self.running.fetch_add(1, Ordering::SeqCst), 0, "two hashes in one slot");
                self.running.fetch_sub(1, Ordering::SeqCst);
                slot.settle(true);
                Ended::Computed
            }
            Admission::LookAgain => Ended::LookAgain,
            Admission::Refused => Ended::Refused,
        }
    }

    /// As a host does whose threads must not wait for one request: asks for its standing at every change.
    fn request_of_a_loop(&self, number: u64) -> Ended {
        let mut slot = self.queue.enter(&request(number), ONE_SLOT).expect("there is room");
        loop {
            let seen = self.queue.turns();
            slot = match slot.poll(far()) {
                Polled::Ended(admission) => return self.end(admission),
                Polled::Waits(slot) => slot,
            };
            self.queue.await_turns(seen, ONE_SLOT);
        }
    }

    /// Makes two requests in threads of their own.
    fn both<T: 'static>(&self, requests: [fn(&Server) -> T; 2]) -> [T; 2] {
        let threads = requests.map(|request| {
            let server = self.clone();
            thread::spawn(move || request(&server))
        });
        threads.map(|thread| thread.join().expect("the model has failed"))
    }

    fn is_empty(&self) -> bool {
        self.queue.now() == (0, 0)
    }
}

#[test]
fn different_credentials_compute_one_after_the_other() {
    check(|| {
        let server = Server::new();
        let ended =
            server.both([|server| server.request(1, ONE_SLOT, far()), |server| server.request(2, ONE_SLOT, far())]);
        assert_eq!(ended, [Ended::Computed, Ended::Computed]);
        assert!(server.is_empty());
    });
}

#[test]
fn of_requests_with_one_credential_each_computes_or_is_told_to_look_again() {
    check(|| {
        let server = Server::new();
        let ended = server.both([|server| server.request(1, ONE_SLOT, far()); 2]);
        assert!(ended.contains(&Ended::Computed) && !ended.contains(&Ended::Refused), "{ended:?}");
        assert!(server.is_empty());
    });
}

#[test]
fn a_loop_that_waits_for_any_change_is_told_of_its_turn() {
    check(|| {
        let server = Server::new();
        let ended = server.both([|server| server.request(1, ONE_SLOT, far()), |server| server.request_of_a_loop(2)]);
        assert_eq!(ended, [Ended::Computed, Ended::Computed]);
        assert!(server.is_empty());
    });
}

#[test]
fn a_request_that_gives_up_as_its_turn_comes_leaves_the_slot_to_the_next() {
    check(|| {
        let server = Server::new();
        let ended = server
            .both([|server| server.request(1, ONE_SLOT, far()), |server| server.request(2, ONE_SLOT, Instant::now())]);
        assert_eq!(ended[0], Ended::Computed);
        assert_ne!(ended[1], Ended::LookAgain);
        assert!(server.is_empty());
        assert_eq!(server.request(3, ONE_SLOT, Instant::now()), Ended::Computed);
    });
}

#[test]
fn where_one_may_wait_one_of_two_is_refused_and_the_other_computes() {
    const ONE_WAITS: Limits = Limits { waiting: 1, ..ONE_SLOT };
    check(|| {
        let server = Server::new();
        let running = server.queue.enter(&request(1), ONE_WAITS);
        let threads = [2, 3].map(|number| {
            let server = server.clone();
            thread::spawn(move || server.request(number, ONE_WAITS, far()))
        });
        drop(running);
        let ended = threads.map(|thread| thread.join().expect("the model has failed"));
        assert!(ended.contains(&Ended::Computed) && !ended.contains(&Ended::LookAgain), "{ended:?}");
        assert!(server.is_empty());
    });
}
