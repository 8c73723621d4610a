//! What the relying party that asked for a logout is told, and the line about it.

use crate::audit::{LoggedOut, LogoutAnswer};
use crate::response::logout::{Carriage, Channel, Ended, Header, LogoutResponse, Outgoing};
use crate::saml::binding::Binding;
use crate::saml::key::SigningKey;
use crate::saml::logout::{browser_endpoint, response_location};
use crate::saml::metadata::{EntityDescriptor, MetadataResolver as _};
use crate::saml::status::Status;
use crate::server::http::exchange::Exchange;
use crate::server::http::reply::{Fault, Reply};
use crate::server::journal::{Journal, Who};
use crate::server::logout::{Fate, Logout};
use crate::server::pages::{CarryView, View};

/// A signed answer.
#[derive(Debug)]
pub struct Answer {
    id: String,
    binding: Binding,
    destination: Option<String>,
    status: Status,
    /// As its binding carries it.
    pub outgoing: Outgoing,
}

/// A message that the browser carries.
#[derive(Debug)]
pub struct Sent {
    /// The endpoint.
    pub destination: String,
    /// As its binding carries it.
    pub outgoing: Outgoing,
}

/// What an answer says.
#[derive(Clone, Copy, Debug)]
pub struct Saying<'a> {
    /// Its ID.
    pub id: &'a str,
    /// The request's.
    pub in_response_to: &'a str,
    /// How it ended.
    pub ended: Ended,
}

impl Answer {
    /// For the browser to carry.
    pub fn sent(self) -> Sent {
        Sent {
            destination: self.destination.unwrap_or_default(),
            outgoing: self.outgoing,
        }
    }
}

impl Sent {
    /// Sends the browser off.
    pub fn reply(self, transaction: &str) -> Reply {
        match self.outgoing {
            Outgoing::Redirect(url) => Reply::see_other(url),
            Outgoing::Form(fields) => {
                let view = View::Carry(CarryView {
                    destination: self.destination,
                    fields,
                });
                Reply::respond(view, transaction)
            }
            // No browser carries it.
            Outgoing::Soap(_) => Fault::BAD_REQUEST.reply(),
        }
    }
}

/// The key that signs what this relying party is sent.
pub fn signing_key<'e>(
    exchange: &'e Exchange,
    party: &EntityDescriptor,
) -> Result<&'e SigningKey, Fault> {
    let key = exchange.generation.settings.signing_key_for(party);
    key.ok_or_else(|| Fault::Defect("no signing key".to_owned()))
}

/// Whether the browser goes back without looking at a page of ours: there is nothing on it that
/// its user should know.
pub fn goes_at_once(logout: &Logout) -> bool {
    logout.fate != Fate::Ended || logout.ended() == Ended::All
}

/// The answer by way of the browser, if one is waited for and metadata has a place for it.
pub fn by_browser(exchange: &Exchange, logout: &Logout) -> Result<Option<Answer>, Fault> {
    let Some(request) = &logout.begun.request else {
        return Ok(None);
    };
    if request.asynchronous {
        return Ok(None);
    }
    let metadata = exchange.app.metadata.current();
    let Some(party) = metadata.entity(&request.issuer, exchange.now) else {
        return Ok(None);
    };
    let services = &party.sp.single_logout_services;
    let Some(endpoint) = browser_endpoint(services, request.binding) else {
        return Ok(None);
    };
    let Some(channel) = Channel::of(endpoint.binding) else {
        return Ok(None);
    };
    let id = logout.answer_id();
    let saying = Saying {
        id: &id,
        in_response_to: &request.id,
        ended: logout.ended(),
    };
    let carriage = Carriage {
        channel,
        relay_state: request.relay_state.as_deref(),
        key: signing_key(exchange, &party)?,
    };
    let destination = response_location(endpoint);
    let outgoing = write(exchange, &saying, destination, &carriage)?;
    Ok(Some(Answer {
        id: saying.id.to_owned(),
        binding: endpoint.binding,
        destination: Some(destination.to_owned()),
        status: saying.ended.status(),
        outgoing,
    }))
}

/// The answer in the envelope that goes back.
pub fn over_soap(
    exchange: &Exchange,
    party: &EntityDescriptor,
    saying: &Saying<'_>,
) -> Result<Answer, Fault> {
    let carriage = Carriage {
        channel: Channel::Soap,
        relay_state: None,
        key: signing_key(exchange, party)?,
    };
    let outgoing = write(exchange, saying, "", &carriage)?;
    Ok(Answer {
        id: saying.id.to_owned(),
        binding: Binding::Soap,
        destination: None,
        status: saying.ended.status(),
        outgoing,
    })
}

fn write(
    exchange: &Exchange,
    saying: &Saying<'_>,
    destination: &str,
    carriage: &Carriage<'_>,
) -> Result<Outgoing, Fault> {
    let response = LogoutResponse {
        header: Header {
            id: saying.id,
            issuer: &exchange.generation.settings.entity_id,
            destination,
            now: exchange.app.world.now(),
        },
        in_response_to: saying.in_response_to,
        ended: saying.ended,
    };
    let outgoing = response.send(carriage);
    outgoing.map_err(|error| Fault::Defect(error.to_string()))
}

/// The one line of a logout.
pub fn write_line(exchange: &Exchange, logout: &Logout, answer: Option<&Answer>) {
    let journal = Journal {
        settings: &exchange.generation.settings,
        world: &exchange.app.world,
        who: Who::from(&logout.begun),
    };
    let why = logout.why();
    let ended = LoggedOut {
        request: logout.begun.request.as_ref(),
        username: logout.username.as_deref(),
        answer: answer.map(|answer| LogoutAnswer {
            id: &answer.id,
            binding: answer.binding,
            destination: answer.destination.as_deref(),
            status: &answer.status,
        }),
        event: logout.event(),
        why: &why,
    };
    journal.logout(logout.session.as_deref(), &ended);
}
