//! The facts of one run: a snapshot of the login, and what the script read and said.

use crate::authn::event::Event;
use crate::authn::facts::{FactKey, FactValue, RelyingPartyFacts, RequestFacts};
use crate::authn::flow::FlowId;
use crate::authn::strategy::{Trace, View};
use crate::policy::lists::Lists;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The most `log(..)` lines and `audit(..)` keys of one run.
const MOST_NOTES: usize = 32;
/// The longest noted value, in characters.
const LONGEST_NOTE: usize = 256;

/// What one run of a script sees. A copy: the script cannot reach the login itself.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) rp: RelyingPartyFacts,
    pub(super) request: RequestFacts,
    pub(super) username: Option<String>,
    pub(super) results: Vec<FlowId>,
    pub(super) acceptable: bool,
    pub(super) event: Event,
    pub(super) attempts: BTreeMap<FlowId, u32>,
    pub(super) fetched: BTreeMap<FactKey, FactValue>,
    pub(super) now: Timestamp,
    pub(super) claims: Option<serde_json::Value>,
    pub(super) lists: Arc<Lists>,
    notes: Mutex<Notes>,
}

/// What a run left behind besides its value.
#[derive(Debug, Default)]
struct Notes {
    trace: Trace,
    interruption: Option<Interruption>,
}

/// Why a run stopped on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Interruption {
    /// It asked for a fact that is not there yet.
    Needs(FactKey),
    /// `fail(..)`
    Fail(Event),
}

impl Facts {
    pub(super) fn new(view: &View<'_>, lists: Arc<Lists>) -> Self {
        Self {
            rp: view.rp.clone(),
            request: view.request.clone(),
            username: view.username.map(str::to_owned),
            results: view.results.keys().copied().collect(),
            acceptable: view.acceptable,
            event: view.event,
            attempts: view.attempts.clone(),
            fetched: view.fetched.clone(),
            now: view.now,
            claims: None,
            lists,
            notes: Mutex::default(),
        }
    }

    /// Facts of a test case: nothing is known but what is set afterwards.
    pub(super) fn blank(now: Timestamp, lists: Arc<Lists>) -> Self {
        Self {
            rp: RelyingPartyFacts::default(),
            request: RequestFacts::default(),
            username: None,
            results: Vec::new(),
            acceptable: false,
            event: Event::Proceed,
            attempts: BTreeMap::new(),
            fetched: BTreeMap::new(),
            now,
            claims: None,
            lists,
            notes: Mutex::default(),
        }
    }

    pub(super) fn with_claims(mut self, claims: serde_json::Value) -> Self {
        self.claims = Some(claims);
        self
    }

    /// Notes that the script read this fact and what it saw.
    pub(super) fn read(&self, name: &str, value: &str) {
        let mut notes = self.notes();
        if !notes.trace.read.contains_key(name) {
            notes.trace.read.insert(clean(name), clean(value));
        }
    }

    /// A fetched fact, or the note that it is needed.
    pub(super) fn fetched(&self, key: FactKey) -> Result<&FactValue, Interruption> {
        self.fetched
            .get(&key)
            .ok_or_else(|| self.interrupt(Interruption::Needs(key)))
    }

    /// Notes why the run stops. The first interruption stands: what a script does after it, if it
    /// found a way to go on, no longer counts.
    pub(super) fn interrupt(&self, why: Interruption) -> Interruption {
        *self.notes().interruption.get_or_insert(why)
    }

    pub(super) fn interruption(&self) -> Option<Interruption> {
        self.notes().interruption
    }

    pub(super) fn audit(&self, key: &str, value: &str) -> Result<(), &'static str> {
        let mut notes = self.notes();
        if notes.trace.audit.len() >= MOST_NOTES && !notes.trace.audit.contains_key(key) {
            return Err("too many audit keys");
        }
        notes.trace.audit.insert(clean(key), clean(value));
        Ok(())
    }

    pub(super) fn log(&self, line: &str) -> Result<(), &'static str> {
        let mut notes = self.notes();
        if notes.trace.log.len() >= MOST_NOTES {
            return Err("too many log lines");
        }
        notes.trace.log.push(clean(line));
        Ok(())
    }

    pub(super) fn take_trace(&self) -> Trace {
        std::mem::take(&mut self.notes().trace)
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Text that may be hostile, made safe for a log line: cut, control characters escaped.
pub(super) fn clean(text: &str) -> String {
    let mut safe = String::with_capacity(text.len().min(LONGEST_NOTE));
    for c in text.chars().take(LONGEST_NOTE) {
        if c.is_control() {
            write!(safe, "{}", c.escape_default()).expect("writing to a String cannot fail");
        } else {
            safe.push(c);
        }
    }
    safe
}
