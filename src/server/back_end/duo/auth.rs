//! Duo's Auth API, call by call: for logins without a browser, and for what is asked before a
//! redirect.

use crate::duo::auth_api::{
    self, AuthRequest, AuthStatus, EnrolStatus, Enrolment, Preauth, Subject,
};
use crate::duo::integration::Integration;
use crate::duo::oidc::DuoError;
use crate::server::back_end::DuoClient;
use crate::server::world::Clock;

/// How many changes of state one authentication is followed through: Duo tells each once.
const LONGEST_STORY: usize = 20;

/// Whether Duo takes the credentials and the clock.
pub async fn check(
    duo: &dyn DuoClient,
    integration: &Integration,
    clock: &dyn Clock,
) -> Result<(), DuoError> {
    let call = auth_api::check(integration, clock.now());
    auth_api::read_check(&duo.call(integration, &call).await, clock.now())
}

/// What Duo would do with this user.
pub async fn preauth(
    duo: &dyn DuoClient,
    integration: &Integration,
    subject: &Subject,
    client_ip: Option<&str>,
    clock: &dyn Clock,
) -> Result<Preauth, DuoError> {
    let call = auth_api::preauth(integration, subject, client_ip, clock.now());
    auth_api::read_preauth(&duo.call(integration, &call).await, clock.now())
}

/// Asks the user and waits for the end: allowed, or denied. Each wait is one call that Duo answers
/// at the next change, so a slow user holds one call under way and no worker.
pub async fn authenticate(
    duo: &dyn DuoClient,
    integration: &Integration,
    request: &AuthRequest,
    clock: &dyn Clock,
) -> Result<AuthStatus, DuoError> {
    let call = auth_api::auth(integration, request, clock.now());
    let begun = duo.call(integration, &call).await;
    let txid = auth_api::read_async_auth(&begun, clock.now())?;
    for _ in 0..LONGEST_STORY {
        let call = auth_api::auth_status(integration, &txid, clock.now());
        let answer = duo.call(integration, &call).await;
        match auth_api::read_auth_status(&answer, clock.now())? {
            AuthStatus::Waiting(_) => {}
            end => return Ok(end),
        }
    }
    Err(DuoError::Malformed(
        "an authentication without end".to_owned(),
    ))
}

/// Begins to enrol a user whom Duo does not know yet.
pub async fn enroll(
    duo: &dyn DuoClient,
    integration: &Integration,
    username: &str,
    valid_seconds: u32,
    clock: &dyn Clock,
) -> Result<Enrolment, DuoError> {
    let call = auth_api::enroll(integration, username, valid_seconds, clock.now());
    auth_api::read_enroll(&duo.call(integration, &call).await, clock.now())
}

/// How far an enrolment is.
pub async fn enroll_status(
    duo: &dyn DuoClient,
    integration: &Integration,
    begun: &Enrolment,
    clock: &dyn Clock,
) -> Result<EnrolStatus, DuoError> {
    let call = auth_api::enroll_status(integration, begun, clock.now());
    auth_api::read_enroll_status(&duo.call(integration, &call).await, clock.now())
}
