//! The end of a login: exactly one request gets here, writes its line, and answers the relying
//! party.

use crate::audit::Issued;
use crate::authn::event::Event;
use crate::authn::login::{Failure, Record, Success, Verdict};
use crate::response::ecp::Delivery;
use crate::response::{self, Assertion, Encryption, Statement};
use crate::saml::encryption::Recipient;
use crate::saml::metadata::MetadataResolver as _;
use crate::saml::soap::FaultCode;
use crate::server::conversation::{Execution, Finished};
use crate::server::http::outgoing::Outgoing;
use crate::server::http::reply::{Cookie, Fault, Reply};
use crate::server::http::soap_ecp;
use crate::server::http::visit::{Place, Visit, execution_url};
use crate::server::session::{Kept, Participant, Ticket, later};
use actix_web::http::StatusCode;
use std::time::Duration;

/// How long a finished login explains itself to a reload.
const REMEMBERED: Duration = Duration::from_hours(1);

/// A success that could not become an answer: the event instead.
struct Unanswerable(Event);

impl Visit<'_> {
    /// Ends the login: claims it, remembers what happened, answers.
    pub(super) async fn finish(self, verdict: Verdict, records: &[Record]) -> Result<Reply, Fault> {
        if !self.claim().await? {
            let Place::At { id, .. } = &self.place else {
                return Err(Fault::Defect("a new login lost a race".to_owned()));
            };
            let current = execution_url(self.exchange, &self.asked.request, id);
            return Ok(Reply::see_other(current));
        }
        self.journal().records(&self.asked, records);
        let reply = match verdict {
            Verdict::Success(success) => self.succeed(&success).await?,
            Verdict::Failure(failure) => self.fail(&failure).await?,
        };
        Ok(reply.with(self.browser.cookie()))
    }

    /// True for the one request that may end this login.
    pub(super) async fn claim(&self) -> Result<bool, Fault> {
        let Place::At { id, version } = &self.place else {
            return Ok(true);
        };
        let finished = Execution::Finished(Finished {
            asked: self.asked.clone(),
            browser: self.browser.hash(),
            csrf: self.csrf.clone(),
        });
        let expiry = later(self.exchange.app.world.now(), REMEMBERED);
        let executions = self.exchange.executions();
        Ok(executions.replace(id, *version, &finished, expiry).await?)
    }

    async fn succeed(&self, success: &Success) -> Result<Reply, Fault> {
        match self.answer(success).await? {
            Ok(reply) => Ok(reply),
            Err(Unanswerable(event)) => {
                let failure = Failure {
                    event,
                    username: Some(success.result.username().to_owned()),
                    why: success.why.clone(),
                    audit: success.audit.clone(),
                };
                self.fail(&failure).await
            }
        }
    }

    async fn answer(&self, success: &Success) -> Result<Result<Reply, Unanswerable>, Fault> {
        if !self.still_registered() {
            return Ok(Err(Unanswerable(Event::AccessDenied)));
        }
        if !self.still_remembered(success).await? {
            return Ok(Err(Unanswerable(Event::AuthenticationException)));
        }
        self.note_use(success).await;
        if self.asked.request.is_own() {
            return self.enter(success).await.map(Ok);
        }
        let Ok(record) = self.record(success).await else {
            return Ok(Err(Unanswerable(Event::RuntimeException)));
        };
        let world = &self.exchange.app.world;
        let sessions = self.exchange.sessions();
        let ticket = sessions.ticket(&success.result, self.live.as_ref());
        let request = &self.asked.request;
        let token = ticket.name(&request.issuer);
        let (attributes, name_id) = match self.release(success, &record, Some(&token)).await {
            Ok(released) => released,
            Err(event) => return Ok(Err(Unanswerable(event))),
        };
        let recipient = match self.profile.encryption.recipient(&self.relying_party) {
            Ok(recipient) => recipient,
            Err(problem) => {
                tracing::warn!(issuer = ?request.issuer, %problem, "no assertion");
                return Ok(Err(Unanswerable(Event::InvalidSecurityConfiguration)));
            }
        };
        let ids = [format!("_{}", world.id()), format!("_{}", world.id())];
        let session_index = ticket.session_index(&request.issuer);
        let issued = Issued {
            response_id: &ids[0],
            assertion_id: &ids[1],
            session_index: &session_index,
            name_id: &name_id,
            attributes: &attributes,
            encryption: recipient.map(|recipient| recipient.block.uri()),
        };
        let xml = self.sign(success, &issued, recipient)?;
        let participant = Participant {
            entity_id: request.issuer.clone(),
            name_id: name_id.clone(),
            session_index: session_index.clone(),
        };
        let kept = self.keep(success, (ticket, Some(participant))).await?;
        let remembered = self.remember_browser(success).await?;
        // Nothing is sent of which no line was written.
        self.journal()
            .success(&self.asked, success, &issued, &kept.reference)?;
        Ok(Ok(self
            .deliver(&xml)
            .await?
            .with(kept.cookie.map(Cookie::Session))
            .with(remembered)))
    }

    /// The relying party and the very endpoint the answer goes to stand in metadata today.
    fn still_registered(&self) -> bool {
        let request = &self.asked.request;
        if request.is_own() {
            return true;
        }
        let metadata = self.exchange.app.metadata.current();
        let entity = metadata.entity(&request.issuer, self.exchange.now);
        entity.is_some_and(|entity| {
            let services = &entity.sp.assertion_consumer_services;
            services
                .iter()
                .any(|acs| acs.endpoint == request.acs.endpoint)
        })
    }

    fn sign(
        &self,
        success: &Success,
        issued: &Issued<'_>,
        recipient: Option<Recipient<'_>>,
    ) -> Result<String, Fault> {
        let settings = &self.exchange.generation.settings;
        let look = &self.profile.response;
        let now = self.exchange.app.world.now();
        let statement = Statement {
            issuer: &settings.entity_id,
            request: &self.asked.request,
            class: &success.class,
            name_id: issued.name_id,
            attributes: issued.attributes,
            address: self
                .exchange
                .client
                .recorded
                .filter(|_| look.include_address),
            session_index: issued.session_index,
            session_not_on_or_after: self
                .profile
                .session_lifetime
                .map(|lifetime| later(now, lifetime)),
            lifetime: look.assertion_lifetime,
            assertion_id: issued.assertion_id,
            response_id: issued.response_id,
            now,
        };
        let key = settings
            .signing_key_for(&self.relying_party)
            .ok_or_else(|| Fault::Defect("no signing key".to_owned()))?;
        let signing = look.signing(&self.relying_party);
        let assertion = Assertion::issue(&success.result, &statement);
        let xml = match recipient {
            Some(recipient) => {
                let randomness = self.exchange.app.world.bytes();
                let encryption = Encryption {
                    recipient,
                    randomness,
                };
                response::encrypted_success(assertion, signing, key, &encryption)
            }
            None => response::success(assertion, signing, key).map_err(Into::into),
        };
        xml.map_err(|error| Fault::Defect(error.to_string()))
    }

    /// A session that was ended meanwhile takes this login with it. A client without a browser
    /// brings its credentials each time and needs none.
    pub(super) async fn keep(
        &self,
        success: &Success,
        told: (Ticket, Option<Participant>),
    ) -> Result<Kept, Fault> {
        if self.is_enhanced_client() {
            return Ok(Kept::default());
        }
        let address = self.exchange.client.proven;
        let sessions = self.exchange.sessions();
        let kept = sessions.keep(&success.result, self.live.as_ref(), told, address);
        kept.await?.ok_or(Fault::Expired(StatusCode::GONE))
    }

    /// Tells the relying party that it failed; a defect, or a relying party that has gone, ends on
    /// our own page.
    async fn fail(&self, failure: &Failure) -> Result<Reply, Fault> {
        if self.asked.request.is_own() {
            return self.turn_away(failure);
        }
        if failure.event == Event::RuntimeException || !self.still_registered() {
            self.journal().failure(&self.asked, failure, None)?;
            if self.is_enhanced_client() {
                let event = failure.event.as_str();
                return Ok(Reply::soap_fault(FaultCode::Server, event));
            }
            return Ok(Reply::login_error(
                StatusCode::INTERNAL_SERVER_ERROR,
                failure.event.as_str(),
                &self.asked.transaction,
                self.service(),
            ));
        }
        let settings = &self.exchange.generation.settings;
        let mut status = response::status_of(failure.event);
        if settings.response.detailed_errors {
            status.message = Some(failure.event.as_str().to_owned());
        }
        self.journal()
            .failure(&self.asked, failure, Some(&status))?;
        let event = failure.event.as_str();
        let refusal = self.asked.request.refuse(status, event, "the login failed");
        let id = format!("_{}", self.exchange.app.world.id());
        let key = settings.signing_key_for(&self.relying_party);
        let key = key.filter(|_| settings.response.sign_errors);
        let now = self.exchange.app.world.now();
        let xml = response::error(&refusal, &settings.entity_id, &id, now, key)
            .map_err(|error| Fault::Defect(error.to_string()))?;
        self.deliver(&xml).await
    }

    async fn deliver(&self, xml: &str) -> Result<Reply, Fault> {
        let request = &self.asked.request;
        if self.is_enhanced_client() {
            let delivery = Delivery {
                assertion_consumer_service_url: &request.acs.endpoint.location,
                request_authenticated: request.signed,
                channel_bindings: &self.channel_bindings,
            };
            return Ok(soap_ecp::deliver(&delivery, xml));
        }
        let outgoing = Outgoing {
            relying_party: &request.issuer,
            acs: &request.acs,
            relay_state: request.relay_state.as_deref(),
            xml,
        };
        let view = outgoing.view(self.exchange).await?;
        Ok(Reply::login_page(
            view,
            &self.asked.transaction,
            self.service(),
        ))
    }
}
