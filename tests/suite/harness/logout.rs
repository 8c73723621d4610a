//! Logout messages of relying parties that exist only as metadata and keys, signed by OpenSSL and
//! xmlsec1, read without any of our own code.

use super::http::{Request, Response as HttpResponse};
use super::relying_party::{
    RSA_SHA256, RelyingParty, Response, instant, key_pair_files, redirect_value, sign_query,
    sign_query_with,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::DeflateDecoder;
use openssl::pkey::{PKey, Private};
use std::io::Read as _;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use url::Url;

/// What a relying party was told in an assertion.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    name_id: String,
    pub(crate) name: String,
    pub(crate) session_index: String,
}

impl Subject {
    /// Reads the assertion of a response that is not encrypted.
    pub(crate) fn of(response: &Response) -> Self {
        assert!(response.is_success(), "{}", response.xml);
        let one = |mut values: Vec<String>| values.remove(0);
        let attributes: String = ["Format", "NameQualifier", "SPNameQualifier"]
            .into_iter()
            .filter_map(|name| {
                let value = response.values("NameID", name).pop()?;
                Some(format!(r#" {name}="{value}""#))
            })
            .collect();
        let name = one(response.texts("NameID"));
        Self {
            name_id: format!("<a:NameID{attributes}>{name}</a:NameID>"),
            name,
            session_index: one(response.values("AuthnStatement", "SessionIndex")),
        }
    }

    /// A subject that nobody was told of.
    pub(crate) fn of_name(name: &str) -> Self {
        Self {
            name_id: format!("<a:NameID>{name}</a:NameID>"),
            name: name.to_owned(),
            session_index: String::new(),
        }
    }

    /// The same subject without a SessionIndex: all its sessions.
    pub(crate) fn everywhere(mut self) -> Self {
        self.session_index.clear();
        self
    }
}

/// A message to be sent as it stands.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) id: String,
    parameter: &'static str,
    pub(crate) xml: String,
}

fn fresh_id() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    format!("_logout{:08x}{number:024x}", std::process::id())
}

/// A relying party's request that this subject be signed out.
pub(crate) fn request(party: &RelyingParty, destination: &str, subject: &Subject) -> Message {
    let index = match subject.session_index.as_str() {
        "" => String::new(),
        index => format!("<p:SessionIndex>{index}</p:SessionIndex>"),
    };
    let body = format!("{}{index}", subject.name_id);
    let head = ("LogoutRequest", "SAMLRequest");
    message(party, destination, head, ("", &body))
}

/// A relying party's answer to our request.
pub(crate) fn response(
    party: &RelyingParty,
    destination: &str,
    in_response_to: &str,
    status: &str,
) -> Message {
    let body = format!(
        r#"<p:Status><p:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:{status}"/></p:Status>"#
    );
    let attributes = format!(r#" InResponseTo="{in_response_to}""#);
    let head = ("LogoutResponse", "SAMLResponse");
    message(party, destination, head, (&attributes, &body))
}

fn message(
    party: &RelyingParty,
    destination: &str,
    (local, parameter): (&str, &'static str),
    (attributes, body): (&str, &str),
) -> Message {
    let (id, issuer, now) = (fresh_id(), &party.entity_id, instant(0));
    let xml = format!(
        r#"<p:{local} xmlns:p="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:a="urn:oasis:names:tc:SAML:2.0:assertion" ID="{id}" Version="2.0" IssueInstant="{now}" Destination="{destination}"{attributes}><a:Issuer>{issuer}</a:Issuer>{body}</p:{local}>"#
    );
    Message { id, parameter, xml }
}

impl Message {
    /// Adds the extension that waits for no answer.
    pub(crate) fn asynchronous(mut self) -> Self {
        let extension = r#"</a:Issuer><p:Extensions><x:Asynchronous xmlns:x="urn:oasis:names:tc:SAML:2.0:protocol:ext:async-slo"/></p:Extensions>"#;
        self.xml = self.xml.replacen("</a:Issuer>", extension, 1);
        self
    }

    fn query(&self) -> String {
        let value = redirect_value(self.xml.as_bytes());
        format!("{}={value}&RelayState=state", self.parameter)
    }

    fn signable_query(&self) -> String {
        let algorithm: String = form_urlencoded::byte_serialize(RSA_SHA256.as_bytes()).collect();
        format!("{}&SigAlg={algorithm}", self.query())
    }

    /// By HTTP-Redirect.
    pub(crate) fn url(&self, endpoint: &str) -> String {
        format!("{endpoint}?{}", sign_query(&self.signable_query()))
    }

    /// By HTTP-Redirect, unsigned.
    pub(crate) fn unsigned_url(&self, endpoint: &str) -> String {
        format!("{endpoint}?{}", self.query())
    }

    /// By HTTP-Redirect, signed by another key.
    pub(crate) fn url_signed_by(&self, endpoint: &str, key: &PKey<Private>) -> String {
        format!(
            "{endpoint}?{}",
            sign_query_with(&self.signable_query(), key)
        )
    }

    /// Signed inside, by xmlsec1.
    pub(crate) fn signed_xml(&self) -> String {
        let id = &self.id;
        let template = format!(
            r##"</a:Issuer><ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:SignedInfo><ds:CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/><ds:SignatureMethod Algorithm="{RSA_SHA256}"/><ds:Reference URI="#{id}"><ds:Transforms><ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/><ds:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/></ds:Transforms><ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/><ds:DigestValue/></ds:Reference></ds:SignedInfo><ds:SignatureValue/></ds:Signature>"##
        );
        let directory = tempfile::tempdir().unwrap();
        let (key, _) = key_pair_files(directory.path(), "signing");
        let file = directory.path().join("template.xml");
        let template = self.xml.replacen("</a:Issuer>", &template, 1);
        std::fs::write(&file, template).unwrap();
        let signing = Command::new("xmlsec1")
            .arg("--sign")
            .args([
                "--id-attr:ID",
                "urn:oasis:names:tc:SAML:2.0:protocol:LogoutRequest",
            ])
            .args([
                "--id-attr:ID",
                "urn:oasis:names:tc:SAML:2.0:protocol:LogoutResponse",
            ])
            .arg("--privkey-pem")
            .args([&key, &file])
            .output()
            .unwrap();
        let signed = String::from_utf8(signing.stdout).unwrap();
        let trouble = String::from_utf8_lossy(&signing.stderr);
        assert!(signing.status.success(), "{trouble}");
        let (_, document) = signed.split_once("?>").unwrap();
        document.trim().to_owned()
    }

    /// The form of the HTTP-POST binding.
    pub(crate) fn post(&self, endpoint: &str) -> Request {
        let fields = [
            (
                self.parameter.to_owned(),
                STANDARD.encode(self.signed_xml()),
            ),
            ("RelayState".to_owned(), "state".to_owned()),
        ];
        Request::post(Url::parse(endpoint).unwrap(), &fields)
    }
}

/// An envelope, posted.
pub(crate) fn soap(endpoint: &str, message: &str) -> HttpResponse {
    let envelope = format!(
        r#"<S:Envelope xmlns:S="http://schemas.xmlsoap.org/soap/envelope/"><S:Body>{message}</S:Body></S:Envelope>"#
    );
    let mut request = Request::post(Url::parse(endpoint).unwrap(), &[]);
    request.headers.clear();
    request.body = envelope.into_bytes();
    request.header("Content-Type", "text/xml").send()
}

/// A message of ours as it was sent by HTTP-Redirect; its signature is there.
pub(crate) fn carried_by(url: &Url) -> Response {
    let parameter = |name: &str| {
        let mut pairs = url.query_pairs();
        pairs
            .find(|(own, _)| own == name)
            .map(|(_, value)| value.into_owned())
    };
    let value = parameter("SAMLRequest").or_else(|| parameter("SAMLResponse"));
    let value = value.unwrap_or_else(|| panic!("no message in {url}"));
    assert!(parameter("Signature").is_some(), "unsigned: {url}");
    let mut xml = String::new();
    DeflateDecoder::new(&STANDARD.decode(value).unwrap()[..])
        .read_to_string(&mut xml)
        .unwrap();
    Response {
        xml,
        relay_state: parameter("RelayState"),
        posted_to: url[..url::Position::AfterPath].to_owned(),
    }
}
