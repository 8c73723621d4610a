//! A browser as small as can be: one connection kept alive, cookies, redirects, one form.

use crate::instance::{Instance, PASSWORD, SP, USER};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::DeflateEncoder;
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};

/// The browser.
pub(crate) struct Browser {
    port: u16,
    cookies: BTreeMap<String, String>,
    connection: Option<BufReader<TcpStream>>,
}

/// An answer.
struct Answer {
    status: u16,
    location: Option<String>,
    keep: bool,
    body: String,
}

/// Another browser with the same cookies, and a connection of its own.
impl Clone for Browser {
    fn clone(&self) -> Self {
        Self {
            port: self.port,
            cookies: self.cookies.clone(),
            connection: None,
        }
    }
}

impl Browser {
    pub(crate) fn new(instance: &Instance) -> Self {
        Self {
            port: instance.port,
            cookies: BTreeMap::new(),
            connection: None,
        }
    }

    /// Logs in with the password and checks that the answer is a Response.
    pub(crate) fn log_in(&mut self) {
        let page = self.follow("GET", &self.sso_url(), None);
        let form = form(&page.body);
        let mut body = form_urlencoded::Serializer::new(String::new());
        body.extend_pairs(&form.hidden);
        body.append_pair("j_username", USER);
        body.append_pair("j_password", PASSWORD);
        body.append_pair("_eventId", "proceed");
        let answer = self.follow("POST", &form.action, Some(&body.finish()));
        assert!(
            answer.body.contains("name=\"SAMLResponse\""),
            "{}",
            answer.body
        );
    }

    /// One response by single sign-on.
    pub(crate) fn respond(&mut self) {
        let answer = self.follow("GET", &self.sso_url(), None);
        assert!(
            answer.body.contains("name=\"SAMLResponse\""),
            "{}",
            answer.body
        );
    }

    fn follow(&mut self, method: &str, url: &str, body: Option<&str>) -> Answer {
        let mut answer = self.ask(method, url, body);
        for _ in 0..5 {
            let Some(location) = answer.location.take() else {
                break;
            };
            answer = self.ask("GET", &location, None);
        }
        assert_eq!(answer.status, 200, "{:?} {}", answer.location, answer.body);
        answer
    }

    fn ask(&mut self, method: &str, url: &str, body: Option<&str>) -> Answer {
        let origin = format!("http://127.0.0.1:{}", self.port);
        let path = url.strip_prefix(&origin).unwrap_or(url);
        let cookies: Vec<_> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let body = body.unwrap_or_default();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nOrigin: {origin}\r\nUser-Agent: bench\r\nAccept: text/html\r\n\
             Cookie: {}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
            self.port,
            cookies.join("; "),
            body.len()
        );
        let mut connection = self.connection.take().unwrap_or_else(|| connect(self.port));
        connection
            .get_mut()
            .write_all(request.as_bytes())
            .expect("the server reads");
        let answer = self.read(&mut connection);
        if answer.keep {
            self.connection = Some(connection);
        }
        answer
    }

    fn read(&mut self, connection: &mut BufReader<TcpStream>) -> Answer {
        let status = line(connection);
        let mut answer = Answer {
            status: status
                .split(' ')
                .nth(1)
                .and_then(|code| code.parse().ok())
                .expect("a status line"),
            location: None,
            keep: true,
            body: String::new(),
        };
        let (mut length, mut chunked) = (0, false);
        loop {
            let header = line(connection);
            let Some((name, value)) = header.split_once(": ") else {
                break;
            };
            match name.to_ascii_lowercase().as_str() {
                "location" => answer.location = Some(value.to_owned()),
                "content-length" => length = value.parse().expect("a length"),
                "transfer-encoding" => chunked = true,
                "connection" => answer.keep = !value.eq_ignore_ascii_case("close"),
                "set-cookie" => self.keep_cookie(value),
                _ => {}
            }
        }
        answer.body = if chunked {
            chunks(connection)
        } else {
            octets(connection, length)
        };
        answer
    }

    fn keep_cookie(&mut self, header: &str) {
        let pair = header.split(';').next().unwrap_or_default();
        if let Some((name, value)) = pair.split_once('=') {
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
    }

    /// The SSO endpoint with a request that was never sent before.
    #[expect(
        clippy::disallowed_methods,
        reason = "requests must be fresh by the real clock"
    )]
    fn sso_url(&self) -> String {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let id = NUMBER.fetch_add(1, Ordering::Relaxed);
        let endpoint = format!(
            "http://127.0.0.1:{}/idp/profile/SAML2/Redirect/SSO",
            self.port
        );
        let request = format!(
            r#"<p:AuthnRequest xmlns:p="urn:oasis:names:tc:SAML:2.0:protocol" Destination="{endpoint}" ID="_{id:032x}" IssueInstant="{:.0}" Version="2.0"><Issuer xmlns="urn:oasis:names:tc:SAML:2.0:assertion">{SP}</Issuer></p:AuthnRequest>"#,
            jiff::Timestamp::now()
        );
        let mut deflate = DeflateEncoder::new(Vec::new(), Compression::fast());
        deflate.write_all(request.as_bytes()).expect("memory");
        let message = STANDARD.encode(deflate.finish().expect("memory"));
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("SAMLRequest", &message)
            .append_pair("RelayState", "bench")
            .finish();
        format!("{endpoint}?{query}")
    }
}

fn connect(port: u16) -> BufReader<TcpStream> {
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("the server listens");
    stream.set_nodelay(true).expect("a TCP socket");
    BufReader::new(stream)
}

fn line(connection: &mut BufReader<TcpStream>) -> String {
    let mut line = String::new();
    connection.read_line(&mut line).expect("the server answers");
    line.trim_end().to_owned()
}

fn octets(connection: &mut BufReader<TcpStream>, length: usize) -> String {
    let mut body = vec![0; length];
    connection.read_exact(&mut body).expect("the whole body");
    String::from_utf8(body).expect("UTF-8")
}

fn chunks(connection: &mut BufReader<TcpStream>) -> String {
    let mut body = String::new();
    loop {
        let length = usize::from_str_radix(&line(connection), 16).expect("a chunk's length");
        body.push_str(&octets(connection, length));
        line(connection);
        if length == 0 {
            return body;
        }
    }
}

/// The page's form: where it goes, and its hidden fields.
struct Form {
    action: String,
    hidden: Vec<(String, String)>,
}

fn form(page: &str) -> Form {
    let (_, form) = page.split_once("<form").expect("a form");
    let hidden = form.split("<input").skip(1).filter_map(|input| {
        let tag = input.split('>').next()?;
        tag.contains("type=\"hidden\"")
            .then(|| Some((attribute(tag, "name")?, attribute(tag, "value")?)))?
    });
    Form {
        action: attribute(form, "action").expect("an action"),
        hidden: hidden.collect(),
    }
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
    let (value, _) = rest.split_once('"')?;
    let plain = value
        .replace("&#x2f;", "/")
        .replace("&quot;", "\"")
        .replace("&lt;", "<");
    Some(plain.replace("&amp;", "&"))
}
