//! Messages by HTTP-Redirect, HTTP-POST and HTTP-POST-SimpleSign, byte for byte (SAML bindings 3.4,
//! 3.5; SimpleSign binding 2).
//!
//! What comes in is unproved: nothing here looks at metadata. `request::accept` and
//! `logout::accept_request` do.

mod outbound;
mod parameters;

pub(crate) use outbound::join;
pub use outbound::{form_fields, redirect_url};

use crate::saml::xml::reader::Limits;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::{Decompress, FlushDecompress, Status};
use parameters::{Parameter, Parameters};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A SAML binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Binding {
    /// `urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect`
    Redirect,
    /// `urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST`
    Post,
    /// `urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST-SimpleSign`
    PostSimpleSign,
    /// `urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Artifact`
    Artifact,
    /// `urn:oasis:names:tc:SAML:2.0:bindings:SOAP`
    Soap,
    /// `urn:oasis:names:tc:SAML:2.0:bindings:PAOS`
    Paos,
}

impl Binding {
    /// The binding's URI.
    pub fn uri(self) -> &'static str {
        match self {
            Self::Redirect => "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect",
            Self::Post => "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST",
            Self::PostSimpleSign => "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST-SimpleSign",
            Self::Artifact => "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Artifact",
            Self::Soap => "urn:oasis:names:tc:SAML:2.0:bindings:SOAP",
            Self::Paos => "urn:oasis:names:tc:SAML:2.0:bindings:PAOS",
        }
    }

    /// The binding with this URI.
    pub fn from_uri(uri: &str) -> Option<Self> {
        [
            Self::Redirect,
            Self::Post,
            Self::PostSimpleSign,
            Self::Artifact,
            Self::Soap,
            Self::Paos,
        ]
        .into_iter()
        .find(|binding| binding.uri() == uri)
    }
}

impl fmt::Display for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.uri())
    }
}

/// An inbound SAML request, decoded but unproved.
#[derive(Clone, Debug)]
pub struct Inbound {
    /// How it came.
    pub binding: Binding,
    /// The XML octets, inflated and base64-decoded, size-capped.
    pub xml: Vec<u8>,
    /// The RelayState to echo.
    pub relay_state: Option<String>,
    /// The detached signature of the Redirect binding, if the query carried one.
    pub detached: Option<DetachedSignature>,
}

/// A Redirect-binding signature and the exact octets it covers (SAML bindings 3.4.4.1).
#[derive(Clone, Debug)]
pub struct DetachedSignature {
    /// `SAMLRequest=..&RelayState=..&SigAlg=..` as cut from the raw query string, never re-encoded.
    pub signed_octets: Vec<u8>,
    /// Decoded `SigAlg`.
    pub algorithm: String,
    /// Decoded `Signature`.
    pub signature: Vec<u8>,
}

/// Why a message could not be decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BindingError {
    /// A constant, loggable reason.
    pub reason: &'static str,
}

impl fmt::Display for BindingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason)
    }
}

impl std::error::Error for BindingError {}

/// Octets of a RelayState we take. SAML bindings 3.4.3 says 80; many SPs send a URL.
const RELAY_STATE_LIMIT: usize = 1024;

/// Which way a message goes, and so which parameter carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// `SAMLRequest`
    Request,
    /// `SAMLResponse`
    Response,
}

impl Direction {
    /// The parameter's name.
    pub fn parameter(self) -> &'static str {
        match self {
            Self::Request => Parameter::SamlRequest.name(),
            Self::Response => Parameter::SamlResponse.name(),
        }
    }
}

/// A message at an endpoint that takes requests and responses alike: that of single logout.
#[derive(Clone, Debug)]
pub enum Message {
    /// It came as `SAMLRequest`.
    Request(Inbound),
    /// It came as `SAMLResponse`.
    Response(Inbound),
}

impl Message {
    fn new(direction: Direction, inbound: Inbound) -> Self {
        match direction {
            Direction::Request => Self::Request(inbound),
            Direction::Response => Self::Response(inbound),
        }
    }

    /// Which of the two it is.
    pub fn direction(&self) -> Direction {
        match self {
            Self::Request(_) => Direction::Request,
            Self::Response(_) => Direction::Response,
        }
    }

    /// The message, if it came as a request.
    fn request(self) -> Result<Inbound, BindingError> {
        match self {
            Self::Request(inbound) => Ok(inbound),
            Self::Response(_) => refused("SAMLResponse where SAMLRequest belongs"),
        }
    }
}

/// Decodes an AuthnRequest from a raw query string (`SAMLRequest=...`), as received.
pub fn decode_redirect(raw_query: &str) -> Result<Inbound, BindingError> {
    decode_query(raw_query)?.request()
}

/// Decodes an AuthnRequest from a form body's raw octets (`application/x-www-form-urlencoded`).
pub fn decode_post(raw_body: &[u8]) -> Result<Inbound, BindingError> {
    decode_form(raw_body)?.request()
}

/// Decodes an AuthnRequest from the raw octets of an HTTP-POST-SimpleSign form.
pub fn decode_post_simple_sign(raw_body: &[u8]) -> Result<Inbound, BindingError> {
    decode_simple_sign(raw_body)?.request()
}

/// Decodes a request or a response from a raw query string, as received.
pub fn decode_query(raw_query: &str) -> Result<Message, BindingError> {
    let parameters = Parameters::parse(raw_query)?;
    if let Some(encoding) = parameters.decoded(Parameter::SamlEncoding)?
        && encoding != "urn:oasis:names:tc:SAML:2.0:bindings:URL-Encoding:DEFLATE"
    {
        return refused("SAMLEncoding other than DEFLATE");
    }
    let (direction, message) = parameters.message()?;
    let inbound = Inbound {
        binding: Binding::Redirect,
        xml: inflate(&base64(&message)?)?,
        relay_state: parameters.relay_state()?,
        detached: detached(&parameters)?,
    };
    Ok(Message::new(direction, inbound))
}

/// Decodes a request or a response from a form body's raw octets.
pub fn decode_form(raw_body: &[u8]) -> Result<Message, BindingError> {
    let parameters = Parameters::parse(form(raw_body)?)?;
    let (direction, xml) = form_message(&parameters)?;
    let inbound = Inbound {
        binding: Binding::Post,
        xml,
        relay_state: parameters.relay_state()?,
        detached: None,
    };
    Ok(Message::new(direction, inbound))
}

/// Decodes a request or a response by HTTP-POST-SimpleSign: a form whose signature covers the
/// decoded values, the message's XML among them (SimpleSign binding 2.5). `KeyInfo` is never read.
pub fn decode_simple_sign(raw_body: &[u8]) -> Result<Message, BindingError> {
    let parameters = Parameters::parse(form(raw_body)?)?;
    let (direction, xml) = form_message(&parameters)?;
    let detached = signature_parameters(&parameters)?;
    let detached = match detached {
        Some((algorithm, signature)) => {
            let relay_state = parameters.decoded(Parameter::RelayState)?;
            let covered = simple_sign_octets(direction, &xml, relay_state.as_deref(), &algorithm);
            Some(DetachedSignature {
                signed_octets: covered,
                algorithm,
                signature,
            })
        }
        None => None,
    };
    let inbound = Inbound {
        binding: Binding::PostSimpleSign,
        xml,
        relay_state: parameters.relay_state()?,
        detached,
    };
    Ok(Message::new(direction, inbound))
}

/// `SAMLRequest=value&RelayState=value&SigAlg=value`, each value as it stands before any encoding.
/// The string can be cut in one way only: a document ends with its root element, and the name of
/// an algorithm has no `&`.
fn simple_sign_octets(
    direction: Direction,
    xml: &[u8],
    relay_state: Option<&str>,
    algorithm: &str,
) -> Vec<u8> {
    let mut octets = format!("{}=", direction.parameter()).into_bytes();
    octets.extend_from_slice(xml);
    if let Some(relay_state) = relay_state {
        octets.extend_from_slice(format!("&RelayState={relay_state}").as_bytes());
    }
    octets.extend_from_slice(format!("&SigAlg={algorithm}").as_bytes());
    octets
}

fn form(raw_body: &[u8]) -> Result<&str, BindingError> {
    std::str::from_utf8(raw_body).or_else(|_| refused("form is not UTF-8"))
}

fn form_message(parameters: &Parameters<'_>) -> Result<(Direction, Vec<u8>), BindingError> {
    let (direction, mut message) = parameters.message()?;
    // SAML bindings 3.5.4 leaves white space to the sender.
    message.retain(|character| character != ' ');
    Ok((direction, base64(&message)?))
}

/// Whether a query string names a parameter of the bindings. A POST whose URL does must be refused:
/// a reader that merges query and body could take either value (S11).
pub fn names_parameter(raw_query: &str) -> bool {
    !matches!(Parameters::parse(raw_query), Ok(parameters) if parameters.is_empty())
}

/// The signature and what it covers (SAML bindings 3.4.4.1): the parameters in the fixed order,
/// each exactly as it was received.
fn detached(parameters: &Parameters<'_>) -> Result<Option<DetachedSignature>, BindingError> {
    let Some((algorithm, signature)) = signature_parameters(parameters)? else {
        return Ok(None);
    };
    let covered: Vec<&str> = [
        Parameter::SamlRequest,
        Parameter::SamlResponse,
        Parameter::RelayState,
        Parameter::SigAlg,
    ]
    .into_iter()
    .filter_map(|parameter| parameters.raw_pair(parameter))
    .collect();
    Ok(Some(DetachedSignature {
        signed_octets: covered.join("&").into_bytes(),
        algorithm,
        signature,
    }))
}

fn signature_parameters(
    parameters: &Parameters<'_>,
) -> Result<Option<(String, Vec<u8>)>, BindingError> {
    let algorithm = parameters.decoded(Parameter::SigAlg)?;
    let signature = parameters.decoded(Parameter::Signature)?;
    match (algorithm, signature) {
        (None, None) => Ok(None),
        (Some(algorithm), Some(signature)) => Ok(Some((algorithm, base64(&signature)?))),
        _ => refused("SigAlg and Signature go together"),
    }
}

/// Base64, line breaks dropped: many encoders put them in. A space stays an error, for in a query
/// it is a `+` that was not escaped.
fn base64(text: &str) -> Result<Vec<u8>, BindingError> {
    let text = text.replace(['\r', '\n', '\t'], "");
    STANDARD
        .decode(text)
        .or_else(|_| refused("malformed base64"))
}

/// Raw DEFLATE (SAML bindings 3.4.4.1), to the end of the input, stopped at the cap on messages.
fn inflate(deflated: &[u8]) -> Result<Vec<u8>, BindingError> {
    let cap = Limits::MESSAGE.bytes;
    let mut inflated = Vec::with_capacity(8 * 1024);
    let mut stream = Decompress::new(false);
    loop {
        let unread = usize::try_from(stream.total_in())
            .ok()
            .and_then(|read| deflated.get(read..))
            .unwrap_or_default();
        let before = (stream.total_in(), stream.total_out());
        let status = stream.decompress_vec(unread, &mut inflated, FlushDecompress::None);
        match status {
            _ if inflated.len() > cap => return refused("message too large when inflated"),
            Ok(Status::StreamEnd) if stream.total_in() == deflated.len() as u64 => {
                return Ok(inflated);
            }
            Ok(Status::StreamEnd) => return refused("octets behind the deflated message"),
            Ok(_) if inflated.len() == inflated.capacity() => {
                inflated.reserve_exact(inflated.capacity().min(cap + 1 - inflated.len()));
            }
            Ok(_) if (stream.total_in(), stream.total_out()) != before => {}
            Ok(_) | Err(_) => return refused("malformed DEFLATE data"),
        }
    }
}

fn refused<T>(reason: &'static str) -> Result<T, BindingError> {
    Err(BindingError { reason })
}

#[cfg(test)]
mod tests;
