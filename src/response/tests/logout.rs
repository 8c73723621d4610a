//! S50: what ends a session, and what does not. Messages are those that `response::logout` writes,
//! by another key than ours.

use crate::response::Encryption;
use crate::response::logout::{self as outgoing, Carriage, Channel, Ended, Header, Outgoing};
use crate::saml::binding::{Binding, Inbound, Message, decode_form, decode_query};
use crate::saml::encryption::{BlockEncryption, KeyTransport, RANDOMNESS, Recipient};
use crate::saml::key::tests::{rsa, self_signed, signing_key};
use crate::saml::key::{DecryptionKey, SigningKey};
use crate::saml::logout::{
    LogoutRefusal, LogoutRequest, LogoutResponse, Outcome, accept_request, accept_request_in,
    accept_response, accept_response_in,
};
use crate::saml::metadata::{
    AnswerBy, Document, EntityDescriptor, MetadataSet, SpSsoDescriptor, TrustedKey,
};
use crate::saml::name_id::{NameId, PERSISTENT};
use crate::saml::request::Acceptance;
use crate::saml::soap;
use crate::saml::xml::schema;
use jiff::Timestamp;
use openssl::pkey::{PKey, Private};
use std::sync::OnceLock;
use std::time::Duration;

const IDP: &str = "https://idp.example.org/slo";
const SP: &str = "https://sp.example.org/shibboleth";
const NOW: &str = "2026-11-23T10:00:00Z";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// One key for the whole file: making one takes long.
fn sp_key() -> &'static SigningKey {
    static KEY: OnceLock<SigningKey> = OnceLock::new();
    KEY.get_or_init(|| signing_key(&rsa(2048)))
}

fn idp_decryption() -> &'static PKey<Private> {
    static KEY: OnceLock<PKey<Private>> = OnceLock::new();
    KEY.get_or_init(|| rsa(2048))
}

fn metadata() -> MetadataSet {
    let key = TrustedKey(sp_key().certificate().public_key().unwrap());
    let mut set = MetadataSet::new();
    set.add(Document {
        entities: vec![EntityDescriptor {
            entity_id: SP.to_owned(),
            sp: SpSsoDescriptor {
                signing_keys: vec![key],
                ..SpSsoDescriptor::default()
            },
            ..EntityDescriptor::default()
        }],
        ..Document::default()
    });
    set
}

fn acceptance() -> Acceptance {
    let bindings = [
        Binding::Redirect,
        Binding::Post,
        Binding::PostSimpleSign,
        Binding::Soap,
    ];
    let decryption = [&rsa(2048), idp_decryption()]
        .map(|key| DecryptionKey::from_pem(&key.private_key_to_pem_pkcs8().unwrap()).unwrap());
    Acceptance {
        destinations: bindings.map(|binding| (binding, IDP.to_owned())).into(),
        clock_skew: Duration::from_mins(3),
        message_lifetime: Duration::from_mins(3),
        require_signed: false,
        decryption_keys: decryption.into(),
        answer_by: AnswerBy::Post,
    }
}

fn name_id() -> NameId {
    NameId {
        value: "a<b>&".to_owned(),
        format: PERSISTENT.to_owned(),
        name_qualifier: Some(IDP.to_owned()),
        sp_name_qualifier: Some(SP.to_owned()),
    }
}

/// What a test changes of an ordinary request.
struct Case<'a> {
    issuer: &'a str,
    destination: &'a str,
    not_on_or_after: &'a str,
    key: &'a SigningKey,
    asynchronous: bool,
    encrypt_for: Option<&'a PKey<Private>>,
    block: BlockEncryption,
}

impl Default for Case<'_> {
    fn default() -> Self {
        Self {
            issuer: SP,
            destination: IDP,
            not_on_or_after: "2026-11-23T10:05:00Z",
            key: sp_key(),
            asynchronous: false,
            encrypt_for: None,
            block: BlockEncryption::Aes256Gcm,
        }
    }
}

impl Case<'_> {
    fn header(&self) -> Header<'_> {
        Header {
            id: "_l1",
            issuer: self.issuer,
            destination: self.destination,
            now: at(NOW),
        }
    }

    fn carriage(&self, channel: Channel) -> Carriage<'_> {
        Carriage {
            channel,
            relay_state: Some("state"),
            key: self.key,
        }
    }

    fn request(&self, channel: Channel) -> Outgoing {
        let name_id = name_id();
        let request = outgoing::LogoutRequest {
            header: self.header(),
            not_on_or_after: at(self.not_on_or_after),
            name_id: &name_id,
            session_indexes: &["_s1".to_owned(), "_s2".to_owned()],
            asynchronous: self.asynchronous,
        };
        let key = self
            .encrypt_for
            .map(|key| TrustedKey(self_signed(key).public_key().unwrap()));
        let encryption = key.as_ref().map(|key| Encryption {
            recipient: Recipient {
                entity_id: IDP,
                key,
                block: self.block,
                transport: KeyTransport::RsaOaepMgf1p,
            },
            randomness: [5; RANDOMNESS],
        });
        request
            .send(&self.carriage(channel), encryption.as_ref())
            .unwrap()
    }

    fn response(&self, channel: Channel, ended: Ended) -> Outgoing {
        let response = outgoing::LogoutResponse {
            header: self.header(),
            in_response_to: "_ours",
            ended,
        };
        response.send(&self.carriage(channel)).unwrap()
    }

    fn accepted(&self, channel: Channel) -> Result<LogoutRequest, LogoutRefusal> {
        accepted(&self.request(channel))
    }
}

fn inbound(outgoing: &Outgoing) -> Inbound {
    let message = match outgoing {
        Outgoing::Redirect(url) => decode_query(url.split_once('?').unwrap().1),
        Outgoing::Form(fields) => decode_form(
            form_urlencoded::Serializer::new(String::new())
                .extend_pairs(fields)
                .finish()
                .as_bytes(),
        ),
        Outgoing::Soap(_) => panic!("no browser carries it"),
    };
    let (Message::Request(inbound) | Message::Response(inbound)) = message.unwrap();
    inbound
}

fn accepted(outgoing: &Outgoing) -> Result<LogoutRequest, LogoutRefusal> {
    let (metadata, acceptance) = (metadata(), acceptance());
    match outgoing {
        Outgoing::Soap(xml) => {
            let envelope = soap::parse(xml.as_bytes(), &[]).unwrap();
            accept_request_in(&envelope, &metadata, &acceptance, at(NOW))
        }
        browser => accept_request(&inbound(browser), &metadata, &acceptance, at(NOW)),
    }
    .map(|(request, _)| request)
}

fn answered(outgoing: &Outgoing) -> Result<LogoutResponse, LogoutRefusal> {
    let (metadata, acceptance) = (metadata(), acceptance());
    match outgoing {
        Outgoing::Soap(xml) => {
            let envelope = soap::parse(xml.as_bytes(), &[]).unwrap();
            accept_response_in(&envelope, &metadata, &acceptance, at(NOW))
        }
        browser => accept_response(&inbound(browser), &metadata, &acceptance, at(NOW)),
    }
}

const CHANNELS: [Channel; 3] = [Channel::Redirect, Channel::Post, Channel::Soap];

/// A form whose message is changed after it was made.
fn changed(outgoing: &Outgoing, change: impl Fn(&str) -> String) -> Inbound {
    let mut inbound = inbound(outgoing);
    let xml = String::from_utf8(inbound.xml).unwrap();
    let changed = change(&xml);
    assert_ne!(changed, xml);
    inbound.xml = changed.into_bytes();
    inbound
}

fn refused(inbound: &Inbound) -> &'static str {
    let outcome = accept_request(inbound, &metadata(), &acceptance(), at(NOW));
    outcome.expect_err("refused").event
}

#[test]
fn a_signed_request_is_accepted_by_every_binding_with_all_it_says() {
    for channel in CHANNELS {
        let request = Case::default().accepted(channel).unwrap();
        assert_eq!(request.id, "_l1");
        assert_eq!(request.issuer, SP);
        assert_eq!(request.name_id, name_id());
        assert_eq!(request.session_indexes, ["_s1", "_s2"]);
        assert!(
            request
                .reason
                .is_some_and(|reason| reason.ends_with("user"))
        );
        assert!(!request.asynchronous);
        let by_browser = channel != Channel::Soap;
        assert_eq!(request.relay_state.is_some(), by_browser, "{channel:?}");
    }
}

#[test]
fn what_we_send_is_valid_by_the_schemas() {
    let asynchronous = Case {
        asynchronous: true,
        encrypt_for: Some(idp_decryption()),
        ..Case::default()
    };
    for case in [Case::default(), asynchronous] {
        for channel in [Channel::Redirect, Channel::Post] {
            for outgoing in [
                case.request(channel),
                case.response(channel, Ended::Partial),
            ] {
                let xml = String::from_utf8(inbound(&outgoing).xml).unwrap();
                assert_eq!(schema::errors(&xml), "", "{xml}");
            }
        }
        let Outgoing::Soap(xml) = case.request(Channel::Soap) else {
            panic!("not SOAP");
        };
        assert_eq!(schema::errors(&xml), "", "{xml}");
    }
}

#[test]
fn an_encrypted_name_is_read_with_the_second_of_two_keys() {
    for channel in CHANNELS {
        let case = Case {
            encrypt_for: Some(idp_decryption()),
            ..Case::default()
        };
        assert_eq!(case.accepted(channel).unwrap().name_id, name_id());
    }
}

#[test]
fn s17_a_name_under_cbc_or_another_key_is_refused_in_one_way() {
    let other = rsa(2048);
    let cbc = Case {
        encrypt_for: Some(idp_decryption()),
        block: BlockEncryption::Aes128Cbc,
        ..Case::default()
    };
    let foreign = Case {
        encrypt_for: Some(&other),
        ..Case::default()
    };
    let reasons = [cbc, foreign].map(|case| case.accepted(Channel::Post).unwrap_err().reason);
    assert_eq!(reasons[0], reasons[1]);
}

#[test]
fn s16_nothing_of_an_unproven_message_is_decrypted() {
    let stranger = signing_key(&rsa(2048));
    let broken = Case {
        encrypt_for: Some(idp_decryption()),
        key: &stranger,
        ..Case::default()
    };
    let refusal = broken.accepted(Channel::Post).unwrap_err();
    assert_eq!(refusal.event, "MessageAuthenticationError");
    assert_eq!(refusal.reason, "no trusted key verifies the signature");
}

#[test]
fn s50_an_unsigned_request_ends_nothing_by_any_binding() {
    let case = Case::default();
    let mut redirect = inbound(&case.request(Channel::Redirect));
    redirect.detached = None;
    assert_eq!(refused(&redirect), "MessageAuthenticationError");
    let unsigned = |xml: &str| {
        let (start, end) = (xml.find("<ds:Signature").unwrap(), "</ds:Signature>");
        let end = xml.find(end).unwrap() + end.len();
        format!("{}{}", &xml[..start], &xml[end..])
    };
    let post = changed(&case.request(Channel::Post), unsigned);
    assert_eq!(refused(&post), "MessageAuthenticationError");
    let Outgoing::Soap(xml) = case.request(Channel::Soap) else {
        panic!("not SOAP");
    };
    let refusal = accepted(&Outgoing::Soap(unsigned(&xml))).unwrap_err();
    assert_eq!(refusal.event, "MessageAuthenticationError");
}

#[test]
fn s50_a_request_of_somebody_else_or_changed_ends_nothing() {
    let stranger = signing_key(&rsa(2048));
    for case in [
        Case {
            key: &stranger,
            ..Case::default()
        },
        Case {
            destination: "https://other.example.org/slo",
            ..Case::default()
        },
    ] {
        for channel in CHANNELS {
            let refusal = case.accepted(channel).unwrap_err();
            assert_eq!(refusal.event, "MessageAuthenticationError", "{channel:?}");
        }
    }
    let post = Case::default().request(Channel::Post);
    let swapped = changed(&post, |xml| xml.replace("_s1", "_s3"));
    assert_eq!(refused(&swapped), "MessageAuthenticationError");
    let unknown = Case {
        issuer: "https://unknown.example.org",
        ..Case::default()
    };
    let refusal = unknown.accepted(Channel::Redirect).unwrap_err();
    assert_eq!(refusal.event, "InvalidProfileConfiguration");
}

#[test]
fn s50_a_request_past_its_end_ends_nothing() {
    let late = |not_on_or_after| Case {
        not_on_or_after,
        ..Case::default()
    };
    let refusal = late("2026-11-23T09:57:00Z").accepted(Channel::Post);
    assert_eq!(refusal.unwrap_err().event, "MessageExpired");
    // Within the skew that both clocks may have.
    assert!(late("2026-11-23T09:57:01Z").accepted(Channel::Post).is_ok());
}

#[test]
fn s50_a_response_is_no_request_and_a_request_no_response() {
    let case = Case::default();
    let response = inbound(&case.response(Channel::Post, Ended::All));
    assert_eq!(refused(&response), "UnableToDecode");
    assert!(answered(&case.request(Channel::Post)).is_err());
    assert!(answered(&case.request(Channel::Soap)).is_err());
}

#[test]
fn s50_a_response_counts_only_when_it_is_signed() {
    let mut redirect = inbound(&Case::default().response(Channel::Redirect, Ended::All));
    redirect.detached = None;
    let outcome = accept_response(&redirect, &metadata(), &acceptance(), at(NOW));
    assert_eq!(outcome.unwrap_err().event, "MessageAuthenticationError");
}

#[test]
fn an_answer_says_how_it_ended() {
    for (ended, outcome) in [
        (Ended::All, Outcome::Ended),
        (Ended::Partial, Outcome::Partial),
        (Ended::NoSession, Outcome::Failed),
        (Ended::Failed, Outcome::Failed),
    ] {
        for channel in CHANNELS {
            let response = answered(&Case::default().response(channel, ended)).unwrap();
            assert_eq!(response.outcome, outcome, "{channel:?}");
            assert_eq!(response.in_response_to, "_ours");
            assert_eq!(response.issuer, SP);
        }
    }
}

#[test]
fn the_asynchronous_extension_counts_for_browsers_and_not_over_soap() {
    let case = Case {
        asynchronous: true,
        ..Case::default()
    };
    for channel in CHANNELS {
        let request = case.accepted(channel).unwrap();
        assert_eq!(request.asynchronous, channel != Channel::Soap);
    }
}

#[test]
fn xmlsec1_verifies_a_logout_message_by_form() {
    let certificate = sp_key().certificate().to_pem().unwrap();
    let case = Case::default();
    for (outgoing, local) in [
        (case.request(Channel::Post), "LogoutRequest"),
        (case.response(Channel::Post, Ended::All), "LogoutResponse"),
    ] {
        let xml = String::from_utf8(inbound(&outgoing).xml).unwrap();
        assert!(
            crate::saml::xml::second_opinion::verifies(&xml, local, &certificate),
            "{local}"
        );
    }
}
