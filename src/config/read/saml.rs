//! What inbound messages must satisfy, and what our responses look like.

use crate::config::reader::Reader;
use crate::config::settings::BaseUrl;
use crate::response::ResponseSettings;
use crate::saml::encryption::{EncryptionPolicy, EncryptionSettings};
use crate::saml::metadata::AnswerBy;
use crate::saml::own_metadata::{ARTIFACT_ENDPOINT, ECP_ENDPOINT, SSO_ENDPOINTS};
use crate::saml::request::Acceptance;

/// Encryption is for every relying party that has a key; it is required where `optional` is false.
pub(super) fn encryption(reader: &mut Reader<'_>) -> Option<EncryptionSettings> {
    let wanted = reader.flag("vestibule.saml.encryptAssertions");
    let optional = reader.flag("idp.encryption.optional");
    let policy = match (wanted?, optional?) {
        (false, _) => EncryptionPolicy::Never,
        (true, true) => EncryptionPolicy::Optional,
        (true, false) => EncryptionPolicy::Required,
    };
    Some(EncryptionSettings {
        policy,
        ..EncryptionSettings::default()
    })
}

/// `idp.artifact.*`: the index of our resolution service, if we have one.
#[derive(Clone, Copy)]
pub(super) struct ArtifactIndex(pub(super) Option<u16>);

pub(super) fn artifact(reader: &mut Reader<'_>) -> Option<ArtifactIndex> {
    let enabled = reader.flag("idp.artifact.enabled");
    let index = reader.count("idp.artifact.endpointIndex");
    Some(ArtifactIndex(enabled?.then_some(index?)))
}

/// Without a base URL there are no destinations; that is then reported elsewhere.
pub(super) fn acceptance(
    reader: &mut Reader<'_>,
    base_url: Option<&BaseUrl>,
    (ecp, artifact): (Option<bool>, Option<ArtifactIndex>),
) -> Option<Acceptance> {
    let clock_skew = reader.duration("idp.policy.clockSkew");
    let message_lifetime = reader.duration("idp.policy.messageLifetime");
    let require_signed = reader.flag("vestibule.saml.requireSignedRequests");
    let base = &base_url?.url;
    let ecp = ecp?.then_some(ECP_ENDPOINT);
    let resolution = artifact?.0.map(|_| ARTIFACT_ENDPOINT);
    let destinations = SSO_ENDPOINTS
        .into_iter()
        .chain(ecp)
        .chain(resolution)
        .map(|(binding, path)| (binding, format!("{base}{path}")));
    Some(Acceptance {
        destinations: destinations.collect(),
        clock_skew: clock_skew?,
        message_lifetime: message_lifetime?,
        require_signed: require_signed?,
        decryption_keys: Vec::new(),
        answer_by: match resolution {
            Some(_) => AnswerBy::PostOrArtifact,
            None => AnswerBy::Post,
        },
    })
}

pub(super) fn response(reader: &mut Reader<'_>) -> Option<ResponseSettings> {
    let sign_responses = reader.flag("vestibule.saml.signResponses");
    let sign_assertions = reader.flag("vestibule.saml.signAssertions");
    let assertion_lifetime = reader.duration("vestibule.saml.assertionLifetime");
    let honor_wish = reader.flag("idp.saml.honorWantAssertionsSigned");
    let include_address = reader.flag("vestibule.saml.includeAddress");
    let sign_errors = reader.flag("idp.errors.signed");
    let detailed_errors = reader.flag("idp.errors.detailed");
    if (sign_responses, sign_assertions) == (Some(false), Some(false)) {
        reader.error(
            "vestibule.saml.signResponses",
            "false beside vestibule.saml.signAssertions = false",
            "at least one signature",
            "set one of the two to true",
        );
    }
    Some(ResponseSettings {
        sign_responses: sign_responses?,
        sign_assertions: sign_assertions?,
        honor_want_assertions_signed: honor_wish?,
        assertion_lifetime: assertion_lifetime?,
        include_address: include_address?,
        sign_errors: sign_errors?,
        detailed_errors: detailed_errors?,
    })
}
