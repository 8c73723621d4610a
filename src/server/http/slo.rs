//! What the single logout endpoints share: a message is proved and admitted, or refused.
//!
//! Nothing is ended by a message that is not signed by a relying party of our metadata, is not for
//! this endpoint and this hour, or was seen before (S50).

use crate::config::relying_party::ProfileId;
use crate::saml::binding::{Binding, BindingError, Inbound, Message};
use crate::saml::logout::{
    LogoutRefusal, LogoutRequest, accept_request, accept_response, browser_endpoint,
};
use crate::saml::metadata::EntityDescriptor;
use crate::saml::request::claimed_issuer;
use crate::server::http::exchange::Exchange;
use crate::server::http::logout::{ending, waiting};
use crate::server::http::reply::{Fault, Reply};
use crate::server::journal::{Journal, Who};
use crate::server::logout::{Begun, Waiting};
use crate::server::replay::Sighting;
use crate::server::session::later;
use std::sync::Arc;
use std::time::Duration;

/// A browser follows the redirect at once.
const PARKED: Duration = Duration::from_mins(5);

/// A logout message on its way in.
#[derive(Debug)]
pub struct Arrival<'e> {
    /// What it came in.
    pub exchange: &'e Exchange,
    /// How it came.
    pub binding: Binding,
    transaction: String,
}

impl<'e> Arrival<'e> {
    /// A message that came by this binding.
    pub fn new(exchange: &'e Exchange, binding: Binding) -> Self {
        Self {
            exchange,
            binding,
            transaction: exchange.app.world.id(),
        }
    }

    /// Does what a message asks that a browser carried here.
    pub async fn receive(&self, decoded: Result<Message, BindingError>) -> Result<Reply, Fault> {
        let answer = match decoded {
            Ok(Message::Request(inbound)) => self.request(&inbound).await,
            Ok(Message::Response(inbound)) => self.response(&inbound).await,
            Err(error) => Ok(Err(LogoutRefusal {
                event: "UnableToDecode",
                reason: error.reason,
                claimed_issuer: None,
            })),
        };
        answer?.map_err(|refusal| self.refuse(&refusal))
    }

    async fn request(&self, inbound: &Inbound) -> Result<Result<Reply, LogoutRefusal>, Fault> {
        self.prepare(claimed_issuer(inbound)).await;
        let metadata = self.exchange.app.metadata.current();
        let acceptance = &self.exchange.generation.settings.logout.acceptance;
        let accepted = accept_request(inbound, &*metadata, acceptance, self.exchange.now);
        let admitted = accepted.and_then(|(request, party)| {
            self.admit(&request, &party)?;
            self.answerable(&request, &party)?;
            Ok(self.begun(request))
        });
        match admitted {
            // From another site a form brings no cookies; fetched with GET they come along.
            Ok(begun) if self.binding == Binding::Post => self.park(begun).await.map(Ok),
            Ok(begun) => ending::begin(self.exchange, begun).await.map(Ok),
            Err(refusal) => Ok(Err(refusal)),
        }
    }

    async fn response(&self, inbound: &Inbound) -> Result<Result<Reply, LogoutRefusal>, Fault> {
        self.prepare(claimed_issuer(inbound)).await;
        let metadata = self.exchange.app.metadata.current();
        let acceptance = &self.exchange.generation.settings.logout.acceptance;
        match accept_response(inbound, &*metadata, acceptance, self.exchange.now) {
            Ok(response) => waiting::answered(self.exchange, response).await,
            Err(refusal) => Ok(Err(refusal)),
        }
    }

    /// Asks the sources of metadata that are asked for each relying party.
    pub async fn prepare(&self, issuer: Option<String>) {
        if let Some(issuer) = issuer {
            let metadata = &self.exchange.app.metadata;
            metadata.prepare(&issuer, self.exchange.now).await;
        }
    }

    /// What a proved request still has to pass: the operator lets this relying party ask, and it is
    /// the first time.
    pub fn admit(
        &self,
        request: &LogoutRequest,
        party: &Arc<EntityDescriptor>,
    ) -> Result<(), LogoutRefusal> {
        let refused = |event, reason| LogoutRefusal {
            event,
            reason,
            claimed_issuer: Some(request.issuer.clone()),
        };
        let profile = self
            .exchange
            .profile(party)
            .map_err(|refusal| refused(refusal.event, refusal.reason))?;
        if !profile.allows(ProfileId::Logout) {
            let reason = "this relying party may not use this profile";
            return Err(refused("AccessDenied", reason));
        }
        match self.sighting(request) {
            Sighting::First => Ok(()),
            Sighting::Replay => Err(refused("MessageReplay", "the request was used before")),
            Sighting::Full => Err(refused("MessageReplay", "the replay cache is full")),
        }
    }

    fn sighting(&self, request: &LogoutRequest) -> Sighting {
        let acceptance = &self.exchange.generation.settings.logout.acceptance;
        let window = acceptance.message_lifetime + 2 * acceptance.clock_skew;
        let until = later(self.exchange.now, window);
        let replay = &self.exchange.app.replay;
        replay.see(&request.issuer, &request.id, until, self.exchange.now)
    }

    /// SAML profiles 4.4.3.5: who waits for an answer must have an endpoint for it.
    fn answerable(
        &self,
        request: &LogoutRequest,
        party: &EntityDescriptor,
    ) -> Result<(), LogoutRefusal> {
        let assume_async = self.exchange.generation.settings.logout.assume_async;
        let endpoint = browser_endpoint(&party.sp.single_logout_services, request.binding);
        if request.asynchronous || assume_async || endpoint.is_some() {
            return Ok(());
        }
        Err(LogoutRefusal {
            event: "EndpointResolutionFailed",
            reason: "metadata has no endpoint for the answer",
            claimed_issuer: Some(request.issuer.clone()),
        })
    }

    /// The logout that this request begins.
    pub fn begun(&self, request: LogoutRequest) -> Begun {
        Begun {
            transaction: self.transaction.clone(),
            started: self.exchange.now,
            client: self.exchange.client.recorded,
            user_agent: self.exchange.user_agent().to_owned(),
            request: Some(request),
        }
    }

    async fn park(&self, begun: Begun) -> Result<Reply, Fault> {
        let id = self.exchange.app.world.id();
        let expiry = later(self.exchange.now, PARKED);
        let logouts = self.exchange.logouts();
        logouts
            .create(&id, &Waiting::Pending(Box::new(begun)), expiry)
            .await?;
        Ok(Reply::see_other(waiting::url(self.exchange, &id)))
    }

    /// Writes the refusal's line; the page says that nothing ended.
    pub fn refuse(&self, refusal: &LogoutRefusal) -> Fault {
        let journal = Journal {
            settings: &self.exchange.generation.settings,
            world: &self.exchange.app.world,
            who: Who {
                transaction: &self.transaction,
                started: self.exchange.now,
                client: self.exchange.client.recorded,
                user_agent: self.exchange.user_agent(),
            },
        };
        journal.logout_refused(refusal, self.binding);
        Fault::LogoutRefused {
            event: refusal.event,
            transaction: self.transaction.clone(),
        }
    }
}
