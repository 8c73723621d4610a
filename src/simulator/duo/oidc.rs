//! The OIDC Auth API: health check, authorize, token (A.3, A.4, A.6).

use super::Application;
use super::assertion::{self, AssertionError};
use super::fault::{FaultKind, TokenFault};
use super::id_token::{self, Event};
use super::message::Reply;
use super::outcome::{Outcome, Redirect};
use super::prompt;
use super::service::Call;
use super::state::{Authorization, Decision, Grant, State};
use serde_json::{Value, json};

const INVALID: &str = "The provided client_assertion was invalid.";

/// `POST /oauth/v1/health_check`
pub(super) fn health_check(call: &Call<'_>, state: &mut State) -> Reply {
    match assertion::take(call, state) {
        Ok(_) => Reply::ok(&json!({"timestamp": call.now.as_second()})),
        Err(AssertionError::WrongKind) => health_failure(
            call,
            state.settings.health_fail_status,
            "Integration type does not support frameless access",
        ),
        Err(_) => health_failure(call, state.settings.health_fail_status, INVALID),
    }
}

fn health_failure(call: &Call<'_>, status: u16, detail: &str) -> Reply {
    let body = json!({
        "stat": "FAIL",
        "code": 40002,
        "timestamp": call.now.as_second(),
        "message": "invalid_client",
        "message_detail": detail,
    });
    Reply::json(status, &body)
}

/// The failure that a fault asks for, whatever the request was.
pub(super) fn forced_failure(call: &Call<'_>, endpoint: &str, status: u16) -> Reply {
    if endpoint == "health_check" {
        health_failure(call, status, INVALID)
    } else {
        token_error(status, "invalid_client", INVALID)
    }
}

/// `GET` or `POST /oauth/v1/authorize`
pub(super) fn authorize(call: &Call<'_>, state: &mut State) -> Reply {
    let (application, claims) = match assertion::take_request(call) {
        Ok(taken) => taken,
        Err(AssertionError::WrongKind) => {
            return prompt::refusal("unauthorized_request", "Unauthorized OIDC request");
        }
        Err(_) => return prompt::refusal("invalid_client", INVALID),
    };
    let authorization = match accepted(call, state, application, &claims) {
        Ok(authorization) => authorization,
        Err(description) => return prompt::refusal("invalid_request", description),
    };
    match state.decide(&authorization.username, call.now) {
        Decision::Settled(outcome) => conclude(call, state, &authorization, &outcome, None),
        Decision::Ask | Decision::Enrol => {
            let sid = call.token();
            state.prompts.insert(sid.clone(), authorization);
            Reply::see_other(format!("/frame/v4/prompt?sid={sid}"))
        }
    }
}

/// What the signed request holds; the query may repeat it, and then the signed value wins.
fn accepted(
    call: &Call<'_>,
    state: &State,
    application: &Application,
    claims: &Value,
) -> Result<Authorization, &'static str> {
    let text = |name: &str| claims[name].as_str().unwrap_or_default();
    if text("response_type") != "code" || text("scope") != "openid" {
        return Err("response_type must be code and scope openid");
    }
    let names = ["redirect_uri", "scope", "state", "nonce", "response_type"];
    let differs = |name: &&str| {
        let query = call.parameter(name);
        !query.is_empty() && claims.get(*name).is_some_and(|claim| claim != query)
    };
    if state.settings.refuse_query_mismatch && names.iter().any(differs) {
        return Err("the query is not what was signed");
    }
    if !(16..=1024).contains(&text("state").len()) {
        return Err("state must have 16 to 1024 characters");
    }
    if text("duo_uname").is_empty() {
        return Err("duo_uname is missing");
    }
    let redirect_uri = text("redirect_uri");
    let limit = state.settings.longest_redirect_uri;
    if redirect_uri.len() > limit || !is_web_url(redirect_uri) {
        return Err("Invalid redirect URI");
    }
    let nonce = match text("nonce") {
        "" => call.parameter("nonce"),
        signed => signed,
    };
    Ok(Authorization {
        client_id: application.client_id.clone(),
        redirect_uri: redirect_uri.to_owned(),
        state: text("state").to_owned(),
        nonce: Some(nonce.to_owned()).filter(|nonce| !nonce.is_empty()),
        username: text("duo_uname").to_owned(),
        duo_code_parameter: claims["use_duo_code_attribute"] == true
            || text("use_duo_code_attribute") == "true",
    })
}

fn is_web_url(text: &str) -> bool {
    url::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https"))
}

/// Ends an authorization: writes the log, and sends the browser back, or keeps it here. `sid` is
/// the prompt that a refused user may try again.
pub(super) fn conclude(
    call: &Call<'_>,
    state: &mut State,
    authorization: &Authorization,
    outcome: &Outcome,
    sid: Option<&str>,
) -> Reply {
    let txid = call.uuid();
    let context = log(call, state, authorization, outcome, &txid);
    match outcome.redirect {
        Redirect::Code => {
            let code = call.token();
            let grant = Grant {
                authorization: authorization.clone(),
                outcome: outcome.clone(),
                txid,
                context,
                at: call.now,
            };
            let name = if authorization.duo_code_parameter {
                "duo_code"
            } else {
                "code"
            };
            let location = back(authorization, &[(name, &code)]);
            state.codes.insert(code, grant);
            end(state, sid);
            Reply::see_other(location)
        }
        Redirect::Error => {
            end(state, sid);
            let error = [
                ("error", "access_denied"),
                ("error_description", outcome.status_msg.as_str()),
            ];
            Reply::see_other(back(authorization, &error))
        }
        Redirect::None => prompt::denied(outcome, sid),
    }
}

fn end(state: &mut State, sid: Option<&str>) {
    if let Some(sid) = sid {
        state.prompts.remove(sid);
    }
}

fn log(
    call: &Call<'_>,
    state: &mut State,
    authorization: &Authorization,
    outcome: &Outcome,
    txid: &str,
) -> Value {
    let username = &authorization.username;
    let user = state.users.get(username).cloned().unwrap_or_default();
    let application = assertion::application(call, &authorization.client_id)
        .expect("an authorization is made for a known application");
    let context = id_token::context(&Event {
        txid,
        username,
        groups: &user.groups,
        email: user.email.as_deref(),
        application,
        outcome,
        client_ip: &call.arrival.peer,
        at: call.now,
    });
    state.record(username, outcome, context.clone(), call.now);
    context
}

/// The redirect URI may have a query of its own; Duo appends to it.
fn back(authorization: &Authorization, parameters: &[(&str, &str)]) -> String {
    let uri = &authorization.redirect_uri;
    let joint = if uri.contains('?') { '&' } else { '?' };
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("state", &authorization.state)
        .extend_pairs(parameters)
        .finish();
    format!("{uri}{joint}{query}")
}

/// `POST /oauth/v1/token`
pub(super) fn token(call: &Call<'_>, state: &mut State) -> Reply {
    let application = match assertion::take(call, state) {
        Ok(application) => application,
        Err(error) => return assertion_refused(error),
    };
    if call.parameter("grant_type") != "authorization_code" {
        return token_error(400, "unsupported_grant_type", "Unsupported grant type");
    }
    // Used up even when the rest is wrong: a code that leaked is worth one attempt.
    let grant = state.codes.remove(call.parameter("code"));
    let lifetime = state.settings.code_lifetime;
    let valid = |grant: &Grant| {
        grant.authorization.client_id == application.client_id
            && grant.authorization.redirect_uri == call.parameter("redirect_uri")
            && call.now.as_second() - grant.at.as_second() <= lifetime
    };
    match grant.filter(valid) {
        Some(grant) => {
            tracing::debug!(txid = grant.txid, "code exchanged");
            let id_token = id_token::make(call, &grant, &application.client_secret);
            token_answer(call, &id_token)
        }
        None => token_error(
            400,
            "invalid_grant",
            "The authorization code is not valid, has expired, was used before, or was issued \
             for another redirect URI or client",
        ),
    }
}

/// Exactly four members: Java's client fails on more.
fn token_answer(call: &Call<'_>, id_token: &str) -> Reply {
    let mut body = json!({
        "access_token": call.token(),
        "id_token": id_token,
        "expires_in": 3600,
        "token_type": "Bearer",
    });
    let has = |fault: TokenFault| call.faults.contains(&FaultKind::Token(fault));
    if has(TokenFault::NoIdToken) {
        body["id_token"] = Value::Null;
    }
    if has(TokenFault::WrongTokenType) {
        body["token_type"] = json!("mac");
    }
    Reply::json(200, &body)
}

fn assertion_refused(error: AssertionError) -> Reply {
    match error {
        AssertionError::Issuer => token_error(
            400,
            "invalid_client",
            "Invalid Client assertion: The `iss` claim must match the supplied client_id",
        ),
        AssertionError::WrongKind => token_error(
            401,
            "invalid_client",
            "Customer does not have frameless access enabled.",
        ),
        AssertionError::Invalid => token_error(400, "invalid_client", INVALID),
    }
}

fn token_error(status: u16, error: &str, description: &str) -> Reply {
    let body = json!({"error": error, "error_description": description});
    Reply::json(status, &body)
}
