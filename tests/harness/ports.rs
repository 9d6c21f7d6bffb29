//! Ports for servers of tests.

use std::io::Read;
use std::net::{Ipv4Addr, TcpListener, TcpStream};

/// A port of the loopback interface that is handed out once.
///
/// A connection to it was just closed from the server's side, so its state is TIME_WAIT for a minute. Meanwhile the kernel gives
/// it to nobody who asks for any port, but servers, which set `SO_REUSEADDR`, can listen on it.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let mut client = TcpStream::connect(address).unwrap();
    drop(listener.accept().unwrap());
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
    address.port()
}

pub(crate) fn free_ports(count: usize) -> Vec<u16> {
    (0..count).map(|_| free_port()).collect()
}
