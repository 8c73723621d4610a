//! What stands between a login and a Duo that is slow, overloaded or gone: a bound on calls under
//! way, a deadline, few retries, a circuit for each API host, and a health check that need not be
//! made for every login.

use super::circuit::Circuit;
use crate::config::settings::{CircuitSettings, DuoHttpSettings};
use crate::duo::auth_api::ApiCall;
use crate::duo::integration::Integration;
use crate::duo::oidc::{self, FormRequest, HttpAnswer};
use crate::server::back_end::DuoClient;
use crate::server::session::later;
use crate::server::world::{Clock, Random, hex};
use futures_util::future::{BoxFuture, FutureExt as _};
use jiff::Timestamp;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};

/// The pause before the first retry; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// How long Duo's wish to be left alone is obeyed at most.
const LONGEST_PAUSE: Duration = Duration::from_mins(5);

/// How long it is obeyed when Duo names no time.
const DEFAULT_PAUSE: Duration = Duration::from_secs(1);

/// A [`DuoClient`] that keeps an outage of Duo bounded.
pub struct GuardedDuoClient {
    inner: Arc<dyn DuoClient>,
    limits: Limits,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    total: Semaphore,
    hosts: Mutex<HashMap<String, Arc<Host>>>,
}

/// The settings that matter here.
#[derive(Clone, Copy, Debug)]
struct Limits {
    permit_timeout: Duration,
    deadline: Duration,
    answer_timeout: Duration,
    per_host: usize,
    retries: u32,
    health_cache: Duration,
    circuit: CircuitSettings,
}

/// What is known of one API host.
struct Host {
    permits: Semaphore,
    standing: Mutex<Standing>,
}

struct Standing {
    circuit: Circuit,
    /// Duo asked to be left alone until then (RFC 9110 section 10.2.3).
    quiet_until: Option<Timestamp>,
    /// The last good health check of each client id, and until when it does.
    health: HashMap<String, (Timestamp, HttpAnswer)>,
}

/// What a call is, as far as repeating it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Nature {
    /// It can be repeated whatever happened to it.
    Repeatable,
    /// Only when it cannot have arrived: it uses something up, or makes a phone ring.
    Once,
}

/// One call, ready to be made again with a fresh assertion.
enum Request<'a> {
    Form(&'a FormRequest),
    Api(&'a ApiCall),
}

impl GuardedDuoClient {
    /// Guards a client within these settings.
    pub fn new(
        inner: Arc<dyn DuoClient>,
        settings: &DuoHttpSettings,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Self {
        Self {
            inner,
            limits: Limits {
                permit_timeout: settings.permit_timeout,
                deadline: settings.deadline,
                answer_timeout: settings.answer_timeout,
                per_host: settings.max_connections.max(1),
                retries: settings.retries,
                health_cache: settings.health_cache,
                circuit: settings.circuit,
            },
            clock,
            random,
            total: Semaphore::new(settings.max_connections_total.max(1)),
            hosts: Mutex::default(),
        }
    }

    fn host(&self, api_host: &str) -> Arc<Host> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let known = hosts.entry(api_host.to_owned());
        let host = known.or_insert_with(|| Arc::new(Host::new(self.limits.per_host)));
        Arc::clone(host)
    }

    async fn health(&self, integration: &Integration, request: &FormRequest) -> HttpAnswer {
        let host = self.host(&integration.api_host);
        if let Some(answer) = host.known_health(&integration.client_id, self.clock.now()) {
            return answer;
        }
        let request = Request::Form(request);
        let answer = self
            .bounded(integration, &host, &request, Nature::Repeatable)
            .await;
        let now = self.clock.now();
        if !self.limits.health_cache.is_zero() && oidc::read_health(&answer, now).is_ok() {
            let until = later(now, self.limits.health_cache);
            let kept = (until, answer.clone());
            let mut standing = host.standing();
            standing.health.insert(integration.client_id.clone(), kept);
        }
        answer
    }

    /// The whole call with its retries, within the deadline.
    async fn bounded(
        &self,
        integration: &Integration,
        host: &Host,
        request: &Request<'_>,
        nature: Nature,
    ) -> HttpAnswer {
        let deadline = match request {
            Request::Api(call) if call.waits_for_the_user() => self.limits.answer_timeout,
            Request::Api(_) | Request::Form(_) => self.limits.deadline,
        };
        let attempts = self.attempts(integration, host, request, nature);
        let Ok(answer) = tokio::time::timeout(deadline, attempts).await else {
            self.failed(host, &integration.api_host);
            return transport("timeout");
        };
        answer
    }

    async fn attempts(
        &self,
        integration: &Integration,
        host: &Host,
        request: &Request<'_>,
        nature: Nature,
    ) -> HttpAnswer {
        let mut attempt = 0;
        loop {
            let answer = self.attempt(integration, host, request, attempt).await;
            let pause = pause(&answer, nature, attempt, self.clock.now());
            match pause {
                Some(pause) if attempt < self.limits.retries && pause < self.limits.deadline => {
                    tokio::time::sleep(pause).await;
                }
                _ => return answer,
            }
            attempt += 1;
        }
    }

    async fn attempt(
        &self,
        integration: &Integration,
        host: &Host,
        request: &Request<'_>,
        attempt: u32,
    ) -> HttpAnswer {
        let Some(_permits) = self.permits(host).await else {
            return transport("too many calls under way");
        };
        // Looked at with the permit in hand: the circuit may have opened while this call waited.
        if let Some(kept) = self.kept_from_duo(integration, host, request) {
            return kept;
        }
        let answer = match request {
            Request::Api(call) => self.inner.call(integration, call).await,
            Request::Form(form) if attempt == 0 => self.inner.send(integration, form).await,
            Request::Form(form) => {
                let jti = hex(&self.random_bytes());
                let renewed = oidc::renewed(form, integration, &jti, self.clock.now());
                self.inner.send(integration, &renewed).await
            }
        };
        self.note(host, &integration.api_host, &answer);
        answer
    }

    async fn permits<'a>(
        &'a self,
        host: &'a Host,
    ) -> Option<(SemaphorePermit<'a>, SemaphorePermit<'a>)> {
        let both = async {
            let own = host.permits.acquire().await.ok()?;
            let total = self.total.acquire().await.ok()?;
            Some((own, total))
        };
        let waited = tokio::time::timeout(self.limits.permit_timeout, both).await;
        waited.ok().flatten()
    }

    /// The answer of a call that is not made: Duo is out, or wants to be left alone. A user who
    /// was at Duo a moment ago is proof that Duo is there, so what they need is always tried.
    fn kept_from_duo(
        &self,
        integration: &Integration,
        host: &Host,
        request: &Request<'_>,
    ) -> Option<HttpAnswer> {
        let now = self.clock.now();
        let user_waits = match request {
            Request::Form(form) => is_token_call(integration, form),
            Request::Api(call) => call.waits_for_the_user(),
        };
        let mut standing = host.standing();
        if standing.quiet_until.is_some_and(|until| now < until) {
            return Some(HttpAnswer::Response {
                status: 429,
                headers: Vec::new(),
                body: Vec::new(),
            });
        }
        let admitted = user_waits || standing.circuit.admit(now, self.limits.circuit);
        (!admitted).then(|| transport("circuit open"))
    }

    fn note(&self, host: &Host, api_host: &str, answer: &HttpAnswer) {
        let now = self.clock.now();
        match answer {
            HttpAnswer::Response { status: 429, .. } => {
                host.standing().quiet_until = Some(later(now, retry_after(answer, now)));
            }
            HttpAnswer::Response {
                status: 500..=599, ..
            }
            | HttpAnswer::Transport { .. } => self.failed(host, api_host),
            HttpAnswer::Response { .. } => {
                if host.standing().circuit.succeeded() {
                    tracing::warn!(api_host, "Duo is back");
                }
            }
        }
    }

    fn failed(&self, host: &Host, api_host: &str) {
        let opened = {
            let mut standing = host.standing();
            let now = self.clock.now();
            standing.circuit.failed(now, self.limits.circuit)
        };
        if opened {
            tracing::warn!(
                api_host,
                seconds = self.limits.circuit.open_for.as_secs(),
                "Duo failed too often in a row; nobody waits for it for a while"
            );
        }
    }

    fn random_bytes(&self) -> [u8; 18] {
        let mut bytes = [0; 18];
        self.random.fill(&mut bytes);
        bytes
    }
}

impl fmt::Debug for GuardedDuoClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuardedDuoClient")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl DuoClient for GuardedDuoClient {
    fn send<'a>(
        &'a self,
        integration: &'a Integration,
        request: &'a FormRequest,
    ) -> BoxFuture<'a, HttpAnswer> {
        async move {
            if request.url == integration.url(&integration.health_endpoint) {
                return self.health(integration, request).await;
            }
            let host = self.host(&integration.api_host);
            let request = Request::Form(request);
            self.bounded(integration, &host, &request, Nature::Once)
                .await
        }
        .boxed()
    }

    fn call<'a>(
        &'a self,
        integration: &'a Integration,
        call: &'a ApiCall,
    ) -> BoxFuture<'a, HttpAnswer> {
        async move {
            let host = self.host(&integration.api_host);
            let request = Request::Api(call);
            self.bounded(integration, &host, &request, Nature::Once)
                .await
        }
        .boxed()
    }

    fn circuits(&self) -> Vec<(String, &'static str)> {
        let hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let known = hosts.iter();
        let known = known.map(|(name, host)| (name.clone(), host.standing().circuit.as_str()));
        known.collect()
    }
}

impl Host {
    fn new(permits: usize) -> Self {
        Self {
            permits: Semaphore::new(permits),
            standing: Mutex::new(Standing {
                circuit: Circuit::Closed(0),
                quiet_until: None,
                health: HashMap::new(),
            }),
        }
    }

    fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known_health(&self, client_id: &str, now: Timestamp) -> Option<HttpAnswer> {
        let standing = self.standing();
        let (until, answer) = standing.health.get(client_id)?;
        (now < *until).then(|| answer.clone())
    }
}

fn is_token_call(integration: &Integration, request: &FormRequest) -> bool {
    request.url == integration.url(&integration.token_endpoint)
}

/// How long to wait before the call is made again; `None` when that would be wrong or useless.
fn pause(answer: &HttpAnswer, nature: Nature, attempt: u32, now: Timestamp) -> Option<Duration> {
    let backoff = FIRST_PAUSE * 2_u32.saturating_pow(attempt.min(8));
    match answer {
        HttpAnswer::Response { status: 429, .. } => Some(retry_after(answer, now)),
        HttpAnswer::Response {
            status: 500..=599, ..
        } if nature == Nature::Repeatable => Some(backoff),
        HttpAnswer::Response { .. } => None,
        HttpAnswer::Transport { reason } => match reason.as_str() {
            // It cannot have arrived.
            "dns" | "connect" => Some(backoff),
            "reset" if nature == Nature::Repeatable => Some(backoff),
            _ => None,
        },
    }
}

/// What `Retry-After` or `X-Retry-After` says: seconds or a date (RFC 9110 section 10.2.3).
fn retry_after(answer: &HttpAnswer, now: Timestamp) -> Duration {
    let HttpAnswer::Response { headers, .. } = answer else {
        return DEFAULT_PAUSE;
    };
    let told = headers
        .iter()
        .find(|(name, _)| name == "retry-after" || name == "x-retry-after")
        .and_then(|(_, value)| seconds(value.trim(), now));
    told.unwrap_or(DEFAULT_PAUSE).min(LONGEST_PAUSE)
}

fn seconds(value: &str, now: Timestamp) -> Option<Duration> {
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(value);
    let ahead = date.ok()?.as_second() - now.as_second();
    Some(Duration::from_secs(u64::try_from(ahead).unwrap_or(0)))
}

fn transport(reason: &str) -> HttpAnswer {
    HttpAnswer::Transport {
        reason: reason.to_owned(),
    }
}

#[cfg(test)]
mod tests;
