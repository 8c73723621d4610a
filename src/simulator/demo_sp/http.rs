//! The demo SPs' endpoints.

use super::answer::{self, Answer, Rejection};
use super::request::{self, Wish};
use super::{Options, Site, page};
use actix_web::dev::ServerHandle;
use actix_web::http::header::{self, ContentType};
use actix_web::{App, HttpResponse, HttpResponseBuilder, HttpServer, web};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use std::collections::HashMap;
use std::io;
use std::net::TcpListener;
use std::sync::{Mutex, mpsc};
use std::thread::{self, JoinHandle};

/// Requests of logins that may still come to an end.
const MAX_OPEN: usize = 1000;
const OPEN_FOR: SignedDuration = SignedDuration::from_mins(15);
/// A Response with an assertion has a few kilobytes.
const MAX_FORM: usize = 512 * 1024;

/// Runs the endpoints on a thread with its own event loop.
pub(super) fn spawn(
    options: Options,
    listener: TcpListener,
) -> io::Result<(ServerHandle, JoinHandle<()>)> {
    let service = web::Data::new(Service {
        options,
        open: Mutex::default(),
    });
    let (started, starting) = mpsc::channel();
    let thread = thread::Builder::new()
        .name("demo-sp".to_owned())
        .spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let server = HttpServer::new(move || {
                    App::new()
                        .app_data(service.clone())
                        .app_data(web::FormConfig::default().limit(MAX_FORM))
                        .configure(routes)
                })
                .workers(1)
                .disable_signals()
                .shutdown_timeout(1)
                .listen(listener)
                .map(HttpServer::run);
                match server {
                    Ok(server) => {
                        let _ = started.send(Ok(server.handle()));
                        // The end of the server is the end of the thread, however it came.
                        let _ = server.await;
                    }
                    Err(error) => {
                        let _ = started.send(Err(error));
                    }
                }
            });
        })?;
    let handle = starting
        .recv()
        .map_err(|_| io::Error::other("the thread of the demo SPs ended"))??;
    Ok((handle, thread))
}

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/", web::get().to(index))
        .route("/sp/{number}/", web::get().to(home))
        .route("/sp/{number}", web::get().to(metadata))
        .route("/sp/{number}/login", web::get().to(login))
        .route("/sp/{number}/acs", web::post().to(acs));
}

pub(super) struct Service {
    pub(super) options: Options,
    /// AuthnRequests without an answer: ID to site and instant.
    pub(super) open: Mutex<HashMap<String, (u8, Timestamp)>>,
}

impl Service {
    fn site(&self, number: u8) -> Option<&Site> {
        self.options.sites.iter().find(|site| site.number == number)
    }

    /// Remembers a new request and returns its ID.
    fn open_request(&self, site: &Site, now: Timestamp) -> String {
        let mut random = [0; 16];
        self.options.random.fill(&mut random);
        let id = format!("_{}", crate::server::world::hex(&random));
        let mut open = self.open.lock().expect("no holder of the lock panics");
        open.retain(|_, (_, since)| now.duration_since(*since) < OPEN_FOR);
        if open.len() < MAX_OPEN {
            open.insert(id.clone(), (site.number, now));
        }
        id
    }

    /// Verifies a Response; a request that it answers is closed by that, whatever it says.
    fn receive(&self, site: &Site, form: &Form, now: Timestamp) -> Result<Answer, Rejection> {
        let compact: String = form.response.split_ascii_whitespace().collect();
        let xml = STANDARD
            .decode(compact)
            .map_err(|_| Rejection("SAMLResponse is no base64"))?;
        let answer = answer::verify(&xml, site, &self.options.idp, now)?;
        let mut open = self.open.lock().expect("no holder of the lock panics");
        match open.remove(&answer.in_response_to) {
            Some((number, since))
                if number == site.number && now.duration_since(since) < OPEN_FOR =>
            {
                Ok(answer)
            }
            _ => Err(Rejection(
                "no open login of this service provider waits for this answer",
            )),
        }
    }
}

#[derive(Deserialize)]
struct Form {
    #[serde(rename = "SAMLResponse")]
    response: String,
}

async fn index(service: web::Data<Service>) -> HttpResponse {
    html(HttpResponse::Ok(), page::index(&service.options.sites))
}

async fn home(service: web::Data<Service>, number: web::Path<u8>) -> HttpResponse {
    match service.site(*number) {
        Some(site) => html(HttpResponse::Ok(), page::home(site)),
        None => HttpResponse::NotFound().finish(),
    }
}

/// The entityID answers with the metadata, as is good custom.
async fn metadata(service: web::Data<Service>, number: web::Path<u8>) -> HttpResponse {
    match service.site(*number) {
        Some(site) => HttpResponse::Ok()
            .content_type("application/samlmetadata+xml")
            .body(site.metadata()),
        None => HttpResponse::NotFound().finish(),
    }
}

async fn login(
    service: web::Data<Service>,
    number: web::Path<u8>,
    wish: web::Query<Wish>,
) -> HttpResponse {
    let Some(site) = service.site(*number) else {
        return HttpResponse::NotFound().finish();
    };
    let now = service.options.clock.now();
    let id = service.open_request(site, now);
    match request::redirect_url(site, &service.options.idp, &wish, &id, now) {
        Ok(url) => HttpResponse::Found()
            .insert_header((header::LOCATION, url))
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .finish(),
        Err(_) => HttpResponse::InternalServerError().finish(),
    }
}

async fn acs(
    service: web::Data<Service>,
    number: web::Path<u8>,
    form: web::Form<Form>,
) -> HttpResponse {
    let Some(site) = service.site(*number) else {
        return HttpResponse::NotFound().finish();
    };
    match service.receive(site, &form, service.options.clock.now()) {
        Ok(answer) => html(HttpResponse::Ok(), page::answer(site, &answer)),
        Err(rejection) => html(HttpResponse::BadRequest(), page::rejection(site, rejection)),
    }
}

fn html(mut response: HttpResponseBuilder, page: String) -> HttpResponse {
    response
        .content_type(ContentType::html())
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
        ))
        .body(page)
}
