//! The running server of a home, asked over its loopback address.

use crate::config::settings::Settings;
use crate::server::back_end::duo::install_tls_provider;
use crate::server::http::admin::HEADER;
use serde_json::Value;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// The server answers at once, or something is wrong.
const PATIENCE: Duration = Duration::from_secs(10);

/// What became of a wish to reload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reload {
    /// The configuration is in force.
    Done,
    /// Nobody answers: the next start reads it.
    NotRunning,
    /// It stays as it was: why.
    Refused(String),
}

/// Asks the running server to read its configuration again.
pub(super) fn reload(settings: &Settings) -> Reload {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.expect("a runtime on this thread needs nothing but memory");
    runtime.block_on(async {
        let asked = match (endpoint(settings, "/admin/reload"), client()) {
            (Ok(url), Ok(client)) => client.post(url).header(HEADER, "1").send().await,
            _ => return Reload::NotRunning,
        };
        match asked {
            Err(error) if error.is_connect() => Reload::NotRunning,
            Err(_) => Reload::Refused("the server did not answer".to_owned()),
            Ok(answer) if answer.status().is_success() => Reload::Done,
            Ok(answer) => {
                let status = answer.status();
                let answer: Value = answer.json().await.unwrap_or_default();
                let errors = answer["errors"].as_array().into_iter().flatten();
                let errors: Vec<&str> = errors.filter_map(Value::as_str).collect();
                Reload::Refused(format!(
                    "the server answered {status}: {}",
                    errors.join("; ")
                ))
            }
        }
    })
}

/// What the server answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: reqwest::StatusCode,
    pub(super) body: String,
}

impl Answer {
    /// The document of a success.
    pub(super) fn document(&self) -> Result<Value, String> {
        if !self.status.is_success() {
            return Err(format!("the server answered {}", self.status));
        }
        self.value()
    }

    /// The document, whatever the status says.
    pub(super) fn value(&self) -> Result<Value, String> {
        let value = serde_json::from_str(&self.body);
        value.map_err(|_| "the server's answer cannot be read".to_owned())
    }
}

/// Parameters of a request, by name.
type Parameters<'a> = &'a [(&'a str, &'a str)];

/// Asks for a document below the base URL.
pub(super) fn get(
    settings: &Settings,
    path: &str,
    parameters: Parameters<'_>,
) -> Result<Answer, String> {
    let mut url = endpoint(settings, path)?;
    if !parameters.is_empty() {
        url.query_pairs_mut().extend_pairs(parameters);
    }
    ask(reqwest::Method::GET, url, String::new())
}

/// Tells the server to do something.
pub(super) fn post(
    settings: &Settings,
    path: &str,
    parameters: Parameters<'_>,
) -> Result<Answer, String> {
    let mut form = form_urlencoded::Serializer::new(String::new());
    let body = form.extend_pairs(parameters).finish();
    ask(reqwest::Method::POST, endpoint(settings, path)?, body)
}

fn ask(method: reqwest::Method, url: url::Url, body: String) -> Result<Answer, String> {
    let client = client()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime on this thread needs nothing but memory");
    runtime.block_on(async {
        let request = client.request(method, url).header(HEADER, "1").body(body);
        let answer = request.send().await;
        let answer =
            answer.map_err(|_| "no server of this home answers on its loopback address")?;
        let status = answer.status();
        let body = answer.text().await;
        let body = body.map_err(|_| "the server's answer cannot be read")?;
        Ok(Answer { status, body })
    })
}

/// Whoever answers on this machine's loopback address is the server itself: its certificate, made
/// out to the public name, proves nothing more here.
fn client() -> Result<reqwest::Client, String> {
    install_tls_provider();
    reqwest::Client::builder()
        .timeout(PATIENCE)
        .no_proxy()
        .danger_accept_invalid_certs(true)
        .build()
        .map_err(|_| "no HTTP client can be made".to_owned())
}

/// The address of a path below the base URL.
fn endpoint(settings: &Settings, below: &str) -> Result<url::Url, String> {
    let loopback = settings.http.listen.iter().find_map(|address| {
        let ip = address.ip();
        let own = match ip {
            IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::from([127, 0, 0, 1]),
            IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]),
            ip => ip,
        };
        let address = SocketAddr::new(own, address.port());
        own.is_loopback().then_some(address)
    });
    let address = loopback.ok_or("vestibule.http.listen names no loopback address")?;
    let scheme = match settings.http.tls {
        Some(_) => "https",
        None => "http",
    };
    let path = &settings.base_url.path;
    url::Url::parse(&format!("{scheme}://{address}{path}{below}"))
        .map_err(|_| "vestibule.baseURL has a path that cannot be asked for".to_owned())
}
