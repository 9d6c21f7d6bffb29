//! A process beside httpd's children: forked by the parent, with the rights of the children, and forked again if it dies.
//! The same under every MPM.

use std::cell::Cell;
use std::ffi::{CStr, c_int, c_void};
use std::io;
use std::mem::zeroed;
use std::ptr::{from_ref, null, null_mut};
use std::time::{Duration, Instant};

use rustix::process::{Signal, getpid, set_parent_process_death_signal};

use crate::httpd::bindings::{
    APR_OC_REASON_DEATH, APR_OC_REASON_LOST, ap_close_listeners, apr_pool_cleanup_null, apr_pool_cleanup_register,
    apr_proc_other_child_register, apr_proc_other_child_unregister, apr_proc_t, apr_status_t,
};
use crate::httpd::boundary::guard;
use crate::httpd::generation;
use crate::httpd::log::{Level, here, log_server};
use crate::httpd::pool::{ConfigurationPool, Pool, ProcessPool};
use crate::httpd::server::is_stopping;

/// One that ends sooner is not started again: it would end as soon.
const SHORTEST_LIFE: Duration = Duration::from_secs(1);

/// The process, in the pool of the configuration, which it ends with. All but its work is done by the parent's only thread.
pub(crate) struct Helper<'p> {
    /// Its number is 0 while there is none.
    process: Cell<apr_proc_t>,
    pool: Pool<'p>,
    /// The process that may end and wait for it.
    parent: i32,
    started: Cell<Instant>,
    /// For the list of processes, and for the log.
    name: &'static CStr,
    work: fn(),
}

impl<'p> Helper<'p> {
    /// Starts a process that does `work`, and ends if that returns.
    pub(crate) fn start(configuration: ConfigurationPool<'p>, name: &'static CStr, work: fn()) -> &'p Helper<'p> {
        let helper: &Helper<'p> = configuration.value(Helper {
            // SAFETY: plain C data.
            process: Cell::new(unsafe { zeroed() }),
            pool: *configuration,
            parent: getpid().as_raw_pid(),
            started: Cell::new(Instant::now()),
            name,
            work,
        });
        // SAFETY: a live pool of this thread; the value lives as long as the pool.
        unsafe {
            apr_pool_cleanup_register(configuration.as_ptr(), helper.data(), Some(end), Some(apr_pool_cleanup_null));
        }
        helper.fork();
        helper
    }

    /// Ends the process and starts another.
    pub(crate) fn start_again(&self, _parent: ProcessPool<'_>) {
        if self.process.get().pid > 0 {
            self.unregister();
        }
        self.kill();
        self.fork();
    }

    /// What httpd passes to [`maintain`] and [`end`].
    fn data(&self) -> *mut c_void {
        from_ref(self).cast_mut().cast()
    }

    fn set_number(&self, number: i32) {
        self.process.set(apr_proc_t { pid: number, ..self.process.get() });
    }

    /// For the time when there is no process.
    fn fork(&self) {
        // SAFETY: the parent has no other thread, so the new process may do what it likes. The value lives as long as the
        // pool, whose end ends the registration.
        unsafe {
            match libc::fork() {
                0 => {
                    guard((), || become_helper(self));
                    libc::_exit(0)
                }
                -1 => {
                    let reason = io::Error::last_os_error().to_string();
                    self.log(Level::Error, &[b"cannot be started: ", reason.as_bytes()]);
                }
                process => {
                    self.set_number(process);
                    self.started.set(Instant::now());
                    let (data, pool) = (self.data(), self.pool.as_ptr());
                    apr_proc_other_child_register(self.process.as_ptr(), Some(maintain), data, null_mut(), pool);
                }
            }
        }
    }

    fn unregister(&self) {
        // SAFETY: registered in `fork`.
        unsafe { apr_proc_other_child_unregister(self.data()) };
    }

    /// Ends the process, if this one has started it.
    fn kill(&self) {
        let process = self.process.get().pid;
        if process > 0 && self.parent == getpid().as_raw_pid() {
            self.set_number(0);
            // SAFETY: system calls on this process's child. It can be killed at any instant, like httpd's children.
            unsafe {
                libc::kill(process, libc::SIGKILL);
                libc::waitpid(process, null_mut(), 0);
            }
        }
    }

    fn log(&self, level: Level, parts: &[&[u8]]) {
        let before: [&[u8]; 3] = [b"rust_esauth: the process ", self.name.to_bytes(), b" "];
        log_server(here!(), level, 0, None, self.pool, &[&before[..], parts].concat());
    }
}

/// Called in the new process.
fn become_helper(helper: &Helper<'_>) {
    // SAFETY: system calls, and httpd's function to close its sockets, in a process with one thread.
    let is_ready = unsafe {
        ap_close_listeners();
        for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGCHLD, libc::SIGALRM] {
            libc::signal(signal, libc::SIG_DFL);
        }
        // What they mean is the parent's to decide.
        for signal in [libc::SIGHUP, libc::SIGUSR1, libc::SIGWINCH, libc::SIGPIPE] {
            libc::signal(signal, libc::SIG_IGN);
        }
        let mut none = zeroed();
        libc::sigemptyset(&mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &none, null_mut());
        libc::prctl(libc::PR_SET_NAME, helper.name.as_ptr());
        take_rights_of_children()
            // Forgotten when a process changes its user, so set after that.
            && set_parent_process_death_signal(Some(Signal::KILL)).is_ok()
            && libc::getppid() == helper.parent
    };
    if is_ready {
        (helper.work)();
    }
}

/// True if this process has no more rights than httpd's children. For a process with one thread.
fn take_rights_of_children() -> bool {
    let (user, group) = generation::run_user();
    // SAFETY: system calls.
    unsafe {
        libc::geteuid() != 0 || libc::setgroups(0, null()) == 0 && libc::setgid(group) == 0 && libc::setuid(user) == 0
    }
}

/// Called by httpd when something happened to the process.
unsafe extern "C" fn maintain(reason: c_int, helper: *mut c_void, _status: c_int) {
    let is_over = [APR_OC_REASON_DEATH, APR_OC_REASON_LOST].contains(&(reason as u32));
    if !is_over {
        return;
    }
    guard((), || {
        // SAFETY: registered with this value, which lives as long as the configuration.
        let helper = unsafe { &*helper.cast::<Helper<'_>>() };
        helper.set_number(0);
        helper.unregister();
        if is_stopping() {
            return;
        }
        if helper.started.get().elapsed() < SHORTEST_LIFE {
            helper.log(Level::Error, &[b"ended at once, and is started again when httpd is reloaded"]);
        } else {
            helper.log(Level::Warning, &[b"ended, and is started again"]);
            helper.fork();
        }
    });
}

/// Called by APR when the pool is about to be cleared.
unsafe extern "C" fn end(helper: *mut c_void) -> apr_status_t {
    guard((), || {
        // SAFETY: registered with this value, which lives as long as the pool.
        unsafe { &*helper.cast::<Helper<'_>>() }.kill();
    });
    0
}
