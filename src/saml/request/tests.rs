//! Attack and truth-table tests of acceptance, by their ids, over real parsed metadata.

mod signed;

use super::*;
use crate::saml::context::AuthnContextClassRef;
use crate::saml::metadata::{self, MetadataSet};
use std::time::Duration;

const NOW: &str = "2026-11-23T10:00:00Z";
const IDP: &str = "https://idp.example.org/idp/profile/SAML2/Redirect/SSO";
const IDP_POST: &str = "https://idp.example.org/idp/profile/SAML2/POST/SSO";
const SP: &str = "https://sp.example.org/shibboleth";
const ACS: &str = "https://sp.example.org/acs";

fn at(text: &str) -> Timestamp {
    text.parse().expect("a timestamp")
}

fn acceptance() -> Acceptance {
    Acceptance {
        destinations: vec![
            (Binding::Redirect, IDP.to_owned()),
            (Binding::Post, IDP_POST.to_owned()),
        ],
        clock_skew: Duration::from_mins(3),
        message_lifetime: Duration::from_mins(3),
        require_signed: false,
        decryption_keys: Vec::new(),
        answer_by: AnswerBy::Post,
    }
}

/// The SP's metadata, with attributes for its role and elements before its endpoints.
fn relying_party(role: &str, keys: &str) -> MetadataSet {
    let xml = format!(
        r#"<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID="{SP}">
        <md:SPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol" {role}>{keys}
        <md:AssertionConsumerService index="1" isDefault="true" Location="{ACS}"
          Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"/>
        <md:AssertionConsumerService index="2" Location="{ACS}/two"
          Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"/>
        <md:AssertionConsumerService index="3" Location="{ACS}/artifact"
          Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Artifact"/>
        </md:SPSSODescriptor></md:EntityDescriptor>"#
    );
    let mut set = MetadataSet::new();
    let warnings = set.add(metadata::parse(xml.as_bytes()).expect("metadata"));
    assert_eq!(warnings, []);
    set
}

/// An AuthnRequest by Redirect with more attributes and more elements.
fn message(attributes: &str, elements: &str) -> Inbound {
    inbound(&format!(
        r#"<p:AuthnRequest xmlns:p="urn:oasis:names:tc:SAML:2.0:protocol"
        xmlns:a="urn:oasis:names:tc:SAML:2.0:assertion" ID="_1" Version="2.0"
        IssueInstant="{NOW}" {attributes}><a:Issuer>{SP}</a:Issuer>{elements}</p:AuthnRequest>"#
    ))
}

fn inbound(xml: &str) -> Inbound {
    Inbound {
        binding: Binding::Redirect,
        xml: xml.as_bytes().to_vec(),
        relay_state: Some("ss:mem:1".to_owned()),
        detached: None,
    }
}

fn accepted(inbound: &Inbound) -> Result<AuthnRequest, Refusal> {
    accept(inbound, &relying_party("", ""), &acceptance(), at(NOW)).map(|(request, _)| request)
}

fn local_event(outcome: Result<AuthnRequest, Refusal>) -> &'static str {
    match outcome {
        Err(Refusal::Local(refusal)) => refusal.event,
        other => panic!("not refused locally: {other:?}"),
    }
}

fn told(outcome: Result<AuthnRequest, Refusal>) -> RelyingPartyRefusal {
    match outcome {
        Err(Refusal::ToRelyingParty(refusal)) => *refusal,
        other => panic!("the relying party is not told: {other:?}"),
    }
}

/// Refused with `Requester` / `RequestUnsupported`, in answer to the request, at the SP's endpoint.
fn assert_requester(inbound: &Inbound) {
    let refusal = told(accepted(inbound));
    assert_eq!(refusal.event, "UnableToDecode");
    assert_eq!(refusal.status.top, TopStatus::Requester);
    assert_eq!(refusal.status.second, Some(second::REQUEST_UNSUPPORTED));
    assert_eq!(refusal.in_response_to.as_deref(), Some("_1"));
    assert_eq!(refusal.acs.endpoint.location, ACS);
}

fn context(attributes: &str, elements: &str) -> Inbound {
    let context =
        format!("<p:RequestedAuthnContext {attributes}>{elements}</p:RequestedAuthnContext>");
    message("", &context)
}

fn class(uri: &str) -> String {
    format!("<a:AuthnContextClassRef>{uri}</a:AuthnContextClassRef>")
}

#[test]
fn a_plain_request_is_accepted_with_the_defaults_of_the_specification() {
    let request = accepted(&message("", "")).expect("accepted");
    assert_eq!(request.id.as_deref(), Some("_1"));
    assert_eq!(request.issuer, SP);
    assert_eq!(request.issue_instant, Some(at(NOW)));
    assert_eq!(request.acs.endpoint.location, ACS);
    assert_eq!(request.relay_state.as_deref(), Some("ss:mem:1"));
    assert_eq!(request.requested, None);
    assert_eq!(request.name_id_policy, NameIdPolicy::default());
    assert!(!request.force_authn && !request.is_passive && !request.signed);
}

#[test]
fn sdp_g02_identifiers_of_256_characters_are_taken_whole() {
    let long = "x".repeat(256);
    let namespace = format!("urn:{}", &long[4..]);
    let xml = String::from_utf8(message("", &extended(&namespace)).xml).expect("text");
    let request = accepted(&inbound(
        &xml.replace("\"_1\"", &format!("\"_{}\"", &long[1..])),
    ));
    let request = request.expect("a request with long identifiers");
    assert_eq!(request.id.map(|id| id.len()), Some(256));
}

#[test]
fn iip_ext01_unknown_extensions_are_passed_over() {
    let request = accepted(&message("", &extended("urn:x")));
    assert_eq!(request.expect("a request with extensions").issuer, SP);
}

fn extended(namespace: &str) -> String {
    format!(
        r#"<p:Extensions><x:Any xmlns:x="{namespace}" x:a="b"><x:Deep/></x:Any></p:Extensions>"#
    )
}

#[test]
fn everything_a_request_may_ask_is_read() {
    let request = accepted(&message(
        r#"ForceAuthn="1" IsPassive="true" AttributeConsumingServiceIndex="7"
           AssertionConsumerServiceIndex="2""#,
        r#"<a:Subject><a:NameID Format="f" NameQualifier="q">alice</a:NameID></a:Subject>
           <p:NameIDPolicy Format="x" AllowCreate="true"/><a:Conditions NotOnOrAfter="never"/>
           <p:RequestedAuthnContext Comparison="minimum">
           <a:AuthnContextClassRef>urn:one</a:AuthnContextClassRef>
           <a:AuthnContextClassRef>urn:two</a:AuthnContextClassRef></p:RequestedAuthnContext>
           <p:Scoping ProxyCount="3"/>"#,
    ))
    .expect("accepted");
    assert!(request.force_authn && request.is_passive);
    assert_eq!(request.attribute_consuming_service_index, Some(7));
    assert_eq!(request.acs.index, 2);
    assert_eq!(request.proxy_count, Some(3));
    assert_eq!(request.name_id_policy.format.as_deref(), Some("x"));
    assert!(request.name_id_policy.allow_create);
    let subject = request.subject.expect("a subject");
    assert_eq!(
        (subject.value.as_str(), subject.format.as_str()),
        ("alice", "f")
    );
    let requested = request.requested.expect("a context");
    assert_eq!(requested.comparison.as_str(), "minimum");
    let classes: Vec<_> = requested
        .classes
        .iter()
        .map(AuthnContextClassRef::as_str)
        .collect();
    assert_eq!(classes, ["urn:one", "urn:two"]);
}

#[test]
fn only_an_authn_request_is_taken() {
    for xml in [
        "",
        "not xml",
        "<AuthnRequest/>",
        r#"<p:LogoutRequest xmlns:p="urn:oasis:names:tc:SAML:2.0:protocol"/>"#,
        r#"<p:AuthnRequest xmlns:p="urn:oasis:names:tc:SAML:1.0:protocol"/>"#,
    ] {
        assert_eq!(
            local_event(accepted(&inbound(xml))),
            "UnableToDecode",
            "{xml}"
        );
    }
}

#[test]
fn an_issuer_must_be_there_once_and_be_an_entity() {
    let with = |issuer: &str| {
        inbound(&format!(
            r#"<p:AuthnRequest xmlns:p="urn:oasis:names:tc:SAML:2.0:protocol"
            xmlns:a="urn:oasis:names:tc:SAML:2.0:assertion" ID="_1" Version="2.0"
            IssueInstant="{NOW}">{issuer}</p:AuthnRequest>"#
        ))
    };
    let entity = "urn:oasis:names:tc:SAML:2.0:nameid-format:entity";
    let good = format!(r#"<a:Issuer Format="{entity}"> {SP}<!-- x --></a:Issuer>"#);
    assert!(accepted(&with(&good)).is_ok());
    for bad in [
        String::new(),
        "<a:Issuer/>".to_owned(),
        format!("<a:Issuer>{SP}</a:Issuer><a:Issuer>{SP}</a:Issuer>"),
        format!(r#"<a:Issuer Format="urn:x">{SP}</a:Issuer>"#),
        format!("<Issuer>{SP}</Issuer>"),
    ] {
        let event = local_event(accepted(&with(&bad)));
        assert_eq!(event, "MessageAuthenticationError", "{bad}");
    }
    let unknown = with("<a:Issuer>https://other.example.org</a:Issuer>");
    match accepted(&unknown) {
        Err(Refusal::Local(refusal)) => {
            assert_eq!(refusal.event, "InvalidProfileConfiguration");
            assert_eq!(
                refusal.claimed_issuer.as_deref(),
                Some("https://other.example.org")
            );
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn s06_an_unsigned_request_is_refused_where_metadata_wants_signatures() {
    for spelling in ["true", "1"] {
        let metadata = relying_party(&format!(r#"AuthnRequestsSigned="{spelling}""#), "");
        for binding in [Binding::Redirect, Binding::Post] {
            let inbound = Inbound {
                binding,
                ..message("", "")
            };
            let outcome = accept(&inbound, &metadata, &acceptance(), at(NOW)).map(|(r, _)| r);
            assert_eq!(local_event(outcome), "MessageAuthenticationError");
        }
    }
}

#[test]
fn s06_an_unsigned_request_is_refused_where_we_want_signatures() {
    let acceptance = Acceptance {
        require_signed: true,
        ..acceptance()
    };
    let outcome = accept(
        &message("", ""),
        &relying_party("", ""),
        &acceptance,
        at(NOW),
    );
    assert_eq!(
        local_event(outcome.map(|(r, _)| r)),
        "MessageAuthenticationError"
    );
}

#[test]
fn s06_a_link_is_no_way_around_a_demanded_signature() {
    let link = Unsolicited {
        provider_id: SP.to_owned(),
        ..Unsolicited::default()
    };
    let metadata = relying_party(r#"AuthnRequestsSigned="true""#, "");
    let outcome = unsolicited(&link, &metadata, &acceptance(), at(NOW)).map(|(r, _)| r);
    assert_eq!(local_event(outcome), "MessageAuthenticationError");
}

#[test]
fn s21_an_acs_that_metadata_does_not_spell_alike_is_refused_locally() {
    for url in [
        "https://evil.example.org/acs",
        "https://sp.example.org/other",
        "https://sp.example.org/acs/",
        "https://SP.example.org/acs",
        "https://sp.example.org/ACS",
        "https://sp.example.org./acs",
        "https://sp.example.org:443/acs",
        "https://sp.example.org/%61cs",
        "https://sp.example.org/x/%2e%2e/acs",
        "https://sp.example.org/x/../acs",
        "https://user@sp.example.org/acs",
        "http://sp.example.org/acs",
        " https://sp.example.org/acs",
        "https://sp.example.org/acs?x",
        "",
    ] {
        let request = message(&format!(r#"AssertionConsumerServiceURL="{url}""#), "");
        assert_eq!(
            local_event(accepted(&request)),
            "EndpointResolutionFailed",
            "{url}"
        );
    }
    for index in ["0", "4", "65536", "-1", "one", ""] {
        let request = message(&format!(r#"AssertionConsumerServiceIndex="{index}""#), "");
        assert_eq!(
            local_event(accepted(&request)),
            "EndpointResolutionFailed",
            "{index}"
        );
    }
    let request = accepted(&message(
        &format!(r#"AssertionConsumerServiceURL="{ACS}/two""#),
        "",
    ));
    assert_eq!(request.expect("accepted").acs.index, 2);
}

#[test]
fn s21_a_shire_that_metadata_does_not_spell_alike_is_refused_locally() {
    let with = |shire: Option<&str>| {
        let link = Unsolicited {
            provider_id: SP.to_owned(),
            shire: shire.map(str::to_owned),
            ..Unsolicited::default()
        };
        unsolicited(&link, &relying_party("", ""), &acceptance(), at(NOW)).map(|(r, _)| r)
    };
    assert_eq!(
        local_event(with(Some("https://evil.example.org/acs"))),
        "EndpointResolutionFailed"
    );
    assert_eq!(
        local_event(with(Some("https://sp.example.org/acs/artifact"))),
        "EndpointResolutionFailed"
    );
    assert_eq!(
        with(Some("https://sp.example.org/acs/two"))
            .expect("accepted")
            .acs
            .index,
        2
    );
    assert_eq!(with(None).expect("accepted").acs.index, 1);
}

#[test]
fn an_answer_by_an_unsupported_binding_is_refused_at_the_default_endpoint() {
    let artifact = Binding::Artifact.uri();
    for wish in [
        format!(r#"ProtocolBinding="{artifact}""#),
        r#"ProtocolBinding="urn:unknown""#.to_owned(),
        r#"AssertionConsumerServiceIndex="3""#.to_owned(),
        format!(r#"AssertionConsumerServiceURL="{ACS}/artifact" ProtocolBinding="{artifact}""#),
    ] {
        let refusal = told(accepted(&message(&wish, "")));
        assert_eq!(refusal.event, "UnableToEncode");
        assert_eq!(refusal.status.second, Some(second::UNSUPPORTED_BINDING));
        assert_eq!(refusal.acs.endpoint.location, ACS);
    }
}

#[test]
fn s23_a_huge_relay_state_is_refused() {
    let mut request = message("", "");
    request.relay_state = Some("x".repeat(10 * 1024));
    assert_eq!(local_event(accepted(&request)), "UnableToDecode");
    let link = Unsolicited {
        provider_id: SP.to_owned(),
        target: Some("x".repeat(10 * 1024)),
        ..Unsolicited::default()
    };
    let outcome = unsolicited(&link, &relying_party("", ""), &acceptance(), at(NOW));
    assert_eq!(local_event(outcome.map(|(r, _)| r)), "UnableToDecode");
}

#[test]
fn s24_a_request_meant_for_another_place_is_refused_on_every_binding() {
    for (binding, ours, other) in [
        (Binding::Redirect, IDP, IDP_POST),
        (Binding::Post, IDP_POST, IDP),
    ] {
        let to = |destination: &str| {
            accepted(&Inbound {
                binding,
                ..message(&format!(r#"Destination="{destination}""#), "")
            })
        };
        assert!(to(ours).is_ok());
        for wrong in [
            "",
            other,
            "https://other.example.org/sso",
            &format!("{ours}/"),
        ] {
            assert_eq!(
                local_event(to(wrong)),
                "MessageAuthenticationError",
                "{wrong}"
            );
        }
    }
}

#[test]
fn s24_an_unsolicited_login_answers_no_request() {
    let link = Unsolicited {
        provider_id: SP.to_owned(),
        target: Some("https://sp.example.org/page".to_owned()),
        ..Unsolicited::default()
    };
    let (request, _) =
        unsolicited(&link, &relying_party("", ""), &acceptance(), at(NOW)).expect("accepted");
    assert_eq!(request.id, None);
    assert_eq!(request.relay_state, link.target);
    let refusal = request.refuse(
        Status {
            top: TopStatus::Responder,
            second: None,
            message: None,
        },
        "RuntimeException",
        "test",
    );
    assert_eq!(refusal.in_response_to, None);
}

#[test]
fn s25_a_request_older_than_its_lifetime_or_from_the_future_is_refused() {
    let metadata = relying_party("", "");
    let when = |now: &str| {
        accept(&message("", ""), &metadata, &acceptance(), at(now)).map(|(request, _)| request)
    };
    assert!(when("2026-11-23T10:06:00Z").is_ok());
    assert!(when("2026-11-23T09:57:00Z").is_ok());
    assert_eq!(local_event(when("2026-11-23T10:06:01Z")), "MessageExpired");
    assert_eq!(local_event(when("2026-11-23T09:56:59Z")), "MessageExpired");
}

#[test]
fn s25_a_stale_link_is_refused() {
    let when = |time: &str| {
        let link = Unsolicited {
            provider_id: SP.to_owned(),
            time: Some(time.to_owned()),
            ..Unsolicited::default()
        };
        unsolicited(&link, &relying_party("", ""), &acceptance(), at(NOW)).map(|(r, _)| r)
    };
    let now = at(NOW).as_second();
    assert_eq!(
        when(&now.to_string()).expect("accepted").issue_instant,
        Some(at(NOW))
    );
    assert_eq!(
        local_event(when(&(now - 361).to_string())),
        "MessageExpired"
    );
    assert_eq!(
        local_event(when(&(now + 181).to_string())),
        "MessageExpired"
    );
    assert_eq!(local_event(when("yesterday")), "UnableToDecode");
    assert_eq!(local_event(when(&i64::MAX.to_string())), "UnableToDecode");
}

#[test]
fn an_id_or_instant_that_is_none_is_refused() {
    let with = |id: &str, instant: &str| {
        accepted(&inbound(&format!(
            r#"<p:AuthnRequest xmlns:p="urn:oasis:names:tc:SAML:2.0:protocol"
            xmlns:a="urn:oasis:names:tc:SAML:2.0:assertion" {id} Version="2.0"
            {instant}><a:Issuer>{SP}</a:Issuer></p:AuthnRequest>"#
        )))
    };
    let instant = format!(r#"IssueInstant="{NOW}""#);
    assert!(with(&format!(r#"ID="_{}""#, "x".repeat(255)), &instant).is_ok());
    for id in [
        "",
        r#"ID="""#,
        r#"ID="1a""#,
        r#"ID="a b""#,
        r#"ID="a:b""#,
        r#"ID="a&quot;b""#,
    ] {
        assert_eq!(local_event(with(id, &instant)), "UnableToDecode", "{id}");
    }
    let long = format!(r#"ID="_{}""#, "x".repeat(256));
    assert_eq!(local_event(with(&long, &instant)), "UnableToDecode");
    for instant in ["", r#"IssueInstant="now""#, r#"IssueInstant="2026-11-23""#] {
        assert_eq!(
            local_event(with(r#"ID="_1""#, instant)),
            "UnableToDecode",
            "{instant}"
        );
    }
}

#[test]
fn another_version_is_told_to_the_relying_party() {
    let xml = String::from_utf8(message("", "").xml).expect("UTF-8");
    let refusal = told(accepted(&inbound(
        &xml.replace(r#"Version="2.0""#, r#"Version="2.1""#),
    )));
    assert_eq!(refusal.event, "InvalidMessageVersion");
    assert_eq!(refusal.status.top, TopStatus::VersionMismatch);
}

#[test]
fn r15_classes_and_declarations_together_are_a_requester_error() {
    let declaration = "<a:AuthnContextDeclRef>urn:d</a:AuthnContextDeclRef>";
    assert_requester(&context("", &format!("{}{declaration}", class("urn:c"))));
    assert_requester(&context("", ""));
    let alone = accepted(&context("", declaration)).expect("accepted");
    let requested = alone.requested.expect("a context");
    assert!(requested.classes.is_empty());
    assert_eq!(requested.declarations, ["urn:d"]);
}

#[test]
fn r17_a_class_is_kept_exactly_as_it_was_written() {
    for written in [
        "https://refeds.org/profile/mfa/",
        "HTTPS://REFEDS.ORG/profile/mfa",
        "https://refeds.org/profile%2Fmfa",
        " https://refeds.org/profile/mfa ",
    ] {
        let request = accepted(&context("", &class(written))).expect("accepted");
        let requested = request.requested.expect("a context");
        assert_eq!(requested.classes[0].as_str(), written);
        assert_ne!(
            requested.classes[0].as_str(),
            crate::saml::context::REFEDS_MFA
        );
    }
}

#[test]
fn r18_too_many_or_too_long_classes_are_a_requester_error() {
    assert!(accepted(&context("", &class("urn:c").repeat(20))).is_ok());
    assert_requester(&context("", &class("urn:c").repeat(21)));
    let long = format!("urn:{}", "x".repeat(1020));
    assert!(accepted(&context("", &class(&long))).is_ok());
    assert_requester(&context("", &class(&format!("{long}x"))));
    assert_requester(&context("", &class(&"x".repeat(10 * 1024))));
}

#[test]
fn malformed_wishes_are_a_requester_error() {
    assert_requester(&context(r#"Comparison="atleast""#, &class("urn:c")));
    assert_requester(&context(r#"Comparison="Exact""#, &class("urn:c")));
    assert_requester(&message(r#"ForceAuthn="yes""#, ""));
    assert_requester(&message(r#"IsPassive="TRUE""#, ""));
    assert_requester(&message(r#"AttributeConsumingServiceIndex="x""#, ""));
    assert_requester(&message("", r#"<p:Scoping ProxyCount="-1"/>"#));
    assert_requester(&message("", "<p:NameIDPolicy/><p:NameIDPolicy/>"));
    assert_requester(&message("", "<a:Subject><a:EncryptedID/></a:Subject>"));
    let twice = format!(
        "<p:RequestedAuthnContext>{}</p:RequestedAuthnContext>",
        class("urn:c")
    );
    assert_requester(&message("", &twice.repeat(2)));
}

#[test]
fn another_relying_partys_name_space_cannot_be_asked_for() {
    let refusal = told(accepted(&message(
        "",
        r#"<p:NameIDPolicy SPNameQualifier="https://other.example.org"/>"#,
    )));
    assert_eq!(refusal.event, "InvalidNameIDPolicy");
    assert_eq!(refusal.status.second, Some(second::INVALID_NAME_ID_POLICY));
    let own = message("", &format!(r#"<p:NameIDPolicy SPNameQualifier="{SP}"/>"#));
    assert!(accepted(&own).is_ok());
}

#[test]
fn an_expired_relying_party_is_unknown() {
    let mut set = MetadataSet::new();
    let xml = format!(
        r#"<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID="{SP}"
        validUntil="{NOW}"><md:SPSSODescriptor
        protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">
        <md:AssertionConsumerService index="1" Location="{ACS}"
          Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"/>
        </md:SPSSODescriptor></md:EntityDescriptor>"#
    );
    set.add(metadata::parse(xml.as_bytes()).expect("metadata"));
    let when = |now| accept(&message("", ""), &set, &acceptance(), at(now)).map(|(r, _)| r);
    assert!(when("2026-11-23T09:59:59Z").is_ok());
    assert_eq!(local_event(when(NOW)), "InvalidProfileConfiguration");
}
