//! The control API: script outcomes, switch faults, seed users, read what arrived.

use super::fault::Fault;
use super::message::{Arrival, Reply};
use super::outcome::{Outcome, OutcomeRequest};
use super::state::{Settings, State, User};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// A user to seed.
#[derive(Deserialize)]
struct SeededUser {
    username: String,
    #[serde(flatten)]
    rest: serde_json::Map<String, Value>,
}

/// Answers one control call; `auto` is what `/reset` goes back to.
pub(super) fn answer(arrival: &Arrival, state: &mut State, auto: Option<&Outcome>) -> Reply {
    let done = match (arrival.method.as_str(), arrival.path.as_str()) {
        ("GET", "/requests") => return Reply::json(200, &json!(state.requests)),
        ("GET", "/log") => return Reply::json(200, &json!(state.log)),
        ("POST", "/outcome") => set_outcome(arrival, state),
        ("POST", "/fault") => add_fault(arrival, state),
        ("POST", "/user") => seed_user(arrival, state),
        ("POST", "/settings") => change_settings(arrival, state),
        ("POST", "/reset") => {
            *state = State::new(auto.cloned());
            Ok(())
        }
        _ => return Reply::json(404, &json!({"error": "no such control"})),
    };
    match done {
        Ok(()) => Reply::json(200, &json!({"ok": true})),
        Err(error) => Reply::json(400, &json!({"error": error})),
    }
}

type Done = Result<(), String>;

fn set_outcome(arrival: &Arrival, state: &mut State) -> Done {
    let request: OutcomeRequest = body(arrival)?;
    let (username, times) = (request.username.clone(), request.times);
    let outcome = request.outcome()?;
    state.script(username, times, outcome);
    Ok(())
}

fn add_fault(arrival: &Arrival, state: &mut State) -> Done {
    let fault: Fault = body(arrival)?;
    state.faults.add(fault).map_err(str::to_owned)
}

fn seed_user(arrival: &Arrival, state: &mut State) -> Done {
    let seeded: SeededUser = body(arrival)?;
    let user: User =
        serde_json::from_value(Value::Object(seeded.rest)).map_err(|error| error.to_string())?;
    state.users.insert(seeded.username, user);
    Ok(())
}

/// What is not named stays as it is.
fn change_settings(arrival: &Arrival, state: &mut State) -> Done {
    let change: serde_json::Map<String, Value> = body(arrival)?;
    let mut settings = json!(state.settings);
    for (name, value) in change {
        settings[name] = value;
    }
    state.settings =
        serde_json::from_value::<Settings>(settings).map_err(|error| error.to_string())?;
    Ok(())
}

fn body<T: DeserializeOwned>(arrival: &Arrival) -> Result<T, String> {
    serde_json::from_slice(&arrival.body).map_err(|error| error.to_string())
}
