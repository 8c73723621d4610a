//! Inbound messages by HTTP-Redirect and HTTP-POST, byte for byte (SAML bindings 3.4, 3.5).
//!
//! The result is unproved: nothing here looks at metadata. `request::accept` does.

mod parameters;

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

/// Decodes an AuthnRequest from a raw query string (`SAMLRequest=...`), as received.
pub fn decode_redirect(raw_query: &str) -> Result<Inbound, BindingError> {
    let parameters = Parameters::parse(raw_query)?;
    if let Some(encoding) = parameters.decoded(Parameter::SamlEncoding)?
        && encoding != "urn:oasis:names:tc:SAML:2.0:bindings:URL-Encoding:DEFLATE"
    {
        return refused("SAMLEncoding other than DEFLATE");
    }
    let message = parameters.message()?;
    Ok(Inbound {
        binding: Binding::Redirect,
        xml: inflate(&base64(&message)?)?,
        relay_state: parameters.relay_state()?,
        detached: detached(&parameters)?,
    })
}

/// Decodes an AuthnRequest from a form body's raw octets (`application/x-www-form-urlencoded`).
pub fn decode_post(raw_body: &[u8]) -> Result<Inbound, BindingError> {
    let Ok(body) = std::str::from_utf8(raw_body) else {
        return refused("form is not UTF-8");
    };
    let parameters = Parameters::parse(body)?;
    let mut message = parameters.message()?;
    // SAML bindings 3.5.4 leaves white space to the sender.
    message.retain(|character| character != ' ');
    Ok(Inbound {
        binding: Binding::Post,
        xml: base64(&message)?,
        relay_state: parameters.relay_state()?,
        detached: None,
    })
}

/// Whether a query string names a parameter of the bindings. A POST whose URL does must be refused:
/// a reader that merges query and body could take either value (S11).
pub fn names_parameter(raw_query: &str) -> bool {
    !matches!(Parameters::parse(raw_query), Ok(parameters) if parameters.is_empty())
}

/// The signature and what it covers (SAML bindings 3.4.4.1): the parameters in the fixed order,
/// each exactly as it was received.
fn detached(parameters: &Parameters<'_>) -> Result<Option<DetachedSignature>, BindingError> {
    let algorithm = parameters.decoded(Parameter::SigAlg)?;
    let signature = parameters.decoded(Parameter::Signature)?;
    let (algorithm, signature) = match (algorithm, signature) {
        (None, None) => return Ok(None),
        (Some(algorithm), Some(signature)) => (algorithm, signature),
        _ => return refused("SigAlg and Signature go together"),
    };
    let covered: Vec<&str> = [
        Parameter::SamlRequest,
        Parameter::RelayState,
        Parameter::SigAlg,
    ]
    .into_iter()
    .filter_map(|parameter| parameters.raw_pair(parameter))
    .collect();
    Ok(Some(DetachedSignature {
        signed_octets: covered.join("&").into_bytes(),
        algorithm,
        signature: base64(&signature)?,
    }))
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
