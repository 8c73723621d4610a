//! The pages of the demo SPs: plain HTML, no script, everything from outside escaped.

use super::Site;
use super::answer::{Answer, Assertion, AttributeShown, Rejection, Told};
use crate::attribute::DUO_RESULT;
use minijinja::Environment;
use minijinja::value::Serde;
use serde_json::{Value, json};

const TEMPLATE: &str = include_str!("page.html");

/// Classes to choose from when a visitor wants to ask for one.
const CLASSES: [(&str, &str); 4] = [
    ("", "none in particular"),
    (
        "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport",
        "a password",
    ),
    ("https://refeds.org/profile/mfa", "two factors (REFEDS MFA)"),
    (
        "https://refeds.org/profile/phishing-resistant-mfa",
        "two factors, phishing-resistant",
    ),
];

/// The list of all sites.
pub(super) fn index(sites: &[Site]) -> String {
    let sites: Vec<Value> = sites.iter().map(described).collect();
    render("Three service providers", json!({ "sites": sites }))
}

/// A site's own page, with its login button.
pub(super) fn home(site: &Site) -> String {
    let content = json!({ "site": described(site), "classes": CLASSES });
    render(&site.name, content)
}

/// What the identity provider told the site.
pub(super) fn answer(site: &Site, answer: &Answer) -> String {
    let (title, told) = match &answer.told {
        Told::Assertion(assertion) => ("You are logged in", json!({ "login": login(assertion) })),
        Told::Refused { codes, message } => (
            "You are not logged in",
            json!({ "refusal": { "codes": codes, "message": message } }),
        ),
    };
    render_for(site, title, told)
}

/// Why the site does not believe what it got.
pub(super) fn rejection(site: &Site, rejection: Rejection) -> String {
    render_for(
        site,
        "That answer is not accepted",
        json!({ "problem": rejection.0 }),
    )
}

fn login(assertion: &Assertion) -> Value {
    let (duo, attributes): (Vec<_>, Vec<_>) = assertion
        .attributes
        .iter()
        .partition(|attribute| is_duo_result(attribute));
    let duo: Vec<String> = duo
        .iter()
        .flat_map(|a| &a.values)
        .map(|v| pretty(v))
        .collect();
    let attributes: Vec<Value> = attributes
        .iter()
        .map(|a| json!({ "friendly": a.friendly_name, "name": a.name, "values": a.values }))
        .collect();
    json!({
        "name_id": assertion.name_id,
        "name_id_format": assertion.name_id_format,
        "class": assertion.class,
        "authn_instant": assertion.authn_instant,
        "session_index": assertion.session_index,
        "attributes": attributes,
        "duo": duo,
    })
}

fn is_duo_result(attribute: &AttributeShown) -> bool {
    attribute.friendly_name == DUO_RESULT || attribute.name == DUO_RESULT
}

/// JSON on several lines. Tokens do not arrive here; if one did, it would not be shown either.
fn pretty(text: &str) -> String {
    let Ok(mut value) = serde_json::from_str::<Value>(text) else {
        return text.to_owned();
    };
    redact(&mut value);
    serde_json::to_string_pretty(&value).unwrap_or_else(|_| text.to_owned())
}

fn redact(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match name.as_str() {
                    "access_token" | "id_token" => *member = json!("(redacted)"),
                    _ => redact(member),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(redact),
        _ => {}
    }
}

fn described(site: &Site) -> Value {
    json!({
        "name": site.name,
        "what": site.what,
        "home": format!("/sp/{}/", site.number),
        "entity_id": site.entity_id(),
    })
}

fn render_for(site: &Site, title: &str, mut content: Value) -> String {
    content["site"] = described(site);
    render(title, content)
}

fn render(title: &str, mut content: Value) -> String {
    content["title"] = json!(title);
    let mut environment = Environment::new();
    environment.set_formatter(|out, _, value| Ok(out.write_str(&escaped(&value.to_string()))?));
    environment
        .add_template("page.html", TEMPLATE)
        .expect("the built-in page compiles");
    environment
        .get_template("page.html")
        .and_then(|page| page.render(Serde(content)))
        .expect("the built-in page renders")
}

/// Text for HTML content and quoted attributes. The engine's own form also escapes slashes, which
/// would make class URIs unreadable for plain clients.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}
