//! The types of values that are not Rhai's own: three-valued answers and claims.

use crate::policy::vocabulary::{Outcome, UNKNOWN};
use rhai::{Array, Dynamic, Engine, Map};

/// Yes, no, or unknown (`None`).
///
/// It is no `bool`: `if user.in_group("g")` is an error, because an unknown answer has no place in
/// it. Scripts write `== true`, `== false`, or ask `.yes()`, `.no()`, `.unknown()`; an unknown
/// answer equals neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answer(pub(super) Option<bool>);

impl Answer {
    pub(super) fn as_str(self) -> &'static str {
        match self.0 {
            Some(true) => "true",
            Some(false) => "false",
            None => UNKNOWN,
        }
    }

    fn is(self, truth: bool) -> bool {
        self.0 == Some(truth)
    }
}

/// Values of an attribute that could not be fetched. Only `.unknown()` may be asked of it; all
/// else is an error, so that a failed directory never reads as "has no such value".
#[derive(Clone, Copy, Debug)]
pub(super) struct Unknown;

/// Teaches the engine the types.
pub(super) fn register(engine: &mut Engine) {
    engine
        .register_type_with_name::<Answer>("answer (use == true, .no() or .unknown())")
        .register_fn("yes", |answer: &mut Answer| answer.is(true))
        .register_fn("no", |answer: &mut Answer| answer.is(false))
        .register_fn("unknown", |answer: &mut Answer| answer.0.is_none())
        .register_fn("to_string", |answer: &mut Answer| answer.as_str())
        .register_fn("==", |answer: Answer, truth: bool| answer.is(truth))
        .register_fn("==", |truth: bool, answer: Answer| answer.is(truth))
        .register_fn("!=", |answer: Answer, truth: bool| !answer.is(truth))
        .register_fn("!=", |truth: bool, answer: Answer| !answer.is(truth))
        .register_type_with_name::<Unknown>("unknown value (ask .unknown() first)")
        .register_fn("unknown", |_: &mut Unknown| true)
        .register_fn("unknown", |_: &mut Array| false)
        .register_fn("==", |_: Unknown, _: Dynamic| unknown())
        .register_fn("==", |_: Dynamic, _: Unknown| unknown())
        .register_fn("!=", |_: Unknown, _: Dynamic| unknown())
        .register_fn("!=", |_: Dynamic, _: Unknown| unknown());
}

fn unknown() -> Outcome<bool> {
    Err("the value is unknown; ask .unknown() first".into())
}

/// A JSON value as Rhai's own values.
pub(super) fn from_json(json: &serde_json::Value) -> Dynamic {
    use serde_json::Value;
    match json {
        Value::Null => Dynamic::UNIT,
        Value::Bool(truth) => (*truth).into(),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => integer.into(),
            (None, Some(float)) => float.into(),
            (None, None) => Dynamic::UNIT,
        },
        Value::String(text) => text.as_str().into(),
        Value::Array(values) => Dynamic::from_array(values.iter().map(from_json).collect()),
        Value::Object(members) => Dynamic::from_map(
            members
                .iter()
                .map(|(name, value)| (name.as_str().into(), from_json(value)))
                .collect::<Map>(),
        ),
    }
}
