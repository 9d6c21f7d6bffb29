//! Restarts, graceful or not, under load.

use super::*;

#[test]
fn a_running_server_that_loads_the_module_at_a_restart_answers_as_one_started_with_it() {
    for restart in [Httpd::restart, Httpd::graceful] {
        // The stock modules stay, as with `a2enmod`.
        let server = start(Mpm::usual(), STOCK, false, "LogLevel info");
        assert_eq!(status(&server, "alice", "secret"), 200);
        let path = server.folder().join("httpd.conf");
        let configuration = fs::read_to_string(&path).unwrap();
        fs::write(&path, Installation::get().load_ours() + &configuration).unwrap();
        restart(&server);
        assert_eq!(status(&server, "alice", "secret"), 200);
        assert_eq!(server.lines_with(" answers for HTTP Basic authentication, beside mod_auth_basic"), 1);
        assert_eq!(status(&server, "alice", "wrong"), 401);
        restart(&server);
        assert_eq!(status(&server, "alice", "secret"), 200);
    }
}

/// Each takes seconds under Valgrind, and finds any fault at once.
fn restarts() -> usize {
    if memcheck::is_wanted() { 6 } else { 100 }
}

#[test]
fn a_hundred_under_event_lose_nothing_and_leak_nothing() {
    a_hundred_restarts(Mpm::Event);
}

#[test]
fn a_hundred_under_worker_lose_nothing_and_leak_nothing() {
    a_hundred_restarts(Mpm::Worker);
}

#[test]
fn a_hundred_under_prefork_lose_nothing_and_leak_nothing() {
    a_hundred_restarts(Mpm::Prefork);
}

/// The same load and the same restarts for a stock server and one with ours, side by side.
fn a_hundred_restarts(mpm: Mpm) {
    if mpm.is_missing() {
        return;
    }
    let mut stock = start(mpm, STOCK, false, "LogLevel notice");
    let mut ours = start(mpm, &[], true, "LogLevel notice");
    let (stock_load, ours_load) = (Load::begin(stock.port()), Load::begin(ours.port()));
    let mut sizes = Vec::new();
    let restarts = restarts();
    for count in 1..=restarts {
        for server in [&stock, &ours] {
            server.begin_graceful_restart();
        }
        for server in [&stock, &ours] {
            // A signal would be lost if it came while the previous one is being handled.
            wait_for("a graceful restart", || restarted(server, count));
        }
        sleep(Duration::from_millis(60));
        if count == restarts / 2 || count == restarts {
            sizes.push((Size::settled(stock.parent()), Size::settled(ours.parent())));
        }
    }
    let (stock_losses, ours_losses) = (stock_load.end(), ours_load.end());
    assert!(stock.stop().success() && ours.stop().success(), "{mpm:?}: the servers end in order");

    println!("{mpm:?}: stock {stock_losses:?}\n{mpm:?}: ours {ours_losses:?}\n{mpm:?}: sizes {sizes:?}");
    assert_eq!(ours_losses.wrong, 0, "{mpm:?}: answers with a wrong status: {:?}", ours_losses.examples);
    // Under Valgrind, pace and memory are Valgrind's.
    if !memcheck::is_wanted() {
        assert_no_worse(mpm, &stock_losses, &ours_losses);
        let [(stock_before, ours_before), (stock_after, ours_after)] = sizes[..] else { panic!("two measurements") };
        assert_no_growth(mpm, [stock_before, stock_after], [ours_before, ours_after]);
    }
    for crash in ["AH00051", "AH00052", "AH00050", "panicked", "double free", "rust_esauth: internal error"] {
        let lines = logged(&ours, crash);
        assert!(lines.is_empty(), "{mpm:?}: {lines:?}");
    }
    let raw = String::from_utf8_lossy(&ours.error_log()).into_owned();
    assert!(!raw.contains("panicked"), "{mpm:?}: a panic in the log:\n{raw}");
}

/// One "resuming normal operations" at the start, and one after each restart.
fn restarted(server: &Httpd, count: usize) -> bool {
    logged(server, "resuming normal operations").len() > count
}

fn assert_no_worse(mpm: Mpm, stock: &Losses, ours: &Losses) {
    // A load with hardly any requests would prove nothing. 2.2's worker has few spare children while the old ones
    // take seconds to end.
    let enough = if Installation::get().is_22() { 300 } else { 2000 };
    for (name, losses) in [("stock", stock), ("ours", ours)] {
        assert!(losses.answered > enough, "{mpm:?}: only {} requests were answered by {name}", losses.answered);
    }
    assert!(
        ours.lost <= stock.lost,
        "{mpm:?}: ours lost {} of {}, stock {} of {}: {:?}",
        ours.lost,
        ours.answered + ours.lost,
        stock.lost,
        stock.answered + stock.lost,
        ours.examples
    );
}

/// Growth of httpd itself is allowed.
fn assert_no_growth(mpm: Mpm, stock: [Size; 2], ours: [Size; 2]) {
    const SLACK_KIB: u64 = 64;
    let grown = |[before, after]: [Size; 2]| after.memory_kib.saturating_sub(before.memory_kib);
    assert!(
        grown(ours) <= grown(stock) + SLACK_KIB,
        "{mpm:?}: the parent grew by {} KiB in 50 restarts, stock's by {} KiB",
        grown(ours),
        grown(stock)
    );
    let [before, after] = ours;
    assert!(
        after.descriptors <= before.descriptors,
        "{mpm:?}: descriptors {} -> {}",
        before.descriptors,
        after.descriptors
    );
    assert!(after.mappings <= before.mappings + 2, "{mpm:?}: mappings {} -> {}", before.mappings, after.mappings);
}
