//! The world: HTTP, back ends, storage, logs, reload, clock and randomness.
//!
//! Owns everything that touches files, sockets, time or randomness. Does not own any decision:
//! `authn` decides a login, `policy` decides what scripts say, `response` decides what is sent
//! back. A handler reads bytes, asks one of them, and does what the answer says.

pub mod app;
pub mod artifacts;
pub mod back_end;
pub mod consents;
pub mod conversation;
pub mod counters;
pub mod duo_enrolments;
pub mod duo_starts;
pub mod duo_users;
pub mod duo_uses;
pub mod generation;
pub mod http;
pub mod journal;
pub mod load;
pub mod logout;
pub mod logs;
pub mod metadata;
pub mod pages;
pub mod profiles;
pub mod reload;
pub mod remembered;
pub mod replay;
pub mod session;
pub mod storage;
pub mod sweep;
pub mod throttle;
pub mod world;

use crate::config::settings::{Settings, TlsFiles};
use crate::server::app::App;
use crate::server::world::World;
use actix_web::dev::ServerHandle;
use actix_web::http::KeepAlive;
use actix_web::web::{self, Data};
use actix_web::{App as WebApp, HttpServer};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

/// Headers must be complete by then.
const HEADER_TIME: Duration = Duration::from_secs(10);
const IDLE: Duration = Duration::from_secs(30);
const SHUTDOWN_SECONDS: u64 = 10;
const SWEEP_INTERVAL: Duration = Duration::from_secs(15);

/// A server that listens; it answers once it runs.
pub struct Server {
    app: Arc<App>,
    addresses: Vec<SocketAddr>,
    http: actix_web::dev::Server,
}

/// A running server, seen from elsewhere.
#[derive(Clone)]
pub struct Handle {
    app: Arc<App>,
    http: ServerHandle,
}

impl Server {
    /// Makes the server of these settings in this world and binds its addresses (port 0: any).
    pub fn build(settings: Settings, world: World) -> Result<Self, String> {
        let http = settings.http.clone();
        let app = Arc::new(App::build(settings, world)?);
        let data = Data::from(Arc::clone(&app));
        let mut server = HttpServer::new(move || {
            WebApp::new()
                .app_data(data.clone())
                .default_service(web::to(http::dispatch))
        })
        .client_request_timeout(HEADER_TIME)
        .keep_alive(KeepAlive::Timeout(IDLE))
        .shutdown_timeout(SHUTDOWN_SECONDS)
        .disable_signals();
        if http.workers > 0 {
            server = server.workers(http.workers);
        }
        let mut addresses = Vec::new();
        for address in &http.listen {
            let failed = |error: std::io::Error| format!("{address}: {error}");
            let listener = TcpListener::bind(address).map_err(failed)?;
            addresses.push(listener.local_addr().map_err(failed)?);
            server = match &http.tls {
                Some(files) => server.listen_rustls_0_23(listener, tls(files)?),
                None => server.listen(listener),
            }
            .map_err(failed)?;
        }
        Ok(Self {
            app,
            addresses,
            http: server.run(),
        })
    }

    /// The first address it listens on.
    pub fn addr(&self) -> SocketAddr {
        self.addresses[0]
    }

    /// Every address it listens on.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// For stopping and reloading it while it runs.
    pub fn handle(&self) -> Handle {
        Handle {
            app: Arc::clone(&self.app),
            http: self.http.handle(),
        }
    }

    /// Serves until it is stopped.
    pub async fn run(self) -> std::io::Result<()> {
        let sweeping = tokio::spawn(sweep_forever(Arc::clone(&self.app)));
        let watching = tokio::spawn(watch_forever(Arc::clone(&self.app)));
        let served = self.http.await;
        sweeping.abort();
        watching.abort();
        served
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Server({:?})", self.addresses)
    }
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Handle")
    }
}

impl Handle {
    /// Stops the server; requests under way are answered first.
    pub async fn stop(&self) {
        self.http.stop(true).await;
    }

    /// Reads the configuration again.
    pub async fn reload(&self) -> Result<(), Vec<String>> {
        reload::reload(&self.app).await
    }

    /// Writes the lines of logins nobody came back for; the server does so by itself all the time.
    pub async fn sweep(&self) -> Result<(), storage::StorageError> {
        sweep::sweep(&self.app).await
    }

    /// Looks at the metadata folder; the server does so by itself all the time.
    pub fn look_at_metadata(&self) {
        self.app.metadata.look(self.app.world.now());
    }
}

async fn sweep_forever(app: Arc<App>) {
    loop {
        tokio::time::sleep(SWEEP_INTERVAL).await;
        if let Err(error) = sweep::sweep(&app).await {
            tracing::error!(%error, "expired logins stay for now");
        }
    }
}

async fn watch_forever(app: Arc<App>) {
    loop {
        app.metadata.refresh(app.world.now());
        tokio::time::sleep(app.generation().settings.metadata.poll_interval).await;
        let looking = Arc::clone(&app);
        let look = move || looking.metadata.look(looking.world.now());
        let _ = tokio::task::spawn_blocking(look).await;
    }
}

fn tls(files: &TlsFiles) -> Result<rustls::ServerConfig, String> {
    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    back_end::duo::install_tls_provider();
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&files.certificate).collect();
    let chain = chain.map_err(|_| "vestibule.http.tls.certificate: not a PEM chain")?;
    let key = PrivateKeyDer::from_pem_slice(files.key.expose().as_bytes())
        .map_err(|_| "vestibule.http.tls.key: not a PEM private key")?;
    rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| format!("vestibule.http.tls: {error}"))
}
