//! The user signs out on our own page.

use super::*;
use crate::harness::browser::BOB;
use crate::harness::logout::request as logout_request;

#[test]
fn our_page_signs_out_at_its_button_and_says_so() {
    let party = RelyingParty::new("quiet");
    let other = RelyingParty::with_logout("two", &["HTTP-Redirect"]);
    let deployment = serving(&[&party, &other]);
    let (mut browser, _) = signed_in(&deployment, &[&other]);
    let page = browser.open(&deployment.url(OWN_PAGE));
    assert!(page.body().contains("alice"), "{}", page.body());
    assert!(page.body().contains(&other.entity_id), "{}", page.body());
    assert!(
        has_session(&deployment, &browser, &party),
        "looking at the page ends nothing"
    );
    let page = press(&deployment, &mut browser, &page).page();
    assert!(
        page.body().contains("You are signed out here"),
        "{}",
        page.body()
    );
    assert!(!has_session(&deployment, &browser, &party));
    let page = browser.open(&deployment.url(OWN_PAGE));
    assert!(
        page.body().contains("You are not signed in here"),
        "{}",
        page.body()
    );
}

#[test]
fn s33_another_sites_form_signs_nobody_out() {
    let party = RelyingParty::new("quiet");
    let deployment = serving(&[&party]);
    let (mut browser, _) = signed_in(&deployment, &[&party]);
    let page = browser.open(&deployment.url(OWN_PAGE));
    let form = Form::all(page.body()).remove(0);
    for forged in [
        form.clone().fill("csrf_token", &"0".repeat(64)),
        Form {
            fields: Vec::new(),
            ..form.clone()
        },
    ] {
        let page = browser.submit(&page, &forged);
        assert_eq!(page.response.status, 403, "{}", page.body());
    }
    // The token of another session.
    let mut bob = Browser::that_keeps_the_response();
    sign_in(&deployment, &mut bob, (&party, BOB));
    let page = bob.submit(&page, &form);
    assert_eq!(page.response.status, 403, "{}", page.body());
    assert!(has_session(&deployment, &browser, &party));
    assert!(has_session(&deployment, &bob, &party));
}

#[test]
fn every_service_is_told_by_redirect_and_post_with_the_name_it_was_given() {
    let first = RelyingParty::with_logout("first", &["HTTP-Redirect", "HTTP-POST"]);
    let second = RelyingParty::with_logout("second", &["HTTP-POST"]);
    let deployment = serving(&[&first, &second]);
    let (mut browser, subjects) = signed_in(&deployment, &[&first, &second]);
    let page = sign_out_here(&deployment, &mut browser).page();
    assert_eq!(told(&page), ["not-yet", "not-yet"], "{}", page.body());
    assert!(page.body().contains("post.js"), "it moves on by itself");

    let asked = press(&deployment, &mut browser, &page).message();
    assert_eq!(asked.posted_to, first.logout[0].1);
    assert_eq!(asked.texts("NameID"), [subjects[0].name.clone()]);
    assert_eq!(
        asked.texts("SessionIndex"),
        [subjects[0].session_index.clone()]
    );
    let qualifier = asked.values("NameID", "SPNameQualifier");
    assert_eq!(qualifier, std::slice::from_ref(&first.entity_id));

    let url = answer_url(&deployment, &first, &asked, "Success");
    let page = open(&deployment, &mut browser, &url).page();
    let form = page
        .form_with("SAMLRequest")
        .unwrap_or_else(|| panic!("{}", page.body()));
    assert_eq!(form.action, second.logout[0].1);
    let asked = posted_request(&form);
    assert_eq!(asked.texts("NameID"), [subjects[1].name.clone()]);
    assert!(asked.xml.contains("<ds:Signature"), "{}", asked.xml);

    let answered = answer_to(&deployment, &second, (&asked, POST), "Success");
    let post = answered.post(&deployment.url(POST));
    let page = follow(&deployment, &mut browser, post).page();
    assert_eq!(told(&page), ["ended", "ended"], "{}", page.body());
    assert!(page.body().contains("of every service"), "{}", page.body());
    let lines = logout_lines(&deployment, 1);
    assert_eq!(lines.len(), 1, "{lines:#?}");
    for part in [
        "alice",
        "first.example/sp: ended",
        "second.example/sp: ended",
    ] {
        assert!(lines[0].contains(part), "{part}: {}", lines[0]);
    }
}

#[test]
fn a_service_that_does_not_bring_the_user_back_holds_nobody_up() {
    let first = RelyingParty::with_logout("first", &["HTTP-Redirect"]);
    let second = RelyingParty::with_logout("second", &["HTTP-Redirect"]);
    let third = RelyingParty::with_logout("third", &["HTTP-Redirect"]);
    let deployment = serving(&[&first, &second, &third]);
    let (mut browser, _) = signed_in(&deployment, &[&first, &second, &third]);
    let page = sign_out_here(&deployment, &mut browser).page();
    let asked = press(&deployment, &mut browser, &page).message();
    // The back button.
    let page = browser.open(page.url.as_str());
    assert_eq!(
        told(&page),
        ["asked", "not-yet", "not-yet"],
        "{}",
        page.body()
    );
    assert!(!page.body().contains("post.js"), "the user decides");
    let refused = press(&deployment, &mut browser, &page).message();
    assert_eq!(refused.posted_to, second.logout[0].1);
    let url = answer_url(&deployment, &second, &refused, "Responder");
    let last = open(&deployment, &mut browser, &url).message();
    assert_eq!(last.posted_to, third.logout[0].1);
    // The first one comes late, and is believed.
    let url = answer_url(&deployment, &first, &asked, "Success");
    let page = open(&deployment, &mut browser, &url).page();
    assert_eq!(
        told(&page),
        ["ended", "not-ended", "asked"],
        "{}",
        page.body()
    );
    let page = press(&deployment, &mut browser, &page).page();
    assert_eq!(
        told(&page),
        ["ended", "not-ended", "silent"],
        "{}",
        page.body()
    );
    assert!(page.body().contains("role=\"alert\""), "{}", page.body());
    assert_eq!(logout_lines(&deployment, 1).len(), 1);
}

#[test]
fn a_service_that_is_down_did_not_answer() {
    let mut party = RelyingParty::with_logout("one", &["SOAP"]);
    party.logout[0].1 = format!("http://127.0.0.1:{}/slo", crate::harness::port::free());
    let deployment = serving(&[&party]);
    let (mut browser, _) = signed_in(&deployment, &[&party]);
    let page = sign_out_here(&deployment, &mut browser).page();
    assert_eq!(told(&page), ["silent"], "{}", page.body());
}

#[test]
fn the_logout_of_one_session_leaves_the_other() {
    let party = RelyingParty::with_logout("one", &["HTTP-Redirect"]);
    let deployment = serving(&[&party]);
    let (mut here, subjects) = signed_in(&deployment, &[&party]);
    let (there, _) = signed_in(&deployment, &[&party]);
    let url = request_url(&deployment, (&party, &subjects[0]));
    open(&deployment, &mut here, &url).message();
    assert!(!has_session(&deployment, &here, &party));
    assert!(has_session(&deployment, &there, &party));
}

#[test]
fn s38_another_browser_sees_nothing_of_a_logout_and_cannot_move_it() {
    let party = RelyingParty::with_logout("one", &["HTTP-Redirect"]);
    let deployment = serving(&[&party]);
    let (mut browser, _) = signed_in(&deployment, &[&party]);
    let page = sign_out_here(&deployment, &mut browser).page();
    let mut other = Browser::that_keeps_the_response();
    let seen = other.open(page.url.as_str());
    assert_eq!(seen.response.status, 403);
    assert!(!seen.body().contains(&party.entity_id), "{}", seen.body());
    let form = Form::all(page.body()).remove(0);
    let moved = other.submit(&page, &form);
    assert_eq!(moved.response.status, 403);
    let wrong = form.fill("csrf_token", &"0".repeat(32));
    let moved = browser.submit(&page, &wrong);
    assert_eq!(moved.response.status, 403);
    let again = browser.open(page.url.as_str());
    assert_eq!(told(&again), ["not-yet"]);
}

#[test]
fn s50_an_answer_that_is_forged_or_of_somebody_else_does_not_count() {
    let party = RelyingParty::with_logout("one", &["HTTP-Redirect"]);
    let other = RelyingParty::with_logout("two", &["HTTP-Redirect"]);
    let deployment = serving(&[&party, &other]);
    let (mut browser, _) = signed_in(&deployment, &[&party]);
    let page = sign_out_here(&deployment, &mut browser).page();
    let asked = press(&deployment, &mut browser, &page).message();
    let endpoint = deployment.url(REDIRECT);
    let honest = answer_to(&deployment, &party, (&asked, REDIRECT), "Success");
    let strangers = answer_to(&deployment, &other, (&asked, REDIRECT), "Success");
    for url in [
        honest.unsigned_url(&endpoint),
        strangers.url(&endpoint),
        honest.url_signed_by(&endpoint, &attacks::strangers_key()),
    ] {
        let refused = open(&deployment, &mut browser, &url).page();
        assert_eq!(refused.response.status, 400, "{}", refused.body());
        let page = browser.open(page.url.as_str());
        assert_eq!(told(&page), ["asked"], "{}", page.body());
    }
    // A request of our own kind is no answer either.
    let subject = Subject::of_name("x");
    let request = logout_request(&party, &endpoint, &subject).url(&endpoint);
    open(&deployment, &mut browser, &request);
    let page = browser.open(page.url.as_str());
    assert_eq!(told(&page), ["asked"], "{}", page.body());
}

fn posted_request(form: &Form) -> Response {
    use base64::Engine as _;
    let octets = base64::engine::general_purpose::STANDARD
        .decode(form.value("SAMLRequest").unwrap())
        .unwrap();
    Response {
        xml: String::from_utf8(octets).unwrap(),
        relay_state: None,
        posted_to: form.action.clone(),
    }
}
