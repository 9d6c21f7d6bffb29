//! Random numbers of the system, for keys and salts.

use std::io;

use rustix::rand::{GetRandomFlags, getrandom};

/// Fills `buffer` with random bytes. Fails if the system has none.
pub fn fill_with_random(mut buffer: &mut [u8]) -> io::Result<()> {
    while !buffer.is_empty() {
        let filled = getrandom(&mut *buffer, GetRandomFlags::empty())?;
        buffer = &mut buffer[filled..];
    }
    Ok(())
}
