//! What `check` finds, and what it makes of a right configuration.

use super::*;
use crate::authn::descriptor::Condition;
use crate::authn::evidence::Grade;
use crate::authn::flow::FlowId;
use crate::config::layers;
use crate::saml::context::{AuthnContextClassRef, REFEDS_MFA};
use openssl::asn1::Asn1Time;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::PKey;
use openssl::x509::{X509, X509NameBuilder};
use std::collections::BTreeSet;
use std::sync::OnceLock;

mod relying_party;
mod self_service;
mod sources;
mod transitions;

const IDENTITY: &str = "\
idp.entityID = https://idp.example.org/idp/shibboleth
idp.scope = example.org
vestibule.baseURL = https://idp.example.org/idp
";

const MFA: &str = "\
idp.authn.MFA.transition.start = authn/Password
idp.authn.MFA.transition.Password = script:mfa/second-factor
idp.authn.MFA.transition.DuoOIDC = end
";

const DUO: &str = "\
idp.duo.oidc.apiHost = api-12345678.duosecurity.com
idp.duo.oidc.clientId = DIXXXXXXXXXXXXXXXXXX
idp.duo.oidc.secretKey = abcdefghijklmnopqrstuvwxyz0123456789ABCD
";

/// A home of these files, with keys and one script.
fn home(files: &[(&str, &str)]) -> Raw {
    let (key, certificate) = key_pair();
    let mut raw = Raw {
        home: "/srv/idp".to_owned(),
        ..Raw::default()
    };
    for (path, contents) in [
        ("credentials/idp-signing.key", key),
        ("credentials/idp-signing.crt", certificate),
        (
            "credentials/sealer.key",
            "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
        ),
        ("scripts/mfa/second-factor.rhai", "()"),
    ] {
        raw.files.insert(path.to_owned(), contents.into());
    }
    for (path, contents) in files {
        if path.ends_with(".properties") {
            let (properties, errors) = properties::parse(path, contents.as_bytes());
            raw.properties.extend(properties);
            raw.unreadable.extend(errors);
        } else {
            raw.files
                .insert((*path).to_owned(), contents.as_bytes().to_vec());
        }
    }
    raw
}

/// A right home, with further lines in conf/x.properties.
fn home_with(lines: &str) -> Raw {
    home(&[
        ("conf/idp.properties", IDENTITY),
        ("conf/authn/mfa.properties", MFA),
        ("conf/x.properties", lines),
    ])
}

fn key_pair() -> (&'static str, &'static str) {
    static PAIR: OnceLock<(String, String)> = OnceLock::new();
    let (key, certificate) = PAIR.get_or_init(|| {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
        let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
        let mut builder = X509::builder().unwrap();
        let name = X509NameBuilder::new().unwrap().build();
        builder.set_subject_name(&name).unwrap();
        builder.set_issuer_name(&name).unwrap();
        builder.set_pubkey(&key).unwrap();
        builder
            .set_not_before(&Asn1Time::days_from_now(0).unwrap())
            .unwrap();
        builder
            .set_not_after(&Asn1Time::days_from_now(1).unwrap())
            .unwrap();
        builder.sign(&key, MessageDigest::sha256()).unwrap();
        let text = |pem: Vec<u8>| String::from_utf8(pem).unwrap();
        (
            text(key.private_key_to_pem_pkcs8().unwrap()),
            text(builder.build().to_pem().unwrap()),
        )
    });
    (key, certificate)
}

fn settings(lines: &str) -> (Settings, Vec<ConfigError>) {
    check(&home_with(lines)).unwrap_or_else(|findings| panic!("{}", report(&findings)))
}

fn errors(lines: &str) -> Vec<ConfigError> {
    check(&home_with(lines)).map(|_| ()).unwrap_err()
}

/// The only error.
fn error(lines: &str) -> ConfigError {
    let errors = errors(lines);
    assert_eq!(errors.len(), 1, "{}", report(&errors));
    errors[0].clone()
}

fn report(findings: &[ConfigError]) -> String {
    let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

#[test]
fn a_right_configuration_has_no_findings() {
    let (settings, findings) = settings("");
    assert_eq!(findings, Vec::new());
    assert_eq!(settings.rules.top_level, [FlowId::Mfa]);
    assert_eq!(settings.base_url.path, "/idp");
    assert_eq!(settings.session.timeout.as_secs(), 3600);
    assert_eq!(
        settings.storage,
        settings::StorageSettings::Redb("/srv/idp/db/vestibule.redb".into())
    );
    assert_eq!(settings.fingerprint.len(), 64);
}

/// More than ten mistakes in four files.
fn home_of_mistakes() -> Raw {
    home(&[
        (
            "conf/idp.properties",
            "idp.entityId = https://idp.example.org\n\
             idp.scope = @example.org\n\
             vestibule.baseURL = http://idp.example.org/idp\n\
             vestibule.http.listen = localhost\n\
             idp.session.timeout = 60\n\
             idp.errors.signed = yes\n",
        ),
        (
            "conf/authn/mfa.properties",
            "idp.authn.MFA.transition.start = authn/Pasword\n\
             idp.authn.MFA.transition.Password = script:mfa/second-facto\n\
             idp.authn.MFA.transition.DuoOIDC.ReselectFlw = fail\n",
        ),
        (
            "conf/authn/duo-oidc.properties",
            "idp.duo.oidc.apiHost = https://api.duosecurity.com\n\
             idp.duo.oidc.clientId = short\n\
             idp.duo.oidc.secretKey = hunter2\n",
        ),
        (
            "credentials/secrets.properties",
            "idp.session.timeout = PT61M\n",
        ),
    ])
}

#[test]
fn ten_mistakes_are_reported_at_once_with_their_places() {
    let raw = home_of_mistakes();
    let errors = check(&raw).map(|_| ()).unwrap_err();
    let places: Vec<(String, &str)> = errors
        .iter()
        .map(|error| (format!("{}:{}", error.file, error.line), error.key.as_str()))
        .collect();
    let expected = [
        ("conf/authn/duo-oidc.properties:1", "idp.duo.oidc.apiHost"),
        ("conf/authn/duo-oidc.properties:2", "idp.duo.oidc.clientId"),
        ("conf/authn/duo-oidc.properties:3", "idp.duo.oidc.secretKey"),
        (
            "conf/authn/mfa.properties:1",
            "idp.authn.MFA.transition.start",
        ),
        (
            "conf/authn/mfa.properties:2",
            "idp.authn.MFA.transition.Password",
        ),
        (
            "conf/authn/mfa.properties:3",
            "idp.authn.MFA.transition.DuoOIDC.ReselectFlw",
        ),
        ("conf/idp.properties:0", "idp.entityID"),
        ("conf/idp.properties:1", "idp.entityId"),
        ("conf/idp.properties:2", "idp.scope"),
        ("conf/idp.properties:3", "vestibule.baseURL"),
        ("conf/idp.properties:4", "vestibule.http.listen"),
        ("conf/idp.properties:6", "idp.errors.signed"),
        ("credentials/secrets.properties:1", "idp.session.timeout"),
    ];
    let expected = expected.map(|(place, key)| (place.to_owned(), key));
    assert_eq!(places, expected, "{}", report(&errors));
    assert!(
        errors
            .iter()
            .all(|e| !e.found.is_empty() && !e.expected.is_empty() && !e.fix.is_empty())
    );
    assert!(report(&errors).contains("did you mean authn/Password?"));
    assert!(report(&errors).contains("did you mean script:mfa/second-factor?"));
    assert!(report(&errors).contains("did you mean ReselectFlow?"));
}

#[test]
fn a_secret_is_never_repeated() {
    for lines in [
        "idp.duo.oidc.secretKey = hunter2hunter2",
        "vestibule.duo.integration.x.secretKey = hunter2hunter2",
    ] {
        assert!(!report(&errors(lines)).contains("hunter2"), "{lines}");
    }
    assert!(!format!("{:?}", home_with("idp.duo.oidc.secretKey = hunter2")).contains("hunter2"));
}

#[test]
fn an_unknown_name_suggests_the_nearest() {
    let error = error("vestibule.http.trustedProxy = 10.0.0.0/8\n");
    assert_eq!(error.fix, "did you mean vestibule.http.trustedProxies?");
    assert_eq!((error.file.as_str(), error.line), ("conf/x.properties", 1));
}

#[test]
fn a_name_of_shibboleths_that_does_nothing_here_warns() {
    let (_, findings) =
        settings("idp.consent.allowPerAttribute = true\nidp.authn.Krb5.realm = x\n");
    assert_eq!(findings.len(), 2);
    assert!(findings.iter().all(|finding| !finding.is_error()));
}

#[test]
fn the_environment_overrides_a_file() {
    let mut raw = home_with("");
    raw.properties.extend(properties::from_environment(
        "VESTIBULE__idp__scope",
        "other.org",
    ));
    let (settings, _) = check(&raw).unwrap();
    assert_eq!(settings.scopes, ["other.org"]);
}

#[test]
fn a_placeholder_may_use_a_name_of_the_operators_own() {
    let (settings, findings) =
        settings("my.host = idp.example.org\nidp.logfiles = /var/log/%{my.host}\n");
    assert_eq!(findings, Vec::new());
    assert_eq!(
        settings.logging.directory.to_str(),
        Some("/var/log/idp.example.org")
    );
    let error = error("idp.logfiles = /var/log/%{my.host}\n");
    assert!(error.found.contains("my.host"));
}

#[test]
fn every_key_of_the_table_is_read() {
    let mut lines = String::from(DUO);
    for line in [
        "vestibule.duo.integration.second.apiHost = api-12345678.duosecurity.com",
        "vestibule.duo.integration.second.clientId = DIXXXXXXXXXXXXXXXXXX",
        "vestibule.duo.integration.second.secretKey = abcdefghijklmnopqrstuvwxyz0123456789ABCD",
        "idp.duo.oidc.nonbrowser.integrationKey = DIXXXXXXXXXXXXXXXXXX",
        "idp.duo.oidc.nonbrowser.secretKey = abcdefghijklmnopqrstuvwxyz0123456789ABCD",
        "vestibule.duo.admin.integrationKey = DIXXXXXXXXXXXXXXXXXX",
        "vestibule.duo.admin.secretKey = abcdefghijklmnopqrstuvwxyz0123456789ABCD",
        "vestibule.duo.evidence.factor.duo_push = mfa",
        "vestibule.duo.evidence.reason.user_approved = mfa",
        "vestibule.attribute.uid.oid = 0.9.2342.19200300.100.1.1",
        "vestibule.release.x.to = *",
        "vestibule.release.x.attributes = uid",
        "vestibule.release.x.values.uid = .*",
        "vestibule.rp.x.match = *",
        "vestibule.nameid.formats = transient, own",
        "vestibule.nameid.own.format = urn:example:format",
        "vestibule.nameid.own.attribute = uid",
        "idp.authn.MFA.transition.DuoOIDC.ReselectFlow = fail",
        "vestibule.sql.people.url = postgres://u@localhost/people",
        "vestibule.sql.people.query = SELECT 1 WHERE '' = $1",
        "vestibule.metadata.providers = federation",
        "vestibule.metadata.federation.url = https://federation.example.org/metadata.xml",
        "vestibule.metadata.federation.entityAttribute.x.name = urn:x",
        "vestibule.metadata.federation.entityAttribute.x.values = y",
    ] {
        lines = format!("{lines}{line}\n");
    }
    let raw = home_with(&lines);
    let values = Values::new(&raw.home, layers::merge(&raw.properties).0);
    let mut reader = Reader::new(&raw, values, Vec::new());
    assert!(
        read::settings(&mut reader).is_some(),
        "{}",
        report(&reader.findings)
    );
    let keys = keys::groups().iter().flat_map(|group| &group.keys);
    let unread: BTreeSet<&str> = keys
        .map(|key| key.name)
        .filter(|name| !reader.rows_read().contains(*name))
        .collect();
    assert_eq!(unread, BTreeSet::new());
}

#[test]
fn flows_have_shibboleths_defaults_and_duo_claims_refeds_mfa() {
    let (settings, _) = settings("");
    let of = |flow: FlowId| &settings.rules.flows[&flow];
    assert_eq!(of(FlowId::DuoOidc).order, 1000);
    assert!(of(FlowId::Password).passive && !of(FlowId::DuoOidc).passive);
    assert!(of(FlowId::DuoOidc).forced && !of(FlowId::DuoOidc).non_browser);
    assert_eq!(of(FlowId::DuoOidc).lifetime.unwrap().as_secs(), 3600);
    assert_eq!(
        of(FlowId::DuoOidc).inactivity_timeout.unwrap().as_secs(),
        1800
    );
    assert_eq!(
        of(FlowId::DuoOidc).reuse_condition,
        Condition::Constant(true)
    );
    let classes = |flow| {
        let principals = &of(flow).supported_principals;
        principals
            .iter()
            .map(AuthnContextClassRef::as_str)
            .collect::<Vec<_>>()
    };
    assert_eq!(classes(FlowId::DuoOidc), [REFEDS_MFA]);
    assert_eq!(classes(FlowId::Password).len(), 2);
    assert_eq!(classes(FlowId::Mfa).len(), 3);
}

#[test]
fn one_lifetime_changes_every_flow_that_has_none_of_its_own() {
    let (settings, _) =
        settings("idp.authn.defaultLifetime = PT2H\nidp.authn.DuoOIDC.lifetime = PT10M\n");
    let lifetime = |flow: FlowId| settings.rules.flows[&flow].lifetime.unwrap().as_secs();
    assert_eq!(lifetime(FlowId::Password), 7200);
    assert_eq!(lifetime(FlowId::DuoOidc), 600);
}

#[test]
fn a_password_cannot_be_configured_into_a_second_factor() {
    let line = "idp.authn.Password.supportedPrincipals = saml2/https://refeds.org/profile/mfa";
    assert_eq!(error(line).key, "idp.authn.Password.supportedPrincipals");
}

#[test]
fn principals_of_other_kinds_are_left_out_with_a_warning() {
    let (settings, findings) = settings(
        "idp.authn.DuoOIDC.supportedPrincipals = saml2/https://refeds.org/profile/mfa, \
         saml1/http://example.org/mfa\n",
    );
    assert_eq!(findings.len(), 1);
    assert_eq!(
        settings.rules.flows[&FlowId::DuoOidc]
            .supported_principals
            .len(),
        1
    );
    assert!(
        error("idp.authn.DuoOIDC.supportedPrincipals = https://refeds.org/profile/mfa")
            .fix
            .contains("saml2/")
    );
}

#[test]
fn duo_alone_is_no_login() {
    assert_eq!(error("idp.authn.flows = DuoOIDC").key, "idp.authn.flows");
}

#[test]
fn duo_is_off_without_keys_and_incomplete_keys_are_an_error() {
    assert!(settings("").0.rules.duo.integrations.is_empty());
    let error = error(
        "idp.duo.oidc.apiHost = api-1.duosecurity.com\nidp.duo.oidc.clientId = DIXXXXXXXXXXXXXXXXXX\n",
    );
    assert_eq!(error.key, "idp.duo.oidc.secretKey");
}

#[test]
fn the_duo_callback_is_below_the_base_url() {
    let (settings, _) = settings(DUO);
    let integration = &settings.rules.duo.integrations["default"];
    assert_eq!(
        integration.redirect_url.as_deref(),
        Some("https://idp.example.org/idp/profile/Authn/Duo/2FA/duo-callback")
    );
    assert_eq!(integration.verifier.clock_skew.as_secs(), 60);
}

#[test]
fn a_further_integration_takes_what_it_does_not_say_from_the_default() {
    let lines = format!(
        "{DUO}idp.duo.oidc.jwt.verifier.clockSkew = PT10S\n\
         vestibule.duo.integration.strict.apiHost = 127.0.0.1:8443\n\
         vestibule.duo.integration.strict.clientId = DIYYYYYYYYYYYYYYYYYY\n\
         vestibule.duo.integration.strict.secretKey = abcdefghijklmnopqrstuvwxyz0123456789ABCD\n\
         vestibule.duo.integration.strict.supportedPrincipals = saml2/urn:example:strict\n"
    );
    let (settings, _) = settings(&lines);
    let strict = &settings.rules.duo.integrations["strict"];
    assert_eq!(strict.api_host, "127.0.0.1:8443");
    assert_eq!(strict.verifier.clock_skew.as_secs(), 10);
    assert_eq!(strict.supported_principals, ["urn:example:strict"]);
    let mfa = &settings.rules.flows[&FlowId::Mfa].supported_principals;
    assert!(
        mfa.iter()
            .any(|class| class.as_str() == "urn:example:strict")
    );
}

#[test]
fn evidence_changes_single_rows_of_the_table() {
    let (settings, _) = settings("vestibule.duo.evidence.factor.remembered_device = mfa\n");
    let table = &settings.rules.duo.evidence;
    assert_eq!(table.factors["remembered_device"], Grade::Mfa);
    assert_eq!(table.factors["bypass_code"], Grade::None);
}

#[test]
fn a_class_has_one_strength() {
    let line = "vestibule.authn.class.sfa = https://refeds.org/profile/mfa";
    assert!(error(line).found.contains("strength already"));
}

#[test]
fn a_wrong_default_is_reported_where_it_was_written_and_only_there() {
    assert_eq!(
        error("idp.authn.defaultLifetime = 1h").key,
        "idp.authn.defaultLifetime"
    );
    let key = "idp.duo.oidc.externalAuthnPath";
    assert_eq!(error(&format!("{key} = /Authn/Duo")).key, key);
}

#[test]
fn a_script_that_does_not_compile_is_reported_at_its_line() {
    let mut raw = home_with("");
    raw.files.insert(
        "scripts/mfa/second-factor.rhai".to_owned(),
        b"\n\nif {".to_vec(),
    );
    let errors = check(&raw).map(|_| ()).unwrap_err();
    assert_eq!(errors[0].file, "scripts/mfa/second-factor.rhai");
    assert_eq!(errors[0].line, 3);
}

#[test]
fn a_policy_whose_tests_fail_is_refused() {
    let mut raw = home_with("");
    let case = "[[case]]\nname = \"always Duo\"\nexpect.next = \"authn/DuoOIDC\"\n";
    raw.files.insert(
        "scripts/mfa/second-factor.tests.toml".to_owned(),
        case.as_bytes().to_vec(),
    );
    let errors = check(&raw).map(|_| ()).unwrap_err();
    assert_eq!(errors.len(), 1);
    assert_eq!(errors[0].file, "scripts/mfa/second-factor.tests.toml");
    raw.files.insert(
        "scripts/mfa/second-factor.rhai".to_owned(),
        b"\"authn/DuoOIDC\"".to_vec(),
    );
    assert!(check(&raw).is_ok());
}

#[test]
fn keys_that_do_not_belong_together_are_refused() {
    let mut raw = home_with("");
    raw.files.insert(
        "credentials/idp-signing.key".to_owned(),
        b"nonsense".to_vec(),
    );
    let errors = check(&raw).map(|_| ()).unwrap_err();
    assert_eq!(errors[0].key, "idp.signing.key");
    raw.files.remove("credentials/idp-signing.key");
    let errors = check(&raw).map(|_| ()).unwrap_err();
    assert!(errors[0].found.contains("no readable file"));
}

#[test]
fn releasing_an_attribute_that_nobody_defined_is_an_error() {
    let error = error("vestibule.release.x.to = *\nvestibule.release.x.attributes = uid, mial\n");
    assert_eq!(error.fix, "did you mean mail?");
}

#[test]
fn another_configuration_has_another_fingerprint() {
    let first = settings("").0.fingerprint;
    assert_eq!(settings("").0.fingerprint, first);
    assert_ne!(settings("idp.errors.detailed = true").0.fingerprint, first);
}

#[test]
fn a_whole_login_that_ends_otherwise_is_refused() {
    let with = |expected: &str| {
        let logins = format!("[[login]]\nname = \"l\"\nexpect.status = \"{expected}\"");
        let mut raw = home_with("");
        raw.files
            .insert("scripts/policy.tests.toml".to_owned(), logins.into());
        raw
    };
    assert!(check(&with("Success")).is_ok());
    let found = check(&with("NoPassive")).expect_err("the login succeeds");
    assert_eq!(found[0].file, "scripts/policy.tests.toml");
    assert!(policy_tests(&with("NoPassive")).is_ok_and(|report| report.failures.len() == 1));
}
