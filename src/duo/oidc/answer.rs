//! Duo's answers to the health check and the code exchange, and whose fault a bad one is.

use super::{DuoError, HttpAnswer};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// Longest text of Duo's that an error repeats.
const LONGEST_TEXT: usize = 200;

/// The headers that the result page and scripts may see.
const SHOWN_HEADERS: [&str; 9] = [
    "server",
    "date",
    "content-type",
    "content-length",
    "connection",
    "cache-control",
    "pragma",
    "strict-transport-security",
    "content-security-policy",
];

/// Reads a health check's answer (A.3).
pub fn read_health(answer: &HttpAnswer, now: Timestamp) -> Result<(), DuoError> {
    let (status, body) = json_body(answer)?;
    let told = body
        .get("response")
        .and_then(|response| response.get("timestamp"))
        .is_some_and(Value::is_i64);
    match body.get("stat").and_then(Value::as_str) {
        Some("OK") if status == 200 && told => Ok(()),
        Some("OK") if status == 200 => Err(malformed("the health check tells no time")),
        _ => Err(refusal(answer, status, &body, now)),
    }
}

/// The token answer, parsed; the tokens themselves never reach a log.
#[derive(Clone)]
pub struct TokenAnswer {
    /// The signed result.
    pub id_token: String,
    /// The whole answer with its tokens redacted, for scripts and the demo's result page.
    pub redacted: Value,
}

/// Reads the token endpoint's answer (A.6).
pub fn read_token(answer: &HttpAnswer, now: Timestamp) -> Result<TokenAnswer, DuoError> {
    let (status, body) = json_body(answer)?;
    if status != 200 {
        return Err(refusal(answer, status, &body, now));
    }
    let Some(id_token) = body.get("id_token").and_then(Value::as_str) else {
        return Err(match body.get("error").or_else(|| body.get("stat")) {
            Some(_) => refusal(answer, status, &body, now),
            None => malformed("the token answer holds no id_token"),
        });
    };
    require_bearer(&body)?;
    Ok(TokenAnswer {
        id_token: id_token.to_owned(),
        redacted: redacted(answer, status, &body),
    })
}

/// What Duo's clock said: the body's `timestamp`, or else the Date header (RFC 9110 section
/// 6.6.1).
pub fn server_time(answer: &HttpAnswer) -> Option<Timestamp> {
    let HttpAnswer::Response { headers, body, .. } = answer else {
        return None;
    };
    let body: Option<Value> = serde_json::from_slice(body).ok();
    let told = body.as_ref().and_then(|body| {
        body.pointer("/response/timestamp")
            .or_else(|| body.get("timestamp"))
            .and_then(Value::as_i64)
    });
    match told {
        Some(seconds) => Timestamp::from_second(seconds).ok(),
        None => date_header(headers),
    }
}

fn date_header(headers: &[(String, String)]) -> Option<Timestamp> {
    let (_, date) = headers.iter().find(|(name, _)| name == "date")?;
    jiff::fmt::rfc2822::DateTimeParser::new()
        .parse_timestamp(date)
        .ok()
}

/// The status and the JSON object of an answer that is neither missing nor Duo's own trouble.
fn json_body(answer: &HttpAnswer) -> Result<(u16, Map<String, Value>), DuoError> {
    let (status, body) = match answer {
        HttpAnswer::Transport { reason } => return Err(DuoError::Unreachable(reason.clone())),
        HttpAnswer::Response { status: 429, .. } => return Err(DuoError::RateLimited),
        HttpAnswer::Response { status, .. } if *status >= 500 => {
            return Err(DuoError::ServerError(*status));
        }
        HttpAnswer::Response { status, body, .. } => (*status, body),
    };
    match serde_json::from_slice(body) {
        Ok(Value::Object(members)) => Ok((status, members)),
        _ if status == 200 => Err(malformed("the body is not a JSON object")),
        _ => Err(DuoError::Refused(status, "no JSON body".to_owned())),
    }
}

/// Whose fault a refusal is. The texts are Duo's; they are matched, and repeated only cut and
/// without control characters.
fn refusal(
    answer: &HttpAnswer,
    status: u16,
    body: &Map<String, Value>,
    now: Timestamp,
) -> DuoError {
    let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
    let name = [text("error"), text("message")].concat();
    let detail = [text("error_description"), text("message_detail")].concat();
    let code = body.get("code").and_then(Value::as_i64).unwrap_or_default();
    if code > 49_999 {
        return DuoError::ServerError(500);
    }
    if code == 42_901 {
        return DuoError::RateLimited;
    }
    if code == 40_301 || name == "unauthorized_request" || denies_frameless(&name, &detail) {
        return DuoError::WrongApplicationKind;
    }
    match name.as_str() {
        "invalid_client" if blames_signature(&detail) => DuoError::WrongSecret,
        "invalid_client" => DuoError::InvalidClient {
            clock_difference: clock_difference(answer, now),
        },
        "invalid_grant" => DuoError::InvalidGrant,
        _ => DuoError::Refused(status, printable(&name, &detail)),
    }
}

fn denies_frameless(name: &str, detail: &str) -> bool {
    let both = format!("{name} {detail}").to_ascii_lowercase();
    both.contains("does not support frameless")
        || both.contains("does not have frameless access enabled")
}

/// The wording that Duo had before it began to say one thing for everything.
fn blames_signature(detail: &str) -> bool {
    detail.to_ascii_lowercase().contains("verify signature")
}

/// Our clock minus Duo's, in seconds.
pub(in crate::duo) fn clock_difference(answer: &HttpAnswer, now: Timestamp) -> Option<i64> {
    server_time(answer).map(|theirs| now.as_second() - theirs.as_second())
}

fn printable(name: &str, detail: &str) -> String {
    let separator = if name.is_empty() || detail.is_empty() {
        ""
    } else {
        ": "
    };
    [name, separator, detail]
        .concat()
        .chars()
        .filter(|c| !c.is_control())
        .take(LONGEST_TEXT)
        .collect()
}

fn malformed(what: &str) -> DuoError {
    DuoError::Malformed(what.to_owned())
}

/// RFC 6749 section 5.1; the comparison ignores case there.
fn require_bearer(body: &Map<String, Value>) -> Result<(), DuoError> {
    let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
    if !text("token_type").eq_ignore_ascii_case("bearer") {
        return Err(malformed("the token type is not Bearer"));
    }
    if text("access_token").is_empty() {
        return Err(malformed("the token answer holds no access_token"));
    }
    match body.get("expires_in").and_then(Value::as_i64) {
        Some(seconds) if seconds > 0 => Ok(()),
        _ => Err(malformed("expires_in is not a positive integer")),
    }
}

fn redacted(answer: &HttpAnswer, status: u16, body: &Map<String, Value>) -> Value {
    let mut raw = body.clone();
    for name in ["access_token", "id_token"] {
        raw.insert(name.to_owned(), json!("[redacted]"));
    }
    json!({"statusCode": status, "headers": shown_headers(answer), "rawResponse": raw})
}

fn shown_headers(answer: &HttpAnswer) -> Map<String, Value> {
    let HttpAnswer::Response { headers, .. } = answer else {
        return Map::new();
    };
    headers
        .iter()
        .filter(|(name, _)| SHOWN_HEADERS.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), json!(value)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-11-23T12:00:00Z".parse().unwrap()
    }

    fn response(status: u16, body: &str) -> HttpAnswer {
        HttpAnswer::Response {
            status,
            headers: vec![(
                "date".to_owned(),
                "Mon, 23 Nov 2026 11:58:00 GMT".to_owned(),
            )],
            body: body.as_bytes().to_vec(),
        }
    }

    fn health(status: u16, body: &str) -> Result<(), DuoError> {
        read_health(&response(status, body), now())
    }

    fn good_token() -> Value {
        json!({"access_token": "secret-a", "id_token": "secret-i", "expires_in": 3600,
               "token_type": "Bearer"})
    }

    fn exchange(body: &Value) -> Result<TokenAnswer, DuoError> {
        read_token(&response(200, &body.to_string()), now())
    }

    #[test]
    fn a_healthy_answer_is_ok_with_a_time() {
        let body = r#"{"stat":"OK","response":{"timestamp":1795435200}}"#;
        assert_eq!(health(200, body), Ok(()));
        assert_eq!(
            server_time(&response(200, body)).unwrap().as_second(),
            1_795_435_200
        );
        assert!(matches!(
            health(200, r#"{"stat":"OK"}"#),
            Err(DuoError::Malformed(_))
        ));
    }

    #[test]
    fn invalid_client_tells_the_clock_difference_from_body_or_date_header() {
        let body = format!(
            r#"{{"stat":"FAIL","code":40002,"message":"invalid_client","timestamp":{}}}"#,
            now().as_second() + 400
        );
        let difference = |seconds| {
            Err(DuoError::InvalidClient {
                clock_difference: Some(seconds),
            })
        };
        for status in [200, 400, 401] {
            assert_eq!(health(status, &body), difference(-400));
        }
        assert_eq!(
            health(401, r#"{"error":"invalid_client"}"#),
            difference(120)
        );
    }

    #[test]
    fn the_wrong_application_kind_is_recognised_in_each_wording() {
        for body in [
            r#"{"error":"unauthorized_request","error_description":"Unauthorized OIDC request"}"#,
            r#"{"stat":"FAIL","code":40002,"message":"Integration type does not support frameless access"}"#,
            r#"{"error":"invalid_client","error_description":"Customer does not have frameless access enabled."}"#,
            r#"{"stat":"FAIL","code":40301,"message":"Access forbidden"}"#,
        ] {
            assert_eq!(
                health(400, body),
                Err(DuoError::WrongApplicationKind),
                "{body}"
            );
        }
    }

    #[test]
    fn transport_5xx_and_429_are_told_apart_from_refusals() {
        let gone = HttpAnswer::Transport {
            reason: "timeout".to_owned(),
        };
        assert_eq!(
            read_health(&gone, now()),
            Err(DuoError::Unreachable("timeout".to_owned()))
        );
        assert_eq!(health(503, "<html>"), Err(DuoError::ServerError(503)));
        assert_eq!(health(429, ""), Err(DuoError::RateLimited));
        let inside = r#"{"stat":"FAIL","code":50001,"message":"unknown"}"#;
        assert_eq!(health(200, inside), Err(DuoError::ServerError(500)));
        let many = r#"{"stat":"FAIL","code":42901}"#;
        assert_eq!(health(200, many), Err(DuoError::RateLimited));
    }

    #[test]
    fn other_refusals_repeat_duos_text_cut_and_without_control_characters() {
        let body = json!({"error": "odd\r\nFAKE", "error_description": "x".repeat(500)});
        let Err(DuoError::Refused(403, text)) = health(403, &body.to_string()) else {
            panic!("not refused");
        };
        assert!(text.starts_with("oddFAKE: xxx"), "{text}");
        assert_eq!(text.chars().count(), LONGEST_TEXT);
        assert_eq!(
            health(404, "<html>"),
            Err(DuoError::Refused(404, "no JSON body".to_owned()))
        );
    }

    #[test]
    fn a_wrong_secret_has_its_own_words_where_duo_tells() {
        let body = r#"{"stat":"FAIL","code":40002,"message":"invalid_client",
                       "message_detail":"Failed to verify signature."}"#;
        assert_eq!(health(400, body), Err(DuoError::WrongSecret));
        let words = DuoError::WrongSecret.to_string();
        assert!(words.contains("the secret is not its own"), "{words}");
    }

    #[test]
    fn a_used_code_is_invalid_grant() {
        let answer = response(400, r#"{"error":"invalid_grant","error_description":"x"}"#);
        assert_eq!(
            read_token(&answer, now()).err(),
            Some(DuoError::InvalidGrant)
        );
    }

    #[test]
    fn the_token_answer_is_redacted_wherever_it_is_shown() {
        let answer = exchange(&good_token()).unwrap();
        assert_eq!(answer.id_token, "secret-i");
        assert!(!answer.redacted.to_string().contains("secret"));
        assert_eq!(answer.redacted["statusCode"], 200);
        assert_eq!(answer.redacted["rawResponse"]["expires_in"], 3600);
        assert_eq!(
            answer.redacted["headers"]["date"],
            "Mon, 23 Nov 2026 11:58:00 GMT"
        );
    }

    #[test]
    fn a_token_answer_with_a_member_missing_or_wrong_is_malformed() {
        for (name, value) in [
            ("id_token", Value::Null),
            ("access_token", json!("")),
            ("token_type", json!("mac")),
            ("expires_in", json!(0)),
            ("expires_in", json!("3600")),
        ] {
            let mut body = good_token();
            body[name] = value;
            let error = exchange(&body).err();
            assert!(
                matches!(error, Some(DuoError::Malformed(_))),
                "{name}: {error:?}"
            );
        }
    }
}
