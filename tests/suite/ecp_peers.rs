//! Clients and service providers that nobody here wrote, without a browser: the Shibboleth SP, and
//! pysaml2's client.

use crate::ecp_duo::with_auth_api;
use crate::harness::browser::ALICE;
use crate::harness::ecp::{self, Client};
use crate::harness::http::{Request, Response};
use crate::harness::idp::Deployment;
use crate::harness::relying_party::{MFA, PPT};
use crate::harness::root;
use crate::harness::shibboleth::Shibboleth;
use serde_json::Value;
use std::process::Command;
use url::Url;

const SERVICE: &str = "urn:oasis:names:tc:SAML:2.0:profiles:SSO:ecp";

/// Service providers that serve enhanced clients; Duo is the rule for the second.
fn deployed(change: impl FnOnce(&Deployment)) -> (Deployment, Shibboleth) {
    let mut deployment = ecp::prepare(&[]);
    with_auth_api(&deployment);
    deployment.home.require_mfa(Shibboleth::SECOND);
    change(&deployment);
    let providers = Shibboleth::start(&deployment);
    deployment.serve();
    (deployment, providers)
}

/// The first element of that name with everything in it, as the octets stand.
fn element<'a>(xml: &'a str, name: &str) -> &'a str {
    let from = xml
        .find(&format!("<{name}"))
        .unwrap_or_else(|| panic!("no {name}: {xml}"));
    let end = format!("</{name}>");
    let to = xml[from..]
        .find(&end)
        .unwrap_or_else(|| panic!("no end of {name}: {xml}"));
    &xml[from..from + to + end.len()]
}

/// The page, asked for as an enhanced client asks.
fn as_enhanced_client(url: &str) -> Response {
    let request = Request::get(Url::parse(url).unwrap())
        .header("Accept", "text/html, application/vnd.paos+xml")
        .header(
            "PAOS",
            &format!("ver=\"urn:liberty:paos:2003-08\";\"{SERVICE}\""),
        );
    request.send()
}

/// Goes through the whole profile without changing an octet of what it carries.
fn log_in(providers: &Shibboleth, number: usize, client: &Client<'_>) -> Value {
    let wanted = providers.secure(number);
    let asked = as_enhanced_client(&wanted);
    assert_eq!(asked.status, 200, "{}", asked.body);
    let answer = client.ask(element(&asked.body, "samlp:AuthnRequest"));
    assert!(answer.is_success(), "{}", answer.xml);
    let relay_state = element(&asked.body, "ecp:RelayState");
    let url = Url::parse(&answer.posted_to).unwrap();
    assert_eq!(url.path(), "/Shibboleth.sso/SAML2/ECP");
    let delivered = Request {
        method: "POST",
        url: url.clone(),
        headers: Vec::new(),
        body: ecp::envelope(relay_state, &answer.xml).into_bytes(),
    }
    .header("Content-Type", "application/vnd.paos+xml")
    .send();
    assert_eq!(delivered.status, 302, "{}", delivered.body);
    assert_eq!(delivered.header("location"), Some(wanted.as_str()));
    let cookies = delivered.all("set-cookie").into_iter();
    let cookies: Vec<&str> = cookies
        .filter_map(|cookie| cookie.split(';').next())
        .collect();
    let session = Request::get(url.join("/Shibboleth.sso/Session").unwrap());
    let session = session.header("Cookie", &cookies.join("; ")).send();
    serde_json::from_str(&session.body).unwrap()
}

#[test]
fn the_shibboleth_sp_takes_a_login_without_a_browser() {
    let (deployment, providers) = deployed(|_| ());
    let client = Client::of(&deployment, ALICE);
    let session = log_in(&providers, 0, &client);
    assert_eq!(session["authncontext_class"], PPT);
    assert!(
        session.to_string().contains("alice@example.org"),
        "{session}"
    );
    let session = log_in(
        &providers,
        1,
        &client.with("X-Shibboleth-Duo-Factor", "push"),
    );
    assert_eq!(session["authncontext_class"], MFA);
}

/// pysaml2's client writes every message anew; the signature inside an encrypted assertion is the
/// one that survives that.
fn for_a_rewriting_client(deployment: &Deployment) {
    deployment.home.set("vestibule.saml.signAssertions", "true");
    deployment.home.set("vestibule.saml.signResponses", "false");
}

/// Fetches a page with pysaml2's client.
fn fetch(deployment: &Deployment, url: &str, password: &str, headers: &[&str]) -> Value {
    let mut command = Command::new(root().join("tests/.cache/venv/bin/python"));
    command
        .arg(root().join("tests/sp/ecp_client.py"))
        .args(["--idp", Deployment::ENTITY_ID, "--idp-metadata"])
        .arg(deployment.metadata_file())
        .args(["--user", ALICE.name, "--password", password]);
    for header in headers {
        command.args(["--header", header]);
    }
    let output = command.arg(url).output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    let last = printed.lines().last().unwrap_or_default();
    serde_json::from_str(last)
        .unwrap_or_else(|_| panic!("{printed}{}", String::from_utf8_lossy(&output.stderr)))
}

#[test]
fn pysaml2s_client_logs_in_to_the_shibboleth_sp_with_each_factor() {
    let (deployment, providers) = deployed(for_a_rewriting_client);
    let strict = providers.secure(1);
    let factor = "X-Shibboleth-Duo-Factor: ";
    for headers in [
        vec![],
        vec![format!("{factor}auto")],
        vec![format!("{factor}push")],
        vec![format!("{factor}phone")],
        vec![
            format!("{factor}passcode"),
            "X-Shibboleth-Duo-Passcode: 123456".to_owned(),
        ],
    ] {
        let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
        let page = fetch(&deployment, &strict, ALICE.password, &headers);
        assert_eq!(page["page"], "open to sessions", "{headers:?}: {page}");
    }
    let password_only = fetch(&deployment, &providers.secure(0), ALICE.password, &[]);
    assert_eq!(password_only["page"], "open to sessions", "{password_only}");
    let sms = fetch(
        &deployment,
        &strict,
        ALICE.password,
        &[&format!("{factor}sms")],
    );
    assert_ne!(sms["page"], "open to sessions", "{sms}");
    let wrong = fetch(&deployment, &strict, "wrong", &[]);
    assert_ne!(wrong["page"], "open to sessions", "{wrong}");
}
