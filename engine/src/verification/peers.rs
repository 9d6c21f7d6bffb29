//! What other servers know: a credential that one of them has verified needs no hash here.

use super::digest::KEY_BYTES;

/// The memory that the servers of a fleet share. It may lose what it was told, and be slow, absent or an enemy's: it must
/// know only names that were told by somebody with its key, and answer within a few milliseconds.
pub trait Peers: Sync {
    /// The key of the names: the same for all servers, and nobody else's.
    fn key(&self) -> &[u8; KEY_BYTES];
    /// Whether a server has told this name not long ago.
    fn know(&self, name: &[u8; KEY_BYTES]) -> bool;
    /// Tells the others a name, without waiting.
    fn tell(&self, name: &[u8; KEY_BYTES]);
}
