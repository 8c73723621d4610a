//! Importing Duo's users, and what a policy can learn from Duo before the redirect.

use crate::harness::browser::{ALICE, Browser, Prompt};
use crate::harness::duo::Duo;
use crate::harness::idp::Deployment;
use crate::harness::relying_party::RelyingParty;
use serde_json::{Value, json};

fn deployed() -> Deployment {
    let deployment = Deployment::prepare();
    let home = &deployment.home;
    home.set("idp.duo.oidc.nonbrowser.integrationKey", Duo::AUTH_API[0]);
    home.set("vestibule.duo.admin.integrationKey", Duo::ADMIN_API[0]);
    for (key, secret) in [
        ("idp.duo.oidc.nonbrowser.secretKey", Duo::AUTH_API[1]),
        ("vestibule.duo.admin.secretKey", Duo::ADMIN_API[1]),
    ] {
        home.append(
            "credentials/secrets.properties",
            &format!("\n{key} = {secret}\n"),
        );
    }
    deployment
}

/// `vestibule duo import --json ...`: its exit code and report.
fn import(deployment: &Deployment, arguments: &[&str]) -> (Option<i32>, Value) {
    let words = [&["duo", "import", "--json"], arguments].concat();
    let output = deployment.home.command(&words).output().unwrap();
    let report = serde_json::from_slice(&output.stdout);
    let report = report.unwrap_or_else(|_| panic!("{output:?}"));
    (output.status.code(), report)
}

#[test]
fn an_import_reads_every_page_at_duos_pace_and_reports_who_is_left() {
    let deployment = deployed();
    for number in 0..305 {
        let name = format!("stranger{number:03}");
        deployment.duo.user(&json!({"username": name}));
    }
    deployment.duo.user(&json!({"username": "alice"}));
    deployment.duo.user(&json!({"username": "Bob"}));
    deployment.duo.fault("users", "429", 1);
    let (code, dry) = import(&deployment, &["--dry-run"]);
    assert_eq!(code, Some(0), "{dry}");
    assert_eq!(dry["matched"][0]["user"], "alice");
    assert_eq!(dry["unmatched_here"], json!(["bob"]));
    assert_eq!(dry["unmatched_at_duo"].as_array().unwrap().len(), 306);
    let (_, done) = import(&deployment, &["--match", "caseInsensitive"]);
    assert_eq!(done["imported"], 2, "{done}");
    let (_, again) = import(&deployment, &["--match", "caseInsensitive"]);
    assert_eq!(
        (&again["imported"], &again["known"]),
        (&json!(0), &json!(2))
    );
    let pages = deployment.duo.requests();
    let offsets: Vec<_> = pages
        .iter()
        .filter(|seen| seen["endpoint"] == "users")
        .map(|seen| seen["parameters"]["offset"].clone())
        .collect();
    assert_eq!(offsets[..3], [json!("0"), json!("0"), json!("300")]);
}

#[test]
fn an_import_matches_by_address_and_by_alias() {
    let deployment = deployed();
    deployment
        .duo
        .user(&json!({"username": "a1", "email": "ALICE@example.org"}));
    deployment
        .duo
        .user(&json!({"username": "b1", "aliases": ["bob"]}));
    let (_, by_mail) = import(&deployment, &["--dry-run", "--match", "email"]);
    assert_eq!(by_mail["matched"][0]["duo_username"], "a1", "{by_mail}");
    let (_, by_alias) = import(&deployment, &["--dry-run", "--match", "alias"]);
    assert_eq!(by_alias["matched"][0]["duo_username"], "b1", "{by_alias}");
}

#[test]
fn a_manual_import_has_three_outcomes() {
    let deployment = deployed();
    deployment.duo.user(&json!({"username": "alice"}));
    let by = |duo_user: &str| import(&deployment, &["--user", "alice", "--duo-user", duo_user]);
    let (code, missing) = by("nobody");
    assert_eq!(
        (code, &missing["outcome"]),
        (Some(1), &json!("no such user at Duo"))
    );
    let (code, made) = by("alice");
    assert_eq!((code, &made["outcome"]), (Some(0), &json!("imported")));
    let id = made["duo_user"]["user_id"].as_str().unwrap().to_owned();
    let (code, again) = by(&id);
    assert_eq!(
        (code, &again["outcome"]),
        (Some(1), &json!("exists already"))
    );
    let (_, removed) = import(&deployment, &["--remove"]);
    assert_eq!(removed["removed"], 1);
}

#[test]
fn status_tells_how_each_application_is_and_whose_fault_it_is() {
    let deployment = deployed();
    let status = || {
        let output = deployment
            .home
            .command(&["duo", "status", "--json"])
            .output();
        let output = output.unwrap();
        let told: Value = serde_json::from_slice(&output.stdout).unwrap();
        (output.status.code(), told)
    };
    let (code, well) = status();
    assert_eq!(code, Some(0), "{well}");
    assert_eq!(well["auth_api"]["ok"], true);
    assert_eq!(well["admin_api"]["ok"], true);
    assert_eq!(well["imported"]["default"], 0);
    deployment
        .home
        .set("idp.duo.oidc.nonbrowser.integrationKey", Duo::ADMIN_API[0]);
    deployment
        .home
        .set("vestibule.duo.admin.integrationKey", "DINOBODYNOBODYNOBODY");
    let (code, unwell) = status();
    assert_eq!(code, Some(1), "{unwell}");
    let problem = |api: &str| unwell[api]["problem"].as_str().unwrap().to_owned();
    assert!(
        problem("auth_api").contains("the secret is not its own"),
        "{unwell}"
    );
    assert!(
        problem("admin_api").contains("no application of this client id"),
        "{unwell}"
    );
}

#[test]
fn a_script_learns_from_preauth_whether_duo_would_ask() {
    let party = RelyingParty::new("preauth");
    let mut deployment = deployed();
    deployment.trust("party", &party.metadata());
    deployment.home.write(
        "scripts/mfa/second-factor.rhai",
        "if duo.preauth == \"deny\" { fail(\"AccountError\") } else { \"authn/DuoOIDC\" }\n",
    );
    deployment.home.write(
        "scripts/mfa/second-factor.tests.toml",
        "[[case]]
name = \"asks\"
duo.preauth = \"auth\"
expect.next = \"authn/DuoOIDC\"
",
    );
    deployment.serve();
    let log_in = |deployment: &Deployment| {
        let mut browser = Browser::that_keeps_the_response();
        browser.log_in(&party.request().url(&deployment.base_url), ALICE)
    };
    assert_eq!(log_in(&deployment).prompts, [Prompt::Password, Prompt::Duo]);
    deployment
        .duo
        .user(&json!({"username": "alice", "status": "disabled"}));
    assert_eq!(log_in(&deployment).prompts, [Prompt::Password]);
    let asked = deployment.duo.requests();
    assert!(asked.iter().any(|seen| seen["endpoint"] == "preauth"));
}
