//! `/profile/account/sign-in`: a login whose relying party is the account page itself. It goes
//! through the same machine and transition map as any other, so policy decides about it as well;
//! it ends at the page, and nobody else is told anything.

use super::{PATH, SIGN_IN};
use crate::authn::login::{Failure, Success};
use crate::authn::principal::Strength;
use crate::authn::rules::Rules;
use crate::saml::context::AuthnContextClassRef;
use crate::saml::request::{AuthnRequest, own};
use crate::server::conversation::Asked;
use crate::server::http::exchange::Exchange;
use crate::server::http::parameters::Parameters;
use crate::server::http::reply::{Cookie, Fault, Reply};
use crate::server::http::visit::{Place, Visit};
use crate::server::pages::View;
use actix_web::http::StatusCode;

/// GET: begins the login. `fresh=password` and `fresh=duo` ask for that factor again, whatever the
/// session holds.
pub async fn begin(exchange: &Exchange) -> Result<Reply, Fault> {
    let asked = Asked {
        request: request(exchange)?,
        transaction: exchange.app.world.id(),
        started: exchange.now,
        client: exchange.client.recorded,
        user_agent: exchange.user_agent().to_owned(),
    };
    let csrf = exchange.app.world.id();
    let visit = Visit::new(exchange, asked, Place::New, csrf).await?;
    visit.begin().await
}

fn request(exchange: &Exchange) -> Result<AuthnRequest, Fault> {
    let query = Parameters::parse(exchange.query().as_bytes()).map_err(|_| Fault::BAD_REQUEST)?;
    let (force, classes) = match query.value("fresh") {
        None => (false, Vec::new()),
        Some("password") => (true, Vec::new()),
        Some("duo") => (true, two_factors(&exchange.generation.settings.rules)),
        Some(_) => return Err(Fault::BAD_REQUEST),
    };
    if query.value("fresh") == Some("duo") && classes.is_empty() {
        return Err(Fault::BAD_REQUEST);
    }
    let page = &exchange.generation.account;
    own(page, force, classes).ok_or_else(|| Fault::Defect("a page without an address".to_owned()))
}

/// Every class that only an act at Duo can make true here.
fn two_factors(rules: &Rules) -> Vec<AuthnContextClassRef> {
    let classes = rules.potential().into_iter();
    classes
        .filter(|class| rules.classes.strength(class) >= Some(Strength::MultiFactor))
        .collect()
}

/// Nobody is signed in.
pub(super) fn first(exchange: &Exchange) -> Reply {
    Reply::page(StatusCode::FORBIDDEN, invitation(exchange, None))
}

fn invitation(exchange: &Exchange, problem: Option<String>) -> View {
    View::SignInFirst {
        sign_in: exchange.generation.path(SIGN_IN),
        problem,
    }
}

impl Visit<'_> {
    /// The user is who the page needs: the session keeps it, and the browser goes there.
    pub(in crate::server::http) async fn enter(&self, success: &Success) -> Result<Reply, Fault> {
        let sessions = self.exchange.sessions();
        let ticket = sessions.ticket(&success.result, self.live.as_ref());
        let kept = self.keep(success, (ticket, None)).await?;
        let remembered = self.remember_browser(success).await?;
        self.journal().own(&self.asked, success, &kept.reference)?;
        Ok(Reply::see_other(self.exchange.generation.path(PATH))
            .with(kept.cookie.map(Cookie::Session))
            .with(remembered))
    }

    /// The login to our own page failed. What the session held before it still holds.
    pub(in crate::server::http) fn turn_away(&self, failure: &Failure) -> Result<Reply, Fault> {
        self.journal().failure(&self.asked, failure, None)?;
        let problem = Some(failure.event.as_str().to_owned());
        let view = invitation(self.exchange, problem);
        let transaction = &self.asked.transaction;
        Ok(Reply::login_page(view, transaction, self.service()))
    }
}
