//! Asks the back end that a step of a login names.

use crate::attribute::GROUPS;
use crate::authn::facts::{FactKey, FactValue};
use crate::authn::login::{Answer, Call, PasswordAnswer};
use crate::duo::auth_api::{ApiCall, Subject};
use crate::duo::integration::Integration;
use crate::duo::oidc::{FormRequest, HttpAnswer, health_check, read_health};
use crate::duo::secret::Secret;
use crate::server::back_end::UserRecord;
use crate::server::back_end::duo::auth as duo_auth;
use crate::server::duo_starts::DuoStarts;
use crate::server::generation::Generation;
use crate::server::http::exchange::Exchange;
use crate::server::throttle::Admission;
use crate::server::world::World;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What the back end says; that it could not say anything is an answer too.
pub async fn ask(exchange: &Exchange, call: Call) -> Answer {
    let generation = &exchange.generation;
    let world = &exchange.app.world;
    match call {
        Call::Password { username, password } => {
            Answer::Password(check_password(exchange, &username, password).await)
        }
        Call::Health {
            integration,
            request,
        } => Answer::Health(send(generation, &integration, &request).await),
        Call::Token {
            integration,
            request,
        } => Answer::Token(send(generation, &integration, &request).await),
        Call::AuthApi(call) => Answer::AuthApi(call_auth_api(generation, &call).await),
        Call::DuoStart(username) => {
            let storage = &*exchange.app.storage;
            Answer::DuoStarts(DuoStarts { storage, world }.count(&username).await)
        }
        Call::Fact(key, username) => {
            Answer::Fact(key, fact(generation, world, key, &username).await)
        }
    }
}

async fn call_auth_api(generation: &Generation, call: &ApiCall) -> HttpAnswer {
    match &generation.settings.duo_auth_api {
        Some(api) => generation.duo.call(&api.integration, call).await,
        None => HttpAnswer::Transport {
            reason: "no Auth API application".to_owned(),
        },
    }
}

/// An attempt that is not let through costs the same hash and gets the same answer as a wrong
/// password (attacks S52, S53). What it left is written after the answer, for the same reason; until
/// then it counts as under way.
async fn check_password(exchange: &Exchange, username: &str, password: Secret) -> PasswordAnswer {
    let back_end = &exchange.generation.password;
    let settings = &exchange.generation.settings.password.throttle;
    let throttle = &exchange.app.throttle;
    let admission = throttle.admit(settings, username, exchange.client.recorded);
    let attempt = match admission.await {
        Ok(Admission::Go(attempt)) => attempt,
        Ok(Admission::Slowed(_)) => {
            back_end.pretend(username, password).await;
            return PasswordAnswer::Throttled;
        }
        Err(error) => {
            tracing::error!(%error, "failed passwords cannot be counted");
            return PasswordAnswer::Unavailable;
        }
    };
    let answer = back_end.check(username, password).await;
    match &answer {
        PasswordAnswer::Refused | PasswordAnswer::AccountLocked => {
            tokio::spawn(attempt.failed());
        }
        PasswordAnswer::Verified(_) | PasswordAnswer::Expiring(..) | PasswordAnswer::Expired => {
            attempt.succeeded().await;
        }
        PasswordAnswer::Unavailable | PasswordAnswer::Throttled => {}
    }
    answer
}

async fn send(generation: &Generation, name: &str, request: &FormRequest) -> HttpAnswer {
    match integration(generation, name) {
        Some(integration) => generation.duo.send(&integration, request).await,
        None => HttpAnswer::Transport {
            reason: "no such integration".to_owned(),
        },
    }
}

fn integration(generation: &Generation, name: &str) -> Option<Arc<Integration>> {
    generation
        .settings
        .rules
        .duo
        .integrations
        .get(name)
        .cloned()
}

async fn fact(generation: &Generation, world: &World, key: FactKey, username: &str) -> FactValue {
    match key {
        FactKey::UserAttributes => record(generation, username)
            .await
            .map_or(FactValue::Unknown, FactValue::Attributes),
        FactKey::UserGroups => groups(generation, username).await,
        FactKey::DuoHealth => health(generation, world).await,
        FactKey::DuoPreauth => preauth(generation, world, username).await,
    }
}

async fn record(generation: &Generation, username: &str) -> Option<BTreeMap<String, Vec<String>>> {
    let record = generation.directory.record(username).await;
    record
        .inspect_err(|error| tracing::error!(%error, "the directory did not answer"))
        .ok()
}

async fn groups(generation: &Generation, username: &str) -> FactValue {
    let Some(record) = record(generation, username).await else {
        return FactValue::Unknown;
    };
    groups_of(&record)
}

/// The groups in a user's record. A source without any group column cannot say who is in a group:
/// that is unknown, not none.
pub fn groups_of(record: &UserRecord) -> FactValue {
    let named = GROUPS.iter().find_map(|column| record.get(*column));
    named.map_or(FactValue::Unknown, |groups| {
        FactValue::Attributes(BTreeMap::from([("groups".to_owned(), groups.clone())]))
    })
}

/// What Duo would do with a user of this name. Without an Auth API application nobody can say.
async fn preauth(generation: &Generation, world: &World, username: &str) -> FactValue {
    let Some(api) = &generation.settings.duo_auth_api else {
        return FactValue::Unknown;
    };
    let duo = &*generation.duo;
    let subject = Subject::Username(username.to_owned());
    match duo_auth::preauth(duo, &api.integration, &subject, None, &*world.clock).await {
        Ok(preauth) => FactValue::Word(preauth.result.as_str().to_owned()),
        Err(error) => {
            tracing::warn!(%error, "Duo's preauth did not answer");
            FactValue::Unknown
        }
    }
}

async fn health(generation: &Generation, world: &World) -> FactValue {
    let Some(integration) = integration(generation, "default") else {
        return FactValue::Unknown;
    };
    let request = health_check(&integration, &world.id(), world.now());
    let answer = generation.duo.send(&integration, &request).await;
    let state = match read_health(&answer, world.now()) {
        Ok(()) => "up",
        Err(_) => "down",
    };
    FactValue::Word(state.to_owned())
}
