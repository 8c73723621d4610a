//! Scripts that try to get out, to run for ever, or to read differently twice; and what the facts
//! look like from inside.

use crate::authn::event::Event;
use crate::authn::facts::{FactKey, FactValue, RelyingPartyFacts, RequestFacts};
use crate::authn::flow::FlowId;
use crate::authn::strategy::{Decision, Next, ScriptName, Strategies, Trace, View};
use crate::policy::Policy;
use crate::saml::context::{AuthnContextClassRef, RequestedAuthnContext};
use jiff::Timestamp;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// A login as a script might meet it, owned.
#[derive(Clone, Debug)]
struct World {
    rp: RelyingPartyFacts,
    request: RequestFacts,
    username: Option<String>,
    acceptable: bool,
    event: Event,
    attempts: BTreeMap<FlowId, u32>,
    fetched: BTreeMap<FactKey, FactValue>,
    now: Timestamp,
}

impl Default for World {
    fn default() -> Self {
        Self {
            rp: RelyingPartyFacts {
                id: "https://sp.example.org/sp".to_owned(),
                name: "Wiki".to_owned(),
                entity_attributes: BTreeMap::from([(
                    "category".to_owned(),
                    vec!["research".to_owned()],
                )]),
                registration_authority: None,
                groups: BTreeSet::from(["federation".to_owned()]),
                tags: BTreeSet::new(),
            },
            request: RequestFacts {
                requested: Some(RequestedAuthnContext {
                    comparison: crate::saml::context::Comparison::Exact,
                    classes: vec![AuthnContextClassRef::new("https://refeds.org/profile/mfa")],
                    declarations: Vec::new(),
                }),
                client_ip: "::ffff:10.1.2.3".parse().ok(),
                headers: BTreeMap::from([("x-zone".to_owned(), "lab".to_owned())]),
                ..RequestFacts::default()
            },
            username: Some("alice".to_owned()),
            acceptable: false,
            event: Event::Proceed,
            attempts: BTreeMap::from([(FlowId::Password, 1)]),
            fetched: BTreeMap::new(),
            now: "2026-11-23T09:30:00Z".parse().expect("an instant"),
        }
    }
}

impl World {
    fn knowing(key: FactKey, value: FactValue) -> Self {
        Self {
            fetched: BTreeMap::from([(key, value)]),
            ..Self::default()
        }
    }

    fn decide(&self, policy: &Policy, script: &str) -> Decision<Next> {
        let results = BTreeMap::new();
        let view = View {
            rp: &self.rp,
            request: &self.request,
            username: self.username.as_deref(),
            results: &results,
            acceptable: self.acceptable,
            event: self.event,
            attempts: &self.attempts,
            fetched: &self.fetched,
            now: self.now,
        };
        policy.next_factor(&ScriptName(script.to_owned()), &view)
    }
}

fn compiled(source: &str) -> Result<Policy, String> {
    let scripts = BTreeMap::from([("mfa/x".to_owned(), source.to_owned())]);
    let lists = BTreeMap::from([
        (
            "vips".to_owned(),
            vec!["https://sp.example.org/sp".to_owned()],
        ),
        ("campus".to_owned(), vec!["10.0.0.0/8".to_owned()]),
    ]);
    Policy::compile(&scripts, &lists).map_err(|errors| format!("{errors:?}"))
}

fn decide(world: &World, source: &str) -> Decision<Next> {
    match compiled(source) {
        Ok(policy) => world.decide(&policy, "mfa/x"),
        Err(errors) => panic!("{source}: {errors}"),
    }
}

fn made(world: &World, source: &str) -> (Next, Trace) {
    match decide(world, source) {
        Decision::Made(next, trace) => (next, trace),
        other => panic!("{source}: {other:?}"),
    }
}

/// Whether an expression is true for the default world.
fn holds(world: &World, expression: &str) -> bool {
    let source = format!("if {expression} {{ \"authn/DuoOIDC\" }} else {{ () }}");
    made(world, &source).0 == Next::Flow(FlowId::DuoOidc)
}

fn attributes(of: &[(&str, &[&str])]) -> FactValue {
    let owned = |values: &[&str]| values.iter().map(|&value| value.to_owned()).collect();
    FactValue::Attributes(
        of.iter()
            .map(|&(name, values)| (name.to_owned(), owned(values)))
            .collect(),
    )
}

#[test]
fn every_fact_reads_as_documented() {
    let world = World::default();
    for expression in [
        "rp.id == \"https://sp.example.org/sp\"",
        "rp.name == \"Wiki\"",
        "rp.entity_attributes[\"category\"].contains(\"research\")",
        "rp.entity_attributes[\"other\"].is_empty()",
        "\"category\" in rp.entity_attributes",
        "rp.registration_authority == ()",
        "\"federation\" in rp.groups",
        "rp.tags.is_empty()",
        "\"https://refeds.org/profile/mfa\" in request.requested",
        "request.comparison == \"exact\"",
        "!request.force_authn && !request.passive && !request.signed && !request.non_browser",
        "request.binding == \"\" && request.user_agent == \"\"",
        "request.client_ip == \"10.1.2.3\"",
        "request.headers[\"X-Zone\"] == \"lab\" && request.headers[\"other\"] == ()",
        "user.name == \"alice\"",
        "!mfa.is_acceptable()",
        "mfa.results.is_empty() && !mfa.has(\"authn/Password\")",
        "mfa.event == \"proceed\"",
        "mfa.attempts(\"authn/Password\") == 1 && mfa.attempts(\"authn/DuoOIDC\") == 0",
        "now.hour == 9 && now.minute == 30 && now.weekday == \"monday\"",
        "now.date == \"2026-11-23\" && now < \"2027-01-01T00:00:00Z\"",
        "now >= \"2026-11-23T09:30:00Z\" && now.to_string() == \"2026-11-23T09:30:00Z\"",
        "in_cidr(request.client_ip, \"192.0.2.0/24\", \"10.0.0.0/8\")",
        "!in_cidr(request.client_ip, [\"192.0.2.0/24\", \"2001:db8::/32\"])",
        "in_cidr(request.client_ip, list(\"campus\"))",
        "rp.id in list(\"vips\") && !list(\"vips\").contains(\"x\")",
        "rp.groups.some(|group| group.starts_with(\"fed\"))",
        // A fact keeps its meaning in closures and functions.
        "rp.groups.some(|group| group != rp.id)",
        "[1].some(|rp| rp.id == \"https://sp.example.org/sp\")",
    ] {
        assert!(holds(&world, expression), "{expression}");
    }
    let function = "fn wanted() { rp.id in list(\"vips\") } if wanted() { \"authn/DuoOIDC\" }";
    assert_eq!(made(&world, function).0, Next::Flow(FlowId::DuoOidc));
}

#[test]
fn fetched_facts_are_asked_for_by_name_and_then_read() {
    for (source, key) in [
        (
            "user.attr(\"mail\").contains(\"x\")",
            FactKey::UserAttributes,
        ),
        ("user.in_group(\"staff\") == true", FactKey::UserGroups),
        ("duo.preauth == \"auth\"", FactKey::DuoPreauth),
        ("duo.health == \"up\"", FactKey::DuoHealth),
    ] {
        let asked = decide(&World::default(), &format!("if {source} {{ () }}"));
        assert_eq!(asked, Decision::Needs(key), "{source}");
    }
    let up = World::knowing(FactKey::DuoHealth, FactValue::Word("up".to_owned()));
    assert!(holds(&up, "duo.health == \"up\""));
    let mail = attributes(&[("mail", &["a@example.org", "b@example.org"])]);
    let known = World::knowing(FactKey::UserAttributes, mail);
    assert!(holds(&known, "user.attr(\"mail\").len() == 2"));
    assert!(holds(
        &known,
        "user.attr(\"x\").is_empty() && !user.attr(\"x\").unknown()"
    ));
}

#[test]
fn a_group_answer_has_three_values_and_unknown_equals_neither() {
    let member = World::knowing(FactKey::UserGroups, attributes(&[("groups", &["staff"])]));
    let unknown = World::knowing(FactKey::UserGroups, FactValue::Unknown);
    assert!(holds(
        &member,
        "user.in_group(\"staff\") == true && user.in_group(\"x\") == false"
    ));
    assert!(holds(
        &member,
        "user.in_group(\"staff\").yes() && user.in_group(\"x\").no()"
    ));
    for expression in [
        "user.in_group(\"staff\") == true",
        "user.in_group(\"staff\") == false",
        "user.in_group(\"staff\").yes()",
        "user.in_group(\"staff\").no()",
    ] {
        assert!(!holds(&unknown, expression), "{expression}");
    }
    assert!(holds(&unknown, "user.in_group(\"staff\").unknown()"));
}

#[test]
fn an_answer_used_as_a_bool_fails_and_never_reads_as_false() {
    let unknown = World::knowing(FactKey::UserGroups, FactValue::Unknown);
    let source = "let staff = user.in_group(\"staff\"); if staff { \"authn/DuoOIDC\" } else { () }";
    assert!(matches!(decide(&unknown, source), Decision::Failed(_)));
}

#[test]
fn an_attribute_that_could_not_be_fetched_never_reads_as_absent() {
    let unknown = World::knowing(FactKey::UserAttributes, FactValue::Unknown);
    for expression in [
        "user.attr(\"mail\").contains(\"x\")",
        "\"x\" in user.attr(\"mail\")",
        "user.attr(\"mail\").is_empty()",
    ] {
        let source = format!("if {expression} {{ \"authn/DuoOIDC\" }} else {{ () }}");
        assert!(
            matches!(decide(&unknown, &source), Decision::Failed(_)),
            "{expression}"
        );
    }
    let compared = "let mail = user.attr(\"mail\"); if mail == \"x\" { \"authn/DuoOIDC\" }";
    assert!(matches!(decide(&unknown, compared), Decision::Failed(_)));
    assert!(holds(&unknown, "user.attr(\"mail\").unknown()"));
}

#[test]
fn an_unknown_address_is_in_no_network_and_out_of_none() {
    let mut world = World::default();
    world.request.client_ip = None;
    let source = "if in_cidr(request.client_ip, \"10.0.0.0/8\") { () } else { \"authn/DuoOIDC\" }";
    assert!(matches!(decide(&world, source), Decision::Failed(_)));
}

#[test]
fn an_interruption_cannot_be_caught() {
    let caught = "try { if duo.health == \"up\" { () } } catch (e) { }";
    let asked = decide(&World::default(), caught);
    assert_eq!(asked, Decision::Needs(FactKey::DuoHealth));
    let sorted = "let a = [1, 2, 3]; a.some(|x| user.in_group(\"g\") == true)";
    assert_eq!(
        decide(&World::default(), sorted),
        Decision::Needs(FactKey::UserGroups)
    );
    let failed = "try { fail(\"AccountLocked\") } catch { \"authn/DuoOIDC\" }";
    assert_eq!(
        made(&World::default(), failed).0,
        Next::Fail(Event::AccountLocked)
    );
}

#[test]
fn fail_ends_the_script_wherever_it_stands() {
    let dropped = "if rp.id != \"\" { fail(\"AccessDenied\"); }\n()";
    assert_eq!(
        made(&World::default(), dropped).0,
        Next::Fail(Event::AccessDenied)
    );
    let computed = "let event = \"pro\" + \"ceed\"; fail(event)";
    assert!(matches!(
        decide(&World::default(), computed),
        Decision::Failed(_)
    ));
}

#[test]
fn answers_outside_what_is_declared_fail_closed() {
    for source in [
        "\"authn/Nope\"",
        "\"authn/MFA\"",
        "\"\"",
        "42",
        "true",
        "[\"authn/DuoOIDC\"]",
        "rp",
    ] {
        assert!(
            matches!(decide(&World::default(), source), Decision::Failed(_)),
            "{source}"
        );
    }
    let policy = compiled("()").expect("compiles");
    let absent = World::default().decide(&policy, "mfa/absent");
    assert!(matches!(absent, Decision::Failed(reason) if reason.contains("mfa/absent")));
}

#[test]
fn a_decision_records_what_it_read_and_said() {
    let (_, trace) = made(
        &World::default(),
        "audit(\"why\", \"listed\"); log(`rp ${rp.id}\\r\\nroot`); \
         if rp.id in list(\"vips\") { \"authn/DuoOIDC\" }",
    );
    assert_eq!(trace.audit["why"], "listed");
    assert_eq!(trace.log, ["rp https://sp.example.org/sp\\r\\nroot"]);
    assert_eq!(trace.read["rp.id"], "https://sp.example.org/sp");
    assert_eq!(
        trace.read["\"https://sp.example.org/sp\" in list(\"vips\")"],
        "true"
    );
    assert!(!trace.read.contains_key("user.name"), "{:?}", trace.read);
}

/// S57: what must not even compile.
#[test]
fn s57_a_script_has_no_way_out() {
    for source in [
        "import \"x\" as x; x::y()",
        "export let x = 1;",
        "eval(\"1\")",
        "let e = \"eval\"; Fn(e).call(\"1\")",
        "Fn(\"sleep\").call(5)",
        "sleep(5)",
        "timestamp()",
        "rand()",
        "open_file(\"/etc/passwd\")",
        "read(\"/etc/passwd\")",
        "env(\"HOME\")",
        "parse_json(\"{}\")",
        "print(1)",
        "debug(1)",
        "global::x",
        "__facts",
        "rp.id = \"https://other\"",
        "rp.entity_attributes[\"x\"] = []",
        "mfa.acceptable = true",
        "let rp = #{ id: \"https://other\" }; rp.id",
        "const mfa = 1;",
        "for user in [1] { }",
        "fn fail(x) { () } fail(\"AccessDenied\")",
        "fn list(x) { [] } ()",
        "fn in_cidr(a, b) { true } ()",
        "fn is_acceptable() { true } ()",
        "fn contains(a, b) { true } ()",
        "claims.sub",
        // Rhai's limits are asked after these have made their result.
        "let s = \"x\"; s.pad(1_000_000_000, \"x\")",
        "let s = \"x\"; s.replace(\"x\", s)",
        "let a = [1]; a.pad(1_000_000_000, a)",
    ] {
        assert!(compiled(source).is_err(), "{source}");
    }
}

/// S57: names that are computed at run time find nothing either.
#[test]
fn s57_what_passes_the_check_finds_nothing_when_it_runs() {
    for source in [
        "let name = \"nope\"; rp.id in list(name)",
        "let x = rp; x.id = \"y\"; ()",
        "let f = |x| x; f.call()",
        "this.id",
        "\"sleep\".call(5)",
    ] {
        if let Ok(policy) = compiled(source) {
            let decision = World::default().decide(&policy, "mfa/x");
            assert!(
                matches!(decision, Decision::Failed(_)),
                "{source}: {decision:?}"
            );
        }
    }
}

/// S58: every budget, and that a breach fails and never ends the login as if all were well.
#[test]
fn s58_a_script_that_takes_too_much_fails() {
    for source in [
        "loop { }",
        "while true { }",
        "let i = 0; do { i += 1 } while i > 0; ()",
        "for i in 0..9_000_000_000 { } ()",
        "let s = \"x\"; loop { s += s; }",
        "let a = [1]; loop { a += a; }",
        "let a = []; loop { a.push(a); }",
        "let m = #{}; for i in 0..9999 { m[`k${i}`] = i; } ()",
        "fn f(n) { f(n + 1) } f(0)",
        "fn f(n) { g(n) } fn g(n) { f(n) } f(0)",
        "let s = \"\"; for i in 0..99999 { s = `${s}${s}xx`; } ()",
        "try { loop { } } catch { () }",
        "try { let s = \"x\"; loop { s += s; } } catch { () }",
        "for i in 0..99 { log(\"x\"); } ()",
        "for i in 0..99 { audit(`k${i}`, \"x\"); } ()",
    ] {
        let decision = decide(&World::default(), source);
        assert!(
            matches!(decision, Decision::Failed(_)),
            "{source}: {decision:?}"
        );
    }
    let deep = format!("{}1{}", "(".repeat(500), ")".repeat(500));
    assert!(compiled(&deep).is_err());
    let nested = format!("let x = {}1{}; ()", "[".repeat(500), "]".repeat(500));
    assert!(compiled(&nested).is_err());
    let long = format!("let x = \"{}\"; ()", "x".repeat(100_000));
    assert!(compiled(&long).is_err());
    let wide: Vec<String> = (0..200).map(|i| format!("let v{i} = {i};")).collect();
    assert!(matches!(
        decide(&World::default(), &wide.join("\n")),
        Decision::Failed(_)
    ));
}

#[test]
fn s58_an_error_is_short_and_has_no_control_characters() {
    let mut world = World::default();
    world.rp.name = format!("\r\n\u{1b}[31m{}", "x".repeat(5000));
    let Decision::Failed(reason) = decide(&world, "throw rp.name") else {
        panic!("a thrown error must fail the decision");
    };
    assert!(reason.starts_with("scripts/mfa/x.rhai:1:1: "), "{reason}");
    assert!(
        reason.len() < 500 && !reason.contains(char::is_control),
        "{reason}"
    );
}

const READS_EVERYTHING: &str = r#"
    audit("all", `${rp.id} ${rp.groups} ${request.requested} ${request.client_ip} ${user.name}`);
    if rp.id in list("vips") || rp.groups.contains("g") { return "authn/DuoOIDC" }
    if user.in_group("staff") == true { return "authn/Password" }
    if now.hour < 12 { fail("AccessDenied") }
    if mfa.attempts("authn/Password") > 1 { return "nope" }
    ()
"#;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Invariant 15: equal facts give equal decisions, whatever was decided in between.
    #[test]
    fn equal_views_give_equal_decisions(
        id in ".{0,20}",
        listed in any::<bool>(),
        group in any::<bool>(),
        known in 0..4_u8,
        attempts in 0..3_u32,
        second in 0..86_400_i64,
    ) {
        let policy = compiled(READS_EVERYTHING).expect("compiles");
        let mut world = World::default();
        if !listed { world.rp.id = id; }
        if group { world.rp.groups.insert("g".to_owned()); }
        match known {
            0 => {}
            1 => { world.fetched.insert(FactKey::UserGroups, FactValue::Unknown); }
            2 => { world.fetched.insert(FactKey::UserGroups, attributes(&[("groups", &["staff"])])); }
            _ => { world.fetched.insert(FactKey::UserGroups, attributes(&[("groups", &[])])); }
        }
        world.attempts.insert(FlowId::Password, attempts);
        world.now = Timestamp::from_second(1_795_000_000 + second).expect("in range");
        let first = world.decide(&policy, "mfa/x");
        let _ = World::default().decide(&policy, "mfa/x");
        prop_assert_eq!(&first, &world.clone().decide(&policy, "mfa/x"));
        let again = compiled(READS_EVERYTHING).expect("compiles");
        prop_assert_eq!(&first, &world.decide(&again, "mfa/x"));
    }
}
