//! The page that errorURL of our metadata names, and what else the operator says there.

use crate::harness::browser::{Browser, Page};
use crate::harness::html;
use crate::harness::idp::Deployment;
use crate::harness::relying_party::RelyingParty;

/// errorURL as our metadata has it.
fn error_url(deployment: &Deployment) -> String {
    let metadata = Browser::new().open(&deployment.url("/shibboleth"));
    let (_, rest) = metadata.body().split_once("errorURL=\"").unwrap();
    html::unescape(rest.split_once('"').unwrap().0)
}

/// Fills in the placeholders as a service provider does, and opens the page.
fn open(deployment: &Deployment, values: [&str; 5]) -> Page {
    let names = ["CODE", "TS", "RP", "TID", "CTX"];
    let url = names
        .iter()
        .zip(values)
        .fold(error_url(deployment), |url, (name, value)| {
            let encoded: String = form_urlencoded::byte_serialize(value.as_bytes()).collect();
            url.replace(&format!("ERRORURL_{name}"), &encoded)
        });
    Browser::new().open(&url)
}

fn serving(party: &RelyingParty, settings: &str) -> Deployment {
    let mut deployment = Deployment::prepare();
    deployment.trust("party", &party.metadata());
    deployment
        .home
        .append("conf/own-metadata.properties", settings);
    deployment.serve();
    deployment
}

#[test]
fn the_page_of_our_error_url_says_what_is_missing_and_what_to_pass_on() {
    let party = RelyingParty::new("missing");
    let deployment = serving(&party, "");
    let mail = "urn:oid:0.9.2342.19200300.100.1.3";
    let page = open(
        &deployment,
        [
            "IDENTIFICATION_FAILURE",
            "1700000000",
            &party.entity_id,
            "_4711",
            mail,
        ],
    );
    assert_eq!(page.response.status, 200);
    for part in [
        "did not receive what it needs",
        "<code>mail</code>",
        "2023-11-14 22:13:20 UTC",
        "The service calls it _4711.",
        &party.entity_id,
    ] {
        assert!(page.body().contains(part), "{part}: {}", page.body());
    }
    let class = "https://refeds.org/profile/mfa";
    let page = open(&deployment, ["AUTHENTICATION_FAILURE", "0", "", "", class]);
    assert!(page.body().contains("second factor") && page.body().contains(class));
    let unfilled = Browser::new().open(&error_url(&deployment));
    assert_eq!(unfilled.response.status, 200);
    assert!(
        !unfilled.body().contains("ERRORURL_"),
        "{}",
        unfilled.body()
    );
}

#[test]
fn s51_nothing_that_a_link_to_the_error_page_carries_can_speak_for_us() {
    let party = RelyingParty::new("target");
    let deployment = serving(&party, "");
    let hostile = "</p><script>alert(1)</script> Call 0123456 and tell your password!";
    let page = open(&deployment, [hostile; 5]);
    assert_eq!(page.response.status, 200);
    for part in ["<script>alert", "alert(1)", "0123456", "password!", "Call"] {
        assert!(!page.body().contains(part), "{part}: {}", page.body());
    }
    let stranger = "https://evil.example/sp";
    let page = open(&deployment, ["OTHER_ERROR", "1", stranger, "x", "y"]);
    assert!(!page.body().contains("evil.example"), "{}", page.body());
    let doubled = format!("{}&code=x", error_url(&deployment));
    assert_eq!(Browser::new().open(&doubled).response.status, 400);
}

#[test]
fn what_the_operator_says_of_us_stands_in_our_metadata() {
    let party = RelyingParty::new("reader");
    let deployment = serving(
        &party,
        "vestibule.errorURL = https://help.example.org/?c=ERRORURL_CODE\n\
         vestibule.contact.technical.name = Web & Login\n\
         vestibule.contact.technical.mail = login@example.org\n\
         vestibule.contact.security.mail = mailto:abuse@example.org\n\
         vestibule.organization.name = example.org\n\
         vestibule.organization.displayName = Example University\n\
         vestibule.organization.url = https://example.org/\n\
         vestibule.entityCategorySupport = http://refeds.org/category/research-and-scholarship\n\
         vestibule.assuranceCertification = https://refeds.org/sirtfi2\n\
         vestibule.ui.displayName = Example Login\n\
         vestibule.ui.logo = https://example.org/logo.png\n",
    );
    let page = Browser::new().open(&deployment.url("/shibboleth"));
    for part in [
        "errorURL=\"https://help.example.org/?c=ERRORURL_CODE\"",
        "contactType=\"technical\"",
        "Web &amp; Login",
        "mailto:login@example.org",
        "http://refeds.org/metadata/contactType/security",
        "mailto:abuse@example.org",
        ">Example University</md:OrganizationDisplayName>",
        ">Example Login</mdui:DisplayName>",
        ">https://example.org/logo.png</mdui:Logo>",
        "http://macedir.org/entity-category-support",
        ">http://refeds.org/category/research-and-scholarship</saml2:AttributeValue>",
        ">https://refeds.org/sirtfi2</saml2:AttributeValue>",
        "POST-SimpleSign/SSO",
        "nameid-format:emailAddress",
    ] {
        assert!(page.body().contains(part), "{part}: {}", page.body());
    }
    assert_eq!(page.body(), deployment.home.run(&["metadata"], ""));
}
