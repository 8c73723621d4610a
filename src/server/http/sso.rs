//! What the single sign-on endpoints share: a message is accepted, refused, or was seen before.

use crate::authn::event::Event;
use crate::config::relying_party::ProfileId;
use crate::response;
use crate::response::ecp::Delivery;
use crate::saml::binding::{Binding, BindingError, Inbound};
use crate::saml::metadata::{EntityDescriptor, MetadataResolver as _};
use crate::saml::request::{
    AuthnRequest, LocalRefusal, Refusal, RelyingPartyRefusal, accept, claimed_issuer,
};
use crate::saml::soap::{FaultCode, SoapError};
use crate::server::conversation::Asked;
use crate::server::http::exchange::Exchange;
use crate::server::http::outgoing::Outgoing;
use crate::server::http::reply::{Fault, Reply};
use crate::server::http::soap_ecp;
use crate::server::journal::{Journal, Who};
use crate::server::replay::Sighting;
use crate::server::session::later;
use std::sync::Arc;

/// A message on its way in.
#[derive(Debug)]
pub struct Arrival<'e> {
    exchange: &'e Exchange,
    binding: Binding,
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

    /// Proves a decoded message and remembers it; what is refused is answered here.
    pub async fn accept(&self, inbound: Result<Inbound, BindingError>) -> Result<Asked, Reply> {
        let inbound = match inbound {
            Ok(inbound) => inbound,
            Err(error) => {
                let refusal = Refusal::Local(LocalRefusal {
                    event: "UnableToDecode",
                    reason: error.reason,
                    claimed_issuer: None,
                });
                return Err(self.refuse(refusal).await);
            }
        };
        // Reading the message twice is worth it only where somebody is to be asked.
        if self.exchange.app.metadata.current().asks_services() {
            self.prepare(claimed_issuer(&inbound)).await;
        }
        let metadata = self.exchange.app.metadata.current();
        let acceptance = &self.exchange.generation.settings.acceptance;
        let accepted = accept(&inbound, &*metadata, acceptance, self.exchange.now);
        self.take(accepted).await
    }

    /// Has the metadata of who claims to ask fetched, where it is fetched on demand.
    pub async fn prepare(&self, issuer: Option<String>) {
        if let Some(issuer) = issuer {
            let metadata = &self.exchange.app.metadata;
            metadata.prepare(&issuer, self.exchange.now).await;
        }
    }

    /// Answers what is no SOAP envelope for us.
    pub fn no_envelope(&self, error: &SoapError) -> Result<Reply, Fault> {
        let refusal = LocalRefusal {
            event: "UnableToDecode",
            reason: error.reason,
            claimed_issuer: None,
        };
        self.journal().local(&refusal, Some(self.binding))?;
        Ok(Reply::soap_fault(error.code, error.reason))
    }

    /// Takes a proved request, once.
    pub async fn take(
        &self,
        accepted: Result<(AuthnRequest, Arc<EntityDescriptor>), Refusal>,
    ) -> Result<Asked, Reply> {
        match accepted.and_then(|(request, party)| self.admit(request, &party)) {
            Ok(request) => Ok(Asked {
                request,
                transaction: self.transaction.clone(),
                started: self.exchange.now,
                client: self.exchange.client.recorded,
                user_agent: self.exchange.user_agent().to_owned(),
            }),
            Err(refusal) => Err(self.refuse(refusal).await),
        }
    }

    fn admit(
        &self,
        request: AuthnRequest,
        relying_party: &Arc<EntityDescriptor>,
    ) -> Result<AuthnRequest, Refusal> {
        self.check(&request, relying_party)?;
        match self.seen_before(&request) {
            None => Ok(request),
            Some(reason) => Err(Refusal::Local(LocalRefusal {
                event: "MessageReplay",
                reason,
                claimed_issuer: Some(request.issuer),
            })),
        }
    }

    /// What the operator allows this relying party (truth table R28).
    fn check(
        &self,
        request: &AuthnRequest,
        relying_party: &Arc<EntityDescriptor>,
    ) -> Result<(), Refusal> {
        let profile = self
            .exchange
            .profile(relying_party)
            .map_err(Refusal::Local)?;
        let asked = match (self.binding, &request.id) {
            (Binding::Soap, _) => ProfileId::Ecp,
            (_, Some(_)) => ProfileId::Sso,
            (_, None) => ProfileId::Unsolicited,
        };
        let reason = if !profile.allows(asked) {
            "this relying party may not use this profile"
        } else if !profile.may_request(request.requested.as_ref()) {
            "this relying party may not request these classes"
        } else {
            return Ok(());
        };
        let event = Event::AccessDenied;
        let refusal = request.refuse(response::status_of(event), event.as_str(), reason);
        Err(Refusal::ToRelyingParty(Box::new(refusal)))
    }

    /// A request without an ID (from a portal's link) cannot be replayed: it answers nothing.
    fn seen_before(&self, request: &AuthnRequest) -> Option<&'static str> {
        let id = request.id.as_deref()?;
        let acceptance = &self.exchange.generation.settings.acceptance;
        let window = acceptance.message_lifetime + 2 * acceptance.clock_skew;
        let until = later(self.exchange.now, window);
        let replay = &self.exchange.app.replay;
        match replay.see(&request.issuer, id, until, self.exchange.now) {
            Sighting::First => None,
            Sighting::Replay => Some("the request was used before"),
            Sighting::Full => Some("the replay cache is full"),
        }
    }

    async fn refuse(&self, refusal: Refusal) -> Reply {
        let journal = self.journal();
        let answer = match refusal {
            Refusal::Local(refusal) => match journal.local(&refusal, Some(self.binding)) {
                // Whoever runs the client cannot look at our page, and needs to know.
                Ok(()) if self.binding == Binding::Soap => {
                    Ok(Reply::soap_fault(FaultCode::Client, refusal.reason))
                }
                Ok(()) => Err(Fault::refused(&refusal, &self.transaction)),
                Err(error) => Err(error.into()),
            },
            Refusal::ToRelyingParty(refusal) => match journal.refusal(&refusal, self.binding) {
                Ok(()) => self.answer(&refusal).await,
                Err(error) => Err(error.into()),
            },
        };
        answer.unwrap_or_else(|fault| match self.binding {
            Binding::Soap => fault.soap_reply(),
            _ => fault.reply(),
        })
    }

    async fn answer(&self, refusal: &RelyingPartyRefusal) -> Result<Reply, Fault> {
        let settings = &self.exchange.generation.settings;
        let world = &self.exchange.app.world;
        let metadata = self.exchange.app.metadata.current();
        let relying_party = metadata.entity(&refusal.issuer, self.exchange.now);
        let key = match &relying_party {
            Some(relying_party) => settings.signing_key_for(relying_party),
            None => settings.signing_keys.first(),
        };
        let key = key.filter(|_| settings.response.sign_errors);
        let id = format!("_{}", world.id());
        let xml = response::error(refusal, &settings.entity_id, &id, world.now(), key)
            .map_err(|error| Fault::Defect(error.to_string()))?;
        if refusal.acs.endpoint.binding == Binding::Paos {
            let delivery = Delivery::to(&refusal.acs.endpoint.location);
            return Ok(soap_ecp::deliver(&delivery, &xml));
        }
        let outgoing = Outgoing {
            relying_party: &refusal.issuer,
            acs: &refusal.acs,
            relay_state: refusal.relay_state.as_deref(),
            xml: &xml,
        };
        let view = outgoing.view(self.exchange).await?;
        Ok(Reply::respond(view, &self.transaction))
    }

    fn journal(&self) -> Journal<'_> {
        Journal {
            settings: &self.exchange.generation.settings,
            world: &self.exchange.app.world,
            who: Who {
                transaction: &self.transaction,
                started: self.exchange.now,
                client: self.exchange.client.recorded,
                user_agent: self.exchange.user_agent(),
            },
        }
    }
}
