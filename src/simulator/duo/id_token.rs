//! The result token (A.7), and the same facts as the authentication log tells them.

use super::Application;
use super::assertion;
use super::fault::{FaultKind, TokenFault};
use super::service::{Call, duo_id};
use super::state::Grant;
use crate::duo::jwt;
use crate::duo::secret::Secret;
use jiff::Timestamp;
use serde_json::{Value, json};

/// How long a token is good.
const LIFETIME: i64 = 3600;

/// What an authentication was: part of the token, and the log's entry.
pub(super) struct Event<'a> {
    pub(super) txid: &'a str,
    pub(super) username: &'a str,
    pub(super) groups: &'a [String],
    pub(super) email: Option<&'a str>,
    pub(super) application: &'a Application,
    pub(super) outcome: &'a super::Outcome,
    pub(super) client_ip: &'a str,
    pub(super) at: Timestamp,
}

/// `auth_context`, with the nulls that Duo sends.
pub(super) fn context(event: &Event<'_>) -> Value {
    let nowhere = json!({"city": null, "state": null, "country": null});
    json!({
        "txid": event.txid,
        "timestamp": event.at.as_second(),
        "isotimestamp": event.at.strftime("%Y-%m-%dT%H:%M:%S%.6f+00:00").to_string(),
        "user": {
            "name": event.username,
            "key": duo_id("DU", event.username),
            "groups": event.groups,
        },
        "application": {
            "name": event.application.name,
            "key": event.application.client_id,
        },
        "auth_device": {
            "ip": null,
            "key": duo_id("DP", event.username),
            "location": nowhere,
            "name": "+1 555 010 0199",
        },
        "access_device": {
            "ip": event.client_ip,
            "location": nowhere,
            "hostname": null,
            "epkey": null,
            "browser": null,
            "browser_version": null,
            "os": null,
            "os_version": null,
            "is_encryption_enabled": "unknown",
            "is_firewall_enabled": "unknown",
            "is_password_set": "unknown",
        },
        "factor": event.outcome.factor,
        "event_type": event.outcome.event_type,
        "result": event.outcome.logged_result(),
        "reason": event.outcome.reason,
        "alias": "",
        "email": event.email,
        "ood_software": null,
        "trusted_endpoint_status": "unknown",
    })
}

/// The signed token for a grant, with the faults of this call.
pub(super) fn make(call: &Call<'_>, grant: &Grant, secret: &Secret) -> String {
    let mut claims = claims(call, grant);
    let mut algorithm = None;
    for fault in &call.faults {
        if let FaultKind::Token(fault) = fault {
            spoil(&mut claims, *fault, grant);
            algorithm = signing_fault(*fault).or(algorithm);
        }
    }
    match algorithm {
        Some(TokenFault::Hs256) => assertion::sign_otherwise("HS256", &claims, secret),
        Some(TokenFault::Hs384) => assertion::sign_otherwise("HS384", &claims, secret),
        Some(TokenFault::Rs256) => assertion::sign_otherwise("RS256", &claims, secret),
        Some(TokenFault::NotAJwt) => "allow".to_owned(),
        Some(TokenFault::AlgNone) => {
            format!("{}.", assertion::unsigned(&json!({"alg": "none"}), &claims))
        }
        Some(_) => signed(&claims, &Secret::new("f".repeat(40))),
        None => signed(&claims, secret),
    }
}

fn signed(claims: &Value, secret: &Secret) -> String {
    jwt::sign(claims, secret).expect("a JSON object always signs")
}

fn signing_fault(fault: TokenFault) -> Option<TokenFault> {
    matches!(
        fault,
        TokenFault::Hs256
            | TokenFault::Hs384
            | TokenFault::Rs256
            | TokenFault::NotAJwt
            | TokenFault::AlgNone
            | TokenFault::WrongKey
    )
    .then_some(fault)
}

fn claims(call: &Call<'_>, grant: &Grant) -> Value {
    let authorization = &grant.authorization;
    let outcome = &grant.outcome;
    let now = call.now.as_second();
    let mut claims = json!({
        "iss": format!("https://{}{}", call.host, call.arrival.path),
        "sub": authorization.username,
        "aud": authorization.client_id,
        "exp": now + LIFETIME,
        "iat": now,
        "auth_time": grant.at.as_second(),
        "preferred_username": authorization.username,
        "auth_result": {
            "result": outcome.result,
            "status": outcome.status,
            "status_msg": outcome.status_msg,
        },
        "auth_context": grant.context,
    });
    if let Some(nonce) = &authorization.nonce {
        claims["nonce"] = json!(nonce);
    }
    for (name, value) in &outcome.claims {
        claims[name] = value.clone();
    }
    claims
}

fn spoil(claims: &mut Value, fault: TokenFault, grant: &Grant) {
    let now = claims["iat"].as_i64().unwrap_or_default();
    let username = &grant.authorization.username;
    match fault {
        TokenFault::WrongIssuer => {
            claims["iss"] = json!("https://elsewhere.example/oauth/v1/token");
        }
        TokenFault::WrongAudience => claims["aud"] = json!("DIELSEWHEREELSEWHERE"),
        TokenFault::WrongNonce => claims["nonce"] = json!("n".repeat(36)),
        TokenFault::MissingNonce => remove(claims, "nonce"),
        TokenFault::Expired => {
            claims["iat"] = json!(now - LIFETIME - 300);
            claims["exp"] = json!(now - 300);
        }
        TokenFault::OtherUser => claims["preferred_username"] = json!(format!("{username}2")),
        TokenFault::OtherCase => claims["preferred_username"] = json!(other_case(username)),
        TokenFault::SignedDeny => {
            claims["auth_result"] =
                json!({"result": "deny", "status": "deny", "status_msg": "Login request denied."});
        }
        TokenFault::MissingAuthResult => remove(claims, "auth_result"),
        TokenFault::OldAuthTime => claims["auth_time"] = json!(now - 7200),
        // Of the signature, or of the answer around the token.
        TokenFault::Hs256
        | TokenFault::Hs384
        | TokenFault::Rs256
        | TokenFault::NotAJwt
        | TokenFault::AlgNone
        | TokenFault::WrongKey
        | TokenFault::NoIdToken
        | TokenFault::WrongTokenType => {}
    }
}

fn remove(claims: &mut Value, name: &str) {
    if let Some(members) = claims.as_object_mut() {
        members.remove(name);
    }
}

fn other_case(name: &str) -> String {
    let upper = name.to_uppercase();
    if upper == name {
        name.to_lowercase()
    } else {
        upper
    }
}
