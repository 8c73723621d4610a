//! What the pages of a logout show: whom it is about, and the truth about each.

use crate::response::logout::Outgoing;
use crate::saml::metadata::MetadataResolver as _;
use crate::server::http::exchange::Exchange;
use crate::server::http::logout::answer::{self, Sent};
use crate::server::http::logout::waiting;
use crate::server::http::reply::{Fault, Reply};
use crate::server::logout::{Begun, Logout, Owner};
use crate::server::pages::{LoggedOutView, LogoutView, PartyView, TellingView, View, WayBack};
use crate::server::session::Session;
use std::collections::BTreeSet;

/// The question whether a relying party's request is to end the session.
pub async fn question(
    exchange: &Exchange,
    id: &str,
    owner: &Owner,
    begun: &Begun,
) -> Result<Reply, Fault> {
    let live = exchange.live_session().await?;
    let session = live.as_ref().map(|live| &live.session);
    let asker = begun.request.as_ref().map(|request| &request.issuer);
    let view = LogoutView {
        action: waiting::url(exchange, id),
        csrf: owner.csrf.clone(),
        username: session.and_then(Session::username).map(str::to_owned),
        services: session.map(|s| services(exchange, s)).unwrap_or_default(),
        asker: asker.map(|issuer| name(exchange, issuer)),
    };
    Ok(Reply::respond(View::Logout(view), &begun.transaction))
}

/// Whom the browser will visit, or where it got stuck.
pub fn telling(exchange: &Exchange, id: &str, owner: &Owner, logout: &Logout) -> Reply {
    let view = TellingView {
        action: waiting::url(exchange, id),
        csrf: owner.csrf.clone(),
        parties: parties(exchange, logout),
        waits: logout.waits(),
    };
    Reply::respond(View::Telling(view), &logout.begun.transaction)
}

/// How it ended, and the way back to whoever asked.
pub fn over(exchange: &Exchange, logout: &Logout) -> Result<Reply, Fault> {
    let asker = logout.begun.request.as_ref();
    let back = answer::by_browser(exchange, logout)?.zip(asker);
    let view = LoggedOutView {
        outcome: logout.fate.as_str(),
        everywhere: answer::goes_at_once(logout),
        parties: parties(exchange, logout),
        forgotten: logout.forgotten,
        back: back
            .map(|(answer, request)| way_back(name(exchange, &request.issuer), answer.sent())),
    };
    let view = View::LoggedOut(Box::new(view));
    Ok(Reply::respond(view, &logout.begun.transaction))
}

fn way_back(name: String, sent: Sent) -> WayBack {
    let (destination, fields) = match sent.outgoing {
        Outgoing::Redirect(url) => (url, Vec::new()),
        Outgoing::Form(fields) => (sent.destination, fields),
        // No browser carries it.
        Outgoing::Soap(_) => (String::new(), Vec::new()),
    };
    WayBack {
        name,
        destination,
        fields,
    }
}

fn parties(exchange: &Exchange, logout: &Logout) -> Vec<PartyView> {
    let parties = logout.parties.iter();
    parties
        .map(|party| PartyView {
            name: name(exchange, &party.entity_id),
            told: party.told.as_str(),
        })
        .collect()
}

/// The names of the relying parties that rest on a session, each once.
pub fn services(exchange: &Exchange, session: &Session) -> Vec<String> {
    let participants = session.participants.iter();
    let names: BTreeSet<String> = participants
        .map(|participant| name(exchange, &participant.entity_id))
        .collect();
    names.into_iter().collect()
}

/// What users know a relying party by; its entityID when it is known no more.
fn name(exchange: &Exchange, entity_id: &str) -> String {
    let metadata = exchange.app.metadata.current();
    let Some(entity) = metadata.entity(entity_id, exchange.now) else {
        return entity_id.to_owned();
    };
    let profile = exchange.profile(&entity).ok();
    let ours = profile.and_then(|profile| profile.display_name.clone());
    ours.unwrap_or_else(|| {
        let pages = &exchange.generation.pages;
        let language = pages.language(exchange.accept_language());
        entity.display_name(&[language.to_owned()])
    })
}
