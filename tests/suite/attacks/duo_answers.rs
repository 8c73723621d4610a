//! S39, S40: what Duo says is believed only when every part of it is right.

use super::{assert_no_assertion, at_duo, serving_with_mfa_rule};
use crate::harness::browser::{ALICE, Browser};
use crate::harness::duo::Duo;
use crate::harness::idp::Deployment;
use crate::harness::relying_party::RelyingParty;
use serde_json::json;

/// A login at whose end Duo's answer is not what it should be must end without an assertion, and
/// leave nothing behind that opens the relying party.
struct Refused {
    party: RelyingParty,
    deployment: Deployment,
}

impl Refused {
    fn prepare() -> Self {
        let party = RelyingParty::new("answered");
        let deployment = serving_with_mfa_rule(&party);
        Self { party, deployment }
    }

    fn finish(&self, what: &str, disturb: impl FnOnce(&Duo)) {
        let mut browser = Browser::that_keeps_the_response();
        let url = || self.party.request().url(&self.deployment.base_url);
        let page = at_duo(&mut browser, &url());
        disturb(&self.deployment.duo);
        let arrival = browser.walk(page, ALICE);
        assert_no_assertion(&arrival.page, what);
        self.deployment.duo.reset();
        assert_no_assertion(&browser.open(&url()), what);
    }
}

#[test]
fn s39_a_result_for_another_user_is_refused() {
    let refused = Refused::prepare();
    for kind in ["other_user", "other_case"] {
        // As often as anybody may try again.
        refused.finish(kind, |duo| {
            duo.reset();
            duo.fault("token", kind, 10);
        });
    }
}

#[test]
fn s39_a_name_that_only_looks_the_same_is_refused() {
    let refused = Refused::prepare();
    for name in [
        "аlice",
        "alice ",
        " alice",
        "alice\u{200b}",
        "ALICE",
        "alice@example.org",
        "",
    ] {
        let claims = json!({ "preferred_username": name });
        refused.finish(name, |duo| {
            duo.outcome(&json!({ "outcome": "push", "claims": claims }));
        });
    }
}

#[test]
fn s40_a_token_with_a_wrong_signature_or_claim_is_refused() {
    let refused = Refused::prepare();
    for kind in [
        "wrong_iss",
        "wrong_aud",
        "wrong_nonce",
        "missing_nonce",
        "expired",
        "hs256",
        "alg_none",
        "wrong_key",
        "signed_deny",
        "missing_auth_result",
    ] {
        // As often as anybody may try again.
        refused.finish(kind, |duo| {
            duo.reset();
            duo.fault("token", kind, 10);
        });
    }
}

#[test]
fn s40_an_answer_that_is_no_token_is_refused() {
    let refused = Refused::prepare();
    for kind in [
        "500",
        "503",
        "429",
        "fail_400",
        "fail_401",
        "not_json",
        "long_body",
        "reset",
    ] {
        // As often as anybody may try again.
        refused.finish(kind, |duo| {
            duo.reset();
            duo.fault("token", kind, 10);
        });
    }
}

#[test]
fn s40_a_claim_of_another_type_or_value_is_refused() {
    let refused = Refused::prepare();
    for claims in [
        json!({ "iss": "https://evil.example/oauth/v1/token" }),
        json!({ "iss": null }),
        json!({ "aud": ["someone-else"] }),
        json!({ "aud": null }),
        json!({ "exp": 0 }),
        json!({ "exp": "soon" }),
        json!({ "iat": 4_000_000_000_u64 }),
        json!({ "iat": 1 }),
        json!({ "nonce": null }),
        json!({ "preferred_username": null }),
        json!({ "preferred_username": ["alice"] }),
        json!({ "auth_result": { "result": "deny", "status": "deny", "status_msg": "no" } }),
        json!({ "auth_result": "allow" }),
        json!({ "auth_result": {} }),
        json!({ "auth_context": null }),
    ] {
        refused.finish(&claims.to_string(), |duo| {
            duo.outcome(&json!({ "outcome": "push", "claims": claims }));
        });
    }
}
