//! httpd's error log in a format that a test can take apart.

/// For `ErrorLogFormat`: the request's tag (its X-Case header), level, module, status of the system call, message.
pub(crate) const FORMAT: &str = "%-{X-Case}i|%-l|%-m|%-E|%M";

/// One line of an error log that is written in [`FORMAT`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// The X-Case header of the request; `-` for what is logged outside of any.
    pub(crate) tag: String,
    pub(crate) level: String,
    pub(crate) module: String,
    /// Such as `(2)No such file or directory`; `-` for none.
    pub(crate) status: String,
    pub(crate) text: String,
}

impl Line {
    /// None for what a program printed into the log by itself.
    pub(crate) fn parse(line: &str) -> Option<Line> {
        let mut fields = line.splitn(5, '|').map(str::to_owned);
        Some(Line {
            tag: fields.next()?,
            level: fields.next()?,
            module: fields.next()?,
            status: fields.next()?,
            text: fields.next()?,
        })
    }

    /// Such as `AH01617`.
    pub(crate) fn number(&self) -> Option<&str> {
        let number = self.text.split(':').next()?;
        (number.len() == 7 && number.starts_with("AH")).then_some(number)
    }
}

pub(crate) fn parse(log: &[u8]) -> Vec<Line> {
    String::from_utf8_lossy(log).lines().filter_map(Line::parse).collect()
}
