//! A client of HTTP/2 without TLS, which sends requests as streams of one connection.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use crate::harness::client::credentials;
use crate::harness::memcheck::patience;

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;

const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;

pub(crate) struct Http2 {
    stream: TcpStream,
    last: u32,
    statuses: BTreeMap<u32, u16>,
}

impl Http2 {
    pub(crate) fn open(port: u16) -> Http2 {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(patience(Duration::from_secs(30)))).unwrap();
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
        let mut connection = Http2 { stream, last: 0, statuses: BTreeMap::new() };
        connection.send(SETTINGS, 0, 0, &[]);
        connection
    }

    fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = (payload.len() as u32).to_be_bytes();
        let frame = [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat();
        self.stream.write_all(&frame).unwrap();
    }

    /// Sends a GET request of a client that accepts JSON, and returns its stream.
    pub(crate) fn get(&mut self, path: &str, user: Option<(&str, &str)>) -> u32 {
        // Strings of less than 127 bytes, not indexed and as they are.
        let text = |text: &str| [&[text.len() as u8], text.as_bytes()].concat();
        let mut block = vec![0x82, 0x86, 0x04];
        block.extend(text(path));
        block.push(0x01);
        block.extend(text("localhost"));
        block.push(0x00);
        block.extend(text("accept"));
        block.extend(text("application/json"));
        if let Some((user, password)) = user {
            block.push(0x00);
            block.extend(text("authorization"));
            block.extend(text(&format!("Basic {}", credentials(user, password))));
        }
        self.last = if self.last == 0 { 1 } else { self.last + 2 };
        self.send(HEADERS, END_STREAM | END_HEADERS, self.last, &block);
        self.last
    }

    /// Gives up a request.
    pub(crate) fn reset(&mut self, stream: u32) {
        self.send(RST_STREAM, 0, stream, &8_u32.to_be_bytes());
    }

    /// The status of the answer on a stream; 0: the server has reset it.
    pub(crate) fn status(&mut self, stream: u32) -> u16 {
        while !self.statuses.contains_key(&stream) {
            let mut head = [0; 9];
            self.stream.read_exact(&mut head).unwrap();
            let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
            self.stream.read_exact(&mut payload).unwrap();
            let on = u32::from_be_bytes([head[5] & 0x7f, head[6], head[7], head[8]]);
            match head[3] {
                HEADERS => {
                    self.statuses.insert(on, status(&payload));
                }
                RST_STREAM => {
                    self.statuses.entry(on).or_insert(0);
                }
                PING if head[4] & ACK == 0 => self.send(PING, ACK, 0, &payload),
                GOAWAY => panic!("the server ends the connection: {payload:?}"),
                _ => {}
            }
        }
        self.statuses[&stream]
    }
}

/// The status in a block of headers as nginx writes it: first, by its index or as plain digits.
fn status(block: &[u8]) -> u16 {
    // Behind a new size of the table.
    let block = if block[0] & 0xe0 == 0x20 { &block[1..] } else { block };
    match block[0] {
        0x88 => 200,
        0x8c => 400,
        0x8d => 404,
        0x8e => 500,
        0x48 => String::from_utf8_lossy(&block[2..5]).parse().unwrap(),
        other => panic!("status {other:#x}"),
    }
}
