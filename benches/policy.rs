//! One transition decision by script: facts, run, trace. The goal is under 10 microseconds.
//!
//! Also 500 policy test cases, which must take well under a second.

#[path = "measure/mod.rs"]
#[expect(dead_code, reason = "the other benchmarks use the rest")]
mod measure;

use measure::{cpu_each, median, thread_cpu};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::hint::black_box;
use vestibule::authn::event::Event;
use vestibule::authn::facts::{FactKey, FactValue, RelyingPartyFacts, RequestFacts};
use vestibule::authn::flow::FlowId;
use vestibule::authn::strategy::{Decision, ScriptName, Strategies, View};
use vestibule::policy::{Policy, lists, tests};
use vestibule::saml::context::{
    AuthnContextClassRef, Comparison, REFEDS_MFA, RequestedAuthnContext,
};

const SCRIPTS: [(&str, &str); 4] = [
    (
        "mfa/second-factor",
        include_str!("../scripts/mfa/second-factor.rhai"),
    ),
    (
        "examples/3-lists",
        include_str!("../scripts/examples/3-lists.rhai"),
    ),
    (
        "examples/5-staff",
        include_str!("../scripts/examples/5-staff.rhai"),
    ),
    (
        "examples/7-campus-network",
        include_str!("../scripts/examples/7-campus-network.rhai"),
    ),
];

fn main() {
    let lists = ["require-mfa", "exempt-mfa"].map(|name| (name.to_owned(), list()));
    let scripts = SCRIPTS.map(|(name, source)| (name.to_owned(), source.to_owned()));
    let policy = Policy::compile(&scripts.into(), &lists.into()).expect("the scripts compile");
    let login = Login::new();
    println!("one decision (goal: under 10 µs)");
    for (name, _) in SCRIPTS {
        let script = ScriptName(name.to_owned());
        let each = || cpu_each(20_000, || decide(&policy, &script, &login));
        println!(
            "  {name:<28}{:>10.2?}",
            median((0..5).map(|_| each()).collect())
        );
    }
    let cases = cases(500);
    let before = thread_cpu();
    let report = tests::run(&policy, &cases);
    assert_eq!((report.cases, report.failures.len()), (500, 0));
    println!(
        "500 policy test cases         {:>10.2?}",
        thread_cpu().saturating_sub(before)
    );
}

fn decide(policy: &Policy, script: &ScriptName, login: &Login) {
    let decision = policy.next_factor(script, &login.view());
    assert!(matches!(black_box(decision), Decision::Made(..)));
}

fn list() -> Vec<String> {
    lists::parse(&(0..1000).fold(String::new(), |mut text, i| {
        writeln!(text, "https://sp{i}.example.org/shibboleth").expect("a String takes everything");
        text
    }))
}

fn cases(count: usize) -> BTreeMap<String, String> {
    let case = "[[case]]\nname = \"c\"\nrp.id = \"https://x.example.org\"\nmfa.acceptable = true\nexpect.next = \"end\"\n";
    BTreeMap::from([("mfa/second-factor".to_owned(), case.repeat(count))])
}

/// A login of ordinary size, its facts fetched.
struct Login {
    rp: RelyingPartyFacts,
    request: RequestFacts,
    fetched: BTreeMap<FactKey, FactValue>,
    attempts: BTreeMap<FlowId, u32>,
}

impl Login {
    fn new() -> Self {
        let texts = |texts: &[&str]| {
            texts
                .iter()
                .map(|&text| text.to_owned())
                .collect::<Vec<_>>()
        };
        let attributes = [
            "uid",
            "mail",
            "displayName",
            "sn",
            "givenName",
            "eduPersonAffiliation",
        ];
        let attributes = attributes.map(|name| (name.to_owned(), texts(&["member", "student"])));
        Self {
            rp: RelyingPartyFacts {
                id: "https://wiki.example.org/shibboleth".to_owned(),
                name: "Wiki".to_owned(),
                entity_attributes: BTreeMap::from([(
                    "http://macedir.org/entity-category".to_owned(),
                    texts(&["http://refeds.org/category/research-and-scholarship"]),
                )]),
                registration_authority: Some("https://federation.example.org".to_owned()),
                groups: texts(&["https://federation.example.org"])
                    .into_iter()
                    .collect(),
                ..RelyingPartyFacts::default()
            },
            request: RequestFacts {
                requested: Some(RequestedAuthnContext {
                    comparison: Comparison::Exact,
                    classes: vec![AuthnContextClassRef::new(REFEDS_MFA)],
                    declarations: Vec::new(),
                }),
                client_ip: "198.51.100.7".parse().ok(),
                user_agent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101".to_owned(),
                ..RequestFacts::default()
            },
            fetched: BTreeMap::from([(
                FactKey::UserAttributes,
                FactValue::Attributes(attributes.into()),
            )]),
            attempts: BTreeMap::from([(FlowId::Password, 1)]),
        }
    }

    fn view(&self) -> View<'_> {
        static NONE: BTreeMap<FlowId, vestibule::authn::result::FactorResult> = BTreeMap::new();
        View {
            rp: &self.rp,
            request: &self.request,
            username: Some("alice"),
            results: &NONE,
            acceptable: true,
            event: Event::Proceed,
            attempts: &self.attempts,
            fetched: &self.fetched,
            now: jiff::Timestamp::UNIX_EPOCH,
        }
    }
}
