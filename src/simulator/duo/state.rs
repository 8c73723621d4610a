//! What the simulator remembers.

use super::fault::Faults;
use super::outcome::Outcome;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// How many arrived requests and log entries are kept.
const KEPT: usize = 1000;

/// Everything, behind one lock.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) settings: Settings,
    pub(super) users: BTreeMap<String, User>,
    pub(super) auto: Option<Outcome>,
    scripted: Vec<Scripted>,
    pub(super) faults: Faults,
    /// (client, jti) to the second it is forgotten.
    assertions: BTreeMap<(String, String), i64>,
    pub(super) prompts: BTreeMap<String, Authorization>,
    pub(super) codes: BTreeMap<String, Grant>,
    pub(super) transactions: BTreeMap<String, VecDeque<Value>>,
    /// Transactions whose first state was told, and those whose end was.
    pub(super) told: BTreeSet<String>,
    pub(super) answered: BTreeSet<String>,
    pub(super) requests: VecDeque<Value>,
    pub(super) log: VecDeque<Value>,
}

/// What an administrator of Duo would set, and points where the live service is not known.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Settings {
    pub(super) new_user_policy: NewUserPolicy,
    pub(super) lockout_threshold: u32,
    /// Minutes; 0 is for ever.
    pub(super) lockout_expire_duration: i64,
    /// Seconds.
    pub(super) code_lifetime: i64,
    pub(super) longest_redirect_uri: usize,
    /// HTTP status of a health check that fails.
    pub(super) health_fail_status: u16,
    /// Refuse a query that says something else than the signed request.
    pub(super) refuse_query_mismatch: bool,
    /// Whose passcode is right.
    pub(super) passcode: String,
    /// How long a user takes to answer a push or a phone call, in seconds.
    pub(super) answer_seconds: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            new_user_policy: NewUserPolicy::Known,
            lockout_threshold: 10,
            lockout_expire_duration: 0,
            code_lifetime: 300,
            longest_redirect_uri: 256,
            health_fail_status: 200,
            refuse_query_mismatch: false,
            passcode: "123456".to_owned(),
            answer_seconds: 0,
        }
    }
}

/// What happens to a user nobody has seeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NewUserPolicy {
    /// Is enrolled already, with one phone.
    Known,
    /// Enrols inside the prompt.
    Enroll,
    /// Is let in.
    Allow,
    /// Is refused.
    Deny,
}

/// A user's status, in Duo's words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum UserStatus {
    #[default]
    #[serde(rename = "active")]
    Active,
    #[serde(rename = "bypass")]
    Bypass,
    #[serde(rename = "disabled")]
    Disabled,
    #[serde(rename = "locked out")]
    LockedOut,
}

/// A user as the control API seeds them.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct User {
    pub(super) status: UserStatus,
    pub(super) is_enrolled: bool,
    pub(super) groups: Vec<String>,
    pub(super) email: Option<String>,
    pub(super) aliases: Vec<String>,
    pub(super) bypass_codes: Vec<String>,
    #[serde(skip)]
    pub(super) failures: u32,
    #[serde(skip)]
    locked_at: Option<Timestamp>,
    #[serde(skip)]
    pub(super) enrolment: Option<Enrolment>,
}

impl Default for User {
    fn default() -> Self {
        Self {
            status: UserStatus::Active,
            is_enrolled: true,
            groups: Vec::new(),
            email: None,
            aliases: Vec::new(),
            bypass_codes: Vec::new(),
            failures: 0,
            locked_at: None,
            enrolment: None,
        }
    }
}

/// A begun enrolment.
#[derive(Clone, Debug)]
pub(super) struct Enrolment {
    pub(super) activation_code: String,
    pub(super) expiration: i64,
}

#[derive(Debug)]
struct Scripted {
    username: String,
    times: Option<u32>,
    outcome: Outcome,
}

/// An accepted authorize request.
#[derive(Clone, Debug)]
pub(super) struct Authorization {
    pub(super) client_id: String,
    pub(super) redirect_uri: String,
    pub(super) state: String,
    pub(super) nonce: Option<String>,
    pub(super) username: String,
    pub(super) duo_code_parameter: bool,
}

/// A code that waits for its exchange.
#[derive(Clone, Debug)]
pub(super) struct Grant {
    pub(super) authorization: Authorization,
    pub(super) outcome: Outcome,
    pub(super) txid: String,
    pub(super) context: Value,
    pub(super) at: Timestamp,
}

/// What Duo does with a user before anybody is asked.
#[derive(Clone, Debug)]
pub(super) enum Decision {
    /// It is settled.
    Settled(Outcome),
    /// The user is asked.
    Ask,
    /// The user enrols first.
    Enrol,
}

impl State {
    pub(super) fn new(auto: Option<Outcome>) -> Self {
        Self {
            auto,
            ..Self::default()
        }
    }

    /// Scripts the next logins; without an outcome, the prompt asks again.
    pub(super) fn script(
        &mut self,
        username: String,
        times: Option<u32>,
        outcome: Option<Outcome>,
    ) {
        self.scripted
            .retain(|scripted| scripted.username != username);
        if outcome.is_none() && username == "*" {
            self.auto = None;
        }
        self.scripted.extend(outcome.map(|outcome| Scripted {
            username,
            times,
            outcome,
        }));
    }

    /// What happens to this user now: what is scripted, then their status, then the policy for
    /// unknown users, then the outcome for everybody.
    pub(super) fn decide(&mut self, username: &str, now: Timestamp) -> Decision {
        match self.take_scripted(username) {
            Some(outcome) => Decision::Settled(outcome),
            None => match (self.standing(username, now), &self.auto) {
                (Decision::Ask, Some(outcome)) => Decision::Settled(outcome.clone()),
                (standing, _) => standing,
            },
        }
    }

    /// The same without what is scripted or settled for everybody.
    pub(super) fn standing(&mut self, username: &str, now: Timestamp) -> Decision {
        let settled = |name| Decision::Settled(Outcome::named(name).expect("a known name"));
        match self.status_of(username, now) {
            Some((UserStatus::Bypass, _)) => settled("bypass"),
            Some((UserStatus::Disabled, _)) => settled("disabled"),
            Some((UserStatus::LockedOut, _)) => settled("locked-out"),
            Some((UserStatus::Active, true)) => Decision::Ask,
            known @ (Some((UserStatus::Active, false)) | None) => {
                match self.settings.new_user_policy {
                    NewUserPolicy::Known if known.is_none() => Decision::Ask,
                    NewUserPolicy::Known | NewUserPolicy::Enroll => Decision::Enrol,
                    NewUserPolicy::Allow => settled("allow-unenrolled"),
                    NewUserPolicy::Deny => settled("deny-unenrolled"),
                }
            }
        }
    }

    fn take_scripted(&mut self, username: &str) -> Option<Outcome> {
        let of = |name: &str| self.scripted.iter().position(|s| s.username == name);
        let at = of(username).or_else(|| of("*"))?;
        let outcome = self.scripted[at].outcome.clone();
        if let Some(times) = &mut self.scripted[at].times {
            *times = times.saturating_sub(1);
            if *times == 0 {
                self.scripted.remove(at);
            }
        }
        Some(outcome)
    }

    /// A user's status and whether they are enrolled; a lock-out ends by itself when it may.
    fn status_of(&mut self, username: &str, now: Timestamp) -> Option<(UserStatus, bool)> {
        let minutes = self.settings.lockout_expire_duration;
        let user = self.users.get_mut(username)?;
        let over = user
            .locked_at
            .is_some_and(|at| minutes > 0 && now.as_second() - at.as_second() >= minutes * 60);
        if over {
            user.status = UserStatus::Active;
            user.locked_at = None;
            user.failures = 0;
        }
        Some((user.status, user.is_enrolled))
    }

    /// Counts consecutive failures up to the lock-out, and writes the log.
    pub(super) fn record(
        &mut self,
        username: &str,
        outcome: &Outcome,
        entry: Value,
        now: Timestamp,
    ) {
        let threshold = self.settings.lockout_threshold;
        let stranger = User {
            is_enrolled: self.settings.new_user_policy == NewUserPolicy::Known,
            ..User::default()
        };
        let user = self.users.entry(username.to_owned()).or_insert(stranger);
        if outcome.allows() {
            user.failures = 0;
            user.is_enrolled |= outcome.event_type == "enrollment";
        } else {
            user.failures += 1;
            if user.failures >= threshold && user.status == UserStatus::Active {
                user.status = UserStatus::LockedOut;
                user.locked_at = Some(now);
            }
        }
        keep(&mut self.log, entry);
    }

    /// Uses up a bypass code, if the user has it.
    pub(super) fn spend_bypass_code(&mut self, username: &str, code: &str) -> bool {
        let Some(user) = self.users.get_mut(username) else {
            return false;
        };
        let before = user.bypass_codes.len();
        user.bypass_codes.retain(|known| known != code);
        user.bypass_codes.len() < before
    }

    /// Remembers a request that arrived.
    pub(super) fn remember(&mut self, request: Value) {
        keep(&mut self.requests, request);
    }

    /// Whether this assertion is new; each is good once while it lives.
    pub(super) fn first_use(&mut self, client: &str, jti: &str, until: i64, now: i64) -> bool {
        self.assertions.retain(|_, forgotten| *forgotten >= now);
        let key = (client.to_owned(), jti.to_owned());
        self.assertions.insert(key, until).is_none()
    }
}

fn keep(list: &mut VecDeque<Value>, entry: Value) {
    if list.len() == KEPT {
        list.pop_front();
    }
    list.push_back(entry);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn settled(decision: Decision) -> Option<String> {
        match decision {
            Decision::Settled(outcome) => Some(outcome.reason),
            Decision::Ask | Decision::Enrol => None,
        }
    }

    #[test]
    fn ten_failures_in_a_row_lock_a_user_out_and_time_releases_them() {
        let mut state = State::default();
        state.settings.lockout_expire_duration = 5;
        let deny = Outcome::named("deny").unwrap();
        let allow = Outcome::named("push").unwrap();
        for _ in 0..9 {
            state.record("eve", &deny, Value::Null, at(0));
        }
        state.record("eve", &allow, Value::Null, at(0));
        for _ in 0..9 {
            state.record("eve", &deny, Value::Null, at(0));
        }
        assert!(matches!(state.decide("eve", at(1)), Decision::Ask));
        state.record("eve", &deny, Value::Null, at(10));
        let reason = settled(state.decide("eve", at(309)));
        assert_eq!(reason.as_deref(), Some("locked_out"));
        assert!(matches!(state.decide("eve", at(310)), Decision::Ask));
    }

    #[test]
    fn a_scripted_outcome_goes_before_status_policy_and_auto() {
        let mut state = State::new(Outcome::named("phone"));
        let bypass = User {
            status: UserStatus::Bypass,
            ..User::default()
        };
        state.users.insert("bob".to_owned(), bypass);
        state.script("bob".to_owned(), Some(1), Outcome::named("fraud"));
        assert_eq!(
            settled(state.decide("bob", at(0))).as_deref(),
            Some("user_marked_fraud")
        );
        assert_eq!(
            settled(state.decide("bob", at(0))).as_deref(),
            Some("bypass_user")
        );
        assert_eq!(
            settled(state.decide("alice", at(0))).as_deref(),
            Some("user_approved")
        );
        state.script("*".to_owned(), None, None);
        assert!(matches!(state.decide("alice", at(0)), Decision::Ask));
    }

    #[test]
    fn the_new_user_policy_decides_about_strangers() {
        let mut state = State::default();
        let mut reason = |policy| {
            state.settings.new_user_policy = policy;
            settled(state.decide("stranger", at(0)))
        };
        assert_eq!(reason(NewUserPolicy::Known), None);
        assert_eq!(
            reason(NewUserPolicy::Allow).as_deref(),
            Some("allow_unenrolled_user")
        );
        assert_eq!(
            reason(NewUserPolicy::Deny).as_deref(),
            Some("deny_unenrolled_user")
        );
    }

    #[test]
    fn an_assertion_is_good_once_while_it_lives() {
        let mut state = State::default();
        assert!(state.first_use("A", "j", 100, 0));
        assert!(!state.first_use("A", "j", 100, 50));
        assert!(state.first_use("B", "j", 100, 50));
        assert!(state.first_use("A", "j", 300, 200));
    }
}
