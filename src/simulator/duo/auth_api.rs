//! The Auth API (B.3).

use super::credentials::{self, failure, failure_with};
use super::id_token::{self, Event};
use super::message::Reply;
use super::outcome::Outcome;
use super::service::{Call, duo_id};
use super::state::{Decision, Enrolment, State};
use super::{Application, ApplicationKind};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use std::collections::VecDeque;

/// One transparent pixel.
const LOGO: &[u8] = &[
    0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 13, b'I', b'H', b'D', b'R', 0, 0, 0,
    1, 0, 0, 0, 1, 8, 6, 0, 0, 0, 0x1f, 0x15, 0xc4, 0x89, 0, 0, 0, 13, b'I', b'D', b'A', b'T',
    0x78, 0x9c, 0x63, 0, 1, 0, 0, 5, 0, 1, 0x0d, 0x0a, 0x2d, 0xb4, 0, 0, 0, 0, b'I', b'E', b'N',
    b'D', 0xae, 0x42, 0x60, 0x82,
];

type Answered = Result<Reply, Reply>;

/// Either way it is what is sent.
fn sent(answered: Answered) -> Reply {
    answered.unwrap_or_else(|refusal| refusal)
}

fn signed<'a>(call: &'a Call<'_>) -> Result<&'a Application, Reply> {
    credentials::take(call, ApplicationKind::AuthApi)
}

/// `GET /auth/v2/ping`, unsigned.
pub(super) fn ping(call: &Call<'_>, _state: &mut State) -> Reply {
    Reply::ok(&json!({"time": call.now.as_second()}))
}

/// `GET /auth/v2/check`
pub(super) fn check(call: &Call<'_>, _state: &mut State) -> Reply {
    sent(signed(call).map(|_| Reply::ok(&json!({"time": call.now.as_second()}))))
}

/// `GET /auth/v2/logo`
pub(super) fn logo(call: &Call<'_>, _state: &mut State) -> Reply {
    sent(signed(call).map(|_| Reply::png(LOGO.to_vec())))
}

/// `POST /auth/v2/enroll`
pub(super) fn enroll(call: &Call<'_>, state: &mut State) -> Reply {
    sent(signed(call).and_then(|_| enrolled(call, state)))
}

fn enrolled(call: &Call<'_>, state: &mut State) -> Answered {
    let username = match call.parameter("username") {
        "" => call.token()[..32].to_owned(),
        name => name.to_owned(),
    };
    if state.users.contains_key(&username) {
        return Err(invalid("username"));
    }
    let lifetime = match call.parameter("valid_secs") {
        "" => 86_400,
        text => text.parse().map_err(|_| invalid("valid_secs"))?,
    };
    let secret = call.token()[..20].to_owned();
    let host = URL_SAFE_NO_PAD.encode(&call.host);
    let activation_code = format!("duo://{secret}-{host}");
    let expiration = call.now.as_second() + lifetime;
    let user = state.users.entry(username.clone()).or_default();
    user.is_enrolled = false;
    user.enrolment = Some(Enrolment {
        activation_code: activation_code.clone(),
        expiration,
    });
    let barcode = form_urlencoded::Serializer::new(String::new())
        .append_pair("value", &activation_code)
        .finish();
    Ok(Reply::ok(&json!({
        "activation_barcode": format!("https://{}/frame/qr?{barcode}", call.host),
        "activation_code": activation_code,
        "activation_url": format!("https://{}/frame/enroll?code={secret}", call.host),
        "expiration": expiration,
        "user_id": duo_id("DU", &username),
        "username": username,
    })))
}

/// `GET /frame/qr`: no image is drawn; the simulator has no camera in front of it.
pub(super) fn barcode(_call: &Call<'_>, _state: &mut State) -> Reply {
    Reply::png(LOGO.to_vec())
}

/// `GET /frame/enroll`: the activation URL, as a phone opens it.
pub(super) fn activate(call: &Call<'_>, state: &mut State) -> Reply {
    let code = call.parameter("code");
    let now = call.now.as_second();
    let begun = state.users.values_mut().find(|user| {
        user.enrolment.as_ref().is_some_and(|enrolment| {
            let secret = enrolment.activation_code.get(6..26);
            secret == Some(code) && enrolment.expiration > now
        })
    });
    match begun {
        Some(user) => {
            user.is_enrolled = true;
            Reply::html(200, "<p>The device is enrolled.</p>".to_owned())
        }
        None => Reply::html(404, "<p>No such activation.</p>".to_owned()),
    }
}

/// `POST /auth/v2/enroll_status`: the response is a bare string.
pub(super) fn enroll_status(call: &Call<'_>, state: &mut State) -> Reply {
    sent(signed(call).map(|_| Reply::ok(&json!(enrolment_status(call, state)))))
}

fn enrolment_status(call: &Call<'_>, state: &State) -> &'static str {
    let id = call.parameter("user_id");
    let user = state
        .users
        .iter()
        .find(|(name, _)| duo_id("DU", name) == id)
        .map(|(_, user)| user);
    let code = call.parameter("activation_code");
    match user.and_then(|user| Some((user, user.enrolment.as_ref()?))) {
        Some((_, enrolment)) if enrolment.activation_code != code => "invalid",
        Some((user, _)) if user.is_enrolled => "success",
        Some((_, enrolment)) if enrolment.expiration > call.now.as_second() => "waiting",
        _ => "invalid",
    }
}

/// Whom the call names: a user name, or the id of a known user.
fn username(call: &Call<'_>, state: &State) -> Result<String, Reply> {
    match (call.parameter("username"), call.parameter("user_id")) {
        ("", "") => Err(failure_with(
            40_001,
            "Missing required request parameters",
            "username",
        )),
        (name, "") => Ok(name.to_owned()),
        ("", id) => state
            .users
            .keys()
            .find(|name| duo_id("DU", name) == id)
            .cloned()
            .ok_or_else(|| invalid("user_id")),
        _ => Err(invalid("username")),
    }
}

fn invalid(detail: &str) -> Reply {
    failure_with(40_002, "Invalid request parameters", detail)
}

/// `POST /auth/v2/preauth`
pub(super) fn preauth(call: &Call<'_>, state: &mut State) -> Reply {
    let answered = signed(call).and_then(|_| {
        let username = username(call, state)?;
        Ok(Reply::ok(&foretold(call, state, &username)))
    });
    sent(answered)
}

/// What would happen; nothing scripted is used up by asking.
fn foretold(call: &Call<'_>, state: &mut State, username: &str) -> Value {
    match state.standing(username, call.now) {
        Decision::Ask => json!({
            "result": "auth",
            "status_msg": "Account is active",
            "devices": [device(username)],
        }),
        Decision::Enrol => json!({
            "result": "enroll",
            "status_msg": "Enroll an authentication device to proceed",
            "enroll_portal_url": format!("https://{}/frame/enroll", call.host),
        }),
        Decision::Settled(outcome) => json!({
            "result": outcome.result,
            "status_msg": outcome.status_msg,
        }),
    }
}

fn device(username: &str) -> Value {
    json!({
        "device": duo_id("DP", username),
        "type": "phone",
        "name": "",
        "display_name": "iOS (XXX-XXX-0199)",
        "number": "XXX-XXX-0199",
        "capabilities": ["auto", "push", "sms", "phone", "mobile_otp"],
    })
}

/// `POST /auth/v2/auth`
pub(super) fn auth(call: &Call<'_>, state: &mut State) -> Reply {
    sent(signed(call).and_then(|application| authenticated(call, state, application)))
}

fn authenticated(call: &Call<'_>, state: &mut State, application: &Application) -> Answered {
    let username = username(call, state)?;
    let factor = call.parameter("factor");
    let own = duo_id("DP", &username);
    let device = call.parameter("device");
    match factor {
        "auto" | "push" | "phone" | "sms" if device == "auto" || device == own => {}
        "auto" | "push" | "phone" | "sms" if device.is_empty() => {
            let text = "Missing required request parameters";
            return Err(failure_with(40_001, text, "device"));
        }
        "auto" | "push" | "phone" | "sms" => return Err(invalid("device")),
        "passcode" if !call.parameter("passcode").is_empty() => {}
        "passcode" => return Err(invalid("passcode")),
        _ => return Err(invalid("factor")),
    }
    let txid = call.uuid();
    if factor == "sms" {
        let sent = json!({"result": "deny", "status": "sent",
                          "status_msg": "New SMS passcodes sent."});
        return Ok(begun(call, state, &txid, VecDeque::from([sent])));
    }
    let outcome = outcome(call, state, &username, factor);
    let user = state.users.get(&username).cloned().unwrap_or_default();
    let entry = id_token::context(&Event {
        txid: &txid,
        username: &username,
        groups: &user.groups,
        email: user.email.as_deref(),
        application,
        outcome: &outcome,
        client_ip: call.parameter("ipaddr"),
        at: call.now,
    });
    state.record(&username, &outcome, entry, call.now);
    let steps = steps(factor, &outcome);
    Ok(begun(call, state, &txid, steps))
}

/// How it ends: what is settled, else the passcode's rightness, else the user approves.
fn outcome(call: &Call<'_>, state: &mut State, username: &str, factor: &str) -> Outcome {
    let named = |name| Outcome::named(name).expect("a known name");
    match (state.decide(username, call.now), factor) {
        (Decision::Settled(outcome), _) => outcome,
        (Decision::Enrol, _) => named("deny-unenrolled"),
        (Decision::Ask, "passcode") => {
            let passcode = call.parameter("passcode");
            if passcode == state.settings.passcode {
                named("passcode")
            } else if state.spend_bypass_code(username, passcode) {
                named("bypass-code")
            } else {
                named("invalid-passcode")
            }
        }
        (Decision::Ask, "phone") => named("phone"),
        (Decision::Ask, _) => named("push"),
    }
}

/// What `auth_status` tells, call by call.
fn steps(factor: &str, outcome: &Outcome) -> VecDeque<Value> {
    let waiting = |status: &str, text: &str| json!({"result": "waiting", "status": status, "status_msg": text});
    let mut steps = VecDeque::new();
    match factor {
        "phone" => steps.push_back(waiting("calling", "Dialing XXX-XXX-0199...")),
        "auto" | "push" => {
            steps.push_back(waiting(
                "pushed",
                "Pushed a login request to your device...",
            ));
        }
        _ => {}
    }
    let text = if outcome.allows() {
        "Success. Logging you in..."
    } else {
        &outcome.status_msg
    };
    steps.push_back(json!({
        "result": outcome.result,
        "status": outcome.status,
        "status_msg": text,
    }));
    steps
}

/// Synchronous calls get the end at once; asynchronous ones a transaction id.
fn begun(call: &Call<'_>, state: &mut State, txid: &str, mut steps: VecDeque<Value>) -> Reply {
    if call.parameter("async") == "1" {
        state.transactions.insert(txid.to_owned(), steps);
        return Reply::ok(&json!({"txid": txid}));
    }
    Reply::ok(&steps.pop_back().unwrap_or_default())
}

/// `GET /auth/v2/auth_status`: each state once, and a call waits for the next one; the last stays.
pub(super) fn auth_status(call: &Call<'_>, state: &mut State) -> Reply {
    let answered = signed(call).and_then(|_| {
        let patience = state.settings.answer_seconds;
        let steps = state
            .transactions
            .get_mut(call.parameter("txid"))
            .ok_or_else(|| invalid("txid"))?;
        let step = if steps.len() > 1 {
            steps.pop_front()
        } else {
            steps.front().cloned()
        };
        let mut reply = step
            .map(|step| Reply::ok(&step))
            .ok_or_else(|| failure(50_001, "Unknown internal error"))?;
        let told = state.told.insert(call.parameter("txid").to_owned());
        // The first call tells what is going on, the next one waits until the user has answered.
        if !told && state.answered.insert(call.parameter("txid").to_owned()) {
            reply.disturbance.delay = patience;
        }
        Ok(reply)
    });
    sent(answered)
}
