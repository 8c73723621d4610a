//! What hostile octets are given to, and what must hold whatever they are.
//!
//! cargo-fuzz runs these under coverage (`scripts/fuzz`); `tests/fuzz_smoke.rs` runs the same
//! functions over the kept corpus and its mutations with every test run.

#![allow(
    dead_code,
    reason = "each fuzz target is a program of its own and calls one of these"
)]

use jiff::Timestamp;
use std::sync::LazyLock;
use std::time::Duration;
use vestibule::saml::binding::{self, Binding, Inbound};
use vestibule::saml::metadata::{self, AnswerBy, MetadataSet, TrustedKey};
use vestibule::saml::request::Acceptance;
use vestibule::saml::xml::canonical::{self, canonicalise};
use vestibule::saml::xml::reader::{self, Limits};
use vestibule::saml::{
    artifact, ecp, logout, request as authn_request, signature, soap as envelope,
};

/// The relying party of every seed; its certificate signed `signed.xml`, its key is gone.
const RELYING_PARTY: &[u8] = include_bytes!("../corpus/metadata/signer.xml");
/// The one document that its key ever signed.
const SIGNED: &[u8] = include_bytes!("../corpus/xml/signed.xml");
/// When the seeds were issued.
const NOW: &str = "2026-11-23T10:00:00Z";

struct World {
    parties: MetadataSet,
    keys: Vec<TrustedKey>,
    acceptance: Acceptance,
    now: Timestamp,
    signed: String,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let document = metadata::parse(RELYING_PARTY).expect("the relying party's metadata");
    let keys = document.entities[0].sp.signing_keys.clone();
    let mut parties = MetadataSet::new();
    parties.add(document);
    let root = reader::parse(SIGNED, &Limits::MESSAGE).expect("the signed document");
    signature::verify_enveloped(&root, &keys).expect("the seed's signature");
    World {
        signed: without_signature(&root),
        parties,
        keys,
        acceptance: acceptance(),
        now: NOW.parse().expect("an instant"),
    }
});

fn acceptance() -> Acceptance {
    let at = |path: &str| format!("https://idp.example.org/idp/profile/SAML2/{path}");
    Acceptance {
        destinations: vec![
            (Binding::Redirect, at("Redirect/SSO")),
            (Binding::Post, at("POST/SSO")),
            (Binding::Soap, at("SOAP/ECP")),
            (Binding::Redirect, at("Redirect/SLO")),
            (Binding::Soap, at("SOAP/SLO")),
        ],
        clock_skew: Duration::from_mins(3),
        message_lifetime: Duration::from_mins(3),
        require_signed: false,
        decryption_keys: Vec::new(),
        answer_by: AnswerBy::PostOrArtifact,
    }
}

/// A query or a form: decoded within the cap, or refused.
pub(crate) fn redirect(octets: &[u8]) {
    let messages = [
        std::str::from_utf8(octets).ok().and_then(|query| {
            // A query that names no parameter holds no message.
            let named = binding::names_parameter(query);
            let decoded = binding::decode_query(query).ok();
            assert!(named || decoded.is_none());
            decoded
        }),
        binding::decode_form(octets).ok(),
        binding::decode_simple_sign(octets).ok(),
    ];
    for message in messages.into_iter().flatten() {
        let (binding::Message::Request(inbound) | binding::Message::Response(inbound)) = message;
        assert!(inbound.xml.len() <= Limits::MESSAGE.bytes.max(octets.len()));
        accept(&inbound);
    }
}

/// A document: what is read comes out of the canonical writer as something that reads the same,
/// and nothing but the signed document carries a good signature.
pub(crate) fn xml(octets: &[u8]) {
    let Ok(root) = reader::parse(octets, &Limits::MESSAGE) else {
        return;
    };
    let written = canonicalise(&root, &PLAIN);
    // A document within its limits may be written longer than they are.
    let again = reader::parse(written.as_bytes(), &Limits::METADATA);
    let again = again.expect("canonical output is a document");
    assert_eq!(written, canonicalise(&again, &PLAIN));
    if signature::verify_enveloped(&root, &WORLD.keys).is_ok() {
        assert_eq!(without_signature(&root), WORLD.signed, "a forged signature");
    }
}

const PLAIN: canonical::Options<'static> = canonical::Options {
    ancestors: &[],
    inclusive: &[],
    omit: None,
};

fn without_signature(root: &reader::Element) -> String {
    let signature = root.first("http://www.w3.org/2000/09/xmldsig#", "Signature");
    let options = canonical::Options {
        omit: signature,
        ..PLAIN
    };
    canonicalise(root, &options)
}

/// A message, by each binding that carries documents.
pub(crate) fn request(octets: &[u8]) {
    for binding in [Binding::Redirect, Binding::Post] {
        accept(&Inbound {
            binding,
            xml: octets.to_vec(),
            relay_state: None,
            detached: None,
        });
    }
}

/// Accepts a message as whatever it may be; an accepted request is answered where metadata says.
fn accept(inbound: &Inbound) {
    let World {
        parties,
        acceptance,
        now,
        ..
    } = &*WORLD;
    if let Ok((request, party)) = authn_request::accept(inbound, parties, acceptance, *now) {
        let services = &party.sp.assertion_consumer_services;
        assert!(services.contains(&request.acs), "an address from outside");
    }
    if let Ok((request, _)) = logout::accept_request(inbound, parties, acceptance, *now) {
        // SAML profiles 4.4.4.1: nobody is logged out by a message without a proof.
        assert!(!request.issuer.is_empty());
    }
    let _ = logout::accept_response(inbound, parties, acceptance, *now);
}

/// A metadata document: every entity that is kept can be addressed and answered.
pub(crate) fn metadata(octets: &[u8]) {
    let Ok(document) = metadata::parse(octets) else {
        return;
    };
    for entity in &document.entities {
        assert!(!entity.entity_id.is_empty());
        let _ = entity.display_name(&["en".to_owned()]);
        for acs in &entity.sp.assertion_consumer_services {
            let location = acs.endpoint.location.to_ascii_lowercase();
            assert!(location.starts_with("http"), "a form that runs as a script");
        }
    }
    MetadataSet::new().add(document);
}

/// An envelope, given to everybody who reads one; what is read can be written again.
pub(crate) fn soap(octets: &[u8]) {
    let Ok(read) = envelope::parse(octets, &ecp_headers()) else {
        return;
    };
    let World {
        parties,
        acceptance,
        now,
        ..
    } = &*WORLD;
    let message = canonicalise(read.message(), &PLAIN);
    assert!(envelope::parse(envelope::envelope(None, &message).as_bytes(), &[]).is_ok());
    let _ = ecp::accept(&read, parties, acceptance, *now);
    let _ = logout::accept_request_in(&read, parties, acceptance, *now);
    let _ = logout::accept_response_in(&read, parties, acceptance, *now);
    let _ = artifact::accept_resolve(&read, parties, acceptance, None, *now);
}

fn ecp_headers() -> [(&'static str, &'static str); 1] {
    [(
        "urn:oasis:names:tc:SAML:protocol:ext:channel-binding",
        "ChannelBindings",
    )]
}

/// What an operator may write: a properties file whose every line is kept or reported, and a
/// script that compiles or is refused.
pub(crate) fn properties(octets: &[u8]) {
    let (kept, errors) = vestibule::config::properties::parse("fuzz.properties", octets);
    let lines = octets
        .iter()
        .filter(|octet| matches!(octet, b'\n' | b'\r'))
        .count()
        + 1;
    assert!(kept.len() + errors.len() <= lines);
    if let Ok(source) = std::str::from_utf8(octets) {
        let scripts = [("fuzz".to_owned(), source.to_owned())].into();
        let _ =
            vestibule::policy::Policy::compile(&scripts, &std::collections::BTreeMap::default());
    }
}
