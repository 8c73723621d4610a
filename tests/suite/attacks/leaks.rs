//! S51, S52, S61: what pages and logs give away.

use super::{answer, approve, at_duo, response, serving, serving_with_mfa_rule, trust};
use crate::harness::browser::{ALICE, Browser, Page, Person};
use crate::harness::duo::Duo;
use crate::harness::idp::Deployment;
use crate::harness::relying_party::RelyingParty;

#[test]
fn s51_hostile_metadata_is_text_on_our_pages() {
    let mut party = RelyingParty::new("hostile");
    party.extensions = "<md:Extensions><mdui:UIInfo xmlns:mdui=\"urn:oasis:names:tc:SAML:metadata:ui\">\
        <mdui:DisplayName xml:lang=\"en\">&lt;script>alert(1)&lt;/script>\" onload=\"x</mdui:DisplayName>\
        <mdui:Description xml:lang=\"en\">&lt;img src=x onerror=alert(2)></mdui:Description>\
        </mdui:UIInfo></md:Extensions>"
        .to_owned();
    let deployment = serving(&[&party]);
    let mut browser = Browser::that_keeps_the_response();
    let page = browser.open(&party.request().url(&deployment.base_url));
    assert!(page.form_with("j_username").is_some());
    for raw in ["<script>alert", "<img src=x", "\" onload=\"x"] {
        assert!(!page.body().contains(raw), "{}", page.body());
    }
    let policy = page.response.header("content-security-policy").unwrap();
    assert!(
        !policy.contains("unsafe-inline") && !policy.contains("unsafe-eval"),
        "{policy}"
    );
    assert!(
        policy.contains("default-src 'none'") || policy.contains("default-src 'self'"),
        "{policy}"
    );
    let form = page.form_with("j_username").unwrap();
    let hostile = form
        .fill("j_username", "\"><script>alert(3)</script>")
        .fill("j_password", "x");
    let page = browser.submit(&page, &hostile);
    assert!(!page.body().contains("<script>alert"), "{}", page.body());
}

#[test]
fn s52_unknown_user_and_wrong_password_look_the_same() {
    let party = RelyingParty::new("guessed");
    let deployment = serving(&[&party]);
    let refused = |name: &'static str, password: &'static str| {
        let mut browser = Browser::that_keeps_the_response();
        let page = browser.open(&party.request().url(&deployment.base_url));
        let form = page.form_with("j_username").unwrap();
        let page = browser.submit(
            &page,
            &form.fill("j_username", name).fill("j_password", password),
        );
        (
            page.response.status,
            without_what_always_differs(&page, name),
        )
    };
    let wrong = refused(ALICE.name, "wrong password");
    assert_eq!(refused("nobody", "wrong password"), wrong);
    assert_eq!(refused("nobody", ALICE.password), wrong);
    assert_eq!(refused(ALICE.name, ""), refused("nobody", ""));
}

/// The page without its tokens, its transaction id and the name that was typed.
pub(super) fn without_what_always_differs(page: &Page, name: &str) -> String {
    let mut text = page.body().replace(name, "NAME");
    for form in crate::harness::html::Form::all(page.body()) {
        text = text.replace(&form.action, "ACTION");
        for (_, value) in form.fields.iter().filter(|(_, value)| value.len() > 8) {
            text = text.replace(value, "TOKEN");
        }
    }
    let words = text.split_inclusive(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-');
    words
        .map(|word| if word.len() > 20 { "ID" } else { word })
        .collect()
}

#[test]
fn s61_no_secret_reaches_a_log_at_the_finest_level() {
    const CANARY: Person = Person {
        name: "carol",
        password: "canary-password-81734",
    };
    let party = RelyingParty::new("logged");
    let mut deployment = Deployment::prepare();
    deployment.home.add_user(CANARY);
    deployment
        .home
        .append("conf/people.csv", "carol,Carol,carol@example.org\n");
    for category in [
        "idp",
        "messages",
        "encryption",
        "props",
        "httpclient",
        "opensaml",
    ] {
        deployment
            .home
            .set(&format!("idp.loglevel.{category}"), "TRACE");
    }
    deployment.home.set("idp.loglevel.root", "TRACE");
    trust(&deployment, &[&party]);
    deployment.home.require_mfa(&party.entity_id);
    deployment.serve();
    let secrets = secrets_of_a_login(&deployment, &party, CANARY);
    let logs = format!("{}{}", deployment.home.logs(), deployment.printed());
    assert!(logs.contains(CANARY.name), "the login was logged: {logs}");
    for secret in secrets {
        assert!(!logs.contains(&secret), "{secret} is in the logs");
    }
}

/// Logs in, and returns all that an eavesdropper on the logs must not learn.
fn secrets_of_a_login(deployment: &Deployment, party: &RelyingParty, who: Person) -> Vec<String> {
    let mut browser = Browser::that_keeps_the_response();
    let page = browser.open(&party.request().url(&deployment.base_url));
    let form = page.form_with("j_username").unwrap();
    let form = form
        .fill("j_username", who.name)
        .fill("j_password", who.password);
    let page = browser.submit(&page, &form);
    let callback = approve(deployment, &mut browser, &page);
    let sent = answer(&browser.open(callback.as_str()));
    assert!(sent.is_success());
    let code = callback.query_pairs().find(|(name, _)| name == "duo_code");
    let mut secrets = vec![who.password.to_owned(), Duo::CLIENT_SECRET.to_owned()];
    secrets.push(code.unwrap().1.into_owned());
    secrets.extend(
        browser
            .jar
            .of("localhost")
            .map(|cookie| cookie.value.clone()),
    );
    secrets.extend(
        sent.texts("SignatureValue")
            .iter()
            .map(|value| value[..40].to_owned()),
    );
    secrets
}

#[test]
fn s61_hostile_names_cannot_forge_a_line_of_a_log() {
    let party = RelyingParty::new("forger");
    let deployment = serving(&[&party]);
    let mut browser = Browser::that_keeps_the_response();
    let page = browser.open(&party.request().url(&deployment.base_url));
    let form = page.form_with("j_username").unwrap();
    let hostile = "x\r\nFORGED line\u{1b}[31m|a|b\u{2028}FORGED\0";
    browser.headers = vec![("User-Agent".to_owned(), "agent|with|separators".to_owned())];
    let page = browser.submit(
        &page,
        &form.fill("j_username", hostile).fill("j_password", "x"),
    );
    let arrival = browser.walk(page, ALICE);
    assert!(response(&arrival).is_success());
    let logs = deployment.home.logs();
    assert!(
        !logs
            .lines()
            .any(|line| line.trim_start().starts_with("FORGED")),
        "{logs}"
    );
    let control = |c: char| c.is_control() && c != '\n' && c != '\t';
    assert!(
        !logs.contains(control) && !logs.contains('\u{2028}'),
        "{logs:?}"
    );
}

#[test]
fn s61_an_audit_line_keeps_its_number_of_fields_whatever_is_in_them() {
    let party = RelyingParty::new("fields");
    let deployment = serving_with_mfa_rule(&party);
    let mut counts = Vec::new();
    for (number, agent) in [(1, "plain"), (2, "a|b|c|d")] {
        let mut browser = Browser::that_keeps_the_response();
        browser.headers = vec![("User-Agent".to_owned(), agent.to_owned())];
        let page = at_duo(&mut browser, &party.request().url(&deployment.base_url));
        assert!(response(&browser.walk(page, ALICE)).is_success());
        counts.push(deployment.home.sso_audit_line(number).split('|').count());
    }
    assert_eq!(counts[0], counts[1]);
}
