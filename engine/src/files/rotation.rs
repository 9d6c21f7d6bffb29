//! Two passwords for one user, for a while: a comment that this module reads and all other programs skip.
//!
//! `#esauth-also until 2026-12-31T00:00:00Z alice:NEW:OLD`: until then, the password of the hash OLD admits alice, too. The
//! line counts only while the hash of alice's own line is NEW, so that a change by any program ends it.

use std::fmt;

use super::lines::is_space;
use crate::clock::wall_seconds;

/// The beginning of a line that is meant as a rotation.
const MARK: &[u8] = b"#esauth-also";

/// A rotation's line, as parts of its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation<'a> {
    /// When it ends, in seconds of Unix time.
    pub until: u64,
    /// The user.
    pub user: &'a [u8],
    /// The hash that the user's own line must have.
    pub new: &'a [u8],
    /// The hash that counts, too.
    pub old: &'a [u8],
    /// `new:old`, as in the text.
    pub both: &'a [u8],
}

impl<'a> Rotation<'a> {
    /// True if a line is meant as a rotation.
    pub(super) fn is_meant(line: &[u8]) -> bool {
        line.strip_prefix(MARK).is_some_and(|rest| rest.first().is_none_or(|&byte| is_space(byte)))
    }

    /// Reads a line. `None` if it is not a complete rotation.
    pub fn parse(line: &'a [u8]) -> Option<Rotation<'a>> {
        let rest = line.strip_prefix(MARK)?.strip_prefix(b" until ")?;
        let blank = rest.iter().position(|&byte| byte == b' ')?;
        let until = seconds(&rest[..blank])?;
        let fields = &rest[blank + 1..];
        let mut colons = fields.iter().enumerate().filter(|&(_, &byte)| byte == b':').map(|(at, _)| at);
        let (first, second) = (colons.next()?, colons.next()?);
        let (user, new, old) = (&fields[..first], &fields[first + 1..second], &fields[second + 1..]);
        let is_hash = |hash: &[u8]| !hash.is_empty() && !hash.iter().any(|&byte| is_space(byte) || byte == b':');
        (is_hash(new) && is_hash(old)).then_some(Rotation { until, user, new, old, both: &fields[first + 1..] })
    }

    /// The line of a rotation, without its line end.
    pub fn line(until: u64, user: &[u8], new: &[u8], old: &[u8]) -> Vec<u8> {
        [MARK, format!(" until {} ", Moment(until)).as_bytes(), user, b":", new, b":", old].concat()
    }

    /// True if its time has come.
    pub fn has_ended(&self) -> bool {
        wall_seconds() >= self.until
    }
}

/// A moment in seconds of Unix time, displayed like `2026-12-31T00:00:00Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment(pub u64);

impl fmt::Display for Moment {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, second) = (self.0 / 86_400, self.0 % 86_400);
        // The reverse of `days_until`, by years that begin with March.
        let shifted = days + 719_468;
        let (era, of_era) = (shifted / 146_097, shifted % 146_097);
        let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month = (5 * of_year + 2) / 153;
        let day = of_year - (153 * month + 2) / 5 + 1;
        let month = if month < 10 { month + 3 } else { month - 9 };
        let year = year_of_era + era * 400 + u64::from(month <= 2);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(to, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

/// Unix time of a text like `2026-12-31T00:00:00Z`, from 1970 on.
fn seconds(text: &[u8]) -> Option<u64> {
    const FORM: &[u8; 20] = b"0000-00-00T00:00:00Z";
    let has_form = text.len() == FORM.len()
        && text.iter().zip(FORM).all(|(byte, form)| if *form == b'0' { byte.is_ascii_digit() } else { byte == form });
    if !has_form {
        return None;
    }
    let number =
        |from: usize, to: usize| text[from..to].iter().fold(0, |sum, &digit| sum * 10 + u64::from(digit - b'0'));
    let (year, month, day) = (number(0, 4), number(5, 7), number(8, 10));
    let (hour, minute, second) = (number(11, 13), number(14, 16), number(17, 19));
    let is_time = (1970..).contains(&year) && (1..=12).contains(&month) && hour < 24 && minute < 60 && second < 60;
    if !is_time || day == 0 || day > days_of(year, month) {
        return None;
    }
    Some(((days_until(year, month, day) * 24 + hour) * 60 + minute) * 60 + second)
}

fn days_of(year: u64, month: u64) -> u64 {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 => 28 + u64::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01, by years that begin with March: then a leap day is the last of its year.
fn days_until(year: u64, month: u64, day: u64) -> u64 {
    let year = year - u64::from(month <= 2);
    let month = (month + 9) % 12;
    365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "what fails while a test is set up fails the test")]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_as_it_was_written() {
        let line = Rotation::line(1_798_675_200, b"al ice", b"$2y$new", b"$apr1$old");
        assert_eq!(line, b"#esauth-also until 2026-12-31T00:00:00Z al ice:$2y$new:$apr1$old");
        let expected = Rotation {
            until: 1_798_675_200,
            user: b"al ice",
            new: b"$2y$new",
            old: b"$apr1$old",
            both: b"$2y$new:$apr1$old",
        };
        assert_eq!(Rotation::parse(&line), Some(expected));
    }

    #[test]
    fn an_incomplete_line_is_meant_and_not_read() {
        for line in [
            "#esauth-also",
            "#esauth-also alice:new:old",
            "#esauth-also until 2026-12-31 alice:new:old",
            "#esauth-also until 2026-02-29T00:00:00Z alice:new:old",
            "#esauth-also until 2026-12-31T24:00:00Z alice:new:old",
            "#esauth-also until 1969-12-31T00:00:00Z alice:new:old",
            "#esauth-also until 2026-12-31T00:00:00Z alice:new",
            "#esauth-also until 2026-12-31T00:00:00Z alice:new:",
            "#esauth-also until 2026-12-31T00:00:00Z alice::old",
            "#esauth-also until 2026-12-31T00:00:00Z alice:new:old:older",
            "#esauth-also until 2026-12-31T00:00:00Z alice:new:old # why",
        ] {
            assert!(Rotation::is_meant(line.as_bytes()), "{line}");
            assert_eq!(Rotation::parse(line.as_bytes()), None, "{line}");
        }
        for line in ["#esauth-alsowise", "# esauth-also", "esauth-also", "#"] {
            assert!(!Rotation::is_meant(line.as_bytes()), "{line}");
        }
    }

    #[test]
    fn moments_are_written_and_read_alike() {
        for (text, unix) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T23:59:59Z", 951_868_799),
            ("2100-03-01T00:00:00Z", 4_107_542_400),
            ("9999-12-31T23:59:59Z", 253_402_300_799),
        ] {
            assert_eq!((Moment(unix).to_string().as_str(), seconds(text.as_bytes())), (text, Some(unix)));
        }
        for day in (0..200_000).step_by(13) {
            let moment = day * 86_400 + day % 86_400;
            assert_eq!(seconds(Moment(moment).to_string().as_bytes()), Some(moment));
        }
    }
}
