//! S06, S20 to S25, S31, S32: who is answered, and where.

use super::{
    assert_no_assertion, assert_refused_locally, at_duo, response, serving, serving_with_mfa_rule,
};
use crate::harness::browser::{ALICE, Browser, Page, Prompt};
use crate::harness::http::Request;
use crate::harness::idp::Deployment;
use crate::harness::relying_party::{PPT, RelyingParty, Response, instant};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use url::Url;

fn open(deployment: &Deployment, query: &str) -> Page {
    Browser::that_keeps_the_response()
        .open(&deployment.url(&format!("/profile/SAML2/Redirect/SSO?{query}")))
}

#[test]
fn s20_a_request_that_proves_nothing_costs_no_signature() {
    let deployment = serving(&[&RelyingParty::new("known")]);
    let unknown = RelyingParty::new("unknown");
    let pages = [
        open(&deployment, "SAMLRequest=AAAA"),
        open(&deployment, "SAMLRequest=%3Cnot%3Ebase64"),
        open(&deployment, ""),
        open(&deployment, &unknown.request().query()),
        open(
            &deployment,
            &unknown
                .request()
                .with("ProviderName", &"x".repeat(3000))
                .query(),
        ),
    ];
    for page in &pages {
        assert_refused_locally(page, "a request that proves nothing");
        assert!(!page.body().contains("unknown.example"), "{}", page.body());
    }
    let sizes: Vec<usize> = pages[3..].iter().map(|page| page.body().len()).collect();
    assert_eq!(
        sizes[0], sizes[1],
        "the page must not grow with the request"
    );
}

#[test]
fn s66_a_flood_of_headers_or_an_outsize_body_is_refused() {
    let deployment = serving(&[]);
    let refused = |request: &Request| request.try_send().map_or(400, |answer| answer.status) >= 400;
    let live = Request::get(Url::parse(&deployment.url("/shibboleth")).unwrap());
    let flood = (0..1000).fold(live.clone(), |request, n| {
        request.header(&format!("X-{n}"), "x")
    });
    assert!(refused(&flood));
    let url = Url::parse(&deployment.url("/profile/SAML2/POST/SSO")).unwrap();
    let field = ("SAMLRequest".to_owned(), "A".repeat(2 << 20));
    assert!(refused(&Request::post(url, &[field])));
    assert_eq!(live.send().status, 200);
}

#[test]
fn s21_no_response_goes_to_an_address_that_metadata_does_not_name() {
    let party = RelyingParty::new("target");
    let deployment = serving(&[&party]);
    for address in [
        "https://evil.example/acs",
        "https://target.example/other",
        "https://target.example/ACS",
        "https://TARGET.example/acs",
        "https://target.example./acs",
        "https://target.example/%61cs",
        "https://target.example/x/%2e%2e/acs",
        "https://evil@target.example/acs",
        "https://target.example@evil.example/acs",
        "https://target.example:8443/acs",
        "http://target.example/acs",
        "https://target.example/acs?x=1",
        "https://target.example/acs#x",
        "https://target.example/acs/",
        " https://target.example/acs",
        "javascript:alert(1)",
    ] {
        let request = party.request().with("AssertionConsumerServiceURL", address);
        let page = open(&deployment, &request.query());
        assert_refused_locally(&page, address);
        assert!(!page.body().contains(address.trim()), "{address} is echoed");
    }
    for index in ["7", "65535", "65536", "-1", "one"] {
        let request = party.request().with("AssertionConsumerServiceIndex", index);
        assert_refused_locally(&open(&deployment, &request.query()), index);
    }
    let good = party
        .request()
        .with("AssertionConsumerServiceURL", &party.acs);
    assert!(
        open(&deployment, &good.query())
            .form_with("j_username")
            .is_some()
    );
}

#[test]
fn s22_script_addresses_in_metadata_never_reach_a_page() {
    let mut party = RelyingParty::new("scripted");
    party.acs = "javascript:alert(document.domain)".to_owned();
    let mut logo = RelyingParty::new("logo");
    logo.extensions =
        "<md:Extensions><mdui:UIInfo xmlns:mdui=\"urn:oasis:names:tc:SAML:metadata:ui\">\
        <mdui:DisplayName xml:lang=\"en\">Logo</mdui:DisplayName>\
        <mdui:Logo height=\"16\" width=\"16\">javascript:alert(1)</mdui:Logo>\
        <mdui:PrivacyStatementURL xml:lang=\"en\">data:text/html,hello</mdui:PrivacyStatementURL>\
        </mdui:UIInfo></md:Extensions>"
            .to_owned();
    let deployment = serving(&[&party, &logo]);
    let page = open(&deployment, &party.request().query());
    assert_refused_locally(&page, "an ACS with a script");
    let page = open(&deployment, &logo.request().query());
    assert!(page.form_with("j_username").is_some(), "{}", page.body());
    assert!(!page.body().contains("javascript:"), "{}", page.body());
    assert!(!page.body().contains("data:text/html"), "{}", page.body());
}

#[test]
fn s23_relay_state_comes_back_as_it_was_and_nowhere_else() {
    let party = RelyingParty::new("relay");
    let deployment = serving(&[&party]);
    let state = r#""><script>alert('x')</script>&amp;https://evil.example"#;
    let encoded: String = form_urlencoded::byte_serialize(state.as_bytes()).collect();
    let query = party
        .request()
        .query()
        .replace("RelayState=state", &format!("RelayState={encoded}"));
    let mut browser = Browser::that_keeps_the_response();
    let url = deployment.url(&format!("/profile/SAML2/Redirect/SSO?{query}"));
    let arrival = browser.log_in(&url, ALICE);
    let response = response(&arrival);
    assert_eq!(response.relay_state.as_deref(), Some(state));
    assert_eq!(response.posted_to, party.acs);
    assert!(
        !arrival.page.body().contains("<script>alert"),
        "{}",
        arrival.page.body()
    );
}

#[test]
fn s23_a_relay_state_of_ten_kilobytes_is_refused() {
    let party = RelyingParty::new("relay");
    let deployment = serving(&[&party]);
    let long = format!("RelayState={}", "r".repeat(10 * 1024));
    let query = party.request().query().replace("RelayState=state", &long);
    let page = open(&deployment, &query);
    assert_no_assertion(&page, "10 KB of RelayState");
    assert!(
        page.form_with("j_username").is_none(),
        "a login was started"
    );
}

#[test]
fn s24_a_request_for_another_destination_is_refused_on_every_binding() {
    let party = RelyingParty::new("destination");
    let deployment = serving(&[&party]);
    let destinations = [
        "https://other-idp.example/profile/SAML2/Redirect/SSO".to_owned(),
        format!("{}/", deployment.url("/profile/SAML2/Redirect/SSO")),
        deployment
            .url("/profile/SAML2/Redirect/SSO")
            .replace("localhost", "127.0.0.1"),
    ];
    for destination in &destinations {
        let request = party.request().with("Destination", destination);
        assert_refused_locally(&open(&deployment, &request.query()), destination);
        assert_refused_locally(&post(&deployment, &request.post_fields()), destination);
    }
    let request = party.request().with(
        "Destination",
        &deployment.url("/profile/SAML2/Redirect/SSO"),
    );
    assert!(
        open(&deployment, &request.query())
            .form_with("j_username")
            .is_some()
    );
    let request = party
        .request()
        .with("Destination", &deployment.url("/profile/SAML2/POST/SSO"));
    assert!(
        post(&deployment, &request.post_fields())
            .form_with("j_username")
            .is_some()
    );
}

fn post(deployment: &Deployment, fields: &[(String, String)]) -> Page {
    let url = Url::parse(&deployment.url("/profile/SAML2/POST/SSO")).unwrap();
    let from = Url::parse("https://relying-party.example/").unwrap();
    Browser::that_keeps_the_response().navigate(Request::post(url, fields), Some(&from))
}

#[test]
fn s24_a_response_answers_its_own_request_and_no_other() {
    let party = RelyingParty::new("answered");
    let deployment = serving(&[&party]);
    let mut browser = Browser::that_keeps_the_response();
    let first = party.request();
    let answer = response(&browser.log_in(&first.url(&deployment.base_url), ALICE));
    assert_eq!(
        answer.values("Response", "InResponseTo"),
        std::slice::from_ref(&first.id)
    );
    assert_eq!(
        answer.values("SubjectConfirmationData", "InResponseTo"),
        [first.id]
    );
    assert_eq!(
        answer.values("SubjectConfirmationData", "Recipient"),
        std::slice::from_ref(&party.acs)
    );
    assert_eq!(
        answer.values("Response", "Destination"),
        std::slice::from_ref(&party.acs)
    );
    assert_eq!(
        answer.texts("Audience"),
        std::slice::from_ref(&party.entity_id)
    );
    let second = party.request();
    let answer = response(&browser.log_in(&second.url(&deployment.base_url), ALICE));
    assert_eq!(answer.values("Response", "InResponseTo"), [second.id]);
}

#[test]
fn s24_an_unsolicited_response_answers_no_request() {
    let party = RelyingParty::new("unsolicited");
    let deployment = serving(&[&party]);
    let mut browser = Browser::that_keeps_the_response();
    let url = deployment.url(&format!(
        "/profile/SAML2/Unsolicited/SSO?providerId={}",
        party.entity_id
    ));
    let answer = response(&browser.log_in(&url, ALICE));
    assert_eq!(answer.class(), PPT);
    assert!(!answer.xml.contains("InResponseTo"), "{}", answer.xml);
}

#[test]
fn s25_a_request_is_good_once() {
    let party = RelyingParty::new("replayed");
    let other = RelyingParty::new("other");
    let deployment = serving(&[&party, &other]);
    let request = party.request();
    assert!(
        open(&deployment, &request.query())
            .form_with("j_username")
            .is_some()
    );
    assert_refused_locally(
        &open(&deployment, &request.query()),
        "the same request again",
    );
    assert_refused_locally(
        &post(&deployment, &request.post_fields()),
        "again by another binding",
    );
    let mut same_id = other.request();
    same_id.id = request.id;
    let page = open(&deployment, &same_id.query());
    assert!(
        page.form_with("j_username").is_some(),
        "another party may use the same ID"
    );
}

#[test]
fn s25_old_and_future_requests_are_refused() {
    let party = RelyingParty::new("dated");
    let deployment = serving(&[&party]);
    for seconds in [-3600, 3600, -100_000_000] {
        let mut request = party.request();
        request.issue_instant = instant(seconds);
        assert_refused_locally(&open(&deployment, &request.query()), &request.issue_instant);
    }
}

#[test]
fn s31_forged_host_headers_change_no_address_of_ours() {
    let party = RelyingParty::new("hosted");
    let deployment = serving_with_mfa_rule(&party);
    let forged = [
        ("Host", "evil.example"),
        ("X-Forwarded-Host", "evil.example"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Server", "evil.example"),
        ("Forwarded", "host=evil.example;proto=https"),
        ("X-Original-URL", "/evil.example"),
    ];
    for (name, value) in forged {
        let url = party.request().url(&deployment.base_url);
        let mut browser = Browser::that_keeps_the_response();
        let request = Request::get(Url::parse(&url).unwrap()).header(name, value);
        let page = browser.navigate(request, None);
        assert!(
            !page.body().contains("evil.example"),
            "{name}: {}",
            page.body()
        );
        let Some(form) = page.form_with("j_username") else {
            assert!(page.response.status >= 400, "{name} was not refused either");
            continue;
        };
        let form = form
            .fill("j_username", ALICE.name)
            .fill("j_password", ALICE.password);
        let mut request = crate::harness::browser::filled(&page, &form).header(name, value);
        // Walk to Duo by hand, with the forged header on each of our own URLs.
        let location = loop {
            let response = browser.ask(&request, false);
            let location = response
                .header("location")
                .unwrap_or_else(|| panic!("{name}: {}", response.body));
            let next = request.url.join(location).unwrap();
            if next.scheme() == "https" {
                break next;
            }
            assert!(
                !next.as_str().contains("evil.example"),
                "{name}: sent to {next}"
            );
            request = Request::get(next).header(name, value);
        };
        assert_eq!(
            redirect_uri(&location),
            deployment.url("/profile/Authn/Duo/2FA/duo-callback")
        );
    }
}

/// The `redirect_uri` inside the request that goes to Duo.
fn redirect_uri(authorize: &Url) -> String {
    let (_, request) = authorize
        .query_pairs()
        .find(|(name, _)| name == "request")
        .unwrap();
    let payload = request.split('.').nth(1).unwrap();
    let claims: serde_json::Value =
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
    claims["redirect_uri"].as_str().unwrap().to_owned()
}

#[test]
fn s32_a_client_cannot_choose_its_address() {
    let party = RelyingParty::new("addressed");
    let deployment = serving(&[&party]);
    log_in_as_if_from(&deployment, &party, "198.51.100.77");
    let audit = deployment.home.sso_audit_line(1);
    assert!(audit.contains("127.0.0.1"), "{audit}");
    assert!(!audit.contains("198.51.100.77"), "{audit}");
}

#[test]
fn s32_a_named_proxy_may_tell_the_address() {
    let party = RelyingParty::new("addressed");
    let mut deployment = Deployment::prepare();
    deployment
        .home
        .set("vestibule.http.trustedProxies", "127.0.0.0/8");
    super::trust(&deployment, &[&party]);
    deployment.serve();
    log_in_as_if_from(&deployment, &party, "198.51.100.77");
    let audit = deployment.home.sso_audit_line(1);
    assert!(audit.contains("198.51.100.77"), "{audit}");
}

fn log_in_as_if_from(deployment: &Deployment, party: &RelyingParty, address: &str) {
    let mut browser = Browser::that_keeps_the_response();
    browser.headers = vec![("X-Forwarded-For".to_owned(), address.to_owned())];
    let arrival = browser.log_in(&party.request().url(&deployment.base_url), ALICE);
    assert!(response(&arrival).is_success());
}

#[test]
fn s21_the_metadata_address_is_used_when_the_request_names_none() {
    let party = RelyingParty::new("default");
    let deployment = serving_with_mfa_rule(&party);
    let mut browser = Browser::that_keeps_the_response();
    let page = at_duo(&mut browser, &party.request().url(&deployment.base_url));
    let arrival = browser.walk(page, ALICE);
    assert_eq!(arrival.prompts, [Prompt::Duo]);
    assert_eq!(Response::of(&arrival).posted_to, party.acs);
}

#[test]
fn s06_where_metadata_promises_signatures_only_a_good_one_is_taken() {
    let mut party = RelyingParty::new("signing");
    party.role_attributes = r#"AuthnRequestsSigned="true""#;
    let deployment = serving(&[&party]);
    // A signed request must say whom it is for (SAML bindings 3.4.5.2).
    let destination = deployment.url("/profile/SAML2/Redirect/SSO");
    let signed = || {
        party
            .request()
            .with("Destination", &destination)
            .signed_query()
    };
    assert_refused_locally(
        &open(&deployment, &party.request().signed_query()),
        "no destination",
    );
    assert!(
        open(&deployment, &signed())
            .form_with("j_username")
            .is_some()
    );
    assert_refused_locally(&open(&deployment, &party.request().query()), "no signature");
    let bare = signed();
    let (bare, _) = bare.split_once("&Signature=").unwrap();
    for (what, query) in [
        ("no signature value", bare.to_owned()),
        ("an empty signature", format!("{bare}&Signature=")),
        (
            "another relay state",
            signed().replace("RelayState=state", "RelayState=other"),
        ),
        (
            "a second relay state",
            format!("{}&RelayState=other", signed()),
        ),
        ("no algorithm", signed().replace("SigAlg=", "NoSigAlg=")),
        (
            "a weaker algorithm",
            signed().replace("rsa-sha256", "rsa-sha1"),
        ),
        ("hmac", signed().replace("rsa-sha256", "hmac-sha256")),
    ] {
        assert_refused_locally(&open(&deployment, &query), what);
    }
    let (first, second) = (signed(), signed());
    let stolen = second.split_once("&Signature=").unwrap().1;
    let mixed = format!(
        "{}&Signature={stolen}",
        first.split_once("&Signature=").unwrap().0
    );
    assert_refused_locally(&open(&deployment, &mixed), "another request's signature");
}
