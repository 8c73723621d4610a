//! `vestibule drill duo-down` tells beforehand what an outage of Duo does, and it does that.

use crate::harness::browser::{ALICE, Browser};
use crate::harness::home::Home;
use crate::harness::idp::Deployment;
use crate::harness::port;
use crate::harness::relying_party::{MFA, PPT, RelyingParty, Response};
use serde_json::Value;

struct Scene {
    strict: RelyingParty,
    lenient: RelyingParty,
    deployment: Deployment,
}

impl Scene {
    fn prepare() -> Self {
        let (strict, lenient) = (RelyingParty::new("strict"), RelyingParty::new("lenient"));
        let deployment = Deployment::prepare();
        deployment.trust("strict", &strict.metadata());
        deployment.trust("lenient", &lenient.metadata());
        deployment.home.require_mfa(&strict.entity_id);
        Self {
            strict,
            lenient,
            deployment,
        }
    }

    fn serve_without_duo(&mut self) {
        let nobody = format!("localhost:{}", port::free());
        self.deployment.home.set("idp.duo.oidc.apiHost", &nobody);
        self.deployment.serve();
    }

    /// How a login at this party really ends: the class, if it gets in.
    fn really(&self, party: &RelyingParty) -> Option<String> {
        let mut browser = Browser::that_keeps_the_response();
        let arrival = browser.log_in(&party.request().url(&self.deployment.base_url), ALICE);
        let response = Response::on(&arrival.page).filter(Response::is_success)?;
        Some(response.class())
    }
}

/// What the drill says of each relying party.
fn drill(home: &Home, arguments: &[&str]) -> Value {
    let words = [&["drill", "duo-down", "--json"], arguments].concat();
    serde_json::from_str(&home.run(&words, "")).unwrap()
}

fn row<'a>(told: &'a Value, party: &RelyingParty) -> &'a Value {
    let rows = told["relying_parties"].as_array().unwrap();
    let found = rows
        .iter()
        .find(|row| row["entity_id"] == party.entity_id.as_str());
    found.unwrap_or_else(|| panic!("{told:#}"))
}

#[test]
fn a_drill_says_what_an_outage_then_does() {
    let mut scene = Scene::prepare();
    let told = drill(&scene.deployment.home, &[]);
    let strict = row(&told, &scene.strict);
    assert_eq!(strict["effect"], "refused", "{told:#}");
    assert_eq!(strict["well"]["class"], MFA, "{told:#}");
    assert_eq!(strict["away"]["stuck"], "authn/DuoOIDC", "{told:#}");
    let lenient = row(&told, &scene.lenient);
    assert_eq!(lenient["effect"], "unaffected", "{told:#}");
    scene.serve_without_duo();
    assert_eq!(scene.really(&scene.strict), None);
    let class = scene.really(&scene.lenient);
    assert_eq!(lenient["away"]["class"].as_str(), class.as_deref());
}

#[test]
fn a_drill_knows_what_opens_and_that_it_is_less() {
    let mut scene = Scene::prepare();
    scene.deployment.home.set("vestibule.duo.failMode", "open");
    let told = drill(&scene.deployment.home, &["--rp", &scene.strict.entity_id]);
    assert_eq!(told["relying_parties"].as_array().unwrap().len(), 1);
    let strict = row(&told, &scene.strict);
    assert_eq!(strict["effect"], "degraded", "{told:#}");
    assert_eq!(strict["away"]["class"], PPT, "{told:#}");
    assert_eq!(strict["away"]["degraded"], true, "{told:#}");
    let asked = drill(&scene.deployment.home, &["--class", MFA]);
    assert_eq!(
        row(&asked, &scene.lenient)["effect"],
        "refused",
        "{asked:#}"
    );
    scene.serve_without_duo();
    assert_eq!(scene.really(&scene.strict).as_deref(), Some(PPT));
}

#[test]
fn a_drill_reads_a_users_groups_where_a_rule_asks_for_them() {
    let scene = Scene::prepare();
    let home = &scene.deployment.home;
    home.write("conf/people.csv", "uid,groups\nalice,staff\nbob,student\n");
    home.write(
        "scripts/mfa/second-factor.rhai",
        "if user.in_group(\"staff\").yes() { \"authn/DuoOIDC\" } else { () }\n",
    );
    for tests in [
        "scripts/mfa/second-factor.tests.toml",
        "scripts/policy.tests.toml",
    ] {
        let _ = std::fs::remove_file(home.path.join(tests));
    }
    let effect = |user| {
        let told = drill(home, &["--user", user]);
        row(&told, &scene.lenient)["effect"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(effect("alice"), "refused");
    assert_eq!(effect("bob"), "unaffected");
}

#[test]
fn a_drill_is_told_in_words_and_an_unknown_party_is_no_success() {
    let scene = Scene::prepare();
    let home = &scene.deployment.home;
    let printed = home.run(&["drill", "duo-down"], "");
    assert!(
        printed.contains("2 relying parties: 1 unaffected, 0 degraded, 1 refused"),
        "{printed}"
    );
    assert!(printed.contains("require-mfa.txt"), "{printed}");
    let mut unknown = home.command(&["drill", "duo-down", "--rp", "https://nobody.example"]);
    let output = unknown.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(printed.contains("not in metadata"), "{printed}");
}
