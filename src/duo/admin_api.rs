//! Admin API messages that an import and a comparison of logs need (C.1, C.3, C.5): what to ask,
//! and what an answer must hold.

use crate::duo::auth_api::{ApiCall, envelope, malformed, signed_get, typed};
use crate::duo::integration::Integration;
use crate::duo::oidc::{DuoError, HttpAnswer};
use jiff::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// The largest page of users that Duo gives.
pub const USERS_PAGE: u32 = 300;

/// The largest page of the authentication log.
pub const LOG_PAGE: u32 = 1000;

/// A user as Duo knows them. What a device proves cannot be read back: an import keeps references.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct User {
    /// `DU..`
    pub user_id: String,
    /// The name that logins are compared with.
    pub username: String,
    /// `alias1` to `alias8`.
    #[serde(default)]
    pub aliases: BTreeMap<String, String>,
    /// Often empty.
    #[serde(default)]
    pub email: Option<String>,
    /// `active`, `bypass`, `disabled`, `locked out`, `pending deletion`.
    #[serde(default)]
    pub status: String,
    /// Whether they have a device.
    #[serde(default)]
    pub is_enrolled: bool,
    /// Their phones.
    #[serde(default)]
    pub phones: Vec<Phone>,
}

/// A phone, as far as a label needs it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Phone {
    /// `DP..`
    #[serde(default)]
    pub phone_id: String,
    /// The user's own name for it.
    #[serde(default)]
    pub name: String,
    /// `Apple iOS`, ...
    #[serde(default)]
    pub platform: String,
}

impl User {
    /// What our pages call this user's Duo: the first phone's name or kind, else `Duo`.
    pub fn label(&self) -> String {
        let phone = self.phones.first();
        let named = phone.map(|phone| match phone.name.as_str() {
            "" => phone.platform.clone(),
            name => name.to_owned(),
        });
        let named = named.filter(|name| !name.is_empty());
        named.unwrap_or_else(|| "Duo".to_owned())
    }
}

/// One page of a list with offsets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsersPage {
    /// The users on it.
    pub users: Vec<User>,
    /// Where the next page begins; `None` at the end.
    pub next_offset: Option<u64>,
    /// How many there are in all, where Duo says so.
    pub total: Option<u64>,
}

/// One page of the authentication log.
#[derive(Clone, Debug, PartialEq)]
pub struct LogPage {
    /// The entries.
    pub entries: Vec<Value>,
    /// What to ask for next; `None` at the end.
    pub next: Option<String>,
}

/// A page of users.
pub fn users(integration: &Integration, offset: u64, now: Timestamp) -> ApiCall {
    let query = [
        ("limit".to_owned(), USERS_PAGE.to_string()),
        ("offset".to_owned(), offset.to_string()),
    ];
    signed_get(integration, "/admin/v1/users", &query, now)
}

/// The users of this name or alias.
pub fn users_named(integration: &Integration, username: &str, now: Timestamp) -> ApiCall {
    let query = [("username".to_owned(), username.to_owned())];
    signed_get(integration, "/admin/v1/users", &query, now)
}

/// The user of this id.
pub fn user(integration: &Integration, user_id: &str, now: Timestamp) -> ApiCall {
    let user_id = utf8_percent_encode(user_id, NON_ALPHANUMERIC);
    signed_get(integration, &format!("/admin/v1/users/{user_id}"), &[], now)
}

/// A page of the authentication log between two instants, oldest first.
pub fn authentication_log(
    integration: &Integration,
    between: (Timestamp, Timestamp),
    next: Option<&str>,
    now: Timestamp,
) -> ApiCall {
    let mut query = vec![
        ("limit".to_owned(), LOG_PAGE.to_string()),
        ("maxtime".to_owned(), between.1.as_millisecond().to_string()),
        ("mintime".to_owned(), between.0.as_millisecond().to_string()),
        ("sort".to_owned(), "ts:asc".to_owned()),
    ];
    query.extend(next.map(|next| ("next_offset".to_owned(), next.to_owned())));
    signed_get(integration, "/admin/v2/logs/authentication", &query, now)
}

/// A page of users; `metadata` may stand beside or inside `response`, and an absent or null
/// `next_offset` is the end.
pub fn read_users(answer: &HttpAnswer, now: Timestamp) -> Result<UsersPage, DuoError> {
    let mut envelope = envelope(answer, now)?;
    let number = |name: &str| envelope["metadata"].get(name).and_then(Value::as_u64);
    let (next_offset, total) = (number("next_offset"), number("total_objects"));
    let users = envelope.get_mut("response").map(Value::take);
    Ok(UsersPage {
        users: typed(users.ok_or_else(malformed)?)?,
        next_offset,
        total,
    })
}

/// One user.
pub fn read_user(answer: &HttpAnswer, now: Timestamp) -> Result<User, DuoError> {
    let mut envelope = envelope(answer, now)?;
    let user = envelope.get_mut("response").map(Value::take);
    typed(user.ok_or_else(malformed)?)
}

/// A page of the authentication log; the cursor comes as an array and goes back joined by a comma.
pub fn read_log(answer: &HttpAnswer, now: Timestamp) -> Result<LogPage, DuoError> {
    let mut envelope = envelope(answer, now)?;
    let cursor = envelope.pointer("/response/metadata/next_offset");
    let next = cursor.and_then(Value::as_array).map(|parts| {
        let part = |part: &Value| {
            part.as_str()
                .map_or_else(|| part.to_string(), str::to_owned)
        };
        parts.iter().map(part).collect::<Vec<_>>().join(",")
    });
    let entries = envelope.pointer_mut("/response/authlogs").map(Value::take);
    Ok(LogPage {
        entries: typed(entries.ok_or_else(malformed)?)?,
        next,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::duo::secret::Secret;
    use serde_json::json;

    fn integration() -> Integration {
        let secret = Secret::new("0123456789abcdefghijABCDEFGHIJ0123456789");
        Integration::new("admin", "api.example.org", "DITESTTESTTESTTEST01", secret)
    }

    fn now() -> Timestamp {
        "2026-11-23T12:00:00Z".parse().unwrap()
    }

    fn answer(body: &Value) -> HttpAnswer {
        HttpAnswer::Response {
            status: 200,
            headers: Vec::new(),
            body: body.to_string().into_bytes(),
        }
    }

    #[test]
    fn users_are_asked_for_three_hundred_at_a_time() {
        assert_eq!(
            users(&integration(), 600, now()).url,
            "https://api.example.org/admin/v1/users?limit=300&offset=600"
        );
        assert_eq!(
            user(&integration(), "../x?y", now()).url,
            "https://api.example.org/admin/v1/users/%2E%2E%2Fx%3Fy"
        );
    }

    #[test]
    fn a_page_ends_where_the_next_offset_is_absent_or_null() {
        let page = |metadata: Value| {
            let users = json!([{"user_id": "DU1", "username": "a", "email": null}]);
            let body = json!({"stat": "OK", "response": users, "metadata": metadata});
            read_users(&answer(&body), now()).unwrap().next_offset
        };
        assert_eq!(
            page(json!({"next_offset": 300, "total_objects": 301})),
            Some(300)
        );
        assert_eq!(page(json!({"next_offset": null})), None);
        assert_eq!(page(json!(null)), None);
    }

    #[test]
    fn the_cursor_of_the_log_goes_back_as_text() {
        let body = json!({"stat": "OK", "response": {
            "authlogs": [{"txid": "t"}],
            "metadata": {"next_offset": ["1795435200000", "t"]},
        }});
        let page = read_log(&answer(&body), now()).unwrap();
        assert_eq!(page.next.as_deref(), Some("1795435200000,t"));
        let call = authentication_log(
            &integration(),
            (Timestamp::UNIX_EPOCH, now()),
            page.next.as_deref(),
            now(),
        );
        assert!(
            call.url.contains("next_offset=1795435200000%2Ct"),
            "{}",
            call.url
        );
    }

    #[test]
    fn a_user_is_called_by_the_name_or_kind_of_their_first_phone() {
        let labelled = |name: &str, platform: &str| {
            let phone = Phone {
                name: name.to_owned(),
                platform: platform.to_owned(),
                ..Phone::default()
            };
            User {
                phones: vec![phone],
                ..User::default()
            }
            .label()
        };
        assert_eq!(labelled("Work phone", "Apple iOS"), "Work phone");
        assert_eq!(labelled("", "Apple iOS"), "Apple iOS");
        assert_eq!(labelled("", ""), "Duo");
        assert_eq!(User::default().label(), "Duo");
    }
}
