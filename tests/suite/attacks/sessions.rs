//! S33 to S36: cookies, frames and other people's forms.

use super::{
    approve, assert_no_assertion, at_duo, response, serving, serving_with_mfa_rule, trust,
};
use crate::harness::browser::{ALICE, Browser, Page, filled};
use crate::harness::http::Request;
use crate::harness::idp::Deployment;
use crate::harness::relying_party::{MFA, PPT, RelyingParty, Response};
use url::Url;

#[test]
fn s33_a_login_form_belongs_to_the_browser_it_was_shown_to() {
    let party = RelyingParty::new("forged");
    let deployment = serving(&[&party]);
    let mut shown = Browser::that_keeps_the_response();
    let page = shown.open(&party.request().url(&deployment.base_url));
    let form = page.form_with("j_username").unwrap();
    let form = form
        .fill("j_username", ALICE.name)
        .fill("j_password", ALICE.password);
    let other = Browser::that_keeps_the_response().submit(&page, &form);
    assert_no_assertion(&other, "a browser without the cookie");

    let mut another_login = Browser::that_keeps_the_response();
    another_login.open(&party.request().url(&deployment.base_url));
    assert_no_assertion(
        &another_login.submit(&page, &form),
        "a browser with another cookie",
    );
}

#[test]
fn s33_a_changed_token_is_refused() {
    let party = RelyingParty::new("forged");
    let deployment = serving(&[&party]);
    let mut browser = Browser::that_keeps_the_response();
    let page = browser.open(&party.request().url(&deployment.base_url));
    let form = page.form_with("j_username").unwrap();
    let form = form
        .fill("j_username", ALICE.name)
        .fill("j_password", ALICE.password);
    let tokens: Vec<String> = form
        .fields
        .iter()
        .map(|(name, _)| name.clone())
        .filter(|name| !name.starts_with("j_"))
        .collect();
    assert!(!tokens.is_empty(), "the form carries a token");
    for token in tokens {
        let mut without = form.clone();
        without.fields.retain(|(name, _)| *name != token);
        assert_no_assertion(&browser.clone().submit(&page, &without), &token);
        let changed = form
            .clone()
            .fill(&token, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
        assert_no_assertion(&browser.clone().submit(&page, &changed), &token);
    }
}

#[test]
fn s34_cookies_from_before_the_login_are_worth_nothing_after_it() {
    let party = RelyingParty::new("fixed");
    let deployment = serving(&[&party]);
    let mut attacker = Browser::that_keeps_the_response();
    let page = attacker.open(&party.request().url(&deployment.base_url));
    // The victim logs in with the attacker's cookies planted.
    let mut victim = attacker.clone();
    let arrival = victim.walk(page, ALICE);
    assert!(response(&arrival).is_success());
    let page = attacker.open(&party.request().url(&deployment.base_url));
    assert!(
        page.form_with("j_username").is_some(),
        "the attacker is logged in: {}",
        page.body()
    );
}

#[test]
fn s34_an_invented_session_cookie_is_not_adopted() {
    let party = RelyingParty::new("invented");
    let deployment = serving(&[&party]);
    let mut browser = Browser::that_keeps_the_response();
    browser.log_in(&party.request().url(&deployment.base_url), ALICE);
    let mut attacker = Browser::that_keeps_the_response();
    for cookie in browser.jar.of("localhost") {
        let mut invented = cookie.clone();
        invented.value = "A".repeat(invented.value.len());
        attacker.jar.plant(invented);
    }
    let planted = attacker.clone();
    let mut victim = planted.clone();
    let arrival = victim.log_in(&party.request().url(&deployment.base_url), ALICE);
    assert!(response(&arrival).is_success());
    let page = attacker.open(&party.request().url(&deployment.base_url));
    assert!(
        page.form_with("j_username").is_some(),
        "the invented session was adopted"
    );
}

#[test]
fn s34_stepping_up_makes_a_new_session_and_ends_the_old_one() {
    let (weak, strict) = (RelyingParty::new("weak"), RelyingParty::new("strict"));
    let mut deployment = Deployment::prepare();
    trust(&deployment, &[&weak, &strict]);
    deployment.home.require_mfa(&strict.entity_id);
    deployment.serve();
    let mut browser = Browser::that_keeps_the_response();
    let arrival = browser.log_in(&weak.request().url(&deployment.base_url), ALICE);
    assert_eq!(response(&arrival).class(), PPT);
    let stolen = browser.clone();
    let arrival = browser.log_in(&strict.request().url(&deployment.base_url), ALICE);
    assert_eq!(response(&arrival).class(), MFA);
    let page = stolen
        .clone()
        .open(&strict.request().url(&deployment.base_url));
    assert_no_assertion(&page, "the old session at the strict party");
    let page = stolen
        .clone()
        .open(&weak.request().url(&deployment.base_url));
    assert!(
        page.form_with("j_username").is_some(),
        "the old session still lives"
    );
}

#[test]
fn s35_cookies_are_closed_to_scripts_and_to_other_sites() {
    let party = RelyingParty::new("cookies");
    let deployment = serving_with_mfa_rule(&party);
    let mut browser = Browser::that_keeps_the_response();
    let page = at_duo(&mut browser, &party.request().url(&deployment.base_url));
    assert_guarded(&browser);
    assert!(response(&browser.walk(page, ALICE)).is_success());
    assert_guarded(&browser);
}

fn assert_guarded(browser: &Browser) {
    assert!(browser.jar.of("localhost").count() > 0);
    for cookie in browser.jar.of("localhost") {
        assert!(cookie.has("HttpOnly"), "{cookie:?}");
        assert!(
            cookie.has("SameSite=Lax") || cookie.has("SameSite=Strict"),
            "{cookie:?}"
        );
        assert!(
            !cookie
                .attributes
                .iter()
                .any(|own| own.starts_with("Domain")),
            "{cookie:?}"
        );
    }
}

#[test]
fn s35_beyond_loopback_cookies_are_secure_and_bound_to_the_host() {
    let party = RelyingParty::new("cookies");
    let mut deployment = Deployment::prepare();
    deployment
        .home
        .set("vestibule.baseURL", "https://login.example.org/idp");
    let callback = "https://login.example.org/idp/profile/Authn/Duo/2FA/duo-callback";
    deployment.home.set("idp.duo.oidc.redirectURL", callback);
    trust(&deployment, &[&party]);
    deployment.serve();
    let url = Url::parse(&party.request().url(&deployment.base_url)).unwrap();
    let mut request = Request::get(url).header("Host", "login.example.org");
    let mut seen = 0;
    // Behind the proxy that speaks TLS, our own redirects lead to the public name.
    for _ in 0..5 {
        let response = request.send();
        for line in response.all("set-cookie") {
            assert!(line.starts_with("__Host-"), "{line}");
            let attributes = line.to_lowercase();
            for wanted in ["; secure", "; httponly", "; path=/;", "; samesite="] {
                assert!(
                    format!("{attributes};").contains(wanted),
                    "{wanted} in {line}"
                );
            }
            seen += 1;
        }
        let Some(location) = response.header("location") else {
            break;
        };
        let path = location
            .strip_prefix("https://login.example.org/idp")
            .unwrap_or(location);
        let url = format!("{}{}", deployment.base_url, path.trim_start_matches("/idp"));
        request = Request::get(Url::parse(&url).unwrap()).header("Host", "login.example.org");
    }
    assert!(seen > 0, "no cookie was set");
}

#[test]
fn s35_a_post_from_another_site_still_finds_the_session() {
    let party = RelyingParty::new("posted");
    let deployment = serving(&[&party]);
    let mut browser = Browser::that_keeps_the_response();
    browser.log_in(&party.request().url(&deployment.base_url), ALICE);
    let url = Url::parse(&deployment.url("/profile/SAML2/POST/SSO")).unwrap();
    let from = Url::parse("https://posted.example/start").unwrap();
    let request = Request::post(url, &party.request().post_fields());
    let page = browser.navigate(request, Some(&from));
    let arrival = browser.walk(page, ALICE);
    assert_eq!(arrival.prompts, []);
    assert!(response(&arrival).is_success());
}

#[test]
fn s36_no_page_of_ours_stands_in_a_frame() {
    let party = RelyingParty::new("framed");
    let deployment = serving_with_mfa_rule(&party);
    let mut browser = Browser::that_keeps_the_response();
    let login = browser.open(&party.request().url(&deployment.base_url));
    let form = login.form_with("j_username").unwrap();
    let wrong = form
        .fill("j_username", ALICE.name)
        .fill("j_password", "wrong");
    let refused = browser.submit(&login, &wrong);
    let duo = at_duo(&mut browser, &party.request().url(&deployment.base_url));
    let callback = approve(&deployment, &mut browser, &duo);
    let response = browser.open(callback.as_str());
    assert!(Response::on(&response).is_some());
    let error = browser.open(callback.as_str());
    let missing = browser.open(&deployment.url("/no/such/page"));
    for (what, page) in [
        ("login", &login),
        ("refused", &refused),
        ("response", &response),
        ("error", &error),
        ("missing", &missing),
    ] {
        assert_framing_forbidden(what, page);
    }
}

fn assert_framing_forbidden(what: &str, page: &Page) {
    let policy = page
        .response
        .header("content-security-policy")
        .unwrap_or_default();
    assert!(
        policy.contains("frame-ancestors 'none'"),
        "{what}: {policy:?}"
    );
}

#[test]
fn s33_a_login_posted_from_another_origin_is_refused() {
    let party = RelyingParty::new("origin");
    let deployment = serving(&[&party]);
    let mut browser = Browser::that_keeps_the_response();
    let page = browser.open(&party.request().url(&deployment.base_url));
    let form = page.form_with("j_username").unwrap();
    let form = form
        .fill("j_username", ALICE.name)
        .fill("j_password", ALICE.password);
    let mut request = filled(&page, &form);
    request.headers.retain(|(name, _)| name != "Origin");
    let request = request.header("Origin", "https://evil.example");
    let evil = Url::parse("https://evil.example/").unwrap();
    assert_no_assertion(
        &browser.navigate(request, Some(&evil)),
        "a form posted from elsewhere",
    );
}
