//! The answer to an enhanced client (SAML profiles 4.2.4.4): the Response in an envelope, with where
//! the client must deliver it, so that it can tell a relying party that lied to it.

use crate::saml::ecp::{CHANNEL_BINDINGS, ChannelBindings, ECP};
use crate::saml::soap::{self, ACTOR_NEXT, SOAP};
use crate::saml::xml::namespace::Namespace;
use crate::saml::xml::writer::Writer;

/// What the client is told beside the Response.
#[derive(Clone, Copy, Debug)]
pub struct Delivery<'a> {
    /// The relying party's PAOS endpoint, as metadata has it.
    pub assertion_consumer_service_url: &'a str,
    /// Whether the request was signed, which the client may insist on.
    pub request_authenticated: bool,
    /// Bindings that both ends named.
    pub channel_bindings: &'a [ChannelBindings],
}

impl<'a> Delivery<'a> {
    /// Delivery to this endpoint, with nothing confirmed to the client.
    pub fn to(assertion_consumer_service_url: &'a str) -> Self {
        Self {
            assertion_consumer_service_url,
            request_authenticated: false,
            channel_bindings: &[],
        }
    }

    /// The envelope around a Response, be it a success or an error.
    pub fn envelope(&self, response: &str) -> String {
        soap::envelope(Some(&|w| self.write(w)), response)
    }

    fn write(&self, w: &mut Writer) {
        block(w, ECP, "Response");
        w.attribute(
            "AssertionConsumerServiceURL",
            self.assertion_consumer_service_url,
        );
        w.close();
        if self.request_authenticated {
            // A client of the profile's first version does not know it, and may pass it over.
            w.open(ECP, "RequestAuthenticated");
            w.attribute_in(SOAP, "actor", ACTOR_NEXT);
            w.close();
        }
        for bindings in self.channel_bindings {
            block(w, CHANNEL_BINDINGS, "ChannelBindings");
            w.attribute("Type", &bindings.kind);
            w.text(&bindings.data);
            w.close();
        }
    }
}

/// A header for whoever reads the envelope next.
fn block(w: &mut Writer, namespace: Namespace, local: &'static str) {
    w.open(namespace, local);
    w.attribute_in(SOAP, "actor", ACTOR_NEXT);
    w.attribute_in(SOAP, "mustUnderstand", "1");
}
