//! The instant and the randomness of one step of a login.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The current instant and 32 fresh random bytes; a login replays from its inputs and moments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// Now.
    pub now: Timestamp,
    /// Fresh for each call; values derive from it by label.
    pub random: [u8; 32],
}

impl Moment {
    /// 32 bytes derived for one purpose: SHA-256(random, label).
    pub fn derive(&self, label: &str) -> [u8; 32] {
        let mut hasher = openssl::sha::Sha256::new();
        hasher.update(&self.random);
        hasher.update(label.as_bytes());
        hasher.finish()
    }

    /// 43 URL-safe characters (256 bits) derived for one purpose.
    pub fn token(&self, label: &str) -> String {
        use base64::Engine as _;
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(self.derive(label))
    }
}
