//! Messages over SOAP: enhanced clients and artifact resolution.

use super::signed::{BOTH, keys};
use super::*;
use crate::response::ecp::Delivery;
use crate::saml::artifact::{Artifact, ResolveRefusal, accept_resolve};
use crate::saml::binding::Binding;
use crate::saml::ecp::{self, CHANNEL_BINDINGS, ChannelBindings, ECP, EcpRequest, UNDERSTOOD};
use crate::saml::key::SigningKey;
use crate::saml::key::tests::{rsa, signing_key};
use crate::saml::metadata::{
    AnswerBy, Document, Endpoint, EntityDescriptor, IndexedEndpoint, MetadataSet, SpSsoDescriptor,
    TrustedKey,
};
use crate::saml::request::{Acceptance, Refusal};
use crate::saml::signature::{sign, verify_enveloped};
use crate::saml::soap;
use crate::saml::xml::namespace::Namespace;
use crate::saml::xml::second_opinion::{exclusive_c14n, verifies};
use crate::saml::xml::writer::Writer;

const PAOS_ACS: &str = "https://sp.example.org/paos";
const ECP_URL: &str = "https://idp.example.org/idp/profile/SAML2/SOAP/ECP";
const NOW: &str = "2026-11-23T10:00:00Z";

fn public(key: &SigningKey) -> TrustedKey {
    TrustedKey(key.certificate().public_key().unwrap())
}

fn metadata(key: &SigningKey, binding: Binding) -> MetadataSet {
    let mut set = MetadataSet::new();
    set.add(Document {
        entities: vec![EntityDescriptor {
            entity_id: SP.to_owned(),
            sp: SpSsoDescriptor {
                signing_keys: vec![public(key)],
                assertion_consumer_services: vec![IndexedEndpoint {
                    index: 1,
                    is_default: None,
                    endpoint: Endpoint {
                        binding,
                        location: PAOS_ACS.to_owned(),
                        response_location: None,
                    },
                }],
                ..SpSsoDescriptor::default()
            },
            ..EntityDescriptor::default()
        }],
        ..Document::default()
    });
    set
}

fn acceptance() -> Acceptance {
    Acceptance {
        destinations: vec![(Binding::Soap, ECP_URL.to_owned())],
        clock_skew: Duration::from_mins(3),
        message_lifetime: Duration::from_mins(3),
        require_signed: false,
        decryption_keys: Vec::new(),
        answer_by: AnswerBy::Post,
    }
}

/// A message with an Issuer, signed if a key is given, in an envelope with these headers.
fn enveloped(
    local: &'static str,
    attributes: &[(&'static str, &str)],
    key: Option<&SigningKey>,
    content: &dyn Fn(&mut Writer),
    headers: &dyn Fn(&mut Writer),
) -> String {
    let mut w = Writer::new();
    w.open(Namespace::PROTOCOL, local);
    w.attribute("ID", "_1");
    w.attribute("Version", "2.0");
    w.attribute("IssueInstant", NOW);
    for (name, value) in attributes {
        w.attribute(name, value);
    }
    w.leaf(Namespace::ASSERTION, "Issuer", SP);
    let place = w.place();
    content(&mut w);
    w.close();
    if let Some(key) = key {
        sign(&mut w, &place, "_1", key).unwrap();
    }
    soap::envelope(Some(headers), &w.finish())
}

fn bindings(data: &str) -> impl Fn(&mut Writer) {
    move |w| {
        w.open(CHANNEL_BINDINGS, "ChannelBindings");
        w.attribute("Type", "tls-server-end-point");
        w.text(data);
        w.close();
    }
}

fn in_extensions(data: &str) -> impl Fn(&mut Writer) {
    move |w| {
        w.open(Namespace::PROTOCOL, "Extensions");
        bindings(data)(w);
        w.close();
    }
}

fn accepted(xml: &str, metadata: &MetadataSet) -> Result<EcpRequest, Refusal> {
    let envelope = soap::parse(xml.as_bytes(), &UNDERSTOOD).unwrap();
    ecp::accept(&envelope, metadata, &acceptance(), at(NOW)).map(|(request, _)| request)
}

fn nothing(_: &mut Writer) {}

fn asked(key: Option<&SigningKey>) -> String {
    enveloped("AuthnRequest", &[], key, &nothing, &nothing)
}

#[test]
fn an_enhanced_clients_request_is_answered_at_a_paos_endpoint_of_metadata() {
    let key = signing_key(&rsa(2048));
    let metadata_paos = metadata(&key, Binding::Paos);
    for key in [None, Some(&key)] {
        let accepted = accepted(&asked(key), &metadata_paos).unwrap();
        assert_eq!(accepted.request.acs.endpoint.location, PAOS_ACS);
        assert_eq!(accepted.request.binding, Binding::Soap);
        assert_eq!(accepted.request.signed, key.is_some());
    }
    let post_only = metadata(&key, Binding::Post);
    assert!(matches!(
        accepted(&asked(None), &post_only),
        Err(Refusal::Local(_))
    ));
}

#[test]
fn s24_a_destination_that_is_named_must_be_ours_even_over_soap() {
    let key = signing_key(&rsa(2048));
    let metadata = metadata(&key, Binding::Paos);
    let to = |url: &str| {
        let xml = enveloped(
            "AuthnRequest",
            &[("Destination", url)],
            None,
            &nothing,
            &nothing,
        );
        accepted(&xml, &metadata)
    };
    assert!(to(ECP_URL).is_ok());
    assert!(matches!(
        to("https://evil.example.org"),
        Err(Refusal::Local(_))
    ));
}

#[test]
fn a_request_that_a_client_rewrote_is_refused_with_a_word_on_clients() {
    let key = signing_key(&rsa(2048));
    let xml = asked(Some(&key)).replace("Version=", "ProviderName=\"x\" Version=");
    match accepted(&xml, &metadata(&key, Binding::Paos)) {
        Err(Refusal::Local(refusal)) => assert!(refusal.reason.contains("ECP clients")),
        other => panic!("{other:?}"),
    }
}

#[test]
fn channel_bindings_are_compared_and_confirmed() {
    let key = signing_key(&rsa(2048));
    let metadata = metadata(&key, Binding::Paos);
    let asked = |key, of_party: &str, of_client: &str| {
        let (content, headers) = (in_extensions(of_party), bindings(of_client));
        accepted(
            &enveloped("AuthnRequest", &[], key, &content, &headers),
            &metadata,
        )
    };
    let same = asked(Some(&key), "YQ==", "Y Q==").unwrap();
    assert_eq!(same.channel_bindings[0].data, "YQ==");
    match asked(Some(&key), "YQ==", "Yg==") {
        Err(Refusal::ToRelyingParty(refusal)) => {
            assert_eq!(refusal.event, "ChannelBindingsError");
            assert_eq!(refusal.status.second, Some(CHANNEL_BINDINGS.uri));
        }
        other => panic!("{other:?}"),
    }
    // Nobody vouches for bindings in a request without signature.
    let unsigned = asked(None, "YQ==", "YQ==").unwrap();
    assert_eq!(unsigned.channel_bindings, []);
}

#[test]
fn the_answer_says_where_it_is_to_go_and_the_response_in_it_verifies() {
    let [key, _] = keys();
    let response = success(Case::default().issue(), BOTH, &key).unwrap();
    let channel_bindings = [ChannelBindings {
        kind: "tls-server-end-point".to_owned(),
        data: "YQ==".to_owned(),
    }];
    let delivery = Delivery {
        assertion_consumer_service_url: PAOS_ACS,
        request_authenticated: true,
        channel_bindings: &channel_bindings,
    };
    let xml = delivery.envelope(&response);
    assert_eq!(xml, exclusive_c14n(&xml));
    assert_eq!(crate::saml::xml::schema::errors(&xml), "");
    let certificate = key.certificate().to_pem().unwrap();
    assert!(verifies(&xml, "Response", &certificate));
    let envelope = soap::parse(
        xml.as_bytes(),
        &[
            (ECP.uri, "Response"),
            (ECP.uri, "RequestAuthenticated"),
            UNDERSTOOD[0],
        ],
    )
    .unwrap();
    let header = envelope.headers(ECP.uri, "Response").next().unwrap();
    let url = header.attribute("AssertionConsumerServiceURL");
    assert_eq!(url, Some(PAOS_ACS));
    let authenticated = envelope.headers(ECP.uri, "RequestAuthenticated").count();
    assert_eq!(authenticated, 1);
    let silent = Delivery {
        request_authenticated: false,
        channel_bindings: &[],
        ..delivery
    };
    assert!(!silent.envelope(&response).contains("RequestAuthenticated"));
}

fn resolve_xml(key: Option<&SigningKey>, artifact: &Artifact) -> String {
    let content = |w: &mut Writer| w.leaf(Namespace::PROTOCOL, "Artifact", &artifact.encode());
    enveloped("ArtifactResolve", &[], key, &content, &nothing)
}

#[test]
fn s26_an_artifact_is_resolved_for_who_signs_or_whose_channel_it_is_and_for_nobody_else() {
    let (key, stranger) = (signing_key(&rsa(2048)), signing_key(&rsa(2048)));
    let metadata = metadata(&key, Binding::Artifact);
    let artifact = Artifact::new(IDP, 2, [7; 20]);
    let resolved = |signer: Option<&SigningKey>, peer: Option<&SigningKey>| {
        let xml = resolve_xml(signer, &artifact);
        let envelope = soap::parse(xml.as_bytes(), &[]).unwrap();
        let peer = peer.map(public);
        accept_resolve(&envelope, &metadata, &acceptance(), peer.as_ref(), at(NOW))
            .map(|(resolve, _)| resolve)
    };
    for (signer, peer) in [(Some(&key), None), (None, Some(&key))] {
        let resolve = resolved(signer, peer).unwrap();
        assert_eq!(resolve.artifact, artifact);
        assert_eq!(resolve.issuer, SP);
    }
    for (signer, peer) in [
        (None, None),
        (Some(&stranger), None),
        (None, Some(&stranger)),
        (Some(&stranger), Some(&key)),
    ] {
        let refused: ResolveRefusal = resolved(signer, peer).unwrap_err();
        assert_eq!(refused.event, "MessageAuthenticationError");
    }
}

#[test]
fn an_artifact_response_and_the_response_in_it_both_verify() {
    let [key, _] = keys();
    let party = signing_key(&rsa(2048));
    let metadata = metadata(&party, Binding::Artifact);
    let xml = resolve_xml(Some(&party), &Artifact::new(IDP, 2, [7; 20]));
    let envelope = soap::parse(xml.as_bytes(), &[]).unwrap();
    let (resolve, _) = accept_resolve(&envelope, &metadata, &acceptance(), None, at(NOW)).unwrap();
    let response = success(Case::default().issue(), BOTH, &key).unwrap();
    let xml = artifact_response(&resolve, IDP, ("_ar", now()), Some(&response), &key).unwrap();
    assert_eq!(xml, exclusive_c14n(&xml));
    assert_eq!(crate::saml::xml::schema::errors(&xml), "");
    let certificate = key.certificate().to_pem().unwrap();
    assert!(verifies(&xml, "ArtifactResponse", &certificate));
    let envelope = soap::parse(xml.as_bytes(), &[]).unwrap();
    let root = envelope.message();
    assert_eq!(root.attribute("InResponseTo"), Some("_1"));
    verify_enveloped(root, &[public(&key)]).unwrap();
    let inner = root.first(SAMLP, "Response").unwrap();
    verify_enveloped(inner, &[public(&key)]).unwrap();
    let empty = artifact_response(&resolve, IDP, ("_ar", now()), None, &key).unwrap();
    assert!(empty.contains("status:Success") && !empty.contains("Assertion"));
}
