//! What operators say to a running server, and what it answers.
//!
//! * [`message`]: a command and its answer, as bytes;
//! * [`socket`]: where a server hears commands.

mod message;
mod socket;

pub use message::{Command, Reply};
pub use socket::{Listener, Socket};
