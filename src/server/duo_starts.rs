//! How often a user was sent to Duo within ten minutes: pushes that nobody asked for wear people
//! down until they approve one (attack S47).

use crate::server::session::later;
use crate::server::storage::update::update;
use crate::server::storage::{Context, Key, Storage};
use crate::server::world::World;
use jiff::Timestamp;
use std::time::Duration;

/// How far back starts count.
const WINDOW: Duration = Duration::from_mins(10);

/// The counts of a store.
#[derive(Clone, Copy, Debug)]
pub struct DuoStarts<'a> {
    /// The store.
    pub storage: &'a dyn Storage,
    /// The clock.
    pub world: &'a World,
}

impl DuoStarts<'_> {
    /// Counts one more start and says how many there were, this one included. A store that fails
    /// has counted too many: whoever can break the store must not gain pushes by it.
    pub async fn count(&self, username: &str) -> u32 {
        let key = Key::new(Context::DuoStarts, username);
        let now = self.world.now();
        let counted = update(self.storage, &key, |before: Option<Vec<Timestamp>>| {
            let mut starts = before.unwrap_or_default();
            starts.retain(|start| later(*start, WINDOW) > now);
            starts.push(now);
            (starts, later(now, WINDOW))
        });
        match counted.await {
            Ok(starts) => u32::try_from(starts.len()).unwrap_or(u32::MAX),
            Err(error) => {
                tracing::error!(%error, "starts at Duo could not be counted");
                u32::MAX
            }
        }
    }
}
