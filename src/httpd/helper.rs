//! A process beside httpd's children: forked by the parent, with the rights of the children, and forked again if it dies.
//! The same under every MPM.

use std::ffi::{CStr, c_int, c_void};
use std::io;
use std::mem::zeroed;
use std::ptr::{from_mut, null, null_mut};
use std::time::{Duration, Instant};

use rustix::process::{Signal, getpid, set_parent_process_death_signal};

use crate::httpd::bindings::{
    AP_MPMQ_MPM_STATE, AP_MPMQ_STOPPING, APR_OC_REASON_DEATH, APR_OC_REASON_LOST, ap_close_listeners, ap_mpm_query,
    apr_pool_cleanup_null, apr_pool_cleanup_register, apr_pool_t, apr_proc_other_child_register,
    apr_proc_other_child_unregister, apr_proc_t, apr_status_t,
};
use crate::httpd::boundary::guard;
use crate::httpd::generation;
use crate::httpd::log::{Level, here, log_server};
use crate::httpd::pool::Pool;

/// One that ends sooner is not started again: it would end as soon.
const SHORTEST_LIFE: Duration = Duration::from_secs(1);

/// The process, in the pool of the configuration, which it ends with.
pub(crate) struct Helper {
    /// Its number is 0 while there is none.
    process: apr_proc_t,
    pool: *mut apr_pool_t,
    /// The process that may end and wait for it.
    parent: i32,
    started: Instant,
    /// For the list of processes, and for the log.
    name: &'static CStr,
    work: fn(),
}

impl Helper {
    /// Starts a process that does `work`, and ends if that returns.
    ///
    /// # Safety
    ///
    /// `configuration` is the configuration's pool, and this is the parent's only thread.
    pub(crate) unsafe fn start(configuration: Pool<'_>, name: &'static CStr, work: fn()) -> *mut Helper {
        let pool = configuration.as_ptr();
        let parent = getpid().as_raw_pid();
        let helper = from_mut(configuration.value(Helper {
            // SAFETY: plain C data.
            process: unsafe { zeroed() },
            pool,
            parent,
            started: Instant::now(),
            name,
            work,
        }));
        // SAFETY: a live pool of this thread; the value lives as long as the pool.
        unsafe {
            apr_pool_cleanup_register(pool, helper.cast(), Some(end), Some(apr_pool_cleanup_null));
            start(helper);
        }
        helper
    }

    /// Ends the process and starts another.
    ///
    /// # Safety
    ///
    /// `helper` is from [`Helper::start`], whose pool still lives, and this is the parent's only thread.
    pub(crate) unsafe fn start_again(helper: *mut Helper) {
        // SAFETY: as the caller promises.
        unsafe {
            if (*helper).process.pid > 0 {
                apr_proc_other_child_unregister(helper.cast());
            }
            end(helper.cast());
            start(helper);
        }
    }
}

/// # Safety
///
/// `helper` is alive and has no process, in the parent's only thread.
unsafe fn start(helper: *mut Helper) {
    // SAFETY: as the caller promises. The parent has no other thread, so the new process may do what it likes.
    unsafe {
        match libc::fork() {
            0 => {
                guard((), || become_helper(&*helper));
                libc::_exit(0)
            }
            -1 => {
                let reason = io::Error::last_os_error().to_string();
                log(helper, Level::Error, &[b"cannot be started: ", reason.as_bytes()]);
            }
            process => {
                (*helper).process.pid = process;
                (*helper).started = Instant::now();
                apr_proc_other_child_register(
                    &raw mut (*helper).process,
                    Some(maintain),
                    helper.cast(),
                    null_mut(),
                    (*helper).pool,
                );
            }
        }
    }
}

/// Called in the new process.
fn become_helper(helper: &Helper) {
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

/// True if this process has no more rights than httpd's children.
///
/// # Safety
///
/// This is a new process's only thread.
unsafe fn take_rights_of_children() -> bool {
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
    let helper = helper.cast::<Helper>();
    guard((), || {
        // SAFETY: registered with this value, which lives as long as the configuration, in the parent's only thread.
        unsafe {
            (*helper).process.pid = 0;
            apr_proc_other_child_unregister(helper.cast());
            if is_stopping() {
                return;
            }
            if (*helper).started.elapsed() < SHORTEST_LIFE {
                log(helper, Level::Error, &[b"ended at once, and is started again when httpd is reloaded"]);
            } else {
                log(helper, Level::Warning, &[b"ended, and is started again"]);
                start(helper);
            }
        }
    });
}

fn is_stopping() -> bool {
    let mut state = 0;
    // SAFETY: an output pointer for the answer.
    unsafe { ap_mpm_query(AP_MPMQ_MPM_STATE as c_int, &mut state) != 0 || state == AP_MPMQ_STOPPING as c_int }
}

/// # Safety
///
/// `helper` is alive, and this is the thread of its pool.
unsafe fn log(helper: *const Helper, level: Level, parts: &[&[u8]]) {
    // SAFETY: as the caller promises.
    let (name, pool) = unsafe { ((*helper).name, std::ptr::NonNull::new((*helper).pool).map(|pool| Pool::new(pool))) };
    let Some(pool) = pool else { return };
    let before: [&[u8]; 3] = [b"rust_esauth: the process ", name.to_bytes(), b" "];
    log_server(here!(), level, 0, None, pool, &[&before[..], parts].concat());
}

/// Ends the process, if this one has started it.
unsafe extern "C" fn end(helper: *mut c_void) -> apr_status_t {
    let helper = helper.cast::<Helper>();
    // SAFETY: registered with this value; system calls on this process's child.
    unsafe {
        let process = (*helper).process.pid;
        if process > 0 && (*helper).parent == getpid().as_raw_pid() {
            (*helper).process.pid = 0;
            // It can be killed at any instant, like httpd's children.
            libc::kill(process, libc::SIGKILL);
            libc::waitpid(process, null_mut(), 0);
        }
    }
    0
}
