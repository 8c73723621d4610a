//! SOAP 1.1 envelopes around SAML messages (SAML bindings 3.2), read strictly.
//!
//! One message in the Body, and no header that we would have to understand and do not.

use crate::saml::binding::Binding;
use crate::saml::proof::{self, Received};
use crate::saml::xml::namespace::Namespace;
use crate::saml::xml::reader::{self, Element, Limits, Node};
use crate::saml::xml::writer::Writer;
use std::fmt;

/// The namespace of SOAP 1.1 envelopes.
pub const SOAP: Namespace = Namespace::new("S", "http://schemas.xmlsoap.org/soap/envelope/");
/// The role of whoever reads the envelope next (SOAP 1.1 4.2.2).
pub const ACTOR_NEXT: &str = "http://schemas.xmlsoap.org/soap/actor/next";

/// The content type of SOAP 1.1, and of our answers.
pub const TEXT_XML: &str = "text/xml";
/// The content type of SOAP 1.2, which ECP clients use for SOAP 1.1 too.
pub const SOAP_XML: &str = "application/soap+xml";
/// The content type of PAOS (SAML bindings 3.3).
pub const PAOS_XML: &str = "application/vnd.paos+xml";

/// Whether a request with this Content-Type may carry an envelope, whatever its parameters.
pub fn is_soap(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    [TEXT_XML, SOAP_XML, PAOS_XML]
        .iter()
        .any(|known| essence.eq_ignore_ascii_case(known))
}

/// An envelope with exactly one element in its Body.
#[derive(Clone, Debug)]
pub struct Envelope {
    root: Element,
}

/// Why an envelope was refused: a constant reason, and whose fault SOAP 1.1 says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SoapError {
    /// The `faultcode`.
    pub code: FaultCode,
    /// The reason.
    pub reason: &'static str,
}

/// A SOAP 1.1 `faultcode` (4.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultCode {
    /// The sender's message is at fault.
    Client,
    /// We are.
    Server,
    /// A header was to be understood that we do not understand.
    MustUnderstand,
    /// The envelope is not of SOAP 1.1.
    VersionMismatch,
}

impl FaultCode {
    fn as_str(self) -> &'static str {
        match self {
            Self::Client => "S:Client",
            Self::Server => "S:Server",
            Self::MustUnderstand => "S:MustUnderstand",
            Self::VersionMismatch => "S:VersionMismatch",
        }
    }
}

impl fmt::Display for SoapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason)
    }
}

impl std::error::Error for SoapError {}

/// Reads an envelope; `understood` are the names of the headers that the caller goes on to read.
pub fn parse(octets: &[u8], understood: &[(&str, &str)]) -> Result<Envelope, SoapError> {
    let root = reader::parse(octets, &Limits::MESSAGE).map_err(|error| client(error.reason))?;
    if root.local != "Envelope" {
        return Err(client("the document is no SOAP envelope"));
    }
    if root.namespace != SOAP.uri {
        return Err(SoapError {
            code: FaultCode::VersionMismatch,
            reason: "the envelope is not of SOAP 1.1",
        });
    }
    let parts: Vec<&Element> = root.elements().collect();
    let body = match parts.as_slice() {
        [body] if body.is(SOAP.uri, "Body") => body,
        [header, body] if header.is(SOAP.uri, "Header") && body.is(SOAP.uri, "Body") => {
            check_headers(header, understood)?;
            body
        }
        _ => return Err(client("the envelope is not one Header and one Body")),
    };
    let stray = body.children.iter().any(|node| match node {
        Node::Text(text) => !text.trim_ascii().is_empty(),
        Node::Element(_) => false,
    });
    if stray || body.elements().count() != 1 {
        return Err(client("the Body has not exactly one element"));
    }
    Ok(Envelope { root })
}

/// SOAP 1.1 4.2.3: what must be understood is, or the message fails.
fn check_headers(header: &Element, understood: &[(&str, &str)]) -> Result<(), SoapError> {
    let mut obligatory = header.elements().filter(|block| {
        let flag = block.attribute_in(SOAP.uri, "mustUnderstand");
        flag.is_some_and(|flag| flag != "0" && flag != "false")
    });
    let unknown = obligatory.any(|block| {
        !understood
            .iter()
            .any(|(namespace, local)| block.is(namespace, local))
    });
    if unknown {
        return Err(SoapError {
            code: FaultCode::MustUnderstand,
            reason: "a header must be understood and is not",
        });
    }
    Ok(())
}

fn client(reason: &'static str) -> SoapError {
    SoapError {
        code: FaultCode::Client,
        reason,
    }
}

impl Envelope {
    /// The message in the Body.
    pub fn message(&self) -> &Element {
        self.body()
            .elements()
            .next()
            .expect("parse saw exactly one element")
    }

    /// Who the message says it is from, unproved: enough to fetch metadata by, and for nothing else.
    pub fn claimed_issuer(&self) -> Option<String> {
        proof::issuer(self.message()).ok()
    }

    /// The header blocks of one name.
    pub fn headers<'a>(
        &'a self,
        namespace: &'a str,
        local: &'a str,
    ) -> impl Iterator<Item = &'a Element> {
        let header = self.root.first(SOAP.uri, "Header").into_iter();
        header.flat_map(move |header| header.all(namespace, local))
    }

    /// Calls with the message as every acceptance takes it, the envelope around it.
    pub(super) fn received<T>(&self, take: impl FnOnce(&Received<'_>) -> T) -> T {
        take(&Received {
            root: self.message(),
            around: &[&self.root, self.body()],
            binding: Binding::Soap,
            detached: None,
        })
    }

    fn body(&self) -> &Element {
        self.root
            .first(SOAP.uri, "Body")
            .expect("parse saw exactly one Body")
    }
}

/// An envelope around canonical markup, with header blocks if `headers` writes any.
pub fn envelope(headers: Option<&dyn Fn(&mut Writer)>, message: &str) -> String {
    let mut w = Writer::with_capacity(message.len() + 1024);
    w.open(SOAP, "Envelope");
    if let Some(write) = headers {
        w.open(SOAP, "Header");
        write(&mut w);
        w.close();
    }
    w.open(SOAP, "Body");
    let place = w.place();
    w.insert(&place, message);
    w.close();
    w.close();
    w.finish()
}

/// A SOAP 1.1 fault (4.4): a code and a constant reason, nothing of what was sent.
pub fn fault(error: &SoapError) -> String {
    let mut w = Writer::with_capacity(512);
    w.open(SOAP, "Envelope");
    w.open(SOAP, "Body");
    w.open(SOAP, "Fault");
    w.leaf(Namespace::NONE, "faultcode", error.code.as_str());
    w.leaf(Namespace::NONE, "faultstring", error.reason);
    w.close();
    w.close();
    w.close();
    w.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope_of(header: &str, body: &str) -> String {
        format!(
            "<e:Envelope xmlns:e=\"{}\">{header}<e:Body>{body}</e:Body></e:Envelope>",
            SOAP.uri
        )
    }

    fn reason(xml: &str) -> (FaultCode, &'static str) {
        let error = parse(xml.as_bytes(), &[("urn:h", "known")]).unwrap_err();
        (error.code, error.reason)
    }

    #[test]
    fn one_message_and_its_headers_are_read() {
        let header = "<e:Header><k:known xmlns:k=\"urn:h\" e:mustUnderstand=\"1\"/></e:Header>";
        let xml = envelope_of(header, " <m xmlns=\"urn:m\"/>\n");
        let envelope = parse(xml.as_bytes(), &[("urn:h", "known")]).unwrap();
        assert!(envelope.message().is("urn:m", "m"));
        assert_eq!(envelope.headers("urn:h", "known").count(), 1);
    }

    #[test]
    fn a_header_that_must_be_understood_and_is_not_is_a_fault() {
        let header = "<e:Header><k:other xmlns:k=\"urn:h\" e:mustUnderstand=\"1\"/></e:Header>";
        let (code, _) = reason(&envelope_of(header, "<m/>"));
        assert_eq!(code, FaultCode::MustUnderstand);
        let optional = envelope_of(&header.replace("=\"1\"", "=\"0\""), "<m/>");
        assert!(parse(optional.as_bytes(), &[]).is_ok());
    }

    #[test]
    fn what_is_not_one_message_in_one_envelope_is_refused() {
        let two_bodies = envelope_of("", "<m/>").replace("</e:Envelope>", "<e:Body/></e:Envelope>");
        for xml in [
            envelope_of("", ""),
            envelope_of("", "<m/><n/>"),
            envelope_of("", "text<m/>"),
            envelope_of("<e:Header/><e:Header/>", "<m/>"),
            two_bodies,
            "<m/>".to_owned(),
            "<!DOCTYPE a><m/>".to_owned(),
        ] {
            assert_eq!(reason(&xml).0, FaultCode::Client, "{xml}");
        }
        let soap12 = envelope_of("", "<m/>").replace(SOAP.uri, "urn:other");
        assert_eq!(reason(&soap12).0, FaultCode::VersionMismatch);
    }

    #[test]
    fn every_content_type_of_interop_is_taken() {
        for good in [
            "text/xml",
            "text/xml; charset=utf-8",
            "application/soap+xml",
            "Application/vnd.paos+xml;x=y",
        ] {
            assert!(is_soap(good), "{good}");
        }
        for bad in ["", "text/html", "application/x-www-form-urlencoded"] {
            assert!(!is_soap(bad), "{bad}");
        }
    }

    #[test]
    fn a_fault_is_a_soap_envelope() {
        let error = SoapError {
            code: FaultCode::Client,
            reason: "a < b",
        };
        let xml = fault(&error);
        assert_eq!(xml, crate::saml::xml::second_opinion::exclusive_c14n(&xml));
        assert_eq!(crate::saml::xml::schema::errors(&xml), "");
        let envelope = parse(xml.as_bytes(), &[]).unwrap();
        let code = envelope.message().first("", "faultcode").unwrap();
        assert_eq!(code.text(), "S:Client");
    }
}
