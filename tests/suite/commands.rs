//! The commands around the server.

use crate::harness::idp::Deployment;
use crate::harness::pysaml2::Pysaml2;
use crate::harness::shibboleth::Shibboleth;
use serde_json::Value;

#[test]
fn a_fresh_home_with_duo_and_real_providers_passes_check() {
    let deployment = Deployment::prepare();
    let _shibboleth = Shibboleth::start(&deployment);
    let _pysaml2 = Pysaml2::start(&deployment, &["--signed", "--encrypt"]);
    let printed = deployment.home.run(&["check", "--json"], "");
    let report: Value = serde_json::from_str(&printed).unwrap();
    let text = report.to_string();
    assert!(text.contains(Deployment::ENTITY_ID), "{text}");
    let plain = deployment.home.run(&["check"], "");
    assert!(plain.contains("0 errors, 0 warnings"), "{plain}");
    assert!(plain.contains("relying parties 4"), "{plain}");
}

#[test]
fn duo_ping_finds_the_simulator_healthy() {
    let deployment = Deployment::prepare();
    let printed = deployment.home.run(&["duo", "ping"], "");
    assert!(printed.contains(&deployment.duo.api_host), "{printed}");
}

#[test]
fn a_wrong_property_stops_the_start_with_the_likely_fix() {
    let deployment = Deployment::prepare();
    deployment.home.append(
        "conf/idp.properties",
        "\nidp.entityId = https://typo.example\n",
    );
    let output = deployment.home.command(&["serve"]).output().unwrap();
    assert_eq!(output.status.code(), Some(78));
    let said = String::from_utf8_lossy(&output.stderr).into_owned()
        + &*String::from_utf8_lossy(&output.stdout);
    assert!(
        said.contains("idp.properties") && said.contains("idp.entityID"),
        "{said}"
    );
}
