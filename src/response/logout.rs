//! Logout messages that we send (SAML core 3.7): to relying parties that are to end a session, and
//! to the one that asked us to.
//!
//! Every one is signed: inside the XML for HTTP-POST and SOAP, beside it for HTTP-Redirect, where
//! the XML itself stays unsigned (SAML bindings 3.4.4.1).

use crate::response::encrypted::{Encryption, ResponseError};
use crate::response::envelope::write_status;
use crate::saml::binding::{Binding, Direction, form_fields, redirect_url};
use crate::saml::encryption::encrypt;
use crate::saml::instant;
use crate::saml::key::{KeyError, SigningKey};
use crate::saml::logout::ASYNC;
use crate::saml::name_id::NameId;
use crate::saml::signature;
use crate::saml::soap;
use crate::saml::status::{Status, TopStatus, second};
use crate::saml::xml::namespace::Namespace;
use crate::saml::xml::writer::{Place, Writer};
use jiff::Timestamp;

const SAMLP: Namespace = Namespace::PROTOCOL;
const SAML: Namespace = Namespace::ASSERTION;
/// `Reason` of a logout that the user asked for (SAML core 3.7.3).
const REASON_USER: &str = "urn:oasis:names:tc:SAML:2.0:logout:user";

/// What both kinds of message say of themselves.
#[derive(Clone, Copy, Debug)]
pub struct Header<'a> {
    /// Fresh random ID (`_` + 32 hex).
    pub id: &'a str,
    /// Our entityID.
    pub issuer: &'a str,
    /// The relying party's endpoint: `Destination`; empty for an answer over SOAP, which goes back
    /// where the request came from.
    pub destination: &'a str,
    /// Now.
    pub now: Timestamp,
}

/// Our request that a relying party end its sessions of a subject.
#[derive(Debug)]
pub struct LogoutRequest<'a> {
    /// Its header.
    pub header: Header<'a>,
    /// When the request means nothing any more.
    pub not_on_or_after: Timestamp,
    /// The NameID that the relying party was given, every part of it.
    pub name_id: &'a NameId,
    /// The SessionIndexes it was given.
    pub session_indexes: &'a [String],
    /// Whether no answer is waited for: then the extension says so.
    pub asynchronous: bool,
}

/// Our answer to a relying party that asked for a logout.
#[derive(Debug)]
pub struct LogoutResponse<'a> {
    /// Its header.
    pub header: Header<'a>,
    /// The `ID` of its request.
    pub in_response_to: &'a str,
    /// How it ended.
    pub ended: Ended,
}

/// How a logout ended, told as it is (SDP-IDP31).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Our session and those of every other relying party.
    All,
    /// Our session; some relying party's did not end, or could not be asked.
    Partial,
    /// There was no such session.
    NoSession,
    /// Our session did not end.
    Failed,
    /// The relying party may not ask.
    Denied,
}

/// A binding that logout messages leave by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// HTTP-Redirect.
    Redirect,
    /// HTTP-POST.
    Post,
    /// SOAP.
    Soap,
}

impl Channel {
    /// The channel of a relying party's endpoint, if we send by its binding.
    pub fn of(binding: Binding) -> Option<Self> {
        match binding {
            Binding::Redirect => Some(Self::Redirect),
            Binding::Post => Some(Self::Post),
            Binding::Soap => Some(Self::Soap),
            Binding::PostSimpleSign | Binding::Artifact | Binding::Paos => None,
        }
    }
}

/// A message as its binding carries it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outgoing {
    /// A URL to send the browser to.
    Redirect(String),
    /// The fields of a form to the destination.
    Form(Vec<(&'static str, String)>),
    /// An envelope to post to the destination, or to answer with.
    Soap(String),
}

/// By which channel, with which RelayState, signed by which key.
#[derive(Clone, Copy, Debug)]
pub struct Carriage<'a> {
    /// The binding.
    pub channel: Channel,
    /// RelayState, which SOAP has none of.
    pub relay_state: Option<&'a str>,
    /// What signs.
    pub key: &'a SigningKey,
}

impl LogoutRequest<'_> {
    /// The signed message; its NameID is encrypted if a recipient is given.
    pub fn send(
        &self,
        carriage: &Carriage<'_>,
        encryption: Option<&Encryption<'_>>,
    ) -> Result<Outgoing, ResponseError> {
        let end = instant::format_millis(self.not_on_or_after);
        let attributes = [("NotOnOrAfter", end.as_str()), ("Reason", REASON_USER)];
        let (mut w, place) = self.header.open("LogoutRequest", &attributes);
        if self.asynchronous {
            w.open(SAMLP, "Extensions");
            w.open(ASYNC, "Asynchronous");
            w.close();
            w.close();
        }
        match encryption {
            Some(encryption) => self.write_encrypted(&mut w, encryption)?,
            None => self.name_id.write(&mut w),
        }
        for index in self.session_indexes {
            w.leaf(SAMLP, "SessionIndex", index);
        }
        w.close();
        Ok(self
            .header
            .finish((Direction::Request, w), &place, carriage)?)
    }

    fn write_encrypted(
        &self,
        w: &mut Writer,
        encryption: &Encryption<'_>,
    ) -> Result<(), ResponseError> {
        let mut name = Writer::with_capacity(512);
        self.name_id.write(&mut name);
        w.open(SAML, "EncryptedID");
        let octets = name.finish();
        encrypt(
            w,
            octets.as_bytes(),
            &encryption.recipient,
            encryption.randomness,
        )?;
        w.close();
        Ok(())
    }
}

impl LogoutResponse<'_> {
    /// The signed message.
    pub fn send(&self, carriage: &Carriage<'_>) -> Result<Outgoing, KeyError> {
        let attributes = [("InResponseTo", self.in_response_to)];
        let (mut w, place) = self.header.open("LogoutResponse", &attributes);
        write_status(&mut w, &self.ended.status());
        w.close();
        self.header
            .finish((Direction::Response, w), &place, carriage)
    }
}

impl Ended {
    /// SAML core 3.7.3.2, profiles 4.4.4.2.
    pub fn status(self) -> Status {
        let (top, second) = match self {
            Self::All => (TopStatus::Success, None),
            Self::Partial => (TopStatus::Success, Some(second::PARTIAL_LOGOUT)),
            Self::NoSession => (TopStatus::Requester, Some(second::UNKNOWN_PRINCIPAL)),
            Self::Failed => (TopStatus::Responder, None),
            Self::Denied => (TopStatus::Requester, Some(second::REQUEST_DENIED)),
        };
        Status {
            top,
            second,
            message: None,
        }
    }
}

impl Header<'_> {
    /// A message up to its Issuer, with the place for its signature.
    fn open(&self, local: &'static str, attributes: &[(&'static str, &str)]) -> (Writer, Place) {
        let mut w = Writer::with_capacity(8 * 1024);
        w.open(SAMLP, local);
        if !self.destination.is_empty() {
            w.attribute("Destination", self.destination);
        }
        w.attribute("ID", self.id);
        w.attribute("IssueInstant", &instant::format_millis(self.now));
        w.attribute("Version", "2.0");
        for (name, value) in attributes {
            w.attribute(name, value);
        }
        w.leaf(SAML, "Issuer", self.issuer);
        let place = w.place();
        (w, place)
    }

    fn finish(
        &self,
        (direction, mut w): (Direction, Writer),
        place: &Place,
        carriage: &Carriage<'_>,
    ) -> Result<Outgoing, KeyError> {
        let &Carriage {
            channel,
            relay_state,
            key,
        } = carriage;
        if channel != Channel::Redirect {
            signature::sign(&mut w, place, self.id, key)?;
        }
        let xml = w.finish();
        let message = (direction, xml.as_str());
        Ok(match channel {
            Channel::Redirect => Outgoing::Redirect(redirect_url(
                self.destination,
                message,
                relay_state,
                Some(key),
            )?),
            Channel::Post => Outgoing::Form(form_fields(message, relay_state)),
            Channel::Soap => Outgoing::Soap(soap::envelope(None, &xml)),
        })
    }
}
