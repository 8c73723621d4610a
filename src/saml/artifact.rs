//! SAML artifacts of type 4 (SAML bindings 3.6) and the ArtifactResolve that redeems one
//! (SAML core 3.5).
//!
//! Does not own: what an artifact stands for, kept until it is resolved once (`server`).

use crate::saml::binding::join;
use crate::saml::metadata::{EntityDescriptor, MetadataResolver, TrustedKey};
use crate::saml::proof::{
    self, Fault, Received, SAMLP, UNKNOWN_RELYING_PARTY, check_version, only,
};
use crate::saml::request::Acceptance;
use crate::saml::soap::Envelope;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use form_urlencoded::Serializer;
use jiff::Timestamp;
use openssl::sha::sha1;
use std::sync::Arc;

/// The type code of the one kind in use (SAML bindings 3.6.4.2).
const TYPE: [u8; 2] = [0, 4];
const HANDLE: usize = 20;

/// An artifact: who keeps the message, at which endpoint, under which handle.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Artifact {
    endpoint_index: u16,
    source_id: [u8; 20],
    handle: [u8; HANDLE],
}

impl Artifact {
    /// An artifact of this entity; the handle is fresh and unpredictable.
    pub fn new(entity_id: &str, endpoint_index: u16, handle: [u8; HANDLE]) -> Self {
        Self {
            endpoint_index,
            source_id: source_id(entity_id),
            handle,
        }
    }

    /// Reads the base64 form.
    pub fn parse(text: &str) -> Option<Self> {
        let octets = STANDARD.decode(text.trim_ascii()).ok()?;
        let octets: [u8; 4 + 20 + HANDLE] = octets.try_into().ok()?;
        let (code, rest) = octets.split_first_chunk()?;
        let (index, rest) = rest.split_first_chunk()?;
        let (source_id, handle) = rest.split_first_chunk()?;
        (*code == TYPE).then_some(Self {
            endpoint_index: u16::from_be_bytes(*index),
            source_id: *source_id,
            handle: handle.try_into().ok()?,
        })
    }

    /// The base64 form, for `SAMLart`.
    pub fn encode(&self) -> String {
        let index = self.endpoint_index.to_be_bytes();
        STANDARD.encode([&TYPE[..], &index, &self.source_id, &self.handle].concat())
    }

    /// The index of the resolution service that keeps the message.
    pub fn endpoint_index(&self) -> u16 {
        self.endpoint_index
    }

    /// Whether this entity made it.
    pub fn is_of(&self, entity_id: &str) -> bool {
        self.source_id == source_id(entity_id)
    }

    /// The URL that takes the artifact to an endpoint by the browser (SAML bindings 3.6.3.1).
    pub fn url(&self, endpoint: &str, relay_state: Option<&str>) -> String {
        let mut query = Serializer::new(String::new());
        query.append_pair("SAMLart", &self.encode());
        if let Some(relay_state) = relay_state.filter(|text| !text.is_empty()) {
            query.append_pair("RelayState", relay_state);
        }
        join(endpoint, &query.finish())
    }
}

/// SAML bindings 3.6.4.2: the SHA-1 digest names the source; nothing rests on its strength.
fn source_id(entity_id: &str) -> [u8; 20] {
    sha1(entity_id.as_bytes())
}

/// A request to redeem an artifact, from a relying party that is authenticated.
#[derive(Clone, Debug)]
pub struct ArtifactResolve {
    /// `ID`.
    pub id: String,
    /// The relying party, which must be the one that the artifact was made for (S26).
    pub issuer: String,
    /// What it redeems.
    pub artifact: Artifact,
    _accepted: Accepted,
}

/// Proof that the message passed [`accept_resolve`].
#[derive(Clone, Debug)]
struct Accepted;

/// Why a resolution was refused: no message is given out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolveRefusal {
    /// Shibboleth's event name.
    pub event: &'static str,
    /// A constant, loggable reason.
    pub reason: &'static str,
}

impl From<Fault> for ResolveRefusal {
    fn from(fault: Fault) -> Self {
        Self {
            event: fault.event,
            reason: fault.reason,
        }
    }
}

/// Proves an ArtifactResolve: signed, or over a channel whose client `peer` is a key of the relying
/// party's metadata (SAML profiles 5.3).
pub fn accept_resolve(
    envelope: &Envelope,
    metadata: &dyn MetadataResolver,
    acceptance: &Acceptance,
    peer: Option<&TrustedKey>,
    now: Timestamp,
) -> Result<(ArtifactResolve, Arc<EntityDescriptor>), ResolveRefusal> {
    envelope.received(|received| Ok(resolve(received, metadata, acceptance, peer, now)?))
}

fn resolve(
    received: &Received<'_>,
    metadata: &dyn MetadataResolver,
    acceptance: &Acceptance,
    peer: Option<&TrustedKey>,
    now: Timestamp,
) -> Result<(ArtifactResolve, Arc<EntityDescriptor>), Fault> {
    const MALFORMED: Fault = Fault::undecodable("the request has no artifact of type 4");
    let root = received.root;
    if !root.is(SAMLP, "ArtifactResolve") {
        return Err(Fault::undecodable(
            "the message is not of the kind that belongs here",
        ));
    }
    let issuer = proof::issuer(root)?;
    let party = metadata.entity(&issuer, now).ok_or(UNKNOWN_RELYING_PARTY)?;
    let keys = &party.sp.signing_keys;
    let by_channel = peer.is_some_and(|peer| keys.iter().any(|key| key.0.public_eq(&peer.0)));
    let proof = proof::prove(received, keys, !by_channel, acceptance, now)?;
    check_version(root)?;
    let artifact = only(root, SAMLP, "Artifact")?.ok_or(MALFORMED)?;
    let resolve = ArtifactResolve {
        id: proof.id,
        issuer,
        artifact: Artifact::parse(&artifact.text()).ok_or(MALFORMED)?,
        _accepted: Accepted,
    };
    Ok((resolve, party))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_artifact_is_laid_out_as_the_binding_says() {
        let artifact = Artifact::new("https://idp.example.org", 0x0102, [9; 20]);
        let octets = STANDARD.decode(artifact.encode()).unwrap();
        assert_eq!(octets.len(), 44);
        assert_eq!(octets[..4], [0, 4, 1, 2]);
        assert_eq!(octets[4..24], sha1(b"https://idp.example.org"));
        assert_eq!(octets[24..], [9; 20]);
        assert_eq!(Artifact::parse(&artifact.encode()), Some(artifact.clone()));
        assert!(artifact.is_of("https://idp.example.org"));
        assert!(!artifact.is_of("https://idp.example.com"));
    }

    #[test]
    fn what_is_no_artifact_of_type_4_is_refused() {
        let good = Artifact::new("a", 0, [0; 20]).encode();
        let other_type = STANDARD.encode([&[0, 3][..], &[0; 42]].concat());
        let long = STANDARD.encode([&[0, 4][..], &[0; 43]].concat());
        for text in ["", "AAQ=", "====", &good[4..], &other_type, &long] {
            assert_eq!(Artifact::parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_url_keeps_the_endpoints_own_query() {
        let artifact = Artifact::new("a", 0, [255; 20]);
        let url = artifact.url("https://sp.example.org/acs?x=1", Some("a&b"));
        let (endpoint, query) = url.split_once("&SAMLart=").unwrap();
        assert_eq!(endpoint, "https://sp.example.org/acs?x=1");
        assert!(query.ends_with("&RelayState=a%26b"));
        assert!(!query.contains('+'), "a plus sign is escaped: {query}");
    }
}
