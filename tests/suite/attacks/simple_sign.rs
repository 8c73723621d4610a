//! Requests by HTTP-POST-SimpleSign: S06, S10, S11, S24, S25.

use super::{assert_refused_locally, response, serving};
use crate::harness::browser::{ALICE, Browser, Page};
use crate::harness::http::Request;
use crate::harness::idp::Deployment;
use crate::harness::relying_party::{AuthnRequest, PPT, RSA_SHA256, RelyingParty, signature};
use url::Url;

type Fields = Vec<(String, String)>;

/// Where such requests go, below the base URL.
const PATH: &str = "/profile/SAML2/POST-SimpleSign/SSO";

fn post(deployment: &Deployment, fields: &[(String, String)]) -> Page {
    post_to(deployment, PATH, fields)
}

fn post_to(deployment: &Deployment, path: &str, fields: &[(String, String)]) -> Page {
    let url = Url::parse(&deployment.url(path)).unwrap();
    let from = Url::parse("https://relying-party.example/").unwrap();
    Browser::that_keeps_the_response().navigate(Request::post(url, fields), Some(&from))
}

/// A party whose metadata wants every request signed, and a request of it for this endpoint.
fn signing(name: &str) -> (RelyingParty, Deployment) {
    let mut party = RelyingParty::new(name);
    party.role_attributes = "AuthnRequestsSigned=\"true\"";
    let deployment = serving(&[&party]);
    (party, deployment)
}

fn request(party: &RelyingParty, deployment: &Deployment) -> AuthnRequest {
    party.request().with("Destination", &deployment.url(PATH))
}

fn change(fields: &[(String, String)], name: &str, value: &str) -> Fields {
    let mut fields = fields.to_vec();
    let field = fields.iter_mut().find(|(known, _)| known == name).unwrap();
    value.clone_into(&mut field.1);
    fields
}

fn without(fields: &[(String, String)], names: &[&str]) -> Fields {
    let kept = fields.iter().filter(|(name, _)| !names.contains(&&**name));
    kept.cloned().collect()
}

#[test]
fn a_request_signed_beside_its_form_is_answered_like_any_other() {
    let (party, deployment) = signing("simple");
    let fields = request(&party, &deployment).simple_sign_fields();
    let mut browser = Browser::that_keeps_the_response();
    let url = Url::parse(&deployment.url(PATH)).unwrap();
    let from = Url::parse("https://relying-party.example/").unwrap();
    let page = browser.navigate(Request::post(url, &fields), Some(&from));
    assert_eq!(page.url.path(), format!("/idp{PATH}"));
    let answer = response(&browser.walk(page, ALICE));
    assert_eq!(answer.class(), PPT);
    assert_eq!(answer.relay_state.as_deref(), Some("state"));
}

#[test]
fn a_request_without_relay_state_is_signed_without_it() {
    let (party, deployment) = signing("stateless");
    let request = request(&party, &deployment);
    let signed = format!("SAMLRequest={}&SigAlg={RSA_SHA256}", request.xml());
    let fields = without(&request.simple_sign_fields(), &["RelayState"]);
    let fields = change(&fields, "Signature", &signature(signed.as_bytes()));
    let page = post(&deployment, &fields);
    assert!(page.form_with("j_username").is_some(), "{}", page.body());
}

#[test]
fn s06_an_unsigned_form_is_refused_where_metadata_wants_signatures() {
    let (party, deployment) = signing("unsigned");
    let fields = request(&party, &deployment).simple_sign_fields();
    for left_out in [&["SigAlg", "Signature"][..], &["SigAlg"], &["Signature"]] {
        let page = post(&deployment, &without(&fields, left_out));
        assert_refused_locally(&page, &format!("without {left_out:?}"));
    }
    let lenient = RelyingParty::new("lenient");
    let deployment = serving(&[&lenient]);
    let request = request(&lenient, &deployment);
    let page = post(&deployment, &request.post_fields());
    assert!(page.form_with("j_username").is_some(), "{}", page.body());
    let forged = change(&request.simple_sign_fields(), "Signature", "AAAA");
    assert_refused_locally(&post(&deployment, &forged), "a signature that is wrong");
}

#[test]
fn s10_the_signature_covers_the_values_in_the_order_of_the_binding() {
    let (party, deployment) = signing("ordered");
    let request = request(&party, &deployment);
    let (xml, fields) = (request.xml(), request.simple_sign_fields());
    let encoded = &fields[0].1;
    for (what, signed) in [
        (
            "another order",
            format!("RelayState=state&SAMLRequest={xml}&SigAlg={RSA_SHA256}"),
        ),
        (
            "base64",
            format!("SAMLRequest={encoded}&RelayState=state&SigAlg={RSA_SHA256}"),
        ),
        (
            "no RelayState",
            format!("SAMLRequest={xml}&SigAlg={RSA_SHA256}"),
        ),
        (
            "no algorithm",
            format!("SAMLRequest={xml}&RelayState=state"),
        ),
        (
            "another name",
            format!("SAMLResponse={xml}&RelayState=state&SigAlg={RSA_SHA256}"),
        ),
        ("the document alone", xml.clone()),
    ] {
        let forged = change(&fields, "Signature", &signature(signed.as_bytes()));
        assert_refused_locally(&post(&deployment, &forged), what);
    }
    for (name, value) in [
        ("RelayState", "elsewhere"),
        ("SigAlg", "http://www.w3.org/2000/09/xmldsig#rsa-sha1"),
        (
            "SigAlg",
            "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512",
        ),
    ] {
        let page = post(&deployment, &change(&fields, name, value));
        assert_refused_locally(&page, &format!("{name} changed"));
    }
}

#[test]
fn s11_a_doubled_parameter_of_the_form_is_refused() {
    let (party, deployment) = signing("doubled");
    let fields = request(&party, &deployment).simple_sign_fields();
    for (name, value) in fields.clone() {
        for value in [value, "other".to_owned()] {
            let mut doubled = fields.clone();
            doubled.push((name.clone(), value));
            assert_refused_locally(&post(&deployment, &doubled), &format!("two {name}"));
        }
        let path = format!("{PATH}?{name}=x");
        let page = post_to(&deployment, &path, &fields);
        assert_refused_locally(&page, &format!("{name} in the query"));
    }
    let mut both = fields;
    both.push(("SAMLResponse".to_owned(), "AAAA".to_owned()));
    assert_refused_locally(&post(&deployment, &both), "both messages");
}

#[test]
fn s24_a_signed_form_for_another_endpoint_is_refused() {
    let (party, deployment) = signing("addressed");
    for path in ["/profile/SAML2/POST/SSO", "/profile/SAML2/Redirect/SSO"] {
        let request = party.request().with("Destination", &deployment.url(path));
        let page = post(&deployment, &request.simple_sign_fields());
        assert_refused_locally(&page, path);
    }
    let nowhere = party.request().simple_sign_fields();
    assert_refused_locally(&post(&deployment, &nowhere), "no Destination");
    let fields = request(&party, &deployment).simple_sign_fields();
    let page = post_to(&deployment, "/profile/SAML2/POST/SSO", &fields);
    assert_refused_locally(&page, "at the endpoint of HTTP-POST");
}

#[test]
fn s25_a_signed_form_is_good_once() {
    let (party, deployment) = signing("once");
    let fields = request(&party, &deployment).simple_sign_fields();
    assert!(post(&deployment, &fields).form_with("j_username").is_some());
    assert_refused_locally(&post(&deployment, &fields), "the same form again");
}
