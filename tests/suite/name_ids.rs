//! NameIDs of every format, terms and attributes by relying party, as pysaml2 sees them.

use crate::harness::browser::{ALICE, BOB, Browser, Prompt};
use crate::harness::home::Home;
use crate::harness::idp::Deployment;
use crate::harness::pysaml2::{Pysaml2, Verdict};
use crate::harness::relying_party::{MFA, PPT};
use Prompt::{Duo, Password};
use serde_json::Value;

const PERSISTENT: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent";
const EMAIL: &str = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress";
const UNSPECIFIED: &str = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified";
const SALT: &str = "idp.persistentId.salt = a-salt-of-the-test-suite\n";

/// A home that can make every format.
const FORMATS: &str = "
vestibule.nameid.formats = transient, persistent, emailAddress, unspecified
vestibule.nameid.emailAddress.attribute = mail
vestibule.nameid.unspecified.attribute = eduPersonPrincipalName
idp.persistentId.sourceAttribute = uid
";

fn deployed(settings: &str, prepare: impl FnOnce(&Home)) -> (Deployment, Pysaml2) {
    let mut deployment = Deployment::prepare();
    deployment
        .home
        .append("credentials/secrets.properties", SALT);
    deployment.home.append("conf/idp.properties", settings);
    prepare(&deployment.home);
    let providers = Pysaml2::start(&deployment, &[]);
    deployment.serve();
    (deployment, providers)
}

fn log_in(providers: &Pysaml2, number: u8, query: &str) -> Verdict {
    let arrival = Browser::new().log_in(&providers.login(number, query), ALICE);
    Verdict::read(&arrival.page)
}

#[test]
fn each_requested_format_is_honoured() {
    let (_deployment, providers) = deployed(FORMATS, |_| ());
    let of = |format: &str| log_in(&providers, 0, &format!("nameid={format}"));
    let persistent = of(PERSISTENT);
    assert_eq!(persistent.text("name_id_format"), PERSISTENT);
    let value = persistent.text("name_id").to_owned();
    assert!(value.len() >= 32 && !value.contains("alice"), "{value}");
    assert_eq!(of(PERSISTENT).text("name_id"), value, "it stays");
    let there = log_in(&providers, 1, &format!("nameid={PERSISTENT}"));
    assert_ne!(there.text("name_id"), value, "each provider has its own");
    let mail = of(EMAIL);
    assert_eq!(mail.text("name_id_format"), EMAIL);
    assert_eq!(mail.text("name_id"), "alice@example.org");
}

#[test]
fn a_format_that_is_not_made_is_refused() {
    let (_deployment, providers) = deployed("", |_| ());
    let verdict = log_in(&providers, 0, &format!("nameid={PERSISTENT}"));
    assert!(
        verdict
            .text("second_status")
            .ends_with("InvalidNameIDPolicy"),
        "{verdict:?}"
    );
}

#[test]
fn an_override_gives_a_provider_its_own_format_and_source() {
    let rule = format!(
        "{FORMATS}
vestibule.rp.workday.match = {}
vestibule.rp.workday.preset = workday
vestibule.rp.workday.nameIDAttribute = displayName
vestibule.rp.workday.maximumSPSessionLifetime = PT8H
",
        Pysaml2::SECOND
    );
    let (_deployment, providers) = deployed(&rule, |_| ());
    let workday = log_in(
        &providers,
        1,
        "nameid=urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified",
    );
    assert_eq!(workday.text("name_id_format"), UNSPECIFIED);
    assert_eq!(workday.text("name_id"), "Alice Adams");
}

#[test]
fn a_required_flow_is_run_whatever_the_script_says() {
    let rule = format!(
        "vestibule.rp.strict.match = {}
vestibule.rp.strict.requiredFlows = authn/DuoOIDC
",
        Pysaml2::FIRST
    );
    let (_deployment, providers) = deployed(&rule, |_| ());
    let mut browser = Browser::new();
    let lenient = browser.log_in(&providers.login(1, ""), ALICE);
    assert_eq!(lenient.prompts, [Password]);
    assert_eq!(Verdict::read(&lenient.page).class(), PPT);
    let strict = browser.log_in(&providers.login(0, ""), ALICE);
    assert_eq!(strict.prompts, [Duo]);
    assert_eq!(Verdict::read(&strict.page).class(), MFA);
}

#[test]
fn r28_a_provider_that_may_not_name_classes_is_denied() {
    let rule = format!(
        "vestibule.rp.quiet.match = {}
vestibule.rp.quiet.disallowedFeatures = 0x1
",
        Pysaml2::FIRST
    );
    let (_deployment, providers) = deployed(&rule, |_| ());
    let asked = Browser::new().log_in(&providers.login(0, &format!("class={MFA}")), ALICE);
    assert_eq!(asked.prompts, []);
    let verdict = Verdict::read(&asked.page);
    assert!(
        verdict.text("second_status").ends_with("RequestDenied"),
        "{verdict:?}"
    );
    assert_eq!(log_in(&providers, 0, "").class(), PPT);
}

/// Definitions and rules of many kinds, and what is left of the rule for everyone.
const ATTRIBUTES: &str = "
vestibule.attribute.schacHomeOrganization.constant = example.org
vestibule.attribute.eduPersonEntitlement.template = urn:example:{uid}:staff
vestibule.attribute.eduPersonAssurance.script = script:attribute/assurance
vestibule.attribute.subject-id.source = uid
vestibule.attribute.pairwise-id.source = uid
idp.persistentId.sourceAttribute = uid
vestibule.release.more.to = script:relying-party/first
vestibule.release.more.attributes = schacHomeOrganization, eduPersonEntitlement, eduPersonAssurance, subject-id, pairwise-id
vestibule.release.never.to = list:first
vestibule.release.never.attributes = mail
vestibule.release.never.values.mail = bob@.*
vestibule.release.never.deny = true
";

fn attribute_home(home: &Home) {
    home.write(
        "scripts/attribute/assurance.rhai",
        "if user.attr(\"login.method\").contains(\"authn/DuoOIDC\") { \"two\" } else { \"one\" }",
    );
    let first = Pysaml2::FIRST;
    let script = format!("rp.id == \"{first}\"");
    home.write("scripts/relying-party/first.rhai", &script);
    home.write("conf/lists/first.txt", first);
}

#[test]
fn attributes_are_made_and_released_by_rule() {
    let (_deployment, providers) = deployed(ATTRIBUTES, attribute_home);
    let first = log_in(&providers, 0, "");
    assert_eq!(first.attribute("schacHomeOrganization"), ["example.org"]);
    assert_eq!(
        first.attribute("eduPersonEntitlement"),
        ["urn:example:alice:staff"]
    );
    assert_eq!(first.attribute("eduPersonAssurance"), ["one"]);
    assert_eq!(first.attribute("mail"), ["alice@example.org"]);
    let all = first.0["attributes"].to_string();
    assert!(
        all.contains("alice@example.org") && all.contains("schac"),
        "{all}"
    );
    let duo = log_in(&providers, 0, &format!("class={MFA}"));
    assert_eq!(duo.attribute("eduPersonAssurance"), ["two"]);
    let second = log_in(&providers, 1, "");
    assert!(second.attribute("eduPersonEntitlement").is_empty());
    let arrival = Browser::new().log_in(&providers.login(0, ""), BOB);
    let bob = Verdict::read(&arrival.page);
    assert_eq!(bob.attribute("mail"), ["bob.brown@example.org"]);
}

#[test]
fn claims_of_duos_result_become_attributes_by_definition() {
    let (_deployment, providers) = deployed(
        "
vestibule.attribute.duoApplication.oid = urn:example:duo-application
vestibule.attribute.duoApplication.source = login.duo.claim.auth_context.application.name
vestibule.attribute.duoStatus.oid = urn:example:duo-status
vestibule.attribute.duoStatus.template = {login.duo.claim.auth_result.status} for {login.duo.claim.sub}
vestibule.release.duo.to = *
vestibule.release.duo.attributes = duoApplication, duoStatus
",
        |_| (),
    );
    let duo = log_in(&providers, 0, &format!("class={MFA}"));
    assert_eq!(duo.attribute("urn:example:duo-status"), ["allow for alice"]);
    assert_eq!(duo.attribute("urn:example:duo-application").len(), 1);
    let password = log_in(&providers, 0, "");
    assert!(password.attribute("urn:example:duo-status").is_empty());
}

#[test]
fn resolve_says_what_is_released_and_why() {
    let (deployment, _providers) = deployed(ATTRIBUTES, attribute_home);
    let arguments = ["resolve", "--user", "bob", "--rp", Pysaml2::FIRST, "--json"];
    let printed = deployment.home.run(&arguments, "");
    let told: Value = serde_json::from_str(&printed).unwrap();
    let of = |id: &str| {
        let attributes = told["attributes"].as_array().unwrap();
        let found = attributes.iter().find(|one| one["id"] == id);
        found
            .unwrap_or_else(|| panic!("{id} is not in {told:#}"))
            .clone()
    };
    assert_eq!(
        of("mail")["released"],
        serde_json::json!(["bob.brown@example.org"])
    );
    assert_eq!(of("mail")["rule"], "person");
    assert_eq!(of("givenName")["because"], "the user has no value for it");
    assert_eq!(of("eduPersonEntitlement")["source"], "a template of uid");
    assert_eq!(of("eduPersonAssurance")["rule"], "more");
    assert!(
        told["name_id"]["format"]
            .as_str()
            .unwrap()
            .ends_with("transient")
    );
    let plain = deployment
        .home
        .run(&["resolve", "--user", "bob", "--rp", Pysaml2::SECOND], "");
    assert!(plain.contains("no rule releases it here"), "{plain}");
}

#[test]
fn check_lists_exceptions_that_have_ended_or_soon_will() {
    let deployment = Deployment::prepare();
    deployment.home.append(
        "conf/idp.properties",
        "vestibule.rp.old.match = https://old.example\n\
         vestibule.rp.old.encryptAssertions = false\n\
         vestibule.rp.old.owner = J. Doe\n\
         vestibule.rp.old.until = 2020-01-31\n\
         vestibule.rp.far.match = https://far.example\n\
         vestibule.rp.far.until = 2999-12-31\n",
    );
    let printed = deployment.home.run(&["check"], "");
    assert!(printed.contains("vestibule.rp.old.until"), "{printed}");
    assert!(
        printed.contains("ended") && printed.contains("J. Doe"),
        "{printed}"
    );
    assert!(!printed.contains("vestibule.rp.far"), "{printed}");
}
