//! The transition map, and what can be known about it before a login: steps that end nowhere,
//! rules that can never apply, circles that no user would ever see.

use super::flows::unknown_flow;
use crate::authn::event::Event;
use crate::authn::flow::FlowId;
use crate::authn::transition::{On, Stage, Target, TransitionMap};
use crate::config::nearest::nearest;
use crate::config::reader::Reader;
use crate::config::value;
use std::collections::{BTreeMap, BTreeSet};

const PREFIX: &str = "idp.authn.MFA.transition.";

/// The flows that can be steps: every one but the composite itself.
const FACTORS: [FlowId; 2] = [FlowId::Password, FlowId::DuoOidc];

/// The map in force: the MFA flow's, or that of the one factor that is enabled.
pub(super) fn read(reader: &mut Reader<'_>, top_level: &[FlowId]) -> TransitionMap {
    let keys: Vec<String> = reader
        .values
        .keys()
        .filter(|(key, placed)| key.starts_with(PREFIX) && !placed.value.is_empty())
        .map(|(key, _)| key.to_owned())
        .collect();
    let before = reader.findings.len();
    let mut rules = BTreeMap::new();
    for key in &keys {
        if let Some((place, target)) = rule(reader, key) {
            rules.insert(place, target);
        }
    }
    let map = TransitionMap::new(rules);
    // A map with holes would only yield findings that follow from the first ones.
    if reader.findings.len() == before && top_level.contains(&FlowId::Mfa) {
        examine(reader, &map);
    }
    match top_level {
        [factor, ..] if !top_level.contains(&FlowId::Mfa) => TransitionMap::single(*factor),
        _ => map,
    }
}

fn rule(reader: &mut Reader<'_>, key: &str) -> Option<((Stage, On), Target)> {
    let rest = &key[PREFIX.len()..];
    let (step, event) = rest.split_once('.').unwrap_or((rest, "proceed"));
    let stage = stage(reader, key, step);
    let on = match event {
        "*" => Some(On::Any),
        name => self::event(reader, key, name).map(On::Event),
    };
    let text = reader.text(key)?;
    let target = target(reader, key, &text);
    Some(((stage?, on?), target?))
}

fn stage(reader: &mut Reader<'_>, key: &str, step: &str) -> Option<Stage> {
    if step == "start" {
        return Some(Stage::Start);
    }
    let factor = FACTORS.into_iter().find(|flow| flow.name() == step);
    if factor.is_none() {
        let names = || FACTORS.iter().map(|flow| flow.name()).chain(["start"]);
        let fix = match nearest(step, names()) {
            Some(near) => format!("did you mean {near}?"),
            None => "use one of these".to_owned(),
        };
        let known = names().collect::<Vec<_>>().join(", ");
        let found = format!("the step \"{}\"", step.escape_debug());
        reader.error(key, found, format!("one of {known}"), fix);
    }
    factor.map(Stage::After)
}

fn event(reader: &mut Reader<'_>, key: &str, name: &str) -> Option<Event> {
    let event = name.parse().ok();
    if event.is_none() {
        let names = Event::ALL.iter().map(|event| event.as_str());
        let fix = match nearest(name, names) {
            Some(near) => format!("did you mean {near}?"),
            None => "use an event of docs/configuration.md".to_owned(),
        };
        let found = format!("the event \"{}\"", name.escape_debug());
        reader.error(key, found, "an event's name, or *", fix);
    }
    event
}

fn target(reader: &mut Reader<'_>, key: &str, text: &str) -> Option<Target> {
    match text {
        "end" => return Some(Target::End),
        "fail" => return Some(Target::Fail),
        _ => {}
    }
    if let Some(name) = text.strip_prefix("fail:") {
        return match event(reader, key, name)? {
            Event::Proceed => {
                reader.error(key, "fail:proceed", "an event that fails", "write end");
                None
            }
            event => Some(Target::FailWith(event)),
        };
    }
    if value::script(text).is_some() {
        return reader.script(key).map(Target::Script);
    }
    match value::flow(text) {
        Some(FlowId::Mfa) => {
            let fix = "name the factor that comes next";
            reader.error(key, "authn/MFA inside itself", "a factor", fix);
            None
        }
        Some(flow) => Some(Target::Flow(flow)),
        None => {
            unknown_flow(reader, key, text);
            None
        }
    }
}

fn examine(reader: &mut Reader<'_>, map: &TransitionMap) {
    let reached = reached(map);
    for stage in &reached {
        if map.explicit(*stage, Event::Proceed).is_none() {
            let key = key_of(*stage, On::Event(Event::Proceed));
            reader.error(
                &key,
                "no rule for proceed at a step that can be reached",
                "what follows this step",
                match stage {
                    Stage::Start => format!("add the line `{key} = authn/Password`"),
                    Stage::After(_) => format!("add the line `{key} = end`, or the next flow"),
                },
            );
        }
    }
    for ((stage, on), _) in map.rules() {
        let never = match (stage, on) {
            (Stage::Start, On::Event(event)) => *event != Event::Proceed,
            (stage, _) => !reached.contains(stage),
        };
        if never {
            let fix = "remove it, or write a rule that leads there";
            reader.warn(&key_of(*stage, *on), "a rule that can never apply", fix);
        }
    }
    silent_circles(reader, map, &reached);
}

/// The steps a login can come to. A script may answer with any factor.
fn reached(map: &TransitionMap) -> BTreeSet<Stage> {
    let mut reached = BTreeSet::from([Stage::Start]);
    loop {
        let next: BTreeSet<Stage> = map
            .rules()
            .filter(|((stage, _), _)| reached.contains(stage))
            .flat_map(|(_, target)| leads_to(target))
            .map(Stage::After)
            .collect();
        let known = reached.len();
        reached.extend(next);
        if reached.len() == known {
            return reached;
        }
    }
}

fn leads_to(target: &Target) -> Vec<FlowId> {
    match target {
        Target::Flow(flow) => vec![*flow],
        Target::Script(_) => FACTORS.to_vec(),
        Target::End | Target::Fail | Target::FailWith(_) => Vec::new(),
    }
}

/// A circle of flows that can turn without the user: an earlier result makes a flow proceed at
/// once, and some failures come before any page. Scripts may break a circle, fixed rules cannot.
fn silent_circles(reader: &mut Reader<'_>, map: &TransitionMap, reached: &BTreeSet<Stage>) {
    for flow in FACTORS {
        let mut events = silent_events(flow).iter();
        let turning = events.find(|event| returns_silently(map, flow, **event));
        if let Some(event) = turning.filter(|_| reached.contains(&Stage::After(flow))) {
            reader.error(
                &key_of(Stage::After(flow), rule_for(map, flow, *event)),
                format!("a circle that {event} turns without asking the user"),
                "circles that pass through the user",
                format!("end or fail on {event}, or let a script decide"),
            );
        }
    }
}

/// Which of a flow's rules an event takes.
fn rule_for(map: &TransitionMap, flow: FlowId, event: Event) -> On {
    let own = (Stage::After(flow), On::Event(event));
    if map.rules().any(|(place, _)| *place == own) {
        On::Event(event)
    } else {
        On::Any
    }
}

/// Events with which a flow can end before the user has done anything.
fn silent_events(flow: FlowId) -> &'static [Event] {
    match flow {
        FlowId::DuoOidc => &[
            Event::Proceed,
            Event::AuthenticationException,
            Event::NoPassive,
            Event::RequestUnsupported,
            Event::NoPotentialFlow,
        ],
        FlowId::Password | FlowId::Mfa => &[
            Event::Proceed,
            Event::NoPassive,
            Event::RequestUnsupported,
            Event::NoPotentialFlow,
        ],
    }
}

/// Whether leaving `flow` with this event leads back to it over silent events alone.
fn returns_silently(map: &TransitionMap, flow: FlowId, event: Event) -> bool {
    let direct = |flow: FlowId, event: Event| match map.explicit(Stage::After(flow), event) {
        Some(Target::Flow(next)) => Some(*next),
        _ => None,
    };
    let mut seen = BTreeSet::new();
    let mut open: Vec<FlowId> = direct(flow, event).into_iter().collect();
    while let Some(next) = open.pop() {
        if next == flow {
            return true;
        }
        if seen.insert(next) {
            open.extend(silent_events(next).iter().filter_map(|e| direct(next, *e)));
        }
    }
    false
}

fn key_of(stage: Stage, on: On) -> String {
    let step = match stage {
        Stage::Start => "start",
        Stage::After(flow) => flow.name(),
    };
    match on {
        On::Event(Event::Proceed) => format!("{PREFIX}{step}"),
        On::Event(event) => format!("{PREFIX}{step}.{event}"),
        On::Any => format!("{PREFIX}{step}.*"),
    }
}
