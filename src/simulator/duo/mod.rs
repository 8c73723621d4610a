//! Duo's service on this machine: the OIDC Auth API with its prompt, the Auth API, and the parts
//! of the Admin API that tell what happened. Duo's official clients finish their exchanges
//! against it.
//!
//! Everything is in memory behind one lock; outcomes and faults are chosen by options or over the
//! control address.

mod admin_api;
mod assertion;
mod auth_api;
mod control;
mod credentials;
mod fault;
mod http;
mod id_token;
mod message;
mod oidc;
mod outcome;
mod prompt;
mod service;
mod state;
mod tls;

#[cfg(test)]
mod tests;

use crate::duo::secret::Secret;
use crate::server::world::{Clock, Random, SystemClock, SystemRandom};
use actix_web::dev::ServerHandle;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;

pub use outcome::Outcome;
pub use state::NewUserPolicy;

/// What kind of credentials an application has; each API refuses the others' (40301).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApplicationKind {
    /// The OIDC Auth API with its prompt.
    WebSdk,
    /// The Auth API.
    AuthApi,
    /// The Admin API.
    AdminApi,
}

/// A protected application, as an administrator of Duo would have made it.
#[derive(Clone, Debug)]
pub struct Application {
    /// 20 characters.
    pub client_id: String,
    /// 40 characters.
    pub client_secret: Secret,
    /// Which API it opens.
    pub kind: ApplicationKind,
    /// Shown at the prompt and in the log.
    pub name: String,
}

impl Application {
    /// A Web SDK application.
    pub fn web_sdk(client_id: impl Into<String>, client_secret: Secret) -> Self {
        Self {
            client_id: client_id.into(),
            client_secret,
            kind: ApplicationKind::WebSdk,
            name: "Vestibule".to_owned(),
        }
    }
}

/// How the simulator starts.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Another name that clients reach it by, for the certificate and the accepted hosts.
    pub host: Option<String>,
    /// Listen beyond loopback.
    pub allow_remote: bool,
    /// Its applications.
    pub applications: Vec<Application>,
    /// Everybody's outcome, without a prompt; otherwise the prompt asks.
    pub auto: Option<Outcome>,
    /// Where the control API listens; none, and there is no control API.
    pub control: Option<SocketAddr>,
    /// Its clock.
    pub clock: Arc<dyn Clock>,
    /// Its randomness.
    pub random: Arc<dyn Random>,
}

impl Options {
    /// A simulator on a free loopback port, with its control API on another.
    pub fn on_loopback(applications: Vec<Application>) -> Self {
        let free = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
        Self {
            listen: free,
            host: None,
            allow_remote: false,
            applications,
            auto: None,
            control: Some(free),
            clock: Arc::new(SystemClock),
            random: Arc::new(SystemRandom),
        }
    }
}

/// Duo's service.
#[derive(Clone, Copy, Debug)]
pub struct Simulator;

impl Simulator {
    /// Starts it on a thread of its own; when this returns it is listening.
    pub fn start(options: Options) -> Result<Running, StartError> {
        refuse_remote(&options)?;
        let listener = TcpListener::bind(options.listen)?;
        let control = options.control.map(TcpListener::bind).transpose()?;
        let address = listener.local_addr()?;
        let control_url = match &control {
            Some(listener) => Some(format!("http://{}", listener.local_addr()?)),
            None => None,
        };
        let api_host = api_host(&options, address);
        let authority = tls::Authority::make(&*options.random, options.host.as_deref())?;
        let ca_pem = authority.ca_pem.clone();
        let applications = options.applications.clone();
        let service = Arc::new(service::Service::new(options, &api_host));
        let (handles, thread) = http::spawn(service, &authority, listener, control)?;
        Ok(Running {
            api_host,
            ca_pem,
            applications,
            control_url,
            handles,
            thread: Some(thread),
        })
    }
}

/// A simulator that is listening. Dropping it stops it.
pub struct Running {
    /// `host:port`, for clients' configuration.
    pub api_host: String,
    /// The certificate authority that clients must trust, PEM.
    pub ca_pem: String,
    /// Its applications.
    pub applications: Vec<Application>,
    /// Base URL of the control API, if there is one.
    pub control_url: Option<String>,
    handles: Vec<ServerHandle>,
    thread: Option<JoinHandle<()>>,
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running")
            .field("api_host", &self.api_host)
            .field("control_url", &self.control_url)
            .finish_non_exhaustive()
    }
}

impl Running {
    /// Stops listening and waits until it has.
    pub fn stop(self) {
        drop(self);
    }

    /// Waits until something else stops it.
    pub fn wait(mut self) {
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        for handle in &self.handles {
            // The command is sent at once; the future would only wait for it.
            drop(handle.stop(false));
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Why the simulator did not start.
#[derive(Debug)]
pub enum StartError {
    /// An address beyond loopback, and nobody said that this is meant.
    Remote(SocketAddr),
    /// An address could not be bound, or a thread not started.
    Io(io::Error),
    /// The certificate could not be made.
    Certificate(String),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Remote(address) => write!(
                f,
                "{address} is not a loopback address: whoever reaches the simulator can approve \
                 logins; pass --allow-remote if that is meant"
            ),
            Self::Io(error) => write!(f, "cannot listen: {error}"),
            Self::Certificate(reason) => write!(f, "cannot make the certificate: {reason}"),
        }
    }
}

impl std::error::Error for StartError {}

impl From<io::Error> for StartError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

fn refuse_remote(options: &Options) -> Result<(), StartError> {
    let beyond = [Some(options.listen), options.control]
        .into_iter()
        .flatten()
        .find(|address| !address.ip().is_loopback());
    match beyond {
        Some(address) if !options.allow_remote => Err(StartError::Remote(address)),
        _ => Ok(()),
    }
}

/// Loopback goes by its name: some clients check DNS names in certificates and no addresses.
fn api_host(options: &Options, address: SocketAddr) -> String {
    let port = address.port();
    match &options.host {
        Some(host) => format!("{host}:{port}"),
        None if address.ip().is_loopback() => format!("localhost:{port}"),
        None => address.to_string(),
    }
}
