//! Service providers that nobody here wrote: the Shibboleth SP, pysaml2 and node-saml.

use super::*;
use crate::harness::library::Library;
use crate::harness::pysaml2::{Pysaml2, Verdict};
use crate::harness::shibboleth::Shibboleth;

/// Leaves a service provider only some bindings for logout, by the last words of their names.
fn keep_bindings(deployment: &Deployment, (file, metadata): (&str, &str), kept: &[&str]) {
    let pieces = metadata.split_inclusive("/>");
    let is_other = |piece: &str| {
        let logout = piece
            .rsplit_once('<')
            .is_some_and(|(_, element)| element.contains("SingleLogoutService"));
        logout
            && !kept
                .iter()
                .any(|kept| piece.contains(&format!("bindings:{kept}\"")))
    };
    let without: String = pieces
        .map(|piece| match piece.rsplit_once('<') {
            Some((before, _)) if is_other(piece) => before,
            _ => piece,
        })
        .collect();
    deployment.trust(file, &without);
}

fn metadata_of(deployment: &Deployment, file: &str) -> String {
    let path = deployment.home.path.join(format!("metadata/{file}.xml"));
    fs::read_to_string(path).unwrap()
}

fn shibboleth(kept: &[&str], asynchronous: bool) -> (Deployment, Shibboleth) {
    let mut deployment = Deployment::prepare();
    let providers = Shibboleth::start_signing(&deployment, asynchronous);
    for file in ["shibboleth-0", "shibboleth-1"] {
        let metadata = metadata_of(&deployment, file);
        assert!(metadata.contains("SingleLogoutService"), "{metadata}");
        keep_bindings(&deployment, (file, &metadata), kept);
    }
    deployment.serve();
    (deployment, providers)
}

fn signed_in_at_both(providers: &Shibboleth) -> Browser {
    let mut browser = Browser::new();
    for number in [0, 1] {
        let arrival = browser.log_in(&providers.secure(number), ALICE);
        assert_eq!(arrival.page.body(), "open to sessions");
        assert!(providers.session(number, &mut browser).is_some());
    }
    browser
}

/// Goes on from page to page as a browser with JavaScript does.
fn go_on(browser: &mut Browser, mut page: Page) -> Page {
    for _ in 0..10 {
        let moving = page.body().contains("id=\"respond\"")
            || page.body().contains("document.forms[0].submit()")
            || page.form_with("SAMLRequest").is_some();
        let Some(form) = Form::all(page.body()).into_iter().next().filter(|_| moving) else {
            return page;
        };
        page = browser.submit(&page, &form);
    }
    panic!("pages without end: {}", page.body());
}

fn assert_signed_out_everywhere(
    deployment: &Deployment,
    providers: &Shibboleth,
    browser: &mut Browser,
) {
    for number in [0, 1] {
        assert!(providers.session(number, browser).is_none(), "at {number}");
        let page = browser.open(&providers.secure(number));
        assert!(page.form_with("j_username").is_some(), "{}", page.body());
    }
    let lines = logout_lines(deployment, 1);
    assert_eq!(lines.len(), 1, "{lines:#?}");
}

#[test]
fn shibboleth_signs_out_everywhere_over_the_back_channel() {
    let (deployment, providers) = shibboleth(&["SOAP", "HTTP-Redirect"], false);
    let mut browser = signed_in_at_both(&providers);
    let page = browser.open(&providers.logout(0));
    let page = go_on(&mut browser, page);
    assert!(
        page.url.as_str().starts_with("http://127.0.0.1:"),
        "{}",
        page.url
    );
    assert!(
        page.body().contains("global logout") || page.body().contains("Logout completed"),
        "{}",
        page.body()
    );
    assert_signed_out_everywhere(&deployment, &providers, &mut browser);
}

#[test]
fn shibboleth_signs_out_everywhere_by_redirect() {
    let (deployment, providers) = shibboleth(&["HTTP-Redirect"], false);
    let mut browser = signed_in_at_both(&providers);
    let page = browser.open(&providers.logout(0));
    assert_eq!(told(&page), ["not-yet"], "{}", page.body());
    let page = go_on(&mut browser, page);
    assert!(
        page.url.as_str().starts_with("http://127.0.0.1:"),
        "{}",
        page.url
    );
    assert_signed_out_everywhere(&deployment, &providers, &mut browser);
}

#[test]
fn shibboleth_as_it_is_shipped_waits_for_no_answer_and_leaves_the_user_with_us() {
    let (deployment, providers) = shibboleth(&["SOAP", "HTTP-Redirect"], true);
    let mut browser = signed_in_at_both(&providers);
    let page = browser.open(&providers.logout(0));
    assert_eq!(told(&page), ["ended"], "{}", page.body());
    assert!(
        page.body().contains("You are signed out"),
        "{}",
        page.body()
    );
    assert_signed_out_everywhere(&deployment, &providers, &mut browser);
}

#[test]
fn our_page_signs_out_of_shibboleth_by_every_binding() {
    for kept in ["SOAP", "HTTP-Redirect", "HTTP-POST"] {
        let (deployment, providers) = shibboleth(&[kept], true);
        let mut browser = signed_in_at_both(&providers);
        let page = browser.open(&deployment.url(OWN_PAGE));
        let form = Form::all(page.body()).remove(0);
        let page = browser.submit(&page, &form);
        let page = go_on(&mut browser, page);
        assert_eq!(told(&page), ["ended", "ended"], "{kept}: {}", page.body());
        assert_signed_out_everywhere(&deployment, &providers, &mut browser);
    }
}

fn pysaml2(kept: &[&str]) -> (Deployment, Pysaml2) {
    let mut deployment = Deployment::prepare();
    let providers = Pysaml2::start(&deployment, &[]);
    for file in ["pysaml2-0", "pysaml2-1"] {
        let metadata = metadata_of(&deployment, file);
        keep_bindings(&deployment, (file, &metadata), kept);
    }
    deployment.serve();
    (deployment, providers)
}

fn signed_in_at_both_of(providers: &Pysaml2) -> Browser {
    let mut browser = Browser::new();
    for number in [0, 1] {
        let arrival = browser.log_in(&providers.login(number, ""), ALICE);
        Verdict::read(&arrival.page).class();
        assert!(providers.is_signed_in(number));
    }
    browser
}

#[test]
fn pysaml2_signs_out_by_every_binding_and_the_other_one_is_told() {
    for (binding, kept) in [
        ("redirect", "HTTP-Redirect"),
        ("post", "HTTP-POST"),
        ("soap", "SOAP"),
    ] {
        let (deployment, providers) = pysaml2(&[kept]);
        let mut browser = signed_in_at_both_of(&providers);
        let page = browser.open(&providers.logout(0, binding));
        let page = go_on(&mut browser, page);
        let verdict = Verdict::read(&page);
        assert!(
            verdict.text("logout").ends_with(":Success"),
            "{binding}: {verdict:?}"
        );
        assert_eq!(verdict.text("second_status"), "", "{binding}");
        assert!(!providers.is_signed_in(1), "{binding}");
        assert_eq!(logout_lines(&deployment, 1).len(), 1);
    }
}

#[test]
fn our_page_signs_out_of_pysaml2_by_every_binding() {
    for kept in ["HTTP-Redirect", "HTTP-POST", "SOAP"] {
        let (deployment, providers) = pysaml2(&[kept]);
        let mut browser = signed_in_at_both_of(&providers);
        let page = browser.open(&deployment.url(OWN_PAGE));
        let form = Form::all(page.body()).remove(0);
        let page = browser.submit(&page, &form);
        let page = go_on(&mut browser, page);
        assert_eq!(told(&page), ["ended", "ended"], "{kept}: {}", page.body());
        assert!(
            !providers.is_signed_in(0) && !providers.is_signed_in(1),
            "{kept}"
        );
    }
}

fn node_saml() -> (Deployment, Library, Browser) {
    let mut deployment = Deployment::prepare();
    let providers = Library::node_saml(&deployment, &["--signed", "--encrypt"]);
    deployment.serve();
    let mut browser = Browser::new();
    for number in [0, 1] {
        let arrival = browser.log_in(&providers.login(number, ""), ALICE);
        assert_eq!(Verdict::read(&arrival.page).0["encrypted"], true);
    }
    (deployment, providers, browser)
}

/// The logout messages that arrived at a service provider on node-saml.
fn arrived(providers: &Library, number: u8) -> Vec<serde_json::Value> {
    let url = Url::parse(&providers.url(number, "logouts")).unwrap();
    serde_json::from_str(&Request::get(url).send().body).unwrap()
}

fn is_signed_out(providers: &Library, browser: &mut Browser) -> bool {
    let page = browser.open(&providers.login(0, ""));
    page.form_with("j_username").is_some()
}

#[test]
fn node_saml_signs_out_and_the_other_one_is_told() {
    let (deployment, providers, mut browser) = node_saml();
    let page = browser.open(&providers.url(0, "logout"));
    let page = go_on(&mut browser, page);
    let answer: serde_json::Value = serde_json::from_str(page.body()).unwrap();
    assert_eq!(answer["message"], "response", "{answer}");
    assert_eq!(answer["logged_out"], true, "{answer}");
    assert_eq!(answer["relay_state"], "logging-out");
    let [asked] = <[_; 1]>::try_from(arrived(&providers, 1)).unwrap();
    assert_eq!(asked["message"], "request");
    assert_eq!(asked["logged_out"], true, "{asked}");
    assert_eq!(asked["name_id"], "alice@example.org");
    assert_eq!(logout_lines(&deployment, 1).len(), 1);
    assert!(is_signed_out(&providers, &mut browser));
}

#[test]
fn our_page_signs_out_of_node_saml() {
    let (deployment, providers, mut browser) = node_saml();
    let page = browser.open(&deployment.url(OWN_PAGE));
    let form = Form::all(page.body()).remove(0);
    let page = browser.submit(&page, &form);
    let page = go_on(&mut browser, page);
    assert_eq!(told(&page), ["ended", "ended"], "{}", page.body());
    for number in [0, 1] {
        let asked = arrived(&providers, number);
        assert_eq!(asked[0]["logged_out"], true, "{asked:?}");
    }
    assert!(is_signed_out(&providers, &mut browser));
}
