//! Clients that send requests almost without pause, and count their losses.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::harness::client::{Connection, Request};

/// Results of the requests.
#[derive(Debug, Default)]
pub(crate) struct Losses {
    /// With the right status.
    pub(crate) answered: usize,
    /// With another status.
    pub(crate) wrong: usize,
    /// Without a complete answer, although the connection was new or had begun to answer.
    pub(crate) lost: usize,
    /// Connections that the server closed between two requests, as it may; the client asked again on a new one.
    pub(crate) reopened: usize,
    pub(crate) examples: Vec<String>,
}

pub(crate) struct Load {
    ends: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Losses>>,
}

impl Load {
    /// Starts clients of both kinds: with a connection for each request, and with one for many.
    pub(crate) fn begin(port: u16) -> Self {
        let ends = Arc::new(AtomicBool::new(false));
        let clients = [false, false, true, true];
        let clients = clients.map(|keeps_alive| {
            let ends = Arc::clone(&ends);
            thread::spawn(move || client(port, keeps_alive, &ends))
        });
        Load { ends, clients: clients.into() }
    }

    pub(crate) fn end(self) -> Losses {
        self.ends.store(true, Ordering::Relaxed);
        let mut all = Losses::default();
        for client in self.clients {
            let losses = client.join().unwrap();
            all.answered += losses.answered;
            all.wrong += losses.wrong;
            all.lost += losses.lost;
            all.reopened += losses.reopened;
            all.examples.extend(losses.examples);
        }
        all
    }
}

fn client(port: u16, keeps_alive: bool, ends: &AtomicBool) -> Losses {
    let right = Request::get("/file.txt").header("Host: localhost").basic("alice", "secret");
    let wrong = Request::get("/file.txt").header("Host: localhost").basic("alice", "wrong");
    let mut losses = Losses::default();
    let mut kept: Option<Connection> = None;
    for turn in 0.. {
        if ends.load(Ordering::Relaxed) {
            break;
        }
        let (request, expected) = if turn % 4 == 0 { (&wrong, 401) } else { (&right, 200) };
        let used = kept.is_some();
        let connection = kept.take().map_or_else(|| Connection::open(port), Ok);
        let asked = connection.and_then(|mut connection| {
            let answer = match keeps_alive {
                true => connection.ask(request),
                false => connection.ask(&request.clone().header("Connection: close")),
            }?;
            Ok((connection, answer))
        });
        match asked {
            Ok((connection, answer)) => {
                if answer.status == expected {
                    losses.answered += 1;
                } else {
                    losses.wrong += 1;
                    losses.examples.push(format!("{} instead of {expected}", answer.status));
                }
                let closes = answer.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
                if keeps_alive && !closes {
                    kept = Some(connection);
                }
            }
            Err(error) if used && is_a_close(&error) => losses.reopened += 1,
            Err(error) => {
                losses.lost += 1;
                losses.examples.push(error.to_string());
            }
        }
        thread::sleep(Duration::from_millis(2));
    }
    losses
}

fn is_a_close(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), UnexpectedEof | ConnectionReset | BrokenPipe)
}
