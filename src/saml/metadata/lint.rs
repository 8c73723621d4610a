//! Advice to the owner of an SP about its metadata: what will fail, what will soon, and what
//! federations ask for. Nothing here decides anything.

use super::MetadataError;
use super::document::MD;
use super::role::saml2_sp_roles;
use crate::saml::instant;
use crate::saml::xml::namespace::Namespace;
use crate::saml::xml::reader::{self, Element};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use openssl::asn1::Asn1Time;
use openssl::pkey::{Id, PKeyRef, Public};
use openssl::x509::X509;
use serde::Serialize;
use std::collections::BTreeSet;
use std::fmt;

const DS: &str = Namespace::SIGNATURE.uri;
const MDUI: &str = "urn:oasis:names:tc:SAML:metadata:ui";
const POST: &str = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST";

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Logins fail, or a part is ignored.
    Error,
    /// It works, and is weak or will stop working.
    Warning,
    /// Federations ask for it.
    Hint,
}

/// One piece of advice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Advice {
    /// How bad it is.
    pub severity: Severity,
    /// The entity; hostile text until escaped (`Display` does).
    pub entity_id: String,
    /// What is the matter.
    pub what: &'static str,
    /// What to do.
    pub fix: &'static str,
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id: String = self.entity_id.chars().take(256).collect();
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Hint => "hint",
        };
        write!(f, "{severity}: {id:?}: {}; {}", self.what, self.fix)
    }
}

/// Looks a document over, every entity of it.
pub fn lint(xml: &[u8], now: Timestamp) -> Result<Vec<Advice>, MetadataError> {
    let root = reader::parse(xml, &super::document::LIMITS).map_err(|error| MetadataError {
        reason: error.reason,
    })?;
    let mut advice = Vec::new();
    look_at(&root, now, &mut advice);
    if advice.is_empty() && entities(&root).is_empty() {
        return Err(MetadataError {
            reason: "no md:EntityDescriptor",
        });
    }
    Ok(advice)
}

fn entities(root: &Element) -> Vec<&Element> {
    if root.is(MD, "EntityDescriptor") {
        return vec![root];
    }
    root.all(MD, "EntityDescriptor")
        .chain(root.all(MD, "EntitiesDescriptor").flat_map(entities))
        .collect()
}

fn look_at(root: &Element, now: Timestamp, advice: &mut Vec<Advice>) {
    for entity in entities(root) {
        let mut desk = Desk {
            entity_id: entity.attribute("entityID").unwrap_or_default(),
            advice,
        };
        desk.entity(entity, now);
    }
}

/// Where advice on one entity is written.
struct Desk<'e> {
    entity_id: &'e str,
    advice: &'e mut Vec<Advice>,
}

impl Desk<'_> {
    fn say(&mut self, severity: Severity, what: &'static str, fix: &'static str) {
        let entity_id = self.entity_id.to_owned();
        let advice = Advice {
            severity,
            entity_id,
            what,
            fix,
        };
        if !self.advice.contains(&advice) {
            self.advice.push(advice);
        }
    }

    fn entity(&mut self, entity: &Element, now: Timestamp) {
        self.id();
        self.validity(entity, now);
        let roles: Vec<&Element> = saml2_sp_roles(entity).collect();
        if roles.is_empty() {
            let fix = "add an SPSSODescriptor that supports urn:oasis:names:tc:SAML:2.0:protocol";
            self.say(Severity::Error, "no SAML 2.0 SP role", fix);
        }
        for role in roles {
            self.endpoints(role);
            self.keys(role, now);
            self.names(role);
        }
        if entity.first(MD, "ContactPerson").is_none() {
            let fix = "add ContactPerson elements, technical and security";
            self.say(Severity::Hint, "nobody to contact", fix);
        }
        if entity.first(MD, "Organization").is_none() {
            self.say(
                Severity::Hint,
                "no Organization",
                "name the organisation that runs the service",
            );
        }
    }

    /// An absolute URI that its owner controls.
    fn id(&mut self) {
        if url::Url::parse(self.entity_id).is_err() {
            self.say(
                Severity::Error,
                "the entityID is no absolute URI",
                "use a URL of your own domain",
            );
        } else if self.entity_id.len() > 256 {
            self.say(
                Severity::Warning,
                "the entityID has more than 256 characters",
                "use a shorter one",
            );
        }
        let host = url::Url::parse(self.entity_id)
            .ok()
            .and_then(|url| url.host_str().map(str::to_owned));
        if host.is_some_and(|host| host == "localhost" || host.parse::<std::net::IpAddr>().is_ok())
        {
            self.say(
                Severity::Warning,
                "the entityID names no host of yours",
                "use your own domain",
            );
        }
    }

    fn validity(&mut self, entity: &Element, now: Timestamp) {
        match entity.attribute("validUntil").map(instant::parse) {
            Some(None) => {
                self.say(
                    Severity::Error,
                    "validUntil is no xs:dateTime",
                    "write 2030-01-31T00:00:00Z",
                );
            }
            Some(Some(until)) if until <= now => {
                self.say(
                    Severity::Error,
                    "expired",
                    "publish it again with a later validUntil",
                );
            }
            None | Some(Some(_)) => {}
        }
    }

    fn endpoints(&mut self, role: &Element) {
        let services: Vec<&Element> = role.all(MD, "AssertionConsumerService").collect();
        if !services
            .iter()
            .any(|service| service.attribute("Binding") == Some(POST))
        {
            let fix = "add an AssertionConsumerService for HTTP-POST";
            self.say(Severity::Error, "no place for responses by HTTP-POST", fix);
        }
        let mut indexes = BTreeSet::new();
        for service in &services {
            match service.attribute("index") {
                None => self.say(
                    Severity::Error,
                    "an AssertionConsumerService without index",
                    "number them",
                ),
                Some(index) if !indexes.insert(index) => {
                    self.say(
                        Severity::Warning,
                        "two AssertionConsumerServices with one index",
                        "number them",
                    );
                }
                Some(_) => {}
            }
        }
        let all = role
            .elements()
            .filter(|e| e.namespace == MD && e.attribute("Location").is_some());
        for location in all.filter_map(|endpoint| endpoint.attribute("Location")) {
            self.location(location);
        }
    }

    /// Responses carry personal data.
    fn location(&mut self, location: &str) {
        match url::Url::parse(location) {
            Ok(url) if url.scheme() == "https" && url.has_host() => {}
            Ok(url) if url.scheme() == "http" && url.has_host() => {
                self.say(
                    Severity::Warning,
                    "an endpoint over http",
                    "serve it over https",
                );
            }
            _ => self.say(
                Severity::Error,
                "an endpoint that is no web address",
                "write an https URL",
            ),
        }
    }

    fn keys(&mut self, role: &Element, now: Timestamp) {
        let descriptors: Vec<&Element> = role.all(MD, "KeyDescriptor").collect();
        let serves = |purpose| {
            let mut uses = descriptors.iter().map(|key| key.attribute("use"));
            uses.any(|usage| usage.is_none_or(|usage| usage == purpose))
        };
        if !serves("encryption") {
            let fix = "publish a key for encryption";
            self.say(
                Severity::Warning,
                "no encryption key: assertions go unencrypted",
                fix,
            );
        }
        let signs = role
            .attribute("AuthnRequestsSigned")
            .is_some_and(|flag| flag == "true" || flag == "1");
        if signs && !serves("signing") {
            let fix = "publish a key for signing, or remove AuthnRequestsSigned";
            self.say(
                Severity::Error,
                "AuthnRequestsSigned without a signing key",
                fix,
            );
        }
        for descriptor in descriptors {
            self.key(descriptor, now);
        }
    }

    fn key(&mut self, descriptor: &Element, now: Timestamp) {
        let data = descriptor
            .all(DS, "KeyInfo")
            .flat_map(|info| info.all(DS, "X509Data"));
        let certificates: Vec<&Element> = data
            .flat_map(|data| data.all(DS, "X509Certificate"))
            .collect();
        for certificate in certificates {
            let text: String = certificate.text().split_ascii_whitespace().collect();
            let der = STANDARD.decode(text).ok();
            let Some(certificate) = der.and_then(|der| X509::from_der(&der).ok()) else {
                self.say(
                    Severity::Error,
                    "a certificate that cannot be read",
                    "publish it again",
                );
                continue;
            };
            if has_ended(&certificate, now) {
                let fix = "harmless here (IIP-MD12); other identity providers may refuse it";
                self.say(Severity::Hint, "an expired certificate", fix);
            }
            if let Ok(key) = certificate.public_key() {
                self.strength(&key);
            }
        }
        // What an SP declares is what it gets.
        let methods = descriptor
            .all(MD, "EncryptionMethod")
            .filter_map(|m| m.attribute("Algorithm"));
        let methods: Vec<&str> = methods.collect();
        if methods.iter().any(|uri| uri.ends_with("-cbc"))
            && !methods.iter().any(|uri| uri.ends_with("-gcm"))
        {
            self.say(
                Severity::Warning,
                "CBC encryption alone is declared",
                "declare AES-GCM too",
            );
        }
        if methods.iter().any(|uri| uri.ends_with("rsa-1_5")) {
            self.say(
                Severity::Warning,
                "RSA PKCS#1 v1.5 key transport is declared",
                "declare RSA-OAEP",
            );
        }
    }

    /// SDP-MD06, SDP-MD07.
    fn strength(&mut self, key: &PKeyRef<Public>) {
        let (weak, foreign) = match key.id() {
            Id::RSA => (key.bits() < 2048, false),
            Id::EC => (key.bits() < 256, false),
            _ => (false, true),
        };
        if weak {
            self.say(
                Severity::Error,
                "a weak key, ignored for signatures",
                "use RSA of 3072 bits or EC P-256",
            );
        } else if foreign {
            self.say(
                Severity::Error,
                "a key that is neither RSA nor EC",
                "use RSA of 3072 bits or EC P-256",
            );
        } else if key.id() == Id::RSA && key.bits() < 3072 {
            self.say(
                Severity::Hint,
                "an RSA key of less than 3072 bits",
                "make the next one longer",
            );
        }
    }

    /// SDP-MD09, SDP-MD10: users are told where they log in to.
    fn names(&mut self, role: &Element) {
        let ui = role
            .first(MD, "Extensions")
            .and_then(|extensions| extensions.first(MDUI, "UIInfo"));
        let Some(ui) = ui else {
            let fix = "add mdui:UIInfo with DisplayName, Description, InformationURL, Logo";
            return self.say(
                Severity::Warning,
                "no mdui:UIInfo: users see a bare address",
                fix,
            );
        };
        for (local, what) in [
            ("DisplayName", "no mdui:DisplayName"),
            ("Description", "no mdui:Description"),
            ("InformationURL", "no mdui:InformationURL"),
            ("PrivacyStatementURL", "no mdui:PrivacyStatementURL"),
            ("Logo", "no mdui:Logo"),
        ] {
            if ui.first(MDUI, local).is_none() {
                self.say(
                    Severity::Hint,
                    what,
                    "add it, in every language of the users",
                );
            }
        }
        let logos = ui.all(MDUI, "Logo").map(Element::text);
        if logos
            .into_iter()
            .any(|logo| !logo.starts_with("https:") && !logo.starts_with("data:image/"))
        {
            self.say(
                Severity::Error,
                "a logo that is not https: it is not shown",
                "serve it over https",
            );
        }
    }
}

fn has_ended(certificate: &X509, now: Timestamp) -> bool {
    let now = Asn1Time::from_unix(now.as_second());
    now.is_ok_and(|now| certificate.not_after() < now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::saml::key::tests::{rsa, self_signed};

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn said(xml: &str) -> Vec<&'static str> {
        let advice = lint(xml.as_bytes(), NOW).expect("metadata");
        advice.into_iter().map(|advice| advice.what).collect()
    }

    fn sp(bits: u32, location: &str, extra: &str) -> String {
        let certificate = STANDARD.encode(self_signed(&rsa(bits)).to_der().expect("DER"));
        format!(
            r#"<md:EntityDescriptor xmlns:md="{MD}" entityID="https://sp.example.org/sp"{extra}>
            <md:SPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">
            <md:Extensions><mdui:UIInfo xmlns:mdui="{MDUI}"><mdui:DisplayName xml:lang="en">a</mdui:DisplayName>
            <mdui:Description xml:lang="en">a</mdui:Description><mdui:InformationURL xml:lang="en">https://a.example</mdui:InformationURL>
            <mdui:PrivacyStatementURL xml:lang="en">https://a.example</mdui:PrivacyStatementURL>
            <mdui:Logo height="1" width="1">https://a.example/l.png</mdui:Logo></mdui:UIInfo></md:Extensions>
            <md:KeyDescriptor><ds:KeyInfo xmlns:ds="{DS}"><ds:X509Data><ds:X509Certificate>{certificate}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>
            <md:AssertionConsumerService Binding="{POST}" Location="{location}" index="1"/></md:SPSSODescriptor>
            <md:Organization/><md:ContactPerson contactType="technical"/></md:EntityDescriptor>"#
        )
    }

    #[test]
    fn good_metadata_gets_no_advice() {
        assert_eq!(
            said(&sp(3072, "https://sp.example.org/acs", "")),
            Vec::<&str>::new()
        );
    }

    #[test]
    fn each_slip_is_named() {
        let good = sp(2048, "https://sp.example.org/acs", "");
        let hint = "an RSA key of less than 3072 bits";
        assert_eq!(said(&good), [hint]);
        for (from, to, what) in [
            (
                "https://sp.example.org/acs",
                "http://sp.example.org/acs",
                "an endpoint over http",
            ),
            (
                "https://sp.example.org/acs",
                "javascript:x",
                "an endpoint that is no web address",
            ),
            (
                "entityID=\"https://sp.example.org/sp\"",
                "entityID=\"sp\"",
                "the entityID is no absolute URI",
            ),
            (
                "index=\"1\"",
                "",
                "an AssertionConsumerService without index",
            ),
            (
                "HTTP-POST",
                "HTTP-Artifact",
                "no place for responses by HTTP-POST",
            ),
            (
                "<md:KeyDescriptor>",
                "<md:KeyDescriptor use=\"signing\">",
                "no encryption key: assertions go unencrypted",
            ),
            ("<md:Organization/>", "", "no Organization"),
            ("mdui:Logo", "mdui:Lego", "no mdui:Logo"),
            (
                "SAML:2.0:protocol",
                "SAML:1.1:protocol",
                "no SAML 2.0 SP role",
            ),
            (
                "entityID",
                "validUntil=\"1969-01-01T00:00:00Z\" entityID",
                "expired",
            ),
            (
                "X509Certificate>",
                "X509Certificate>!",
                "a certificate that cannot be read",
            ),
        ] {
            assert!(said(&good.replace(from, to)).contains(&what), "{what}");
        }
        assert!(
            said(&sp(1024, "https://sp.example.org/acs", ""))
                .contains(&"a weak key, ignored for signatures")
        );
    }

    #[test]
    fn what_is_no_metadata_is_an_error() {
        assert!(lint(b"<a/>", NOW).is_err());
        assert!(lint(b"junk", NOW).is_err());
    }
}
