//! What happened since the start, counted: for `/metrics` and `/status`.
//!
//! A count is one atomic addition. Labels are closed sets of words; no user, relying party or
//! address is ever among them.

use crate::authn::event::Event;
use crate::authn::login::{DuoRecord, Failure, Success, Unknown};
use crate::server::throttle::Reached;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts of one kind, by the values of its one label.
#[derive(Debug)]
pub struct Family {
    /// The metric's name.
    pub name: &'static str,
    /// What it counts.
    pub help: &'static str,
    /// The label's name; empty when there is only one count.
    pub label: &'static str,
    counts: Vec<(&'static str, AtomicU64)>,
}

/// Every count of a server.
#[derive(Debug)]
pub struct Counters {
    logins: Family,
    degraded: Family,
    refused: Family,
    passwords: Family,
    throttled: Family,
    duo: Family,
    trouble: Family,
    unknown: Family,
    unwritten: Family,
}

/// The success of a login among the events.
const SUCCESS: &str = "success";

/// What becomes of trips to Duo.
const TRIPS: [&str; 5] = ["sent", "verified", "refused", "error", "expired"];

/// Why Duo pages were shown, as the pages name it.
pub const TROUBLES: [&str; 9] = [
    "unavailable",
    "error-callback",
    "state",
    "expired",
    "exchange",
    "token",
    "too-often",
    "factor",
    "policy",
];

impl Default for Counters {
    fn default() -> Self {
        let events = || Event::ALL.iter().map(|event| event.as_str());
        let outcomes = || events().map(|name| if name == "proceed" { SUCCESS } else { name });
        let family = |name, help, label| Family {
            name,
            help,
            label,
            counts: vec![("", AtomicU64::new(0))],
        };
        let logins = "Logins that ended, by outcome.";
        let passwords = "Passwords checked, by outcome.";
        let throttled = "Passwords not checked because a limit was reached, by limit.";
        let duo = "Trips to Duo, by what became of them.";
        let trouble = "Duo steps that stopped on our page, by reason.";
        let unknown = "Results of Duo with a factor or reason that nobody has graded.";
        let refused = "Requests refused before a login, by who was told.";
        Self {
            logins: family("vestibule_logins_total", logins, "outcome").of(outcomes()),
            degraded: family(
                "vestibule_logins_degraded_total",
                "Logins that succeeded without a factor that was wanted, because Duo was away.",
                "",
            ),
            refused: family("vestibule_requests_refused_total", refused, "told").of([
                "relying_party",
                "user",
            ]
            .into_iter()),
            passwords: family("vestibule_passwords_total", passwords, "outcome").of(outcomes()),
            throttled: family("vestibule_passwords_throttled_total", throttled, "limit")
                .of(Reached::ALL.iter().map(|reached| reached.as_str())),
            duo: family("vestibule_duo_trips_total", duo, "outcome").of(TRIPS.into_iter()),
            trouble: family("vestibule_duo_trouble_total", trouble, "reason")
                .of(TROUBLES.into_iter()),
            unknown: family("vestibule_duo_unknown_total", unknown, "what")
                .of(Unknown::ALL.iter().map(|unknown| unknown.as_str())),
            unwritten: family(
                "vestibule_audit_failures_total",
                "Audit lines that could not be written.",
                "",
            ),
        }
    }
}

impl Family {
    fn of(mut self, values: impl Iterator<Item = &'static str>) -> Self {
        self.counts = values.map(|value| (value, AtomicU64::new(0))).collect();
        self
    }

    fn count(&self, value: &str) {
        if let Some((_, count)) = self.counts.iter().find(|(known, _)| *known == value) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Each value of the label and its count.
    pub fn read(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        let counts = self.counts.iter();
        counts.map(|(value, count)| (*value, count.load(Ordering::Relaxed)))
    }
}

impl Counters {
    /// Every family, in the order of `/metrics`.
    pub fn families(&self) -> [&Family; 9] {
        [
            &self.logins,
            &self.degraded,
            &self.refused,
            &self.passwords,
            &self.throttled,
            &self.duo,
            &self.trouble,
            &self.unknown,
            &self.unwritten,
        ]
    }

    pub(super) fn success(&self, success: &Success) {
        self.logins.count(SUCCESS);
        if success.result.degraded() {
            self.degraded.count("");
        }
    }

    pub(super) fn failure(&self, failure: &Failure) {
        self.logins.count(failure.event.as_str());
    }

    pub(super) fn refused_to_relying_party(&self) {
        self.refused.count("relying_party");
    }

    pub(super) fn refused_to_user(&self) {
        self.refused.count("user");
    }

    /// `outcome` as the audit names it.
    pub(super) fn password(&self, outcome: &str) {
        let success = outcome == "Success";
        self.passwords
            .count(if success { SUCCESS } else { outcome });
    }

    pub(super) fn throttled(&self, reached: Reached) {
        self.throttled.count(reached.as_str());
    }

    pub(super) fn duo(&self, record: &DuoRecord) {
        let reason = record.reason.as_str();
        self.duo.count(match reason {
            "" if record.txid.is_empty() => "sent",
            "expired" => "expired",
            _ if reason.starts_with("refused: ") => "refused",
            _ if reason.starts_with("error: ") => "error",
            _ => "verified",
        });
    }

    /// A Duo step stopped; the reason as its page names it.
    pub(super) fn trouble(&self, reason: &str) {
        self.trouble.count(reason);
    }

    pub(super) fn unknown(&self, unknown: Unknown) {
        self.unknown.count(unknown.as_str());
    }

    pub(super) fn unwritten(&self) {
        self.unwritten.count("");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trip(txid: &str, reason: &str) -> DuoRecord {
        DuoRecord {
            txid: txid.to_owned(),
            reason: reason.to_owned(),
            ..DuoRecord::default()
        }
    }

    fn read(family: &Family, value: &str) -> u64 {
        let found = family.read().find(|(known, _)| *known == value);
        found.unwrap_or_else(|| panic!("no {value}")).1
    }

    #[test]
    fn a_trip_to_duo_is_counted_when_it_begins_and_once_when_it_ends() {
        let counters = Counters::default();
        for (txid, reason, outcome) in [
            ("", "", "sent"),
            ("t", "user_approved", "verified"),
            ("t", "", "verified"),
            ("", "refused: token: expired", "refused"),
            ("", "error: access_denied", "error"),
            ("", "expired", "expired"),
        ] {
            let before = read(&counters.duo, outcome);
            counters.duo(&trip(txid, reason));
            assert_eq!(read(&counters.duo, outcome), before + 1, "{reason}");
        }
    }

    #[test]
    fn a_word_that_nobody_declared_makes_no_label() {
        let counters = Counters::default();
        counters.password("alice's password");
        assert!(counters.passwords.read().all(|(_, count)| count == 0));
        counters.password("Success");
        assert_eq!(read(&counters.passwords, "success"), 1);
    }
}
