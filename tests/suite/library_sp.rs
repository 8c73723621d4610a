//! `@node-saml/node-saml`, samlify, python3-saml and mod_auth_mellon as the service provider.

use crate::harness::browser::{ALICE, Arrival, Browser, Prompt};
use crate::harness::idp::Deployment;
use crate::harness::library::Library;
use crate::harness::mellon::Mellon;
use crate::harness::pysaml2::Verdict;
use crate::harness::relying_party::{MFA, PPT};
use Prompt::{Duo, Password};

const EMAIL: &str = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress";
const UNSPECIFIED: &str = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified";
const TRANSIENT: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient";
const PERSISTENT: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent";
const STATUS: &str = "urn:oasis:names:tc:SAML:2.0:status:";
/// What every login but the shortest is asked with: signed requests, encrypted assertions.
const FULL: [&str; 2] = ["--signed", "--encrypt"];

/// A deployment with settings of its own.
fn prepared(settings: &str) -> Deployment {
    let deployment = Deployment::prepare();
    deployment.home.append("conf/idp.properties", settings);
    deployment
}

fn deployed(settings: &str, options: &[&str]) -> (Deployment, Library) {
    let mut deployment = prepared(settings);
    let providers = Library::node_saml(&deployment, options);
    deployment.serve();
    (deployment, providers)
}

fn log_in(providers: &Library, query: &str) -> (Arrival, Verdict) {
    let arrival = Browser::new().log_in(&providers.login(0, query), ALICE);
    let verdict = Verdict::read(&arrival.page);
    (arrival, verdict)
}

#[test]
fn an_off_the_shelf_node_saml_logs_in_with_what_init_wrote() {
    let (_deployment, providers) = deployed("", &[]);
    let (arrival, verdict) = log_in(&providers, "");
    assert_eq!(arrival.prompts, [Password]);
    assert_eq!(verdict.class(), PPT);
    assert_eq!(verdict.text("name_id_format"), EMAIL);
    assert_eq!(verdict.text("name_id"), "alice@example.org");
    assert_eq!(verdict.text("relay_state"), "from-node-saml");
    let mail = verdict.attribute("urn:oid:0.9.2342.19200300.100.1.3");
    assert_eq!(mail, ["alice@example.org"]);
}

#[test]
fn node_saml_signs_its_request_and_decrypts_its_assertion() {
    let (_deployment, providers) = deployed("", &FULL);
    for query in ["", "binding=post"] {
        let (arrival, verdict) = log_in(&providers, query);
        assert_eq!(arrival.prompts, [Password], "{query}");
        assert_eq!(verdict.class(), PPT, "{query}");
        assert_eq!(verdict.0["encrypted"], true, "{query}");
    }
}

#[test]
fn node_saml_gets_the_class_it_requests() {
    let (_deployment, providers) = deployed("", &FULL);
    let (arrival, verdict) = log_in(&providers, &format!("class={MFA}"));
    assert_eq!(arrival.prompts, [Password, Duo]);
    assert_eq!(verdict.class(), MFA);
}

#[test]
fn node_saml_can_have_a_login_repeated_or_shown_nothing() {
    let (_deployment, providers) = deployed("", &FULL);
    let mut browser = Browser::new();
    let early = browser.log_in(&providers.login(0, "passive=1"), ALICE);
    assert_eq!(early.prompts, []);
    let refused = Verdict::read(&early.page);
    assert_eq!(refused.text("second_status"), format!("{STATUS}NoPassive"));
    browser.log_in(&providers.login(0, ""), ALICE);
    let passive = browser.log_in(&providers.login(1, "passive=1"), ALICE);
    assert_eq!(passive.prompts, []);
    let first = Verdict::read(&passive.page);
    let forced = browser.log_in(&providers.login(0, "force=1"), ALICE);
    assert_eq!(forced.prompts, [Password]);
    let second = Verdict::read(&forced.page);
    assert!(second.text("authn_instant") > first.text("authn_instant"));
}

#[test]
fn node_saml_gets_each_name_id_format() {
    let formats = "
vestibule.nameid.formats = transient, persistent, emailAddress, unspecified
vestibule.nameid.unspecified.attribute = eduPersonPrincipalName
idp.persistentId.sourceAttribute = uid
";
    let mut deployment = prepared(formats);
    let salt = "idp.persistentId.salt = a-salt-of-the-test-suite\n";
    deployment
        .home
        .append("credentials/secrets.properties", salt);
    let workday = format!(
        "vestibule.rp.eppn.match = {}\nvestibule.rp.eppn.nameIDFormats = unspecified\n",
        Library::SECOND
    );
    deployment.home.append("conf/idp.properties", &workday);
    let providers = Library::node_saml(&deployment, &FULL);
    deployment.serve();
    for (format, value) in [
        (EMAIL, Some("alice@example.org")),
        (TRANSIENT, None),
        (PERSISTENT, None),
    ] {
        let (_, verdict) = log_in(&providers, &format!("nameid={format}"));
        assert_eq!(verdict.text("name_id_format"), format);
        let name_id = verdict.text("name_id");
        assert!(value.is_none_or(|value| value == name_id), "{name_id}");
        assert!(name_id.len() > 10, "{name_id}");
    }
    let query = format!("nameid={UNSPECIFIED}");
    let arrival = Browser::new().log_in(&providers.login(1, &query), ALICE);
    let verdict = Verdict::read(&arrival.page);
    assert_eq!(verdict.text("name_id_format"), UNSPECIFIED);
    assert_eq!(verdict.text("name_id"), "alice@example.org");
}

#[test]
fn node_saml_is_told_why_a_login_failed() {
    let (_deployment, providers) = deployed("idp.errors.detailed = true\n", &FULL);
    let (arrival, verdict) = log_in(&providers, "class=https://example.org/never-heard-of");
    assert_eq!(arrival.prompts, []);
    assert_eq!(verdict.text("refused"), "SamlStatusError");
    let second = format!("{STATUS}NoAuthnContext");
    assert_eq!(verdict.text("second_status"), second);
    assert!(verdict.text("why").contains("Requester"), "{verdict:?}");
}

#[test]
fn samlify_signs_because_our_metadata_asks_and_decrypts_its_assertion() {
    let mut deployment = prepared("vestibule.saml.requireSignedRequests = true\n");
    let providers = Library::samlify(&deployment, &FULL);
    deployment.serve();
    for query in ["", "binding=post", "binding=simpleSign"] {
        let (arrival, verdict) = log_in(&providers, query);
        assert_eq!(arrival.prompts, [Password], "{query}");
        assert_eq!(verdict.class(), PPT, "{query}");
        assert_eq!(verdict.0["encrypted"], true, "{query}");
        assert_eq!(verdict.text("relay_state"), "from-samlify", "{query}");
        let mail = verdict.attribute("urn:oid:0.9.2342.19200300.100.1.3");
        assert_eq!(mail, ["alice@example.org"], "{query}");
    }
}

#[test]
fn samlify_unsigned_and_unencrypted_logs_in_too() {
    let mut deployment = prepared("");
    let providers = Library::samlify(&deployment, &[]);
    deployment.serve();
    let (arrival, verdict) = log_in(&providers, "");
    assert_eq!(arrival.prompts, [Password]);
    assert_eq!(verdict.class(), PPT);
    assert_eq!(verdict.0["encrypted"], false);
}

#[test]
fn python3_saml_signs_its_request_and_takes_an_encrypted_and_signed_assertion() {
    let mut deployment = prepared("");
    let providers = Library::python3_saml(&deployment, &FULL);
    deployment.serve();
    let (arrival, verdict) = log_in(&providers, "");
    assert_eq!(arrival.prompts, [Password]);
    assert_eq!(verdict.class(), PPT);
    assert_eq!(verdict.0["encrypted"], true);
    assert_eq!(verdict.text("relay_state"), "from-python3-saml");
    let mail = verdict.attribute("urn:oid:0.9.2342.19200300.100.1.3");
    assert_eq!(mail, ["alice@example.org"]);
    let (forced, _) = log_in(&providers, "force=1");
    assert_eq!(forced.prompts, [Password]);
}

#[test]
fn mod_auth_mellon_signs_its_request_and_decrypts_its_assertion() {
    let mut deployment = prepared("");
    let provider = Mellon::start(&deployment);
    deployment.serve();
    let arrival = Browser::new().log_in(&provider.secure(), ALICE);
    assert_eq!(arrival.prompts, [Password]);
    assert_eq!(arrival.page.body(), "open to sessions");
    let header = |name| arrival.page.response.header(name);
    assert_eq!(header("x-mail"), Some("alice@example.org"));
    assert!(header("x-name-id").is_some_and(|name| name.starts_with('_')));
    let line = deployment.home.sso_audit_line(1);
    assert!(line.contains("AES128-GCM"), "encrypted: {line}");
}
