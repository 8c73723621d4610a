//! A leaking bucket: how many failures still count. Pure: the caller tells the time.
//!
//! Each failure adds a drop, and a full bucket loses one after `interval / attempts`. So nobody is
//! ever shut out: when it is full, one attempt after the other goes through as it drains.

use crate::server::session::later;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How many failures are bearable within which time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limit {
    /// Zero is any number.
    pub(super) attempts: u32,
    /// In which a full bucket becomes empty.
    pub(super) interval: Duration,
}

/// The failures of one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Bucket {
    empty_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    locked_until: Option<Timestamp>,
}

impl Limit {
    /// The time after which one failure is forgotten.
    fn step(self) -> Duration {
        self.interval / self.attempts.max(1)
    }

    /// The same leak and less room, but never none.
    pub(super) fn room(self, divisor: u32) -> u32 {
        (self.attempts / divisor).max(1)
    }
}

impl Bucket {
    /// Nothing has failed.
    pub(super) fn empty(now: Timestamp) -> Self {
        Self {
            empty_at: now,
            locked_until: None,
        }
    }

    /// How many failures still count.
    pub(super) fn level(&self, now: Timestamp, limit: Limit) -> u32 {
        let left = self.empty_at.duration_since(now);
        let left = Duration::try_from(left).unwrap_or_default();
        let step = limit.step().as_millis().max(1);
        u32::try_from(left.as_millis().div_ceil(step)).unwrap_or(u32::MAX)
    }

    /// Whether nobody gets through before a set time.
    pub(super) fn locked(&self, now: Timestamp) -> bool {
        self.locked_until.is_some_and(|until| now < until)
    }

    /// One more failure.
    pub(super) fn add(&mut self, now: Timestamp, limit: Limit) {
        self.empty_at = later(self.empty_at.max(now), limit.step());
    }

    /// Lets nobody through for this long.
    pub(super) fn lock(&mut self, now: Timestamp, duration: Duration) {
        self.locked_until = Some(later(now, duration));
    }

    /// When it no longer matters.
    pub(super) fn ends(&self) -> Timestamp {
        self.locked_until
            .map_or(self.empty_at, |until| until.max(self.empty_at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Limit = Limit {
        attempts: 5,
        interval: Duration::from_mins(5),
    };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn after(failures: u32) -> Bucket {
        let mut bucket = Bucket::empty(at(0));
        for _ in 0..failures {
            bucket.add(at(0), LIMIT);
        }
        bucket
    }

    #[test]
    fn a_full_bucket_forgets_one_failure_a_minute_and_is_empty_in_the_end() {
        let bucket = after(5);
        for (second, level) in [
            (0, 5),
            (59, 5),
            (60, 4),
            (240, 1),
            (299, 1),
            (300, 0),
            (900, 0),
        ] {
            assert_eq!(bucket.level(at(second), LIMIT), level, "{second}");
        }
        assert_eq!(bucket.ends(), at(300));
    }

    #[test]
    fn failures_of_long_ago_do_not_count() {
        let mut bucket = after(4);
        bucket.add(at(1000), LIMIT);
        assert_eq!(bucket.level(at(1000), LIMIT), 1);
    }

    #[test]
    fn a_lock_ends_by_itself() {
        let mut bucket = after(5);
        bucket.lock(at(0), Duration::from_mins(10));
        assert!(bucket.locked(at(599)));
        assert!(!bucket.locked(at(600)));
        assert_eq!(bucket.ends(), at(600));
    }

    #[test]
    fn room_shrinks_to_one_and_not_to_none() {
        assert_eq!(
            [1, 2, 5, 50].map(|divisor| LIMIT.room(divisor)),
            [5, 2, 1, 1]
        );
    }
}
