//! The parts of the Admin API that tell what is there and what happened (C.1, C.3, C.5).

use super::ApplicationKind;
use super::credentials::{self, failure_with};
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
        .filter(|(name, _)| wanted.is_empty() || wanted == name.as_str())
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

fn shown(name: &str, user: &User) -> Value {
    json!({
        "user_id": duo_id("DU", name),
        "username": name,
        "status": user.status,
        "is_enrolled": user.is_enrolled,
        "email": user.email.clone().unwrap_or_default(),
        "groups": user.groups.iter().map(|group| json!({"name": group})).collect::<Vec<_>>(),
        "phones": [],
        "tokens": [],
        "aliases": {},
        "last_login": null,
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
    let limit = call
        .parameter("limit")
        .parse()
        .unwrap_or(100)
        .clamp(1, 1000);
    let total = entries.len();
    entries.truncate(limit);
    Reply::ok(&json!({
        "authlogs": entries,
        "metadata": {"next_offset": null, "total_objects": total},
    }))
}
