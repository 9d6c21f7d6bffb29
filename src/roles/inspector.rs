//! The body of a request: judged as it arrives, sent as far as it was judged.

use esauth_roles::{BodyJudge, Refusal};

use crate::httpd::body::Inspector;

/// What becomes of a body.
pub(crate) enum BodyInspector {
    /// It is sent as far as the judge allows.
    Enforce(Held),
    /// It is sent as it comes, and judged beside.
    Report(Box<BodyJudge>, Option<Box<Refusal>>),
    /// There should be none: any is refused.
    Empty,
}

/// A body that is held back until it was judged.
pub(crate) struct Held {
    judge: Box<BodyJudge>,
    refusal: Option<Box<Refusal>>,
    /// Bytes held back, and how many may be at most.
    bytes: usize,
    most: usize,
}

/// Bytes that a streamed body may have held back: a line, and what compression makes of it.
const MOST_OF_STREAM: usize = 1024 * 1024;

impl BodyInspector {
    pub(crate) fn enforcing(judge: Box<BodyJudge>, limit: usize) -> BodyInspector {
        BodyInspector::Enforce(Held { judge, refusal: None, bytes: 0, most: limit.max(MOST_OF_STREAM) })
    }

    pub(crate) fn judge(&self) -> Option<&BodyJudge> {
        match self {
            BodyInspector::Enforce(held) => Some(&held.judge),
            BodyInspector::Report(judge, _) => Some(judge),
            BodyInspector::Empty => None,
        }
    }

    /// The judge's refusal, if there is one.
    pub(crate) fn refusal(&self) -> Option<&Refusal> {
        match self {
            BodyInspector::Enforce(Held { refusal, .. }) | BodyInspector::Report(_, refusal) => refusal.as_deref(),
            BodyInspector::Empty => None,
        }
    }
}

impl Held {
    fn release(&mut self, judged: Result<usize, Box<Refusal>>) -> Option<usize> {
        match judged {
            Ok(more) => {
                self.bytes = self.bytes.saturating_sub(more);
                // Only a body that is compressed to next to nothing, again and again, comes here.
                (self.bytes <= self.most).then_some(more)
            }
            Err(refusal) => {
                self.refusal = Some(refusal);
                None
            }
        }
    }
}

impl Inspector for BodyInspector {
    fn feed(&mut self, bytes: &[u8]) -> Option<usize> {
        match self {
            BodyInspector::Enforce(held) => {
                held.bytes += bytes.len();
                let judged = held.judge.feed(bytes);
                held.release(judged)
            }
            BodyInspector::Report(judge, refusal) => {
                if refusal.is_none() {
                    *refusal = judge.feed(bytes).err();
                }
                Some(bytes.len())
            }
            BodyInspector::Empty => None,
        }
    }

    fn finish(&mut self) -> Option<usize> {
        match self {
            BodyInspector::Enforce(held) => {
                let judged = held.judge.finish();
                held.release(judged)
            }
            BodyInspector::Report(judge, refusal) => {
                if refusal.is_none() {
                    *refusal = judge.finish().err();
                }
                Some(0)
            }
            BodyInspector::Empty => Some(0),
        }
    }
}
