//! Which Duo application a login goes to, and under which name.

use super::super::run::Ground;
use crate::authn::event::Event;
use crate::authn::evidence::DuoVerified;
use crate::authn::facts::{FactKey, FactValue};
use crate::authn::rules::DuoUsername;
use crate::authn::strategy::{Decision, Trace};
use serde::{Deserialize, Serialize};

/// The integration and the name at Duo, chosen once for an attempt.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::authn::login) struct Chosen {
    pub(super) integration: String,
    /// Our user.
    pub(super) username: String,
    /// The user at Duo.
    pub(super) duo_username: String,
    /// Nobody proved the user's name before: Duo comes first.
    pub(super) first: bool,
}

/// Why nothing was chosen.
pub(super) enum Unchosen {
    Needs(FactKey),
    NoUser,
    Policy(String),
}

/// Chooses the integration and the name, by script or by rule.
pub(super) fn choose(ground: &mut Ground<'_>, claimed: Option<String>) -> Result<Chosen, Unchosen> {
    let proved = ground.core.username().map(str::to_owned);
    let first = proved.is_none();
    let username = proved.or(claimed).ok_or(Unchosen::NoUser)?;
    let (integration, by_script) = integration(ground)?;
    if !ground.rules.duo.integrations.contains_key(&integration) {
        return Err(Unchosen::Policy("no such Duo integration".to_owned()));
    }
    let (duo_username, second) = name_at_duo(&username, ground)?;
    ground.core.keep(by_script);
    ground.core.keep(second);
    Ok(Chosen {
        integration,
        username,
        duo_username,
        first,
    })
}

/// Chooses the name at Duo for a login without a browser: there is one Auth API application, and
/// the user has been proved by a password.
pub(super) fn choose_name(ground: &mut Ground<'_>) -> Result<Chosen, Unchosen> {
    let username = ground.core.username().map(str::to_owned);
    let username = username.ok_or(Unchosen::NoUser)?;
    let api = ground.rules.duo.auth_api.as_ref();
    let integration = api.map(|api| api.integration.name.clone());
    let (duo_username, trace) = name_at_duo(&username, ground)?;
    ground.core.keep(trace);
    Ok(Chosen {
        integration: integration.unwrap_or_default(),
        username,
        duo_username,
        first: false,
    })
}

fn name_at_duo(username: &str, ground: &Ground<'_>) -> Result<(String, Trace), Unchosen> {
    let rules = ground.rules;
    let view = ground.core.view(rules, Event::Proceed, ground.moment.now);
    let (name, trace) = match &rules.duo.username {
        DuoUsername::Script(script) => settle(rules.strategies.duo_username(script, &view))?,
        rule => (by_rule(rule, username, ground)?, Trace::default()),
    };
    if name.is_empty() {
        return Err(Unchosen::NoUser);
    }
    Ok((name, trace))
}

/// Whether an earlier result came from the integration that this request would be sent to: a
/// stricter application is not satisfied by what a laxer one allowed.
pub(in crate::authn::login) fn is_same_integration(
    ground: &Ground<'_>,
    earlier: &DuoVerified,
) -> Result<bool, FactKey> {
    match integration(ground) {
        Ok((name, _)) => Ok(name == earlier.integration()),
        Err(Unchosen::Needs(key)) => Err(key),
        Err(Unchosen::NoUser | Unchosen::Policy(_)) => Ok(false),
    }
}

fn integration(ground: &Ground<'_>) -> Result<(String, Trace), Unchosen> {
    let Some(script) = &ground.rules.duo.integration_strategy else {
        return Ok(("default".to_owned(), Trace::default()));
    };
    let view = ground
        .core
        .view(ground.rules, Event::Proceed, ground.moment.now);
    settle(ground.rules.strategies.integration(script, &view))
}

fn settle<T>(decision: Decision<T>) -> Result<(T, Trace), Unchosen> {
    match decision {
        Decision::Made(value, trace) => Ok((value, trace)),
        Decision::Needs(key) => Err(Unchosen::Needs(key)),
        Decision::Failed(reason) => Err(Unchosen::Policy(reason)),
    }
}

/// The name at Duo by a rule.
fn by_rule(rule: &DuoUsername, username: &str, ground: &Ground<'_>) -> Result<String, Unchosen> {
    match rule {
        DuoUsername::Attribute(name) => attribute(name, ground),
        rule => rule.of(username).ok_or(Unchosen::NoUser),
    }
}

/// The single value of a directory attribute; none or several are no name.
fn attribute(name: &str, ground: &Ground<'_>) -> Result<String, Unchosen> {
    match ground.core.fetched.get(&FactKey::UserAttributes) {
        None => Err(Unchosen::Needs(FactKey::UserAttributes)),
        Some(FactValue::Attributes(attributes)) => match attributes.get(name).map(Vec::as_slice) {
            Some([value]) => Ok(value.clone()),
            _ => Err(Unchosen::Policy(format!(
                "the attribute {name} does not have exactly one value"
            ))),
        },
        Some(FactValue::Word(_) | FactValue::Unknown) => Err(Unchosen::Policy(
            "the user's attributes are unknown".to_owned(),
        )),
    }
}
