//! `vestibule remembered`: lists and revokes users' remembered browsers. The running server holds
//! the store, so it is asked, over its loopback address.

use crate::cli::{Context, EXIT_FOUND, say, say_error};
use crate::config::settings::Settings;
use crate::server::back_end::duo::install_tls_provider;
use crate::server::http::admin_reload::HEADER;
use clap::Subcommand;
use serde_json::Value;
use std::net::{IpAddr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

/// The server answers at once, or something is wrong.
const PATIENCE: Duration = Duration::from_secs(10);

/// What to do with them.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Lists a user's remembered browsers.
    List {
        /// The user's name.
        #[arg(long)]
        user: String,
    },
    /// Forgets a user's browsers: there Duo is asked again.
    Revoke {
        /// The user's name.
        #[arg(long)]
        user: String,
        #[command(flatten)]
        which: Which,
    },
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Which {
    /// One browser, by the id that `list` shows.
    #[arg(long)]
    id: Option<String>,
    /// Every browser of the user.
    #[arg(long)]
    all: bool,
}

/// Asks the running server; 1 when it cannot be asked, or there was nothing to revoke.
pub fn run(context: &Context, args: &Args) -> ExitCode {
    let settings = match context.settings() {
        Ok(settings) => settings,
        Err(code) => return code,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime on this thread needs nothing but memory");
    match runtime.block_on(ask(&settings, &args.action)) {
        Ok(answer) => print(&answer, context.json),
        Err(reason) => {
            say_error(&format!("vestibule remembered: {reason}"));
            ExitCode::from(EXIT_FOUND)
        }
    }
}

async fn ask(settings: &Settings, action: &Action) -> Result<Value, String> {
    let url = endpoint(settings)?;
    let client = client()?;
    let request = match action {
        Action::List { user } => client.get(with(url, &[("user", user)])),
        Action::Revoke { user, which } => {
            let which = match &which.id {
                Some(id) => ("id", id.as_str()),
                None => ("all", "true"),
            };
            let form = with(url.clone(), &[("user", user), which]);
            let body = form.query().unwrap_or_default().to_owned();
            client.post(url).body(body)
        }
    };
    let answer = request.header(HEADER, "1").send().await;
    let answer = answer.map_err(|_| "no server of this home answers on its loopback address")?;
    if !answer.status().is_success() {
        return Err(format!("the server answered {}", answer.status()));
    }
    let answer = answer.json().await;
    answer.map_err(|_| "the server's answer cannot be read".to_owned())
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

fn endpoint(settings: &Settings) -> Result<url::Url, String> {
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
    url::Url::parse(&format!("{scheme}://{address}{path}/admin/remembered"))
        .map_err(|_| "vestibule.baseURL has a path that cannot be asked for".to_owned())
}

fn with(mut url: url::Url, parameters: &[(&str, &str)]) -> url::Url {
    url.query_pairs_mut().extend_pairs(parameters);
    url
}

fn print(answer: &Value, json: bool) -> ExitCode {
    if json {
        say(&format!("{answer:#}"));
    }
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    if let Some(browsers) = answer["browsers"].as_array() {
        for browser in browsers.iter().filter(|_| !json) {
            let fields = ["id", "created", "last_used", "expires", "label"];
            let fields = fields.map(|field| text(&browser[field]));
            say(&fields.join("\t"));
        }
        return ExitCode::SUCCESS;
    }
    let revoked = answer["revoked"].as_u64().unwrap_or(0);
    if !json {
        say(&format!("{revoked} forgotten"));
    }
    if revoked == 0 {
        return ExitCode::from(EXIT_FOUND);
    }
    ExitCode::SUCCESS
}
