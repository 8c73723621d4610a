//! A relying party that exists only as metadata and keys: it writes any request a test wants and
//! reads the response without any of our own code.

use super::browser::{Arrival, Page};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::{Compression, write::DeflateEncoder};
use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::sign::Signer;
use openssl::x509::{X509, X509NameBuilder};
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

pub(crate) const MFA: &str = "https://refeds.org/profile/mfa";
pub(crate) const PPT: &str = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport";
pub(crate) const RSA_SHA256: &str = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";

/// One key for all of them: making keys is slow.
static KEY: LazyLock<(PKey<Private>, X509)> = LazyLock::new(|| {
    let key = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
    let mut name = X509NameBuilder::new().unwrap();
    name.append_entry_by_text("CN", "relying party").unwrap();
    let name = name.build();
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    let serial = BigNum::from_u32(1).unwrap().to_asn1_integer().unwrap();
    builder.set_serial_number(&serial).unwrap();
    builder.set_subject_name(&name).unwrap();
    builder.set_issuer_name(&name).unwrap();
    builder.set_pubkey(&key).unwrap();
    builder
        .set_not_before(&Asn1Time::days_from_now(0).unwrap())
        .unwrap();
    builder
        .set_not_after(&Asn1Time::days_from_now(30).unwrap())
        .unwrap();
    builder.sign(&key, MessageDigest::sha256()).unwrap();
    (key, builder.build())
});

/// Writes the shared key and certificate for a service provider of its own.
pub(crate) fn key_pair_files(directory: &Path, name: &str) -> (PathBuf, PathBuf) {
    let (key, certificate) = &*KEY;
    let paths = (
        directory.join(format!("{name}.key")),
        directory.join(format!("{name}.crt")),
    );
    fs::write(&paths.0, key.private_key_to_pem_pkcs8().unwrap()).unwrap();
    fs::write(&paths.1, certificate.to_pem().unwrap()).unwrap();
    paths
}

/// A relying party.
#[derive(Clone, Debug)]
pub(crate) struct RelyingParty {
    pub(crate) entity_id: String,
    pub(crate) acs: String,
    /// How answers come there: `HTTP-POST` or `HTTP-Artifact`.
    pub(crate) acs_binding: &'static str,
    /// Attributes of `SPSSODescriptor` in its metadata.
    pub(crate) role_attributes: &'static str,
    /// What stands in the role's `Extensions`.
    pub(crate) extensions: String,
    /// Where it takes logout messages: the binding's last word and the path.
    pub(crate) logout: Vec<(&'static str, String)>,
    /// What its key is for; empty for everything.
    pub(crate) key_use: &'static str,
}

impl RelyingParty {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            entity_id: format!("https://{name}.example/sp"),
            acs: format!("https://{name}.example/acs"),
            acs_binding: "HTTP-POST",
            role_attributes: "",
            extensions: String::new(),
            logout: Vec::new(),
            key_use: "signing",
        }
    }

    /// One that takes logout messages by these bindings at its own host.
    pub(crate) fn with_logout(name: &str, bindings: &[&'static str]) -> Self {
        let endpoint = |binding| (binding, format!("https://{name}.example/slo"));
        Self {
            logout: bindings.iter().map(|binding| endpoint(*binding)).collect(),
            ..Self::new(name)
        }
    }

    /// Its metadata.
    pub(crate) fn metadata(&self) -> String {
        let Self {
            entity_id,
            acs,
            acs_binding,
            role_attributes,
            extensions,
            logout,
            key_use,
        } = self;
        let key_use = match *key_use {
            "" => String::new(),
            purpose => format!(r#" use="{purpose}""#),
        };
        let logout: Vec<String> = logout
            .iter()
            .map(|(binding, location)| {
                format!(
                    r#"<md:SingleLogoutService Binding="urn:oasis:names:tc:SAML:2.0:bindings:{binding}" Location="{location}"/>"#
                )
            })
            .collect();
        let logout = logout.concat();
        let certificate = STANDARD.encode(KEY.1.to_der().unwrap());
        format!(
            r#"<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID="{entity_id}">
<md:SPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol" {role_attributes}>
{extensions}
<md:KeyDescriptor{key_use}><ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:X509Data>
<ds:X509Certificate>{certificate}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>
{logout}
<md:AssertionConsumerService Binding="urn:oasis:names:tc:SAML:2.0:bindings:{acs_binding}" Location="{acs}" index="1" isDefault="true"/>
</md:SPSSODescriptor></md:EntityDescriptor>"#
        )
    }

    /// A plain request.
    pub(crate) fn request(&self) -> AuthnRequest {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        AuthnRequest {
            id: format!(
                "_{:08x}{:024x}",
                std::process::id(),
                NUMBER.fetch_add(1, Ordering::Relaxed)
            ),
            issuer: self.entity_id.clone(),
            issue_instant: instant(0),
            attributes: String::new(),
            body: String::new(),
        }
    }

    /// A request for exactly this class.
    pub(crate) fn request_exactly(&self, class: &str) -> AuthnRequest {
        self.request().asking("exact", &[class])
    }
}

/// A request to be sent as it stands.
#[derive(Clone, Debug)]
pub(crate) struct AuthnRequest {
    pub(crate) id: String,
    pub(crate) issuer: String,
    pub(crate) issue_instant: String,
    /// Further attributes, each with a space before it.
    pub(crate) attributes: String,
    /// What follows `Issuer`.
    pub(crate) body: String,
}

impl AuthnRequest {
    /// Adds an attribute of the `AuthnRequest` element.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        let _ = write!(self.attributes, r#" {name}="{value}""#);
        self
    }

    /// Adds a `RequestedAuthnContext`.
    pub(crate) fn asking(mut self, comparison: &str, classes: &[&str]) -> Self {
        let _ = write!(
            self.body,
            r#"<p:RequestedAuthnContext Comparison="{comparison}">"#
        );
        for class in classes {
            let _ = write!(
                self.body,
                "<a:AuthnContextClassRef>{class}</a:AuthnContextClassRef>"
            );
        }
        self.body.push_str("</p:RequestedAuthnContext>");
        self
    }

    pub(crate) fn xml(&self) -> String {
        let Self {
            id,
            issuer,
            issue_instant,
            attributes,
            body,
        } = self;
        format!(
            r#"<p:AuthnRequest xmlns:p="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:a="urn:oasis:names:tc:SAML:2.0:assertion" ID="{id}" Version="2.0" IssueInstant="{issue_instant}"{attributes}><a:Issuer>{issuer}</a:Issuer>{body}</p:AuthnRequest>"#
        )
    }

    /// The query of the HTTP-Redirect binding, with a RelayState.
    pub(crate) fn query(&self) -> String {
        format!(
            "{}&RelayState=state",
            redirect_parameter(self.xml().as_bytes())
        )
    }

    /// The same, signed as Bindings 3.4.4.1 says.
    pub(crate) fn signed_query(&self) -> String {
        let algorithm: String = form_urlencoded::byte_serialize(RSA_SHA256.as_bytes()).collect();
        sign_query(&format!("{}&SigAlg={algorithm}", self.query()))
    }

    /// Its address at an IdP, by HTTP-Redirect.
    pub(crate) fn url(&self, base_url: &str) -> String {
        format!("{base_url}/profile/SAML2/Redirect/SSO?{}", self.query())
    }

    /// The fields of the HTTP-POST-SimpleSign binding, signed as SimpleSign 2.5 says.
    pub(crate) fn simple_sign_fields(&self) -> Vec<(String, String)> {
        let xml = self.xml();
        let signed = format!("SAMLRequest={xml}&RelayState=state&SigAlg={RSA_SHA256}");
        let mut fields = self.post_fields();
        fields.push(("SigAlg".to_owned(), RSA_SHA256.to_owned()));
        fields.push(("Signature".to_owned(), signature(signed.as_bytes())));
        fields
    }

    /// The fields of the HTTP-POST binding.
    pub(crate) fn post_fields(&self) -> Vec<(String, String)> {
        vec![
            ("SAMLRequest".to_owned(), STANDARD.encode(self.xml())),
            ("RelayState".to_owned(), "state".to_owned()),
        ]
    }
}

/// The base64 signature over these octets.
pub(crate) fn signature(octets: &[u8]) -> String {
    signature_by(&KEY.0, octets)
}

fn signature_by(key: &PKey<Private>, octets: &[u8]) -> String {
    let mut signer = Signer::new(MessageDigest::sha256(), key).unwrap();
    STANDARD.encode(signer.sign_oneshot_to_vec(octets).unwrap())
}

/// `SAMLRequest=...` of the HTTP-Redirect binding.
pub(crate) fn redirect_parameter(document: &[u8]) -> String {
    format!("SAMLRequest={}", redirect_value(document))
}

/// What follows the parameter's name in the HTTP-Redirect binding.
pub(crate) fn redirect_value(document: &[u8]) -> String {
    let mut deflate = DeflateEncoder::new(Vec::new(), Compression::best());
    deflate.write_all(document).unwrap();
    let encoded = STANDARD.encode(deflate.finish().unwrap());
    form_urlencoded::byte_serialize(encoded.as_bytes()).collect()
}

/// Appends the signature over the query.
pub(crate) fn sign_query(query: &str) -> String {
    sign_query_with(query, &KEY.0)
}

/// Appends a signature by this key.
pub(crate) fn sign_query_with(query: &str, key: &PKey<Private>) -> String {
    let signature = signature_by(key, query.as_bytes());
    let signature: String = form_urlencoded::byte_serialize(signature.as_bytes()).collect();
    format!("{query}&Signature={signature}")
}

/// The instant that many seconds from now, as SAML writes it.
#[expect(
    clippy::disallowed_methods,
    reason = "requests are dated by the clock of the machine"
)]
pub(crate) fn instant(seconds: i64) -> String {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    let second = i64::try_from(now.as_secs()).unwrap() + seconds;
    jiff::Timestamp::from_second(second).unwrap().to_string()
}

/// A response as it reached the relying party.
#[derive(Clone, Debug)]
pub(crate) struct Response {
    pub(crate) xml: String,
    pub(crate) relay_state: Option<String>,
    pub(crate) posted_to: String,
}

impl Response {
    /// Reads the page that posts a response, if it is one.
    pub(crate) fn on(page: &Page) -> Option<Self> {
        let form = page.form_with("SAMLResponse")?;
        let xml = STANDARD.decode(form.value("SAMLResponse")?).ok()?;
        Some(Self {
            xml: String::from_utf8(xml).unwrap(),
            relay_state: form.value("RelayState").map(str::to_owned),
            posted_to: form.action,
        })
    }

    /// The response a login ended with.
    pub(crate) fn of(arrival: &Arrival) -> Self {
        Self::on(&arrival.page).unwrap_or_else(|| {
            panic!(
                "no response at {} ({}): {}",
                arrival.page.url,
                arrival.page.response.status,
                arrival.page.body()
            )
        })
    }

    /// The status codes, outermost first, without their common prefix.
    pub(crate) fn status(&self) -> Vec<String> {
        attribute_values(&self.xml, "StatusCode", "Value")
            .iter()
            .map(|code| code.rsplit(':').next().unwrap().to_owned())
            .collect()
    }

    pub(crate) fn is_success(&self) -> bool {
        self.status() == ["Success"]
    }

    /// The one class of the one assertion.
    pub(crate) fn class(&self) -> String {
        assert!(self.is_success(), "{:?}: {}", self.status(), self.xml);
        let mut classes = self.texts("AuthnContextClassRef");
        assert_eq!(classes.len(), 1, "{}", self.xml);
        classes.remove(0)
    }

    /// The text of every element of that local name.
    pub(crate) fn texts(&self, element: &str) -> Vec<String> {
        element_texts(&self.xml, element)
    }

    /// The values of an attribute of every element of that local name.
    pub(crate) fn values(&self, element: &str, attribute: &str) -> Vec<String> {
        attribute_values(&self.xml, element, attribute)
    }
}

/// The text of every element of that local name, whatever its prefix.
fn element_texts(xml: &str, element: &str) -> Vec<String> {
    starts(xml, element)
        .filter_map(|tag| {
            let (_, after) = tag.split_once('>')?;
            Some(super::html::unescape(after.split_once('<')?.0))
        })
        .collect()
}

fn attribute_values(xml: &str, element: &str, attribute: &str) -> Vec<String> {
    starts(xml, element)
        .filter_map(|tag| {
            let (inside, _) = tag.split_once('>')?;
            let (_, after) = inside.split_once(&format!(" {attribute}=\""))?;
            Some(super::html::unescape(after.split_once('"')?.0))
        })
        .collect()
}

/// The document from each start tag of that local name on.
fn starts<'a>(xml: &'a str, element: &'a str) -> impl Iterator<Item = &'a str> {
    xml.match_indices('<')
        .map(|(at, _)| &xml[at + 1..])
        .filter(move |tag| {
            let name = tag.split([' ', '>', '/', '\n']).next().unwrap_or_default();
            name.rsplit(':').next() == Some(element) && !tag.starts_with('/')
        })
}
