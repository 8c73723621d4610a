//! `vestibule check --online` asks whatever a login needs, and says whose fault it is.

use crate::harness::duo::Duo;
use crate::harness::idp::Deployment;
use crate::harness::port;
use serde_json::{Value, json};

pub(crate) fn check(deployment: &Deployment) -> (Option<i32>, Value) {
    let mut command = deployment.home.command(&["check", "--online", "--json"]);
    let output = command.output().unwrap();
    let report = serde_json::from_slice(&output.stdout);
    let report = report.unwrap_or_else(|_| panic!("{output:?}"));
    (output.status.code(), report)
}

pub(crate) fn probe<'a>(report: &'a Value, what: &str) -> &'a Value {
    let probes = report["online"].as_array().unwrap();
    let named = |probe: &&Value| probe["what"].as_str().unwrap().starts_with(what);
    let found = probes.iter().find(named);
    found.unwrap_or_else(|| panic!("{report:#}"))
}

/// The other applications of Duo, so that there is something to ask.
fn with_every_api(deployment: &Deployment) {
    let home = &deployment.home;
    home.set("idp.duo.oidc.nonbrowser.integrationKey", Duo::AUTH_API[0]);
    home.set("vestibule.duo.admin.integrationKey", Duo::ADMIN_API[0]);
    for (key, secret) in [
        ("idp.duo.oidc.nonbrowser.secretKey", Duo::AUTH_API[1]),
        ("vestibule.duo.admin.secretKey", Duo::ADMIN_API[1]),
    ] {
        let line = format!("\n{key} = {secret}\n");
        home.append("credentials/secrets.properties", &line);
    }
}

#[test]
fn everything_that_answers_is_well_and_a_running_server_vouches_for_its_store() {
    let mut deployment = Deployment::prepare();
    with_every_api(&deployment);
    let (code, report) = check(&deployment);
    assert_eq!(code, Some(0), "{report:#}");
    for what in ["storage", "Duo default", "Duo Auth API", "Duo Admin API"] {
        assert_eq!(probe(&report, what)["ok"], true, "{report:#}");
    }
    deployment.serve();
    let (code, report) = check(&deployment);
    assert_eq!(code, Some(0), "{report:#}");
    let store = probe(&report, "storage")["note"].as_str().unwrap();
    assert!(store.contains("running server"), "{report:#}");
    let printed = deployment.home.run(&["check", "--online"], "");
    assert!(printed.contains("ok       Duo default"), "{printed}");
}

#[test]
fn a_wrong_clock_a_wrong_secret_and_silence_are_told_apart() {
    let deployment = Deployment::prepare();
    with_every_api(&deployment);
    let home = &deployment.home;
    let nobody = format!("http://127.0.0.1:{}/metadata.xml", port::free());
    home.set("vestibule.metadata.providers", "federation");
    home.set("vestibule.metadata.federation.url", &nobody);
    let fault = json!({"endpoint": "health_check", "kind": "clock-offset", "seconds": 90});
    deployment.duo.fault_as(&fault);
    deployment.duo.fault("check", "fail_401", 1);
    let (code, report) = check(&deployment);
    assert_eq!(code, Some(1), "{report:#}");
    let clock = probe(&report, "Duo default");
    assert_eq!(clock["fault"], "clock", "{report:#}");
    assert!(clock["note"].as_str().unwrap().contains("clock"), "{clock}");
    let api = probe(&report, "Duo Auth API");
    assert_eq!(
        (&api["ok"], &api["fault"]),
        (&json!(false), &json!("configuration"))
    );
    let metadata = probe(&report, "metadata federation");
    assert_eq!(
        (&metadata["ok"], &metadata["fault"]),
        (&json!(false), &json!("network"))
    );
    assert_eq!(probe(&report, "Duo Admin API")["ok"], true, "{report:#}");
}
