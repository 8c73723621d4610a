//! Reloading the configuration and the metadata while logins are under way.

use crate::harness::browser::{ALICE, Browser, Prompt};
use crate::harness::http::{Request, Response as Answer};
use crate::harness::idp::Deployment;
use crate::harness::relying_party::{MFA, PPT, RelyingParty, Response};
use crate::harness::wait_for;
use url::Url;

fn deployed(party: &RelyingParty) -> Deployment {
    let mut deployment = Deployment::prepare();
    deployment.trust("party", &party.metadata());
    deployment.serve();
    deployment
}

fn reload_request(deployment: &Deployment) -> Request {
    Request::post(Url::parse(&deployment.url("/admin/reload")).unwrap(), &[])
}

fn reload(deployment: &Deployment) -> Answer {
    reload_request(deployment)
        .header("x-vestibule-admin", "1")
        .send()
}

#[test]
fn s63_a_login_begun_before_a_reload_starts_again_under_the_new_rules() {
    let party = RelyingParty::new("reloaded");
    let deployment = deployed(&party);
    let mut browser = Browser::that_keeps_the_response();
    let page = browser.open(&party.request().url(&deployment.base_url));
    let old_form = page.form_with("j_username").unwrap();
    deployment.home.require_mfa(&party.entity_id);
    assert_eq!(reload(&deployment).status, 200);

    // The password that was typed under the old rules is not taken: the page is shown again.
    let typed = old_form
        .fill("j_username", ALICE.name)
        .fill("j_password", ALICE.password);
    let page = browser.submit(&page, &typed);
    assert!(page.form_with("j_username").is_some(), "{}", page.body());
    let arrival = browser.walk(page, ALICE);
    assert_eq!(arrival.prompts, [Prompt::Password, Prompt::Duo]);
    assert_eq!(Response::of(&arrival).class(), MFA);
}

#[test]
fn a_configuration_with_an_error_changes_nothing_and_says_why() {
    let party = RelyingParty::new("unharmed");
    let deployment = deployed(&party);
    let mut browser = Browser::that_keeps_the_response();
    let page = browser.open(&party.request().url(&deployment.base_url));
    deployment
        .home
        .append("conf/idp.properties", "\nvestibule.nosuch = 1\n");
    let refused = reload(&deployment);
    assert_eq!(refused.status, 409);
    let said = &refused.body;
    assert!(said.contains("vestibule.nosuch"), "{said}");
    let arrival = browser.walk(page, ALICE);
    assert_eq!(Response::of(&arrival).class(), PPT);
}

#[test]
fn a_broken_page_template_is_refused_at_reload() {
    let party = RelyingParty::new("templates");
    let deployment = deployed(&party);
    deployment.home.write("views/login.html", "{% if %}");
    assert_eq!(reload(&deployment).status, 409);
    deployment
        .home
        .write("views/login.html", "<h1>Our own page</h1>");
    assert_eq!(reload(&deployment).status, 200);
    let page = Browser::new().open(&party.request().url(&deployment.base_url));
    assert_eq!(page.body(), "<h1>Our own page</h1>");
}

#[test]
fn a_reload_needs_the_header_that_no_foreign_page_can_send() {
    let party = RelyingParty::new("guarded");
    let deployment = deployed(&party);
    assert_eq!(reload_request(&deployment).send().status, 404);
    // Somebody we do not know speaks for the client: it need not be on this machine.
    let forwarded = reload_request(&deployment)
        .header("x-vestibule-admin", "1")
        .header("x-forwarded-for", "127.0.0.1");
    assert_eq!(forwarded.send().status, 404);
}

#[test]
fn a_relying_party_added_while_serving_is_known_without_a_reload() {
    let first = RelyingParty::new("first");
    let deployment = deployed(&first);
    let second = RelyingParty::new("second");
    deployment.trust("second", &second.metadata());
    let page = wait_for("the new relying party", || {
        let page = Browser::new().open(&second.request().url(&deployment.base_url));
        page.form_with("j_username").map(|_| page)
    });
    assert!(page.body().contains("Sign in"));
}

#[test]
fn s28_a_relying_party_removed_in_mid_login_gets_no_answer() {
    let party = RelyingParty::new("removed");
    let deployment = deployed(&party);
    let mut browser = Browser::that_keeps_the_response();
    let page = browser.open(&party.request().url(&deployment.base_url));
    let form = page.form_with("j_username").unwrap();
    std::fs::remove_file(deployment.home.path.join("metadata/party.xml")).unwrap();
    wait_for("the removal", || {
        let page = Browser::new().open(&party.request().url(&deployment.base_url));
        page.form_with("j_username").is_none().then_some(())
    });
    let form = form
        .fill("j_username", ALICE.name)
        .fill("j_password", ALICE.password);
    let page = browser.submit(&page, &form);
    assert!(Response::on(&page).is_none(), "{}", page.body());
}
