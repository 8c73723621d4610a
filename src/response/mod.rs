//! What we send back: the Assertion, the Response, the Refusal; signed once, parsed never.
//!
//! Owns: which subject identifier is sent, the XML of assertions and responses, the mapping from
//! events to status. Does not own: the writer and the signature (`saml`), or how the octets
//! travel (`server`). An assertion's octets are finished, then enclosed: what encrypts them stands
//! between the two.

mod artifact;
mod assertion;
pub mod ecp;
mod encrypted;
mod envelope;
pub mod logout;
pub mod name_id;
mod status;

pub use artifact::artifact_response;
pub use assertion::{Assertion, Statement};
pub use encrypted::{Encryption, ResponseError, encrypted_success};
pub use envelope::{Signing, error, success};
pub use status::status_of;

use crate::saml::metadata::EntityDescriptor;
use std::time::Duration;

/// What our responses look like (`idp.*` profile settings).
#[derive(Clone, Debug)]
pub struct ResponseSettings {
    /// `idp.saml2.sso.signResponses` or the like (true).
    pub sign_responses: bool,
    /// (false; metadata's WantAssertionsSigned turns it on for that relying party).
    pub sign_assertions: bool,
    /// `idp.saml.honorWantAssertionsSigned` (true).
    pub honor_want_assertions_signed: bool,
    /// `idp.assertion.lifetime`: PT5M.
    pub assertion_lifetime: Duration,
    /// SubjectLocality and confirmation Address carry the client's address.
    pub include_address: bool,
    /// `idp.errors.signed` (true).
    pub sign_errors: bool,
    /// `idp.errors.detailed` (false).
    pub detailed_errors: bool,
}

impl Default for ResponseSettings {
    fn default() -> Self {
        Self {
            sign_responses: true,
            sign_assertions: false,
            honor_want_assertions_signed: true,
            assertion_lifetime: Duration::from_mins(5),
            include_address: true,
            sign_errors: true,
            detailed_errors: false,
        }
    }
}

impl ResponseSettings {
    /// What to sign for this relying party: its metadata can ask for more, never for less
    /// (SAML metadata 2.4.4, WantAssertionsSigned).
    pub fn signing(&self, relying_party: &EntityDescriptor) -> Signing {
        let wish = self.honor_want_assertions_signed && relying_party.sp.want_assertions_signed;
        let assertion = self.sign_assertions || wish;
        // The bearer profile needs one of the two (SAML profiles 4.1.3.5).
        let response = self.sign_responses || !assertion;
        Signing {
            response,
            assertion,
        }
    }
}
#[cfg(test)]
mod tests;
