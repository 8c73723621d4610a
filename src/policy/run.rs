//! Running one script over one set of facts.

use crate::authn::event::Event;
use crate::authn::facts::FactKey;
use crate::policy::facts::{Facts, Interruption, clean};
use crate::policy::vocabulary::{FACTS, Handle};
use rhai::{AST, Dynamic, Engine, EvalAltResult, Scope};
use std::sync::Arc;

/// Why a run gave no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// It asked for a fact that is not there yet.
    Needs(FactKey),
    /// `fail(..)`
    Fail(Event),
    /// An error or a limit: position and message, safe to log.
    Error(String),
}

/// Runs a script to its value.
pub(super) fn run(engine: &Engine, ast: &AST, facts: &Arc<Facts>) -> Result<Dynamic, Stop> {
    let mut scope = Scope::new();
    scope.push_constant_dynamic(FACTS, Dynamic::from(Handle(Arc::clone(facts))));
    let result = engine.eval_ast_with_scope::<Dynamic>(&mut scope, ast);
    // Asked first, whatever the value: nothing a script does can hide an interruption.
    match facts.interruption() {
        Some(Interruption::Needs(key)) => Err(Stop::Needs(key)),
        Some(Interruption::Fail(event)) => Err(Stop::Fail(event)),
        None => result.map_err(|error| Stop::Error(reason(*error))),
    }
}

fn reason(mut error: EvalAltResult) -> String {
    let position = error.take_position();
    let message = clean(&error.to_string());
    match (position.line(), position.position()) {
        (Some(line), Some(column)) => format!(":{line}:{column}: {message}"),
        (Some(line), None) => format!(":{line}: {message}"),
        _ => format!(": {message}"),
    }
}
