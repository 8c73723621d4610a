//! The running server of a home, asked over its loopback address.

use crate::config::settings::Settings;
use crate::server::back_end::duo::install_tls_provider;
use crate::server::http::admin_reload::HEADER;
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
        let asked = match (endpoint(settings, "reload"), client()) {
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

/// Whoever answers on this machine's loopback address is the server itself: its certificate, made
/// out to the public name, proves nothing more here.
pub(super) fn client() -> Result<reqwest::Client, String> {
    install_tls_provider();
    reqwest::Client::builder()
        .timeout(PATIENCE)
        .no_proxy()
        .danger_accept_invalid_certs(true)
        .build()
        .map_err(|_| "no HTTP client can be made".to_owned())
}

/// The address of `/admin/...`.
pub(super) fn endpoint(settings: &Settings, below: &str) -> Result<url::Url, String> {
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
    url::Url::parse(&format!("{scheme}://{address}{path}/admin/{below}"))
        .map_err(|_| "vestibule.baseURL has a path that cannot be asked for".to_owned())
}
