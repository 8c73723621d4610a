//! S39, S40: what Duo says is believed only when every part of it is right.

use super::{approve, assert_no_assertion, at_duo, serving_with_mfa_rule};
use crate::harness::browser::{ALICE, Browser};
use crate::harness::duo::Duo;
use crate::harness::idp::Deployment;
use crate::harness::relying_party::RelyingParty;
use crate::harness::wait_for;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use url::Url;

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

/// What is wrong with an answer.
enum Spoiled {
    /// By a fault of the simulator.
    By(&'static str),
    /// By claims laid over the token's.
    Claims(Value),
}

/// (what is wrong, the reason in the audit)
type Table = Vec<(Spoiled, &'static str)>;

fn fault(kind: &'static str, reason: &'static str) -> (Spoiled, &'static str) {
    (Spoiled::By(kind), reason)
}

fn claims(claims: Value, reason: &'static str) -> (Spoiled, &'static str) {
    (Spoiled::Claims(claims), reason)
}

#[expect(
    clippy::disallowed_methods,
    reason = "tokens are dated by the real clock"
)]
fn after(seconds: i64) -> i64 {
    jiff::Timestamp::now().as_second() + seconds
}

fn no_tokens() -> Table {
    vec![
        fault("500", "refused: exchange: server error"),
        fault("503", "refused: exchange: server error"),
        fault("fail_400", "refused: exchange: invalid_client"),
        fault("fail_401", "refused: exchange: invalid_client"),
        fault("not_json", "refused: exchange: malformed"),
        fault("no_id_token", "refused: exchange: malformed"),
        fault("wrong_token_type", "refused: exchange: malformed"),
        fault("long_body", "refused: exchange: unreachable"),
        fault("reset", "refused: exchange: unreachable"),
    ]
}

fn wrong_signatures() -> Table {
    let algorithm = "refused: token: the result is not signed with HS512";
    vec![
        fault("alg_none", algorithm),
        fault("hs256", algorithm),
        fault("hs384", algorithm),
        fault("rs256", algorithm),
        fault("not_a_jwt", "refused: token: the result is not a JWT"),
        fault(
            "wrong_key",
            "refused: token: the result's signature does not verify",
        ),
    ]
}

fn wrong_issuers_and_audiences(api_host: &str) -> Table {
    let issuer = "refused: token: the issuer is not the token endpoint";
    let audience = "refused: token: the audience is not our client id";
    let iss = |iss: String| claims(json!({ "iss": iss }), issuer);
    vec![
        iss(format!("https://{api_host}")),
        iss(format!("http://{api_host}/oauth/v1/token")),
        iss(format!("https://{api_host}/oauth/v1/token/")),
        iss("https://evil.example/oauth/v1/token".to_owned()),
        claims(
            json!({ "iss": null }),
            "refused: token: Iss is absent or of a wrong type",
        ),
        claims(json!({ "aud": "DIELSEWHEREELSEWHERE" }), audience),
        claims(json!({ "aud": [Duo::CLIENT_ID, "x"] }), audience),
        claims(json!({ "aud": [] }), audience),
        claims(
            json!({ "aud": null }),
            "refused: token: Aud is absent or of a wrong type",
        ),
    ]
}

fn wrong_times() -> Table {
    let issued = "refused: token: the result was issued too far from now";
    vec![
        claims(
            json!({ "exp": after(-90) }),
            "refused: token: the result has expired",
        ),
        claims(
            json!({ "exp": "tomorrow" }),
            "refused: token: Exp is absent or of a wrong type",
        ),
        claims(json!({ "iat": after(-90) }), issued),
        claims(json!({ "iat": after(300) }), issued),
        claims(
            json!({ "iat": null }),
            "refused: token: Iat is absent or of a wrong type",
        ),
        claims(
            json!({ "nbf": after(300) }),
            "refused: token: the result is not valid yet",
        ),
        claims(
            json!({ "auth_time": after(300) }),
            "refused: token: the authentication is not fresh",
        ),
        claims(
            json!({ "auth_time": null }),
            "refused: token: AuthTime is absent or of a wrong type",
        ),
    ]
}

fn wrong_subjects(nonce_of_another: &str) -> Table {
    let user = "refused: token: the user is not the one that was sent";
    let nonce = "refused: token: the nonce is not the one that was sent";
    vec![
        fault("wrong_nonce", nonce),
        claims(json!({ "nonce": nonce_of_another }), nonce),
        claims(
            json!({ "nonce": null }),
            "refused: token: Nonce is absent or of a wrong type",
        ),
        claims(
            json!({ "sub": null }),
            "refused: token: Sub is absent or of a wrong type",
        ),
        claims(json!({ "preferred_username": "bob" }), user),
        claims(json!({ "preferred_username": "ALICE" }), user),
        claims(json!({ "preferred_username": "\u{430}lice" }), user),
        claims(json!({ "preferred_username": "alice " }), user),
        claims(
            json!({ "preferred_username": null }),
            "refused: token: PreferredUsername is absent or of a wrong type",
        ),
    ]
}

fn wrong_results() -> Table {
    let denied = "refused: token: Duo did not allow the login";
    let result = "refused: token: AuthResult is absent or of a wrong type";
    let context = "refused: token: AuthContext is absent or of a wrong type";
    let said = |result: &str, status: &str| {
        let said = json!({ "result": result, "status": status, "status_msg": "" });
        claims(json!({ "auth_result": said }), denied)
    };
    vec![
        fault("signed_deny", denied),
        said("deny", "allow"),
        said("allow", "deny"),
        said("allow", "fraud"),
        said("ALLOW", "allow"),
        claims(json!({ "auth_result": null }), result),
        claims(json!({ "auth_result": "allow" }), result),
        claims(json!({ "auth_context": null }), context),
        claims(json!({ "auth_context": { "txid": "" } }), context),
    ]
}

/// The reasons in Duo's audit lines so far (`%DuoR`).
fn reasons(deployment: &Deployment) -> Vec<String> {
    let file = deployment.home.path.join("logs/idp-duo2fa-audit.log");
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let reason = |line: &str| line.split('|').nth(11).unwrap_or_default().to_owned();
    let reasons = text.lines().map(reason);
    reasons.filter(|reason| !reason.is_empty()).collect()
}

/// A login that has come as far as its callback, which is not opened yet.
fn at_callback(
    deployment: &Deployment,
    party: &RelyingParty,
    disturb: impl FnOnce(&Duo),
) -> (Browser, Url) {
    let mut browser = Browser::that_keeps_the_response();
    let page = at_duo(&mut browser, &party.request().url(&deployment.base_url));
    disturb(&deployment.duo);
    let callback = approve(deployment, &mut browser, &page);
    (browser, callback)
}

fn last_nonce(deployment: &Deployment) -> String {
    let requests = deployment.duo.requests();
    let sent = requests
        .iter()
        .rev()
        .find(|seen| seen["endpoint"] == "authorize");
    sent.unwrap()["claims"]["nonce"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[test]
fn s40_each_of_fifty_bad_answers_is_refused_with_a_reason_of_its_own_in_the_audit() {
    let party = RelyingParty::new("answered");
    let deployment = serving_with_mfa_rule(&party);
    let _another = at_duo(
        &mut Browser::new(),
        &party.request().url(&deployment.base_url),
    );
    let mut table = no_tokens();
    table.extend(wrong_signatures());
    table.extend(wrong_issuers_and_audiences(&deployment.duo.api_host));
    table.extend(wrong_times());
    table.extend(wrong_subjects(&last_nonce(&deployment)));
    table.extend(wrong_results());
    // Last: Duo is left alone for a while after it.
    table.push(fault("429", "refused: exchange: rate limited"));
    assert!(table.len() >= 50, "{}", table.len());
    let distinct: BTreeSet<_> = table.iter().map(|(_, reason)| reason).collect();
    assert!(distinct.len() >= 25, "{}", distinct.len());
    for (number, (spoiled, reason)) in table.iter().enumerate() {
        deployment.duo.reset();
        let what = match spoiled {
            Spoiled::By(kind) => (*kind).to_owned(),
            Spoiled::Claims(claims) => claims.to_string(),
        };
        let (mut browser, callback) = at_callback(&deployment, &party, |duo| match spoiled {
            // As often as it may be tried again.
            Spoiled::By(kind) => duo.fault("token", kind, 10),
            Spoiled::Claims(claims) => {
                duo.outcome(&json!({ "outcome": "push", "claims": claims }));
            }
        });
        let page = browser.open(callback.as_str());
        assert_no_assertion(&page, &what);
        let told = wait_for("the audit line", || {
            reasons(&deployment).get(number).cloned()
        });
        assert_eq!(told, *reason, "{what}");
    }
}

#[test]
fn s40_a_code_that_was_spent_or_belongs_to_another_login_is_refused_with_its_reason() {
    let party = RelyingParty::new("answered");
    let deployment = serving_with_mfa_rule(&party);
    let code = |url: &Url| {
        let found = url.query_pairs().find(|(name, _)| name.ends_with("code"));
        found.unwrap().1.into_owned()
    };
    let with_code = |url: &Url, code: &str| {
        let mut changed = url.clone();
        let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        let pairs = pairs.into_iter().map(|(name, value)| {
            let is_code = name.ends_with("code");
            (name, if is_code { code.to_owned() } else { value })
        });
        changed.query_pairs_mut().clear().extend_pairs(pairs);
        changed
    };
    let (mut one, callback_of_one) = at_callback(&deployment, &party, |_| ());
    let (_, callback_of_other) = at_callback(&deployment, &party, |_| ());
    let foreign = with_code(&callback_of_one, &code(&callback_of_other));
    assert_no_assertion(&one.open(foreign.as_str()), "the code of another login");
    let (mut third, callback_of_third) = at_callback(&deployment, &party, |_| ());
    let spent = with_code(&callback_of_third, &code(&callback_of_other));
    assert_no_assertion(&third.open(spent.as_str()), "a code that was spent");
    let told = wait_for("both audit lines", || {
        let told = reasons(&deployment);
        (told.len() == 2).then_some(told)
    });
    assert_eq!(
        told,
        [
            "refused: token: the nonce is not the one that was sent",
            "refused: exchange: invalid_grant"
        ]
    );
}

#[test]
fn s40_an_old_authentication_is_refused_where_a_fresh_one_was_forced() {
    let party = RelyingParty::new("forced");
    let deployment = serving_with_mfa_rule(&party);
    let mut browser = Browser::that_keeps_the_response();
    let request = party.request().with("ForceAuthn", "true");
    let page = at_duo(&mut browser, &request.url(&deployment.base_url));
    let callback = approve(&deployment, &mut browser, &page);
    deployment.duo.fault("token", "old_auth_time", 1);
    assert_no_assertion(&browser.open(callback.as_str()), "an old authentication");
    let told = wait_for("the audit line", || reasons(&deployment).pop());
    assert_eq!(told, "refused: token: the authentication is not fresh");
}
