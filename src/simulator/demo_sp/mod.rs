//! Three small service providers for `vestibule demo`, each with its own entityID.
//!
//! Owns: what an SP does in a login: it asks by HTTP-Redirect, verifies the answer as any SP must,
//! and shows what it was told. Sessions it has none: one login, one page.

mod answer;
mod http;
mod page;
mod request;
#[cfg(test)]
mod tests;

pub use answer::{Answer, Assertion, AttributeShown, Rejection, Told};

use crate::saml::binding::Binding;
use crate::saml::metadata::TrustedKey;
use crate::saml::xml::namespace::Namespace;
use crate::saml::xml::writer::Writer;
use crate::server::world::{Clock, Random};
use actix_web::dev::ServerHandle;
use std::fmt;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::thread::JoinHandle;

/// One service provider.
#[derive(Clone, Debug)]
pub struct Site {
    /// Its number in paths: `/sp/1/`.
    pub number: u8,
    /// `scheme://host:port` of the listener.
    pub origin: String,
    /// Its name, as users and the login page see it.
    pub name: String,
    /// What it shows, in one sentence.
    pub what: String,
}

impl Site {
    /// The entityID.
    pub fn entity_id(&self) -> String {
        format!("{}/sp/{}", self.origin, self.number)
    }

    /// The page that says what it is.
    pub fn home(&self) -> String {
        format!("{}/sp/{}/", self.origin, self.number)
    }

    /// Opening this starts a login.
    pub fn login_url(&self) -> String {
        format!("{}login", self.home())
    }

    /// The assertion consumer service.
    pub fn acs(&self) -> String {
        format!("{}acs", self.home())
    }

    /// Its metadata document, ending in a newline.
    pub fn metadata(&self) -> String {
        const MD: Namespace = Namespace::METADATA;
        const MDUI: Namespace = Namespace::new("mdui", "urn:oasis:names:tc:SAML:metadata:ui");
        let mut w = Writer::new();
        w.open(MD, "EntityDescriptor");
        w.attribute("entityID", &self.entity_id());
        w.open(MD, "SPSSODescriptor");
        w.attribute(
            "protocolSupportEnumeration",
            "urn:oasis:names:tc:SAML:2.0:protocol",
        );
        w.open(MD, "Extensions");
        w.open(MDUI, "UIInfo");
        for (local, text) in [("DisplayName", &self.name), ("Description", &self.what)] {
            w.open(MDUI, local);
            w.attribute_in(Namespace::XML, "lang", "en");
            w.text(text);
            w.close();
        }
        w.close();
        w.close();
        w.open(MD, "AssertionConsumerService");
        w.attribute("Binding", Binding::Post.uri());
        w.attribute("Location", &self.acs());
        w.attribute("index", "1");
        w.close();
        w.close();
        w.close();
        w.finish() + "\n"
    }
}

/// The one identity provider they trust.
#[derive(Clone, Debug)]
pub struct IdentityProvider {
    /// Its entityID.
    pub entity_id: String,
    /// Its single sign-on endpoint for HTTP-Redirect.
    pub sso_url: String,
    /// The keys it signs with.
    pub keys: Vec<TrustedKey>,
}

/// How the service providers start.
#[derive(Clone, Debug)]
pub struct Options {
    /// The sites.
    pub sites: Vec<Site>,
    /// Whom they send users to.
    pub idp: IdentityProvider,
    /// Their clock.
    pub clock: Arc<dyn Clock>,
    /// Their randomness.
    pub random: Arc<dyn Random>,
}

/// Starts the service providers on a thread of their own; they are listening when this returns.
pub fn start(options: Options, listener: TcpListener) -> io::Result<Running> {
    let (handle, thread) = http::spawn(options, listener)?;
    Ok(Running {
        handle,
        thread: Some(thread),
    })
}

/// Service providers that are listening. Dropping it stops them.
pub struct Running {
    handle: ServerHandle,
    thread: Option<JoinHandle<()>>,
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Running(demo service providers)")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The command is sent at once; the future would only wait for it.
        drop(self.handle.stop(false));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
