//! What users may change of their own second factor, and what they have to prove for it.
//!
//! A factor is added or removed only with the strength of the factor itself, and fresh: whoever
//! knows nothing but the password changes nothing (attack S42).

use jiff::Timestamp;
use std::time::Duration;

/// `vestibule.duo.selfService.*`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SelfService {
    /// Who may enrol without having had Duo before.
    pub first: FirstEnrolment,
    /// How long a proof counts as fresh.
    pub freshness: Duration,
}

/// Who may enrol without having had Duo before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstEnrolment {
    /// Nobody: an administrator starts it, or Duo's own prompt does.
    Never,
    /// Whoever has given the password just now. A dormant account whose password leaked is then
    /// enrolled by whoever found it (CISA AA22-074A).
    Password,
}

/// What is known of the user at this moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// The user has a second factor, be it one that was not used now.
    pub enrolled: bool,
    /// When the password was given.
    pub password: Option<Timestamp>,
    /// When the user acted at Duo.
    pub duo: Option<Timestamp>,
}

/// What is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// A fresh act at Duo.
    Duo,
    /// A fresh password.
    Password,
    /// Somebody else: this is not for users.
    Administrator,
}

impl SelfService {
    /// Whether the user may enrol a factor now.
    pub fn may_enrol(&self, standing: &Standing, now: Timestamp) -> Result<(), Needs> {
        if standing.enrolled || self.is_fresh(standing.duo, now) {
            return self.may_remove(standing, now);
        }
        match self.first {
            FirstEnrolment::Never => Err(Needs::Administrator),
            FirstEnrolment::Password if self.is_fresh(standing.password, now) => Ok(()),
            FirstEnrolment::Password => Err(Needs::Password),
        }
    }

    /// Whether the user may remove a factor now.
    pub fn may_remove(&self, standing: &Standing, now: Timestamp) -> Result<(), Needs> {
        if self.is_fresh(standing.duo, now) {
            Ok(())
        } else {
            Err(Needs::Duo)
        }
    }

    fn is_fresh(&self, at: Option<Timestamp>, now: Timestamp) -> bool {
        let limit = jiff::SignedDuration::try_from(self.freshness).unwrap_or_default();
        at.is_some_and(|at| now.duration_since(at) <= limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: SelfService = SelfService {
        first: FirstEnrolment::Password,
        freshness: Duration::from_mins(10),
    };

    fn ago(minutes: i64) -> Option<Timestamp> {
        Timestamp::from_second((1000 - minutes) * 60).ok()
    }

    fn now() -> Timestamp {
        ago(0).unwrap()
    }

    #[test]
    fn s42_a_user_with_duo_adds_and_removes_with_a_fresh_act_at_duo_alone() {
        let old = Standing {
            enrolled: true,
            password: ago(0),
            duo: ago(11),
        };
        assert_eq!(RULES.may_enrol(&old, now()), Err(Needs::Duo));
        assert_eq!(RULES.may_remove(&old, now()), Err(Needs::Duo));
        let never = Standing { duo: None, ..old };
        assert_eq!(RULES.may_enrol(&never, now()), Err(Needs::Duo));
        assert_eq!(RULES.may_remove(&never, now()), Err(Needs::Duo));
        let fresh = Standing {
            duo: ago(10),
            password: None,
            ..old
        };
        assert_eq!(RULES.may_enrol(&fresh, now()), Ok(()));
        assert_eq!(RULES.may_remove(&fresh, now()), Ok(()));
    }

    #[test]
    fn s42_a_first_factor_is_enrolled_with_a_password_only_where_the_operator_says_so() {
        let fresh = Standing {
            password: ago(10),
            ..Standing::default()
        };
        let never = SelfService {
            first: FirstEnrolment::Never,
            ..RULES
        };
        assert_eq!(never.may_enrol(&fresh, now()), Err(Needs::Administrator));
        assert_eq!(RULES.may_enrol(&fresh, now()), Ok(()));
        let old = Standing {
            password: ago(11),
            ..fresh
        };
        assert_eq!(RULES.may_enrol(&old, now()), Err(Needs::Password));
        assert_eq!(RULES.may_remove(&fresh, now()), Err(Needs::Duo));
    }
}
