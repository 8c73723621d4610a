use super::*;
use crate::authn::event::Event;
use crate::saml::xml::reader::Node;
use proptest::prelude::*;

#[test]
fn a_response_is_as_it_was_agreed_to_be() {
    assert_eq!(
        Case::default().unsigned(),
        joined(include_str!("success.xml"))
    );
}

#[test]
fn an_error_is_as_it_was_agreed_to_be() {
    let status = status_of(Event::RequestUnsupported);
    let refusal = request(Some("_req1")).refuse(status, "RequestUnsupported", "no such class");
    let xml = error(&refusal, IDP, "_response", now(), None).unwrap();
    assert_eq!(xml, joined(include_str!("error.xml")));
}

/// An agreed document is kept one element to a line, for its readers.
fn joined(agreed: &str) -> String {
    agreed.lines().map(str::trim).collect()
}

#[test]
fn a_detailed_error_says_what_the_caller_lets_it_say() {
    let mut status = status_of(Event::NoPassive);
    status.message = Some("no session & IsPassive".to_owned());
    let refusal = request(None).refuse(status, "NoPassive", "passive");
    let root = read(&error(&refusal, IDP, "_r", now(), None).unwrap());
    let message = root
        .first(SAMLP, "Status")
        .unwrap()
        .first(SAMLP, "StatusMessage");
    assert_eq!(message.unwrap().text(), "no session & IsPassive");
    assert_eq!(root.attribute("InResponseTo"), None);
}

#[test]
fn s24_the_answer_names_the_request_it_answers_and_where_it_goes() {
    let root = read(&Case::default().unsigned());
    let path = [
        "Assertion",
        "Subject",
        "SubjectConfirmation",
        "SubjectConfirmationData",
    ];
    let data = only(&root, &path);
    assert_eq!(root.attribute("InResponseTo"), Some("_req1"));
    assert_eq!(root.attribute("Destination"), Some(ACS));
    assert_eq!(data.attribute("InResponseTo"), Some("_req1"));
    assert_eq!(data.attribute("Recipient"), Some(ACS));
    assert_eq!(
        data.attribute("NotOnOrAfter"),
        Some("2026-11-23T10:25:30.456Z")
    );
    assert_eq!(data.attribute("NotBefore"), None);
}

#[test]
fn s24_an_unsolicited_answer_names_no_request() {
    let case = Case {
        request: request(None),
        ..Case::default()
    };
    assert!(!case.unsigned().contains("InResponseTo"));
}

#[test]
fn s27_there_is_exactly_one_audience_and_it_is_the_relying_party() {
    let root = read(&Case::default().unsigned());
    let conditions = only(&root, &["Assertion", "Conditions"]);
    let audience = only(conditions, &["AudienceRestriction", "Audience"]);
    assert_eq!(audience.text(), SP);
    assert_eq!(
        conditions.attribute("NotBefore"),
        Some("2026-11-23T10:20:30.456Z")
    );
    assert_eq!(
        conditions.attribute("NotOnOrAfter"),
        Some("2026-11-23T10:25:30.456Z")
    );
}

#[test]
fn the_statement_says_when_how_and_from_where_the_user_logged_in() {
    let case = Case {
        session_end: Some(at("2026-11-23T20:00:00Z")),
        ..Case::default()
    };
    let root = read(&case.unsigned());
    let statement = only(&root, &["Assertion", "AuthnStatement"]);
    assert_eq!(
        statement.attribute("AuthnInstant"),
        Some("2026-11-23T10:19:59.000Z")
    );
    assert_eq!(statement.attribute("SessionIndex"), Some("_session"));
    assert_eq!(
        statement.attribute("SessionNotOnOrAfter"),
        Some("2026-11-23T20:00:00.000Z")
    );
    let class = only(statement, &["AuthnContext", "AuthnContextClassRef"]);
    assert_eq!(class.text(), PASSWORD_PROTECTED_TRANSPORT);
    let locality = only(statement, &["SubjectLocality"]);
    assert_eq!(locality.attribute("Address"), Some("2001:db8::7"));
}

#[test]
fn nothing_released_means_no_attribute_statement_and_no_address_none_stated() {
    let case = Case {
        attributes: vec![attribute("mail", &[])],
        with_address: false,
        ..Case::default()
    };
    let xml = case.unsigned();
    assert!(!xml.contains("AttributeStatement"));
    assert!(!xml.contains("Address"));
}

#[test]
fn metadata_can_ask_for_a_signed_assertion_and_something_is_always_signed() {
    let mut relying_party = EntityDescriptor::default();
    let mut settings = ResponseSettings::default();
    let signs = |settings: &ResponseSettings, relying_party: &EntityDescriptor| {
        let signing = settings.signing(relying_party);
        (signing.response, signing.assertion)
    };
    assert_eq!(signs(&settings, &relying_party), (true, false));
    settings.sign_responses = false;
    assert_eq!(signs(&settings, &relying_party), (true, false));
    relying_party.sp.want_assertions_signed = true;
    assert_eq!(signs(&settings, &relying_party), (false, true));
    settings.sign_responses = true;
    assert_eq!(signs(&settings, &relying_party), (true, true));
}

/// All text of an element, untrimmed.
fn raw_text(element: &Element) -> String {
    let text = |node: &Node| match node {
        Node::Text(text) => text.clone(),
        Node::Element(_) => "<element>".to_owned(),
    };
    element.children.iter().map(text).collect()
}

/// What may stand in XML; the rest is replaced.
fn carried(value: &str) -> String {
    let allowed = |c: char| match c {
        '\t' | '\n' | '\r' | ' '..='\u{FFFD}' | '\u{10000}'.. => c,
        _ => '\u{FFFD}',
    };
    value.chars().map(allowed).collect()
}

proptest! {
    #[test]
    fn s19_hostile_values_come_back_as_they_were_meant(
        values in prop::collection::vec(any::<String>(), 1..4),
        name: String, issuer: String, class: String, id: String, sp: String, acs: String,
    ) {
        let mut request = request(Some(&id));
        request.issuer.clone_from(&sp);
        request.acs.endpoint.location.clone_from(&acs);
        let attributes = vec![Attribute { id: name.clone(), name: class.clone(), values: values.clone() }];
        let subject = subject(&name);
        let class = AuthnContextClassRef::new(class);
        let case = Case { request, subject, attributes, class: class.clone(), issuer: issuer.clone(), ..Case::default() };
        let root = read(&case.unsigned());
        let assertion = only(&root, &["Assertion"]);
        let order: Vec<_> = assertion.elements().map(|e| e.local.as_str()).collect();
        prop_assert_eq!(order, ["Issuer", "Subject", "Conditions", "AuthnStatement", "AttributeStatement"]);
        prop_assert_eq!(raw_text(only(assertion, &["Issuer"])), carried(&issuer));
        prop_assert_eq!(raw_text(only(assertion, &["Subject", "NameID"])), carried(&name));
        let audience = only(assertion, &["Conditions", "AudienceRestriction", "Audience"]);
        prop_assert_eq!(raw_text(audience), carried(&sp));
        let context = only(assertion, &["AuthnStatement", "AuthnContext", "AuthnContextClassRef"]);
        prop_assert_eq!(raw_text(context), carried(class.as_str()));
        let told = only(assertion, &["AttributeStatement", "Attribute"]);
        prop_assert_eq!(told.attribute("FriendlyName"), Some(&*carried(&name)));
        let read: Vec<_> = told.elements().map(raw_text).collect();
        let meant: Vec<_> = values.iter().map(|value| carried(value)).collect();
        prop_assert_eq!(read, meant);
        prop_assert_eq!(root.attribute("Destination"), Some(&*carried(&acs)));
        prop_assert_eq!(root.attribute("InResponseTo"), Some(&*carried(&id)));
    }
}
