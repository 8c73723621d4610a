//! What an administrator sees of a running server: metrics, status, reload.

use crate::harness::browser::{ALICE, BOB, Browser, Page, Person};
use crate::harness::http::{Request, Response};
use crate::harness::idp::Deployment;
use crate::harness::port;
use crate::harness::relying_party::{self, MFA, RelyingParty};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use url::Url;

struct Scene {
    strict: RelyingParty,
    lenient: RelyingParty,
    deployment: Deployment,
}

impl Scene {
    fn prepare(change: impl FnOnce(&Deployment)) -> Self {
        let (strict, lenient) = (RelyingParty::new("strict"), RelyingParty::new("lenient"));
        let mut deployment = Deployment::prepare();
        deployment.trust("strict", &strict.metadata());
        deployment.trust("lenient", &lenient.metadata());
        deployment.home.require_mfa(&strict.entity_id);
        change(&deployment);
        deployment.serve();
        Self {
            strict,
            lenient,
            deployment,
        }
    }

    fn log_in(&self, party: &RelyingParty, person: Person) -> Page {
        let mut browser = Browser::that_keeps_the_response();
        let url = party.request().url(&self.deployment.base_url);
        browser.log_in(&url, person).page
    }

    fn ask(&self, path: &str, headers: &[(&str, &str)]) -> Response {
        let request = Request::get(Url::parse(&self.deployment.url(path)).unwrap());
        let request = headers.iter().fold(request, |request, (name, value)| {
            request.header(name, value)
        });
        request.send()
    }

    fn metrics(&self) -> BTreeMap<String, u64> {
        samples(&self.ask("/metrics", &[]).body)
    }
}

/// The samples of a document in Prometheus' text format, which is checked on the way.
fn samples(document: &str) -> BTreeMap<String, u64> {
    let (mut declared, mut found) = (BTreeSet::new(), BTreeMap::new());
    for line in document.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(matches!(kind, "counter" | "gauge"), "{line}");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            assert!(declared.insert(name.to_owned()), "declared twice: {line}");
        } else if !line.starts_with("# HELP ") {
            let (sample, value) = line.rsplit_once(' ').unwrap();
            let name = sample.split('{').next().unwrap();
            assert!(declared.contains(name), "not declared: {line}");
            let before = found.insert(sample.to_owned(), value.parse().unwrap());
            assert_eq!(before, None, "twice: {line}");
        }
    }
    found
}

#[test]
fn metrics_count_logins_passwords_and_trips_to_duo_by_outcome() {
    let scene = Scene::prepare(|_| ());
    scene.log_in(&scene.lenient, ALICE);
    scene.log_in(&scene.strict, BOB);
    let stranger = Person {
        name: "alice",
        password: "wrong",
    };
    scene.log_in(&scene.lenient, stranger);
    scene.deployment.duo.fault("token", "wrong_nonce", 1);
    scene.log_in(&scene.strict, ALICE);
    let metrics = scene.metrics();
    for (sample, count) in [
        ("vestibule_logins_total{outcome=\"success\"}", 2),
        ("vestibule_passwords_total{outcome=\"success\"}", 3),
        (
            "vestibule_passwords_total{outcome=\"InvalidCredentials\"}",
            1,
        ),
        ("vestibule_duo_trips_total{outcome=\"verified\"}", 1),
        ("vestibule_duo_trips_total{outcome=\"refused\"}", 1),
        ("vestibule_duo_trouble_total{reason=\"token\"}", 1),
        ("vestibule_logins_degraded_total", 0),
        ("vestibule_duo_circuit_open{api_host=\"HOST\"}", 0),
        ("vestibule_audit_ready", 1),
        ("vestibule_audit_failures_total", 0),
        ("vestibule_metadata_problem{source=\"metadata\"}", 0),
        ("vestibule_metadata_entities{source=\"metadata\"}", 2),
    ] {
        let sample = sample.replace("HOST", &scene.deployment.duo.api_host);
        assert_eq!(metrics.get(&sample), Some(&count), "{sample}: {metrics:#?}");
    }
    let document = scene.ask("/metrics", &[]).body;
    for secret in ["alice", "bob", scene.strict.entity_id.as_str()] {
        assert!(!document.contains(secret), "{document}");
    }
}

#[test]
fn a_factor_and_a_reason_nobody_has_graded_claim_nothing_and_raise_an_alarm() {
    let scene = Scene::prepare(|_| ());
    let factor = json!({"outcome": "push", "factor": "telepathy"});
    let reason = json!({"outcome": "push", "reason": "looked_honest"});
    for outcome in [factor, reason] {
        scene.deployment.duo.reset();
        scene.deployment.duo.outcome(&outcome);
        let page = scene.log_in(&scene.strict, ALICE);
        let response = relying_party::Response::on(&page);
        let class = response
            .filter(relying_party::Response::is_success)
            .map(|r| r.class());
        let mfa = class.is_some_and(|class| class == MFA);
        assert!(!mfa, "{outcome}");
    }
    let metrics = scene.metrics();
    for what in ["factor", "reason"] {
        let sample = format!("vestibule_duo_unknown_total{{what=\"{what}\"}}");
        assert_eq!(metrics.get(&sample), Some(&1), "{metrics:#?}");
    }
    crate::harness::wait_for("both words in the log", || {
        let logs = scene.deployment.home.logs();
        (logs.contains("telepathy") && logs.contains("looked_honest")).then_some(())
    });
}

#[test]
fn s45_a_degraded_login_and_an_open_circuit_are_seen_from_outside() {
    let scene = Scene::prepare(|deployment| {
        let nobody = format!("localhost:{}", port::free());
        deployment.home.set("idp.duo.oidc.apiHost", &nobody);
        deployment.home.set("vestibule.duo.failMode", "open");
        deployment.home.set("vestibule.duo.circuit.failures", "2");
        deployment
            .home
            .set("vestibule.duo.circuit.openTime", "PT10H");
    });
    for _ in 0..2 {
        scene.log_in(&scene.strict, ALICE);
    }
    let metrics = scene.metrics();
    assert_eq!(metrics.get("vestibule_logins_degraded_total"), Some(&2));
    let open = metrics
        .iter()
        .find(|(name, _)| name.contains("circuit_open"));
    assert_eq!(open.map(|(_, open)| *open), Some(1), "{metrics:#?}");
    let mut status = scene.deployment.home.command(&["status"]);
    let told = status.output().unwrap();
    let printed = String::from_utf8(told.stdout).unwrap();
    assert!(printed.contains("the circuit is open"), "{printed}");
    assert_eq!(told.status.code(), Some(1));
}

#[test]
fn metrics_and_status_are_for_administrators_alone() {
    let scene = Scene::prepare(|_| ());
    for path in ["/metrics", "/status"] {
        assert_eq!(scene.ask(path, &[]).status, 200);
        let forwarded = scene.ask(path, &[("X-Forwarded-For", "192.0.2.1")]);
        assert_eq!(forwarded.status, 404, "{path}");
    }
}

#[test]
fn status_and_reload_talk_to_the_running_server() {
    let scene = Scene::prepare(|_| ());
    let home = &scene.deployment.home;
    let status: Value = serde_json::from_str(&home.run(&["--json", "status"], "")).unwrap();
    assert_eq!(status["entity_id"], Deployment::ENTITY_ID);
    assert_eq!(status["relying_parties"], 2);
    assert_eq!(status["duo"]["integrations"], json!(["default"]));
    assert_eq!(home.run(&["reload"], "").trim(), "reloaded");
    home.append("conf/idp.properties", "\nidp.sesion.timeout = PT5M\n");
    let refused = home.command(&["reload"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(78));
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("idp.session.timeout"), "{said}");
}
