//! The prompt: one plain form whose first button approves, and the pages a browser ends on.

use super::message::Reply;
use super::oidc;
use super::outcome::Outcome;
use super::service::Call;
use super::state::{Decision, State};

/// The buttons, in order: the outcome's name and what the button says.
const CHOICES: [(&str, &str); 10] = [
    ("push", "Approve the push"),
    ("passcode", "Enter a passcode"),
    ("phone", "Answer a phone call"),
    ("security-key", "Touch a security key"),
    ("bypass-code", "Enter a bypass code"),
    ("deny", "Deny the push"),
    ("fraud", "Deny it and report fraud"),
    ("timeout", "Let it time out"),
    ("enroll", "Enrol a device now"),
    ("locked-out", "Be locked out"),
];

/// `GET` or `POST /frame/v4/prompt`
pub(super) fn prompt(call: &Call<'_>, state: &mut State) -> Reply {
    let sid = call.parameter("sid");
    let Some(authorization) = state.prompts.get(sid).cloned() else {
        return page(
            404,
            "This request is over",
            "<p>Go back to the application and start again.</p>",
        );
    };
    if call.arrival.method != "POST" {
        return form(&authorization.username, sid);
    }
    // A user may have been locked out, or scripted, since the page was shown.
    let settled = match state.decide(&authorization.username, call.now) {
        Decision::Settled(outcome) => Some(outcome),
        Decision::Ask => typed(call, state, &authorization.username),
        Decision::Enrol => offered(call.parameter("choice")).map(|chosen| {
            // Whoever is not enrolled proves themselves by enrolling.
            let enrolled = Outcome::named("enroll").filter(|_| chosen.allows());
            enrolled.unwrap_or(chosen)
        }),
    };
    match settled {
        Some(outcome) => oidc::conclude(call, state, &authorization, &outcome, Some(sid)),
        None => form(&authorization.username, sid),
    }
}

/// The button's outcome; a passcode that was typed has to be right.
fn typed(call: &Call<'_>, state: &mut State, username: &str) -> Option<Outcome> {
    let (choice, code) = (call.parameter("choice"), call.parameter("passcode"));
    let chosen = match choice {
        "passcode" if !code.is_empty() && code != state.settings.passcode => {
            if state.spend_bypass_code(username, code) {
                "bypass-code"
            } else {
                return Outcome::named("invalid-passcode");
            }
        }
        choice => choice,
    };
    offered(chosen)
}

fn offered(choice: &str) -> Option<Outcome> {
    let (name, _) = CHOICES.iter().find(|(name, _)| *name == choice)?;
    Outcome::named(name)
}

fn form(username: &str, sid: &str) -> Reply {
    let buttons = CHOICES.iter().map(|(name, text)| {
        format!("<button type=\"submit\" name=\"choice\" value=\"{name}\">{text}</button>")
    });
    let buttons = buttons.collect::<Vec<_>>().join("\n");
    let body = format!(
        "<p>A simulator on this machine plays Duo. Choose how the login of \
         <strong>{}</strong> goes on.</p>\n\
         <form method=\"post\" action=\"/frame/v4/prompt\">\n\
         <input type=\"hidden\" name=\"sid\" value=\"{}\">\n{buttons}\n\
         <label>Passcode (empty: the right one) \
         <input name=\"passcode\" value=\"\" inputmode=\"numeric\" autocomplete=\"off\"></label>\n</form>",
        escaped(username),
        escaped(sid),
    );
    page(200, "Check for a Duo push", &body)
}

/// Where a refused user stays: the application never hears of it (A.5).
pub(super) fn denied(outcome: &Outcome, sid: Option<&str>) -> Reply {
    let again = match sid {
        Some(sid) => format!(
            "<form method=\"get\" action=\"/frame/v4/prompt\">\n\
             <input type=\"hidden\" name=\"sid\" value=\"{}\">\n\
             <button type=\"submit\">Try again</button></form>",
            escaped(sid)
        ),
        None => String::new(),
    };
    let body = format!(
        "<p role=\"alert\">{}</p>\n{again}",
        escaped(&outcome.status_msg)
    );
    page(200, "Login denied", &body)
}

/// A request that cannot be accepted: shown here, never sent back (A.4).
pub(super) fn refusal(error: &str, description: &str) -> Reply {
    let body = format!(
        "<p role=\"alert\"><code>{}</code>: {}</p>",
        escaped(error),
        escaped(description)
    );
    page(400, "This request cannot be accepted", &body)
}

const STYLE: &str = "body{font:1.1rem/1.5 system-ui,sans-serif;max-width:28rem;margin:3rem auto;\
padding:0 1rem;color:#1b1b1b;background:#fff}\
button{display:block;width:100%;min-height:2.75rem;margin:.5rem 0;font:inherit;color:#1b1b1b;\
background:#eef1f4;border:1px solid #6b7580;border-radius:.25rem}\
button:first-of-type{color:#fff;background:#1d6b2c;border-color:#1d6b2c}\
:focus-visible{outline:3px solid #0b57d0;outline-offset:2px}";

fn page(status: u16, title: &str, body: &str) -> Reply {
    Reply::html(
        status,
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <title>{title} - Duo simulator</title>\n<style>{STYLE}</style>\n</head>\n\
             <body>\n<main>\n<h1>{title}</h1>\n{body}\n</main>\n</body>\n</html>\n"
        ),
    )
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn text(reply: &Reply) -> String {
        String::from_utf8(reply.body.clone()).unwrap()
    }

    #[test]
    fn every_button_has_an_outcome_and_the_first_approves() {
        assert_eq!(CHOICES[0].0, "push");
        for (name, _) in CHOICES {
            assert!(Outcome::named(name).is_some(), "{name}");
        }
        assert!(offered("remembered-device").is_none());
    }

    #[test]
    fn a_hostile_name_is_escaped() {
        let page = text(&form("<script>'\"&", "s"));
        assert!(
            page.contains("&lt;script&gt;&#39;&quot;&amp;") && !page.contains("<script>"),
            "{page}"
        );
        assert!(!text(&refusal("<b>", "<i>")).contains("<b>"));
    }
}
