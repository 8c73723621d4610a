//! Documents over HTTP: conditional, bounded in time and size, and never from another host than
//! the one the operator named (attack S30).

use super::source::Due;
use crate::config::metadata::{Origin, ProviderSettings};
use crate::server::back_end::duo::{install_tls_provider, reason};
use reqwest::header::{
    ACCEPT, ETAG, HeaderMap, HeaderName, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED,
};
use reqwest::redirect::{Attempt, Policy};
use reqwest::{Client, StatusCode};
use std::time::Duration;

/// The greatest document: a federation of federations has 110 MB.
pub(super) const LARGEST: u64 = 256 * 1024 * 1024;

/// A server that drips is given up after this.
const LONGEST: Duration = Duration::from_mins(10);

/// How long the beginning of an answer may take.
const REACH: Duration = Duration::from_secs(25);

const MEDIA_TYPES: &str = "application/samlmetadata+xml, application/xml;q=0.9, */*;q=0.1";

const REDIRECTS: usize = 3;

/// What a server said to compare with the next time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Validators {
    etag: Option<String>,
    last_modified: Option<String>,
}

/// What came back.
#[derive(Debug)]
pub(super) enum Fetched {
    Unchanged,
    Document {
        octets: Vec<u8>,
        validators: Validators,
    },
}

/// Fetches what is due.
pub(super) async fn document(due: &Due) -> Result<Fetched, String> {
    let client = client(&due.settings, LONGEST)?;
    let answer = get(&client, &due.url, &due.validators, LARGEST).await?;
    answer.ok_or_else(|| "HTTP status 404".to_owned())
}

/// Whether a provider's service answers with what looks like metadata. A Metadata Query service may
/// answer that it does not know whom it was asked for.
pub async fn reach(settings: &ProviderSettings) -> Result<(), String> {
    let (url, may_be_unknown) = match &settings.origin {
        Origin::Url(url) => (url.clone(), false),
        Origin::Mdq(mdq) => (format!("{}/entities/reachable", mdq.base), true),
        Origin::File(_) | Origin::Folder(_) => return Ok(()),
    };
    let request = client(settings, REACH)?
        .get(url)
        .header(ACCEPT, MEDIA_TYPES);
    let mut response = request.send().await.map_err(|error| word(&error))?;
    match response.status() {
        StatusCode::NOT_FOUND if may_be_unknown => Ok(()),
        StatusCode::OK => {
            let chunk = response.chunk().await.map_err(|error| word(&error))?;
            refuse_junk(&chunk.unwrap_or_default())
        }
        status => Err(format!("HTTP status {}", status.as_u16())),
    }
}

/// A client by a provider's limits.
pub(super) fn client(settings: &ProviderSettings, total: Duration) -> Result<Client, String> {
    install_tls_provider();
    Client::builder()
        .redirect(Policy::custom(same_host))
        .no_proxy()
        .connect_timeout(settings.connection_timeout)
        .read_timeout(settings.socket_timeout)
        .timeout(total)
        .user_agent(concat!("vestibule/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|_| "the HTTP client cannot be set up".to_owned())
}

/// A redirect may change the path, and go from http to https, on the host the operator named.
fn same_host(attempt: Attempt<'_>) -> reqwest::redirect::Action {
    let Some(first) = attempt.previous().first() else {
        return attempt.error("no origin");
    };
    let url = attempt.url();
    let same_host = url.host_str() == first.host_str();
    let same_place = same_host && url.port_or_known_default() == first.port_or_known_default();
    let upgrade =
        same_host && first.scheme() == "http" && url.scheme() == "https" && url.port().is_none();
    let safe = (same_place && url.scheme() == first.scheme()) || upgrade;
    if safe && attempt.previous().len() <= REDIRECTS {
        attempt.follow()
    } else {
        attempt.error("redirect elsewhere")
    }
}

/// GETs a document; `None` when the server says there is none.
pub(super) async fn get(
    client: &Client,
    url: &str,
    validators: &Validators,
    largest: u64,
) -> Result<Option<Fetched>, String> {
    let mut request = client.get(url).header(ACCEPT, MEDIA_TYPES);
    for (name, value) in [
        (IF_NONE_MATCH, &validators.etag),
        (IF_MODIFIED_SINCE, &validators.last_modified),
    ] {
        if let Some(value) = value {
            request = request.header(name, value);
        }
    }
    let mut response = request.send().await.map_err(|error| word(&error))?;
    match response.status() {
        StatusCode::OK => {}
        StatusCode::NOT_MODIFIED if *validators != Validators::default() => {
            return Ok(Some(Fetched::Unchanged));
        }
        StatusCode::NOT_FOUND | StatusCode::GONE => return Ok(None),
        status => return Err(format!("HTTP status {}", status.as_u16())),
    }
    let too_large = || "larger than the limit".to_owned();
    if response
        .content_length()
        .is_some_and(|length| length > largest)
    {
        return Err(too_large());
    }
    let validators = Validators::of(response.headers());
    let mut octets = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| word(&error))? {
        if (octets.len() + chunk.len()) as u64 > largest {
            return Err(too_large());
        }
        octets.extend_from_slice(&chunk);
        refuse_junk(&octets)?;
    }
    Ok(Some(Fetched::Document { octets, validators }))
}

/// What does not begin like XML is not read to its end.
fn refuse_junk(octets: &[u8]) -> Result<(), String> {
    let text = octets.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(octets);
    let first = text.iter().find(|octet| !octet.is_ascii_whitespace());
    match first {
        Some(b'<') => Ok(()),
        None if octets.len() < 1024 => Ok(()),
        _ => Err("not XML".to_owned()),
    }
}

impl Validators {
    fn of(headers: &HeaderMap) -> Self {
        let text = |name: HeaderName| headers.get(name)?.to_str().ok().map(str::to_owned);
        Self {
            etag: text(ETAG),
            last_modified: text(LAST_MODIFIED),
        }
    }
}

fn word(error: &reqwest::Error) -> String {
    if error.is_redirect() {
        return "redirect to another host, or too many".to_owned();
    }
    format!("cannot be fetched: {}", reason(error))
}
