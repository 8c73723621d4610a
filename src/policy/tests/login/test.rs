//! Rehearsals of the shipped policy, and of what a rehearsal must notice.

use super::*;
use crate::authn::descriptor::{Condition, FlowDescriptor};
use crate::authn::event::Event;
use crate::authn::evidence::EvidenceTable;
use crate::authn::facts::{RelyingPartyFacts, RequestFacts};
use crate::authn::principal::ClassOrder;
use crate::authn::remembered::RememberRules;
use crate::authn::rules::{AuthApiRules, DuoRules, DuoUsername, FailMode};
use crate::authn::strategy::ScriptName;
use crate::authn::transition::{On, Stage, Target, TransitionMap};
use crate::duo::integration::Integration;
use crate::duo::secret::Secret;
use crate::policy::Policy;
use crate::saml::context::{PASSWORD_PROTECTED_TRANSPORT, REFEDS_MFA};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The shipped map and script, with one relying party on the list.
fn rules(script: &str) -> Rules {
    let scripts = BTreeMap::from([("mfa/second-factor".to_owned(), script.to_owned())]);
    let listed = vec!["https://payroll.example.org/sp".to_owned()];
    let lists = BTreeMap::from([("require-mfa".to_owned(), listed)]);
    let policy = Policy::compile(&scripts, &lists).expect("compiles");
    let after = |flow| (Stage::After(flow), On::Event(Event::Proceed));
    let second = Target::Script(ScriptName("mfa/second-factor".to_owned()));
    Rules {
        top_level: vec![FlowId::Mfa],
        flows: [
            (FlowId::Password, PASSWORD_PROTECTED_TRANSPORT),
            (FlowId::DuoOidc, REFEDS_MFA),
        ]
        .map(|(flow, class)| (flow, descriptor(flow, class)))
        .into(),
        transitions: TransitionMap::new(BTreeMap::from([
            (
                (Stage::Start, On::Event(Event::Proceed)),
                Target::Flow(FlowId::Password),
            ),
            (after(FlowId::Password), second),
            (after(FlowId::DuoOidc), Target::End),
        ])),
        classes: ClassOrder::default(),
        ignored_contexts: Vec::new(),
        accept_later_classes: true,
        duo: DuoRules {
            integrations: BTreeMap::new(),
            integration_strategy: None,
            principal_strategy: None,
            username: DuoUsername::default(),
            health_check: true,
            evidence: EvidenceTable::default(),
            pending_lifetime: Duration::from_mins(5),
            allowed_origins: Vec::new(),
            callback_path: "/callback".to_owned(),
            max_starts: 20,
            passwordless: None,
            fail_mode: FailMode::Closed,
            auth_api: None,
            remember: RememberRules::default(),
        },
        strategies: Arc::new(policy),
        step_limit: 50,
    }
}

fn descriptor(flow: FlowId, class: &str) -> FlowDescriptor {
    FlowDescriptor {
        flow,
        order: 1000,
        passive: flow == FlowId::Password,
        forced: true,
        non_browser: false,
        lifetime: Some(Duration::from_hours(1)),
        inactivity_timeout: None,
        supported_principals: vec![AuthnContextClassRef::new(class)],
        add_default_principals: true,
        reuse_condition: Condition::Constant(true),
        activation_condition: Condition::Constant(true),
    }
}

const SHIPPED: &str = include_str!("../../../../scripts/mfa/second-factor.rhai");
const EVERY_POLICY: &str = include_str!("../../../../scripts/policy.tests.toml");

const SHIPPED_POLICY: &str = r#"
[[login]]
name = "nothing asked: the password is enough"
rp.id = "https://wiki.example.org/sp"
expect.status = "Success"
expect.class = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"
expect.steps = ["authn/Password"]
expect.prompts = 1

[[login]]
name = "MFA asked: password, then Duo"
rp.id = "https://wiki.example.org/sp"
request.requested = ["https://refeds.org/profile/mfa"]
expect.status = "Success"
expect.class = "https://refeds.org/profile/mfa"
expect.steps = ["authn/Password", "authn/DuoOIDC"]
expect.prompts = 2

[[login]]
name = "a password session never opens a relying party that asks for MFA"
rp.id = "https://wiki.example.org/sp"
request.requested = ["https://refeds.org/profile/mfa"]
session = { results = ["authn/Password"], minutes_ago = 5 }
expect.status = "Success"
expect.class = "https://refeds.org/profile/mfa"
expect.steps = ["authn/DuoOIDC"]

[[login]]
name = "with both factors in the session nobody is asked"
rp.id = "https://wiki.example.org/sp"
request.requested = ["https://refeds.org/profile/mfa"]
session = { results = ["authn/Password", "authn/DuoOIDC"], minutes_ago = 5 }
expect.status = "Success"
expect.class = "https://refeds.org/profile/mfa"
expect.steps = []
expect.prompts = 0

[[login]]
name = "a forced login asks for everything again"
rp.id = "https://wiki.example.org/sp"
request.requested = ["https://refeds.org/profile/mfa"]
request.force_authn = true
session = { results = ["authn/Password", "authn/DuoOIDC"], minutes_ago = 5 }
expect.status = "Success"
expect.steps = ["authn/Password", "authn/DuoOIDC"]

[[login]]
name = "a listed relying party gets a second factor from a password session"
rp.id = "https://payroll.example.org/sp"
session = { results = ["authn/Password"], minutes_ago = 5 }
expect.status = "Success"
expect.class = "https://refeds.org/profile/mfa"
expect.steps = ["authn/DuoOIDC"]
expect.why = "conf/lists/require-mfa.txt"

[[login]]
name = "a session that is too old asks again"
rp.id = "https://wiki.example.org/sp"
session = { results = ["authn/Password"], minutes_ago = 61 }
expect.steps = ["authn/Password"]
"#;

#[test]
fn the_shipped_policy_decides_whole_logins_as_documented() {
    for logins in [EVERY_POLICY, SHIPPED_POLICY] {
        let report = run_logins(&rules(SHIPPED), logins);
        assert_eq!(report.failures, []);
        assert!(report.cases >= 6, "{}", report.cases);
    }
}

/// The same with an Auth API, for any client.
fn any_client() -> Rules {
    let mut rules = rules(SHIPPED);
    for descriptor in rules.flows.values_mut() {
        descriptor.non_browser = true;
    }
    let secret = Secret::new("0123456789abcdefghijABCDEFGHIJ0123456789");
    let api = Integration::new("auth-api", "duo.invalid", "DIAUTHAPIAUTHAPI0001", secret);
    rules.duo.auth_api = Some(AuthApiRules {
        integration: Arc::new(api),
        auto: true,
        client_address_trusted: true,
    });
    rules
}

#[test]
fn a_login_without_a_browser_is_rehearsed_too() {
    let case = |duo: &str, expect: &str| {
        format!(
            "[[login]]\nname = \"l\"\nrequest.non_browser = true\n\
             request.requested = [\"https://refeds.org/profile/mfa\"]\n{duo}\n{expect}"
        )
    };
    let both = "expect.status = \"Success\"\n\
                expect.steps = [\"authn/Password\", \"authn/DuoOIDC\"]\nexpect.prompts = 0";
    let refused = "expect.status = \"RequestUnsupported\"";
    for (duo, expect) in [
        ("", both),
        ("duo.factor = \"phone_call\"", both),
        ("duo.factor = \"bypass_code\"", refused),
        ("duo.reason = \"bypass_user\"", refused),
        (
            "duo.result = \"deny\"",
            "expect.status = \"InvalidCredentials\"",
        ),
        (
            "duo.result = \"down\"",
            "expect.status = \"AuthenticationException\"",
        ),
    ] {
        assert_eq!(run_logins(&any_client(), &case(duo, expect)).failures, []);
    }
    assert_eq!(run_logins(&rules(SHIPPED), &case("", refused)).failures, []);
}

#[test]
fn a_login_that_goes_otherwise_is_found_and_its_way_is_shown() {
    let always = rules("\"authn/DuoOIDC\"");
    let report = run_logins(
        &always,
        "[[login]]\nname = \"l\"\nexpect.status = \"Success\"\nexpect.prompts = 1",
    );
    let shown = report.failures[0].to_string();
    assert!(
        shown.contains("expected prompts 1, found prompts 2"),
        "{shown}"
    );
    assert!(shown.contains("script:mfa/second-factor"), "{shown}");
}

#[test]
fn a_fact_that_a_login_does_not_set_could_not_be_fetched() {
    let groups = rules("if user.in_group(\"staff\").no() { () } else { \"authn/DuoOIDC\" }");
    let login = |user: &str, steps: &str| {
        format!("[[login]]\nname = \"l\"\n{user}\nexpect.steps = [{steps}]")
    };
    let both = "\"authn/Password\", \"authn/DuoOIDC\"";
    assert_eq!(run_logins(&groups, &login("", both)).failures, []);
    let student = login("user.groups = [\"student\"]", "\"authn/Password\"");
    assert_eq!(run_logins(&groups, &student).failures, []);
}

#[test]
fn a_file_of_logins_that_is_wrong_says_where() {
    for (source, says) in [
        (
            "[[login]]\nname = \"l\"\nrp.idd = 1\nexpect.status = \"Success\"",
            "idd",
        ),
        ("[[login]]\nname = \"l\"\nexpect.prompts = 1", "none"),
        ("[[case]]\nname = \"l\"", "case"),
        (
            "[[login]]\nname = \"l\"\nsession.results = [\"authn/DuoOIDC\"]\nexpect.status = \"Success\"",
            "no such session",
        ),
    ] {
        let report = run_logins(&rules(SHIPPED), source);
        assert!(
            report.failures[0].found.contains(says),
            "{source}: {report:?}"
        );
    }
}

fn drilled(rules: &Rules, rp: &str) -> Drilled {
    let situation = Situation {
        rp: RelyingPartyFacts {
            id: rp.to_owned(),
            ..RelyingPartyFacts::default()
        },
        request: RequestFacts::default(),
        default_classes: Vec::new(),
        terms: Terms::default(),
        username: "alice".to_owned(),
        user: BTreeMap::new(),
        now: world::NOON,
    };
    drill(rules, &situation).expect("it ends")
}

#[test]
fn an_outage_refuses_where_duo_is_the_rule_and_changes_nothing_elsewhere() {
    let rules = rules(SHIPPED);
    let strict = drilled(&rules, "https://payroll.example.org/sp");
    assert_eq!(strict.effect(), Effect::Refused);
    assert_eq!(strict.away.stuck, Some(FlowId::DuoOidc));
    let lenient = drilled(&rules, "https://wiki.example.org/sp");
    assert_eq!(lenient.effect(), Effect::Unaffected);
    assert_eq!(lenient.well, lenient.away);
}

#[test]
fn an_outage_degrades_where_the_rules_open() {
    let mut rules = rules(SHIPPED);
    rules.duo.fail_mode = FailMode::Open;
    let strict = drilled(&rules, "https://payroll.example.org/sp");
    assert_eq!(strict.effect(), Effect::Degraded);
    let (class, degraded) = strict.away.ending.expect("it succeeds");
    assert_eq!(class.as_str(), PASSWORD_PROTECTED_TRANSPORT);
    assert!(degraded);
}

#[test]
fn a_rule_that_reads_duos_health_is_drilled_with_what_it_would_read() {
    let script = "if duo.health == \"down\" { () } else { \"authn/DuoOIDC\" }";
    let drilled = drilled(&rules(script), "https://wiki.example.org/sp");
    assert_eq!(drilled.effect(), Effect::Degraded);
    assert_eq!(drilled.away.steps, [FlowId::Password]);
}
