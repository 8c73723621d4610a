//! A request as it arrived, wherever its parameters stand, and a reply.

use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// A request, whole.
#[derive(Clone, Debug)]
pub(super) struct Arrival {
    pub(super) method: String,
    pub(super) path: String,
    /// Decoded.
    pub(super) query: Vec<(String, String)>,
    /// Lower-case names.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    /// The client's address.
    pub(super) peer: String,
}

impl Arrival {
    /// The first header of this name, or nothing.
    pub(super) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(header, _)| header == name);
        found.map_or("", |(_, value)| value.as_str())
    }

    /// The Host header, in lower case.
    pub(super) fn host(&self) -> String {
        self.header("host").to_ascii_lowercase()
    }

    /// Parameters of an urlencoded body.
    pub(super) fn form(&self) -> Vec<(String, String)> {
        if self.media_type() == "application/x-www-form-urlencoded" {
            form_urlencoded::parse(&self.body).into_owned().collect()
        } else {
            Vec::new()
        }
    }

    /// All parameters: of the query, of an urlencoded, multipart or JSON body; the body wins.
    /// Duo's clients use every one of these.
    pub(super) fn parameters(&self) -> BTreeMap<String, String> {
        let mut all: BTreeMap<_, _> = self.query.iter().cloned().collect();
        match self.media_type() {
            "multipart/form-data" => all.extend(self.multipart()),
            "application/json" => all.extend(self.json_members()),
            _ => all.extend(self.form()),
        }
        all
    }

    fn media_type(&self) -> &str {
        let kind = self.header("content-type");
        kind.split(';').next().unwrap_or_default().trim()
    }

    fn json_members(&self) -> Vec<(String, String)> {
        let members: Map<String, Value> = serde_json::from_slice(&self.body).unwrap_or_default();
        members
            .into_iter()
            .map(|(name, value)| match value {
                Value::String(text) => (name, text),
                other => (name, other.to_string()),
            })
            .collect()
    }

    /// RFC 7578, for text fields alone.
    fn multipart(&self) -> Vec<(String, String)> {
        let Some((_, boundary)) = self.header("content-type").split_once("boundary=") else {
            return Vec::new();
        };
        let body = String::from_utf8_lossy(&self.body);
        let separator = format!("--{}", boundary.trim_matches('"'));
        body.split(separator.as_str()).filter_map(field).collect()
    }
}

fn field(part: &str) -> Option<(String, String)> {
    let (head, value) = part.split_once("\r\n\r\n")?;
    let (_, name) = head.split_once("name=\"")?;
    let (name, _) = name.split_once('"')?;
    let value = value.strip_suffix("\r\n").unwrap_or(value);
    Some((name.to_owned(), value.to_owned()))
}

/// What to send back.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Vec<u8>,
    pub(super) disturbance: Disturbance,
}

/// What a fault does to the reply on its way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Disturbance {
    /// Seconds before the head.
    pub(super) delay: u64,
    /// Seconds in the middle of the body.
    pub(super) pause: u64,
    /// The connection ends without an answer.
    pub(super) reset: bool,
}

impl Reply {
    /// A JSON answer, with the headers that Duo's carry.
    pub(super) fn json(status: u16, body: &Value) -> Self {
        Self::new(status, "application/json", body.to_string().into_bytes())
            .with("strict-transport-security", "max-age=31536000".to_owned())
    }

    /// A page. Without Strict-Transport-Security: it would hold for every port of this host name,
    /// and `localhost` has others.
    pub(super) fn html(status: u16, page: String) -> Self {
        Self::new(status, "text/html; charset=utf-8", page.into_bytes())
            .with("x-content-type-options", "nosniff".to_owned())
            .with("referrer-policy", "no-referrer".to_owned())
    }

    /// An image.
    pub(super) fn png(bytes: Vec<u8>) -> Self {
        Self::new(200, "image/png", bytes)
    }

    /// Sends the browser elsewhere with a GET.
    pub(super) fn see_other(location: String) -> Self {
        Self::new(303, "text/plain", Vec::new()).with("location", location)
    }

    /// The HTTP APIs' success (B.2).
    pub(super) fn ok(response: &Value) -> Self {
        Self::json(200, &json!({"stat": "OK", "response": response}))
    }

    fn new(status: u16, kind: &str, body: Vec<u8>) -> Self {
        let policy = "default-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'none'";
        let headers = vec![
            ("content-type", kind.to_owned()),
            ("server", "Duo/1.0".to_owned()),
            ("cache-control", "no-store".to_owned()),
            ("pragma", "no-cache".to_owned()),
            ("content-security-policy", policy.to_owned()),
        ];
        Self {
            status,
            headers,
            body,
            disturbance: Disturbance::default(),
        }
    }

    /// One more header.
    pub(super) fn with(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrival(content_type: &str, body: &str) -> Arrival {
        Arrival {
            method: "POST".to_owned(),
            path: "/".to_owned(),
            query: vec![
                ("a".to_owned(), "query".to_owned()),
                ("q".to_owned(), "1".to_owned()),
            ],
            headers: vec![("content-type".to_owned(), content_type.to_owned())],
            body: body.as_bytes().to_vec(),
            peer: String::new(),
        }
    }

    #[test]
    fn parameters_are_found_in_every_body_and_the_body_wins() {
        let multipart = "--X\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nb c\r\n--X--\r\n";
        for (kind, body) in [
            ("application/x-www-form-urlencoded", "a=b+c"),
            ("multipart/form-data; boundary=X", multipart),
            ("application/json", r#"{"a":"b c"}"#),
        ] {
            let all = arrival(kind, body).parameters();
            assert_eq!(all["a"], "b c", "{kind}");
            assert_eq!(all["q"], "1", "{kind}");
        }
        assert_eq!(arrival("", "").parameters()["a"], "query");
    }

    #[test]
    fn a_broken_body_holds_no_parameters() {
        for (kind, body) in [
            ("multipart/form-data", "--X"),
            ("application/json", "[1"),
            ("text/plain", ""),
        ] {
            assert_eq!(arrival(kind, body).parameters()["a"], "query", "{kind}");
        }
    }
}
