mod back_channel;
mod content;
mod encrypted;
mod logout;
mod name_ids;
mod signed;

use super::*;
use crate::attribute::Attribute;
use crate::authn::evidence::PasswordVerified;
use crate::authn::flow::FlowId;
use crate::authn::principal::ClassOrder;
use crate::authn::result::{AuthenticationResult, FactorResult};
use crate::saml::context::{AuthnContextClassRef, PASSWORD_PROTECTED_TRANSPORT};
use crate::saml::name_id::{NameId, TRANSIENT};
use crate::saml::request::AuthnRequest;
use crate::saml::xml::reader::{Element, Limits, parse};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

const IDP: &str = "https://idp.example.org/idp";
const SP: &str = "https://sp.example.org/shibboleth";
const ACS: &str = "https://sp.example.org/Shibboleth.sso/SAML2/POST";
const SAML: &str = "urn:oasis:names:tc:SAML:2.0:assertion";
const SAMLP: &str = "urn:oasis:names:tc:SAML:2.0:protocol";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn now() -> Timestamp {
    at("2026-11-23T10:20:30.4569Z")
}

/// A request as the store gives it back.
fn request(id: Option<&str>) -> AuthnRequest {
    serde_json::from_value(serde_json::json!({
        "id": id,
        "issuer": SP,
        "issue_instant": null,
        "binding": "Redirect",
        "acs": {
            "index": 1,
            "is_default": true,
            "endpoint": { "binding": "Post", "location": ACS, "response_location": null },
        },
        "force_authn": false,
        "is_passive": false,
        "requested": null,
        "name_id_policy": { "format": null, "sp_name_qualifier": null, "allow_create": false },
        "subject": null,
        "attribute_consuming_service_index": null,
        "proxy_count": null,
        "signed": false,
        "relay_state": null,
        "accepted": null,
    }))
    .unwrap()
}

fn class() -> AuthnContextClassRef {
    AuthnContextClassRef::new(PASSWORD_PROTECTED_TRANSPORT)
}

fn result() -> AuthenticationResult {
    let instant = at("2026-11-23T10:19:59Z");
    let evidence = PasswordVerified::attest("jdoe".into(), "htpasswd".into(), instant);
    let claims = BTreeSet::from([class()]);
    let factor = FactorResult::password(evidence, claims, &ClassOrder::default(), instant);
    AuthenticationResult::merge(BTreeMap::from([(FlowId::Password, factor)]), false).unwrap()
}

fn subject(value: &str) -> NameId {
    NameId {
        value: value.to_owned(),
        format: TRANSIENT.to_owned(),
        name_qualifier: Some(IDP.to_owned()),
        sp_name_qualifier: Some(SP.to_owned()),
    }
}

fn attribute(id: &str, values: &[&str]) -> Attribute {
    Attribute {
        id: id.to_owned(),
        name: format!("urn:oid:1.{}", id.len()),
        values: values.iter().map(|value| (*value).to_owned()).collect(),
    }
}

/// What a test says; everything else is as in an ordinary login.
struct Case {
    request: AuthnRequest,
    subject: NameId,
    attributes: Vec<Attribute>,
    class: AuthnContextClassRef,
    issuer: String,
    session_end: Option<Timestamp>,
    with_address: bool,
}

impl Default for Case {
    fn default() -> Self {
        Self {
            request: request(Some("_req1")),
            subject: subject("_AAAA"),
            attributes: vec![
                attribute("mail", &["jane@example.org", "j.doe@example.org"]),
                attribute("displayName", &["Jane & <Janet> \"J\" Dœ"]),
            ],
            class: class(),
            issuer: IDP.to_owned(),
            session_end: None,
            with_address: true,
        }
    }
}

impl Case {
    fn issue(&self) -> Assertion<'_> {
        let statement = Statement {
            issuer: &self.issuer,
            request: &self.request,
            class: &self.class,
            name_id: &self.subject,
            attributes: &self.attributes,
            address: self.with_address.then(|| "2001:db8::7".parse().unwrap()),
            session_index: "_session",
            session_not_on_or_after: self.session_end,
            lifetime: Duration::from_mins(5),
            assertion_id: "_assertion",
            response_id: "_response",
            now: now(),
        };
        Assertion::issue(&result(), &statement)
    }

    /// The Response without any signature.
    fn unsigned(&self) -> String {
        envelope::unsigned(self.issue())
    }
}

fn read(xml: &str) -> Element {
    parse(xml.as_bytes(), &Limits::MESSAGE).unwrap()
}

/// The one element at a path of assertion elements.
fn only<'a>(element: &'a Element, path: &[&'a str]) -> &'a Element {
    path.iter().fold(element, |element, local| {
        let mut found = element.all(SAML, local);
        let first = found.next().unwrap_or_else(|| panic!("no {local}"));
        assert!(found.next().is_none(), "more than one {local}");
        first
    })
}
