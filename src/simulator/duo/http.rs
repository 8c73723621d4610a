//! The listeners: bytes in, [`Service`] asked, bytes out, disturbed where a fault says so.

use super::StartError;
use super::message::{Arrival, Reply};
use super::service::Service;
use super::tls::Authority;
use actix_web::dev::{Server, ServerHandle};
use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes, Data, Payload};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use futures_util::stream;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

/// Greatest request body.
const LONGEST_BODY: usize = 256 * 1024;

/// Duo closes idle connections after a minute.
const KEEP_ALIVE: Duration = Duration::from_mins(1);

/// Runs the listeners on a thread with its own runtime, so that any program can embed them.
pub(super) fn spawn(
    service: Arc<Service>,
    authority: &Authority,
    listener: TcpListener,
    control: Option<TcpListener>,
) -> Result<(Vec<ServerHandle>, JoinHandle<()>), StartError> {
    let tls = authority.server_config(Arc::clone(&service))?;
    let (sender, receiver) = mpsc::channel();
    let thread = std::thread::Builder::new()
        .name("duo-simulator".to_owned())
        .spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                match servers(&service, tls, listener, control) {
                    Ok(servers) => {
                        let handles = servers.iter().map(Server::handle).collect();
                        let _ = sender.send(Ok(handles));
                        join_all(servers).await;
                    }
                    Err(error) => {
                        let _ = sender.send(Err(error));
                    }
                }
            });
        })?;
    let handles = receiver
        .recv()
        .map_err(|_| io::Error::other("the simulator's thread ended"))??;
    Ok((handles, thread))
}

fn servers(
    service: &Arc<Service>,
    tls: rustls::ServerConfig,
    listener: TcpListener,
    control: Option<TcpListener>,
) -> io::Result<Vec<Server>> {
    let data = Data::new(Arc::clone(service));
    let duo = HttpServer::new(move || {
        App::new()
            .app_data(data.clone())
            .default_service(web::to(duo))
    })
    .workers(1)
    .disable_signals()
    .shutdown_timeout(0)
    .keep_alive(KEEP_ALIVE)
    .listen_rustls_0_23(listener, tls)?
    .run();
    let mut servers = vec![duo];
    if let Some(listener) = control {
        let data = Data::new(Arc::clone(service));
        let control = HttpServer::new(move || {
            App::new()
                .app_data(data.clone())
                .default_service(web::to(self::control))
        })
        .workers(1)
        .disable_signals()
        .shutdown_timeout(0)
        .listen(listener)?
        .run();
        servers.push(control);
    }
    Ok(servers)
}

async fn duo(request: HttpRequest, payload: Payload, service: Data<Arc<Service>>) -> HttpResponse {
    match arrival(&request, payload).await {
        Some(arrival) => respond(service.answer(&arrival)).await,
        None => HttpResponse::PayloadTooLarge().finish(),
    }
}

async fn control(
    request: HttpRequest,
    payload: Payload,
    service: Data<Arc<Service>>,
) -> HttpResponse {
    match arrival(&request, payload).await {
        Some(arrival) => respond(service.control(&arrival)).await,
        None => HttpResponse::PayloadTooLarge().finish(),
    }
}

/// The request, whole; nothing when it is too long or breaks off.
async fn arrival(request: &HttpRequest, mut payload: Payload) -> Option<Arrival> {
    let mut body = Vec::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.ok()?;
        if body.len() + chunk.len() > LONGEST_BODY {
            return None;
        }
        body.extend_from_slice(&chunk);
    }
    let headers = request
        .headers()
        .iter()
        .map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.as_str().to_owned(), value)
        })
        .collect();
    Some(Arrival {
        method: request.method().as_str().to_owned(),
        path: request.path().to_owned(),
        query: form_urlencoded::parse(request.query_string().as_bytes())
            .into_owned()
            .collect(),
        headers,
        body,
        peer: request
            .peer_addr()
            .map(|address| address.ip().to_string())
            .unwrap_or_default(),
    })
}

async fn respond(reply: Reply) -> HttpResponse {
    let disturbance = reply.disturbance;
    if disturbance.delay > 0 {
        actix_web::rt::time::sleep(Duration::from_secs(disturbance.delay)).await;
    }
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = HttpResponse::build(status);
    for (name, value) in reply.headers {
        response.insert_header((name, value));
    }
    if disturbance.reset {
        // A body that fails before its first byte makes the server drop the connection.
        let broken = io::Error::from(io::ErrorKind::ConnectionReset);
        return response.streaming(stream::iter([Err::<Bytes, _>(broken)]));
    }
    if disturbance.pause == 0 {
        return response.body(reply.body);
    }
    let (first, second) = reply.body.split_at(reply.body.len() / 2);
    let first = Bytes::copy_from_slice(first);
    let second = Bytes::copy_from_slice(second);
    let pause = Duration::from_secs(disturbance.pause);
    let late = stream::once(async move {
        actix_web::rt::time::sleep(pause).await;
        Ok::<_, io::Error>(second)
    });
    response.streaming(stream::iter([Ok(first)]).chain(late.boxed_local()))
}
