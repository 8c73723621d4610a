//! Attempts that have begun and not ended, so that many at once are no way around a limit.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Mutex as AsyncMutex, MutexGuard as AsyncMutexGuard};

/// How many attempts are under way at each place.
#[derive(Clone, Debug, Default)]
pub(super) struct UnderWay(Arc<Mutex<HashMap<String, u32>>>);

/// One attempt at one place; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Ticket {
    place: String,
    all: UnderWay,
    /// Which of those under way this one was when it began, counted from 1.
    pub(super) number: u32,
}

/// One after the other at each account: what begins sees what ended, and sees it once.
#[derive(Clone, Debug)]
pub(super) struct Turns(Arc<Vec<AsyncMutex<()>>>);

/// Accounts share this many turns.
const TURNS: usize = 64;

impl Default for Turns {
    fn default() -> Self {
        Self(Arc::new((0..TURNS).map(|_| AsyncMutex::new(())).collect()))
    }
}

impl Turns {
    /// Waits for the turn of this account, by the hash of its name.
    pub(super) async fn take(&self, hash: &str) -> AsyncMutexGuard<'_, ()> {
        let number = hash.bytes().fold(0_usize, |sum, octet| {
            sum.wrapping_mul(31).wrapping_add(usize::from(octet))
        });
        self.0[number % TURNS].lock().await
    }
}

impl UnderWay {
    /// Begins an attempt.
    pub(super) fn begin(&self, place: String) -> Ticket {
        let mut counts = self.counts();
        let count = counts.entry(place.clone()).or_default();
        *count += 1;
        Ticket {
            number: *count,
            place,
            all: self.clone(),
        }
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<String, u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut counts = self.all.counts();
        if let Some(count) = counts.get_mut(&self.place) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.place);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tickets_are_numbered_and_leave_nothing_behind() {
        let all = UnderWay::default();
        let first = all.begin("here".to_owned());
        let second = all.begin("here".to_owned());
        let elsewhere = all.begin("there".to_owned());
        assert_eq!([first.number, second.number, elsewhere.number], [1, 2, 1]);
        drop(first);
        assert_eq!(all.begin("here".to_owned()).number, 2);
        drop((second, elsewhere));
        assert!(all.counts().is_empty());
    }
}
