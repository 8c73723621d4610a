//! An answer on its way to its relying party by the browser: in a form, or as an artifact that stands
//! for it (SAML bindings 3.5, 3.6).

use crate::saml::binding::Binding;
use crate::saml::metadata::IndexedEndpoint;
use crate::server::http::exchange::Exchange;
use crate::server::http::reply::Fault;
use crate::server::pages::View;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// An answer and where it goes.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// The relying party it is for.
    pub relying_party: &'a str,
    /// Its endpoint.
    pub acs: &'a IndexedEndpoint,
    /// RelayState to echo.
    pub relay_state: Option<&'a str>,
    /// The Response.
    pub xml: &'a str,
}

impl Outgoing<'_> {
    /// The page that sends it on. An artifact goes by form too, which every endpoint must take
    /// (bindings 3.6.3), so that it is in no address, no history and no log.
    pub async fn view(&self, exchange: &Exchange) -> Result<View, Fault> {
        let (parameter, message) = match self.acs.endpoint.binding {
            Binding::Artifact => ("SAMLart", self.artifact(exchange).await?),
            _ => ("SAMLResponse", STANDARD.encode(self.xml)),
        };
        Ok(View::Respond {
            destination: self.acs.endpoint.location.clone(),
            parameter,
            message,
            relay_state: self.relay_state.map(str::to_owned),
        })
    }

    async fn artifact(&self, exchange: &Exchange) -> Result<String, Fault> {
        let settings = &exchange.generation.settings;
        let gone = || Fault::Defect("artifacts were switched off during this login".to_owned());
        let index = settings.artifact_index.ok_or_else(gone)?;
        let source = (settings.entity_id.as_str(), index);
        let artifacts = exchange.artifacts();
        let kept = artifacts.keep(source, self.relying_party, self.xml).await?;
        Ok(kept.encode())
    }
}
