//! Keys, what inbound messages must satisfy, and what our responses look like.

use crate::config::reader::Reader;
use crate::config::settings::{BaseUrl, SealerKey};
use crate::response::ResponseSettings;
use crate::saml::encryption::{EncryptionPolicy, EncryptionSettings};
use crate::saml::key::{DecryptionKey, SigningKey};
use crate::saml::metadata::AnswerBy;
use crate::saml::own_metadata::{ARTIFACT_ENDPOINT, ECP_ENDPOINT, SSO_ENDPOINTS};
use crate::saml::request::Acceptance;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Our keys.
pub(super) struct Keys {
    pub(super) signing: Vec<SigningKey>,
    pub(super) encryption_certificates: Vec<String>,
    pub(super) decryption: Vec<DecryptionKey>,
    pub(super) sealer: Vec<SealerKey>,
}

pub(super) fn keys(reader: &mut Reader<'_>) -> Option<Keys> {
    let signing = pair(reader, "idp.signing.key", "idp.signing.cert");
    let encryption = decryption(reader);
    let sealer = sealer(reader);
    let (encryption_certificates, decryption) = encryption.into_iter().unzip();
    Some(Keys {
        signing: vec![signing?],
        encryption_certificates,
        decryption,
        sealer: sealer?,
    })
}

fn pair(reader: &mut Reader<'_>, key: &str, certificate: &str) -> Option<SigningKey> {
    let private = reader.file(key);
    let public = reader.file(certificate);
    match SigningKey::from_pem(&private?, &public?) {
        Ok(pair) => Some(pair),
        Err(error) => {
            reader.error(
                key,
                error.to_string(),
                format!("a PEM private key that belongs to {certificate}"),
                "make the two files a pair",
            );
            None
        }
    }
}

/// What others encrypt to, and what decrypts it: the pair in use and the one that takes its place
/// or had it (IIP-IDP19).
fn decryption(reader: &mut Reader<'_>) -> Vec<(String, DecryptionKey)> {
    let pairs = [
        ("idp.encryption.key", "idp.encryption.cert"),
        ("idp.encryption.key.2", "idp.encryption.cert.2"),
    ];
    pairs
        .into_iter()
        .filter_map(|(key, certificate)| decryption_pair(reader, key, certificate))
        .collect()
}

/// Nobody has to encrypt to us: without the default files there is no certificate to publish.
fn decryption_pair(
    reader: &mut Reader<'_>,
    key: &str,
    certificate: &str,
) -> Option<(String, DecryptionKey)> {
    let written = [key, certificate].map(|name| reader.values.written(name).is_some());
    let present = [key, certificate].map(|name| {
        let path = reader.text(name);
        path.is_some_and(|path| reader.raw.file(&path).is_some())
    });
    if written == [false, false] && present == [false, false] {
        return None;
    }
    for (name, other) in [(key, certificate), (certificate, key)] {
        if reader.text(name).is_none() {
            let fix = format!("set it, or remove {other}");
            reader.error(name, "nothing", format!("the other half of {other}"), fix);
            return None;
        }
    }
    let pair = pair(reader, key, certificate)?;
    let private = reader.file(key)?;
    let private = DecryptionKey::from_pem(&private).expect("the same key was read as half a pair");
    Some((pair.certificate_base64().to_owned(), private))
}

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

fn sealer(reader: &mut Reader<'_>) -> Option<Vec<SealerKey>> {
    const KEY: &str = "vestibule.sealer.key";
    let contents = reader.file(KEY)?;
    let text = String::from_utf8_lossy(&contents);
    let lines = text.lines().map(str::trim);
    let keys: Option<Vec<SealerKey>> = lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(sealer_key)
        .collect();
    let keys = keys.filter(|keys| !keys.is_empty());
    if keys.is_none() {
        reader.error(
            KEY,
            "a file without such keys (not shown)",
            "one base64 key of 32 bytes a line",
            "write the output of `openssl rand -base64 32` into it",
        );
    }
    keys
}

fn sealer_key(line: &str) -> Option<SealerKey> {
    let bytes = zeroize::Zeroizing::new(STANDARD.decode(line).ok()?);
    Some(SealerKey::new(bytes.as_slice().try_into().ok()?))
}

/// `idp.artifact.*`: the index of our resolution service, if we have one.
pub(super) fn artifact(reader: &mut Reader<'_>) -> Option<Option<u16>> {
    let enabled = reader.flag("idp.artifact.enabled");
    let index = reader.count("idp.artifact.endpointIndex");
    Some(enabled?.then_some(index?))
}

/// Without a base URL there are no destinations; that is then reported elsewhere.
pub(super) fn acceptance(
    reader: &mut Reader<'_>,
    base_url: Option<&BaseUrl>,
    (ecp, artifact): (Option<bool>, Option<Option<u16>>),
) -> Option<Acceptance> {
    let clock_skew = reader.duration("idp.policy.clockSkew");
    let message_lifetime = reader.duration("idp.policy.messageLifetime");
    let require_signed = reader.flag("vestibule.saml.requireSignedRequests");
    let base = &base_url?.url;
    let ecp = ecp?.then_some(ECP_ENDPOINT);
    let resolution = artifact?.map(|_| ARTIFACT_ENDPOINT);
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
