//! How a source stands: for `/status`, the command line and metrics.

use super::held::Held;
use super::{kind, place};
use crate::config::metadata::ProviderSettings;
use jiff::Timestamp;
use serde::Serialize;
use std::sync::Arc;

/// What happened to a source so far.
#[derive(Debug, Default)]
pub(super) struct State {
    succeeded: Option<Timestamp>,
    attempted: Option<Timestamp>,
    problem: Option<String>,
    failures: u64,
}

impl State {
    pub(super) fn succeeded(&mut self, now: Timestamp) {
        (self.succeeded, self.attempted, self.problem) = (Some(now), Some(now), None);
    }

    /// A failure is logged when it begins, and when its reason changes.
    pub(super) fn failed(&mut self, name: &str, problem: &str, now: Timestamp) {
        if self.problem.as_deref() != Some(problem) {
            tracing::error!(provider = name, problem, "metadata not refreshed");
        }
        self.attempted = Some(now);
        self.problem = Some(problem.to_owned());
        self.failures += 1;
    }

    /// A look at the disk succeeded.
    pub(super) fn looked(&mut self, changed: bool, now: Timestamp) {
        self.attempted = Some(now);
        self.problem = None;
        if changed || self.succeeded.is_none() {
            self.succeeded = Some(now);
        }
    }
}

/// One source in `/status`.
#[derive(Clone, Debug, Serialize)]
pub struct SourceStatus {
    /// Its name.
    pub name: String,
    /// file, folder, url or mdq.
    pub kind: &'static str,
    /// Where it reads from.
    pub place: String,
    /// Whether a signature is required.
    pub signed: bool,
    /// Entities held.
    pub entities: usize,
    /// Size of the documents held.
    pub octets: usize,
    /// The earliest end of validity among its documents.
    pub valid_until: Option<String>,
    /// When it last changed or was confirmed.
    pub refreshed: Option<String>,
    /// When it was last tried.
    pub attempted: Option<String>,
    /// When it is fetched next.
    pub next: Option<String>,
    /// Failures since the start.
    pub failures: u64,
    /// What is wrong now; the last good documents stay in force.
    pub problem: Option<String>,
}

impl SourceStatus {
    pub(super) fn new(
        settings: &ProviderSettings,
        documents: &[Arc<Held>],
        state: &State,
        now: Timestamp,
    ) -> Self {
        let valid_until = documents.iter().filter_map(|held| held.valid_until).min();
        let text = |at: Option<Timestamp>| at.map(|at| at.to_string());
        let mut status = Self {
            name: settings.name.clone(),
            kind: kind(&settings.origin),
            place: place(&settings.origin),
            signed: settings.certificates.is_some(),
            entities: documents.iter().map(|held| held.len()).sum(),
            octets: documents.iter().map(|held| held.octets).sum(),
            valid_until: text(valid_until),
            refreshed: text(state.succeeded),
            attempted: text(state.attempted),
            next: None,
            failures: state.failures,
            problem: state.problem.clone(),
        };
        let expired = valid_until.filter(|until| *until <= now);
        status.add_problems(expired.map(|until| format!("expired on {until}")));
        status
    }

    pub(super) fn add_problems(&mut self, problems: impl IntoIterator<Item = String>) {
        for problem in problems {
            match &mut self.problem {
                Some(before) => {
                    before.push_str("; ");
                    before.push_str(&problem);
                }
                none => *none = Some(problem),
            }
        }
    }
}
