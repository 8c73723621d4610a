//! One call: which endpoint it is for, the faults of that endpoint, and the answer.

use super::fault::{self, FaultKind};
use super::message::{Arrival, Reply};
use super::state::State;
use super::{Application, Options, admin_api, assertion, auth_api, control, oidc, prompt};
use crate::server::world::{Clock, Random};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A body longer than any client should read.
const TOO_LONG: usize = 1024 * 1024;

/// Duo's service.
#[derive(Debug)]
pub(super) struct Service {
    applications: Vec<Application>,
    hosts: Vec<String>,
    remote: bool,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    auto: Option<super::Outcome>,
    state: Mutex<State>,
}

/// One call with all that an endpoint needs.
pub(super) struct Call<'a> {
    pub(super) arrival: &'a Arrival,
    pub(super) now: Timestamp,
    /// As the Host header names us: `iss`, `aud` and links follow it.
    pub(super) host: String,
    pub(super) faults: Vec<FaultKind>,
    pub(super) applications: &'a [Application],
    parameters: BTreeMap<String, String>,
    random: &'a dyn Random,
}

impl Call<'_> {
    /// A parameter, wherever it stands; empty when absent.
    pub(super) fn parameter(&self, name: &str) -> &str {
        self.parameters.get(name).map_or("", String::as_str)
    }

    /// 256 random bits in hexadecimal.
    pub(super) fn token(&self) -> String {
        hex(&self.random_bytes::<32>())
    }

    /// A random UUID (RFC 9562, version 4).
    pub(super) fn uuid(&self) -> String {
        let mut bytes = self.random_bytes::<16>();
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        let digits = hex(&bytes);
        [
            &digits[..8],
            &digits[8..12],
            &digits[12..16],
            &digits[16..20],
            &digits[20..],
        ]
        .join("-")
    }

    fn random_bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.random.fill(&mut bytes);
        bytes
    }
}

/// A 20-character id of Duo's looks, always the same for one name.
pub(super) fn duo_id(prefix: &str, name: &str) -> String {
    let digest = openssl::sha::sha256(name.as_bytes());
    format!("{prefix}{}", &hex(&digest).to_uppercase()[..18])
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

type Endpoint = fn(&Call<'_>, &mut State) -> Reply;

/// Method, path, name for faults and the request log, and who answers.
const ENDPOINTS: [(&str, &str, &str, Endpoint); 19] = [
    (
        "POST",
        "/oauth/v1/health_check",
        "health_check",
        oidc::health_check,
    ),
    ("GET", "/oauth/v1/authorize", "authorize", oidc::authorize),
    ("POST", "/oauth/v1/authorize", "authorize", oidc::authorize),
    ("GET", "/frame/v4/prompt", "prompt", prompt::prompt),
    ("POST", "/frame/v4/prompt", "prompt", prompt::prompt),
    ("POST", "/oauth/v1/token", "token", oidc::token),
    ("GET", "/auth/v2/ping", "ping", auth_api::ping),
    ("GET", "/auth/v2/check", "check", auth_api::check),
    ("GET", "/auth/v2/logo", "logo", auth_api::logo),
    ("POST", "/auth/v2/enroll", "enroll", auth_api::enroll),
    (
        "POST",
        "/auth/v2/enroll_status",
        "enroll_status",
        auth_api::enroll_status,
    ),
    ("POST", "/auth/v2/preauth", "preauth", auth_api::preauth),
    ("POST", "/auth/v2/auth", "auth", auth_api::auth),
    (
        "GET",
        "/auth/v2/auth_status",
        "auth_status",
        auth_api::auth_status,
    ),
    ("GET", "/admin/v1/users", "users", admin_api::users),
    ("GET", "/admin/v1/users/*", "user", admin_api::user),
    (
        "GET",
        "/admin/v2/logs/authentication",
        "authlog",
        admin_api::authentication_log,
    ),
    ("GET", "/frame/enroll", "enrolled", auth_api::activate),
    ("GET", "/frame/qr", "qr", auth_api::barcode),
];

impl Service {
    pub(super) fn new(options: Options, api_host: &str) -> Self {
        let name = api_host.rsplit_once(':').map_or(api_host, |(name, _)| name);
        let mut hosts: Vec<String> = ["localhost", "127.0.0.1", "[::1]", name]
            .map(str::to_ascii_lowercase)
            .into();
        hosts.extend(options.host.map(|host| host.to_ascii_lowercase()));
        Self {
            applications: options.applications,
            hosts,
            remote: options.allow_remote,
            clock: options.clock,
            random: options.random,
            state: Mutex::new(State::new(options.auto.clone())),
            auto: options.auto,
        }
    }

    /// Answers a call of Duo's APIs or pages.
    pub(super) fn answer(&self, arrival: &Arrival) -> Reply {
        let path = ENDPOINTS
            .iter()
            .filter(|(_, path, ..)| fits(path, &arrival.path));
        let found = path.clone().find(|(method, ..)| *method == arrival.method);
        let name = found.or(path.clone().next()).map_or("unknown", |row| row.2);
        let mut state = self.state();
        let call = self.call(arrival, &mut state, name);
        state.remember(seen(&call, name));
        let reply = if self.knows(&call.host) {
            match found {
                Some((.., endpoint)) => faulted(&call, &mut state, name, *endpoint),
                None => not_found(),
            }
        } else {
            let body = json!({"stat": "FAIL", "code": 40_000, "message": "Unknown host"});
            Reply::json(400, &body)
        };
        dated(reply, call.now)
    }

    /// Answers a call of the control API; from loopback alone, and never for a page of another
    /// site in somebody's browser.
    pub(super) fn control(&self, arrival: &Arrival) -> Reply {
        if !arrival.header("origin").is_empty() || !self.knows(&arrival.host()) {
            return Reply::json(403, &json!({"error": "not from here"}));
        }
        control::answer(arrival, &mut self.state(), self.auto.as_ref())
    }

    /// Counts down the fault that presents a foreign certificate.
    pub(super) fn presents_foreign_certificate(&self) -> bool {
        let faults = self.state().faults.take("tls");
        faults.contains(&FaultKind::ForeignCa)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn knows(&self, host: &str) -> bool {
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            _ => host,
        };
        self.remote || self.hosts.iter().any(|known| known == name)
    }

    fn call<'a>(&'a self, arrival: &'a Arrival, state: &mut State, name: &str) -> Call<'a> {
        let faults = state.faults.take(name);
        let offset: i64 = faults
            .iter()
            .map(|fault| match fault {
                FaultKind::ClockOffset(seconds) => *seconds,
                _ => 0,
            })
            .sum();
        let now = self.clock.now();
        Call {
            arrival,
            now: now
                .checked_add(SignedDuration::from_secs(offset))
                .unwrap_or(now),
            host: arrival.host(),
            faults,
            applications: &self.applications,
            parameters: arrival.parameters(),
            random: &*self.random,
        }
    }
}

/// Runs the endpoint unless a fault answers in its place, then disturbs the reply.
fn faulted(call: &Call<'_>, state: &mut State, name: &str, endpoint: Endpoint) -> Reply {
    let replaced = call.faults.iter().find_map(|fault| match fault {
        FaultKind::Status(status) => Some(trouble(*status)),
        FaultKind::NotJson => Some(Reply::html(200, "<p>Not JSON</p>".to_owned())),
        FaultKind::LongBody => Some(Reply::html(200, " ".repeat(TOO_LONG))),
        FaultKind::Fail(status) if call.arrival.path.starts_with("/oauth/") => {
            Some(oidc::forced_failure(call, name, *status))
        }
        FaultKind::Fail(status) => Some(Reply::json(
            *status,
            &json!({"stat": "FAIL", "code": 40_103,
                    "message": "Invalid signature in request credentials"}),
        )),
        _ => None,
    });
    let mut reply = replaced.unwrap_or_else(|| endpoint(call, state));
    if call.faults.contains(&FaultKind::ExtraMember) {
        add_member(&mut reply);
    }
    let faulty = fault::disturbance(&call.faults);
    // What the endpoint itself waits for stays, unless a fault waits longer.
    reply.disturbance.delay = reply.disturbance.delay.max(faulty.delay);
    reply.disturbance.pause = faulty.pause;
    reply.disturbance.reset = faulty.reset;
    reply
}

/// The endpoint's own path, or one member of the list that ends in a star.
fn fits(path: &str, arrived: &str) -> bool {
    match path.strip_suffix('*') {
        Some(list) => arrived.strip_prefix(list).is_some_and(|id| !id.is_empty()),
        None => path == arrived,
    }
}

fn trouble(status: u16) -> Reply {
    let reply = Reply::html(status, "<p>Trouble</p>".to_owned());
    if status == 429 {
        reply.with("retry-after", "1".to_owned())
    } else {
        reply
    }
}

fn add_member(reply: &mut Reply) {
    if let Ok(mut members) = serde_json::from_slice::<Map<String, Value>>(&reply.body) {
        members.insert("unexpected_member".to_owned(), json!(true));
        reply.body = Value::Object(members).to_string().into_bytes();
    }
}

fn not_found() -> Reply {
    let body = json!({"stat": "FAIL", "code": 40_401, "message": "Resource not found"});
    Reply::json(404, &body)
}

/// Our own Date, so that a clock offset shows there too (RFC 9110 section 6.6.1).
fn dated(reply: Reply, now: Timestamp) -> Reply {
    let date = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&now);
    match date {
        Ok(date) => reply.with("date", date),
        Err(_) => reply,
    }
}

/// A request as the log keeps it, JWTs opened.
fn seen(call: &Call<'_>, name: &str) -> Value {
    let headers: Map<String, Value> = call
        .arrival
        .headers
        .iter()
        .map(|(name, value)| (name.clone(), json!(value)))
        .collect();
    let token = ["client_assertion", "request"]
        .into_iter()
        .find_map(|name| assertion::unverified(call.parameter(name)));
    json!({
        "at": call.now.to_string(),
        "endpoint": name,
        "method": call.arrival.method,
        "path": call.arrival.path,
        "parameters": call.parameters,
        "claims": token,
        "headers": headers,
    })
}
