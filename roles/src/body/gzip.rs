//! Compressed bodies: expanded for judging, piece by piece, and sent as they came.

use std::io::Write;

use flate2::write::GzDecoder;

use super::scope::malformed;
use crate::decision::Refusal;

/// Number of compressed bytes expanded at once. Their expansion is at most a thousand times as long.
pub(super) const PIECE: usize = 512;

pub(super) struct Gzip {
    decoder: GzDecoder<Vec<u8>>,
    plain: Vec<u8>,
    consumed: usize,
}

impl Default for Gzip {
    fn default() -> Self {
        Gzip { decoder: GzDecoder::new(Vec::new()), plain: Vec::new(), consumed: 0 }
    }
}

impl Gzip {
    /// The expansion of all bytes up to the end of this piece, except for what was returned before.
    pub(super) fn expand(&mut self, piece: &[u8]) -> Result<&[u8], Refusal> {
        let mut rest = piece;
        while !rest.is_empty() {
            match self.decoder.write(rest) {
                Ok(0) => return Err(malformed("something follows the compressed body")),
                Ok(count) => rest = &rest[count..],
                Err(_) => return Err(malformed("the body is not gzip")),
            }
        }
        self.decoder.flush().map_err(|_| malformed("the body is not gzip"))?;
        self.consumed += piece.len();
        self.plain.clear();
        self.plain.append(self.decoder.get_mut());
        Ok(&self.plain)
    }

    /// Number of compressed bytes expanded.
    pub(super) fn consumed(&self) -> usize {
        self.consumed
    }

    /// The body has ended: the checksum must be right.
    pub(super) fn finish(&mut self) -> Result<(), Refusal> {
        self.decoder.try_finish().map_err(|_| malformed("the compressed body is incomplete or damaged"))?;
        if self.decoder.get_ref().is_empty() { Ok(()) } else { Err(malformed("the compressed body ends late")) }
    }
}
