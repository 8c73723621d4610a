//! A web application that protects one page with Duo, by `vestibule::duo`.
//!
//! ```text
//! vestibule duo simulate --listen 127.0.0.1:8443 --ca-out ca.pem \
//!     --client-id DIEXAMPLEEXAMPLE0001 --client-secret exampleExampleExampleExampleExample00001
//! DUO_API_HOST=localhost:8443 DUO_CA=ca.pem DUO_CLIENT_ID=DIEXAMPLEEXAMPLE0001 \
//!     DUO_CLIENT_SECRET=exampleExampleExampleExampleExample00001 cargo run --example duo_web
//! ```
//!
//! With a real Duo account: a "Web SDK" application's host, id and secret, and no `DUO_CA`.
//! A real application checks a password before; this one believes any name.

use actix_web::http::header::{COOKIE, LOCATION, SET_COOKIE};
use actix_web::web::{Data, Form, Query};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use std::collections::HashMap;
use std::error::Error;
use std::net::TcpListener;
use std::sync::{Mutex, PoisonError};
use vestibule::config::settings::{DuoHttpSettings, DuoTrust};
use vestibule::duo::integration::Integration;
use vestibule::duo::secret::Secret;
use vestibule::server::back_end::duo::{DuoWeb, Pending, install_tls_provider};
use vestibule::server::world::{Random, SystemRandom};

const SESSION: &str = "session";

/// Everybody's session, by the secret of their cookie.
#[derive(Default)]
struct Sessions(Mutex<HashMap<String, Pending>>);

struct Application {
    duo: DuoWeb,
    sessions: Sessions,
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    install_tls_provider();
    let listener = TcpListener::bind(variable("LISTEN", "127.0.0.1:8080"))?;
    let base = format!("http://localhost:{}", listener.local_addr()?.port());
    let integration = Integration::builder()
        .api_host(variable("DUO_API_HOST", ""))
        .client_id(variable("DUO_CLIENT_ID", ""))
        .client_secret(Secret::new(variable("DUO_CLIENT_SECRET", "")))
        .redirect_url(format!("{base}/duo-callback"))
        .build()
        .map_err(|faults| format!("{faults:?}"))?;
    let trust = match std::env::var("DUO_CA") {
        Ok(file) => DuoTrust::Pem(vec![std::fs::read(file)?]),
        Err(_) => DuoTrust::Bundled,
    };
    let http = DuoHttpSettings {
        trust,
        ..DuoHttpSettings::default()
    };
    let application = Data::new(Application {
        duo: DuoWeb::new(integration, &http)?,
        sessions: Sessions::default(),
    });
    println!("{base}/");
    HttpServer::new(move || {
        App::new()
            .app_data(application.clone())
            .route("/", web::get().to(ask_for_name))
            .route("/", web::post().to(send_to_duo))
            .route("/duo-callback", web::get().to(come_back))
    })
    .listen(listener)?
    .run()
    .await?;
    Ok(())
}

async fn ask_for_name() -> HttpResponse {
    page(
        "<form method=\"post\"><label>Name <input name=\"name\"></label><button>Sign in</button></form>",
    )
}

#[derive(Deserialize)]
struct Login {
    name: String,
}

/// After the first factor: is Duo well, and off to it. A 303, so that the form is not sent on.
async fn send_to_duo(application: Data<Application>, login: Form<Login>) -> HttpResponse {
    if let Err(error) = application.duo.health_check().await {
        // Closed. An application that would rather go on without Duo asks error.is_outage() first.
        eprintln!("{}: {error}", error.blame().as_str());
        return HttpResponse::ServiceUnavailable().body("The second factor is not available.");
    }
    let (url, pending) = application.duo.begin(&login.name);
    // Lax: the browser comes back from another site. Beyond localhost add Secure.
    let secret = application.sessions.keep(pending);
    let cookie = format!("{SESSION}={secret}; Path=/; HttpOnly; SameSite=Lax");
    HttpResponse::SeeOther()
        .insert_header((LOCATION, url))
        .insert_header((SET_COOKIE, cookie))
        .finish()
}

#[derive(Deserialize)]
struct Callback {
    state: String,
    duo_code: String,
}

async fn come_back(
    application: Data<Application>,
    request: HttpRequest,
    callback: Query<Callback>,
) -> HttpResponse {
    let pending = session(&request).and_then(|secret| application.sessions.take(secret));
    let Some(pending) = pending else {
        return HttpResponse::BadRequest().body("No login is under way. Start again.");
    };
    let finished = application
        .duo
        .finish(&pending, &callback.state, &callback.duo_code)
        .await;
    match finished {
        Ok(claims) => page(&format!("<p>Signed in with {}.</p>", claims.factor)),
        Err(error) => {
            eprintln!("{error}");
            HttpResponse::Forbidden().body("The second factor was not accepted. Start again.")
        }
    }
}

/// The secret in the session's cookie.
fn session(request: &HttpRequest) -> Option<&str> {
    let cookies = request.headers().get(COOKIE)?.to_str().ok()?;
    let mut pairs = cookies.split("; ").filter_map(|pair| pair.split_once('='));
    pairs
        .find(|(name, _)| *name == SESSION)
        .map(|(_, secret)| secret)
}

impl Sessions {
    fn keep(&self, pending: Pending) -> String {
        let mut secret = [0; 32];
        SystemRandom.fill(&mut secret);
        let secret = URL_SAFE_NO_PAD.encode(secret);
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.insert(secret.clone(), pending);
        secret
    }

    /// Once: the same callback does not count twice.
    fn take(&self, secret: &str) -> Option<Pending> {
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.remove(secret)
    }
}

fn page(body: &str) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .body(format!("<!DOCTYPE html><title>Duo example</title>{body}"))
}

fn variable(name: &str, otherwise: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| otherwise.to_owned())
}
