//! Duo without a browser: the Auth API, steered by the client's headers.

use crate::harness::browser::ALICE;
use crate::harness::duo::Duo;
use crate::harness::ecp::{self, Client, sso_lines};
use crate::harness::http::Request;
use crate::harness::idp::Deployment;
use crate::harness::relying_party::{MFA, PPT, RelyingParty, Response};
use crate::harness::wait_for;
use serde_json::{Value, json};
use std::fs;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

/// The headers that name factor, device and passcode.
const FACTOR: &str = "X-Shibboleth-Duo-Factor";
const DEVICE: &str = "X-Shibboleth-Duo-Device";
const PASSCODE: &str = "X-Shibboleth-Duo-Passcode";

/// What the simulator takes for a passcode of Duo Mobile.
const RIGHT: &str = "123456";

/// A deployment with the Auth API, and one relying party for which Duo is the rule.
fn serving(party: &RelyingParty, change: impl FnOnce(&Deployment)) -> Deployment {
    let mut deployment = ecp::prepare(&[party]);
    deployment.home.require_mfa(&party.entity_id);
    with_auth_api(&deployment);
    change(&deployment);
    deployment.serve();
    deployment
}

/// Lets the Duo flow serve any client.
pub(crate) fn with_auth_api(deployment: &Deployment) {
    let home = &deployment.home;
    home.set("idp.authn.DuoOIDC.nonBrowserSupported", "true");
    home.set("idp.duo.oidc.nonbrowser.integrationKey", Duo::AUTH_API[0]);
    let secret = format!(
        "\nidp.duo.oidc.nonbrowser.secretKey = {}\n",
        Duo::AUTH_API[1]
    );
    home.append("credentials/secrets.properties", &secret);
}

fn log_in(deployment: &Deployment, party: &RelyingParty, headers: &[(&str, &str)]) -> Response {
    let client = Client::of(deployment, ALICE);
    let client = headers
        .iter()
        .fold(client, |client, (name, value)| client.with(name, value));
    client.ask(&party.request_exactly(MFA).xml())
}

/// The lines of the Duo audit, once there are that many.
fn duo_lines(deployment: &Deployment, wanted: usize) -> Vec<String> {
    wait_for("the Duo audit", || {
        let path = deployment.home.path.join("logs/idp-duo2fa-audit.log");
        let text = fs::read_to_string(path).unwrap_or_default();
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        (lines.len() >= wanted).then_some(lines)
    })
}

/// What the Auth API was asked at this path.
fn asked(deployment: &Deployment, path: &str) -> Vec<Value> {
    let mut requests = deployment.duo.requests();
    requests.retain(|request| request["path"] == path);
    requests
}

#[test]
fn each_factor_of_the_auth_api_is_a_second_factor() {
    let party = RelyingParty::new("factors");
    let deployment = serving(&party, |_| ());
    for (number, (headers, factor)) in [
        (&[][..], "duo_push"),
        (&[(FACTOR, "auto")], "duo_push"),
        (&[(FACTOR, "push")], "duo_push"),
        (&[(FACTOR, "phone"), (DEVICE, "auto")], "phone_call"),
        (&[(FACTOR, "passcode"), (PASSCODE, RIGHT)], "passcode"),
        (&[(PASSCODE, RIGHT)], "passcode"),
    ]
    .into_iter()
    .enumerate()
    {
        let answer = log_in(&deployment, &party, headers);
        assert_eq!(answer.class(), MFA, "{headers:?}");
        let lines = duo_lines(&deployment, number + 1);
        assert_eq!(lines.len(), number + 1, "{lines:#?}");
        let line = &lines[number];
        let alice = format!("|{}|", ALICE.name);
        for part in [&alice, Duo::AUTH_API[0], &format!("|{factor}|")] {
            assert!(line.contains(part), "{part}: {line}");
        }
    }
    let push = &asked(&deployment, "/auth/v2/auth")[2];
    let told = push.to_string();
    assert!(
        told.contains("pushinfo") && told.contains("factors.example"),
        "{told}"
    );
    assert!(told.contains("127.0.0.1"), "{told}");
}

#[test]
fn what_duo_does_not_allow_fails_the_login_and_the_audit_says_why() {
    let party = RelyingParty::new("denied");
    let deployment = serving(&party, |_| ());
    let outcome = |name: &str| {
        deployment
            .duo
            .outcome(&json!({"username": "*", "outcome": name, "times": 1}));
    };
    let failed = ["Requester", "AuthnFailed"];
    for (number, (result, headers, status, reason)) in [
        (
            "deny",
            &[(FACTOR, "push")][..],
            &failed[..],
            "refused: deny",
        ),
        ("timeout", &[(FACTOR, "push")], &failed, "refused: timeout"),
        ("", &[(FACTOR, "sms")], &failed, "refused: sent"),
        (
            "",
            &[(FACTOR, "passcode"), (PASSCODE, "000000")],
            &failed,
            "refused: deny",
        ),
        (
            "",
            &[(FACTOR, "push"), (DEVICE, "DPUNKNOWN")],
            &failed,
            "refused: unknown device",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        if !result.is_empty() {
            outcome(result);
        }
        let answer = log_in(&deployment, &party, headers);
        assert_eq!(answer.status(), status, "{result} {headers:?}");
        let lines = duo_lines(&deployment, number + 1);
        assert!(
            lines[number].contains(reason),
            "{reason}: {}",
            lines[number]
        );
    }
    deployment
        .duo
        .user(&json!({"username": ALICE.name, "status": "locked out"}));
    let locked = log_in(&deployment, &party, &[]);
    assert_eq!(locked.status(), ["Responder"]);
    let lines = sso_lines(&deployment, 6);
    assert_eq!(lines.len(), 6, "{lines:#?}");
    assert!(lines[5].contains("|AccountLocked|"), "{}", lines[5]);
}

#[test]
fn s46_a_bypass_is_no_second_factor_without_a_browser_either() {
    let party = RelyingParty::new("bypass");
    let deployment = serving(&party, |_| ());
    let bypass_code = "987654321";
    deployment
        .duo
        .user(&json!({"username": ALICE.name, "bypass_codes": [bypass_code]}));
    let coded = log_in(&deployment, &party, &[(PASSCODE, bypass_code)]);
    assert_eq!(coded.status(), ["Requester", "NoAuthnContext"]);
    deployment
        .duo
        .user(&json!({"username": ALICE.name, "status": "bypass"}));
    let bypassed = log_in(&deployment, &party, &[]);
    assert_eq!(bypassed.status(), ["Requester", "NoAuthnContext"]);
    let client = Client::of(&deployment, ALICE);
    assert_eq!(client.ask(&party.request().xml()).class(), PPT);
}

#[test]
fn the_headers_have_the_names_that_the_operator_gives_them() {
    let party = RelyingParty::new("headers");
    let deployment = serving(&party, |deployment| {
        let home = &deployment.home;
        home.set("idp.duo.oidc.nonbrowser.header.passcode", "X-Our-Code");
        home.set("idp.duo.oidc.nonbrowser.auto", "false");
        home.set("idp.duo.oidc.nonbrowser.clientAddressTrusted", "false");
    });
    let code = log_in(&deployment, &party, &[("X-Our-Code", RIGHT)]);
    assert_eq!(code.class(), MFA);
    let told = asked(&deployment, "/auth/v2/auth")[0].to_string();
    assert!(!told.contains("ipaddr"), "{told}");
    let nothing = log_in(&deployment, &party, &[(PASSCODE, RIGHT)]);
    assert_eq!(nothing.status(), ["Requester", "AuthnFailed"]);
    assert_eq!(asked(&deployment, "/auth/v2/auth").len(), 1);
}

#[test]
fn s47_pushes_without_a_browser_are_bounded() {
    let party = RelyingParty::new("often");
    let deployment = serving(&party, |deployment| {
        deployment.home.set("vestibule.duo.maxStarts", "2");
    });
    for _ in 0..2 {
        assert_eq!(log_in(&deployment, &party, &[]).class(), MFA);
    }
    let third = log_in(&deployment, &party, &[]);
    assert_eq!(third.status(), ["Requester", "AuthnFailed"]);
    assert_eq!(asked(&deployment, "/auth/v2/auth").len(), 2);
}

#[test]
fn s48_a_wrong_password_reaches_duo_under_no_name() {
    let party = RelyingParty::new("guess");
    let deployment = serving(&party, |_| ());
    let client = Client::new(&deployment).presenting(ALICE.name, "wrong");
    let answer = client.ask(&party.request().xml());
    assert_eq!(answer.status(), ["Requester", "AuthnFailed"]);
    assert_eq!(asked(&deployment, "/auth/v2/preauth").len(), 0);
}

#[test]
fn a_client_that_hangs_up_leaves_the_line_of_its_login() {
    let party = RelyingParty::new("gone");
    let deployment = serving(&party, |_| ());
    deployment
        .duo
        .fault_as(&json!({"endpoint": "auth_status", "kind": "delay", "seconds": 1, "times": 1}));
    let request =
        Client::of(&deployment, ALICE).request(&ecp::envelope("", &party.request().xml()));
    reset_after(&request, || {
        wait_for("the push", || {
            (!asked(&deployment, "/auth/v2/auth").is_empty()).then_some(())
        });
    });
    assert_eq!(sso_lines(&deployment, 1).len(), 1);
    assert_eq!(duo_lines(&deployment, 1).len(), 1);
}

/// Sends a request, waits, and resets the connection, as a proxy does whose client went away.
fn reset_after(request: &Request, wait: impl FnOnce()) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().unwrap();
    runtime.block_on(async {
        let address = ("127.0.0.1", request.url.port().unwrap());
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(&request.bytes()).await.unwrap();
        wait();
        stream.set_zero_linger().unwrap();
    });
}
