//! The parameters of a binding, out of a raw query string or form body.
//!
//! Raw pairs are kept, because a Redirect signature covers the octets as they were received; a
//! parameter that stands twice is refused, because two readers might take different ones (S11).

use super::{BindingError, Direction, RELAY_STATE_LIMIT, refused};

/// The parameters the bindings define (SAML bindings 3.4.4, 3.5.4).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Parameter {
    SamlRequest,
    SamlResponse,
    RelayState,
    SigAlg,
    Signature,
    SamlEncoding,
}

impl Parameter {
    const ALL: [Self; 6] = [
        Self::SamlRequest,
        Self::SamlResponse,
        Self::RelayState,
        Self::SigAlg,
        Self::Signature,
        Self::SamlEncoding,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::SamlRequest => "SAMLRequest",
            Self::SamlResponse => "SAMLResponse",
            Self::RelayState => "RelayState",
            Self::SigAlg => "SigAlg",
            Self::Signature => "Signature",
            Self::SamlEncoding => "SAMLEncoding",
        }
    }
}

/// The bindings' parameters as received; each at most once. Others are left alone.
pub(super) struct Parameters<'a> {
    found: [Option<&'a str>; Parameter::ALL.len()],
}

impl<'a> Parameters<'a> {
    /// Finds the parameters in `name=value&name=value`.
    pub(super) fn parse(raw: &'a str) -> Result<Self, BindingError> {
        let mut found = [None; Parameter::ALL.len()];
        for pair in raw.split('&') {
            let name = pair.split_once('=').map_or(pair, |(name, _)| name);
            let decoded = decode(name)?;
            let Some(index) = Parameter::ALL.iter().position(|p| p.name() == decoded) else {
                continue;
            };
            // Nobody has a reason to escape letters but to hide a name from another reader.
            if name != decoded {
                return refused("escaped parameter name");
            }
            if found[index].replace(pair).is_some() {
                return refused("parameter stands twice");
            }
        }
        Ok(Self { found })
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.found.iter().all(Option::is_none)
    }

    /// `name=value` as received.
    pub(super) fn raw_pair(&self, parameter: Parameter) -> Option<&'a str> {
        self.found[parameter as usize]
    }

    /// The decoded value.
    pub(super) fn decoded(&self, parameter: Parameter) -> Result<Option<String>, BindingError> {
        let value = |pair: &'a str| pair.split_once('=').map_or("", |(_, value)| value);
        self.raw_pair(parameter)
            .map(|pair| decode(value(pair)))
            .transpose()
    }

    /// The decoded message: `SAMLRequest` or `SAMLResponse`, never both.
    pub(super) fn message(&self) -> Result<(Direction, String), BindingError> {
        let request = self.decoded(Parameter::SamlRequest)?;
        let response = self.decoded(Parameter::SamlResponse)?;
        let (direction, message) = match (request, response) {
            (Some(message), None) => (Direction::Request, message),
            (None, Some(message)) => (Direction::Response, message),
            (Some(_), Some(_)) => return refused("SAMLRequest beside SAMLResponse"),
            (None, None) => return refused("neither SAMLRequest nor SAMLResponse"),
        };
        if message.is_empty() {
            return refused("the message is empty");
        }
        Ok((direction, message))
    }

    /// The decoded RelayState; an empty one is none.
    pub(super) fn relay_state(&self) -> Result<Option<String>, BindingError> {
        match self.decoded(Parameter::RelayState)? {
            Some(value) if value.len() > RELAY_STATE_LIMIT => refused("RelayState too long"),
            value => Ok(value.filter(|value| !value.is_empty())),
        }
    }
}

/// Decodes `application/x-www-form-urlencoded`. Stricter than the URL standard, whose parsers keep
/// a `%` without two hexadecimal digits: another reader might not.
fn decode(raw: &str) -> Result<String, BindingError> {
    let mut octets = Vec::with_capacity(raw.len());
    let mut rest = raw.bytes();
    while let Some(octet) = rest.next() {
        octets.push(match octet {
            b'+' => b' ',
            b'%' => match (rest.next().and_then(digit), rest.next().and_then(digit)) {
                (Some(high), Some(low)) => high << 4 | low,
                _ => return refused("malformed percent encoding"),
            },
            other => other,
        });
    }
    String::from_utf8(octets).or_else(|_| refused("parameter is not UTF-8"))
}

fn digit(octet: u8) -> Option<u8> {
    char::from(octet)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}
