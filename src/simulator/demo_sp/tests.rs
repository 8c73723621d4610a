use super::answer::verify;
use super::http::{Service, routes};
use super::request::{Wish, redirect_url};
use super::*;
use crate::saml::binding;
use crate::saml::key::SigningKey;
use crate::saml::key::tests::{rsa, signing_key};
use crate::saml::metadata::{self, AnswerBy, MetadataResolver, MetadataSet};
use crate::saml::request::{Acceptance, accept};
use crate::saml::signature;
use actix_web::{App, test as actix, web};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use std::sync::Mutex;
use std::time::Duration;

const NOW: &str = "2026-11-23T10:00:00Z";
const IDP: &str = "https://idp.example.org/idp";
const SSO: &str = "http://127.0.0.1:9001/idp/profile/SAML2/Redirect/SSO";

#[derive(Debug)]
struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> Timestamp {
        at(NOW)
    }
}

impl Random for Fixed {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.fill(7);
    }
}

/// The ID that [`Fixed`] makes.
const REQUEST: &str = "_07070707070707070707070707070707";

fn at(text: &str) -> Timestamp {
    text.parse().expect("a timestamp")
}

fn site(number: u8) -> Site {
    Site {
        number,
        origin: "http://127.0.0.1:9002".to_owned(),
        name: format!("Site <{number}>"),
        what: "Shows & tells.".to_owned(),
    }
}

fn idp(key: &SigningKey) -> IdentityProvider {
    IdentityProvider {
        entity_id: IDP.to_owned(),
        sso_url: SSO.to_owned(),
        keys: vec![TrustedKey(key.certificate().public_key().expect("a key"))],
    }
}

/// What stands in a good Response behind its Issuer; tests replace parts of it.
fn content() -> String {
    let (acs, audience) = (site(1).acs(), site(1).entity_id());
    let instant = |minute| format!("2026-11-23T10:{minute}:00Z");
    let (start, end) = (instant("00"), instant("05"));
    let subject = format!(
        "<saml2:Subject><saml2:NameID Format=\"urn:f\">n-1</saml2:NameID>\
         <saml2:SubjectConfirmation Method=\"urn:oasis:names:tc:SAML:2.0:cm:bearer\">\
         <saml2:SubjectConfirmationData InResponseTo=\"{REQUEST}\" NotOnOrAfter=\"{end}\" \
         Recipient=\"{acs}\"></saml2:SubjectConfirmationData></saml2:SubjectConfirmation>\
         </saml2:Subject>"
    );
    let conditions = format!(
        "<saml2:Conditions NotBefore=\"{start}\" NotOnOrAfter=\"{end}\">\
         <saml2:AudienceRestriction><saml2:Audience>{audience}</saml2:Audience>\
         </saml2:AudienceRestriction></saml2:Conditions>"
    );
    let statements = format!(
        "<saml2:AuthnStatement AuthnInstant=\"{start}\" SessionIndex=\"_s\"><saml2:AuthnContext>\
         <saml2:AuthnContextClassRef>https://refeds.org/profile/mfa</saml2:AuthnContextClassRef>\
         </saml2:AuthnContext></saml2:AuthnStatement><saml2:AttributeStatement>\
         <saml2:Attribute FriendlyName=\"mail\" Name=\"urn:mail\">\
         <saml2:AttributeValue>a@example.org</saml2:AttributeValue>\
         <saml2:AttributeValue>&lt;script&gt;</saml2:AttributeValue></saml2:Attribute>\
         <saml2:Attribute Name=\"duoResult\"><saml2:AttributeValue>{{\"id_token\":\"eyJ-secret\",\
         \"auth_context\":{{\"factor\":\"duo_push\"}}}}</saml2:AttributeValue></saml2:Attribute>\
         </saml2:AttributeStatement>"
    );
    format!(
        "<saml2p:Status><saml2p:StatusCode Value=\"urn:oasis:names:tc:SAML:2.0:status:Success\">\
         </saml2p:StatusCode></saml2p:Status>\
         <saml2:Assertion xmlns:saml2=\"urn:oasis:names:tc:SAML:2.0:assertion\" ID=\"_a\" \
         IssueInstant=\"{start}\" Version=\"2.0\"><saml2:Issuer>{IDP}</saml2:Issuer>\
         {subject}{conditions}{statements}</saml2:Assertion>"
    )
}

/// A Response with its attributes; an empty value leaves the attribute out.
struct Response {
    destination: String,
    in_response_to: &'static str,
    issuer: &'static str,
    version: &'static str,
    content: String,
}

impl Response {
    fn good() -> Self {
        Self {
            destination: site(1).acs(),
            in_response_to: REQUEST,
            issuer: IDP,
            version: "2.0",
            content: content(),
        }
    }

    fn with(change: impl FnOnce(&mut Self)) -> Self {
        let mut response = Self::good();
        change(&mut response);
        response
    }

    fn signed(&self, key: &SigningKey) -> String {
        let mut w = Writer::new();
        w.open(Namespace::PROTOCOL, "Response");
        w.attribute("ID", "_r");
        w.attribute("Version", self.version);
        w.attribute("IssueInstant", NOW);
        for (name, value) in [
            ("Destination", self.destination.as_str()),
            ("InResponseTo", self.in_response_to),
        ] {
            if !value.is_empty() {
                w.attribute(name, value);
            }
        }
        w.leaf(Namespace::ASSERTION, "Issuer", self.issuer);
        let place = w.place();
        w.insert(&place, &self.content);
        w.close();
        signature::sign(&mut w, &place, "_r", key).expect("signed");
        w.finish()
    }
}

fn verified(xml: &str, key: &SigningKey, now: &str) -> Result<Answer, Rejection> {
    verify(xml.as_bytes(), &site(1), &idp(key), at(now))
}

#[test]
fn the_login_url_carries_a_request_that_our_own_idp_accepts() {
    let key = signing_key(&rsa(2048));
    let mut set = MetadataSet::new();
    let document = metadata::parse(site(1).metadata().as_bytes()).expect("metadata");
    assert_eq!(set.add(document), []);
    let wish = Wish::asking("https://refeds.org/profile/mfa");
    let url = redirect_url(&site(1), &idp(&key), &wish, REQUEST, at(NOW)).expect("a URL");
    let query = url.strip_prefix(&format!("{SSO}?")).expect("our endpoint");
    let inbound = binding::decode_redirect(query).expect("decoded");
    let acceptance = Acceptance {
        destinations: vec![(Binding::Redirect, SSO.to_owned())],
        clock_skew: Duration::ZERO,
        message_lifetime: Duration::from_mins(3),
        require_signed: false,
        decryption_keys: Vec::new(),
        answer_by: AnswerBy::Post,
    };
    let (request, party) = accept(&inbound, &set, &acceptance, at(NOW)).expect("accepted");
    assert_eq!(request.acs.endpoint.location, site(1).acs());
    assert_eq!(request.relay_state, Some(site(1).home()));
    assert!(request.force_authn && request.is_passive);
    assert_eq!(request.requested.map(|r| r.classes.len()), Some(1));
    assert_eq!(party.display_name(&[]), "Site <1>");
    assert!(set.entity(&site(2).entity_id(), at(NOW)).is_none());
}

#[test]
fn the_metadata_is_valid_by_the_oasis_schemas() {
    assert_eq!(crate::saml::xml::schema::errors(&site(1).metadata()), "");
}

#[test]
fn a_good_response_is_read_whole() {
    let key = signing_key(&rsa(2048));
    let answer = verified(&Response::good().signed(&key), &key, NOW).expect("verified");
    assert_eq!(answer.in_response_to, REQUEST);
    let Told::Assertion(assertion) = answer.told else {
        panic!("no assertion")
    };
    assert_eq!(assertion.class, "https://refeds.org/profile/mfa");
    assert_eq!(
        (assertion.name_id.as_str(), assertion.authn_instant.as_str()),
        ("n-1", NOW)
    );
    assert_eq!(
        assertion.attributes[0].values,
        ["a@example.org", "<script>"]
    );
    assert_eq!(assertion.attributes[1].friendly_name, "duoResult");
}

#[test]
fn a_refusal_is_read_with_both_status_codes() {
    let key = signing_key(&rsa(2048));
    let refusal = Response::with(|r| {
        r.content = "<saml2p:Status><saml2p:StatusCode Value=\"urn:top\"><saml2p:StatusCode \
                     Value=\"urn:second\"></saml2p:StatusCode></saml2p:StatusCode>\
                     <saml2p:StatusMessage>why</saml2p:StatusMessage></saml2p:Status>"
            .to_owned();
    });
    let answer = verified(&refusal.signed(&key), &key, NOW).expect("verified");
    let codes = vec!["urn:top".to_owned(), "urn:second".to_owned()];
    let message = "why".to_owned();
    assert_eq!(answer.told, Told::Refused { codes, message });
}

#[test]
fn a_response_that_is_not_for_this_sp_now_is_refused() {
    let key = signing_key(&rsa(2048));
    let replaced = |from: &str, to: &str| {
        let good = content();
        assert!(good.contains(from), "{from}");
        Response::with(|r| r.content = good.replace(from, to))
    };
    let acs = site(1).acs();
    for bad in [
        Response::with(|r| r.destination = site(2).acs()),
        Response::with(|r| r.destination = String::new()),
        Response::with(|r| r.in_response_to = ""),
        Response::with(|r| r.in_response_to = "_other"),
        Response::with(|r| r.issuer = "https://other.example.org"),
        Response::with(|r| r.version = "1.1"),
        Response::with(|r| r.content = String::new()),
        replaced(
            &format!("Recipient=\"{acs}\""),
            "Recipient=\"https://other.example.org/\"",
        ),
        replaced(
            &format!("InResponseTo=\"{REQUEST}\""),
            "InResponseTo=\"_other\"",
        ),
        replaced(":bearer", ":holder-of-key"),
        replaced(
            &format!("<saml2:Audience>{}", site(1).entity_id()),
            "<saml2:Audience>urn:other",
        ),
        replaced(
            &format!("<saml2:Issuer>{IDP}"),
            "<saml2:Issuer>https://other.example.org",
        ),
        replaced("NotOnOrAfter=\"2026-11-23T10:05:00Z\"", ""),
        replaced(
            "NotBefore=\"2026-11-23T10:00:00Z\"",
            "NotBefore=\"2026-11-23T10:30:00Z\"",
        ),
    ] {
        let xml = bad.signed(&key);
        assert!(verified(&xml, &key, NOW).is_err(), "{xml}");
    }
    let late = verified(&Response::good().signed(&key), &key, "2026-11-23T10:08:00Z");
    assert!(late.is_err());
}

#[test]
fn a_response_by_another_key_or_changed_after_signing_is_refused() {
    let (key, other) = (signing_key(&rsa(2048)), signing_key(&rsa(2048)));
    let good = Response::good().signed(&key);
    assert!(verified(&good, &other, NOW).is_err());
    assert!(verified(&good.replace("a@example.org", "b@example.org"), &key, NOW).is_err());
    let (start, end) = ("<ds:Signature", "</ds:Signature>");
    let cut = good.find(start).expect("signed")..good.find(end).expect("signed") + end.len();
    let mut unsigned = good.clone();
    unsigned.replace_range(cut, "");
    assert!(verified(&unsigned, &key, NOW).is_err());
}

/// Sends a Response to a site's ACS as a browser does; the page that comes back.
macro_rules! post {
    ($app:expr, $number:expr, $xml:expr) => {{
        let body = form_urlencoded::Serializer::new(String::new())
            .append_pair("SAMLResponse", &STANDARD.encode($xml))
            .finish();
        let request = actix::TestRequest::post()
            .uri(&format!("/sp/{}/acs", $number))
            .insert_header(("content-type", "application/x-www-form-urlencoded"))
            .set_payload(body)
            .to_request();
        let response = actix::call_service(&$app, request).await;
        let status = response.status().as_u16();
        let page = actix::read_body(response).await;
        (status, String::from_utf8(page.to_vec()).expect("UTF-8"))
    }};
}

#[actix_web::test]
async fn an_answer_is_taken_once_and_only_for_the_login_that_asked() {
    let key = signing_key(&rsa(2048));
    let service = web::Data::new(Service {
        options: Options {
            sites: vec![site(1), site(2)],
            idp: idp(&key),
            clock: Arc::new(Fixed),
            random: Arc::new(Fixed),
        },
        open: Mutex::default(),
    });
    let app = actix::init_service(App::new().app_data(service).configure(routes)).await;
    let good = Response::good().signed(&key);

    let (status, page) = post!(app, 1, &good);
    assert_eq!(status, 400, "nobody asked: {page}");

    let login = actix::TestRequest::get().uri("/sp/1/login").to_request();
    let redirect = actix::call_service(&app, login).await;
    assert_eq!(redirect.status().as_u16(), 302);
    let location = redirect.headers().get("location").expect("a location");
    assert!(
        location
            .to_str()
            .expect("ASCII")
            .starts_with(&format!("{SSO}?SAMLRequest="))
    );

    let (status, page) = post!(app, 2, &good);
    assert_eq!(status, 400, "another site: {page}");
    let (status, page) = post!(app, 1, &good);
    assert_eq!(status, 200, "{page}");
    assert!(page.contains("https://refeds.org/profile/mfa"));
    assert!(page.contains("&lt;script&gt;") && !page.contains("<script>"));
    assert!(page.contains("duo_push") && !page.contains("eyJ-secret"));
    let (status, page) = post!(app, 1, &good);
    assert_eq!(status, 400, "twice: {page}");
}

#[actix_web::test]
async fn every_page_says_what_it_is() {
    let key = signing_key(&rsa(2048));
    let service = web::Data::new(Service {
        options: Options {
            sites: vec![site(1)],
            idp: idp(&key),
            clock: Arc::new(Fixed),
            random: Arc::new(Fixed),
        },
        open: Mutex::default(),
    });
    let app = actix::init_service(App::new().app_data(service).configure(routes)).await;
    for (path, text) in [
        ("/", "Site &lt;1&gt;"),
        ("/sp/1/", "Shows &amp; tells."),
        ("/sp/1", "AssertionConsumerService"),
    ] {
        let request = actix::TestRequest::get().uri(path).to_request();
        let body = actix::call_and_read_body(&app, request).await;
        let page = String::from_utf8(body.to_vec()).expect("UTF-8");
        assert!(page.contains(text), "{path}: {page}");
    }
    let missing = actix::TestRequest::get().uri("/sp/9/").to_request();
    assert_eq!(
        actix::call_service(&app, missing).await.status().as_u16(),
        404
    );
}
