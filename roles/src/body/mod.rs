//! Bodies: judged as they arrive, and sent only after they have been judged.

mod bulk;
mod document;
mod gzip;
mod mapping;
mod query;
mod scope;

use crate::decision::{Facts, Pass, Reason, Refusal};
use crate::endpoints::Body;
use bulk::Bulk;
use gzip::Gzip;

pub use scope::Limits;
pub(crate) use scope::Scope;

/// Judges a body as it arrives.
///
/// The caller holds back the bytes it has fed until it is told how many more of them may be sent. The held-back part
/// stays below [`Limits::document`](crate::Limits::document) for bodies that must be read as a whole, and below a
/// megabyte for `_bulk`.
pub struct BodyJudge {
    pass: Pass,
    scope: Scope,
    reader: Reader,
    gzip: Option<Gzip>,
    /// Number of bytes fed, and of those that may be sent.
    fed: usize,
    released: usize,
    refused: Option<Box<Refusal>>,
}

enum Reader {
    Bulk(Bulk),
    Whole(Vec<u8>),
}

impl BodyJudge {
    pub(crate) fn new(pass: Pass, scope: Scope, is_gzip: bool) -> BodyJudge {
        let reader = match scope.grammar {
            Body::Bulk => Reader::Bulk(Bulk::default()),
            _ => Reader::Whole(Vec::new()),
        };
        BodyJudge { pass, scope, reader, gzip: is_gzip.then(Gzip::default), fed: 0, released: 0, refused: None }
    }

    /// The target to send instead of the original, as in [`Pass::target`].
    pub fn target(&self) -> Option<&[u8]> {
        self.pass.target.as_deref()
    }

    /// Judges the next bytes of the body, exactly as they will be sent. Returns how many more of the bytes fed may be
    /// sent now: zero or more, not counting those of earlier answers. After a refusal the request must be abandoned;
    /// further feeding is refused as well.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<usize, Box<Refusal>> {
        self.attempt(|judge| {
            judge.fed += bytes.len();
            let Some(mut gzip) = judge.gzip.take() else {
                let all_judged = judge.read(bytes)?;
                return Ok(if all_judged { judge.fed } else { judge.released.max(judge.fed - judge.pending()) });
            };
            let mut judged = judge.released;
            for piece in bytes.chunks(gzip::PIECE) {
                let plain = gzip.expand(piece)?;
                if judge.read(plain)? {
                    judged = gzip.consumed();
                }
            }
            judge.gzip = Some(gzip);
            Ok(judged)
        })
    }

    /// The body is complete. Returns how many more bytes may be sent now: all that were held back.
    pub fn finish(&mut self) -> Result<usize, Box<Refusal>> {
        self.attempt(|judge| {
            if let Some(gzip) = judge.gzip.as_mut() {
                gzip.finish()?;
            }
            match &mut judge.reader {
                Reader::Bulk(bulk) => bulk.finish(&judge.scope, &mut judge.pass.facts)?,
                Reader::Whole(text) => {
                    let text = std::mem::take(text);
                    document::judge(&text, &judge.scope, &mut judge.pass.facts)?;
                }
            }
            Ok(judge.fed)
        })
    }

    /// The facts judged so far, for the log.
    pub fn facts(&self) -> &Facts {
        &self.pass.facts
    }

    fn attempt(&mut self, step: impl FnOnce(&mut Self) -> Result<usize, Refusal>) -> Result<usize, Box<Refusal>> {
        if let Some(refusal) = &self.refused {
            return Err(refusal.clone());
        }
        match step(self) {
            Ok(sendable) => {
                let more = sendable.saturating_sub(self.released);
                self.released += more;
                Ok(more)
            }
            Err(refusal) => {
                let refusal = Box::new(refusal);
                self.refused = Some(refusal.clone());
                Err(refusal)
            }
        }
    }

    /// True if everything so far has been judged.
    fn read(&mut self, plain: &[u8]) -> Result<bool, Refusal> {
        match &mut self.reader {
            Reader::Bulk(bulk) => bulk.feed(plain, &self.scope, &mut self.pass.facts),
            Reader::Whole(text) => {
                if text.len() + plain.len() > self.scope.limits.document {
                    let most = self.scope.limits.document;
                    return Err(Refusal::new(Reason::TooLarge, format!("the body is larger than {most} bytes")));
                }
                text.extend_from_slice(plain);
                Ok(text.is_empty())
            }
        }
    }

    /// Number of bytes at the end of the read part that have not been judged.
    fn pending(&self) -> usize {
        match &self.reader {
            Reader::Bulk(bulk) => bulk.pending(),
            Reader::Whole(text) => text.len(),
        }
    }
}
