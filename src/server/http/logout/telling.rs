//! Everybody who was told of a session is told of its end (SAML profiles 4.4.3.3): over the back
//! channel first, all at once; then, one after the other, by way of the browser. No frames: they
//! have no cookies of their sites any more (SDP-SP03).

use crate::config::relying_party::{Profile, ProfileId};
use crate::response::Encryption;
use crate::response::logout::{Carriage, Channel, Header, LogoutRequest, Outgoing};
use crate::saml::binding::Binding;
use crate::saml::encryption::{EncryptionPolicy, EncryptionSettings};
use crate::saml::logout::{accept_response_in, browser_endpoint, endpoint};
use crate::saml::metadata::{Endpoint, EntityDescriptor, MetadataResolver as _};
use crate::saml::soap;
use crate::server::http::exchange::Exchange;
use crate::server::http::logout::answer::{self, Sent};
use crate::server::http::logout::waiting;
use crate::server::http::reply::{Fault, Reply};
use crate::server::logout::{Logout, Owner, Party, Told, Waiting, message_id};
use crate::server::session::later;
use futures_util::stream::{self, StreamExt as _};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How many are asked at once.
const AT_ONCE: usize = 16;

/// How long a request of ours counts; a user may dwell on a page of the relying party's.
const LIFETIME: Duration = Duration::from_mins(5);

/// A relying party that may be told, as metadata has it now.
struct Peer {
    entity: Arc<EntityDescriptor>,
    profile: Arc<Profile>,
}

impl Peer {
    /// Nobody is told who is no longer known, or may not use the profile.
    async fn find(exchange: &Exchange, entity_id: &str) -> Option<Self> {
        let metadata = &exchange.app.metadata;
        metadata.prepare(entity_id, exchange.now).await;
        let entity = metadata.current().entity(entity_id, exchange.now)?;
        let profile = exchange.profile(&entity).ok()?;
        profile
            .allows(ProfileId::Logout)
            .then_some(Self { entity, profile })
    }

    fn back(&self) -> Option<&Endpoint> {
        endpoint(&self.entity.sp.single_logout_services, Binding::Soap)
    }

    fn front(&self) -> Option<&Endpoint> {
        browser_endpoint(&self.entity.sp.single_logout_services, Binding::Redirect)
    }
}

/// Tells everybody. What needs the browser is kept, and the browser is shown whom it will visit.
pub async fn begin(exchange: &Exchange, mut logout: Logout) -> Result<Reply, Fault> {
    ask_all(exchange, &mut logout).await;
    if logout.next().is_none() {
        return conclude(exchange, logout).await;
    }
    let owner = |owner| Waiting::Telling(owner, Box::new(logout));
    waiting::keep(exchange, owner).await
}

/// Asks over the back channel everybody who has one, within one time for all of them. Who cannot
/// be asked by way of the browser afterwards is settled then.
pub async fn ask_all(exchange: &Exchange, logout: &mut Logout) {
    let timeout = exchange.generation.settings.logout.timeout;
    let end = Instant::now() + 2 * timeout;
    let asking = logout.parties.iter().map(|party| async move {
        let asked = tokio::time::timeout_at(end, ask(exchange, party));
        asked.await.unwrap_or(Told::Silent)
    });
    let told: Vec<Told> = stream::iter(asking).buffered(AT_ONCE).collect().await;
    for (party, told) in logout.parties.iter_mut().zip(told) {
        party.told = told;
    }
}

async fn ask(exchange: &Exchange, party: &Party) -> Told {
    let Some(peer) = Peer::find(exchange, &party.entity_id).await else {
        return Told::Unreachable;
    };
    let otherwise = |last| match peer.front() {
        Some(_) if party.by_browser => Told::NotYet,
        _ => last,
    };
    let Some(endpoint) = peer.back() else {
        return otherwise(Told::Unreachable);
    };
    match ask_over_soap(exchange, party, &peer, &endpoint.location).await {
        Ok(told) => told,
        Err(reason) => {
            let issuer = &party.entity_id;
            tracing::warn!(?issuer, reason, "no answer to a logout request");
            otherwise(Told::Silent)
        }
    }
}

async fn ask_over_soap(
    exchange: &Exchange,
    party: &Party,
    peer: &Peer,
    url: &str,
) -> Result<Told, &'static str> {
    let id = format!("_{}", exchange.app.world.id());
    let request = request(exchange, party, peer, (&id, url, Channel::Soap));
    let Ok(Outgoing::Soap(envelope)) = request else {
        return Err("the request cannot be made");
    };
    let octets = exchange.generation.logout.post(url, envelope).await?;
    let envelope = soap::parse(&octets, &[]).map_err(|error| error.reason)?;
    let metadata = exchange.app.metadata.current();
    let acceptance = &exchange.generation.settings.logout.acceptance;
    let now = exchange.app.world.now();
    let response = accept_response_in(&envelope, &*metadata, acceptance, now)
        .map_err(|refusal| refusal.reason)?;
    if response.in_response_to != id || response.issuer != party.entity_id {
        return Err("the answer is to another request");
    }
    Ok(response.outcome.into())
}

/// The signed request, with the name as it was issued (SAML profiles 4.4.4.1).
fn request(
    exchange: &Exchange,
    party: &Party,
    peer: &Peer,
    (id, destination, channel): (&str, &str, Channel),
) -> Result<Outgoing, Fault> {
    let settings = &exchange.generation.settings;
    let now = exchange.app.world.now();
    let message = LogoutRequest {
        header: Header {
            id,
            issuer: &settings.entity_id,
            destination,
            now,
        },
        not_on_or_after: later(now, LIFETIME),
        name_id: &party.name_id,
        session_indexes: &party.session_indexes,
        asynchronous: false,
    };
    let carriage = Carriage {
        channel,
        relay_state: None,
        key: answer::signing_key(exchange, &peer.entity)?,
    };
    let encryption = encryption(exchange, peer);
    let sent = message.send(&carriage, encryption.as_ref());
    sent.map_err(|error| Fault::Defect(error.to_string()))
}

/// SDP-IDP27: the name goes in the clear, unless the operator wants it otherwise.
fn encryption<'p>(exchange: &Exchange, peer: &'p Peer) -> Option<Encryption<'p>> {
    let settings = EncryptionSettings {
        policy: EncryptionPolicy::Optional,
        ..peer.profile.encryption
    };
    let wanted = exchange.generation.settings.logout.encrypt_name_ids;
    let recipient = settings.recipient(&peer.entity).ok().flatten();
    recipient.filter(|_| wanted).map(|recipient| Encryption {
        recipient,
        randomness: exchange.app.world.bytes(),
    })
}

/// Sends the browser to the next relying party, or concludes the logout: for the one request that
/// moves it on.
pub async fn go_on(
    exchange: &Exchange,
    (id, version): (&str, u64),
    owner: Owner,
    mut logout: Logout,
) -> Result<Reply, Fault> {
    let mut sent = None;
    while let Some(place) = logout.next() {
        sent = by_browser(exchange, &logout.parties[place], &message_id(id, place)).await?;
        let told = match sent {
            Some(_) => Told::Asked,
            None => Told::Unreachable,
        };
        logout.parties[place].told = told;
        if sent.is_some() {
            break;
        }
    }
    let transaction = logout.begun.transaction.clone();
    match sent {
        Some(sent) => {
            let moved = Waiting::Telling(owner, Box::new(logout));
            if !waiting::replace(exchange, (id, version), &moved).await? {
                return Ok(Reply::see_other(waiting::url(exchange, id)));
            }
            Ok(sent.reply(&transaction))
        }
        None => conclude_kept(exchange, (id, version), owner, logout).await,
    }
}

async fn by_browser(
    exchange: &Exchange,
    party: &Party,
    message_id: &str,
) -> Result<Option<Sent>, Fault> {
    let Some(peer) = Peer::find(exchange, &party.entity_id).await else {
        return Ok(None);
    };
    let Some(endpoint) = peer.front() else {
        return Ok(None);
    };
    let Some(channel) = Channel::of(endpoint.binding) else {
        return Ok(None);
    };
    let what = (message_id, endpoint.location.as_str(), channel);
    let outgoing = request(exchange, party, &peer, what)?;
    Ok(Some(Sent {
        destination: endpoint.location.clone(),
        outgoing,
    }))
}

/// Concludes a logout that is not kept.
pub async fn conclude(exchange: &Exchange, logout: Logout) -> Result<Reply, Fault> {
    if let Some(reply) = answer_at_once(exchange, &logout)? {
        return Ok(reply);
    }
    let over = |owner| Waiting::Over(owner, Box::new(logout));
    waiting::keep(exchange, over).await
}

async fn conclude_kept(
    exchange: &Exchange,
    (id, version): (&str, u64),
    owner: Owner,
    logout: Logout,
) -> Result<Reply, Fault> {
    let current = Reply::see_other(waiting::url(exchange, id));
    let over = Waiting::Over(owner, Box::new(logout.clone()));
    if !waiting::replace(exchange, (id, version), &over).await? {
        return Ok(current);
    }
    Ok(answer_at_once(exchange, &logout)?.unwrap_or(current))
}

/// Writes the line of a logout that is over; whoever asked is answered at once if there is nothing
/// to show the user, else from the page that shows it.
fn answer_at_once(exchange: &Exchange, logout: &Logout) -> Result<Option<Reply>, Fault> {
    let answer = answer::by_browser(exchange, logout)?;
    answer::write_line(exchange, logout, answer.as_ref());
    let answer = answer.filter(|_| answer::goes_at_once(logout));
    Ok(answer.map(|answer| answer.sent().reply(&logout.begun.transaction)))
}
