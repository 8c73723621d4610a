//! The free functions: `fail`, `list`, `in_cidr`, `log`, `audit`; and the names of Rhai's own
//! functions that scripts may call.

use crate::authn::event::Event;
use crate::policy::facts::{Facts, Interruption};
use crate::policy::lists::{self, List};
use crate::policy::vocabulary::{Handle, Outcome, interrupt, truth};
use ipnet::IpNet;
use rhai::{Dynamic, Engine, NativeCallContext};
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;

/// A function of ours.
#[derive(Clone, Debug)]
pub(in crate::policy) struct Function {
    pub(in crate::policy) name: &'static str,
    pub(in crate::policy) arguments: RangeInclusive<usize>,
}

/// Our functions and how many arguments they take.
pub(in crate::policy) const FUNCTIONS: &[Function] = &[
    Function {
        name: "fail",
        arguments: 1..=1,
    },
    Function {
        name: "list",
        arguments: 1..=1,
    },
    Function {
        name: "in_cidr",
        arguments: 2..=5,
    },
    Function {
        name: "log",
        arguments: 1..=1,
    },
    Function {
        name: "audit",
        arguments: 2..=2,
    },
];

/// A named list in a script's hands.
#[derive(Clone)]
struct NamedList(Arc<List>, Arc<Facts>);

pub(super) fn register(engine: &mut Engine) {
    engine
        .register_fn("fail", |context: NativeCallContext, event: &str| {
            fail(&*facts(&context)?, event)
        })
        .register_fn("list", |context: NativeCallContext, name: &str| {
            named(facts(&context)?, name)
        })
        .register_type_with_name::<NamedList>("list")
        .register_fn("contains", |list: &mut NamedList, entry: &str| {
            let label = format!("{entry:?} in list({:?})", list.0.name);
            truth(&list.1, &label, list.0.contains(entry))
        })
        .register_fn(
            "log",
            |context: NativeCallContext, line: Dynamic| -> Outcome<()> {
                let noted = facts(&context)?.log(&line.to_string());
                noted.map_err(Into::into)
            },
        )
        .register_fn(
            "audit",
            |context: NativeCallContext, key: &str, value: Dynamic| -> Outcome<()> {
                audit(&*facts(&context)?, key, &value.to_string())
            },
        );
    register_in_cidr(engine);
}

fn register_in_cidr(engine: &mut Engine) {
    type D = Dynamic;
    engine
        .register_fn("in_cidr", |ip: D, a: D| in_cidr(&ip, &[a]))
        .register_fn("in_cidr", |ip: D, a: D, b: D| in_cidr(&ip, &[a, b]))
        .register_fn("in_cidr", |ip: D, a: D, b: D, c: D| {
            in_cidr(&ip, &[a, b, c])
        })
        .register_fn("in_cidr", |ip: D, a: D, b: D, c: D, d: D| {
            in_cidr(&ip, &[a, b, c, d])
        });
}

fn facts(context: &NativeCallContext<'_>) -> Outcome<Arc<Facts>> {
    let handle = context.tag().and_then(|tag| tag.clone().try_cast());
    handle
        .map(|Handle(facts)| facts)
        .ok_or_else(|| "no facts outside a login".into())
}

/// `fail("Event")` ends the script there and then: its value cannot be dropped by mistake.
fn fail(facts: &Facts, event: &str) -> Outcome<Dynamic> {
    match failure(event) {
        Some(event) => Err(interrupt(facts.interrupt(Interruption::Fail(event))).into()),
        None => Err(format!("{event:?} is no event a script may fail with").into()),
    }
}

/// The event of this name, unless it means success.
pub(in crate::policy) fn failure(name: &str) -> Option<Event> {
    name.parse()
        .ok()
        .filter(|&event: &Event| event != Event::Proceed)
}

fn named(facts: Arc<Facts>, name: &str) -> Outcome<NamedList> {
    match facts.lists.named(name) {
        Some(list) => Ok(NamedList(Arc::clone(list), facts)),
        None => Err(format!("there is no list {name:?}").into()),
    }
}

fn audit(facts: &Facts, key: &str, value: &str) -> Outcome<()> {
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if key.is_empty() || key.len() > 64 || !key.chars().all(word) {
        return Err("an audit key is a word of letters, digits, '_', '-' and '.'".into());
    }
    facts.audit(key, value).map_err(Into::into)
}

/// Whether the address lies in one of the networks. An address that is not known is an error: the
/// script stops, and the transition fails closed.
fn in_cidr(ip: &Dynamic, networks: &[Dynamic]) -> Outcome<bool> {
    let ip = ip
        .as_immutable_string_ref()
        .ok()
        .and_then(|text| text.parse::<IpAddr>().ok())
        .ok_or("in_cidr: the client's address is unknown")?
        .to_canonical();
    let mut inside = false;
    for network in networks {
        inside |= within(ip, network)?;
    }
    Ok(inside)
}

fn within(ip: IpAddr, networks: &Dynamic) -> Outcome<bool> {
    if let Ok(text) = networks.as_immutable_string_ref() {
        let network =
            lists::network(&text).ok_or_else(|| format!("{:?} is no network", text.as_str()))?;
        return Ok(network.contains(&ip));
    }
    if let Ok(all) = networks.as_array_ref() {
        return all
            .iter()
            .try_fold(false, |inside, one| Ok(within_text(ip, one)? | inside));
    }
    let list: Option<NamedList> = networks.clone().try_cast();
    let list = list.ok_or("in_cidr wants networks such as \"10.0.0.0/8\", an array or a list")?;
    let networks: &[IpNet] = list
        .0
        .networks()
        .ok_or_else(|| format!("list {:?} holds something that is no network", list.0.name))?;
    Ok(networks.iter().any(|network| network.contains(&ip)))
}

/// One level only: an array of arrays is an error.
fn within_text(ip: IpAddr, network: &Dynamic) -> Outcome<bool> {
    if network.is_string() {
        within(ip, network)
    } else {
        Err("in_cidr wants an array of strings".into())
    }
}

/// Rhai's own functions that scripts may call: pure, worth a place in the documentation, and with
/// results no larger than what they are given (`replace` and `pad` make gigabytes before any limit
/// is asked). All others are refused when the script is compiled.
pub(in crate::policy) const STANDARD: &[&str] = &[
    "abs",
    "all",
    "contains",
    "ends_with",
    "filter",
    "find",
    "index_of",
    "is_empty",
    "keys",
    "len",
    "map",
    "max",
    "min",
    "push",
    "some",
    "split",
    "starts_with",
    "sub_string",
    "to_lower",
    "to_string",
    "to_upper",
    "trim",
    "type_of",
    "values",
    "yes",
    "no",
    "unknown",
];
