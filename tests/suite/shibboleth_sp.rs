//! The Shibboleth service provider, as Debian ships it.

use crate::harness::browser::{ALICE, Browser, Page, Prompt};
use crate::harness::idp::Deployment;
use crate::harness::relying_party::{MFA, PPT, Response};
use crate::harness::shibboleth::{Shibboleth, error_facts};
use Prompt::{Duo, Password};
use std::fmt::Write as _;

const NO_AUTHN_CONTEXT: &str = "urn:oasis:names:tc:SAML:2.0:status:NoAuthnContext";

const NO_PASSIVE: &str = "urn:oasis:names:tc:SAML:2.0:status:NoPassive";

/// The second-level status as the service provider's error page tells it.
fn second_status(page: &Page) -> String {
    let facts = error_facts(page);
    let code = facts.iter().find(|(name, _)| name == "statusCode2");
    code.unwrap_or_else(|| panic!("{facts:?}")).1.clone()
}

fn deployed(rule: &[&str]) -> (Deployment, Shibboleth) {
    let mut deployment = Deployment::prepare();
    for entity_id in rule {
        deployment.home.require_mfa(entity_id);
    }
    let providers = Shibboleth::start(&deployment);
    deployment.serve();
    (deployment, providers)
}

#[test]
fn a_rule_sends_the_user_through_password_and_duo() {
    let (deployment, providers) = deployed(&[Shibboleth::FIRST]);
    let mut browser = Browser::new();
    let arrival = browser.log_in(&providers.secure(0), ALICE);
    assert_eq!(arrival.prompts, [Password, Duo]);
    assert_eq!(arrival.page.body(), "open to sessions");
    let session = providers.session(0, &mut browser).unwrap();
    let line = deployment.home.sso_audit_line(1);
    assert!(line.contains("AES128-GCM"), "encrypted: {line}");
    assert_eq!(session.class(), MFA);
    assert_eq!(session.attribute("eppn"), ["alice@example.org"]);
    assert_eq!(session.attribute("mail"), ["alice@example.org"]);
    assert_eq!(session.attribute("displayName"), ["Alice Adams"]);
    assert_eq!(session.attribute("uid"), ["alice"]);
}

#[test]
fn a_request_for_exactly_the_refeds_class_gets_it() {
    let (_deployment, providers) = deployed(&[]);
    let mut browser = Browser::new();
    let url = providers.login(0, &format!("authnContextClassRef={MFA}"));
    assert_eq!(browser.log_in(&url, ALICE).prompts, [Password, Duo]);
    assert_eq!(providers.session(0, &mut browser).unwrap().class(), MFA);
}

#[test]
fn without_rule_or_request_a_password_is_enough() {
    let (_deployment, providers) = deployed(&[]);
    let mut browser = Browser::new();
    let arrival = browser.log_in(&providers.secure(0), ALICE);
    assert_eq!(arrival.prompts, [Password]);
    assert_eq!(arrival.page.body(), "open to sessions");
    assert_eq!(providers.session(0, &mut browser).unwrap().class(), PPT);
}

#[test]
fn single_sign_on_to_a_second_provider_shows_no_prompt() {
    let (_deployment, providers) = deployed(&[Shibboleth::FIRST, Shibboleth::SECOND]);
    let mut browser = Browser::new();
    browser.log_in(&providers.secure(0), ALICE);
    let arrival = browser.log_in(&providers.secure(1), ALICE);
    assert_eq!(arrival.prompts, []);
    assert_eq!(arrival.page.body(), "open to sessions");
    assert_eq!(providers.session(1, &mut browser).unwrap().class(), MFA);
}

#[test]
fn stepping_up_from_a_password_session_asks_for_duo_alone() {
    let (_deployment, providers) = deployed(&[Shibboleth::SECOND]);
    let mut browser = Browser::new();
    assert_eq!(
        browser.log_in(&providers.secure(0), ALICE).prompts,
        [Password]
    );
    assert_eq!(browser.log_in(&providers.secure(1), ALICE).prompts, [Duo]);
    assert_eq!(providers.session(0, &mut browser).unwrap().class(), PPT);
    assert_eq!(providers.session(1, &mut browser).unwrap().class(), MFA);
}

#[test]
fn force_authn_asks_again_for_everything() {
    let (_deployment, providers) = deployed(&[Shibboleth::FIRST, Shibboleth::SECOND]);
    let mut browser = Browser::new();
    browser.log_in(&providers.secure(0), ALICE);
    let first = providers.session(0, &mut browser).unwrap();
    let arrival = browser.log_in(&providers.login(1, "forceAuthn=1"), ALICE);
    assert_eq!(arrival.prompts, [Password, Duo]);
    let second = providers.session(1, &mut browser).unwrap();
    assert_eq!(second.class(), MFA);
    assert!(second.authn_instant() >= first.authn_instant());
}

#[test]
fn a_passive_request_without_a_session_is_refused_without_a_page() {
    let (_deployment, providers) = deployed(&[]);
    let mut browser = Browser::new();
    let arrival = browser.log_in(&providers.login(0, "isPassive=1"), ALICE);
    assert_eq!(arrival.prompts, []);
    assert_eq!(second_status(&arrival.page), NO_PASSIVE);
    assert!(providers.session(0, &mut browser).is_none());
}

#[test]
fn a_passive_request_with_a_session_succeeds() {
    let (_deployment, providers) = deployed(&[]);
    let mut browser = Browser::new();
    browser.log_in(&providers.secure(0), ALICE);
    let arrival = browser.log_in(&providers.login(1, "isPassive=1"), ALICE);
    assert_eq!(arrival.prompts, []);
    assert_eq!(arrival.page.body(), "open to everybody");
    assert_eq!(providers.session(1, &mut browser).unwrap().class(), PPT);
}

#[test]
fn an_unknown_class_is_refused_before_anything_is_asked() {
    let (_deployment, providers) = deployed(&[]);
    let mut browser = Browser::new();
    let query = "authnContextClassRef=https://example.org/classes/never-heard-of";
    let arrival = browser.log_in(&providers.login(0, query), ALICE);
    assert_eq!(arrival.prompts, []);
    assert_eq!(second_status(&arrival.page), NO_AUTHN_CONTEXT);
    assert!(providers.session(0, &mut browser).is_none());
}

#[test]
fn an_answer_by_artifact_is_fetched_over_the_back_channel() {
    let (_deployment, providers) = deployed(&[]);
    let mut browser = Browser::new();
    // The third endpoint of its metadata.
    let arrival = browser.log_in(&providers.login(0, "acsIndex=3"), ALICE);
    assert_eq!(arrival.prompts, [Password]);
    assert_eq!(arrival.page.body(), "open to everybody");
    let mut paths = browser.visited.iter().map(url::Url::path);
    assert!(paths.any(|path| path == "/Shibboleth.sso/SAML2/Artifact"));
    assert_eq!(providers.session(0, &mut browser).unwrap().class(), PPT);
}

/// The provider signs its requests here, and says in them which format it wants.
#[test]
fn each_name_id_format_is_made_as_a_signed_request_asks() {
    let mut deployment = Deployment::prepare();
    let home = &deployment.home;
    home.append(
        "conf/saml-nameid.properties",
        "\nvestibule.nameid.formats = transient, persistent, emailAddress, unspecified\n\
         vestibule.nameid.unspecified.attribute = eduPersonPrincipalName\n\
         idp.persistentId.sourceAttribute = uid\n",
    );
    let salt = "\nidp.persistentId.salt = a-salt-of-the-test-suite\n";
    home.append("credentials/secrets.properties", salt);
    let providers = Shibboleth::start_signing(&deployment, false);
    deployment.serve();
    for (number, (format, named)) in [
        ("2.0:nameid-format:transient", "|transient|"),
        ("2.0:nameid-format:persistent", "|persistent|"),
        (
            "1.1:nameid-format:emailAddress",
            "|alice@example.org|emailAddress|",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let query = format!("NameIDFormat=urn:oasis:names:tc:SAML:{format}");
        let mut browser = Browser::new();
        let arrival = browser.log_in(&providers.login(0, &query), ALICE);
        assert_eq!(arrival.page.body(), "open to everybody", "{format}");
        assert_eq!(providers.session(0, &mut browser).unwrap().class(), PPT);
        let line = deployment.home.sso_audit_line(number + 1);
        assert!(line.contains(named), "{format}: {line}");
        assert!(line.contains("|true|AES"), "signed, encrypted: {line}");
    }
}

/// xmlsec1 of Debian knows `rsa-oaep` with SHA-256 not at all; this provider's library does.
#[test]
fn what_is_encrypted_by_each_transport_is_decrypted_by_another_library() {
    let mut deployment = Deployment::prepare();
    let mut rules = String::new();
    for (name, entity_id, block, transport) in [
        ("one", Shibboleth::FIRST, "aes256-gcm", "rsa-oaep"),
        ("two", Shibboleth::SECOND, "aes128-gcm", "rsa-oaep-mgf1p"),
    ] {
        let _ = write!(
            rules,
            "vestibule.rp.{name}.match = {entity_id}\n\
             vestibule.rp.{name}.dataAlgorithm = {block}\n\
             vestibule.rp.{name}.keyTransport = {transport}\n"
        );
    }
    deployment
        .home
        .append("conf/relying-party.properties", &rules);
    let providers = Shibboleth::start(&deployment);
    deployment.serve();
    for (number, used) in [
        (
            0,
            [
                "xmlenc11#aes256-gcm",
                "xmlenc11#rsa-oaep",
                "xmlenc11#mgf1sha256",
            ],
        ),
        (
            1,
            [
                "xmlenc11#aes128-gcm",
                "xmlenc#rsa-oaep-mgf1p",
                "xmldsig#sha1",
            ],
        ),
    ] {
        let mut browser = Browser::that_keeps_the_response();
        let arrival = browser.log_in(&providers.secure(number), ALICE);
        let xml = Response::of(&arrival).xml;
        for algorithm in used {
            assert!(xml.contains(algorithm), "{algorithm}: {xml}");
        }
        let form = arrival.page.form_with("SAMLResponse").unwrap();
        browser.submit(&arrival.page, &form);
        let session = providers.session(number, &mut browser).unwrap();
        assert_eq!(session.attribute("mail"), ["alice@example.org"]);
    }
}
