//! Answers that are sent two seconds late, with no worker waiting: the bytes and the socket are handed to one thread of the child,
//! which ends the connection.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::BorrowedFd;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{ffi::c_char, ffi::c_int, slice, thread};

use esauth_engine::threads::without_signals;
use rustix::process::{Resource, getrlimit};

use crate::httpd::bindings::{esauth_answer_late, esauth_register_late};
use crate::httpd::boundary::guard;
use crate::httpd::pool::Pool;
use crate::httpd::request::Request;

/// How late an answer is sent; and how long the socket then stays open for a client that is still sending: closing it at once
/// would take the answer from the client.
const DELAY: Duration = Duration::from_secs(2);
/// Most sockets kept; more answers are sent at once.
const MOST: usize = 2048;

/// A connection that httpd has left to us.
struct Connection {
    socket: TcpStream,
    due: Instant,
    /// Empty once it was sent.
    answer: Vec<u8>,
}

#[derive(Default)]
struct Late {
    /// By time due, as all wait equally long.
    connections: VecDeque<Connection>,
    has_thread: bool,
}

static LATE: Mutex<Late> = Mutex::new(Late { connections: VecDeque::new(), has_thread: false });
static COMES: Condvar = Condvar::new();

fn late() -> MutexGuard<'static, Late> {
    LATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Registers the filter that this needs. For the time when a module registers its hooks.
///
/// # Safety
///
/// This is that time, in httpd's only thread.
pub(crate) unsafe fn register() {
    // SAFETY: as the caller promises; a function of the right type.
    unsafe { esauth_register_late(Some(take_over)) }
}

/// Sends what is left when the child ends, whose pool this is.
pub(crate) fn send_all_with(child: Pool<'_>) {
    struct Rest;
    impl Drop for Rest {
        fn drop(&mut self) {
            for mut connection in std::mem::take(&mut late().connections) {
                connection.send();
            }
        }
    }
    child.keep(Rest);
}

/// Has the answer to the request sent late and its connection closed, if that can be.
pub(crate) fn answer_late(request: Request<'_>) {
    // SAFETY: a live request of this thread, as is its connection.
    unsafe { esauth_answer_late(request.as_ptr()) };
}

unsafe extern "C" fn take_over(socket: c_int, bytes: *const c_char, size: usize) -> c_int {
    guard(0, || {
        // SAFETY: the caller's socket and bytes, which stay meanwhile.
        let (socket, answer) =
            unsafe { (BorrowedFd::borrow_raw(socket), slice::from_raw_parts(bytes.cast::<u8>(), size)) };
        let Ok(socket) = socket.try_clone_to_owned() else { return 0 };
        let connection = Connection { socket: socket.into(), due: Instant::now() + DELAY, answer: answer.to_vec() };
        c_int::from(late().take(connection))
    })
}

impl Late {
    fn take(&mut self, connection: Connection) -> bool {
        // httpd needs descriptors, too.
        let descriptors = getrlimit(Resource::Nofile).current.map_or(MOST, |most| most as usize / 4);
        if self.connections.len() >= descriptors.min(MOST) {
            return false;
        }
        if !self.has_thread {
            let builder = thread::Builder::new().name("esauth-late".into()).stack_size(64 * 1024);
            self.has_thread = without_signals(|| builder.spawn(|| guard((), send_when_due))).is_ok();
        }
        if self.has_thread {
            self.connections.push_back(connection);
            COMES.notify_one();
        }
        self.has_thread
    }

    fn send_first(&mut self) {
        let Some(mut connection) = self.connections.pop_front() else { return };
        if connection.send() {
            self.connections.push_back(connection);
        }
    }
}

fn send_when_due() {
    let mut late = late();
    loop {
        let wait = late.connections.front().map(|first| first.due.saturating_duration_since(Instant::now()));
        late = match wait {
            None => COMES.wait(late).unwrap_or_else(PoisonError::into_inner),
            Some(Duration::ZERO) => {
                late.send_first();
                late
            }
            Some(wait) => COMES.wait_timeout(late, wait).unwrap_or_else(PoisonError::into_inner).0,
        }
    }
}

impl Connection {
    /// Sends the answer and ends the connection. True if the client is still sending, so that it must stay open for a while.
    fn send(&mut self) -> bool {
        let answer = std::mem::take(&mut self.answer);
        if answer.is_empty() {
            self.discard_input();
            return false;
        }
        self.due = Instant::now() + DELAY;
        // The socket's buffer is empty: it takes all of it, or the client has gone.
        self.socket.set_nonblocking(true).is_ok()
            && self.socket.write_all(&answer).is_ok()
            && self.socket.shutdown(Shutdown::Write).is_ok()
            && self.discard_input() > 0
    }

    /// Reads away what has come, up to 64 KiB. Returns the number of bytes.
    fn discard_input(&mut self) -> usize {
        let mut waste = [0; 4096];
        (0..16).map_while(|_| self.socket.read(&mut waste).ok().filter(|&size| size > 0)).sum()
    }
}
