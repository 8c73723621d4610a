//! S37, S38, S41, S43 to S46, S63: nobody gets further than what was proved.

use super::{
    answer, approve, assert_no_assertion, at_duo, response, serving, serving_with_mfa_rule, trust,
};
use crate::harness::browser::{ALICE, Browser, Page, Prompt};
use crate::harness::idp::Deployment;
use crate::harness::relying_party::{MFA, PPT, RelyingParty, Response};
use Prompt::{Duo, Password};
use serde_json::json;
use url::Url;

const UNSPECIFIED: &str = "urn:oasis:names:tc:SAML:2.0:ac:classes:unspecified";

/// How often Duo's token endpoint was asked.
fn exchanges(deployment: &Deployment) -> usize {
    let requests = deployment.duo.requests();
    requests
        .iter()
        .filter(|request| request.to_string().contains("/oauth/v1/token"))
        .count()
}

#[test]
fn s37_the_callback_before_any_factor_is_refused() {
    let party = RelyingParty::new("early");
    let deployment = serving_with_mfa_rule(&party);
    let callback = deployment.url("/profile/Authn/Duo/2FA/duo-callback");
    let state = "0123456789abcdef0123456789abcdef0123";
    for query in [
        String::new(),
        format!("state={state}"),
        "duo_code=code".to_owned(),
        format!("state={state}&duo_code=code"),
        format!("state={state}&state={state}&duo_code=code"),
        format!("state={state}&error=access_denied"),
        format!("state={}&duo_code=code", "s".repeat(5000)),
        "state=%00&duo_code=%ff".to_owned(),
    ] {
        let url = format!("{callback}?{query}");
        let page = Browser::new().open(&url);
        assert!(
            page.response.status >= 400,
            "{query}: {}",
            page.response.status
        );
        assert_no_assertion(&page, &query);
        let mut waiting = Browser::new();
        waiting.open(&party.request().url(&deployment.base_url));
        assert_no_assertion(&waiting.open(&url), &query);
    }
    assert_eq!(exchanges(&deployment), 0, "no code may be exchanged");
}

#[test]
fn s38_one_browser_cannot_finish_another_browsers_duo() {
    let party = RelyingParty::new("mixed");
    let deployment = serving_with_mfa_rule(&party);
    let (mut victim, mut attacker) = (
        Browser::that_keeps_the_response(),
        Browser::that_keeps_the_response(),
    );
    let theirs = at_duo(&mut victim, &party.request().url(&deployment.base_url));
    let own = at_duo(&mut attacker, &party.request().url(&deployment.base_url));
    let callback = approve(&deployment, &mut victim, &theirs);
    assert_no_assertion(
        &attacker.open(callback.as_str()),
        "another browser's callback",
    );
    let own_callback = approve(&deployment, &mut attacker, &own);
    let state = |url: &Url| {
        let (_, state) = url.query_pairs().find(|(name, _)| name == "state").unwrap();
        state.into_owned()
    };
    let swapped = own_callback
        .as_str()
        .replace(&state(&own_callback), &state(&callback));
    assert_no_assertion(&attacker.open(&swapped), "a swapped state");
    assert_eq!(exchanges(&deployment), 0);
}

#[test]
fn s38_each_tab_finishes_its_own_login() {
    let (one, two) = (RelyingParty::new("one"), RelyingParty::new("two"));
    let mut deployment = Deployment::prepare();
    trust(&deployment, &[&one, &two]);
    deployment.home.require_mfa(&one.entity_id);
    deployment.home.require_mfa(&two.entity_id);
    deployment.serve();
    let mut browser = Browser::that_keeps_the_response();
    let first = at_duo(&mut browser, &one.request().url(&deployment.base_url));
    let second = at_duo(&mut browser, &two.request().url(&deployment.base_url));
    let first = approve(&deployment, &mut browser, &first);
    let second = approve(&deployment, &mut browser, &second);
    // The later tab comes back first.
    let page = browser.open(second.as_str());
    assert_eq!(answer(&page).posted_to, two.acs);
    let page = browser.open(first.as_str());
    assert_eq!(answer(&page).posted_to, one.acs);
}

#[test]
fn s38_a_state_is_good_once() {
    let party = RelyingParty::new("once");
    let deployment = serving_with_mfa_rule(&party);
    let mut browser = Browser::that_keeps_the_response();
    let page = at_duo(&mut browser, &party.request().url(&deployment.base_url));
    let callback = approve(&deployment, &mut browser, &page);
    let page = browser.open(callback.as_str());
    assert_eq!(answer(&page).class(), MFA);
    assert_no_assertion(&browser.open(callback.as_str()), "the callback again");
    assert_eq!(exchanges(&deployment), 1);
}

#[test]
fn s41_stale_forms_and_invented_steps_lead_nowhere() {
    let party = RelyingParty::new("skipped");
    let deployment = serving_with_mfa_rule(&party);
    let mut browser = Browser::that_keeps_the_response();
    let login = browser.open(&party.request().url(&deployment.base_url));
    let form = login.form_with("j_username").unwrap();
    let mut skipping = form
        .clone()
        .fill("j_username", ALICE.name)
        .fill("j_password", "wrong");
    for (name, value) in [
        ("_eventId", "proceed"),
        ("_eventId_proceed", "1"),
        ("step", "end"),
        ("flow", "authn/DuoOIDC"),
    ] {
        skipping.fields.push((name.to_owned(), value.to_owned()));
    }
    let page = browser.submit(&login, &skipping);
    assert_no_assertion(&page, "invented fields");
    assert!(page.duo_prompt().is_none(), "a wrong password led to Duo");

    let page = browser.open(&party.request().url(&deployment.base_url));
    let good = page.form_with("j_username").unwrap();
    let good = good
        .fill("j_username", ALICE.name)
        .fill("j_password", ALICE.password);
    let duo = browser.submit(&page, &good);
    assert!(duo.duo_prompt().is_some());
    // Back, and the password again: no shortcut past Duo.
    let again = browser.submit(&page, &good);
    assert_no_assertion(&again, "the password form again");
    browser.walk(duo, ALICE);
    assert_no_assertion(&browser.submit(&login, &form), "an empty stale form");
    // The form of a finished login is worth what the session is worth, and nothing by itself.
    let mut without_session = browser.clone();
    without_session
        .jar
        .keep(|cookie| cookie.name.contains("browser"));
    assert_no_assertion(
        &without_session.submit(&page, &good),
        "the form of a finished login",
    );
    let again = browser.submit(&page, &good);
    assert!(Response::on(&again).is_none_or(|response| response.class() == MFA));
}

#[test]
fn s41_leaving_duo_and_starting_again_still_asks_for_duo() {
    let party = RelyingParty::new("restarted");
    let deployment = serving_with_mfa_rule(&party);
    let mut browser = Browser::that_keeps_the_response();
    at_duo(&mut browser, &party.request().url(&deployment.base_url));
    let arrival = browser.log_in(&party.request().url(&deployment.base_url), ALICE);
    assert_eq!(arrival.prompts.last(), Some(&Duo));
    assert_eq!(response(&arrival).class(), MFA);
}

#[test]
fn s43_a_request_cannot_lower_what_the_rule_demands() {
    let party = RelyingParty::new("strict");
    let deployment = serving_with_mfa_rule(&party);
    for request in [
        party.request_exactly(PPT),
        party.request().asking("maximum", &[PPT]),
        party.request().asking("minimum", &[PPT]),
        party.request_exactly(UNSPECIFIED),
        party.request(),
    ] {
        let mut browser = Browser::that_keeps_the_response();
        let arrival = browser.log_in(&request.url(&deployment.base_url), ALICE);
        assert_eq!(arrival.prompts, [Password, Duo], "{}", request.xml());
        assert!(response(&arrival).is_success(), "{}", request.xml());
    }
}

#[test]
fn s44_a_weak_session_never_opens_a_strict_relying_party() {
    let (weak, strict) = (RelyingParty::new("weak"), RelyingParty::new("strict"));
    let mut deployment = Deployment::prepare();
    trust(&deployment, &[&weak, &strict]);
    deployment.home.require_mfa(&strict.entity_id);
    deployment.serve();
    let mut browser = Browser::that_keeps_the_response();
    let arrival = browser.log_in(&weak.request().url(&deployment.base_url), ALICE);
    assert_eq!(response(&arrival).class(), PPT);
    let arrival = browser.log_in(&strict.request().url(&deployment.base_url), ALICE);
    assert_eq!(arrival.prompts, [Duo]);
    assert_eq!(response(&arrival).class(), MFA);
    let arrival = browser.log_in(
        &strict
            .request()
            .with("ForceAuthn", "true")
            .url(&deployment.base_url),
        ALICE,
    );
    assert_eq!(arrival.prompts, [Password, Duo]);
}

#[test]
fn s45_blocking_duo_opens_nothing() {
    let party = RelyingParty::new("blocked");
    for kind in ["500", "503", "reset", "foreign_ca"] {
        let deployment = serving_with_mfa_rule(&party);
        deployment.duo.fault("health_check", kind, 1000);
        let mut browser = Browser::that_keeps_the_response();
        let arrival = browser.log_in(&party.request().url(&deployment.base_url), ALICE);
        assert_no_assertion(&arrival.page, kind);
        let arrival = browser.log_in(&party.request_exactly(MFA).url(&deployment.base_url), ALICE);
        assert_no_assertion(&arrival.page, kind);
    }
}

#[test]
fn s46_a_result_without_interaction_is_not_mfa() {
    let party = RelyingParty::new("bypassed");
    let deployment = serving(&[&party]);
    for reason in [
        "bypass_user",
        "trusted_network",
        "allow_unenrolled_user",
        "allowed_by_policy",
        "remembered_device",
    ] {
        let outcome = json!({ "username": "*", "result": "allow", "status": "allow", "factor": "not_available", "reason": reason });
        deployment.duo.outcome(&outcome);
        let mut browser = Browser::that_keeps_the_response();
        let arrival = browser.log_in(&party.request_exactly(MFA).url(&deployment.base_url), ALICE);
        let answer = response(&arrival);
        assert_eq!(
            answer.status().last().unwrap(),
            "NoAuthnContext",
            "{reason}"
        );
    }
}

#[test]
fn s47_nobody_can_start_duo_for_a_user_without_end() {
    let party = RelyingParty::new("pushed");
    let mut deployment = Deployment::prepare();
    deployment.home.set("vestibule.duo.maxStarts", "3");
    trust(&deployment, &[&party]);
    deployment.home.require_mfa(&party.entity_id);
    deployment.serve();
    let attempt = || {
        let mut browser = Browser::that_keeps_the_response();
        let page = browser.open(&party.request().url(&deployment.base_url));
        let form = page.form_with("j_username").unwrap();
        let form = form
            .fill("j_username", ALICE.name)
            .fill("j_password", ALICE.password);
        browser.submit(&page, &form).duo_prompt().is_some()
    };
    let reached: Vec<bool> = (0..5).map(|_| attempt()).collect();
    assert_eq!(reached, [true, true, true, false, false]);
}

#[test]
fn s63_of_parallel_callbacks_exactly_one_wins() {
    let party = RelyingParty::new("raced");
    let deployment = serving_with_mfa_rule(&party);
    let mut browser = Browser::that_keeps_the_response();
    let page = at_duo(&mut browser, &party.request().url(&deployment.base_url));
    let callback = approve(&deployment, &mut browser, &page);
    let start = std::sync::Barrier::new(8);
    let pages: Vec<Page> = std::thread::scope(|scope| {
        let open = || {
            let mut tab = browser.clone();
            start.wait();
            tab.open(callback.as_str())
        };
        let tabs: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
        tabs.into_iter().map(|tab| tab.join().unwrap()).collect()
    });
    let won = pages
        .iter()
        .filter(|page| Response::on(page).is_some_and(|response| response.is_success()));
    assert_eq!(won.count(), 1);
    assert_eq!(exchanges(&deployment), 1);
}
