//! A browser's cookies: by host and path (a cookie knows no port), with SameSite obeyed.

use super::http::Response;
use url::Url;

/// All cookies of one browser.
#[derive(Clone, Debug, Default)]
pub(crate) struct Jar {
    cookies: Vec<Cookie>,
}

/// One cookie with what its server said about it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Cookie {
    pub(crate) host: String,
    pub(crate) name: String,
    pub(crate) value: String,
    pub(crate) path: String,
    pub(crate) attributes: Vec<String>,
}

impl Jar {
    /// Takes what the answer sets.
    pub(crate) fn take(&mut self, url: &Url, response: &Response) {
        for line in response.all("set-cookie") {
            let Some(cookie) = Cookie::parse(url, line) else {
                continue;
            };
            self.cookies.retain(|old| !old.is_replaced_by(&cookie));
            if !cookie.is_expired() {
                self.cookies.push(cookie);
            }
        }
    }

    /// The `Cookie` header for a navigation to `url`; `cross_site_post` leaves out what SameSite
    /// keeps back then.
    pub(crate) fn header(&self, url: &Url, cross_site: bool, method: &str) -> Option<String> {
        let pairs: Vec<String> = self
            .cookies
            .iter()
            .filter(|cookie| cookie.host == url.host_str().unwrap_or_default())
            .filter(|cookie| url.path().starts_with(&cookie.path))
            .filter(|cookie| !cross_site || cookie.crosses_sites(method))
            .map(|cookie| format!("{}={}", cookie.name, cookie.value))
            .collect();
        if pairs.is_empty() {
            None
        } else {
            Some(pairs.join("; "))
        }
    }

    /// Every cookie of a host.
    pub(crate) fn of<'a>(&'a self, host: &'a str) -> impl Iterator<Item = &'a Cookie> {
        self.cookies
            .iter()
            .filter(move |cookie| cookie.host == host)
    }

    /// Forgets the others.
    pub(crate) fn keep(&mut self, which: impl Fn(&Cookie) -> bool) {
        self.cookies.retain(which);
    }

    /// Changes a cookie, or plants one.
    pub(crate) fn plant(&mut self, cookie: Cookie) {
        self.cookies.retain(|old| !old.is_replaced_by(&cookie));
        self.cookies.push(cookie);
    }
}

impl Cookie {
    fn parse(url: &Url, line: &str) -> Option<Self> {
        let mut parts = line.split(';').map(str::trim);
        let (name, value) = parts.next()?.split_once('=')?;
        let attributes: Vec<String> = parts.map(str::to_owned).collect();
        let path = attributes
            .iter()
            .find_map(|attribute| {
                attribute
                    .split_once('=')
                    .filter(|(key, _)| key.eq_ignore_ascii_case("path"))
            })
            .map_or("/", |(_, path)| path);
        Some(Self {
            host: url.host_str()?.to_owned(),
            name: name.to_owned(),
            value: value.to_owned(),
            path: path.to_owned(),
            attributes: attributes.clone(),
        })
    }

    /// Whether it has this attribute, such as `HttpOnly` or `SameSite=Lax`.
    pub(crate) fn has(&self, attribute: &str) -> bool {
        self.attributes
            .iter()
            .any(|own| own.eq_ignore_ascii_case(attribute))
    }

    fn is_replaced_by(&self, other: &Self) -> bool {
        (&self.host, &self.name, &self.path) == (&other.host, &other.name, &other.path)
    }

    fn is_expired(&self) -> bool {
        self.has("Max-Age=0") || self.attributes.iter().any(|own| own.contains("1970"))
    }

    /// RFC 6265bis 5.8.3: Lax goes along on a top-level GET, Strict never; unmarked counts as Lax.
    fn crosses_sites(&self, method: &str) -> bool {
        self.has("SameSite=None") || (method == "GET" && !self.has("SameSite=Strict"))
    }
}
