//! Duo's Admin API, as far as an import needs it: whole lists, page by page, at the pace Duo allows.

use crate::duo::admin_api::{self, User};
use crate::duo::auth_api::ApiCall;
use crate::duo::integration::Integration;
use crate::duo::oidc::{DuoError, HttpAnswer};
use crate::server::back_end::DuoClient;
use crate::server::world::Clock;
use std::time::Duration;

/// The first pause when Duo says there are too many requests; it doubles up to the last one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LAST_PAUSE: Duration = Duration::from_secs(32);

/// The greatest number of pages: ten million users.
const LONGEST_LIST: usize = 33_334;

/// Duo's Admin API.
#[derive(Clone, Copy, Debug)]
pub struct AdminApi<'a> {
    /// Sends the calls.
    pub duo: &'a dyn DuoClient,
    /// The application of kind Admin API.
    pub integration: &'a Integration,
    /// Dates the calls.
    pub clock: &'a dyn Clock,
}

impl AdminApi<'_> {
    /// Every user, page by page; `seen` hears how many there are so far, and in all where Duo says.
    pub async fn users(
        &self,
        mut seen: impl FnMut(u64, Option<u64>),
    ) -> Result<Vec<User>, DuoError> {
        let mut users = Vec::new();
        let mut offset = 0;
        for _ in 0..LONGEST_LIST {
            let answer = self
                .patiently(|| admin_api::users(self.integration, offset, self.clock.now()))
                .await;
            let page = admin_api::read_users(&answer, self.clock.now())?;
            users.extend(page.users);
            seen(users.len() as u64, page.total);
            match page.next_offset {
                // A list that does not move on would never end.
                Some(next) if next > offset => offset = next,
                _ => return Ok(users),
            }
        }
        Err(DuoError::Malformed(
            "a list of users without end".to_owned(),
        ))
    }

    /// The user of this id (`DU..`) or name; `None` when there is none.
    pub async fn find(&self, id_or_name: &str) -> Result<Option<User>, DuoError> {
        if is_user_id(id_or_name) {
            let answer = self
                .patiently(|| admin_api::user(self.integration, id_or_name, self.clock.now()))
                .await;
            match admin_api::read_user(&answer, self.clock.now()) {
                Err(DuoError::Refused(404, _)) => {}
                found => return found.map(Some),
            }
        }
        let answer = self
            .patiently(|| admin_api::users_named(self.integration, id_or_name, self.clock.now()))
            .await;
        let page = admin_api::read_users(&answer, self.clock.now())?;
        Ok(page.users.into_iter().next())
    }

    /// Makes a call again while Duo says there are too many, signed anew each time.
    async fn patiently(&self, call: impl Fn() -> ApiCall) -> HttpAnswer {
        let mut pause = FIRST_PAUSE;
        loop {
            let answer = self.duo.call(self.integration, &call()).await;
            let too_many = matches!(answer, HttpAnswer::Response { status: 429, .. });
            if !too_many || pause > LAST_PAUSE {
                return answer;
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
    }
}

fn is_user_id(text: &str) -> bool {
    text.len() == 20 && text.starts_with("DU")
}
