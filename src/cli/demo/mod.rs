//! `vestibule demo`: the identity provider, a Duo simulator and three service providers on
//! loopback, in a home that goes away with them.

mod home;

use crate::cli::serve::Signals;
use crate::cli::{Context, EXIT_FOUND, say, say_error};
use crate::config::settings::Settings;
use crate::duo::secret::Secret;
use crate::saml::metadata::TrustedKey;
use crate::saml::own_metadata::SSO_ENDPOINTS;
use crate::server::http::account;
use crate::server::world::{Clock, Random, SystemClock, SystemRandom, World};
use crate::server::{Server, logs};
use crate::simulator::demo_sp::{self, IdentityProvider, Site};
use crate::simulator::duo::{self, Application, ApplicationKind, Simulator};
use home::{Home, USERS};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::ExitCode;
use std::sync::Arc;

/// `vestibule demo`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Use this port and the three above it; without it, free ones.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=65532))]
    port_base: Option<u16>,
}

/// Runs the demonstration until it is interrupted.
pub fn run(context: &Context, args: &Args) -> ExitCode {
    match demonstrate(context, args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say_error(&format!("error: {error}"));
            ExitCode::from(EXIT_FOUND)
        }
    }
}

fn demonstrate(context: &Context, args: &Args) -> Result<(), String> {
    let places = Places::take(args.port_base)?;
    let home = Home::make()?;
    let duo = start_duo(&places)?;
    let sites = sites(&places.sp_origin);
    home.write(&places.idp, &duo, &sites)?;
    let settings = home.settings()?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let log = logs::install(&settings.logging, &clock, false).map_err(|error| error.to_string())?;
    let options = demo_sp::Options {
        sites: sites.clone(),
        idp: identity_provider(&settings)?,
        clock,
        random: Arc::new(SystemRandom),
    };
    let world = World::real(&settings).map_err(|error| error.to_string())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    let outcome = runtime.block_on(async {
        let server = Server::build(settings, world)?;
        let signals = Signals::new().map_err(|error| error.to_string())?;
        let service_providers =
            demo_sp::start(options, places.sp).map_err(|error| error.to_string())?;
        let stopping = tokio::spawn(signals.obey(server.handle()));
        announce(context, &places.idp, &duo, &sites, &home);
        let outcome = server.run().await.map_err(|error| error.to_string());
        stopping.abort();
        drop(service_providers);
        outcome
    });
    drop(log);
    outcome
}

/// Loopback addresses, known before anything is written.
struct Places {
    /// The identity provider's base URL.
    idp: String,
    sp: TcpListener,
    sp_origin: String,
    duo: SocketAddr,
    control: SocketAddr,
}

impl Places {
    fn take(base: Option<u16>) -> Result<Self, String> {
        let address = |offset| {
            let port = base.map_or(0, |base| base + offset);
            SocketAddr::from((Ipv4Addr::LOCALHOST, port))
        };
        let bind = |address: SocketAddr| {
            let listener = TcpListener::bind(address)?;
            let taken = listener.local_addr()?;
            Ok((listener, taken))
        };
        let failed = |address: SocketAddr| {
            move |error: std::io::Error| format!("cannot listen on {address}: {error}")
        };
        // The server binds its own address when it has its settings; until then the port is only
        // found to be free.
        let (free, idp) = bind(address(0)).map_err(failed(address(0)))?;
        let (sp, sp_address) = bind(address(1)).map_err(failed(address(1)))?;
        drop(free);
        Ok(Self {
            idp: format!("http://{idp}/idp"),
            sp,
            sp_origin: format!("http://{sp_address}"),
            duo: address(2),
            control: address(3),
        })
    }
}

/// Duo with its applications, as an administrator would have made them.
fn start_duo(places: &Places) -> Result<duo::Running, String> {
    let application = |name: &str| Application {
        name: name.to_owned(),
        ..Application::web_sdk(made_up("DI", 20), Secret::new(made_up("", 40)))
    };
    let auth_api = Application {
        kind: ApplicationKind::AuthApi,
        ..application("Vestibule, enrolment")
    };
    let applications = vec![
        application("Vestibule"),
        application("Vestibule, strict"),
        auth_api,
    ];
    let mut options = duo::Options::on_loopback(applications);
    options.listen = places.duo;
    options.control = Some(places.control);
    Simulator::start(options).map_err(|error| error.to_string())
}

/// Random hexadecimal digits behind a prefix.
fn made_up(prefix: &str, length: usize) -> String {
    let mut bytes = vec![0; length];
    SystemRandom.fill(&mut bytes);
    let digits = crate::server::world::hex(&bytes).to_uppercase();
    format!("{prefix}{}", &digits[..length - prefix.len()])
}

fn sites(origin: &str) -> Vec<Site> {
    let site = |number, name: &str, what: &str| Site {
        number,
        origin: origin.to_owned(),
        name: name.to_owned(),
        what: what.to_owned(),
    };
    vec![
        site(
            1,
            "Wiki",
            "A password is enough, unless the request asks for more.",
        ),
        site(
            2,
            "Payroll",
            "Always needs a second factor: it stands in conf/lists/require-mfa.txt.",
        ),
        site(
            3,
            "Research cluster",
            "Uses a second Duo application, and a security key there earns a stronger class.",
        ),
    ]
}

fn identity_provider(settings: &Settings) -> Result<IdentityProvider, String> {
    let keys = settings.signing_keys.iter().map(|key| {
        let public = key.certificate().public_key();
        public.map(TrustedKey).map_err(|error| error.to_string())
    });
    let (_, redirect) = SSO_ENDPOINTS[0];
    Ok(IdentityProvider {
        entity_id: settings.entity_id.clone(),
        sso_url: format!("{}{redirect}", settings.base_url.url),
        keys: keys.collect::<Result<_, _>>()?,
    })
}

/// One line for programs, or what a person has to know.
fn announce(context: &Context, idp: &str, duo: &duo::Running, sites: &[Site], home: &Home) {
    if context.json {
        say(&ready(idp, duo, sites, home).to_string());
        return;
    }
    say("Everything runs on this machine, until Ctrl-C.\n");
    say(&format!("  Open  {}/\n", sites[0].origin));
    for site in sites {
        say(&format!("  {}  {}", site.home(), site.name));
        say(&format!("      {}", site.what));
    }
    say("\n  Users and passwords");
    for (name, password) in USERS {
        say(&format!("      {name}  {password}"));
    }
    say(&format!("\n  Identity provider  {idp}"));
    say(&format!("  Account page       {idp}{}", account::PATH));
    say(&format!("  Duo simulator      https://{}", duo.api_host));
    if let Some(control) = &duo.control_url {
        say(&format!("  its control        {control}"));
    }
    say(&format!("  Home               {}", home.path().display()));
    say(
        "\nThe simulator made its own certificate: your browser will ask you once whether to go on.",
    );
}

fn ready(idp: &str, duo: &duo::Running, sites: &[Site], home: &Home) -> serde_json::Value {
    let sites = sites.iter().map(|site| {
        serde_json::json!({
            "entity_id": site.entity_id(),
            "url": site.login_url(),
            "what": format!("{}: {}", site.name, site.what),
        })
    });
    let users =
        USERS.map(|(name, password)| serde_json::json!({ "name": name, "password": password }));
    serde_json::json!({
        "idp": idp,
        "sps": sites.collect::<Vec<_>>(),
        "users": users,
        "duo": {
            "api_host": duo.api_host,
            "ca": home.duo_ca(),
            "control": duo.control_url,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_up_credentials_have_the_lengths_that_duo_gives() {
        let (id, secret) = (made_up("DI", 20), made_up("", 40));
        assert_eq!((id.len(), secret.len()), (20, 40));
        assert!(id.starts_with("DI") && id != made_up("DI", 20));
    }

    #[test]
    fn the_home_it_writes_is_a_configuration_without_errors_and_goes_away() {
        let places = Places::take(None).expect("free ports");
        let duo = start_duo(&places).expect("the simulator");
        let sites = sites(&places.sp_origin);
        let home = Home::make().expect("a home");
        home.write(&places.idp, &duo, &sites).expect("written");
        let settings = home.settings().expect("settings");
        assert_eq!(settings.base_url.url, places.idp);
        assert_eq!(settings.rules.duo.integrations.len(), 2);
        let idp = identity_provider(&settings).expect("an identity provider");
        assert_eq!(idp.keys.len(), 1);
        let path = home.path().to_owned();
        assert!(path.join("metadata/sp-3.xml").exists());
        drop(home);
        assert!(!path.exists());
    }

    #[test]
    fn the_json_line_has_what_programs_need() {
        let places = Places::take(None).expect("free ports");
        let duo = start_duo(&places).expect("the simulator");
        let home = Home::make().expect("a home");
        let line = ready(&places.idp, &duo, &sites(&places.sp_origin), &home);
        assert_eq!(line["idp"], places.idp.as_str());
        assert_eq!(line["sps"].as_array().map(Vec::len), Some(3));
        let url = line["sps"][1]["url"].as_str().expect("a URL");
        assert_eq!(url, format!("{}/sp/2/login", places.sp_origin));
        assert_eq!(line["users"][0]["name"], USERS[0].0);
        assert_eq!(line["duo"]["api_host"], duo.api_host.as_str());
        assert!(line["duo"]["control"].is_string() && line["duo"]["ca"].is_string());
    }
}
