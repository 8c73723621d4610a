//! The remembered browser of a request: found before a login begins, renewed or made when it ends.

use crate::authn::login::Success;
use crate::authn::remembered::BrowserRemembered;
use crate::server::http::exchange::Exchange;
use crate::server::http::reply::{Cookie, Fault};
use crate::server::http::visit::Visit;
use crate::server::remembered::{Newcomer, RememberedBrowsers};
use crate::server::world::hex;

impl Exchange {
    /// The store's remembered browsers.
    pub fn remembered_browsers(&self) -> RememberedBrowsers<'_> {
        RememberedBrowsers {
            storage: &*self.app.storage,
            world: &self.app.world,
        }
    }

    /// This browser as it was remembered, if it was, nobody revoked it, and its user has the same
    /// password still.
    pub async fn remembered_browser(&self) -> Result<Option<BrowserRemembered>, Fault> {
        let rules = &self.generation.settings.rules.duo.remember;
        let Some(secret) = self.remembered_secret().filter(|_| rules.is_on()) else {
            return Ok(None);
        };
        let Some(remembered) = self.remembered_browsers().find(secret).await? else {
            return Ok(None);
        };
        let password = &self.generation.password;
        let digest = password.digest(remembered.username(), secret).await;
        let unchanged = digest.is_some_and(|digest| digest == remembered.password);
        Ok(unchanged.then(|| remembered.attest()))
    }
}

impl Visit<'_> {
    /// Notes that the remembered browser was used, if it was; false when it has been revoked since
    /// the login began.
    pub(super) async fn still_remembered(&self, success: &Success) -> Result<bool, Fault> {
        let mut factors = success.result.factors().values();
        if factors.all(crate::authn::result::FactorResult::is_for_sessions) {
            return Ok(true);
        }
        match self.exchange.remembered_secret() {
            Some(secret) => Ok(self.exchange.remembered_browsers().used(secret).await?),
            None => Ok(false),
        }
    }

    /// Remembers this browser, where its user or the operator wants it. One browser remembers one
    /// user: the one before is forgotten.
    pub(super) async fn remember_browser(
        &self,
        success: &Success,
    ) -> Result<Option<Cookie>, Fault> {
        let Some(duo) = success.remember.clone() else {
            return Ok(None);
        };
        let exchange = self.exchange;
        let secret = hex(&exchange.app.world.bytes::<32>());
        let password = &exchange.generation.password;
        let Some(password) = password.digest(duo.username(), &secret).await else {
            return Ok(None);
        };
        let browsers = exchange.remembered_browsers();
        if let Some(former) = exchange.remembered_secret() {
            browsers.forget(former).await?;
        }
        let rules = &exchange.generation.settings.rules.duo.remember;
        let newcomer = Newcomer {
            secret: &secret,
            duo,
            password,
            user_agent: exchange.user_agent(),
        };
        browsers.keep(newcomer, rules).await?;
        Ok(Some(Cookie::Remembered(secret, rules.lifetime)))
    }
}
