//! The client that carries logout requests to relying parties over the back channel (SAML bindings
//! 3.2).
//!
//! Addresses come from metadata alone. No redirects, no proxy, bounded in time and size. What comes
//! back is proved by its signature; TLS only hides the name on the way.

use crate::saml::soap::TEXT_XML;
use crate::server::back_end::duo::{install_tls_provider, reason};
use reqwest::header::CONTENT_TYPE;
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode};
use std::time::Duration;

/// A LogoutResponse with a certificate has less than 10 KiB.
const LONGEST_ANSWER: usize = 256 * 1024;

/// What SAML bindings 3.2.3.1 suggests; some receivers insist on it.
const SOAP_ACTION: &str = "http://www.oasis-open.org/committees/security";

/// Posts envelopes to relying parties.
#[derive(Debug)]
pub struct LogoutClient(Client);

impl LogoutClient {
    /// A client by the operator's limit; the error is a reason for the operator.
    pub fn new(timeout: Duration) -> Result<Self, String> {
        install_tls_provider();
        let client = Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .timeout(timeout)
            .user_agent(concat!("vestibule/", env!("CARGO_PKG_VERSION")))
            .build();
        client
            .map(Self)
            .map_err(|_| "the client for logout cannot be set up".to_owned())
    }

    /// Posts an envelope; the octets that came back with status 200, or a word for what failed.
    pub async fn post(&self, url: &str, envelope: String) -> Result<Vec<u8>, &'static str> {
        let post = self
            .0
            .post(url)
            .header(CONTENT_TYPE, format!("{TEXT_XML}; charset=utf-8"))
            .header("SOAPAction", format!("\"{SOAP_ACTION}\""))
            .body(envelope);
        let mut response = post.send().await.map_err(|error| reason(&error))?;
        if response.status() != StatusCode::OK {
            return Err("an HTTP status other than 200");
        }
        let mut octets = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| reason(&error))? {
            if octets.len() + chunk.len() > LONGEST_ANSWER {
                return Err("a body too long");
            }
            octets.extend_from_slice(&chunk);
        }
        Ok(octets)
    }
}
