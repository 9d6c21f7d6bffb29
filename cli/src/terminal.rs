//! Styles on a terminal. If the output is none, or NO_COLOR is set, `anstream` removes the colours.

use std::fmt::Display;
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

fn in_style(style: Style, text: impl Display) -> String {
    format!("{style}{text}{style:#}")
}

/// A good result.
pub(crate) fn good(text: impl Display) -> String {
    in_style(AnsiColor::Green.on_default(), text)
}

/// A bad result.
pub(crate) fn bad(text: impl Display) -> String {
    in_style(AnsiColor::Red.on_default().bold(), text)
}

/// Less important, or skipped.
pub(crate) fn faint(text: impl Display) -> String {
    in_style(Style::new().dimmed(), text)
}

/// A title.
pub(crate) fn strong(text: impl Display) -> String {
    in_style(Style::new().bold(), text)
}

/// Prints everything at once. A reader that has closed the pipe, such as `head`, is no failure.
pub(crate) fn print(text: &str) -> Result<(), String> {
    let mut output = anstream::stdout().lock();
    printed(output.write_all(text.as_bytes()).and_then(|()| output.flush()))
}

/// Prints a value as JSON, piece by piece: it may be long.
pub(crate) fn print_json(value: &impl serde::Serialize) -> Result<(), String> {
    let mut output = io::BufWriter::with_capacity(1 << 16, io::stdout().lock());
    let written = serde_json::to_writer_pretty(&mut output, value).map_err(io::Error::from);
    printed(written.and_then(|()| output.write_all(b"\n")).and_then(|()| output.flush()))
}

fn printed(result: io::Result<()>) -> Result<(), String> {
    match result {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(format!("cannot write the result: {error}")),
        _ => Ok(()),
    }
}

/// `1 user`, `2 users`.
pub(crate) fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}
