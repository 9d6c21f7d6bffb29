//! Requests of several threads in every order of events: `make models`.

use loom::sync::Arc;
use loom::thread;

use super::*;

impl Queue {
    fn new() -> Queue {
        let history = || History {
            served: AtomicU64::new(0),
            failures: Count::default(),
            waiting: AtomicU32::new(0),
            running: AtomicU32::new(0),
        };
        let ticket = || Ticket {
            holder: RobustMutex::default(),
            digest: Default::default(),
            network: AtomicU64::new(0),
            account: AtomicU64::new(0),
            came: AtomicU64::new(0),
            state: AtomicU32::new(FREE),
        };
        Queue {
            mutex: RobustMutex::default(),
            clock: AtomicU64::new(0),
            swept: AtomicU64::new(0),
            used: AtomicU64::new(0),
            turns: AtomicU32::new(0),
            histories: std::array::from_fn(|_| history()),
            tickets: std::array::from_fn(|_| ticket()),
        }
    }
}

const ONE_SLOT: Limits = Limits { slots: 1, waiting: 2, suspects: 1 };

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

/// Runs two requests at once and returns how many computed; never both in the one slot.
fn computed_of(numbers: [u64; 2]) -> usize {
    let queue = Arc::new(Queue::new());
    let running = Arc::new(AtomicU32::new(0));
    let threads = numbers.map(|number| {
        let (queue, running) = (Arc::clone(&queue), Arc::clone(&running));
        thread::spawn(move || match queue.admit(&request(number), ONE_SLOT, far()) {
            Admission::Compute(mut slot) => {
                assert_eq!(running.fetch_add(1, Ordering::SeqCst), 0, "two hashes in one slot");
                running.fetch_sub(1, Ordering::SeqCst);
                slot.settle(true);
                1
            }
            Admission::LookAgain => 0,
            Admission::Refused => panic!("there is room for both"),
        })
    });
    let computed = threads.into_iter().map(|thread| thread.join().unwrap_or(9)).sum();
    assert_eq!(queue.now(), (0, 0), "nothing is left behind");
    computed
}

#[test]
fn different_credentials_compute_one_after_the_other() {
    check(|| assert_eq!(computed_of([1, 2]), 2));
}

#[test]
fn of_requests_with_one_credential_each_computes_or_is_told_to_look_again() {
    check(|| assert!((1..=2).contains(&computed_of([1, 1]))));
}
