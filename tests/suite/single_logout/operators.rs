//! What an operator can set.

use super::*;
use crate::harness::logout::soap;

#[test]
fn sdp_idp22_a_user_who_is_asked_may_keep_the_session() {
    let party = RelyingParty::with_logout("one", &["HTTP-Redirect"]);
    let mut deployment = prepared(&[&party]);
    deployment.home.set("idp.logout.promptUser", "true");
    deployment.serve();
    let (mut browser, subjects) = signed_in(&deployment, &[&party]);
    let url = request_url(&deployment, (&party, &subjects[0]));
    let page = open(&deployment, &mut browser, &url).page();
    assert!(page.body().contains(&party.entity_id), "{}", page.body());
    assert!(has_session(&deployment, &browser, &party), "asked first");
    let mut stay = Form::all(page.body()).remove(0);
    stay.buttons.retain(|(_, value)| value == "cancel");
    let answer = press_on(&deployment, &mut browser, (&page, &stay)).message();
    assert_eq!(answer.status(), ["Responder"], "no success");
    assert!(has_session(&deployment, &browser, &party));

    let url = request_url(&deployment, (&party, &subjects[0]));
    let page = open(&deployment, &mut browser, &url).page();
    let answer = press(&deployment, &mut browser, &page).message();
    assert_eq!(answer.status(), ["Success"]);
    assert!(!has_session(&deployment, &browser, &party));
}

#[test]
fn who_may_not_use_the_profile_neither_asks_nor_is_told() {
    let party = RelyingParty::with_logout("one", &["HTTP-Redirect", "SOAP"]);
    let mut deployment = prepared(&[&party]);
    deployment.home.append(
        "conf/relying-party.properties",
        &format!(
            "\nvestibule.rp.one.match = {}\nvestibule.rp.one.allowedProfiles = sso\n",
            party.entity_id
        ),
    );
    deployment.serve();
    let (mut browser, subjects) = signed_in(&deployment, &[&party]);
    let url = request_url(&deployment, (&party, &subjects[0]));
    let page = open(&deployment, &mut browser, &url).page();
    assert_eq!(page.response.status, 400, "{}", page.body());
    let sent = request(&deployment, (&party, &subjects[0]), SOAP);
    let answer = soap(&deployment.url(SOAP), &sent.signed_xml());
    assert!(
        answer.body.contains("status:RequestDenied"),
        "{}",
        answer.body
    );
    assert!(has_session(&deployment, &browser, &party));
    let page = sign_out_here(&deployment, &mut browser).page();
    assert_eq!(told(&page), ["unreachable"], "{}", page.body());
}

#[test]
fn who_cannot_be_answered_is_refused_unless_the_operator_says_otherwise() {
    let party = RelyingParty::with_logout("one", &["SOAP"]);
    let mut deployment = serving(&[&party]);
    let (mut browser, subjects) = signed_in(&deployment, &[&party]);
    let url = request_url(&deployment, (&party, &subjects[0]));
    let page = open(&deployment, &mut browser, &url).page();
    assert_eq!(page.response.status, 400, "{}", page.body());
    assert!(has_session(&deployment, &browser, &party));
    deployment.home.set("idp.logout.assumeAsync", "true");
    deployment.kill();
    deployment.serve();
    let url = request_url(&deployment, (&party, &subjects[0]));
    let page = open(&deployment, &mut browser, &url).page();
    assert!(
        page.body().contains("You are signed out"),
        "{}",
        page.body()
    );
    assert!(!has_session(&deployment, &browser, &party));
}

#[test]
fn sdp_idp27_names_go_in_the_clear_unless_the_operator_wants_them_encrypted() {
    let mut party = RelyingParty::with_logout("one", &["HTTP-Redirect"]);
    party.key_use = "";
    let mut deployment = prepared(&[&party]);
    deployment
        .home
        .set("vestibule.saml.encryptAssertions", "false");
    deployment.serve();
    for encrypted in [false, true] {
        deployment
            .home
            .set("vestibule.logout.encryptNameIDs", &encrypted.to_string());
        deployment.kill();
        deployment.serve();
        let (mut browser, subjects) = signed_in(&deployment, &[&party]);
        let page = sign_out_here(&deployment, &mut browser).page();
        let asked = press(&deployment, &mut browser, &page).message();
        assert_eq!(
            asked.xml.contains("EncryptedID"),
            encrypted,
            "{}",
            asked.xml
        );
        assert_eq!(asked.xml.contains(&subjects[0].name), !encrypted);
    }
}

#[test]
fn sdp_idp25_our_metadata_lists_the_endpoints_of_logout() {
    let deployment = Deployment::prepare();
    let metadata = fs::read_to_string(deployment.metadata_file()).unwrap();
    for path in [REDIRECT, POST, SOAP] {
        let location = format!("Location=\"{}\"", deployment.url(path));
        assert!(metadata.contains(&location), "{path}: {metadata}");
    }
}
