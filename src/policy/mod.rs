//! What the deployer scripted.
//!
//! Owns: compiling, checking, bounding and running the Rhai scripts of `scripts/`, the facts they
//! see, named lists, and policy tests. A script is a pure function of its facts: no files,
//! network, clock, randomness, imports or `eval`; it chooses among what is declared and cannot
//! make evidence. Does not own: what a choice means (`authn`), fetching facts (`server`).

pub mod audience;
mod check;
mod engine;
mod facts;
pub mod lists;
mod run;
pub mod tests;
mod vocabulary;

#[cfg(test)]
mod corpus;

use crate::authn::event::Event;
use crate::authn::flow::FlowId;
use crate::authn::strategy::{Decision, Next, ScriptName, Strategies, View};
use crate::policy::facts::Facts;
use crate::policy::lists::Lists;
use crate::policy::run::Stop;
use crate::saml::context::AuthnContextClassRef;
use rhai::{AST, Dynamic, Engine};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// The longest user name a script may send to Duo, in bytes.
const LONGEST_USERNAME: usize = 256;
/// The most principals a script may return.
const MOST_PRINCIPALS: usize = 32;
/// The most values a script may give an attribute.
const MOST_VALUES: usize = 256;

/// The compiled scripts and the named lists: immutable, one value per generation.
pub struct Policy {
    engine: Engine,
    scripts: BTreeMap<String, AST>,
    lists: Arc<Lists>,
}

/// Why a script does not compile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ScriptError {
    /// The script's name, without `.rhai`.
    pub script: String,
    /// Line, 1-based; 0 when not known.
    pub line: usize,
    /// Column, 1-based; 0 when not known.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// The likely fix.
    pub hint: String,
}

impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            script,
            line,
            column,
            message,
            hint,
        } = self;
        write!(
            f,
            "scripts/{script}.rhai:{line}:{column}: {message}; {hint}"
        )
    }
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policy")
            .field("scripts", &self.scripts.keys())
            .field("lists", &self.lists)
            .finish_non_exhaustive()
    }
}

impl Policy {
    /// Compiles and checks every script; all errors at once.
    ///
    /// `scripts` maps names (`mfa/second-factor`) to source, `lists` names to entries
    /// (see [`lists::parse`]).
    pub fn compile(
        scripts: &BTreeMap<String, String>,
        lists: &BTreeMap<String, Vec<String>>,
    ) -> Result<Self, Vec<ScriptError>> {
        let engine = engine::bounded();
        let lists = Arc::new(Lists::new(lists));
        let mut compiled = BTreeMap::new();
        let mut errors = Vec::new();
        for (name, source) in scripts {
            match check::compile(&engine, &lists, name, source) {
                Ok(ast) => {
                    compiled.insert(name.clone(), ast);
                }
                Err(found) => errors.extend(found),
            }
        }
        if errors.is_empty() {
            Ok(Self {
                engine,
                scripts: compiled,
                lists,
            })
        } else {
            Err(errors)
        }
    }

    /// Whether there is a script of this name.
    pub fn contains(&self, script: &ScriptName) -> bool {
        self.scripts.contains_key(&script.0)
    }

    /// The scripts' names.
    pub fn scripts(&self) -> impl Iterator<Item = &str> {
        self.scripts.keys().map(String::as_str)
    }

    fn decide<T>(
        &self,
        script: &ScriptName,
        facts: Facts,
        read: impl FnOnce(Result<Dynamic, Event>) -> Result<T, String>,
    ) -> Decision<T> {
        let Some(ast) = self.scripts.get(&script.0) else {
            return Decision::Failed(format!("there is no script named {script}"));
        };
        let facts = Arc::new(facts);
        let ended = match run::run(&self.engine, ast, &facts) {
            Ok(value) => Ok(value),
            Err(Stop::Needs(key)) => return Decision::Needs(key),
            Err(Stop::Fail(event)) => Err(event),
            Err(Stop::Error(reason)) => {
                return Decision::Failed(format!("scripts/{script}.rhai{reason}"));
            }
        };
        match read(ended) {
            Ok(made) => Decision::Made(made, facts.take_trace()),
            Err(reason) => Decision::Failed(format!("scripts/{script}.rhai: {reason}")),
        }
    }

    fn facts(&self, view: &View<'_>) -> Facts {
        Facts::new(view, Arc::clone(&self.lists))
    }

    fn next(&self, script: &ScriptName, facts: Facts) -> Decision<Next> {
        self.decide(script, facts, |ended| match ended {
            Ok(value) => next(&value),
            Err(event) => Ok(Next::Fail(event)),
        })
    }

    fn text(&self, script: &ScriptName, facts: Facts) -> Decision<String> {
        self.decide(script, facts, |ended| text(value(ended)?))
    }

    fn classes(&self, script: &ScriptName, facts: Facts) -> Decision<Vec<AuthnContextClassRef>> {
        self.decide(script, facts, |ended| classes(value(ended)?))
    }

    fn values(&self, script: &ScriptName, facts: Facts) -> Decision<Vec<String>> {
        self.decide(script, facts, |ended| values(value(ended)?))
    }

    fn truth(&self, script: &ScriptName, facts: Facts) -> Decision<bool> {
        self.decide(script, facts, |ended| {
            let value = value(ended)?;
            value
                .as_bool()
                .map_err(|found| format!("a condition answers true or false, not {found}"))
        })
    }
}

impl Strategies for Policy {
    fn next_factor(&self, script: &ScriptName, view: &View<'_>) -> Decision<Next> {
        self.next(script, self.facts(view))
    }

    fn integration(&self, script: &ScriptName, view: &View<'_>) -> Decision<String> {
        self.text(script, self.facts(view))
    }

    fn principals(
        &self,
        script: &ScriptName,
        view: &View<'_>,
        claims: &serde_json::Value,
    ) -> Decision<Vec<AuthnContextClassRef>> {
        self.classes(script, self.facts(view).with_claims(claims.clone()))
    }

    fn duo_username(&self, script: &ScriptName, view: &View<'_>) -> Decision<String> {
        self.text(script, self.facts(view))
    }

    fn condition(&self, script: &ScriptName, view: &View<'_>) -> Decision<bool> {
        self.truth(script, self.facts(view))
    }

    fn attribute(&self, script: &ScriptName, view: &View<'_>) -> Decision<Vec<String>> {
        self.values(script, self.facts(view))
    }
}

/// `fail(..)` is an answer of next-factor scripts alone.
fn value(ended: Result<Dynamic, Event>) -> Result<Dynamic, String> {
    ended.map_err(|_| "fail(..) is an answer of next-factor scripts alone".to_owned())
}

fn next(value: &Dynamic) -> Result<Next, String> {
    if value.is_unit() {
        return Ok(Next::End);
    }
    let Ok(name) = value.as_immutable_string_ref() else {
        let found = value.type_name();
        return Err(format!(
            "the answer is a flow id, () or fail(..), not {found}"
        ));
    };
    let name = name.as_str();
    match name.parse() {
        // The composite runs the scripts; started from one it would have no end.
        Ok(FlowId::Mfa) | Err(_) => Err(format!("{name:?} is no flow that can be a next step")),
        Ok(flow) => Ok(Next::Flow(flow)),
    }
}

/// A string, an array of strings, or `()` for no value at all.
fn values(value: Dynamic) -> Result<Vec<String>, String> {
    if value.is_unit() {
        return Ok(Vec::new());
    }
    if value.is_string() {
        return text(value).map(|value| vec![value]);
    }
    let array = value
        .into_array()
        .map_err(|found| format!("the answer is a string or an array of strings, not {found}"))?;
    if array.len() > MOST_VALUES {
        return Err(format!("more than {MOST_VALUES} values"));
    }
    array.into_iter().map(text).collect()
}

fn text(value: Dynamic) -> Result<String, String> {
    let text = value
        .into_string()
        .map_err(|found| format!("the answer is a string, not {found}"))?;
    if text.is_empty() || text.len() > LONGEST_USERNAME || text.contains(char::is_control) {
        return Err("the answer is empty, too long, or has control characters".to_owned());
    }
    Ok(text)
}

fn classes(value: Dynamic) -> Result<Vec<AuthnContextClassRef>, String> {
    let array = value
        .into_array()
        .map_err(|found| format!("the answer is an array of classes, not {found}"))?;
    if array.len() > MOST_PRINCIPALS {
        return Err(format!("more than {MOST_PRINCIPALS} classes"));
    }
    array
        .into_iter()
        .map(|class| text(class).map(AuthnContextClassRef::new))
        .collect()
}
