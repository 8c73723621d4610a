//! The parts of the Admin API that tell what is there and what happened (C.1, C.3, C.5).

use super::ApplicationKind;
use super::credentials::{self, failure, failure_with};
use super::message::Reply;
use super::service::{Call, duo_id};
use super::state::{State, User};
use serde_json::{Value, json};

/// `GET /admin/v1/users`, by name or page by page.
pub(super) fn users(call: &Call<'_>, state: &mut State) -> Reply {
    if let Err(refusal) = credentials::take(call, ApplicationKind::AdminApi) {
        return refusal;
    }
    let wanted = call.parameter("username");
    let all: Vec<Value> = state
        .users
        .iter()
        .filter(|(name, user)| {
            let alias = || user.aliases.iter().any(|alias| alias == wanted);
            wanted.is_empty() || wanted == name.as_str() || alias()
        })
        .map(|(name, user)| shown(name, user))
        .collect();
    let offset = call.parameter("offset").parse().unwrap_or(0);
    let limit = call.parameter("limit").parse().unwrap_or(100).clamp(1, 300);
    let page: Vec<_> = all.iter().skip(offset).take(limit).collect();
    let mut metadata = json!({"total_objects": all.len()});
    if offset + page.len() < all.len() {
        metadata["next_offset"] = json!(offset + page.len());
    }
    if offset > 0 {
        metadata["prev_offset"] = json!(offset.saturating_sub(limit));
    }
    let body = json!({"stat": "OK", "response": page, "metadata": metadata});
    Reply::json(200, &body)
}

/// `GET /admin/v1/users/{id}`
pub(super) fn user(call: &Call<'_>, state: &mut State) -> Reply {
    if let Err(refusal) = credentials::take(call, ApplicationKind::AdminApi) {
        return refusal;
    }
    let id = call.arrival.path.rsplit('/').next().unwrap_or_default();
    let found = state
        .users
        .iter()
        .find(|(name, _)| duo_id("DU", name) == id);
    match found {
        Some((name, user)) => Reply::ok(&shown(name, user)),
        None => failure(40_401, "Resource not found"),
    }
}

fn shown(name: &str, user: &User) -> Value {
    let aliases = user.aliases.iter().enumerate();
    let aliases: serde_json::Map<String, Value> = aliases
        .map(|(number, alias)| (format!("alias{}", number + 1), json!(alias)))
        .collect();
    json!({
        "user_id": duo_id("DU", name),
        "username": name,
        "status": user.status,
        "is_enrolled": user.is_enrolled,
        "email": user.email.clone().unwrap_or_default(),
        "groups": user.groups.iter().map(|group| json!({"name": group})).collect::<Vec<_>>(),
        "phones": if user.is_enrolled { json!([phone(name)]) } else { json!([]) },
        "tokens": [],
        "aliases": aliases,
        "last_login": null,
    })
}

fn phone(username: &str) -> Value {
    json!({
        "phone_id": duo_id("DP", username),
        "name": "",
        "number": "+12025550199",
        "platform": "Apple iOS",
        "type": "Mobile",
        "activated": true,
    })
}

/// `GET /admin/v2/logs/authentication`: every prompt and Auth API result of the time asked for.
pub(super) fn authentication_log(call: &Call<'_>, state: &mut State) -> Reply {
    if let Err(refusal) = credentials::take(call, ApplicationKind::AdminApi) {
        return refusal;
    }
    let time = |name: &str| call.parameter(name).parse::<i64>().ok();
    let (Some(from), Some(to)) = (time("mintime"), time("maxtime")) else {
        let text = "Missing required request parameters";
        return failure_with(40_001, text, "mintime, maxtime");
    };
    let within = |entry: &&Value| {
        let at = entry["timestamp"].as_i64().unwrap_or_default() * 1000;
        (from..=to).contains(&at)
    };
    let mut entries: Vec<&Value> = state.log.iter().filter(within).collect();
    if call.parameter("sort") != "ts:asc" {
        entries.reverse();
    }
    let total = entries.len();
    let cursor = call.parameter("next_offset");
    if !cursor.is_empty() {
        let Some(at) = entries.iter().position(|entry| cursor_of(entry) == cursor) else {
            return failure_with(40_002, "Invalid request parameters", "next_offset");
        };
        entries.drain(..at);
    }
    let limit = call
        .parameter("limit")
        .parse()
        .unwrap_or(100)
        .clamp(1, 1000);
    // The cursor names the first entry of the next page.
    let next = entries.get(limit).map(|entry| cursor_of(entry));
    let next: Option<Vec<String>> = next.map(|next| next.split(',').map(str::to_owned).collect());
    entries.truncate(limit);
    Reply::ok(&json!({
        "authlogs": entries,
        "metadata": {"next_offset": next, "total_objects": total},
    }))
}

/// `<milliseconds>,<txid>`, as it comes in; it goes out as an array of both.
fn cursor_of(entry: &Value) -> String {
    let at = entry["timestamp"].as_i64().unwrap_or_default() * 1000;
    format!("{at},{}", entry["txid"].as_str().unwrap_or_default())
}
