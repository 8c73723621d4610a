//! A circuit breaker: after failures in a row nobody waits for Duo any more, and after a while one
//! call finds out whether Duo is back. Pure: the caller tells the time.

use crate::config::settings::CircuitSettings;
use crate::server::session::later;
use jiff::Timestamp;

/// The state of one API host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Circuit {
    /// Calls pass; this many have failed in a row.
    Closed(u32),
    /// No call passes before this instant.
    Open(Timestamp),
    /// One call is finding out; if it never comes back, another may try at this instant.
    Probing(Timestamp),
}

impl Circuit {
    /// Its name in `/status`.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Closed(_) => "closed",
            Self::Open(_) => "open",
            Self::Probing(_) => "probing",
        }
    }

    /// Whether a call may be made now.
    pub(super) fn admit(&mut self, now: Timestamp, settings: CircuitSettings) -> bool {
        match *self {
            Self::Closed(_) => true,
            Self::Open(until) | Self::Probing(until) if until <= now => {
                *self = Self::Probing(later(now, settings.open_for));
                true
            }
            Self::Open(_) | Self::Probing(_) => false,
        }
    }

    /// A call came back well: the circuit closes. True when it was not closed before.
    pub(super) fn succeeded(&mut self) -> bool {
        let was_closed = matches!(self, Self::Closed(_));
        *self = Self::Closed(0);
        !was_closed
    }

    /// A call failed. True when the circuit opens by it.
    pub(super) fn failed(&mut self, now: Timestamp, settings: CircuitSettings) -> bool {
        let failures = match *self {
            Self::Closed(failures) => failures.saturating_add(1),
            Self::Open(_) | Self::Probing(_) => settings.failures,
        };
        let opens = settings.failures > 0 && failures >= settings.failures;
        let was_closed = matches!(self, Self::Closed(_));
        *self = if opens {
            Self::Open(later(now, settings.open_for))
        } else {
            Self::Closed(failures)
        };
        opens && was_closed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const SETTINGS: CircuitSettings = CircuitSettings {
        failures: 3,
        open_for: Duration::from_secs(30),
    };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn opened() -> Circuit {
        let mut circuit = Circuit::Closed(0);
        for _ in 0..2 {
            assert!(!circuit.failed(at(0), SETTINGS));
        }
        assert!(circuit.failed(at(0), SETTINGS));
        circuit
    }

    #[test]
    fn failures_in_a_row_open_the_circuit_and_a_success_between_does_not() {
        let mut circuit = Circuit::Closed(2);
        assert!(!circuit.succeeded());
        assert_eq!(circuit, Circuit::Closed(0));
        assert_eq!(opened(), Circuit::Open(at(30)));
    }

    #[test]
    fn an_open_circuit_lets_one_call_find_out_and_closes_when_it_succeeds() {
        let mut circuit = opened();
        assert!(!circuit.admit(at(29), SETTINGS));
        assert!(circuit.admit(at(30), SETTINGS));
        assert!(!circuit.admit(at(30), SETTINGS), "one call only");
        assert!(circuit.succeeded());
        assert!(circuit.admit(at(31), SETTINGS));
    }

    #[test]
    fn a_probe_that_fails_opens_it_again_and_one_that_is_lost_is_replaced() {
        let mut circuit = opened();
        assert!(circuit.admit(at(30), SETTINGS));
        assert!(!circuit.failed(at(31), SETTINGS), "it was open already");
        assert!(!circuit.admit(at(60), SETTINGS));
        assert!(circuit.admit(at(61), SETTINGS));
        assert!(circuit.admit(at(91), SETTINGS));
    }

    #[test]
    fn zero_failures_never_open_it() {
        let never = CircuitSettings {
            failures: 0,
            ..SETTINGS
        };
        let mut circuit = Circuit::Closed(0);
        for _ in 0..100 {
            assert!(!circuit.failed(at(0), never));
            assert!(circuit.admit(at(0), never));
        }
    }
}
