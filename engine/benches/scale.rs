//! Cost of size, without httpd: `cargo bench --bench scale`.
//!
//! Loads password files of one to a million bcrypt users, and group files of one to a million members, and looks up
//! users in them, a different one each time. `ESAUTH_SCALE_JSON=FILE` writes the numbers to a file, for the chart.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "what fails while a benchmark is set up ends it")]

use std::ffi::CString;
use std::fmt::Write;
use std::fs;
use std::hint::black_box;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use esauth_engine::{Groups, LineRules, Parse, Passwords, Source};

const SIZES: [usize; 7] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000];

const LOOK_UPS: usize = 50_000;

/// Measurements for one size.
struct Row {
    entries: usize,
    file_bytes: usize,
    /// Memory of the snapshot divided by size of the file.
    memory_ratio: f64,
    load: Duration,
    look_up: Duration,
}

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let users: Vec<Row> = SIZES.map(|size| password_file(folder.path(), size)).into();
    print("users", &users);
    let members: Vec<Row> = SIZES.map(|size| group_file(folder.path(), &[size])).into();
    print("members of one group", &members);
    let groups: Vec<Row> = SIZES[..6].iter().map(|&size| group_file(folder.path(), &vec![10; size])).collect();
    print("groups of 10", &groups);
    if let Some(path) = std::env::var_os("ESAUTH_SCALE_JSON") {
        let all = [("users", users), ("members", members), ("groups", groups)];
        fs::write(path, json(&all)).expect("the file for the numbers can be written");
    }
}

fn password_file(folder: &Path, users: usize) -> Row {
    let mut text = String::new();
    for number in 0..users {
        // No two lines share a prefix, so that a lookup takes as long as among real hashes.
        let salt = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        writeln!(text, "user{number:07}:$2y$10${salt:022x}{:031x}", salt.rotate_left(23)).unwrap();
    }
    let names: Vec<String> = (0..users).map(|number| format!("user{number:07}")).collect();
    measure(folder, &text, &names, Passwords::memory, |file: &Passwords, name| {
        assert!(file.stored_hash(name.as_bytes()).is_some());
    })
}

/// A file with a group for each of `sizes`, with that many members.
fn group_file(folder: &Path, sizes: &[usize]) -> Row {
    let mut text = String::new();
    let mut names = Vec::new();
    for (number, &size) in sizes.iter().enumerate() {
        // Each group takes as many lines as needed to stay below httpd's longest line.
        for line in 0..size.div_ceil(100_000) {
            write!(text, "group{number}:").unwrap();
            for member in line * 100_000..size.min((line + 1) * 100_000) {
                names.push(format!("user{number}x{member}"));
                write!(text, " {}", names[names.len() - 1]).unwrap();
            }
            text.push('\n');
        }
    }
    measure(folder, &text, &names, Groups::memory, |file: &Groups, name| {
        let group = format!("group{}", &name[4..name.find('x').unwrap()]);
        assert!(file.of(name.as_bytes()).expect("a member").contains(group.as_bytes()));
    })
}

fn measure<T: Parse>(
    folder: &Path,
    text: &str,
    names: &[String],
    memory: impl Fn(&T) -> usize,
    look_up: impl Fn(&T, &str),
) -> Row {
    let path = folder.join("file");
    let c_path = CString::new(path.as_os_str().as_bytes()).unwrap();
    let mut loads: Vec<Duration> = (0..5)
        .map(|_| {
            fs::write(&path, text).unwrap();
            // A fresh file is read again for a while, which is not measured here.
            sleep(Duration::from_millis(50));
            let source: Source<T> = Source::new(&c_path, LineRules::Httpd24, Arc::default());
            let began = Instant::now();
            black_box(source.current().snapshot.is_ok());
            began.elapsed()
        })
        .collect();
    loads.sort_unstable();
    let source: Source<T> = Source::new(&c_path, LineRules::Httpd24, Arc::default());
    let file = source.current().snapshot.expect("the file can be read");
    let mut look_ups: Vec<Duration> = (0..9)
        .map(|round| {
            // The stride reaches every name, each far from the one before; other names in every round.
            let number = |turn: usize| (round * LOOK_UPS + turn).wrapping_mul(7_368_787) % names.len();
            let asked: Vec<String> = (0..LOOK_UPS).map(|turn| names[number(turn)].clone()).collect();
            let began = Instant::now();
            asked.iter().for_each(|name| look_up(&file, name));
            began.elapsed() / LOOK_UPS as u32
        })
        .collect();
    look_ups.sort_unstable();
    Row {
        entries: names.len(),
        file_bytes: text.len(),
        memory_ratio: memory(&file) as f64 / text.len() as f64,
        load: loads[loads.len() / 2],
        look_up: look_ups[look_ups.len() / 2],
    }
}

fn print(what: &str, rows: &[Row]) {
    println!("{what:>22} {:>12} {:>12} {:>10} {:>12} {:>10}", "file, bytes", "memory ratio", "load", "MB/s", "look-up");
    for row in rows {
        let Row { entries, file_bytes, memory_ratio, load, look_up } = row;
        let rate = *file_bytes as f64 / load.as_secs_f64() / 1e6;
        println!("{entries:>22} {file_bytes:>12} {memory_ratio:>12.2} {load:>10.1?} {rate:>12.0} {look_up:>10.1?}");
    }
}

fn json(all: &[(&str, Vec<Row>)]) -> String {
    let tables: Vec<String> = all
        .iter()
        .map(|(name, rows)| {
            let rows: Vec<String> = rows
                .iter()
                .map(|row| {
                    format!(
                        r#"{{"entries": {}, "file_bytes": {}, "memory_ratio": {:.4}, "load_seconds": {:.6}, "look_up_ns": {}}}"#,
                        row.entries,
                        row.file_bytes,
                        row.memory_ratio,
                        row.load.as_secs_f64(),
                        row.look_up.as_nanos()
                    )
                })
                .collect();
            format!("\"{name}\": [{}]", rows.join(", "))
        })
        .collect();
    format!("{{{}}}\n", tables.join(", "))
}
