//! The words scripts may use: facts and functions, their types, and how the engine learns them.
//!
//! Facts are read-only by construction: there are getters and no setters, and every value handed
//! out is a copy. Each getter notes what it showed.

mod functions;
mod values;

use crate::authn::facts::{FactKey, FactValue};
use crate::authn::flow::FlowId;
use crate::policy::facts::{Facts, Interruption};
use crate::saml::context::AuthnContextClassRef;
use jiff::tz::TimeZone;
use rhai::{Array, Dynamic, Engine, EvalAltResult, ImmutableString, Position};
use std::sync::Arc;
use values::{Answer, Unknown};

pub(super) use functions::{FUNCTIONS, STANDARD, failure};

/// The scope's constant through which a run hands its facts to the engine. Scripts cannot name it.
pub(super) const FACTS: &str = "__facts";

/// What a fact or an expression is, as far as the check knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    /// A text that is one of these words.
    Word(&'static [&'static str]),
    Truth,
    Number,
    List,
    /// `true`, `false` or unknown.
    Answer,
    Table,
    Instant,
}

/// One member of a root.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member {
    pub(super) root: &'static str,
    pub(super) name: &'static str,
    /// Called with one argument (`Some(1)`), none (`Some(0)`), or a property (`None`).
    pub(super) arguments: Option<usize>,
    pub(super) kind: Kind,
}

/// The roots every script sees; `claims` is one more, in scripts of `duo/`.
pub(super) const ROOTS: &[&str] = &["rp", "request", "user", "mfa", "duo", "now"];
/// The verified claims of Duo's token.
pub(super) const CLAIMS: &str = "claims";

const fn property(root: &'static str, name: &'static str, kind: Kind) -> Member {
    Member {
        root,
        name,
        arguments: None,
        kind,
    }
}

const fn method(root: &'static str, name: &'static str, arguments: usize, kind: Kind) -> Member {
    Member {
        root,
        name,
        arguments: Some(arguments),
        kind,
    }
}

const PREAUTH: Kind = Kind::Word(&["auth", "allow", "deny", "enroll", UNKNOWN]);
const HEALTH: Kind = Kind::Word(&["up", "down", UNKNOWN]);
const COMPARISON: Kind = Kind::Word(&["exact", "minimum", "maximum", "better"]);
const WEEKDAY: Kind = Kind::Word(&[
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
]);
/// How a fetched fact that could not be fetched reads.
const UNKNOWN: &str = "unknown";

/// Every member of every root.
pub(super) const MEMBERS: &[Member] = &[
    property("rp", "id", Kind::Text),
    property("rp", "name", Kind::Text),
    property("rp", "entity_attributes", Kind::Table),
    property("rp", "registration_authority", Kind::Text),
    property("rp", "groups", Kind::List),
    property("rp", "tags", Kind::List),
    property("request", "requested", Kind::List),
    property("request", "comparison", COMPARISON),
    property("request", "force_authn", Kind::Truth),
    property("request", "passive", Kind::Truth),
    property("request", "signed", Kind::Truth),
    property("request", "non_browser", Kind::Truth),
    property("request", "binding", Kind::Text),
    property("request", "client_ip", Kind::Text),
    property("request", "user_agent", Kind::Text),
    property("request", "headers", Kind::Table),
    property("user", "name", Kind::Text),
    method("user", "attr", 1, Kind::List),
    method("user", "in_group", 1, Kind::Answer),
    method("mfa", "is_acceptable", 0, Kind::Truth),
    property("mfa", "results", Kind::List),
    method("mfa", "has", 1, Kind::Truth),
    property("mfa", "event", Kind::Text),
    method("mfa", "attempts", 1, Kind::Number),
    property("duo", "preauth", PREAUTH),
    property("duo", "health", HEALTH),
    property("now", "hour", Kind::Number),
    property("now", "minute", Kind::Number),
    property("now", "weekday", WEEKDAY),
    property("now", "date", Kind::Text),
];

type Outcome<T> = Result<T, Box<EvalAltResult>>;

/// The facts of a run, as the engine carries them.
#[derive(Clone)]
pub(super) struct Handle(pub(super) Arc<Facts>);

macro_rules! roots {
    ($($name:ident)*) => { $(#[derive(Clone)] struct $name(Arc<Facts>);)* };
}
roots! { Rp Request User Mfa Duo Now EntityAttributes Headers }

/// Teaches the engine every fact and function.
pub(super) fn register(engine: &mut Engine) {
    resolve_roots(engine);
    values::register(engine);
    functions::register(engine);
    relying_party(engine);
    request(engine);
    user(engine);
    mfa(engine);
    duo(engine);
    now(engine);
}

/// Facts are resolved by name before any local variable, so no local can stand in for one, and
/// functions of the script see them too.
#[expect(
    deprecated,
    reason = "rhai marks its variable resolver as volatile, not as deprecated"
)]
fn resolve_roots(engine: &mut Engine) {
    engine.on_var(|name, _, mut context| {
        if name == FACTS {
            let handle = context.scope().get_value::<Handle>(FACTS);
            *context.tag_mut() = handle.map_or(Dynamic::UNIT, Dynamic::from);
            return Ok(Some(Dynamic::UNIT));
        }
        if name != CLAIMS && !ROOTS.contains(&name) {
            return Ok(None);
        }
        let Some(Handle(facts)) = context.tag().clone().try_cast() else {
            return Ok(None);
        };
        Ok(root(name, facts))
    });
    engine.on_def_var(|_, variable, _| {
        let name = variable.name();
        Ok(name != CLAIMS && !ROOTS.contains(&name))
    });
}

fn root(name: &str, facts: Arc<Facts>) -> Option<Dynamic> {
    Some(match name {
        "rp" => Dynamic::from(Rp(facts)),
        "request" => Dynamic::from(Request(facts)),
        "user" => Dynamic::from(User(facts)),
        "mfa" => Dynamic::from(Mfa(facts)),
        "duo" => Dynamic::from(Duo(facts)),
        "now" => Dynamic::from(Now(facts)),
        _ => return claims(&facts),
    })
}

fn claims(facts: &Facts) -> Option<Dynamic> {
    let claims = facts.claims.as_ref()?;
    for key in ["factor", "reason", "result"] {
        if let Some(value) = claims["auth_context"][key].as_str() {
            facts.read(&format!("claims.auth_context.{key}"), value);
        }
    }
    Some(values::from_json(claims))
}

fn relying_party(engine: &mut Engine) {
    engine
        .register_type_with_name::<Rp>("rp")
        .register_get("id", |rp: &mut Rp| text(&rp.0, "rp.id", &rp.0.rp.id))
        .register_get("name", |rp: &mut Rp| text(&rp.0, "rp.name", &rp.0.rp.name))
        .register_get("entity_attributes", |rp: &mut Rp| {
            EntityAttributes(Arc::clone(&rp.0))
        })
        .register_get("registration_authority", |rp: &mut Rp| {
            let authority = rp.0.rp.registration_authority.as_deref();
            maybe(&rp.0, "rp.registration_authority", authority)
        })
        .register_get("groups", |rp: &mut Rp| {
            list(
                &rp.0,
                "rp.groups",
                rp.0.rp.groups.iter().map(String::as_str),
            )
        })
        .register_get("tags", |rp: &mut Rp| {
            list(&rp.0, "rp.tags", rp.0.rp.tags.iter().map(String::as_str))
        })
        .register_type_with_name::<EntityAttributes>("entity attributes")
        .register_indexer_get(|all: &mut EntityAttributes, name: &str| {
            let values = all.0.rp.entity_attributes.get(name);
            let values = values.into_iter().flatten().map(String::as_str);
            list(&all.0, &format!("rp.entity_attributes[{name:?}]"), values)
        })
        .register_fn("contains", |all: &mut EntityAttributes, name: &str| {
            let held = all.0.rp.entity_attributes.contains_key(name);
            truth(&all.0, &format!("{name:?} in rp.entity_attributes"), held)
        });
}

fn request(engine: &mut Engine) {
    engine
        .register_type_with_name::<Request>("request")
        .register_get("requested", |r: &mut Request| {
            let classes =
                r.0.request
                    .requested
                    .iter()
                    .flat_map(|asked| &asked.classes);
            list(
                &r.0,
                "request.requested",
                classes.map(AuthnContextClassRef::as_str),
            )
        })
        .register_get("comparison", |r: &mut Request| {
            let comparison = r.0.request.requested.as_ref().map(|asked| asked.comparison);
            text(
                &r.0,
                "request.comparison",
                comparison.unwrap_or_default().as_str(),
            )
        })
        .register_get("force_authn", |r: &mut Request| {
            truth(&r.0, "request.force_authn", r.0.request.force_authn)
        })
        .register_get("passive", |r: &mut Request| {
            truth(&r.0, "request.passive", r.0.request.is_passive)
        })
        .register_get("signed", |r: &mut Request| {
            truth(&r.0, "request.signed", r.0.request.signed)
        })
        .register_get("non_browser", |r: &mut Request| {
            truth(&r.0, "request.non_browser", r.0.request.non_browser)
        })
        .register_get("binding", |r: &mut Request| {
            text(&r.0, "request.binding", &r.0.request.binding)
        })
        .register_get("user_agent", |r: &mut Request| {
            text(&r.0, "request.user_agent", &r.0.request.user_agent)
        })
        .register_get("client_ip", |r: &mut Request| {
            // Canonical: a dual-stack socket shows IPv4 clients as ::ffff:a.b.c.d.
            let address =
                r.0.request
                    .client_ip
                    .map(|ip| ip.to_canonical().to_string());
            maybe(&r.0, "request.client_ip", address.as_deref())
        })
        .register_get("headers", |r: &mut Request| Headers(Arc::clone(&r.0)))
        .register_type_with_name::<Headers>("headers")
        .register_indexer_get(|all: &mut Headers, name: &str| {
            let name = name.to_ascii_lowercase();
            let value = all.0.request.headers.get(&name).map(String::as_str);
            maybe(&all.0, &format!("request.headers[{name:?}]"), value)
        });
}

fn user(engine: &mut Engine) {
    engine
        .register_type_with_name::<User>("user")
        .register_get("name", |user: &mut User| {
            maybe(&user.0, "user.name", user.0.username.as_deref())
        })
        .register_fn("attr", |user: &mut User, name: &str| {
            attribute(&user.0, name)
        })
        .register_fn("in_group", |user: &mut User, group: &str| {
            in_group(&user.0, group)
        });
}

fn attribute(facts: &Facts, name: &str) -> Outcome<Dynamic> {
    let label = format!("user.attr({name:?})");
    match fetched(facts, FactKey::UserAttributes)? {
        FactValue::Attributes(all) => {
            let values = all.get(name).into_iter().flatten().map(String::as_str);
            Ok(list(facts, &label, values).into())
        }
        FactValue::Word(_) | FactValue::Unknown => {
            facts.read(&label, UNKNOWN);
            Ok(Dynamic::from(Unknown))
        }
    }
}

fn in_group(facts: &Facts, group: &str) -> Outcome<Answer> {
    let groups = match fetched(facts, FactKey::UserGroups)? {
        FactValue::Attributes(all) => all.get("groups"),
        FactValue::Word(_) | FactValue::Unknown => None,
    };
    let answer = Answer(groups.map(|groups| groups.iter().any(|held| held == group)));
    facts.read(&format!("user.in_group({group:?})"), answer.as_str());
    Ok(answer)
}

fn mfa(engine: &mut Engine) {
    engine
        .register_type_with_name::<Mfa>("mfa")
        .register_fn("is_acceptable", |mfa: &mut Mfa| {
            truth(&mfa.0, "mfa.is_acceptable()", mfa.0.acceptable)
        })
        .register_get("results", |mfa: &mut Mfa| {
            list(
                &mfa.0,
                "mfa.results",
                mfa.0.results.iter().map(|flow| flow.as_str()),
            )
        })
        .register_get("event", |mfa: &mut Mfa| {
            text(&mfa.0, "mfa.event", mfa.0.event.as_str())
        })
        .register_fn("has", |mfa: &mut Mfa, name: &str| -> Outcome<bool> {
            let held = mfa.0.results.contains(&flow(name)?);
            Ok(truth(&mfa.0, &format!("mfa.has({name:?})"), held))
        })
        .register_fn("attempts", |mfa: &mut Mfa, name: &str| -> Outcome<i64> {
            let count = mfa.0.attempts.get(&flow(name)?).copied().unwrap_or(0);
            mfa.0
                .read(&format!("mfa.attempts({name:?})"), &count.to_string());
            Ok(i64::from(count))
        });
}

fn flow(name: &str) -> Outcome<FlowId> {
    name.parse()
        .map_err(|_| format!("there is no flow {name:?}").into())
}

fn duo(engine: &mut Engine) {
    engine
        .register_type_with_name::<Duo>("duo")
        .register_get("preauth", |duo: &mut Duo| {
            word(&duo.0, "duo.preauth", FactKey::DuoPreauth)
        })
        .register_get("health", |duo: &mut Duo| {
            word(&duo.0, "duo.health", FactKey::DuoHealth)
        });
}

fn word(facts: &Facts, name: &str, key: FactKey) -> Outcome<ImmutableString> {
    let word = match fetched(facts, key)? {
        FactValue::Word(word) => word,
        FactValue::Attributes(_) | FactValue::Unknown => UNKNOWN,
    };
    Ok(text(facts, name, word))
}

fn fetched(facts: &Facts, key: FactKey) -> Outcome<&FactValue> {
    facts.fetched(key).map_err(|why| interrupt(why).into())
}

/// The error that carries an interruption: no `catch` can take it, and [`Facts`] remembers it.
fn interrupt(_: Interruption) -> EvalAltResult {
    EvalAltResult::ErrorTerminated(Dynamic::UNIT, Position::NONE)
}

fn now(engine: &mut Engine) {
    engine
        .register_type_with_name::<Now>("now")
        .register_get("hour", |now: &mut Now| i64::from(utc(now).hour()))
        .register_get("minute", |now: &mut Now| i64::from(utc(now).minute()))
        .register_get("date", |now: &mut Now| utc(now).date().to_string())
        .register_get("weekday", |now: &mut Now| {
            utc(now).strftime("%A").to_string().to_lowercase()
        })
        .register_fn("to_string", |now: &mut Now| instant(now).to_string())
        .register_fn("<", |now: Now, at: &str| -> Outcome<bool> {
            Ok(instant(&now) < moment(at)?)
        })
        .register_fn(">", |now: Now, at: &str| -> Outcome<bool> {
            Ok(instant(&now) > moment(at)?)
        })
        .register_fn("<=", |now: Now, at: &str| -> Outcome<bool> {
            Ok(instant(&now) <= moment(at)?)
        })
        .register_fn(">=", |now: Now, at: &str| -> Outcome<bool> {
            Ok(instant(&now) >= moment(at)?)
        });
}

fn instant(now: &Now) -> jiff::Timestamp {
    now.0.read("now", &now.0.now.to_string());
    now.0.now
}

fn utc(now: &Now) -> jiff::Zoned {
    instant(now).to_zoned(TimeZone::UTC)
}

fn moment(text: &str) -> Outcome<jiff::Timestamp> {
    text.parse()
        .map_err(|_| format!("{text:?} is no instant such as 2026-12-31T23:00:00Z").into())
}

fn text(facts: &Facts, name: &str, value: &str) -> ImmutableString {
    facts.read(name, value);
    value.into()
}

fn maybe(facts: &Facts, name: &str, value: Option<&str>) -> Dynamic {
    facts.read(name, value.unwrap_or("()"));
    value.map_or(Dynamic::UNIT, Into::into)
}

fn truth(facts: &Facts, name: &str, value: bool) -> bool {
    facts.read(name, if value { "true" } else { "false" });
    value
}

fn list<'a>(facts: &Facts, name: &str, values: impl Iterator<Item = &'a str>) -> Array {
    let values: Vec<&str> = values.collect();
    facts.read(name, &format!("{values:?}"));
    values.into_iter().map(Into::into).collect()
}
