//! What goes into a login and what comes out of it, as values.

use super::Login;
use crate::authn::duo_auth_api::Wish;
use crate::authn::event::Event;
use crate::authn::evidence::{DuoVerified, PasswordVerified};
use crate::authn::facts::{FactKey, FactValue, RelyingPartyFacts, RequestFacts};
use crate::authn::flow::FlowId;
use crate::authn::remembered::BrowserRemembered;
use crate::authn::result::{AuthenticationResult, FactorResult};
use crate::authn::rules::FailMode;
use crate::duo::auth_api::ApiCall;
use crate::duo::claims::ClaimError;
use crate::duo::oidc::{DuoError, FormRequest, HttpAnswer};
use crate::duo::secret::Secret;
use crate::saml::context::AuthnContextClassRef;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Where a login starts from.
#[derive(Clone, Debug)]
pub struct Start {
    /// The transaction id shown to the user and written to the audit.
    pub transaction: String,
    /// `rp`
    pub rp: RelyingPartyFacts,
    /// `request`, with the requested context exactly as asked.
    pub request: RequestFacts,
    /// Classes to require when the relying party asked for none.
    pub default_classes: Vec<AuthnContextClassRef>,
    /// What the operator demands for this relying party beyond the transition map.
    pub terms: Terms,
    /// Results of earlier logins in this browser, for single sign-on.
    pub earlier: Vec<FactorResult>,
    /// This browser, if it was remembered.
    pub remembered: Option<BrowserRemembered>,
    /// What a client without a browser brought along, for it cannot be asked.
    pub presented: Option<Presented>,
}

/// What a client without a browser proves its user by: HTTP Basic, and Duo's headers. It is never
/// stored.
#[derive(Clone, Debug)]
pub struct Presented {
    /// As typed.
    pub username: String,
    /// As typed.
    pub password: Secret,
    /// How to be asked by Duo.
    pub duo: Wish,
}

/// What the operator demands for one relying party (`vestibule.rp.NAME.*`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// Flows that every login must have behind it, whatever the transition map says.
    pub required: BTreeSet<FlowId>,
    /// Classes to assert, if they are true, when the relying party asked for none (truth table R1).
    pub preferred: Vec<AuthnContextClassRef>,
    /// What an outage of Duo means here; `None` is as everywhere.
    pub fail_mode: Option<FailMode>,
}

/// What happened in the world.
#[derive(Clone, Debug)]
pub enum Input {
    /// Start.
    Begin,
    /// The browser submitted our page.
    Form(Form),
    /// The browser came back from Duo.
    Callback(Callback),
    /// A back end replied.
    Answer(Answer),
    /// The browser asked for the current page again (reload, back button).
    Revisit,
}

/// A submitted form.
#[derive(Clone, Debug)]
pub enum Form {
    /// `j_username`, `j_password`.
    Password {
        /// As typed.
        username: String,
        /// As typed.
        password: Secret,
    },
    /// `j_username` alone: who wants to sign in by Duo without a password.
    Username(String),
    /// A button of a Duo page: go to Duo (again).
    Retry,
    /// The button of a notice: it was read, go on.
    Continue,
    /// A button of the Duo pages: another flow, where a rule for ReselectFlow leads to one.
    Other,
    /// The same, and the browser is to be remembered afterwards, where that is on offer.
    RetryAndRemember,
    /// A button of any page: give up; the relying party is told.
    Cancel,
}

/// What came back to the callback URL.
#[derive(Clone, Debug)]
pub struct Callback {
    /// `state`.
    pub state: String,
    /// `duo_code` or `code`, or the error.
    pub outcome: CallbackOutcome,
}

/// The callback's code or error.
#[derive(Clone, Debug)]
pub enum CallbackOutcome {
    /// A code.
    Code(String),
    /// `error` and `error_description`, hostile text.
    Error {
        /// `error`.
        error: String,
        /// `error_description`.
        description: String,
    },
}

/// A back end's reply.
#[derive(Clone, Debug)]
pub enum Answer {
    /// The password check.
    Password(PasswordAnswer),
    /// The health check.
    Health(HttpAnswer),
    /// The code exchange.
    Token(HttpAnswer),
    /// A call of Duo's Auth API.
    AuthApi(HttpAnswer),
    /// How often this user was sent to Duo within the last ten minutes, this time included.
    DuoStarts(u32),
    /// A fact.
    Fact(FactKey, FactValue),
}

/// How a password check ended.
#[derive(Clone, Debug)]
pub enum PasswordAnswer {
    /// Right.
    Verified(PasswordVerified),
    /// Right, and soon to be changed.
    Expiring(PasswordVerified, Expiry),
    /// Unknown user, wrong password or locked account: one answer for all three.
    Refused,
    /// The back end says that the account is locked or disabled. The page does not tell: some
    /// back ends say so before they look at the password.
    AccountLocked,
    /// The password was right, and has expired.
    Expired,
    /// Too many passwords were wrong lately: this one was not looked at. The page says what it says
    /// of a wrong one.
    Throttled,
    /// The back end could not say, or is overloaded.
    Unavailable,
}

/// One step's outcome: what to do, and what to remember.
#[derive(Debug)]
pub struct Turn {
    /// What to do now.
    pub step: Step,
    /// What to write to the audit, in order.
    pub records: Vec<Record>,
}

/// What the server must do next.
#[derive(Debug)]
pub enum Step {
    /// Answer with a page and wait for its form.
    Show(Page, Login),
    /// Send the browser away (303) and wait for its return.
    Redirect(String, Login),
    /// Ask a back end now and feed back the answer.
    Call(Call, Login),
    /// The login is over.
    Finish(Verdict),
}

/// A page to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Page {
    /// The password form.
    Password {
        /// What to say about the last attempt.
        error: Option<PasswordProblem>,
        /// What to put in the user name field.
        username: String,
    },
    /// The password was right and soon has to be changed; the login goes on.
    ExpiringPassword(Expiry),
    /// The form that asks for a user name alone, before Duo as the first factor.
    Username {
        /// Whether the field was left empty.
        missing: bool,
        /// Whether a rule leads to another flow.
        other_way: bool,
    },
    /// The browser is (or should be) at Duo, or Duo failed: continue, start again, give up.
    Duo {
        /// Whose login this is.
        username: String,
        /// The integration's name.
        name: String,
        /// The integration's display name.
        integration: String,
        /// What went wrong, if anything.
        problem: Option<DuoProblem>,
        /// Whether a rule leads to another flow.
        other_way: bool,
        /// Where the browser can be remembered: whether the user asked for it.
        remember: Option<bool>,
    },
}

/// How long a right password stays one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Expiry {
    /// So many seconds are left.
    Seconds(u64),
    /// It has expired; so many logins are left.
    Logins(u64),
}

/// Why the last password attempt did not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PasswordProblem {
    /// A field was left empty.
    Missing,
    /// Refused: unknown, wrong or locked are not told apart.
    Refused,
    /// Right and expired: it must be changed first.
    Expired,
    /// The back end is unavailable; try again.
    Unavailable,
}

/// Why the Duo step did not do; shown in plain words, logged with its detail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DuoProblem {
    /// The health check failed.
    Unavailable(DuoError),
    /// Duo sent the browser back with an error.
    ErrorCallback {
        /// `error`, cut to 100 characters.
        error: String,
    },
    /// The `state` that came back is not the one sent.
    State,
    /// The redirect to Duo is older than it may be.
    Expired,
    /// The code exchange failed.
    Exchange(DuoError),
    /// The result token was refused.
    Token(ClaimError),
    /// The user was sent to Duo too often within ten minutes.
    TooOften,
    /// Duo came first, with a factor that does not do on its own.
    Factor,
    /// A script failed, or chose what is not declared.
    Policy,
}

/// A back end to ask.
#[derive(Clone, Debug)]
pub enum Call {
    /// Check a password.
    Password {
        /// As typed; the back end trims and folds it as configured.
        username: String,
        /// As typed.
        password: Secret,
    },
    /// Duo's health check.
    Health {
        /// The integration's name.
        integration: String,
        /// What to send.
        request: FormRequest,
    },
    /// Duo's code exchange.
    Token {
        /// The integration's name.
        integration: String,
        /// What to send.
        request: FormRequest,
    },
    /// A call of Duo's Auth API.
    AuthApi(ApiCall),
    /// Count one more start at Duo for this user.
    DuoStart(String),
    /// A fact a strategy asked for.
    Fact(FactKey, String),
}

/// How a login ended.
#[derive(Debug)]
pub enum Verdict {
    /// The user is authenticated as far as the request and the rules want.
    Success(Box<Success>),
    /// It failed with this event.
    Failure(Failure),
}

/// A successful login.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Success {
    /// The merged result.
    pub result: AuthenticationResult,
    /// The class to assert.
    pub class: AuthnContextClassRef,
    /// Why each step was taken (`%VWHY`).
    pub why: String,
    /// Keys and values from scripts' `audit(..)`.
    pub audit: BTreeMap<String, String>,
    /// Directory attributes, if a strategy had them fetched already.
    pub attributes: Option<BTreeMap<String, Vec<String>>>,
    /// Duo's token answer, redacted, and its claims, if Duo ran in this login.
    pub duo: Option<serde_json::Value>,
    /// Duo's fresh result, where this browser is to be remembered for it.
    pub remember: Option<DuoVerified>,
}

/// A failed login.
#[derive(Debug)]
pub struct Failure {
    /// The event.
    pub event: Event,
    /// The user, as far as known.
    pub username: Option<String>,
    /// Why each step was taken (`%VWHY`).
    pub why: String,
    /// Keys and values from scripts' `audit(..)`.
    pub audit: BTreeMap<String, String>,
}

/// Something for the audit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Record {
    /// A password was checked.
    Password {
        /// As typed.
        username: String,
        /// `Success` or the event's name.
        outcome: String,
        /// The validator.
        validator: String,
    },
    /// Duo named a factor or a reason that the evidence table does not know: it claims nothing, and
    /// an alarm is raised.
    Unknown(Unknown, String),
    /// For the process log: what a script said by `log(..)`, or why a script's answer was refused.
    Note(String),
    /// For the process log: why a step at Duo came to nothing.
    Trouble(String),
    /// The browser is about to be sent to Duo, or Duo's answer was verified or refused, or a
    /// pending Duo login expired.
    Duo(DuoRecord),
}

/// What of a Duo result nobody has graded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unknown {
    /// `auth_context.factor`
    Factor,
    /// `auth_context.reason`
    Reason,
}

impl Unknown {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Factor, Self::Reason];

    /// Its name in logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Factor => "factor",
            Self::Reason => "reason",
        }
    }
}

/// The fields of a Duo audit line (contract 1.7; facts of the DuoOIDC plugin, 2.1).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DuoRecord {
    /// `%DuoU`
    pub username: String,
    /// `%DuoRedirect`
    pub redirect_uri: String,
    /// `%DuoCID`
    pub client_id: String,
    /// `%DuoReqS`
    pub request_state: String,
    /// `%DuoRespS`
    pub response_state: String,
    /// `%DuoTXID`
    pub txid: String,
    /// `%DuoDID`
    pub device_id: String,
    /// `%DuoDN`
    pub device_name: String,
    /// `%DuoR`: Duo's reason, or our own when the answer was refused.
    pub reason: String,
    /// `%DuoF`
    pub factor: String,
}
