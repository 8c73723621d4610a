//! `?execution=ID` on any single sign-on endpoint: the pages of a login that has begun.

use crate::authn::login::{Form, Input};
use crate::duo::secret::Secret;
use crate::server::conversation::{Asked, Conversation, Execution, Finished, same};
use crate::server::http::consent;
use crate::server::http::exchange::Exchange;
use crate::server::http::parameters::Parameters;
use crate::server::http::reply::{Fault, Reply};
use crate::server::http::visit::{Place, Visit, execution_url};
use crate::server::pages::View;
use crate::server::storage::records::Versioned;
use actix_web::http::StatusCode;

/// Another browser's login, or none: the same page.
const NOT_YOURS: Fault = Fault::Expired(StatusCode::FORBIDDEN);
const GONE: Fault = Fault::Expired(StatusCode::GONE);
/// The form did not come from our page.
const FORGED: Fault = Fault::Request(StatusCode::FORBIDDEN, "InvalidCSRFToken");

/// The id in the query, when the query names one and nothing else.
pub fn id(exchange: &Exchange) -> Option<Result<String, Fault>> {
    let query = exchange.query();
    if !query.starts_with("execution=") {
        return None;
    }
    let id = &query["execution=".len()..];
    let plausible = id.len() == 32 && id.bytes().all(|octet| octet.is_ascii_hexdigit());
    Some(if plausible {
        Ok(id.to_owned())
    } else {
        Err(GONE)
    })
}

/// GET: the current page.
pub async fn show(exchange: &Exchange, id: String) -> Result<Reply, Fault> {
    let Versioned { version, value } = read(exchange, &id).await?;
    let place = Place::At { id, version };
    match value {
        Execution::Pending(asked) => {
            let csrf = exchange.app.world.id();
            Visit::new(exchange, asked, place, csrf)
                .await?
                .begin()
                .await
        }
        Execution::Open(conversation) if exchange.is(&conversation.browser) => {
            let current = is_current(exchange, &conversation);
            let (visit, login) = open(exchange, *conversation, place).await?;
            // Boxed, so that a request answered from a session does not carry the room for it.
            if current {
                Box::pin(visit.revisit(login)).await
            } else {
                Box::pin(visit.begin()).await
            }
        }
        Execution::Finished(finished) if exchange.is(&finished.browser) => {
            signed_in(exchange, finished, place).await
        }
        Execution::Consent(consenting) if exchange.is(&consenting.browser) => {
            Box::pin(consent::show(exchange, *consenting, place)).await
        }
        Execution::Open(_) | Execution::Consent(_) | Execution::Finished(_) => Err(NOT_YOURS),
    }
}

/// POST: a form of ours.
pub async fn submit(exchange: &Exchange, id: String, body: &[u8]) -> Result<Reply, Fault> {
    let mut form = Parameters::parse(body).map_err(|_| Fault::BAD_REQUEST)?;
    let Versioned { version, value } = read(exchange, &id).await?;
    let place = Place::At { id, version };
    match value {
        Execution::Open(conversation) => {
            check(exchange, &conversation.browser, &conversation.csrf, &form)?;
            Box::pin(advance(exchange, *conversation, place, &mut form)).await
        }
        Execution::Consent(consenting) => {
            check(exchange, &consenting.browser, &consenting.csrf, &form)?;
            Box::pin(consent::submit(exchange, *consenting, place, &form)).await
        }
        Execution::Finished(finished) => {
            check(exchange, &finished.browser, &finished.csrf, &form)?;
            answer_again(exchange, finished).await
        }
        Execution::Pending(_) => Err(FORGED),
    }
}

async fn read(exchange: &Exchange, id: &str) -> Result<Versioned<Execution>, Fault> {
    exchange.executions().read(id).await?.ok_or(GONE)
}

/// S33: a form counts only from this browser and with this login's token.
fn check(
    exchange: &Exchange,
    browser: &crate::server::conversation::BrowserHash,
    csrf: &str,
    form: &Parameters,
) -> Result<(), Fault> {
    if !exchange.is(browser) {
        return Err(NOT_YOURS);
    }
    let sent = form.value("csrf_token").unwrap_or("");
    if same(sent, csrf) {
        Ok(())
    } else {
        Err(FORGED)
    }
}

/// A login belongs to the configuration it began under (invariant 13); under another one it
/// begins again from its request.
fn is_current(exchange: &Exchange, conversation: &Conversation) -> bool {
    conversation.generation == exchange.generation.settings.fingerprint
}

async fn open(
    exchange: &Exchange,
    conversation: Conversation,
    place: Place,
) -> Result<(Visit<'_>, crate::authn::login::Login), Fault> {
    let Conversation {
        asked, csrf, login, ..
    } = conversation;
    let visit = Visit::new(exchange, asked, place, csrf).await?;
    Ok((visit, login))
}

async fn advance(
    exchange: &Exchange,
    conversation: Conversation,
    place: Place,
    form: &mut Parameters,
) -> Result<Reply, Fault> {
    let current = is_current(exchange, &conversation);
    let (visit, login) = open(exchange, conversation, place).await?;
    let restart = form.value("_eventId") == Some("restart");
    if restart || !current {
        let (_, records) = login.abandon(super::visit::ABANDONED);
        visit.journal().records(&visit.asked, &records);
        return visit.begin().await;
    }
    let input = Input::Form(read_form(form)?);
    visit.advance(login, input).await
}

fn read_form(form: &mut Parameters) -> Result<Form, Fault> {
    match form.value("_eventId").unwrap_or("proceed") {
        "cancel" => Ok(Form::Cancel),
        "continue" => Ok(Form::Continue),
        "retry" if form.value("remember").is_some() => Ok(Form::RetryAndRemember),
        "retry" => Ok(Form::Retry),
        "other" => Ok(Form::Other),
        "proceed" if form.value("j_password").is_none() => Ok(Form::Username(
            form.take("j_username").ok_or(Fault::BAD_REQUEST)?,
        )),
        "proceed" => Ok(Form::Password {
            username: form.take("j_username").ok_or(Fault::BAD_REQUEST)?,
            password: Secret::new(form.take("j_password").ok_or(Fault::BAD_REQUEST)?),
        }),
        _ => Err(Fault::BAD_REQUEST),
    }
}

/// A reload or the back button after the end: nothing failed, and there is a way on.
async fn signed_in(exchange: &Exchange, finished: Finished, place: Place) -> Result<Reply, Fault> {
    let Finished { asked, csrf, .. } = finished;
    let Place::At { id, .. } = &place else {
        return Err(GONE);
    };
    let view = View::SignedIn {
        action: execution_url(exchange, &asked.request, id),
        csrf: csrf.clone(),
    };
    let visit = Visit::new(exchange, asked, place, csrf).await?;
    Ok(Reply::login_page(
        view,
        &visit.asked.transaction,
        visit.service(),
    ))
}

/// The same request once more, as a login of its own: with the live session it is answered at once.
async fn answer_again(exchange: &Exchange, finished: Finished) -> Result<Reply, Fault> {
    let asked = Asked {
        transaction: exchange.app.world.id(),
        started: exchange.now,
        client: exchange.client.recorded,
        user_agent: exchange.user_agent().to_owned(),
        ..finished.asked
    };
    let csrf = exchange.app.world.id();
    let visit = Visit::new(exchange, asked, Place::New, csrf).await?;
    visit.begin().await
}
