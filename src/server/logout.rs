//! A logout on its way: who began it, which relying parties are still to be told, and what each
//! answered.
//!
//! Our own session has ended before the first of them hears of it. What needs the browser is kept
//! in the store under an unguessable id that travels in the URL, bound to a secret that only this
//! browser's cookie holds, and moved by compare-and-swap: exactly one request concludes it.

use crate::response::logout::Ended;
use crate::saml::logout::{LogoutRequest, Outcome};
use crate::saml::name_id::NameId;
use crate::server::conversation::BrowserHash;
use crate::server::session::{Participant, Session};
use crate::server::storage::Context;
use crate::server::storage::records::{Record, Records};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use std::net::IpAddr;

/// What a logout began with.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Begun {
    /// The transaction id, shown to the user and written to the line.
    pub transaction: String,
    /// When it began.
    pub started: Timestamp,
    /// From where, as the audit records it.
    pub client: Option<IpAddr>,
    /// `User-Agent`, cut.
    pub user_agent: String,
    /// The relying party's request; `None` when the user began it on our page.
    pub request: Option<LogoutRequest>,
}

/// What became of the session that was to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fate {
    /// It has ended.
    Ended,
    /// There was none of that name.
    Unknown,
    /// The browser that carried the request has a session, and the request means another one.
    AnotherBrowsers,
    /// Its user chose to keep it (SDP-IDP22).
    Kept,
}

impl Fate {
    /// The end of a text's key.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ended => "ended",
            Self::Unknown | Self::AnotherBrowsers => "unknown",
            Self::Kept => "kept",
        }
    }
}

/// A logout that was begun, with everybody who is told of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Logout {
    /// How it began.
    pub begun: Begun,
    /// What became of the session.
    pub fate: Fate,
    /// Whose session it is or was.
    pub username: Option<String>,
    /// What the audit calls the session that ended, each of them if there were several.
    pub session: Option<String>,
    /// Everybody else who was told of it.
    pub parties: Vec<Party>,
    /// Whether there were more than the session remembers.
    pub forgotten: bool,
    /// Whether the user has seen who will be told by way of the browser.
    pub shown: bool,
}

/// A relying party that is to end its sessions of one name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Party {
    /// Its entityID.
    pub entity_id: String,
    /// The name it was given, every part of it.
    pub name_id: NameId,
    /// The SessionIndexes it was given.
    pub session_indexes: Vec<String>,
    /// Whether this browser may carry the message: the session was its own.
    pub by_browser: bool,
    /// How far it is.
    pub told: Told,
}

/// What became of telling a relying party.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Told {
    /// It is still to be told.
    NotYet,
    /// The browser has carried our request to it and has not come back.
    Asked,
    /// It says that its session has ended.
    Ended,
    /// It says so, and that one of those behind it did not end.
    Partial,
    /// It says that its session has not ended.
    NotEnded,
    /// It did not answer.
    Silent,
    /// It has nothing that takes our request.
    Unreachable,
}

impl Told {
    /// The end of a text's key, and the word of the audit.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotYet => "not-yet",
            Self::Asked => "asked",
            Self::Ended => "ended",
            Self::Partial => "partial",
            Self::NotEnded => "not-ended",
            Self::Silent => "silent",
            Self::Unreachable => "unreachable",
        }
    }
}

impl From<Outcome> for Told {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Ended => Self::Ended,
            Outcome::Partial => Self::Partial,
            Outcome::Failed => Self::NotEnded,
        }
    }
}

impl Logout {
    /// A logout that ends nothing.
    pub fn without_end(begun: Begun, fate: Fate) -> Self {
        Self {
            begun,
            fate,
            username: None,
            session: None,
            parties: Vec::new(),
            forgotten: false,
            shown: false,
        }
    }

    /// The logout of these sessions, which have ended; `own` is the reference of the browser's.
    pub fn of(begun: Begun, sessions: &[Session], own: Option<&str>) -> Self {
        let Some(first) = sessions.first() else {
            return Self::without_end(begun, Fate::Unknown);
        };
        let references: Vec<&str> = sessions.iter().map(|s| s.reference.as_str()).collect();
        let mut logout = Self {
            username: first.username().map(str::to_owned),
            session: Some(references.join(",")),
            forgotten: sessions.iter().any(|s| s.participants.forgotten),
            ..Self::without_end(begun, Fate::Ended)
        };
        for session in sessions {
            let by_browser = own == Some(session.reference.as_str());
            for participant in session.participants.iter() {
                logout.add(participant, by_browser);
            }
        }
        logout
    }

    /// Whoever asked knows already. Several sessions of one name are one request (SAML core 3.7.1).
    fn add(&mut self, participant: &Participant, by_browser: bool) {
        let request = self.begun.request.as_ref();
        if request.is_some_and(|request| participant.is_meant_by(request)) {
            return;
        }
        let same = self.parties.iter_mut().find(|party| {
            party.entity_id == participant.entity_id
                && party.name_id == participant.name_id
                && party.by_browser == by_browser
        });
        let index = participant.session_index.clone();
        match same {
            Some(party) => party.session_indexes.push(index),
            None => self.parties.push(Party {
                entity_id: participant.entity_id.clone(),
                name_id: participant.name_id.clone(),
                session_indexes: vec![index],
                by_browser,
                told: Told::NotYet,
            }),
        }
    }

    /// The next one to be told.
    pub fn next(&self) -> Option<usize> {
        let mut parties = self.parties.iter();
        parties.position(|party| party.told == Told::NotYet)
    }

    /// Whether the browser was sent to one that has not answered.
    pub fn waits(&self) -> bool {
        self.parties.iter().any(|party| party.told == Told::Asked)
    }

    /// The user came back without an answer: it is not waited for any more.
    pub fn give_up(&mut self) {
        let asked = self.parties.iter_mut();
        for party in asked.filter(|party| party.told == Told::Asked) {
            party.told = Told::Silent;
        }
    }

    /// Takes an answer, late ones too; false when nobody of this name was asked in that place.
    pub fn answered(&mut self, place: usize, issuer: &str, outcome: Outcome) -> bool {
        let Some(party) = self.parties.get_mut(place) else {
            return false;
        };
        let waited_for = matches!(party.told, Told::Asked | Told::Silent);
        if !waited_for || party.entity_id != issuer {
            return false;
        }
        party.told = outcome.into();
        true
    }

    /// How it ended, told as it is (SDP-IDP31): nobody is taken for signed out who did not say so.
    pub fn ended(&self) -> Ended {
        let all = self.parties.iter().all(|party| party.told == Told::Ended);
        match self.fate {
            Fate::Ended if all && !self.forgotten => Ended::All,
            Fate::Ended => Ended::Partial,
            Fate::Unknown | Fate::AnotherBrowsers => Ended::NoSession,
            Fate::Kept => Ended::Failed,
        }
    }

    /// Shibboleth's event name for the line, where it did not just proceed.
    pub fn event(&self) -> Option<&'static str> {
        match self.fate {
            Fate::Ended | Fate::Kept => None,
            Fate::Unknown => Some("SessionNotFound"),
            Fate::AnotherBrowsers => Some("IdentitySwitch"),
        }
    }

    /// What became of the session and what each one answered, for the line.
    pub fn why(&self) -> String {
        let mut why = String::from(match self.fate {
            Fate::Ended => "the session ended",
            Fate::Unknown => "no session has that name",
            Fate::AnotherBrowsers => "the browser's session is another one",
            Fate::Kept => "the user kept the session",
        });
        for party in &self.parties {
            let _ = write!(why, "; {}: {}", party.entity_id, party.told.as_str());
        }
        if self.forgotten {
            why.push_str("; others are not remembered");
        }
        why
    }

    /// The ID of our answer: the same one however often its page is shown.
    pub fn answer_id(&self) -> String {
        format!("_{}", self.begun.transaction)
    }
}

/// The ID of the request to the party in that place of a logout. The answer repeats it, and leads
/// back to the logout.
pub fn message_id(logout: &str, place: usize) -> String {
    format!("_{logout}-{place}")
}

/// Which logout and which of its parties an answer is about, if the ID is one of ours.
pub fn place_of(message_id: &str) -> Option<(&str, usize)> {
    let (logout, place) = message_id.strip_prefix('_')?.split_once('-')?;
    Some((logout, place.parse().ok()?))
}

/// A logout that waits for its browser.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Waiting {
    /// Accepted by POST from another site; which browser it belongs to is not known yet.
    Pending(Box<Begun>),
    /// The user is asked whether the session is to end.
    Question(Owner, Box<Begun>),
    /// Relying parties are told by way of the browser.
    Telling(Owner, Box<Logout>),
    /// Concluded; kept for a while for its page.
    Over(Owner, Box<Logout>),
}

/// Whose logout it is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Owner {
    /// The browser.
    pub browser: BrowserHash,
    /// What its forms must carry.
    pub csrf: String,
}

impl Waiting {
    /// Whose it is; a parked one is nobody's yet.
    pub fn owner(&self) -> Option<&Owner> {
        match self {
            Self::Pending(_) => None,
            Self::Question(owner, _) | Self::Telling(owner, _) | Self::Over(owner, _) => {
                Some(owner)
            }
        }
    }
}

impl Record for Waiting {
    const CONTEXT: Context = Context::Logout;
}

/// The logouts of a store.
pub type Logouts<'a> = Records<'a, Waiting>;

#[cfg(test)]
mod tests;
